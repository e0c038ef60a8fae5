#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Makes the pages of the reference from the comments in the public headers.

Usage: reference.py HEADER-FOLDER OUTPUT-FOLDER

For each header that declares something it writes a page, reference_NAME.adoc, and one that lists
all of them, reference.adoc. Doxygen reads the headers; what it has understood comes as XML.

What is in a namespace `detail` has no entry. What a public class inherits from there is told as its
own. It is an error if a public function, or anything else that has an entry, has no comment.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

# Which pages of the guide are about what a header declares.
GUIDES = {
    "broadcast_receiver": ["broadcast"],
    "broadcast_sender": ["broadcast"],
    "channel": ["channel", "choosing"],
    "error": ["errors"],
    "oneshot": ["oneshot"],
    "overflow": ["broadcast"],
    "permit": ["permits"],
    "receiver": ["channel", "batches"],
    "select": ["select"],
    "select_cases": ["select"],
    "sender": ["channel", "batches", "permits"],
    "sync_bridge": ["sync_bridge"],
    "sync_receiver": ["sync_bridge"],
    "sync_sender": ["sync_bridge"],
    "sync_wait": ["sync_bridge"],
    "threading": ["choosing"],
    "use_awaitable": ["completion"],
    "watch_receiver": ["watch"],
    "watch_sender": ["watch"],
}

# Functions of bases whose names say it all, and that have no comment for that reason.
PLAIN = {
    "empty": "Whether `+size()+` is 0.",
    "receiver_count": "How many receiver handles there are. 0 for an empty handle.",
    "sender_count": "How many sender handles there are. 0 for an empty handle.",
}

# Bases that pass every call on to an object of another class, where the comments are.
FORWARDS = {"sync_end": "channel_end"}

# Members that are public because the library itself uses them.
INTERNAL = {"cases", "set_type"}

# How names are shown that belong to bases of the class that has the entry.
SHOWN = {
    "typename End::value_type": "T",
    "typename End::executor_type": "Executor",
    "typename End::threading_type": "Threading",
    "typename set::value_type": "std::variant<...>",
    "const channel_end<Role2, T, Executor2, Threading>&": "const other_end<T, Executor2, Threading>&",
    "const watch_end<Role2, T, Executor2, Threading>&": "const other_end<T, Executor2, Threading>&",
    "const sync_end<Other>&": "const Other&",
}

# A paragraph that begins with one of these and a colon is about that.
HEADINGS = (
    "Completion signature|Errors|Executor|Per-operation cancellation|Cancellation|Values? on failure"
    "|Ordering(?: and fairness)?|Thread safety|Complexity|Memory|Cases"
)

DOXYFILE = """
INPUT = {headers}
RECURSIVE = YES
FILE_PATTERNS = *.hpp
STRIP_FROM_PATH = {headers}
OUTPUT_DIRECTORY = {output}
GENERATE_HTML = NO
GENERATE_LATEX = NO
GENERATE_XML = YES
XML_PROGRAMLISTING = NO
EXTRACT_ALL = YES
EXCLUDE_SYMBOLS = boost::*
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = "BOOST_ASIO_COMPLETION_TOKEN_FOR(s)=class" BOOST_ASIO_HAS_CO_AWAIT=1 __cplusplus=202002L
SEARCH_INCLUDES = NO
AUTOLINK_SUPPORT = NO
WARN_IF_INCOMPLETE_DOC = NO
QUIET = YES
"""

problems = []


def complain(place, what):
    problems.append(f"{place}: {what}")


# --- Text -----------------------------------------------------------------------------------------


def escape(text):
    """Plain text, with nothing in it that Asciidoctor would take for markup."""
    text = re.sub(r"\s+", " ", text)
    return text.replace("C++", "{cpp}")


def code(text):
    text = re.sub(r"\s+", " ", text).strip()
    return f"`+{text}+`" if text else ""


def inline(element):
    """What is in an element of XML, as one line of AsciiDoc."""
    parts = [escape(element.text or "")]
    for child in element:
        if child.tag == "computeroutput":
            parts.append(code("".join(child.itertext())))
        elif child.tag in ("ref", "ulink"):
            parts.append(inline(child))
        elif child.tag == "emphasis":
            parts.append(f"_{inline(child)}_")
        elif child.tag == "bold":
            parts.append(f"*{inline(child)}*")
        elif child.tag in ("ndash", "mdash"):
            parts.append("-")
        else:
            raise ValueError(f"what is <{child.tag}> in a comment?")
        parts.append(escape(child.tail or ""))
    return "".join(parts).strip()


