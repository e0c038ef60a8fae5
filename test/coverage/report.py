#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
#
# Tells how much of the headers the tests of the preset `coverage` have reached:
#   report.py BUILD-FOLDER
# prints lines and branches of each header, writes what is left to BUILD-FOLDER/uncovered.txt, and
# a web page of each header to BUILD-FOLDER/html.
#
# Each program is evaluated with its own profile, and the programs are put together here, by the
# place in the source. llvm-cov could do so by the names of functions; but programs have functions
# of one name that are not the same, as each has its own main function, and those it drops. For the
# same reason templates need no care: a line counts as reached if any instance reaches it.
#
# A branch is one outcome of one condition. What an `if constexpr` decides is no branch. A template
# that nobody instantiates does not appear at all, neither as reached nor as missing.

import html
import json
import subprocess
import sys
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path

STYLE = """body{font:14px sans-serif;margin:2em}td,th{padding:0 1em;text-align:right}
td:first-child,th:first-child{text-align:left}pre{line-height:1.35}i{color:#888;font-style:normal}
.no{background:#fbb}.half{background:#fe9}"""


class Header:
    def __init__(self):
        self.lines = defaultdict(int)  # line -> how often
        self.skipped = set()  # lines of comments, and of what is not compiled
        self.branches = defaultdict(lambda: [0, 0, 0])  # place -> true, false, looked at

    def add(self, segments, branches):
        """What one program tells, in the form of llvm-cov's export."""
        starts = [(line, column) for line, column, *_ in segments]

        def at(line, column):
            index = bisect_right(starts, (line, column)) - 1
            return segments[index] if index >= 0 else None

        last = segments[-1][0] if segments else 0
        by_line = defaultdict(list)
        for segment in segments:
            by_line[segment[0]].append(segment)
        for line in range(segments[0][0] if segments else 1, last + 1):
            # A line is reached if what began before it or something that begins on it is.
            before = at(line, 0)
            begins = [s for s in by_line[line] if s[3] and s[4] and not s[5]]
            starts_skipping = by_line[line] and by_line[line][0][4] and not by_line[line][0][3]
            goes_on_skipping = before and before[4] and not before[3] and not begins
            if starts_skipping or goes_on_skipping:
                self.skipped.add(line)
                continue
            if not (begins or (before and before[3])):
                continue
            counts = [s[2] for s in begins] + ([before[2]] if before and before[3] else [])
            self.lines[line] += max(counts)

        for line, column, end_line, end_column, yes, no, *_ in branches:
            branch = self.branches[line, column, end_line, end_column]
            branch[0] += yes
            branch[1] += no
            around = at(line, column)
            branch[2] += around[2] if around else 0

    def finish(self):
        """Drops what is no code, though it lies in a function that some program does not use, and
        conditions that are looked at and have no outcome: the compiler has decided."""
        self.lines = {line: count for line, count in self.lines.items() if line not in self.skipped}
        self.branches = {
            place: (yes, no)
            for place, (yes, no, seen) in self.branches.items()
            if yes or no or not seen
        }

    def missing_lines(self):
        return [line for line in sorted(self.lines) if not self.lines[line]]

    def missing_branches(self):
        """Places and which outcomes they never had."""
        return [
            (place, [name for name, count in (("true", yes), ("false", no)) if not count])
            for place, (yes, no) in sorted(self.branches.items())
            if not (yes and no)
        ]

    def figures(self):
        missing = sum(len(outcomes) for _, outcomes in self.missing_branches())
        return (
            len(self.lines) - len(self.missing_lines()),
            len(self.lines),
            2 * len(self.branches) - missing,
            2 * len(self.branches),
        )


def read(build, include):
    headers = defaultdict(Header)
    profiles = sorted((build / "profiles").glob("*.profraw"))
    if not profiles:
        sys.exit(f"There is no profile in {build}/profiles: have the tests been run?")
    merged = build / "program.profdata"
    for profile in profiles:
        program = build / "test" / profile.stem
        subprocess.run(["llvm-profdata-19", "merge", "-o", merged, profile], check=True)
        exported = subprocess.run(
            ["llvm-cov-19", "export", "-skip-functions", "-skip-expansions"]
            + [f"-instr-profile={merged}", program, include],
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        for file in json.loads(exported)["data"][0]["files"]:
            # Of a program that uses none of the headers everything is exported.
            path = Path(file["filename"])
            if path.is_relative_to(include):
                headers[str(path.relative_to(include))].add(file["segments"], file["branches"])
    merged.unlink()
    for header in headers.values():
        header.finish()
    return len(profiles), dict(sorted(headers.items()))


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def page(title, body):
    return (
        f'<!DOCTYPE html><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1>{body}\n"
    )


def write_header(target, name, header, source):
    outcomes = defaultdict(list)
    for (line, column, *_), missing in header.missing_branches():
        outcomes[line].append(f"column {column} is never {' or '.join(missing)}")
    rows = []
    for number, text in enumerate(source.splitlines(), 1):
        count = header.lines.get(number)
        kind = "no" if count == 0 else "half" if outcomes[number] else ""
        shown = "" if count is None else str(count)
        rows.append(
            f'<i>{shown:>10} {number:>4} </i><span class="{kind}" '
            f'title="{"; ".join(outcomes[number])}">{html.escape(text)}</span>'
        )
    target.write_text(page(name, "<pre>" + "\n".join(rows) + "</pre>"))


def main():
    if len(sys.argv) != 2:
        sys.exit("Usage: report.py BUILD-FOLDER")
    build = Path(sys.argv[1]).resolve()
    include = Path(__file__).resolve().parents[2] / "include"
    programs, headers = read(build, include)

    folder = build / "html"
    folder.mkdir(exist_ok=True)
    uncovered, rows = [], []
    total = [0, 0, 0, 0]
    print(f"{'':44} {'lines':>12} {'branches':>20}")
    for name, header in headers.items():
        source = (include / name).read_text()
        figures = header.figures()
        total = [a + b for a, b in zip(total, figures)]
        hit, lines, taken, branches = figures
        cells = [percent(hit, lines), f"{hit}/{lines}"]
        cells += [percent(taken, branches), f"{taken}/{branches}"]
        print(f"{name:44} {cells[0]:>8} {cells[1]:>9} {cells[2]:>8} {cells[3]:>9}")
        target = name.replace("/", "_") + ".html"
        write_header(folder / target, name, header, source)
        rows.append(f'<tr><td><a href="{target}">{name}</a><td>' + "<td>".join(cells))
        text = source.splitlines()
        for line in header.missing_lines():
            uncovered.append((name, line, 0, "not reached", text[line - 1].strip()))
        for (line, column, *_), missing in header.missing_branches():
            if header.lines.get(line):
                what = f"never {' or '.join(missing)}"
                uncovered.append((name, line, column, what, text[line - 1].strip()))
    hit, lines, taken, branches = total
    summary = (
        f"{programs} programs reach {percent(hit, lines)} of {lines} lines"
        f" and {percent(taken, branches)} of {branches} branches in {len(headers)} headers"
    )
    (folder / "index.html").write_text(
        page(
            "What the tests reach",
            f"<p>{summary}.</p><table><tr><th>header<th colspan=2>lines<th colspan=2>branches"
            + "".join(rows)
            + "</table>",
        )
    )
    (build / "uncovered.txt").write_text(
        "".join(f"{n}:{l}:{c}: {what}: {text}\n" for n, l, c, what, text in sorted(uncovered))
    )
    print(summary)
    print(f"What is missing is in {build}/uncovered.txt and, as a page, in {folder}/index.html")


main()
