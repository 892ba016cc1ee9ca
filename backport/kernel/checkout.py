"""Writes a tree of the store into a directory, so that make can build it.

The directory is ours and is kept: the next tree is written over the last one, only files that
differ are touched, and what did not change keeps its time, so that make compiles what it must and
no more. Beside the directory lie git's index of it (`NAME.index`) and a mark (`NAME.json`) that
says which tree is complete there; without the mark, nothing in the directory is trusted.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backport.doors import files
from backport.doors.git import Git
from backport.doors.process import Completed, ProcessFailed
from backport.kernel.kbuild import read_stamp
from backport.values.errors import Unavailable, UsageError
from backport.values.events import Emit, Progress, StageFinished, StageStarted, silent

STAGE = "checkout"
_METER = re.compile(r"Updating files:\s+\d+% \((\d+)/(\d+)\)")


@dataclass(frozen=True)
class CheckedOut:
    """A directory that holds exactly one tree; `written` counts files written or removed."""

    path: Path
    tree: str
    written: int
    seconds: float
    cached: bool


def checkout(git: Git, tree: str, dest: Path, emit: Emit = silent) -> CheckedOut:
    """Make `dest` hold the tree that `tree` names, and nothing else.

    What somebody changed or added there is put back. Raises `UsageError` for a name of no tree, or
    for a directory with other contents than ours, `Unavailable` when the disk is full.
    """
    start = time.monotonic()
    oid = git.tree_of(tree)
    emit(StageStarted(STAGE, f"checkout: {dest.name}"))
    with _locked(dest) as lock:
        _refuse_strangers(dest)
        work = _Work(git, dest, emit, lock)
        whole = read_stamp(work.mark).get("tree", "")
        work.recover()
        written = work.bring(oid)
    seconds = time.monotonic() - start
    cached = whole == oid and not written
    emit(StageFinished(STAGE, f"{written} files written", seconds, cached))
    return CheckedOut(dest, oid, written, seconds, cached)


def discard(dest: Path) -> None:
    """Remove a checkout with its index and mark; what is no checkout of ours is refused."""
    with _locked(dest):
        _refuse_strangers(dest)
        shutil.rmtree(dest, ignore_errors=True)
        for suffix in (".json", ".index", ".index.lock", ".log"):
            _beside(dest, suffix).unlink(missing_ok=True)


def _beside(dest: Path, suffix: str) -> Path:
    return dest.with_name(f"{dest.name}{suffix}")


@contextlib.contextmanager
def _locked(dest: Path) -> Iterator[int]:
    """Hold the directory; git keeps the lock too, so that a killed run's git is waited for."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(_beside(dest, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _refuse_strangers(dest: Path) -> None:
    ours = _beside(dest, ".index").exists() or _beside(dest, ".json").exists()
    if not ours and dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise UsageError(
            f"{dest}: is not empty and no checkout of ours; it was left as it is",
            hint="give a directory that does not exist yet",
        )


class _Work:
    """One checkout under way; the caller holds its lock."""

    def __init__(self, git: Git, dest: Path, emit: Emit, lock: int) -> None:
        self.git = git
        self.dest = dest
        self.emit = emit
        self.lock = lock
        self.mark = _beside(dest, ".json")
        self.index = _beside(dest, ".index")
        self.log = _beside(dest, ".log")
        self.written = 0

    def recover(self) -> None:
        """Have an index that git can read; a kill may have left none, a torn one or its lock."""
        self.dest.mkdir(exist_ok=True)
        _beside(self.dest, ".index.lock").unlink(missing_ok=True)
        if self.index.is_file() and self._plain("ls-files", "-z", check=False).returncode == 0:
            return
        self.index.unlink(missing_ok=True)
        self._plain("read-tree", "--empty")

    def bring(self, oid: str) -> int:
        """Make directory and index equal to a tree; the number of files written or removed."""
        self.dest.mkdir(exist_ok=True)
        if read_stamp(self.mark).get("tree") != oid:
            # From here on the directory is neither the old tree nor the new one.
            self.mark.unlink(missing_ok=True)
        # --reset compares every file with the index by size and time, and rewrites what differs.
        self._watched("read-tree", "-v", "--reset", "-u", oid)
        stray = self._plain("ls-files", "-z", "--others").text.split("\0")[:-1]
        if stray:
            self._plain("clean", "-q", "-ffdx")
        files.write(self.mark, json.dumps({"tree": oid}).encode())
        return self.written + len(stray)

    def _env(self) -> dict[str, str]:
        return {
            "GIT_INDEX_FILE": str(self.index),
            "GIT_WORK_TREE": str(self.dest),
            "GIT_PROGRESS_DELAY": "0",
        }

    def _args(self, *args: str) -> list[str]:
        # What git writes must be the bytes of the blobs, on any machine.
        settings = {"core.bare": "false", "core.autocrlf": "false", "core.symlinks": "true"}
        flags = [flag for key, value in settings.items() for flag in ("-c", f"{key}={value}")]
        return ["-C", str(self.dest), *flags, *args]

    def _plain(self, *args: str, check: bool = True) -> Completed:
        return self.git.run(*self._args(*args), env=self._env(), check=check)

    def _watched(self, *args: str) -> None:
        self.log.unlink(missing_ok=True)
        try:
            self.git.stream(
                *self._args(*args),
                on_line=self._line,
                log=self.log,
                env=self._env(),
                pass_fds=(self.lock,),
            )
        except ProcessFailed as err:
            if "No space left on device" in err.message:
                raise Unavailable(
                    f"{self.dest}: no room left on the disk for the source tree",
                    hint="free about 2 GB, then run it again: it goes on where it stopped",
                    log=self.log,
                ) from err
            raise

    def _line(self, line: str) -> None:
        found = _METER.match(line)
        if found:
            self.written = int(found[1])
            self.emit(Progress(STAGE, int(found[1]), int(found[2]), "files"))
