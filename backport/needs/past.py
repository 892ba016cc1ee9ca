"""What upstream did to files between the place where a target left it and a commit."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.needs.spans import Span, before, touched
from backport.values.gitformat import Change, parse_change

_WHOLE = 15_000  # commits whose changes are read at once; of more only those of a path
_LOG = ("log", "-z", "--format=%x01%H", "--raw", "--no-abbrev", "--no-renames", "--topo-order",
        "--no-merges")  # fmt: skip

Left = Callable[[], float]  # the seconds that are left; raises when none are


class Over(Exception):
    """The budget is spent; the text says of what."""


@dataclass(frozen=True)
class Step:
    """What one commit did to one file."""

    sha: str
    change: Change


class Past:
    """The commits that `tip` has and `fork` has not, newest first; merges are not followed."""

    def __init__(self, git: Git, odb: Odb, fork: str, tip: str, left: Left) -> None:
        self.fork, self.tip = fork, tip
        self._git, self._odb, self.left = git, odb, left
        self._steps: dict[str, list[Step]] = {}

    @cached_property
    def order(self) -> dict[str, int]:
        """The place of each commit; a smaller one is newer."""
        rows = self._ask("rev-list", "--topo-order", "--no-merges", *self._range).split()
        return {sha: n for n, sha in enumerate(rows)}

    def steps(self, path: str) -> Sequence[Step]:
        """What was done to a file."""
        if len(self.order) <= _WHOLE:
            return self._all.get(path, [])
        if path not in self._steps:
            rows = _parsed(self._ask(*_LOG, *self._range, "--", path))
            self._steps[path] = [Step(sha, change) for sha, change in rows if change.path == path]
        return self._steps[path]

    @property
    def _range(self) -> tuple[str, str]:
        return self.tip, f"^{self.fork}"

    @cached_property
    def _all(self) -> dict[str, list[Step]]:
        found: dict[str, list[Step]] = {}
        for sha, change in _parsed(self._ask(*_LOG, *self._range)):
            found.setdefault(change.path, []).append(Step(sha, change))
        return found

    def _ask(self, *argv: str) -> str:
        try:
            return self._git.run(*argv, timeout=self.left()).text
        except subprocess.TimeoutExpired as err:
            self.left()
            raise Over("the seconds are over") from err

    def of_lines(
        self, change: Change, sha: str, spans: Sequence[Span], not_: Container[str]
    ) -> Iterator[Step]:
        """Who made these lines, newest first, of a file as it was before a change by `sha`: line
        history, in core.

        Where history is not one line, what lies between two versions is bridged by their
        difference.
        """
        assert change.old is not None
        here, now = change.old.oid, list(spans)
        since = self.order.get(sha, -1)
        for step in self.steps(change.path):
            old, new = step.change.old, step.change.new
            if new is None or self.order[step.sha] <= since:
                continue
            self.left()
            if new.oid != here:
                now = before(now, self._odb.hunks(new.oid, here))
                here = new.oid
            hunks = self._odb.hunks(old.oid, here) if old else []
            if step.sha not in not_ and (old is None or touched(now, hunks)):
                yield step
            if old is None:
                return
            now, here = before(now, hunks), old.oid


def _parsed(text: str) -> Iterator[tuple[str, Change]]:
    """The records of `git log --raw -z`, merges and empty commits left out."""
    for part in text.split("\1")[1:]:
        sha, *fields = part.split("\0")
        rows = [field.lstrip("\n") for field in fields if field.strip()]
        for meta, path in zip(rows[::2], rows[1::2], strict=False):
            yield sha, parse_change(meta, path)