def listing(element):
    lines = []
    for line in element.iter("codeline"):
        text = []
        for node in line.iter():
            if node.tag == "sp":
                text.append(" ")
            text.append(node.text or "")
            if node is not line:
                text.append(node.tail or "")
        lines.append("".join(text).rstrip())
    return source("\n".join(lines))


def source(text):
    return f"[source,cpp]\n----\n{text}\n----"


BLOCKS = ("itemizedlist", "programlisting", "simplesect", "parameterlist")


def blocks(element):
    """The paragraphs, lists and listings in a comment, as blocks of AsciiDoc."""
    result = []
    for paragraph in element.findall("para"):
        run = ElementTree.Element("para")
        run.text = paragraph.text

        def end_run():
            nonlocal run
            text = inline(run)
            if text:
                result.append(re.sub(rf"^({HEADINGS})\b", r"*\1*", text))
            run = ElementTree.Element("para")

        for child in paragraph:
            if child.tag not in BLOCKS:
                run.append(child)
                continue
            end_run()
            if child.tag == "programlisting":
                result.append(listing(child))
            elif child.tag == "itemizedlist":
                items = [" +\n".join(blocks(item)) for item in child.findall("listitem")]
                result.append("\n".join(f"* {item}" for item in items))
            elif child.tag == "simplesect" and child.get("kind") == "return":
                first, *rest = blocks(child)
                result.extend([f"*Returns:* {first}", *rest])
            elif child.tag == "parameterlist":
                for item in child.findall("parameteritem"):
                    names = ", ".join(code(n.text) for n in item.iter("parametername"))
                    first, *rest = blocks(item.find("parameterdescription"))
                    result.extend([f"{names}: {first}", *rest])
            else:
                raise ValueError(f"what is <{child.tag} kind={child.get('kind')}> in a comment?")
            run.text = child.tail
        end_run()
    return result


def comment(member):
    return blocks(member.find("briefdescription")) + blocks(member.find("detaileddescription"))


def brief(texts):
    """The first sentence."""
    text = texts[0] if texts else ""
    return re.split(r"(?<=[.:]) ", text, maxsplit=1)[0].rstrip(":")


# --- Declarations ---------------------------------------------------------------------------------


def plain(element):
    """The text of a piece of a declaration, spaced as in the headers."""
    text = re.sub(r"\s+", " ", "".join(element.itertext())).strip() if element is not None else ""
    text = re.sub(r"< ", "<", re.sub(r" >", ">", text))
    text = re.sub(r" ?(&&?|\*) ?(?=[\w.]|$)", lambda m: m.group(1) + " ", text).strip()
    text = re.sub(r"\boperator(\S+) \(", r"operator\1(", text)
    text = text.replace("&& ...", "&&...").replace("boost::asio::", "asio::")
    text = re.sub(r"detail::default_token_t<(\w+)>", r"default_token<\1>", text)
    return SHOWN.get(text, text)


def template_head(member):
    parameters = member.find("templateparamlist")
    if parameters is None:
        return ""
    shown = []
    for parameter in parameters.findall("param"):
        kind, default = plain(parameter.find("type")), plain(parameter.find("defval"))
        name = parameter.findtext("declname")
        kind = f"{kind} {name}" if name else kind
        # What has no name decides whether the function is there at all.
        if kind in ("class", "typename", "class Role2"):
            continue
        shown.append(f"{kind} = {default}" if default else kind)
    return wrap("template <", shown, ">") if shown else ""


def wrap(begin, items, end, indent=None):
    """Items in one line if they fit, else in several."""
    indent = len(begin) if indent is None else indent
    lines = [begin]
    for i, item in enumerate(items):
        piece = item + (end if i + 1 == len(items) else ",")
        gap = "" if lines[-1].endswith(begin) else " "
        if len(lines[-1]) + len(gap) + len(piece) > WIDTH and i > 0:
            lines.append(" " * indent + piece)
        else:
            lines[-1] += gap + piece
    return "\n".join(lines) if items else begin + end


WIDTH = 96


def fold(words, name, arguments, tail):
    """A declaration in as many lines as it takes."""
    head = " ".join(words + [name]) + "("
    tail = ")" + tail
    whole = head + ", ".join(arguments) + tail
    if len(whole) <= WIDTH:
        return whole
    if len(head) > WIDTH * 2 // 3 and words:
        rest = f"{name}({', '.join(arguments)}{tail}"
        if len(rest) <= WIDTH:
            return " ".join(words) + "\n" + rest
    return head + "\n" + wrap("    ", arguments, tail, 4)


