"""Tarballs as streams of files: nothing is unpacked to the disk."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO

from backport.readers.intake import PROGRAM, REGULAR, SYMLINK, SourceFile
from backport.values.errors import UsageError

CHUNK = 1 << 20
OWNER_MAY_RUN = 0o100


class EmptyArchive(UsageError):
    """There is not one byte where a tarball should be."""


def files(stream: IO[bytes], source: str) -> Iterator[SourceFile]:
    """The files of an uncompressed tar stream, in its order, read to its end.

    Raises `UsageError` on a device, a fifo, or an archive that is damaged or cut off.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK, encoding="utf-8") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined] # 80,000 headers are of no more use
                if not member.isdir():
                    yield _file(tar, member, source)
    except (tarfile.TarError, EOFError) as err:
        if str(err) == "empty file":
            raise EmptyArchive(f"{source}: is empty", hint="fetch it again") from err
        raise UsageError(
            f"{source}: damaged or cut off: {err}", hint="fetch it again, then run this again"
        ) from err
    while stream.read(CHUNK):
        pass  # the program that unpacks checks its sum at the very end


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo, source: str) -> SourceFile:
    if member.issym():
        target = member.linkname.encode("utf-8", "surrogateescape")
        return SourceFile(member.name, SYMLINK, target)
    mode = PROGRAM if member.mode & OWNER_MAY_RUN else REGULAR
    if member.islnk():
        return SourceFile(member.name, mode, same_as=member.linkname)
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise UsageError(
            f"{source}: {member.name!r} is a device, a fifo or of an unknown kind; refused",
            hint="a source tree holds files, directories and symlinks",
        )
    data = content.read()
    if len(data) != member.size:
        raise tarfile.ReadError(f"{member.name!r} ends early")
    return SourceFile(member.name, mode, data)
