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
    "measured": ["debugging"],
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
FORWARDS = {"sluice::detail::sync_end": "sluice::detail::channel_end"}

# Members that are public because the library itself uses them.
INTERNAL = {"cases", "set_type"}

# How names are shown that belong to bases of the class that has the entry.
SHOWN = {
    "typename End::value_type": "T",
    "typename End::executor_type": "Executor",
    "typename End::threading_type": "Threading",
    "typename set::value_type": "std::variant<...>",
    "const channel_end<Role2, T, Executor2, Threading>&":
        "const other_end<T, Executor2, Threading>&",
    "const watch_end<Role2, T, Executor2, Threading>&":
        "const other_end<T, Executor2, Threading>&",
    "const sync_end<Other>&": "const Other&",
}

# A paragraph that begins with one of these and a colon is about that.
HEADINGS = (
    "Completion signature|Errors|Executor|Per-operation cancellation|Cancellation"
    "|Values? on failure|Ordering(?: and fairness)?|Thread safety|Complexity|Memory|Cases"
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
PREDEFINED = "BOOST_ASIO_COMPLETION_TOKEN_FOR(s)=class" BOOST_ASIO_HAS_CO_AWAIT=1
PREDEFINED += __cplusplus=202002L
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
    """An example."""
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

WIDTH = 96


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
    """`template <...>`, with the parameters that may be named; empty if there are none."""
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
        lines = self.lines[name]
        last = int(location.get("line"))
        first = last
        # What stands before it ends with one of these, or is a comment or a directive.
        while first > 1 and not re.search(r"([;{}:]|\*/)\s*$|^\s*(//|#)", lines[first - 2]):
            first -= 1
        return "[[nodiscard]]" in "\n".join(lines[first - 1 : last])


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


def is_function(member):
    """Friends are, if they are defined here."""
    return member.get("kind") == "function" or (
        member.get("kind") == "friend" and "(" in member.findtext("argsstring")
    )


def short_name(compound):
    return compound.findtext("compoundname").split("::")[-1]


# --- Classes --------------------------------------------------------------------------------------


class Entry:
    """All functions of one name in one class, or in the namespace."""

    def __init__(self, name):
        self.name = name
        self.parts = []  # (declarations, comment)

    def add(self, text, words):
        again = re.match(r"As above, (for a temporary .*)", words[0]) if words else None
        if again and self.parts:
            # The form with `&&` belongs to the one before.
            declarations, before = self.parts[-1]
            self.parts[-1] = (
                declarations + [text], before + [f"The form with `&&` is {again[1]}"]
            )
        elif words or not self.parts:
            self.parts.append(([text], words))
        else:
            self.parts[-1][0].append(text)

    def brief(self):
        return brief(self.parts[0][1])


class Reference:
    """What Doxygen has understood."""

    def __init__(self, xml, folder):
        self.xml = xml
        self.sources = Sources(folder)
        self.compounds = {}
        index = ElementTree.parse(os.path.join(xml, "index.xml")).getroot()
        kinds = ("class", "struct", "namespace")
        entries = [entry for entry in index if entry.get("kind") in kinds]
        self.refids = {entry.findtext("name"): entry.get("refid") for entry in entries}

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
        """What takes or gives something internal is there for the library itself."""
        types = [member.find("type"), *(p.find("type") for p in member.findall("param"))]
        return member.findtext("name") in INTERNAL or (
            member.get("kind") == "function" and any("detail::" in plain(t) for t in types)
        )

    def forwarded(self, member):
        """The comment of the function to which a function without a comment passes its call on."""
        name = member.findtext("name")
        target = FORWARDS.get((member.findtext("qualifiedname") or "")[: -len("::" + name)])
        if target is None:
            return []
        others = self.compound(self.refids[target]).iter("memberdef")
        return next((comment(m) for m in others if m.findtext("name") == name and comment(m)), [])

    @staticmethod
    def is_special(member, short):
        """Whether it copies, moves, swaps or destroys."""
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
            if not is_function(member):
                continue
            text = declaration(member, self.sources)
            if short and self.is_special(member, short):
                special.append(text)
                previous = None
                continue
            words = comment(member) or self.forwarded(member)
            if not words and name in PLAIN:
                words = [PLAIN[name]]
            # One comment may be for several functions, if one stands behind the other. A
            # constructor has its own, unless the last one was called in the same way.
            shares = (name, len(member.findall("param")) if name == short else 0)
            if not words and shares != previous:
                complain(place, f"{name} has no comment")
            found.setdefault(name, Entry(name)).add(text, words)
            previous = shares
        return found, special


# --- Sections, as lists of blocks -----------------------------------------------------------------


def anchor(*names):
    return re.sub(r"[^A-Za-z0-9_-]", "_", "-".join(names))


def title(name):
    return f"`+{name}+`"


def cell(text):
    return "| " + text.replace("|", "\\|")


def table(columns, heads, rows):
    lines = [f'[cols="{columns}",options="header"]', "|===", " ".join(cell(h) for h in heads)]
    for row in rows:
        lines += ["", *row]
    return "\n".join(lines + ["|==="])


def with_template(member, text):
    head = template_head(member)
    return f"{head}\n{text}" if head else text


def declarations_of(texts):
    """Several declarations; apart if they take several lines."""
    return source(("\n\n" if any("\n" in text for text in texts) else "\n").join(texts))


def entry_section(entry, where, heading):
    out = [f"[#{where}]\n{heading}"]
    for declarations, words in entry.parts:
        out += [declarations_of(declarations), *words]
    return out


def definition_of(typedef):
    text = plain(typedef.find("type"))
    return "unspecified" if "detail::" in text or not text else text


def alias_of(typedef):
    return with_template(typedef, f"using {typedef.findtext('name')} = {definition_of(typedef)};")


def nested_class(reference, nested):
    """A class within a class: what it has is told by one comment, its own."""
    body = []
    for member in reference.members(nested):
        if member.get("kind") == "typedef":
            text = alias_of(member)
        elif member.get("kind") == "variable":
            text = f"{plain(member.find('type'))} {member.findtext('name')};"
        elif is_function(member):
            text = declaration(member, reference.sources)
        else:
            continue
        body += ["  " + line for line in text.split("\n")]
    head = f"{nested.get('kind')} {short_name(nested)}"
    text = "\n".join([head + " {", *body, "};"]) if body else head + ";"
    return source(with_template(nested, text))


def types_section(reference, compound, members, place):
    short = short_name(compound)
    out = []
    aliases = [alias_of(m) for m in members if m.get("kind") == "typedef"]
    if aliases:
        out.append(source("\n".join(aliases)))
    for inner in compound.findall("innerclass"):
        if inner.get("prot") != "public":
            continue
        nested = reference.compound(inner.get("refid"))
        words = comment(nested)
        if not words and short_name(nested) == "rebind_executor":
            words = ["The same type with another executor."]
        if not words:
            complain(place, f"{short_name(nested)} has no comment")
        out += [*words, nested_class(reference, nested)]
    return [f"[#{anchor(short, 'types')}]\n=== Types of {title(short)}", *out] if out else []


def class_section(reference, compound, deduction_guides):
    """The section about a class, and its functions by name."""
    short = short_name(compound)
    place = compound.find("location").get("file") + ": " + short
    words = comment(compound)
    if not words:
        complain(place, "has no comment")
    members = reference.members(compound)
    entries, special = reference.entries(members, short, place)
    headings = {name: "Constructors" if name == short else title(name) for name in entries}

    out = [f"[#{anchor(short)}]\n== {title(short)}"]
    out += [source(with_template(compound, f"{compound.get('kind')} {short};")), *words]
    if entries:
        rows = [
            [f"| <<{anchor(short, name)},{headings[name]}>>", cell(entry.brief())]
            for name, entry in entries.items()
        ]
        out.append(table("1,2", ["Function", "What it does"], rows))
    out += types_section(reference, compound, members, place)
    for name, entry in entries.items():
        out += entry_section(entry, anchor(short, name), f"=== {headings[name]}")
    if special:
        heading = "Copying, moving, swapping" if len(special) > 1 else "Swapping"
        out += [f"[#{anchor(short, 'copying')}]\n=== {heading}", source("\n".join(special))]
        if len(special) > 1 and "get_executor" in entries:
            out.append("See xref:channel.adoc#handles[Handles].")
    if deduction_guides:
        out += [f"=== Deduction guides of {title(short)}", declarations_of(deduction_guides)]
    return out, entries


def enum_section(enum, place):
    name = enum.findtext("name")
    rows = []
    for value in enum.findall("enumvalue"):
        meaning = comment(value)
        if not meaning:
            complain(place, f"{name}::{value.findtext('name')} has no comment")
        rows.append(["| " + code(value.findtext("name")), cell(" ".join(meaning))])
    return [
        source(f"enum class {name};"),
        *comment(enum),
        table("1,3", ["Value", "Meaning"], rows),
    ]


def other_section(member, place):
    """The section about an enumeration, a variable or an alias of the namespace."""
    name = member.findtext("name")
    if not comment(member):
        complain(place, f"{name} has no comment")
    head = f"[#{anchor(name)}]\n== {title(name)}"
    if member.get("kind") == "enum":
        return [head, *enum_section(member, place)]
    if member.get("kind") == "typedef":
        return [head, source(alias_of(member)), *comment(member)]
    text = f"{plain(member.find('type'))} {name};"
    if not text.startswith("inline"):
        text = "inline " + text
    return [head, source(with_template(member, text)), *comment(member)]


# --- Pages ----------------------------------------------------------------------------------------

# What a header declares: its name, where it is on the page, what it is in one sentence, and its
# functions with their places.
Declared = collections.namedtuple("Declared", "name where what functions")


def guides_to(header, stem):
    """Links to the pages of the guide that are about a header."""
    if stem not in GUIDES:
        complain(header, "reference.py does not know which page of the guide is about it")
        return ""
    links = []
    for guide in GUIDES[stem]:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), guide + ".adoc")
        with open(path, encoding="utf-8") as file:
            links.append(f"xref:{guide}.adoc[{file.readline().lstrip('= ').strip()}]")
    return " and ".join([", ".join(links[:-1]), links[-1]] if len(links) > 1 else links)


