"""Reads what pahole prints: each struct and union with the header that declares it, and sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from backport.values.surface import Layout, Member

_PLACE = re.compile(r"/\* <[0-9a-f]+> (.+):(\d+) \*/$")
_OPEN = re.compile(r"(?:(?:const|volatile) )*(struct|union|enum)(?: (\w+))?\s*\{$")
_MEMBER = re.compile(r"(.+);\s*/\*\s*(\d+)(?::\s*(\d+))?\s+(\d+)\s*\*/$")
_CLOSE = re.compile(r"\}\s*(.*?);(?:\s*/\*\s*\d+(?::\s*\d+)?\s+\d+\s*\*/)?$")
_SIZE = re.compile(r"/\* size: (\d+), ")
_ATTRIBUTE = re.compile(r"\s*__attribute__\(\((?:[^()]|\([^()]*\))*\)\)")
_POINTER = re.compile(r"\(\s*\*+\s*(?:const\s+)?(\w+)")
_PLAIN = re.compile(r"(\w+)\s*(?:\[[^\]]*\]\s*)*(?::\d+)?$")


@dataclass
class _Open:
    """A struct whose end was not read yet; `members` are named from it down."""

    kind: str
    name: str
    header: str = ""
    size: int = 0
    members: list[Member] = field(default_factory=list)


def parse_sizes(lines: Iterable[str]) -> dict[str, int]:
    """Bytes by name, as `pahole -s --unions` prints them."""
    rows = (line.split("\t") for line in lines)
    return {row[0]: int(row[1]) for row in rows if len(row) == 3}


def parse_layouts(
    lines: Iterable[str], unions: Mapping[str, int], shorten: Callable[[str], str] = str
) -> list[Layout]:
    """All top-level structs and unions that `pahole -I` prints, in its order.

    `shorten` makes of a header's path what is kept. With a union no size is printed: `unions` has
    them. An enum is no struct, but one may be nested, and then a member has it.
    """
    found: list[Layout] = []
    header, stack = "", list[_Open]()
    for raw in lines:
        line = raw.strip()
        if place := _PLACE.match(line):
            header = shorten(place[1])
        elif opened := _OPEN.match(line):
            stack.append(_Open(opened[1], opened[2] or "", header))
        elif not stack:
            continue
        elif size := _SIZE.match(line):
            stack[-1].size = int(size[1])
        elif member := _MEMBER.match(line):
            _take(stack, line, member)
        elif _CLOSE.match(line):
            found += _end(stack, unions)
    return found


def _take(stack: list[_Open], line: str, member: re.Match[str]) -> None:
    """A member, or the end of a nested struct, which is one, too."""
    if line.startswith("}"):
        inner = stack.pop()
        name = _named(member[1].removeprefix("}"))
        prefix = f"{name}." if name else ""
        if name:
            text = f"{inner.kind} {inner.name}".strip() + f" {{...}} {_tidy(member[1][1:])}"
            stack[-1].members.append(_member(name, text, member))
        stack[-1].members += [
            Member(prefix + one.name, one.text, one.offset, one.size, one.bit)
            for one in inner.members
        ]
        return
    text = _tidy(member[1])
    stack[-1].members.append(_member(_named(text), text, member))


def _member(name: str, text: str, found: re.Match[str]) -> Member:
    bit = int(found[3]) if found[3] is not None else -1
    return Member(name, text, int(found[2]), int(found[4]), bit)


def _end(stack: list[_Open], unions: Mapping[str, int]) -> list[Layout]:
    done = stack.pop()
    if stack or not done.name:  # an inner one without a place, or one that nobody can name
        return []
    size = unions.get(done.name, 0) if done.kind == "union" else done.size
    return [Layout(done.kind, done.name, done.header, size, tuple(done.members))]


def _tidy(text: str) -> str:
    return " ".join(_ATTRIBUTE.sub("", text).split()).replace("* ", "*")


def _named(declaration: str) -> str:
    """The name in a declaration, '' for what has none."""
    text = _ATTRIBUTE.sub("", declaration).strip()
    found = _POINTER.search(text) or _PLAIN.search(text)
    return found[1] if found else ""
