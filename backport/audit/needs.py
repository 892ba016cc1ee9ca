"""What has to come before a commit: fixes it builds upon, and who made the lines that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backport.advice.lineage import History, Place, changes_of, telling
from backport.audit.bench import Bench
from backport.audit.index import Index
from backport.audit.reach import Reach
from backport.audit.standing import differences
from backport.values.audit import Finding, Standing, State
from backport.values.events import Emit, Progress
from backport.values.gitformat import FileDiff

STAGE = "needs"
FILES = 2  # of a commit, whose lines are traced
MOST = 6  # commits that are named


@dataclass(frozen=True)
class Tracing:
    """A target to look at, the history that tells, and what the target has of it."""

    bench: Bench
    index: Index
    history: History
    has: Reach


def with_missing(
    items: Sequence[Finding], standings: Mapping[int, Standing]
) -> dict[int, Standing]:
    """A fix of a fix that the target lacks too comes after that one."""
    lacking = {item.sha for item in items if _lacks(standings[item.n])}
    found = dict(standings)
    for item in items:
        first = tuple(cause.sha for cause in item.causes if cause.sha in lacking)
        if first and _lacks(standings[item.n]):
            one = standings[item.n]
            found[item.n] = Standing(one.state, one.why, first)
    return found


def _lacks(standing: Standing) -> bool:
    return standing.state in {State.APPLIES, State.CONFLICTS, State.UNKNOWN}


def traced(
    by: Tracing, items: Sequence[Finding], standings: Mapping[int, Standing], emit: Emit
) -> dict[int, Standing]:
    """For commits that conflict, who made the lines they need, as long as there is time."""
    clashing = [item for item in items if standings[item.n].state is State.CONFLICTS]
    diffs = differences(by.bench.git, [item.sha for item in clashing])
    found = dict(standings)
    for done, item in enumerate(clashing, 1):
        one = standings[item.n]
        below = dict.fromkeys([*one.needs, *_below(by, item, diffs.get(item.sha, {}))])
        found[item.n] = Standing(one.state, one.why, tuple(below)[:MOST])
        emit(Progress(STAGE, done, len(clashing), "conflicts"))
    return found


def _below(by: Tracing, item: Finding, diffs: Mapping[str, FileDiff]) -> Iterator[str]:
    """Commits that the target lacks, of those that made the lines around a change."""
    files = [(path, diff) for path, diff in diffs.items() if by.bench.has(path)]
    for path, diff in files[:FILES]:
        base = (*diff.context, *diff.removed)
        lacks = tuple(x for x in base if telling(x) and x not in by.bench.lines(path))
        if lacks:
            place = Place(path, item.sha, item.subject, base, lacks, ())
            for past in changes_of(by.history, place).pasts:
                n = by.index.number(past.sha)
                if n is not None and n not in by.has:
                    yield past.sha