def line_of(member):
    return int(member.find("location").get("line"))


def page(reference, header, stem, compounds, members):
    """The page of one header, as blocks, and what the header declares."""
    classes = {short_name(compound): compound for compound in compounds}
    functions = [m for m in members if is_function(m)]
    # What has the name of a class is a deduction guide.
    free = [f for f in functions if f.findtext("name") not in classes]
    entries, _ = reference.entries(free, "", header)

    sections = []  # (line, blocks, what is declared)
    for short, compound in classes.items():
        guides = [
            declaration(f, reference.sources) for f in functions if f.findtext("name") == short
        ]
        blocks_of_class, its = class_section(reference, compound, guides)
        places = [(name, anchor(short, name)) for name in its if name != short]
        declared = Declared(short, anchor(short), brief(comment(compound)), places)
        sections.append((line_of(compound), blocks_of_class, declared))
    for name, entry in entries.items():
        line = min(line_of(f) for f in free if f.findtext("name") == name)
        declared = Declared(name, anchor(name), entry.brief(), [])
        sections.append((line, entry_section(entry, anchor(name), f"== {title(name)}"), declared))
    for member in members:
        if not is_function(member):
            name = member.findtext("name")
            declared = Declared(name, anchor(name), brief(comment(member)), [])
            sections.append((line_of(member), other_section(member, header), declared))
    sections.sort(key=lambda section: section[0])

    out = [
        f"= `+<{header}>+`",
        f"What this is for is told in {guides_to(header, stem)}. How to read this page is told in "
        "the xref:reference.adoc#reading[Reference].",
    ]
    for _, its_blocks, _ in sections:
        out += its_blocks
    return out, [declared for _, _, declared in sections]


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
* A function whose name begins with `async_` takes a
  xref:completion.adoc#tokens[completion token] as its last argument, and what it completes with is
  its _completion signature_.
  `default_token<Executor>` is the token that is taken if there is none: that of the executor type,
  if it has one; else `sluice::use_awaitable` in {cpp}20, and `asio::deferred` in {cpp}17.
