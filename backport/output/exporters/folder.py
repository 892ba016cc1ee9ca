"""Replace a folder of files as a whole, and never one that is somebody else's."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from backport.values.errors import Unavailable, UsageError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


@contextlib.contextmanager
def replace_folder(dest: Path, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the place of `dest`.

    A `dest` that is not empty is replaced only if `is_ours` says so, else it is a `UsageError`. A
    block that raises, or a kill, leaves `dest` as it was.
    """
    _check(dest, is_ours)
    temporary: Path | None = None
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{dest.name}.", dir=dest.parent))
        temporary.chmod(0o755)
        yield temporary
        _check(dest, is_ours)
        _put(temporary, dest)
    except OSError as err:
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(f"{dest}: no room left on the disk", hint="free some space") from err
        raise
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _check(dest: Path, is_ours: Callable[[Path], bool]) -> None:
    hint = "name a folder that is empty, absent, or holds an earlier export"
    if dest.is_symlink() or (dest.exists() and not dest.is_dir()):
        raise UsageError(f"{dest}: is there and is not a folder; it was left alone", hint=hint)
    if dest.is_dir() and any(dest.iterdir()) and not is_ours(dest):
        raise UsageError(f"{dest}: holds files of others; it was left alone", hint=hint)


def _put(new: Path, dest: Path) -> None:
    """Let `new` be `dest`; what was there ends up at `new`, or is gone."""
    try:
        new.rename(dest)  # over nothing, or over an empty folder
    except OSError as err:
        if err.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not _exchange(new, dest):
            _two_steps(new, dest)


def _two_steps(new: Path, dest: Path) -> None:
    old = new.with_name(f"{new.name}.old")
    dest.rename(old)
    new.rename(dest)
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)
