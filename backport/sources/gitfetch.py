"""One commit of another repository, with its files and without its history."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from backport.doors.git import Git
from backport.doors.process import ProcessFailed
from backport.doors.store import STAGE
from backport.values.errors import BackportError, Unavailable, UsageError
from backport.values.events import Emit, Progress

FULL_SHA = re.compile(r"[0-9a-f]{40}")
INBOX_REF = "refs/backport/import"  # not below refs/heads: an annotated tag may come

_METER = re.compile(r"Receiving objects: +\d+% \((\d+)/(\d+)\)")
_FETCH = (
    *("-c", "fetch.unpackLimit=1"),  # the store takes over packs
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"),
    *("fetch", "--depth=1", "--progress", "--no-tags", "--no-write-fetch-head"),
    *("--no-auto-gc", "--no-recurse-submodules", "--"),
)
_NO_ROOM = "free some space, or set BACKPORT_CACHE to a larger disk, then run it again"
_TROUBLES: tuple[tuple[str, type[BackportError], str, str], ...] = (
    (r"No space left on device", Unavailable, "no room left on the disk", _NO_ROOM),
    (
        r"dubious ownership",
        UsageError,
        "belongs to another user, so git does not read it",
        "git config --global --add safe.directory PATH, if you trust it",
    ),
    (
        r"not our ref|unadvertised object|couldn't find remote ref",
        UsageError,
        "does not give out what was asked for",
        "name a branch or a tag that `git ls-remote` shows",
    ),
    (
        r"not appear to be a git repository|not found|does not exist|not exported|"
        r"not a git repository|transport '.*' not allowed",
        UsageError,
        "there is no git repository that can be read",
        "check it with `git ls-remote`",
    ),
)


def user_config() -> dict[str, str]:
    """The user's own git configuration, for how to get there: proxies, keys, trusted folders.

    What comes over is known by its SHA, so it cannot change a result.
    """
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    known = [
        path for path in (Path.home() / ".gitconfig", xdg / "git" / "config") if path.is_file()
    ]
    return {
        "GIT_CONFIG_NOSYSTEM": "false",
        "GIT_CONFIG_GLOBAL": str(known[0]) if known else os.devnull,
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    }


def fetcher(url: str, what: str, shown: str, emit: Emit) -> Callable[[Git], str]:
    """A function that brings `what` (a SHA or a ref) of `url` into a repository, giving its SHA."""

    def fetch(inbox: Git) -> str:
        try:
            inbox.stream(
                *_FETCH,
                url,
                f"{what}:{INBOX_REF}",
                on_line=lambda line: _tell(line, emit),
                log=inbox.path / "fetch.log",
                env=user_config(),
            )
        except ProcessFailed as err:
            raise trouble(err, shown) from err
        return inbox.ref(INBOX_REF) or ""

    return fetch


def trouble(err: ProcessFailed, shown: str) -> BackportError:
    """What git's failure to read another repository means."""
    talk = (err.done.stderr + b"\n" + err.done.stdout).decode("utf-8", "replace")
    said = [line for line in talk.splitlines() if line.startswith(("fatal:", "error:", "remote:"))]
    for pattern, kind, message, hint in _TROUBLES:
        if re.search(pattern, talk):
            return kind("\n".join([f"{shown}: {message}", *said[-3:]]), hint=hint)
    return Unavailable(
        "\n".join([f"{shown}: cannot be read", *said[-3:]]),
        hint="check the network and the proxy settings, then run the same command again",
    )


def _tell(line: str, emit: Emit) -> None:
    found = _METER.search(line)
    if found:
        emit(Progress(STAGE, int(found[1]), int(found[2]), "objects"))
