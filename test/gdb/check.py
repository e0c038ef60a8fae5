# SPDX-License-Identifier: BSL-1.0
"""Compares what gdb prints with what the comments of a program say; to be run by gdb itself:

    gdb --batch -nx -x PRINTERS -x check.py PROGRAM

The program calls stop_and_look(). Above such a call there are comments:

    // (gdb) print EXPRESSION
    // what is printed, which may go on
    //   in the next lines, and where three dots stand for anything
"""

import gdb
import pathlib
import re

PROMPT = "(gdb) print "


def expectations(source, line):
    """The pairs of expression and text in the comments above a line."""
    lines = pathlib.Path(source).read_text(encoding="utf-8").splitlines()
    first = line - 1
    while lines[first - 1].lstrip().startswith("//"):
        first -= 1
    pairs = []
    for comment in (text.strip()[2:].strip() for text in lines[first : line - 1]):
        if comment.startswith(("tag::", "end::")):
            continue  # a page shows it
        if comment.startswith(PROMPT):
            pairs.append([comment[len(PROMPT) :], ""])
        elif pairs:
            pairs[-1][1] = f"{pairs[-1][1]} {comment}".strip()
    return pairs


def printed(expression):
    try:
        value = gdb.parse_and_eval(expression)
        if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            value = value.referenced_value()
        return value.format_string()
    except (gdb.error, RuntimeError, LookupError) as problem:
        return f"{type(problem).__name__}: {problem}"


def look_around():
    """Checks what there is to see where the program has stopped; how much of it, and what is wrong."""
    frame = gdb.newest_frame().older()
    frame.select()
    sal = frame.find_sal()
    pairs = expectations(sal.symtab.fullname(), sal.line)
    problems = []
    if not pairs:
        problems.append(f"line {sal.line}: there is nothing to be looked at")
    for expression, expected in pairs:
        found = printed(expression)
        if not re.fullmatch(re.escape(expected).replace(r"\.\.\.", ".*"), found):
            problems.append(
                f"line {sal.line}: print {expression}\n  expected {expected}\n  but was  {found}"
            )
    return len(pairs), problems


def check():
    # Where a process may not be told to do without, addresses are random.
    gdb.execute("set disable-randomization off")
    gdb.execute("set debuginfod enabled off")
    gdb.Breakpoint("stop_and_look")
    count, problems = 0, []
    gdb.execute("run", to_string=True)
    while gdb.selected_inferior().threads():
        seen, found = look_around()
        count += seen
        problems += found
        gdb.execute("continue", to_string=True)
    for problem in problems:
        print(problem)
    if count == 0:
        problems.append("the program was never stopped")
    print(f"{count} values were looked at, {len(problems)} of them were wrong")
    return problems


# Whatever goes wrong before, the status is not that of success.
status = 1
try:
    status = 1 if check() else 0
finally:
    gdb.execute(f"quit {status}")
