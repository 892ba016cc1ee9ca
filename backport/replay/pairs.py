"""Finds the backports in a repository's own history: commits that name what they are picks of."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.readers.citations import stands_for
from backport.values.errors import UsageError


@dataclass(frozen=True)
class Pair:
    """An upstream commit and the human's backport of it; `time` is when that was committed."""

    upstream: str
    backport: str
    time: int  # seconds since the epoch

    @property
    def key(self) -> str:
        """What tells it from any other pair."""
        return f"{self.upstream}:{self.backport}"


@dataclass(frozen=True)
class Selection:
    """Which pairs are wanted. `since` and `until` are as git understands dates, of the backport's
    commit; `pattern` is a regular expression whose first group is the upstream commit's id."""

    since: str = ""
    until: str = ""
    pattern: str = ""
    sample: int = 0  # pairs drawn by `seed`; 0 is all of them
    seed: int = 0


def find_pairs(git: Git, odb: Odb, wanted: Selection) -> list[Pair]:
    """The pairs of a repository, oldest backport first.

    Left out are merges, commits that name several others or one that is not here, and commits
    that stand on the one they name. Raises `UsageError` for a bad pattern or when none is found.
    """
    named = _namer(wanted.pattern)
    found = [pair for record in _log(git, wanted) if (pair := _pair(odb, record, named))]
    if not found:
        where = f"{git.path}: no commit says what it is a backport of"
        raise UsageError(where, hint="give --pattern, whose first group is the upstream id")
    found.sort(key=lambda pair: (pair.time, pair.backport))
    if wanted.sample and wanted.sample < len(found):
        kept = random.Random(wanted.seed).sample(range(len(found)), wanted.sample)
        found = [found[i] for i in sorted(kept)]
    return found


@dataclass(frozen=True)
class _Record:
    sha: str
    parents: tuple[str, ...]
    time: int
    message: str


def _log(git: Git, wanted: Selection) -> Iterator[_Record]:
    limits = [f"--since={wanted.since}"] if wanted.since else []
    limits += [f"--until={wanted.until}"] if wanted.until else []
    form = "--format=%H%x00%P%x00%ct%x00%B%x01"
    out = git.run("log", "--all", "--no-merges", form, *limits).text
    for record in out.split("\1"):
        head = record.lstrip("\n").split("\0", 3)
        if len(head) == 4:
            yield _Record(head[0], tuple(head[1].split()), int(head[2]), head[3])


def _namer(pattern: str) -> re.Pattern[str] | None:
    if not pattern:
        return None
    try:
        found = re.compile(pattern, re.M)
    except re.error as err:
        raise UsageError(f"--pattern: {err}") from err
    if not found.groups:
        raise UsageError("--pattern: it has no group for the upstream commit's id")
    return found


def _named(message: str, pattern: re.Pattern[str] | None) -> Sequence[str]:
    if pattern:
        return list(dict.fromkeys(match[1] for match in pattern.finditer(message)))
    return [citation.sha for citation in stands_for(message)] if "ommit" in message else []


def _pair(odb: Odb, record: _Record, pattern: re.Pattern[str] | None) -> Pair | None:
    names = _named(record.message, pattern)
    if len(names) != 1 or len(record.parents) != 1:
        return None
    upstream = odb.commit(names[0])
    if upstream is None or len(upstream[1]) != 1:
        return None
    is_own = upstream[0] in {record.sha, record.parents[0]}
    return None if is_own else Pair(upstream[0], record.sha, record.time)


def siblings(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    """The pairs of each upstream commit, oldest first: it went to several branches."""
    by_upstream: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_upstream.setdefault(pair.upstream, []).append(pair)
    return by_upstream
