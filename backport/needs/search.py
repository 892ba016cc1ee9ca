"""The search for the smallest set of earlier commits with which a commit applies.

From a conflict to commits: those that made the lines around it, as few of the newest as let that
one file apply when each has its way at its own conflicts. Then each of these has to apply itself:
it leads to more, up to a depth, or is left to be adapted by hand. In the end each that can be left
out is, so that what is left is necessary.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from backport.needs.names import Lack, Names
from backport.needs.past import Over, Past, Step
from backport.needs.spans import around, meeting
from backport.needs.trials import Clash, Hard, Trials
from backport.values.gitformat import Change, Entry

_MARGINS = (1, 4, 16)  # lines around a hunk, in which who made them is asked for


@dataclass(frozen=True)
class Budget:
    """Where a search ends: commits in the set, how deep they lean on others, seconds."""

    commits: int = 10
    depth: int = 6
    seconds: float = 30.0


@dataclass(frozen=True)
class Why:
    """Why a commit is in the set: for a file of the commit `of`, or for a `name` that it uses."""

    of: str
    path: str
    name: str = ""


@dataclass(frozen=True)
class Found:
    """A set, the oldest commit first; `hard` are files of it that have to be adapted by hand."""

    take: tuple[str, ...]
    why: dict[str, Why]
    hard: tuple[Hard, ...] = ()
    lacks: tuple[Lack, ...] = ()  # names that the set does not bring either


class Deadline:
    """Says how many seconds are left, and raises `Over` when none are."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def __call__(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise Over(f"{self._seconds:g} seconds were not enough")
        return left


@dataclass
class Search:
    """One question: `sha` onto a tree, with what upstream did before it."""

    trials: Trials
    past: Past
    budget: Budget
    left: Callable[[], float]
    names: Names | None = None
    kept: dict[str, Why] = field(default_factory=dict)  # needed for a name, whatever applies
    why: dict[str, Why] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)
    hard: set[Hard] = field(default_factory=set)

    def run(self, sha: str) -> Found | None:
        """The set for a commit; None if no set of the lines' own history makes it apply."""
        found = self._applying(sha)
        for _ in range(self.budget.depth):
            if found is None or self.names is None:
                break
            lacks = self.names.lacking([*found.take, sha], found.hard)
            found = replace(found, lacks=tuple(lacks))
            more = {one.bringer: one for one in lacks if one.bringer}
            more = {who: one for who, one in more.items() if who not in found.take}
            if not more or len(found.take) + len(more) > self.budget.commits:
                break
            reasons = {who: Why(one.of, one.path, one.name) for who, one in more.items()}
            self.kept = {**self.kept, **reasons}
            wider = self._applying(sha)
            if wider is None:
                break
            found = wider
        return found

    def _applying(self, sha: str) -> Found | None:
        """A set whose commits all apply is best. It is looked for one step deeper at a time, so
        that what is found is near; where there is none within the budget, the tightest has to do.
        """
        tightest = last = None
        for depth in range(1, self.budget.depth + 1):
            try:
                found = self._within(sha, depth)
            except Over:
                if tightest is None:
                    raise
                break
            if found is None or not found.hard:
                return found or tightest
            if tightest and (found == last or len(found.hard) > len(tightest.hard)):
                break  # going deeper leads nowhere, or into more that conflicts
            tightest, last = tightest or found, found
        return tightest

    def _within(self, sha: str, depth: int) -> Found | None:
        self.why, self.hard = dict(self.kept), set()
        self.depth = {sha: 0, **dict.fromkeys(self.kept, 1)}
        grown = self._grown(sha, depth)
        if grown is None:
            return None
        left = self._shrunk(sha, grown)
        hard = tuple(sorted(one for one in self.hard if one[0] in left))
        return Found(tuple(left), {one: self.why[one] for one in left}, hard)

    # -- growing

    def _grown(self, sha: str, depth: int) -> list[str] | None:
        chosen = self._in_order(set(self.kept))
        while (clash := self.trials.clash([*chosen, sha], self.hard)) is not None:
            who, path = clash.sha, clash.paths[0]
            more = [one for one in self._direct(clash, path) if one not in chosen]
            if who == sha and not more:
                return None
            if not more or self.depth[who] >= depth:
                self.hard.add((who, path))
                continue
            for one in more:
                self.why.setdefault(one, Why(who, path))
                self.depth.setdefault(one, self.depth[who] + 1)
            chosen = self._in_order({*chosen, *more})
            if len(chosen) > self.budget.commits:
                raise Over(f"more than {self.budget.commits} commits would come along")
        return chosen

    def _in_order(self, shas: set[str]) -> list[str]:
        order = self.past.order
        return sorted(shas, key=lambda sha: order[sha], reverse=True)

    def _direct(self, clash: Clash, path: str) -> list[str]:
        """The fewest commits of the conflicting lines with which this one file applies."""
        change = next(one for one in self.trials.changes(clash.sha) if one.path == path)
        ours = self.trials.entry(clash.state, path)
        steps: list[Step] = []
        for margin in _MARGINS:
            wider = self._near(change, ours, margin, clash.sha)
            if len(wider) == len(steps):
                continue
            steps = wider
            most = next((n for n in _sizes(steps) if self._fits(change, ours, steps[:n])), 0)
            if most:
                return [one.sha for one in self._fewest(change, ours, steps[:most])]
        return []

    def _near(self, change: Change, ours: Entry | None, margin: int, of: str) -> list[Step]:
        """Who made the lines around a change's hunks that conflict, newest first."""
        old, new = change.old, change.new
        if old is None:
            return []
        hunks = self.trials.odb.hunks(old.oid, new.oid) if new else []
        here = self.trials.odb.hunks(old.oid, ours.oid) if ours else []
        spans = around(meeting(hunks, here) or hunks, margin)
        return list(self.past.of_lines(change, of, spans, self.trials.onto.has))

    def _fits(self, change: Change, ours: Entry | None, steps: Sequence[Step]) -> bool:
        """Whether one file of a commit applies after some steps, each of which has its way."""
        self.left()
        for step in reversed(steps):
            _, ours = self.trials.file(step.change, ours, force=True)
        return self.trials.file(change, ours)[0]

    def _fewest(self, change: Change, ours: Entry | None, steps: Sequence[Step]) -> list[Step]:
        left = list(steps)
        for one in reversed(steps):
            fewer = [other for other in left if other != one]
            if self._fits(change, ours, fewer):
                left = fewer
        return left

    # -- shrinking

    def _shrunk(self, sha: str, chosen: Sequence[str]) -> list[str]:
        """What is left when no commit can be left out alone; the newest are tried first, as others
        lean on the older ones."""
        left, before = list(chosen), -1
        while len(left) != before:
            before = len(left)
            for one in [one for one in reversed(left) if one not in self.kept]:
                self.left()
                fewer = [other for other in left if other != one]
                if self.trials.clash([*fewer, sha], self.hard) is None:
                    left = fewer
        return left


def _sizes(steps: Sequence[Step]) -> list[int]:
    """One, two, four, ... of the newest, and all."""
    return [*(2**n for n in range(len(steps).bit_length()) if 2**n < len(steps)), len(steps)]