class Sources:
    """The headers themselves, for what Doxygen does not tell."""

    def __init__(self, folder):
        self.folder = folder
        self.lines = {}

    def is_nodiscard(self, member):
        location = member.find("location")
        name = location.get("file")
        if name not in self.lines:
            with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                self.lines[name] = file.read().split("\n")
        last = int(location.get("line"))
        first = last
        while first > 1 and not re.search(r"([;{}:]|\*/)\s*$|^\s*(//|#)", self.lines[name][first - 2]):
            first -= 1
        return "[[nodiscard]]" in "\n".join(self.lines[name][first - 1 : last])


def declaration(member, sources):
    """How a function is declared, without its body and without what is internal."""
    name = member.findtext("name")
    kind = plain(member.find("type"))
    words = []
    if sources.is_nodiscard(member):
        words.append("[[nodiscard]]")
    if member.get("kind") == "friend":
        words.append("friend")
    if member.get("explicit") == "yes":
        words.append("explicit")
    if kind.startswith("constexpr"):
        words.append("constexpr")
        kind = kind[len("constexpr") :].strip()
    if member.get("static") == "yes":
        words.append("static")
    if kind:
        words.append(kind)

    arguments = []
    for parameter in member.findall("param"):
        text = plain(parameter.find("type"))
        if parameter.findtext("declname"):
            text += " " + parameter.findtext("declname")
        default = plain(parameter.find("defval"))
        arguments.append(f"{text} = {default}" if default else text)

    tail = plain(member.find("argsstring"))
    tail = tail[tail.rindex(")") + 1 :] if ")" in tail else ""
    if "->" in member.findtext("argsstring"):
        tail = " -> " + plain(member.find("argsstring")).split("->", 1)[1].strip()
    tail = re.sub(r"(?<=\S)(noexcept|=)", r" \1", tail.strip())
    tail = re.sub(r" ?= ?(default|delete)$", r" = \1", tail)
    tail = re.sub(r"\s*&&\s*", " && ", tail).strip()
    lines = [template_head(member), fold(words, name, arguments, f" {tail};" if tail else ";")]
    return "\n".join(line for line in lines if line)


# --- Classes --------------------------------------------------------------------------------------


class Entry:
    """All functions of one name in one class, or in the namespace."""

    def __init__(self, name):
        self.name = name
        self.parts = []  # (declarations, comment)

    def add(self, text, words):
        again = re.match(r"As above, for (a temporary [^:,]*)[:,] (.*)", words[0]) if words else None
        if again and self.parts:
            # The form with `&&` belongs to the one before.
            declarations, before = self.parts[-1]
            before = before + [f"The form with `&&` is for {again[1]}, {again[2]}"]
            self.parts[-1] = (declarations + [text], before)
        elif words or not self.parts:
            self.parts.append(([text], words))
        else:
            self.parts[-1][0].append(text)

    def brief(self):
        return brief(self.parts[0][1])


