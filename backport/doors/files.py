"""Writing files so that a kill or a full disk loses nothing that was finished."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from backport.values.errors import BackportError, Unavailable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step: readers see the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        replace(path, data)
    except OSError as err:
        raise trouble(err, path) from err


def replace(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Put `data` at `path` in one step; `OSError` as it comes, and no part is left.

    With `lasting` it has reached the disk when this returns.
    """
    # Threads write side by side, too: a native thread id is never another process's.
    part = path.with_name(f".{path.name}.{threading.get_native_id()}.part")
    try:
        with part.open("wb") as out:
            out.write(data)
            if lasting:
                out.flush()
                os.fsync(out.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def size(path: Path) -> int:
    """Bytes at `path` now; 0 while it is not there, which may change between any two looks."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold `path` as a lock; waits for another process, and a killed holder lets go by itself.

    Gives the lock's descriptor: a child that inherits it holds on until it has ended too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


def trouble(err: OSError, path: Path) -> BackportError:
    """An error of the file system as one of ours: a full disk is the machine's fault."""
    if err.errno in _NO_ROOM:
        return Unavailable(
            f"{path}: no room left on the disk",
            hint="free some space, or set BACKPORT_CACHE to a larger disk, then run it again",
        )
    return Unavailable(f"{path}: {err.strerror or err}")
