"""Lines, and what the layout of C (and Kconfig) text tells of its definitions and their members.

Kernel style puts definitions at column 0 and closes them with a brace at column 0; that holds
where macros defeat a C parser. `backport.readers.cparse` asks that first, and this where it breaks.
Lines keep their ends; every extent is a half-open pair of line indices from 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Lines = Sequence[str]
Span = tuple[int, int]

_TAGGED = re.compile(r"^(?:typedef\s+)?(struct|union|enum)\s+(\w+)?[^;=(]*\{\s*(?:/\*.*)?$")
_TAIL = re.compile(r"\}(?:.*\W)?(\w+)\s*(?:\[[^]]*\]\s*)*;")
_INDENTED = re.compile(r"\s+([A-Za-z_]\w*)")
_INITIALISER = re.compile(r"(\w+)\s*(?:\[[^]]*\]\s*)*(?:__\w+\s*)*=\s*\{\s*$")
_CALLABLE = re.compile(r"(\w+)\s*\(")
_MACRO = re.compile(r"^#\s*define\s+(\w+)")
_KCONFIG = re.compile(r"^(?:menuconfig|config)\s+(\w+)")
_KCONFIG_END = re.compile(r"^(?:menuconfig|config|menu|endmenu|if|endif|source|choice|comment)\b")
_NAMED_INSIDE = re.compile(r"^(?:BPF_CALL_|(?:COMPAT_)?SYSCALL_DEFINE)\d\(\s*(\w+)", re.M)
_ONE_LINE = re.compile(r"^(?!typedef)[^;={}#]*\)\s*\{.*\}\s*$")
_ATTRIBUTE = frozenset(
    {"SEC", "__acquires", "__aligned", "__attribute__", "__must_hold", "__printf", "__releases",
     "__section"}
)  # fmt: skip


@dataclass(frozen=True)
class Definition:
    """One definition at file level: what it is, its name, its lines."""

    kind: str  # function, struct, union, enum, table, macro, config
    name: str
    span: Span


def split_lines(data: bytes) -> list[str]:
    """Bytes as lines with their ends; undecodable bytes survive a round trip."""
    return split_text(data.decode("utf-8", "surrogateescape"))


def split_text(text: str) -> list[str]:
    """Text as lines with their ends, as git counts them: only a line feed ends a line.

    `str.splitlines` also breaks at form feeds, carriage returns and U+2028, which sources hold.
    """
    *whole, rest = text.split("\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])


def join_lines(lines: Lines) -> bytes:
    """The inverse of `split_lines`."""
    return "".join(lines).encode("utf-8", "surrogateescape")


def laid_out(lines: Lines) -> list[Definition]:
    """All definitions of a file that its layout tells, in order."""
    found = []
    index = 0
    while index < len(lines):
        item = _definition_at(lines, index)
        if item is not None:
            found.append(item)
            index = max(item.span[1], index + 1)
        else:
            index += 1
    return found


def guarded(lines: Lines, span: Span) -> Span:
    """Widen an extent to the `#if … #endif` that holds it and nothing else."""
    first, last = span
    while first and not lines[first - 1].strip():
        first -= 1
    while last < len(lines) and not lines[last].strip():
        last += 1
    opens = first > 0 and re.match(r"#\s*if", lines[first - 1])
    closes = last < len(lines) and re.match(r"#\s*endif", lines[last])
    return (first - 1, last + 1) if opens and closes else span


def _definition_at(lines: Lines, index: int) -> Definition | None:
    line = lines[index]
    if line.startswith("#"):
        return _macro(lines, index)
    if found := _KCONFIG.match(line):
        return Definition("config", found[1], (index, _kconfig_end(lines, index + 1)))
    if line.startswith("{"):
        return _function(lines, index)
    if line[:1].isalpha() or line.startswith("_"):
        return _braced(lines, index)
    return None


def _macro(lines: Lines, index: int) -> Definition | None:
    found = _MACRO.match(lines[index])
    if not found:
        return None
    end = index
    while lines[end].rstrip("\r\n").endswith("\\") and end + 1 < len(lines):
        end += 1
    return Definition("macro", found[1], (index, end + 1))


def _function(lines: Lines, brace: int) -> Definition | None:
    start = brace
    while start and is_head(lines, start - 1):
        start -= 1
    name = callable_name("".join(lines[start:brace]))
    if not name:
        return None
    closed = lines[brace].rstrip().endswith("}")
    return Definition("function", name, (start, brace + 1 if closed else closing(lines, brace)))


def callable_name(head: str) -> str:
    """The name that a function's header defines."""
    if found := _NAMED_INSIDE.search(head):
        return found[1]
    return next((n for n in _CALLABLE.findall(head) if n not in _ATTRIBUTE), "")


def _braced(lines: Lines, index: int) -> Definition | None:
    line = lines[index]
    if found := _TAGGED.match(line):
        end = closing(lines, index)
        tail = _TAIL.match(lines[end - 1])
        name = found[2] or (tail[1] if tail else "") or _first_member(lines[index + 1 : end])
        return Definition(found[1], name, (index, end)) if name else None
    if found := _INITIALISER.search(line):
        return Definition("table", found[1], (index, closing(lines, index)))
    if _ONE_LINE.match(line) and (name := callable_name(line.partition("{")[0])):
        return Definition("function", name, (index, index + 1))
    return None


def _first_member(lines: Lines) -> str:
    """What an enum without a name goes by."""
    return next((found[1] for line in lines if (found := _INDENTED.match(line))), "")


def is_head(lines: Lines, index: int) -> bool:
    """Whether a line may belong to the head of the function below it."""
    text = lines[index].rstrip()
    if not text or text.endswith((";", "}", "*/", "\\")) or text[0] in "#/{":
        return False
    return not (index and lines[index - 1].rstrip().endswith("\\"))  # the end of a macro or an #if


def closing(lines: Lines, index: int) -> int:
    """The line behind the first brace at column 0 below a line."""
    for end in range(index + 1, len(lines)):
        if lines[end].startswith("}"):
            return end + 1
    return len(lines)


def _kconfig_end(lines: Lines, index: int) -> int:
    while index < len(lines) and not _KCONFIG_END.match(lines[index]):
        index += 1
    return index


def members_laid_out(lines: Lines, span: Span, name: str) -> list[Span]:
    """The extents of nested structs of one name, at any depth of a definition."""
    tail = re.compile(rf"^\s+\}}\s*{re.escape(name)}\s*;")
    ends = [i for i in range(*span) if tail.match(lines[i])]
    return [(_opening(lines, span[0], end), end + 1) for end in ends]


def _opening(lines: Lines, first: int, end: int) -> int:
    depth = 0
    for index in range(end, first - 1, -1):
        depth += lines[index].count("}") - lines[index].count("{")
        if depth <= 0:
            return index
    return first
