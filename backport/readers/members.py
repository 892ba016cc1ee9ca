"""Takes the members out of a definition as genksyms writes it, token by token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

UNKNOWN = "{ UNKNOWN }"  # what is declared, and not defined, where an object is compiled

_NESTED = re.compile(r"(?:const )?(?:struct|union)(?: \w+)? \{(.*)\}\s*(.*)")
_POINTER = re.compile(r"\( \*(?: \*| const)* (\w+)")
_PLAIN = re.compile(r"(\w+)(?: \[[^\]]*\])*(?: : [^:]+)?$")
# A bit-field without a name, which only fills: `t#__u32 : 32`.
_FILLING = re.compile(
    r"(?:(?:const|volatile) )*(?:t#\w+|(?:unsigned |signed )?(?:int|long|short|char)|unsigned) : .*"
)
_OPENING, _CLOSING = "([{", ")]}"


def members_of(definition: str) -> list[tuple[str, str]]:
    """Names and declarations, those of nested structs as `query.revision`; none for other types."""
    head, brace, rest = definition.partition("{")
    if not brace or UNKNOWN in definition:
        return []
    body = " ".join(_plain(rest.rpartition("}")[0].split()))
    if "enum" in head.split():
        return [(part.partition("=")[0].strip(), part) for part in _parts(body, ",")]
    return list(_members(body, ""))


def _members(body: str, prefix: str) -> Iterator[tuple[str, str]]:
    for part in _parts(body, ";"):
        nested = _NESTED.fullmatch(part)
        if not nested:
            if not _FILLING.fullmatch(part):
                yield from ((prefix + _name(one), one) for one in _parts(part, ","))
            continue
        name = _name(nested[2]) if nested[2] else ""
        if name:
            yield prefix + name, f"{{ }} {nested[2]}"
        yield from _members(nested[1], f"{prefix}{name}." if name else prefix)


def _name(declaration: str) -> str:
    found = _POINTER.search(declaration) or _PLAIN.search(declaration)
    return found[1] if found else declaration


def _plain(words: Iterable[str]) -> Iterator[str]:
    """The words without attributes, which end where their brackets do."""
    inside, depth = False, 0
    for word in words:
        if inside:
            depth += (word == "(") - (word == ")")
            inside = depth > 0
        elif word == "__attribute__":
            inside = True
        else:
            yield word


def _parts(text: str, mark: str) -> Iterator[str]:
    """The parts between the marks that stand in no brackets; empty ones are none."""
    depth, words = 0, list[str]()
    for word in text.split():
        depth += (word in _OPENING) - (word in _CLOSING)
        if word == mark and not depth:
            yield " ".join(words)
            words = []
        else:
            words.append(word)
    if words:
        yield " ".join(words)
