"""What others make of a conflicted file: the tools that people reach for today."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from backport.doors import process
from backport.values.filecase import FileCase

Peer = Callable[[FileCase], bytes | None]  # None where the tool leaves a conflict

TOOLS: dict[str, tuple[tuple[str, str], ...]] = {
    "git": (("git", "git"),),
    "theirs": (("git", "git"),),
    "patch": (("patch", "patch"), ("diff", "diffutils")),
    "wiggle": (("wiggle", "wiggle"),),
}
_PATIENCE = 20  # seconds; wiggle is quadratic in what differs


def _git(case: FileCase) -> bytes | None:
    return _asked(case, ["git", "merge-file", "-p", "-q", "ours", "base", "theirs"])


def _theirs(case: FileCase) -> bytes | None:
    return _asked(case, ["git", "merge-file", "-p", "-q", "--theirs", "ours", "base", "theirs"])


def _wiggle(case: FileCase) -> bytes | None:
    return _asked(case, ["wiggle", "-m", "ours", "base", "theirs"])


def _patch(case: FileCase) -> bytes | None:
    with tempfile.TemporaryDirectory(prefix="backport-peer-") as name:
        folder = _laid_out(case, Path(name))
        diff = process.run(["diff", "-u", "base", "theirs"], cwd=folder, check=False).stdout
        words = ["patch", "-s", "-f", "-F3", "-l", "-r", "-", "--no-backup-if-mismatch", "ours"]
        done = process.run(words, cwd=folder, stdin=diff, check=False)
        return None if done.returncode else (folder / "ours").read_bytes()


def _asked(case: FileCase, argv: Sequence[str]) -> bytes | None:
    with tempfile.TemporaryDirectory(prefix="backport-peer-") as name:
        folder = _laid_out(case, Path(name))
        try:
            done = process.run(argv, cwd=folder, check=False, timeout=_PATIENCE)
        except subprocess.TimeoutExpired:  # it takes for ever
            return None
        return None if done.returncode else done.stdout


def _laid_out(case: FileCase, folder: Path) -> Path:
    for name, data in (("base", case.base), ("ours", case.ours), ("theirs", case.theirs)):
        (folder / name).write_bytes(data or b"")
    return folder


PEERS: dict[str, Peer] = {"git": _git, "theirs": _theirs, "patch": _patch, "wiggle": _wiggle}
