"""Take an upstream commit first, in core, to see what it costs and whether the place is gone then.

Nothing but the object store in the cache is written: the commits come into it as those of a series
do, and are picked onto the tree that the series' own commit meets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.advice.explain import Explanation
from backport.advice.lineage import Facts, History, Place, changes_of, telling
from backport.advice.presence import Target
from backport.advice.remedies import Means, Remedy, touched_by
from backport.gates import symbols
from backport.picking.ground import Ground
from backport.picking.lacks import Leg
from backport.picking.pick import Outcome, pick
from backport.picking.resolve import INCOMING
from backport.picking.slices import pick_slice
from backport.readers.identifiers import blanked, defined_in
from backport.upstreams.gitrepo import GitUpstream
from backport.values.commit import Incoming
from backport.values.errors import RuleError, UsageError
from backport.values.events import silent
from backport.values.series import Role, Series, SeriesCommit
from backport.values.version import Version

FILES = 4  # of a commit, whose lines are traced to what they lean on


@dataclass(frozen=True)
class Taking:
    """What taking needs: the ground, the folder of upstreams in the cache, and the history."""

    ground: Ground
    folder: Path
    history: History
    target: Target


@dataclass(frozen=True)
class Tried:
    """Commits picked one after the other; `tree` is '' where one conflicts."""

    incoming: tuple[Incoming, ...]
    files: int
    lines: int
    conflicts: int
    tree: str


def untaken(why: str) -> Remedy:
    """Where there is nothing to take, or nobody knows what."""
    return Remedy(Means.TAKE, {}, None, why)


def take(
    taking: Taking, item: Explanation, leg: Leg, shas: Sequence[str], facts: Mapping[str, Facts]
) -> Remedy:
    """Pick these commits, the oldest first, before the series' own."""
    try:
        incoming = _imported(taking, shas, facts)
    except UsageError as err:
        return untaken(err.message)
    tried = _try(taking.ground, leg, incoming)
    leans = _leans_on(taking, tried.incoming)
    cost = {
        "commits": len(shas),
        "files": tried.files,
        "lines": tried.lines,
        "conflicts": tried.conflicts,
        "leans_on": len(leans),
    }
    if not tried.tree:
        more = f"; it leans on {', '.join(sha[:12] for sha in leans)}" if leans else ""
        return Remedy(Means.TAKE, cost, False, f"it does not apply cleanly{more}")
    lacking = _lacking(taking.ground, leg, tried)
    if lacking:
        return Remedy(Means.TAKE, cost, False, f"the target lacks {', '.join(lacking[:4])}")
    return _judged(taking, item, leg, tried, cost)


def _imported(
    taking: Taking, shas: Sequence[str], facts: Mapping[str, Facts]
) -> tuple[Incoming, ...]:
    """The commits in the store, as those of a series."""
    none = Version(0, 0)
    rows = tuple(SeriesCommit(sha, facts[sha].subject, none, Role.PREREQUISITE) for sha in shas)
    where = (taking.history.where,)
    upstream = GitUpstream(taking.ground.git, taking.folder, where)
    return upstream.commits(Series("explain", "what upstream did before", rows), silent)


def _try(ground: Ground, leg: Leg, incoming: Sequence[Incoming]) -> Tried:
    onto, tree, conflicts = leg.onto, leg.before, 0
    paths: set[str] = set()
    lines = 0
    for one in incoming:
        paths |= {change.path for change in ground.git.changes(one.parent, one.commit)}
        lines += _size(ground, one)
        result = pick(one, onto, tree, (), ground.target)
        conflicts += len(result.conflicts)
        if result.outcome is not Outcome.CONFLICT:
            onto, tree = result.commit or onto, result.tree
    return Tried(tuple(incoming), len(paths), lines, conflicts, "" if conflicts else tree)


def _size(ground: Ground, one: Incoming) -> int:
    rows = ground.git.diff(one.parent, one.commit, "--numstat").decode("utf-8", "replace")
    counts = (row.split("\t")[:2] for row in rows.splitlines())
    return sum(int(n) for pair in counts for n in pair if n.isdigit())


def _lacking(ground: Ground, leg: Leg, tried: Tried) -> list[str]:
    """Names that the commits use and that nothing brings."""
    step = symbols.Step("", tried.tree, tried.incoming[-1].commit)
    found = symbols.check(symbols.Request(ground.git, leg.before, (step,))).missing
    return list(dict.fromkeys(one.name for one in found))


def _leans_on(taking: Taking, incoming: Sequence[Incoming]) -> list[str]:
    """Commits that made the lines which these need and the target has not."""
    taken = {one.stands_for[0] for one in incoming}
    found: dict[str, None] = {}
    for one in incoming:
        files = touched_by(taking.ground.git, one.parent, one.commit)
        for path, touched in list(files.items())[:FILES]:
            found |= dict.fromkeys(_absent_below(taking, one, path, touched.before))
    return [sha for sha in found if sha not in taken]


def _absent_below(taking: Taking, one: Incoming, path: str, before: Sequence[str]) -> list[str]:
    has = taking.target.has_line
    lacks = tuple(line for line in before if telling(line) and not has(path, line))
    if not lacks:
        return []
    place = Place(path, one.stands_for[0], one.subject, tuple(before), lacks, ())
    shas = [past.sha for past in changes_of(taking.history, place).pasts]
    presences = taking.target.presences(shas, path)
    return [sha for sha in shas if presences[sha].word != "yes"]


def _judged(
    taking: Taking, item: Explanation, leg: Leg, tried: Tried, cost: Mapping[str, int]
) -> Remedy:
    """Whether the place is gone once the commits are there."""
    if item.lack is not None:
        if _defines(taking.ground, tried, item.lack.name):
            return Remedy(Means.TAKE, cost, True, "it applies cleanly and defines the name")
        return Remedy(Means.TAKE, cost, False, "it applies cleanly and does not define the name")
    left = _conflicts_at(taking.ground, leg, tried.tree, item)
    if left is None:
        return Remedy(Means.TAKE, cost, None, "it applies cleanly; a rule no longer matches then")
    if left:
        why = f"it applies cleanly, and {left} conflicts are left here"
        return Remedy(Means.TAKE, cost, False, why)
    return Remedy(Means.TAKE, cost, True, "it applies cleanly, and no conflict is left here")


def _defines(ground: Ground, tried: Tried, name: str) -> bool:
    added = (
        line
        for one in tried.incoming
        for touched in touched_by(ground.git, one.parent, one.commit).values()
        for line in touched.added
    )
    return any(name in defined_in(blanked(line), {name}, private=True) for line in added)


def _conflicts_at(ground: Ground, leg: Leg, tree: str, item: Explanation) -> int | None:
    """How many conflicts of the plain merge are at the place on another tree."""
    rules = [rule for rule in leg.rules if isinstance(rule.action, INCOMING)]
    try:
        result = pick_slice(leg.incoming, leg.onto, tree, rules, ground.target, {item.path})
    except RuleError:
        return None
    places = [(conflict.path, conflict.symbol) for conflict in result.conflicts]
    return places.count((item.path, item.symbol))
