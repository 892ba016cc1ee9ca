"""Whether a target has an upstream commit: by ancestry, by what its history cites, by content."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.advice.lineage import History, NotTold, is_ancestor, telling
from backport.doors.git import Git
from backport.readers.citations import stands_for
from backport.values.csource import split_lines
from backport.values.gitformat import Patch
from backport.values.version import Version

CITING = 5000  # commits of the target that are read for what they cite


@dataclass(frozen=True)
class Presence:
    """`has` of `of` lines are there, both 0 where nobody knows; `how` says by what it is known."""

    has: int
    of: int
    how: str

    @property
    def word(self) -> str:
        """yes, no, unknown, or `partly n of m lines`."""
        if not self.of:
            return "unknown"
        if self.has in {0, self.of}:
            return "yes" if self.has else "no"
        return f"partly {self.has} of {self.of} lines"


@dataclass(frozen=True)
class Here:
    """A target: its tree in the store, and its own repository where it comes from one."""

    git: Git
    tree: str
    version: Version
    home: Path | None = None
    rev: str = "HEAD"


class Target:
    """Answers for one target, each question asked once."""

    def __init__(self, here: Here, history: History) -> None:
        self._here = here
        self._history = history
        self._home = Git(here.home) if here.home else None
        self._base = release_of(history, here.version)
        self._cited: dict[str, frozenset[str]] = {}
        self._lines: dict[str, frozenset[str]] = {}

    def presences(self, shas: Sequence[str], path: str) -> dict[str, Presence]:
        """Whether the target has these commits, as far as they touch a path."""
        found = {sha: known for sha in shas if (known := self._by_id(sha, path))}
        left = [sha for sha in shas if sha not in found]
        try:
            patches = self._history.patches(left, path)
        except NotTold as err:
            return found | {sha: Presence(0, 0, str(err)) for sha in left}
        return found | {sha: self._by_content(patches.get(sha), path) for sha in left}

    def has_line(self, path: str, line: str) -> bool:
        """Whether the target's file has a line."""
        return line in self._lines_of(path)

    def _by_id(self, sha: str, path: str) -> Presence | None:
        rev = self._here.rev
        if self._home and self._home.ref(sha) and is_ancestor(self._home, sha, rev):
            return Presence(1, 1, f"an ancestor of {rev}")
        if any(sha.startswith(cited) for cited in self._cites(path)):
            return Presence(1, 1, "a commit of the target cites it")
        if self._base and self._history.has(self._base, sha):
            return Presence(1, 1, f"an ancestor of {self._base.removeprefix('refs/tags/')}")
        return None

    def _cites(self, path: str) -> frozenset[str]:
        if path not in self._cited:
            form = ("log", "-z", f"-n{CITING}", "--format=%B", self._here.rev, "--", path)
            text = self._home.run(*form, check=False).text if self._home else ""
            said = (stands_for(message) for message in text.split("\0"))
            self._cited[path] = frozenset(c.sha for cited in said for c in cited)
        return self._cited[path]

    def _by_content(self, patch: Patch | None, path: str) -> Presence:
        sides = (patch.added, patch.removed) if patch else ((), ())
        return by_content(*sides, self._lines_of(path))

    def _lines_of(self, path: str) -> frozenset[str]:
        if path not in self._lines:
            data = self._here.git.read(self._here.tree, path) or b""
            self._lines[path] = frozenset(split_lines(data))
        return self._lines[path]


def by_content(added: Sequence[str], removed: Sequence[str], here: Container[str]) -> Presence:
    """How many lines that a change adds are there, or that it takes out are gone."""
    brought = [line for line in added if telling(line)]
    if brought:
        return Presence(sum(line in here for line in brought), len(brought), "by content")
    lost = [line for line in removed if telling(line)]
    gone = sum(line not in here for line in lost)
    return Presence(gone, len(lost), "by content" if lost else "it tells nothing")


def release_of(history: History, version: Version) -> str:
    """The tag of the target's version, where it marks a kernel of that version; '' else."""
    for tag in _tags(version):
        makefile = history.git.read(tag, "Makefile") if history.git.ref(tag) else None
        told = rb"^VERSION = %d\nPATCHLEVEL = %d$" % (version.major, version.minor)
        if makefile and re.search(told, makefile, re.M):
            return tag
    return ""


def _tags(version: Version) -> Iterator[str]:
    yield f"refs/tags/v{version}"
    yield f"refs/tags/v{version.major}.{version.minor}"
