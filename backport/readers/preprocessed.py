"""Reads what the C preprocessor makes of one header: the macros and enumerators that it defines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_MARK = re.compile(r'# \d+ "((?:[^"\\]|\\.)*)"')
_DEFINE = re.compile(r"#define (\w+)(\([^)]*\))? ?(.*)$")
_UNDEF = re.compile(r"#undef (\w+)")
_ENUM = re.compile(r"\benum\b[^{;()]*\{([^{}]*)\}")
_NAME = re.compile(r"\s*(\w+)\s*(?:=|$)")
_GUARD = re.compile(r"_*\w+_H_*")


@dataclass(frozen=True)
class Defined:
    """Macros by name with their text, and the names of enumerators, in order."""

    macros: dict[str, str]
    enumerators: tuple[str, ...]


def defined_in(text: str, header: str) -> Defined:
    """What `header` itself defines, in the output of `gcc -E -dD`; what it includes is left out."""
    macros: dict[str, str] = {}
    code: list[str] = []
    for line in _own(text.splitlines(), header):
        if define := _DEFINE.match(line):
            name, parameters, body = define.groups()
            if body != name and (body or not _GUARD.fullmatch(name)):
                macros[name] = f"{parameters or ''} {' '.join(body.split())}".strip()
        elif undef := _UNDEF.match(line):
            macros.pop(undef[1], None)
        elif not line.startswith("#"):
            code.append(line)
    return Defined(macros, tuple(_enumerators("\n".join(code))))


def _own(lines: Iterable[str], header: str) -> Iterator[str]:
    """The lines that come out of a header, by the marks between them."""
    inside = False
    for line in lines:
        if mark := _MARK.match(line):
            inside = mark[1] == header
        elif inside:
            yield line


def _enumerators(code: str) -> Iterator[str]:
    for body in _ENUM.findall(code):
        for part in _split(body):
            if name := _NAME.match(part):
                yield name[1]


def _split(body: str) -> Iterator[str]:
    """The parts between the commas that stand in no brackets."""
    depth, start = 0, 0
    for at, char in enumerate(body):
        depth += (char in "([") - (char in ")]")
        if char == "," and not depth:
            yield body[start:at]
            start = at + 1
    yield body[start:]
