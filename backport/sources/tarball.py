"""A tarball on this machine, streamed into the store; its sha256 is its identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from backport.doors import process
from backport.doors.cache import Cache
from backport.doors.store import Origin, Store
from backport.readers.intake import SourceFile
from backport.sources import tarstream
from backport.sources.records import Records
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.target import TarballSource, Tree

# name ends with: the program that unpacks it to its output, its options, its Debian package
UNPACKERS: dict[str, tuple[tuple[str, ...], str]] = {
    ".tar": (("cat",), "coreutils"),
    ".tar.gz": (("gzip", "-dc"), "gzip"),
    ".tgz": (("gzip", "-dc"), "gzip"),
    ".tar.bz2": (("bzip2", "-dc"), "bzip2"),
    ".tar.xz": (("xz", "-T0", "-dc"), "xz-utils"),
    ".tar.zst": (("zstd", "-qdc"), "zstd"),
}


def obtain(spec: TarballSource, store: Store, cache: Cache, emit: Emit, refresh: bool) -> Tree:
    """The tree in a tarball, less the one directory that all of it is in."""
    path = spec.path.absolute()
    unpacker(path)
    sha256 = _sha256(path, Records(cache.root / "tarballs.json"))
    if spec.sha256 and spec.sha256.lower() != sha256:
        raise UsageError(
            f"{path}: its sha256 is {sha256}, not {spec.sha256.lower()}",
            hint="fetch it again, or correct the hash that you gave",
        )
    origin = Origin(f"tarball-{sha256}", str(path), sha256=sha256)
    return store.import_files(origin, contents(path), emit, strip=True)


def unpacker(path: Path) -> tuple[str, ...]:
    """The command that unpacks a tarball; `UsageError` unless it is a file of a known kind."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    for suffix, (argv, package) in UNPACKERS.items():
        if path.name.endswith(suffix):
            process.require([(argv[0], package)])
            return argv
    raise UsageError(
        f"{path}: is not a tarball that can be read", hint=f"known: {', '.join(UNPACKERS)}"
    )


def contents(path: Path) -> Iterator[SourceFile]:
    """The files of a tarball; `UsageError` if it is damaged or cut off."""
    try:
        with process.pipeline((*unpacker(path), "--", path)) as tar:
            yield from tarstream.files(tar, str(path))
    except process.ProcessFailed as err:
        raise UsageError(
            f"{path}: damaged or cut off\n{err.message}", hint="fetch it again"
        ) from err


def _sha256(path: Path, records: Records) -> str:
    """The hash of a file; known from the last time while the file's times and size are the same."""
    info = path.stat()
    key = f"{path} {info.st_size} {info.st_mtime_ns} {info.st_ctime_ns} {info.st_ino}"
    known = records.get(key)
    if known:
        return str(known.value["sha256"])
    with path.open("rb") as data:
        sha256 = hashlib.file_digest(data, "sha256").hexdigest()
    records.put(key, {"sha256": sha256})
    return sha256
