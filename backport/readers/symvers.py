"""Reads what a kernel's build leaves about its exported symbols: symvers and symtypes files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from backport.values.surface import Export, Types

_KEY = re.compile(r"[sueEt]#\S+")


class Malformed(ValueError):
    """A line that no kernel's build writes; the text names file and line."""


def parse_symvers(text: str, file: str) -> dict[str, Export]:
    """`0xCRC  NAME  HOME  EXPORT_SYMBOL[_GPL]  [NAMESPACE]`, tabs between them."""
    found: dict[str, Export] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split("\t")
        if len(fields) < 4 or not re.fullmatch(r"0x[0-9a-f]{8}", fields[0]):
            raise Malformed(f"{file}:{number}: {line!r} is no line of a symvers file")
        crc, name, home, how = fields[:4]
        found[name] = Export(crc, home, how)
    return found


def parse_symtypes(text: str, file: str) -> dict[str, str]:
    """Definitions by key: each line is a key, a blank, and what it stands for."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key, blank, definition = line.partition(" ")
        if not blank or not key:
            raise Malformed(f"{file}:{number}: {line!r} is no line of a symtypes file")
        found[key] = definition.strip()
    return found


def gather(objects: Iterable[tuple[str, Mapping[str, str]]]) -> Types:
    """The definitions of many objects, each text kept once."""
    pool: dict[tuple[str, str], int] = {}
    found = {
        name: tuple(pool.setdefault(item, len(pool)) for item in definitions.items())
        for name, definitions in objects
    }
    return Types(tuple(pool), found)


def references(definition: str) -> Iterator[str]:
    """The keys that a definition refers to."""
    return (word for word in definition.split() if _KEY.fullmatch(word))
