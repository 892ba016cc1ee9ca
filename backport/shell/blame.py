"""Whose fault an error is that no stage foresaw: the machine's, or ours."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

from backport.doors import files
from backport.doors.process import ProcessFailed
from backport.values.errors import BackportError, Exit, Interrupted, Unavailable
from backport.values.record import Failure

NO_ROOM = (b"No space left on device", b"Disk quota exceeded", b"File size limit exceeded")
_HINTS = {
    errno.EACCES: "point BACKPORT_CACHE at a folder of your own",
    errno.EPERM: "point BACKPORT_CACHE at a folder of your own",
    errno.ENOTDIR: "point BACKPORT_CACHE at a folder",
    errno.EROFS: "point BACKPORT_CACHE at a folder that can be written to",
    errno.EFBIG: "raise the limit (ulimit -f), then run it again",
    errno.EIO: "look at the disk (dmesg), or point BACKPORT_CACHE at another one",
    errno.EMFILE: "raise the limit (ulimit -n), then run it again",
    errno.ENOMEM: "free some memory, then run it again",
}
_FULL = (errno.ENOSPC, errno.EDQUOT)


def explained(err: BaseException) -> BackportError | None:
    """The error as one of ours, None where it is an interrupt or a bug."""
    match err:
        case ProcessFailed() if _no_room(err):
            text = f"no room left on the disk\n{err.message}"
            hint = "free some space, or set BACKPORT_CACHE to a larger disk, then run it again"
            return Unavailable(text, hint=hint, log=err.log)
        case ProcessFailed() if err.done.returncode == -signal.SIGXFSZ:
            return Unavailable(err.message, hint=_HINTS[errno.EFBIG], log=err.log)
        case BackportError():
            return err
        case OSError(errno=number) if number in _FULL:
            return files.trouble(err, Path(str(err.filename or "the cache")))
        case OSError(errno=int(number)) if number in _HINTS:
            where = f"{err.filename}: " if err.filename else ""
            return Unavailable(f"{where}{err.strerror}", hint=_HINTS[number])
        case _:
            return None


def _no_room(err: ProcessFailed) -> bool:
    return any(words in err.done.stderr + err.done.stdout for words in NO_ROOM)


def ending(err: BaseException | None) -> tuple[Exit, Failure | None]:
    """The exit status of what ended with this error, and how a record tells it."""
    if err is None:
        return Exit.OK, None
    if isinstance(err, (KeyboardInterrupt, Interrupted)):
        hint = "run the same command again: it goes on where it was"
        return Exit.INTERRUPTED, Failure("interrupted", hint)
    ours = explained(err)
    if ours is not None:
        return ours.exit_code, Failure(ours.message, ours.hint, str(ours.log or ""))
    return Exit.INTERNAL, Failure(f"{type(err).__name__}: {err}", "please report it as a bug")
