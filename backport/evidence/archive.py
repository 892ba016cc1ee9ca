"""The file of a bundle: a tar archive with one form, written and read without a file system.

Each set of members has exactly one archive: regular files sorted by name, of nobody, at no time.
So the same run gives the same bytes; and reading can refuse whatever is not in that form, which
leaves no place to hide something: not in an owner, a link, padding, or behind the end.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from backport.values.errors import GateFailed, UsageError

BLOCK = 512
MOST = 256 << 20  # bytes of an archive: one is read into memory
_END = tarfile.RECORDSIZE
_MAGIC = b"ustar"
_PART = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*")
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.DIRTYPE: "a folder",
    tarfile.FIFOTYPE: "a pipe",
}


class BadBundle(GateFailed):
    """A bundle does not hold what it says; the message names the member."""


def pack(members: Mapping[str, bytes]) -> bytes:
    """The archive of some files by name; a name that could not be read back is refused."""
    for name in members:
        if wrong := _wrong_name(name):
            raise UsageError(f"{name!r} cannot be in a bundle: {wrong}")
    parts = [_header(name, len(data)) + data + _padding(data) for name, data in _sorted(members)]
    return b"".join(parts) + _end(sum(map(len, parts)))


def unpack(data: bytes, where: str) -> dict[str, bytes]:
    """The files in an archive that `pack` made.

    Raises `UsageError` for what is no tar archive, `BadBundle` for one of another form, which says
    at which member.
    """
    if data[257:262] != _MAGIC:
        raise UsageError(f"{where}: is no bundle: not a tar archive", hint="backport bundle RUN")
    found: dict[str, bytes] = {}
    last = ""
    for name, text in _members(data):
        if name in found:
            raise BadBundle(f"{name}: is in it twice")
        if name < last:
            raise BadBundle(f"{name}: is out of order, behind {last}")
        if above := next((p for p in _above(name) if p in found), ""):
            raise BadBundle(f"{name}: is below {above}, which is a file")
        found[name] = text
        last = name
    return found


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    at, last = 0, "its start"
    while True:
        block = data[at : at + BLOCK]
        if len(block) < BLOCK:
            raise BadBundle(f"ends too early, behind {last}")
        if block == bytes(BLOCK):
            break
        info = _info(block, last)
        end = at + BLOCK + info.size
        text, padding = data[at + BLOCK : end], data[end : end + -info.size % BLOCK]
        if len(text) < info.size or len(padding) < -info.size % BLOCK:
            raise BadBundle(f"ends too early, in {info.name}")
        if any(padding):
            raise BadBundle(f"{info.name}: there are bytes between it and the next member")
        yield info.name, text
        at, last = end + len(padding), info.name
    if data[at:] != _end(at) and _end(at).startswith(data[at:]):
        raise BadBundle(f"ends too early, behind {last}")
    if data[at:] != _end(at):
        raise BadBundle(f"there is something behind its last member, {last}")


def _above(name: str) -> Iterator[str]:
    """The folders that a file is in."""
    return map(str, PurePosixPath(name).parents)


def _info(block: bytes, last: str) -> tarfile.TarInfo:
    """A header, if it says a sane name and a size, and nothing else."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as err:
        raise BadBundle(f"the header behind {last} is damaged: {err}") from err
    if info.type != tarfile.REGTYPE:
        raise BadBundle(f"{info.name}: is {_KINDS.get(info.type, 'no regular file')}")
    if wrong := _wrong_name(info.name):
        raise BadBundle(f"{info.name!r}: {wrong}")
    if not 0 <= info.size <= MOST:
        raise BadBundle(f"{info.name}: says that it has {info.size} bytes")
    if block != _header(info.name, info.size):
        raise BadBundle(f"{info.name}: its header has more in it than a name and a size")
    return info


def _wrong_name(name: str) -> str:
    parts = name.split("/")
    if name.startswith("/"):
        return "an absolute path"
    if ".." in parts:
        return "a path that goes up"
    if not all(_PART.fullmatch(part) for part in parts):
        return "a name with more than letters, digits and . _ + - in it, or that begins with one"
    return "" if len(name) <= 100 else "a name of more than 100 characters"


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


def _padding(data: bytes) -> bytes:
    return bytes(-len(data) % BLOCK)


def _end(size: int) -> bytes:
    """Two empty blocks, and as many more as fill the last record."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % _END)


def _sorted(members: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    return sorted(members.items())
