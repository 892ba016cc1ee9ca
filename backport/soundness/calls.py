"""How functions are called and declared in C, by layout: enough to compare one with the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from backport.readers.code import VOID
from backport.readers.identifiers import blanked

_HEAD = re.compile(r"(?<![\w#.>])([A-Za-z_]\w*)\s*\(")
_NO_CALL = frozenset(
    ("if", "for", "while", "switch", "return", "sizeof", "typeof", "defined", "__attribute__")
)
_LONGEST = 4000  # characters between the brackets: what runs on is no call but a lost bracket
_VALUE = re.compile(r"(?:[=!(,<>+|?]|\breturn)\s*$")  # in front of a call whose value is used


@dataclass(frozen=True)
class Call:
    """A name with brackets behind it and `count` arguments, in line `number` (from 1)."""

    name: str
    number: int
    count: int
    has_value: bool  # whether what it gives is used


@dataclass(frozen=True)
class Signature:
    """What a declaration, a definition or a macro says of a function."""

    count: int  # -1 where it takes any number
    is_void: bool = False


def calls(text: str) -> Iterator[Call]:
    """Every call inside of functions; none of a macro's own definition."""
    plain = _plain(text)
    number, at = 1, 0
    for head in _HEAD.finditer(plain):
        number += plain.count("\n", at, head.start())
        at = head.start()
        before = plain[plain.rfind("\n", 0, at) + 1 : at]
        if head[1] in _NO_CALL or not before or not before[0].isspace() or "#" in before:
            continue
        count = _count(plain, head.end())
        if count is not None:
            yield Call(head[1], number, count, bool(_VALUE.search(plain[max(0, at - 40) : at])))


def signatures(text: str, name: str) -> Iterator[Signature]:
    """What a text declares of a name, at column 0 as is the custom, or as a macro."""
    plain = _plain(text)
    for found in re.finditer(rf"(?<![\w.>]){re.escape(name)}(\s*)\(", plain):
        start = plain.rfind("\n", 0, found.start()) + 1
        before = plain[start : found.start()]
        is_macro = re.match(r"#\s*define\s+$", before) is not None
        if is_macro and found[1]:  # it stands for something in brackets
            continue
        if not is_macro and (before[:1].isspace() or set(before) & set("=(#;{}")):
            continue
        inside = re.match(r"[^()]*\.\.\.\s*\)", plain[found.end() :])
        count = _count(plain, found.end())
        if not before.strip():  # its type stands in the line above
            before = plain[plain.rfind("\n", 0, max(start - 1, 0)) + 1 : start]
        if count is not None:
            yield Signature(-1 if inside else count, not is_macro and bool(VOID.search(before)))


def _plain(text: str) -> str:
    return blanked(text.replace('""', '" "')).replace("\\\n", " \n")


def _count(plain: str, start: int) -> int | None:
    """The arguments from behind an opening bracket to its end; None where it has none."""
    depth, commas = 1, 0
    for place in range(start, min(len(plain), start + _LONGEST)):
        char = plain[place]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if not depth:
                inner = plain[start:place].strip()
                return 0 if inner == "void" or (not inner and not commas) else commas + 1
        elif depth == 1 and char == ",":
            commas += 1
        elif depth == 1 and char in ";#":
            return None
    return None
