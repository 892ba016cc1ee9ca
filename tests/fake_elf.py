"""Tiny 64-bit ELF files, built from sections, for tests that read them."""

from __future__ import annotations

import struct

X86_64 = 62


def build(sections: dict[str, bytes], machine: int = X86_64) -> bytes:
    """An ELF file that holds `sections` and nothing else that runs."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*sections, ".shstrtab"])
    bodies = {**sections, ".shstrtab": names}
    out, rows, at = b"", [struct.pack("<IIQQQQIIQQ", *([0] * 10))], 64
    for name, body in bodies.items():
        offset = names.index(b"\0" + name.encode() + b"\0") + 1
        rows.append(struct.pack("<IIQQQQIIQQ", offset, 1, 0, 0, at, len(body), 0, 0, 1, 0))
        out += body
        at += len(body)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        ident, 3, machine, 1, 0, 0, at, 0, 64, 0, 0, 64, len(rows), len(rows) - 1,
    )  # fmt: skip
    return head + out + b"".join(rows)


def dynamic(*needed: str, interpreter: str = "", machine: int = X86_64) -> bytes:
    """A program or library that wants the libraries `needed`."""
    strings, pairs = b"\0", b""
    for name in needed:
        pairs += struct.pack("<qQ", 1, len(strings))
        strings += name.encode() + b"\0"
    sections = {".dynamic": pairs + struct.pack("<qQ", 0, 0), ".dynstr": strings}
    if interpreter:
        sections[".interp"] = interpreter.encode() + b"\0"
    return build(sections, machine)


def module(*depends: str) -> bytes:
    """A kernel module that depends on others."""
    text = f"license=GPL\0depends={','.join(depends)}\0name=x\0"
    return build({".modinfo": text.encode(), ".text": b"\x90"})
