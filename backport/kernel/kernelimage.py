"""Takes a bootable x86 kernel image apart: the ELF file `vmlinux` with its BTF lies inside.

The boot protocol says exactly where the compressed payload is (Documentation/arch/x86/boot.rst in
the kernel: fields payload_offset and payload_length), so nothing has to be searched for.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backport.doors import files, process
from backport.doors.cache import Cache
from backport.readers import elf
from backport.values.errors import UsageError

_SETUP_SECTS = 0x1F1
_BOOT_MAGIC = 0x202  # "HdrS"
_PROTOCOL = 0x206
_PAYLOAD = 0x248
_PAYLOAD_SINCE = 0x208  # boot protocol 2.08
_SIZE_TRAILER = 4  # the build appends the unpacked size to every payload


def _tool(*argv: str) -> Callable[[bytes], bytes]:
    return lambda data: process.run(argv, stdin=data).stdout


@dataclass(frozen=True)
class Compression:
    """One way to pack a payload: its first bytes and how to undo it."""

    name: str
    magic: bytes
    unpack: Callable[[bytes], bytes]


# Python 3.11 has no zstd and no lz4 of its own: those come from their programs.
COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b", gzip.decompress),
    Compression("xz", b"\xfd7zXZ\0", lzma.decompress),
    Compression("lzma", b"\x5d\0\0", lzma.decompress),
    Compression("bzip2", b"BZh", bz2.decompress),
    Compression("zstd", b"\x28\xb5\x2f\xfd", _tool("zstd", "-q", "-d", "-c")),
    Compression("lz4", b"\x02\x21\x4c\x18", _tool("lz4", "-q", "-d", "-c")),
    Compression("lz4", b"\x04\x22\x4d\x18", _tool("lz4", "-q", "-d", "-c")),
    Compression("lzop", b"\x89LZO", _tool("lzop", "-q", "-d", "-c")),
)


def unpack(data: bytes) -> bytes:
    """Undo any compression that a kernel or a module comes in; plain ELF passes as it is.

    Raises `UsageError` on an unknown form and on damaged data, `ToolMissing` without the program.
    """
    if data.startswith(elf.MAGIC):
        return data
    for row in COMPRESSIONS:
        if data.startswith(row.magic):
            try:
                return row.unpack(data)
            except (OSError, EOFError, lzma.LZMAError, ValueError, process.ProcessFailed) as err:
                raise UsageError(f"damaged {row.name} data: {err}") from err
    raise UsageError(f"neither ELF nor any known compression (starts with {data[:8].hex()})")


def extract_vmlinux(image: bytes) -> bytes:
    """The ELF file inside a bzImage; an ELF image is given back as it is."""
    if image.startswith(elf.MAGIC):
        return image
    if image[_BOOT_MAGIC : _BOOT_MAGIC + 4] != b"HdrS":
        raise UsageError("not a bzImage and not ELF: no boot header")
    (protocol,) = struct.unpack_from("<H", image, _PROTOCOL)
    if protocol < _PAYLOAD_SINCE:
        raise UsageError(f"boot protocol {protocol:#x} does not say where the payload is")
    offset, length = struct.unpack_from("<II", image, _PAYLOAD)
    start = ((image[_SETUP_SECTS] or 4) + 1) * 512 + offset
    if length <= _SIZE_TRAILER or start + length > len(image):
        raise UsageError(f"cut off: the payload ends at {start + length} of {len(image)} bytes")
    payload = image[start : start + length]
    # Only gzip carries the size itself; the others get it appended (scripts/Makefile.lib).
    whole = payload if payload.startswith(b"\x1f\x8b") else payload[:-_SIZE_TRAILER]
    return unpack(whole)


def vmlinux_of(image: Path, cache: Cache) -> Path:
    """The path of the vmlinux ELF inside `image`, extracted once into the cache."""
    data = image.read_bytes()
    out = cache.kernels / "vmlinux" / f"{hashlib.sha256(data).hexdigest()[:24]}.elf"
    if not out.is_file():
        try:
            files.write(out, extract_vmlinux(data))
        except UsageError as err:
            raise UsageError(f"{image}: {err.message}", hint=err.hint) from err
    return out
