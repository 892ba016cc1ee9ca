"""Reads what we need from 64-bit little-endian ELF files: sections and the dynamic table."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"\x7fELF"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC = struct.Struct("<qQ")
_NOBITS = 8
_DT_NEEDED = 1
_DT_RPATHS = (15, 29)  # DT_RPATH, DT_RUNPATH


class BadElf(ValueError):
    """Not an ELF file that this reader knows, or one that was cut off."""


@dataclass(frozen=True)
class Elf:
    """One file: its sections by name (bytes; empty for those without any in the file).

    `needed` are the sonames that the dynamic linker must find, `rpaths` where it looks first;
    both are empty for a static file.
    """

    machine: int
    sections: dict[str, bytes]
    needed: tuple[str, ...]
    rpaths: tuple[str, ...]

    @property
    def interpreter(self) -> str:
        """The path of the dynamic linker, or empty."""
        return self.sections.get(".interp", b"").rstrip(b"\0").decode()


def parse(data: bytes) -> Elf:
    """Read an ELF file; raises `BadElf` on anything that is not 64-bit little-endian ELF."""
    try:
        return _parse(data)
    except (struct.error, IndexError, UnicodeDecodeError) as err:
        raise BadElf(f"cut off or damaged: {err}") from err


def _parse(data: bytes) -> Elf:
    if data[:4] != MAGIC or data[4:6] != b"\x02\x01":
        raise BadElf("not a 64-bit little-endian ELF file")
    head = _HEADER.unpack_from(data)
    machine, table, size, count, names_at = head[2], head[6], head[11], head[12], head[13]
    rows = [_SECTION.unpack_from(data, table + i * size) for i in range(count)]
    names = _body(data, rows[names_at]) if rows else b""
    sections = {_string(names, row[0]): _body(data, row) for row in rows}
    needed, rpaths = _dynamic(sections.get(".dynamic", b""), sections.get(".dynstr", b""))
    return Elf(machine, sections, needed, rpaths)


def _body(data: bytes, row: tuple[int, ...]) -> bytes:
    kind, offset, size = row[1], row[4], row[5]
    if kind == _NOBITS:
        return b""
    body = data[offset : offset + size]
    if len(body) != size:
        raise BadElf(f"cut off: a section wants {size} bytes at {offset}")
    return body


def _string(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


def _dynamic(table: bytes, strings: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pairs = list(_DYNAMIC.iter_unpack(table[: len(table) // _DYNAMIC.size * _DYNAMIC.size]))
    needed = tuple(_string(strings, value) for tag, value in pairs if tag == _DT_NEEDED)
    paths = [_string(strings, value) for tag, value in pairs if tag in _DT_RPATHS]
    return needed, tuple(path for text in paths for path in text.split(":") if path)


def modinfo(elf: Elf) -> dict[str, str]:
    """The `key=value` pairs of a kernel module's .modinfo (the last of a repeated key wins)."""
    pairs = [text.partition("=") for text in _texts(elf.sections.get(".modinfo", b""))]
    return {key: value for key, _, value in pairs}


def _texts(section: bytes) -> list[str]:
    return [part.decode("utf-8", "replace") for part in section.split(b"\0") if part]