class Reference:
    def __init__(self, xml, folder):
        self.xml = xml
        self.sources = Sources(folder)
        self.compounds = {}

    def compound(self, name):
        if name not in self.compounds:
            tree = ElementTree.parse(os.path.join(self.xml, name + ".xml"))
            self.compounds[name] = tree.getroot().find("compounddef")
        return self.compounds[name]

    def members(self, compound):
        """The public members of a class, those of internal bases included, in their order."""
        own = [m for m in compound.iter("memberdef") if m.get("prot") == "public"]
        own.sort(key=lambda m: int(m.find("location").get("line")))
        own = [m for m in own if not self.is_internal(m)]
        for base in compound.findall("basecompoundref"):
            if base.get("prot") == "public" and base.get("refid") and "::detail::" in base.text:
                own += self.members(self.compound(base.get("refid")))
        return own

    @staticmethod
    def is_internal(member):
        types = [member.find("type"), *(p.find("type") for p in member.findall("param"))]
        return member.findtext("name") in INTERNAL or (
            member.get("kind") == "function" and any("detail::" in plain(t) for t in types)
        )

    def forwarded(self, member):
        """The comment of the function to which a function without a comment passes its call on."""
        for base, target in FORWARDS.items():
            if f"::{base}::" in (member.findtext("qualifiedname") or ""):
                for other in self.compound(f"classsluice_1_1detail_1_1{target.replace('_', '__')}").iter(
                    "memberdef"
                ):
                    if other.findtext("name") == member.findtext("name") and comment(other):
                        return comment(other)
        return []

    @staticmethod
    def is_special(member, short):
        name = member.findtext("name")
        types = [plain(p.find("type")).replace(" ", "") for p in member.findall("param")]
        if name == "swap" or name == "~" + short:
            return True
        return name in (short, "operator=") and types in ([f"const{short}&"], [f"{short}&&"])

    def entries(self, members, short, place):
        """Functions by name; and the declarations of those that every class has."""
        found = collections.OrderedDict()
        special = []
        previous = None
        for member in members:
            name = member.findtext("name")
            is_function = member.get("kind") == "function" or (
                member.get("kind") == "friend" and "(" in member.findtext("argsstring")
            )
            if not is_function:
                continue
            text = declaration(member, self.sources)
            if short and self.is_special(member, short):
                special.append(text)
                previous = None
                continue
            words = comment(member) or self.forwarded(member)
            if not words and name in PLAIN:
                words = [PLAIN[name]]
            # One comment may be for several functions, if one stands behind the other. A constructor
            # has its own, unless the last one was called in the same way.
            shares = (name, len(member.findall("param")) if name == short else 0)
            if not words and shares != previous:
                complain(place, f"{name} has no comment")
            found.setdefault(name, Entry(name)).add(text, words)
            previous = shares
        return found, special


def anchor(*names):
    return re.sub(r"[^A-Za-z0-9_-]", "_", "-".join(names))


def title(name):
    return f"`+{name}+`"


def class_section(reference, compound, short, guides):
    """The section about a class."""
    place = compound.find("location").get("file") + ": " + short
    words = comment(compound)
    if not words:
        complain(place, "has no comment")
    out = [f"[#{anchor(short)}]", f"== {title(short)}", ""]
    head = template_head(compound)
    out += [source((head + "\n" if head else "") + f"{compound.get('kind')} {short};"), ""]
    out += ["\n\n".join(words), ""]

    members = reference.members(compound)
    entries, special = reference.entries(members, short, place)

    rows = [
        (f"<<{anchor(short, n)},{'Constructors' if n == short else title(n)}>>", e.brief())
        for n, e in entries.items()
    ]
    if rows:
        out += ['[cols="1,2",options="header"]', "|===", "| Function | What it does", ""]
        for cell, text in rows:
            out += [f"| {cell}", f"| {cell_text(text)}", ""]
        out += ["|===", ""]

    types = type_lines(reference, compound, members, place)
    if types:
        out += [f"[#{anchor(short, 'types')}]", f"=== Types of {title(short)}", ""] + types

    for name, entry in entries.items():
        heading = "Constructors" if name == short else title(name)
        out += entry_section(entry, anchor(short, name), f"=== {heading}")
    if special:
        heading = "Copying, moving, swapping" if len(special) > 1 else "Swapping"
        out += [f"[#{anchor(short, 'copying')}]", f"=== {heading}", ""]
        out += [source("\n".join(special)), ""]
        if len(special) > 1 and "get_executor" in entries:
            out += ["See xref:channel.adoc#handles[Handles].", ""]
    return out, entries


def cell_text(text):
    return text.replace("|", "\\|")


def type_lines(reference, compound, members, place):
    out = []
    aliases = []
    for member in members:
        if member.get("kind") == "typedef":
            definition = plain(member.find("type"))
            if "detail::" in definition or not definition:
                definition = "unspecified"
            words = comment(member)
            head = template_head(member)
            line = f"using {member.findtext('name')} = {definition};"
            aliases.append((head + "\n" if head else "") + line
                           )
    seen = set()
    chain = [compound]
    while chain:
        each = chain.pop()
        for inner in each.findall("innerclass"):
            if inner.get("prot") != "public":
                continue
            nested = reference.compound(inner.get("refid"))
            name = nested.findtext("compoundname").split("::")[-1]
            if name in seen:
                continue
            seen.add(name)
            words = comment(nested)
            if not words and name != "rebind_executor":
                complain(place, f"{name} has no comment")
            body = []
            for member in reference.members(nested):
                if member.get("kind") == "typedef":
                    definition = plain(member.find("type"))
                    body.append(f"  using {member.findtext('name')} = {definition or 'unspecified'};")
                elif member.get("kind") == "variable":
                    body.append(f"  {plain(member.find('type'))} {member.findtext('name')};")
                elif "(" in (member.findtext("argsstring") or ""):
                    text = declaration(member, reference.sources)
                    body.append("\n".join("  " + line for line in text.split("\n")))
            head = template_head(nested)
            text = (head + "\n" if head else "") + f"{nested.get('kind')} {name}"
            text += " {\n" + "\n".join(body) + "\n};" if body else ";"
            out += ["\n\n".join(words) if words else "The same handle type with another executor.", "",
                    source(text), ""]
    if aliases:
        out = [source("\n".join(aliases)), ""] + out
    return out