* `error_code` is `boost::system::error_code`. A name such as `error::closed` is one of
  xref:reference_error.adoc#error[`sluice::error`], one such as `asio::error::operation_aborted` one
  of Asio's.
* Of a template only the parameters are shown that may be named. `unspecified` is a type of which no
  more is promised than what the text says; `other_end<...>` is the sender or the receiver of
  another channel of that kind.
* `&` and `&&` behind a declaration say whether it is for a handle with a name, or for a temporary
  one."""


def index(pages):
    rows = []
    functions = collections.defaultdict(list)
    for stem, header, declared in pages:
        lines = [f".{len(declared)}+| xref:reference_{stem}.adoc[`+<{header}>+`]"]
        for each in declared:
            link = f"xref:reference_{stem}.adoc#%s[{title(each.name)}]"
            lines += ["| " + link % each.where, cell(each.what)]
            for name, where in each.functions:
                functions[name].append(link % where)
        rows.append(lines)
    by_name = [
        ["| " + title(name), "| " + ", ".join(functions[name])]
        for name in sorted(functions, key=str.lower)
    ]
    return [
        INTRODUCTION,
        "== Headers",
        table("1,1,2", ["Header", "Name", "What it is"], rows),
        "== Functions",
        "Every member function by name, and the classes that have it.",
        table("1,3", ["Function", "Of"], by_name),
    ]


def read_headers(headers, work):
    """What Doxygen says about the headers, as XML in a folder."""
    doxyfile = DOXYFILE.format(headers=headers, output=work)
    run = subprocess.run(["doxygen", "-"], input=doxyfile, text=True, capture_output=True)
    # It does not follow a specialisation of a template of others. Anything else is an error.
    said = [line for line in run.stderr.split("\n") if line]
    said = [line for line in said if "scope for class boost::" not in line]
    if run.returncode != 0 or said:
        sys.exit("\n".join(["reference.py: Doxygen says", *said]))
    return os.path.join(work, "xml")


def write(path, out):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n\n".join(out) + "\n")


def main():
    headers, output = sys.argv[1:]
    os.makedirs(output, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        reference = Reference(read_headers(headers, work), headers)
        compounds = collections.defaultdict(list)
        members = collections.defaultdict(list)
        for name, refid in reference.refids.items():
            if name == "sluice":
                for member in reference.compound(refid).iter("memberdef"):
                    members[member.find("location").get("file")].append(member)
            elif re.fullmatch(r"sluice::\w+", name) and name != "sluice::detail":
                compound = reference.compound(refid)
                compounds[compound.find("location").get("file")].append(compound)

        pages = []
        for header in sorted(set(compounds) | set(members)):
            stem = os.path.basename(header)[: -len(".hpp")]
            out, declared = page(reference, header, stem, compounds[header], members[header])
            pages.append((stem, header, declared))
            write(os.path.join(output, f"reference_{stem}.adoc"), out)
        write(os.path.join(output, "reference.adoc"), index(pages))
        for stem in set(GUIDES) - {stem for stem, _, _ in pages}:
            complain(stem + ".hpp", "is known here, and declares nothing")
    if problems:
        sys.exit("\n".join(f"reference.py: {problem}" for problem in problems))


if __name__ == "__main__":
    main()
