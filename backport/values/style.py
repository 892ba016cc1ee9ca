"""What checkpatch says of a backport, and which of it upstream's own commit has too. Pure."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from backport.values.errors import Place

NEAR = 0.6  # how alike two lines are that a rule made out of one another


class State(StrEnum):
    """Whose a finding is."""

    NEW = "new"  # the backport's, and nobody said why
    ALLOWED = "allowed"  # the backport's, with a reason
    UPSTREAM = "upstream"  # upstream's own commit has it too
    GONE = "gone"  # upstream's only


@dataclass(frozen=True)
class StyleFinding:
    """One finding; `code` are the lines it shows, of a diff or a message (then without a path)."""

    level: str  # ERROR, WARNING or CHECK
    kind: str  # checkpatch's name for it, e.g. LONG_LINE
    text: str
    path: str = ""
    line: int = 0
    code: str = ""
    state: str = State.NEW
    why: str = ""  # of one that is allowed


@dataclass(frozen=True)
class CommitStyle:
    """The findings of one commit beside those of the upstream commit that it was picked from."""

    commit: str
    upstream: str
    subject: str
    findings: tuple[StyleFinding, ...]

    def count(self, state: State) -> int:
        """How many findings are in a state."""
        return sum(found.state == state for found in self.findings)


@dataclass(frozen=True)
class StyleReport:
    """What `style.json` in a run's folder holds; `script` is the blob of checkpatch.pl."""

    series: str
    target: str
    head: str
    script: str
    strict: bool
    commits: tuple[CommitStyle, ...]

    def all(self, state: State) -> list[tuple[CommitStyle, StyleFinding]]:
        """Every finding in a state, with its commit."""
        return [(c, f) for c in self.commits for f in c.findings if f.state == state]


@dataclass(frozen=True)
class Allowance:
    """A finding that a series may have, and why; empty fields fit everything."""

    kind: str
    why: str
    commit: str = ""  # the start of an upstream SHA
    path: str = ""
    code: str = ""  # a pattern that its lines have
    place: Place = field(default=Place("style"), compare=False)

    def fits(self, upstream: str, found: StyleFinding) -> bool:
        """Whether it is about a finding in the pick of an upstream commit."""
        return (
            found.kind == self.kind
            and upstream.startswith(self.commit)
            and self.path in {"", found.path}
            and re.search(self.code, found.code) is not None
        )


def compared(
    ours: Sequence[StyleFinding], theirs: Sequence[StyleFinding]
) -> tuple[StyleFinding, ...]:
    """Our findings as new or upstream's, then those of upstream's that are gone.

    A finding is upstream's if it has the same kind, text and lines; else, of what is left, if it is
    of the same kind and file on lines that are alike: a rule changed the line, not the finding.
    """
    pool = Counter(map(_key, theirs))
    marked = [_take(found, pool) for found in ours]
    left = list(_left(theirs, ours))
    for index, found in enumerate(marked):
        near = _nearest(found, left) if found.state == State.NEW else None
        if near is not None:
            left.remove(near)
            marked[index] = replace(found, state=State.UPSTREAM)
    return (*marked, *(replace(found, state=State.GONE) for found in left))


def _key(found: StyleFinding) -> tuple[str, str, str]:
    return found.kind, found.text, " ".join(found.code.split())


def _take(found: StyleFinding, pool: Counter[tuple[str, str, str]]) -> StyleFinding:
    key = _key(found)
    if not pool[key]:
        return found
    pool[key] -= 1
    return replace(found, state=State.UPSTREAM)


def _left(some: Iterable[StyleFinding], others: Iterable[StyleFinding]) -> Iterator[StyleFinding]:
    """The findings that have none of the same kind, text and lines among the others."""
    pool = Counter(map(_key, others))
    return (found for found in some if _take(found, pool).state == State.NEW)


def _nearest(found: StyleFinding, left: Sequence[StyleFinding]) -> StyleFinding | None:
    same = [f for f in left if (f.kind, f.path) == (found.kind, found.path)]
    graded = [(difflib.SequenceMatcher(None, f.code, found.code).ratio(), f) for f in same]
    best = max(graded, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] >= NEAR else None


def excused(commit: CommitStyle, allowed: Sequence[Allowance]) -> CommitStyle:
    """The same with each new finding that has a reason marked as allowed."""
    return replace(commit, findings=tuple(_excused(commit, f, allowed) for f in commit.findings))


def _excused(
    commit: CommitStyle, found: StyleFinding, allowed: Sequence[Allowance]
) -> StyleFinding:
    fits = [a for a in allowed if found.state == State.NEW and a.fits(commit.upstream, found)]
    return replace(found, state=State.ALLOWED, why=fits[0].why) if fits else found