def entry_section(entry, where, heading):
    out = [f"[#{where}]", heading, ""]
    for declarations, words in entry.parts:
        out += [source("\n\n".join(declarations) if any("\n" in d for d in declarations)
                       else "\n".join(declarations)), ""]
        if words:
            out += ["\n\n".join(words), ""]
    return out


# --- Pages ----------------------------------------------------------------------------------------


def guide_titles(guides):
    folder = os.path.dirname(os.path.abspath(__file__))
    titles = []
    for guide in guides:
        with open(os.path.join(folder, guide + ".adoc"), encoding="utf-8") as file:
            titles.append(f"xref:{guide}.adoc[{file.readline().lstrip('= ').strip()}]")
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def page(reference, header, compounds, members):
    """The page of one header, and what it declares: (name, anchor, brief)."""
    stem = header[: -len(".hpp")].split("/")[-1]
    guides = GUIDES.get(stem)
    if guides is None:
        complain(header, f"reference.py does not know which page of the guide is about it")
        guides = []
    out = []
    names = []

    things = []
    for compound in compounds:
        things.append((int(compound.find("location").get("line")), "class", compound))
    functions = [m for m in members if m.get("kind") == "function"]
    shorts = {c.findtext("compoundname").split("::")[-1] for c in compounds}
    found, _ = reference.entries([f for f in functions if f.findtext("name") not in shorts], "", header)
    for member in members:
        if member.get("kind") != "function":
            things.append((int(member.find("location").get("line")), "other", member))
    for name, entry in found.items():
        line = min(int(f.find("location").get("line")) for f in functions if f.findtext("name") == name)
        things.append((line, "function", entry))
    things.sort(key=lambda t: t[0])

    for _, kind, thing in things:
        if kind == "class":
            short = thing.findtext("compoundname").split("::")[-1]
            section, entries = class_section(reference, thing, short, guides)
            guide_functions = [declaration(f, reference.sources) for f in functions
                               if f.findtext("name") == short]
            if guide_functions:
                section += [f"=== Deduction guides of {title(short)}", "",
                            source("\n".join(guide_functions)), ""]
            out += section
            names.append((short, anchor(short), brief(comment(thing)),
                          [(n, anchor(short, n)) for n in entries]))
        elif kind == "function":
            out += entry_section(thing, anchor(thing.name), f"== {title(thing.name)}")
            names.append((thing.name, anchor(thing.name), thing.brief(), []))
        else:
            name = thing.findtext("name")
            words = comment(thing)
            if not words:
                complain(header, f"{name} has no comment")
            out += [f"[#{anchor(name)}]", f"== {title(name)}", ""]
            if thing.get("kind") == "enum":
                out += [source(f"enum class {name};"), "", "\n\n".join(words), ""]
                out += ['[cols="1,3",options="header"]', "|===", "| Value | Meaning", ""]
                for value in thing.findall("enumvalue"):
                    meaning = comment(value)
                    if not meaning:
                        complain(header, f"{name}::{value.findtext('name')} has no comment")
                    out += [f"| {code(value.findtext('name'))}", f"| {cell_text(' '.join(meaning))}", ""]
                out += ["|===", ""]
            else:
                head = template_head(thing)
                definition = plain(thing.find("type"))
                if thing.get("kind") == "typedef":
                    text = f"using {name} = {definition};"
                else:
                    text = f"{definition} {name};"
                    text = text if text.startswith("inline") else "inline " + text
                if "detail::" in text:
                    text = f"using {name} = unspecified;"
                out += [source((head + "\n" if head else "") + text), "", "\n\n".join(words), ""]
            names.append((name, anchor(name), brief(words), []))

    intro = [f"= `+<{header}>+`", ""]
    if guides:
        intro += [f"What this is for is told in {guide_titles(guides)}. "
                  "How to read this page is told in the xref:reference.adoc#reading[Reference].", ""]
    return intro + out, names


