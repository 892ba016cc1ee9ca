"""A plain directory: every file in it, also those that .gitignore names."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backport.doors.cache import Cache
from backport.doors.store import Origin, Store
from backport.readers import intake
from backport.readers.intake import PROGRAM, REGULAR, SYMLINK, SourceFile
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.target import DirectorySource, Tree

CLOCK_STEP = 0.02  # seconds: two changes closer than that may carry the same time


@dataclass(frozen=True)
class Walk:
    """Paths below a directory with git's mode; `mark` changes when any file does."""

    files: tuple[tuple[str, str], ...]
    mark: str
    newest: float  # seconds since the epoch


def obtain(spec: DirectorySource, store: Store, cache: Cache, emit: Emit, refresh: bool) -> Tree:
    """The directory as it is now; unchanged since the last import, it costs one walk."""
    top = spec.path.absolute()
    _check(top)
    walk = walked(top)
    if time.time() - walk.newest < CLOCK_STEP:
        time.sleep(CLOCK_STEP)  # from here on, a change shows
        walk = walked(top)
    origin = Origin(f"directory-{walk.mark}", str(top))
    return store.import_files(origin, _read(top, walk), emit, total=len(walk.files))


def walked(top: Path) -> Walk:
    """Look at every file without reading any; `UsageError` on devices, fifos and sockets."""
    files: list[tuple[str, str]] = []
    digest = hashlib.sha256(os.fsencode(top))
    newest = 0
    for path, info in _stats(top, ""):
        files.append((path, _mode(path, info.st_mode)))
        told = (path, info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
        digest.update(repr(told).encode())
        newest = max(newest, info.st_ctime_ns)
    return Walk(tuple(files), digest.hexdigest(), newest / 1e9)


def _stats(top: Path, below: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(top / below) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _stats(top, f"{path}/")
        else:
            yield path, entry.stat(follow_symlinks=False)


def _mode(path: str, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return SYMLINK
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path}: is a device, a fifo or a socket", hint="remove it")
    return PROGRAM if mode & stat.S_IXUSR else REGULAR


def _read(top: Path, walk: Walk) -> Iterator[SourceFile]:
    try:
        for path, mode in walk.files:
            yield SourceFile(path, mode, _contents(top / path, mode))
    except FileNotFoundError as err:
        raise _changed(top) from err
    except PermissionError as err:
        raise UsageError(f"{err.filename}: may not be read", hint="check its permissions") from err
    if walked(top) != walk:
        raise _changed(top)


def _contents(path: Path, mode: str) -> bytes:
    if mode == SYMLINK:
        return os.fsencode(os.readlink(path))  # noqa: PTH115 - Path would rewrite `a/./b`
    return path.read_bytes()


def _changed(top: Path) -> UsageError:
    return UsageError(
        f"{top}: changed while it was read; nothing was imported",
        hint="wait until whatever writes there is done, then run it again",
    )


def _check(top: Path) -> None:
    """Say it before 80,000 files were read."""
    if not top.is_dir():
        raise UsageError(f"{top}: no such directory")
    makefile = top / "Makefile"
    head = makefile.read_bytes() if makefile.is_file() else None
    intake.kernel_version(head, (top / "Kconfig").is_file(), str(top))
    if (top / ".git").exists():
        raise UsageError(f"{top}: is a git repository", hint="name it as one, with a revision")