INTRODUCTION = """= Reference

These pages are made from the comments in the headers: every public class and function, in full. The
other pages tell what all of it is for, and promise what the numbered rules say.

All names are in the namespace `sluice`; what is in `sluice::detail` may change at any time. Some
headers only include others: `<sluice.hpp>` includes everything, `<sluice/broadcast.hpp>` and
`<sluice/watch.hpp>` both ends of a broadcast and of a watch.

[#reading]
== How to read it

* `asio` is `boost::asio`.
* `T` is the type of messages, `Executor` that of the executor on which completions run by default,
  and `Threading` the xref:reference_threading.adoc[policy] that says who may use the handles from
  where. Every handle is an I/O object as those of Asio are.
* A function whose name begins with `async_` takes a xref:completion.adoc[completion token] as its last
  argument, and what it completes with is its _completion signature_. `default_token<Executor>` is the
  token that is taken if there is none: that of the executor type, if it has one; else
  `sluice::use_awaitable` in {cpp}20, and `asio::deferred` in {cpp}17.
* `error_code` is `boost::system::error_code`. A name such as `error::closed` is one of
  xref:reference_error.adoc#error[`sluice::error`], one such as `asio::error::operation_aborted` one
  of Asio's.
* Of a template only the parameters are shown that may be named. `unspecified` is a type of which no
  more is promised than what the text says.
  `other_end<...>` is the sender or the receiver of another channel of that kind.
* `&` and `&&` behind a declaration say whether it is for a handle with a name, or for a temporary one.
"""


def index(pages):
    out = [INTRODUCTION, "== Headers", "", '[cols="1,1,2",options="header"]', "|===",
           "| Header | Name | What it is", ""]
    for stem, header, names in pages:
        out += [f".{len(names)}+| xref:reference_{stem}.adoc[`+<{header}>+`]"]
        for name, where, text, _ in names:
            out += [f"| xref:reference_{stem}.adoc#{where}[{title(name)}]", f"| {cell_text(text)}"]
        out += [""]
    out += ["|===", "", "== Functions", "",
            "Every member function by name, and the classes that have it.", "",
            '[cols="1,3",options="header"]', "|===", "| Function | Of", ""]
    functions = collections.defaultdict(list)
    for stem, _, names in pages:
        for name, _, _, members in names:
            for member, where in members:
                if member != name:
                    functions[member].append(f"xref:reference_{stem}.adoc#{where}[{title(name)}]")
    for member in sorted(functions, key=lambda m: m.lower()):
        out += [f"| {title(member)}", f"| {', '.join(functions[member])}", ""]
    return out + ["|===", ""]


def main():
    headers, output = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        doxyfile = DOXYFILE.format(headers=headers, output=work)
        run = subprocess.run(["doxygen", "-"], input=doxyfile, text=True, capture_output=True)
        # It does not follow a specialisation of a template of others. Anything else is an error.
        said = [line for line in run.stderr.split("\n") if line and "scope for class boost::" not in line]
        if run.returncode != 0 or said:
            sys.exit("reference.py: Doxygen says\n" + "\n".join(said))
        xml = os.path.join(work, "xml")
        reference = Reference(xml, headers)

        compounds = collections.defaultdict(list)
        members = collections.defaultdict(list)
        for entry in ElementTree.parse(os.path.join(xml, "index.xml")).getroot():
            name = entry.findtext("name")
            if entry.get("kind") in ("class", "struct") and re.fullmatch(r"sluice::\w+", name):
                compound = reference.compound(entry.get("refid"))
                compounds[compound.find("location").get("file")].append(compound)
            elif entry.get("kind") == "namespace" and name == "sluice":
                for member in reference.compound(entry.get("refid")).iter("memberdef"):
                    members[member.find("location").get("file")].append(member)

        pages = []
        os.makedirs(output, exist_ok=True)
        for header in sorted(set(compounds) | set(members)):
            text, names = page(reference, header, compounds[header], members[header])
            stem = header[: -len(".hpp")].split("/")[-1]
            pages.append((stem, header, names))
            with open(os.path.join(output, f"reference_{stem}.adoc"), "w", encoding="utf-8") as file:
                file.write("\n".join(text))
        with open(os.path.join(output, "reference.adoc"), "w", encoding="utf-8") as file:
            file.write("\n".join(index(pages)))

    if problems:
        sys.exit("\n".join(f"reference.py: {p}" for p in problems))


if __name__ == "__main__":
    main()
