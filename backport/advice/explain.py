"""Why a series looks as it does on a target: each conflict, silent adaptation and gap, explained.

A conflict is what git's own merge leaves before any rule on conflicts; beside it stands the rule
that settles it, or the rule that would. A gap is a name that nothing brings; one that a commit, a
shim or a rule brings is told too. Everything is picked again in memory, nothing is recorded.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from backport.gates.credit import credits_of
from backport.picking.ground import Ground
from backport.picking.lacks import Lack, Leg, find_lacks
from backport.picking.pick import Outcome, Pick, Target, applicable, pick
from backport.picking.resolve import INCOMING, REGIONAL, WHOLE
from backport.picking.skeleton import skeletons
from backport.values.commit import Incoming
from backport.values.conflict import Conflict, Region
from backport.values.errors import UsageError
from backport.values.events import Emit, Progress
from backport.values.linediff import deltas
from backport.values.rule import Adaptation, LineDelta, Remove, Rule, Shim

STAGE = "explain"


class Sort(StrEnum):
    """What kind of difference a place is."""

    CONFLICT = "conflict"
    ADAPTATION = "adaptation"  # by a rule, where git's merge sees no conflict
    GAP = "gap"  # a name that nothing brings
    BRIDGED = "bridged"  # a name that the target lacks and something brings


@dataclass(frozen=True)
class Settled:
    """How one rule bridges the difference; `added` and `dropped` are lines against upstream."""

    rule: Rule
    added: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """One place where the target and upstream differ.

    `kind` is why git's merge conflicts there, '' where it does not. Upstream changes the lines
    `base`: `removed` go and `added` come; `has` are the target's lines there, `lacks` what upstream
    has around its change and the target has not. A name that the target lacks has `lack`.
    """

    sha: str
    subject: str
    path: str
    symbol: str  # enclosing definition, '' at file level
    kind: str
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    settled: Settled | None = None
    skeleton: str = ""  # of a rule that would settle it, where none does
    base: tuple[str, ...] = ()
    lack: Lack | None = None
    leg: int = 0  # the place of its commit in the series

    @property
    def sort(self) -> Sort:
        """Which kind of difference it is."""
        if self.lack is not None:
            return Sort.BRIDGED if self.lack.by else Sort.GAP
        return Sort.CONFLICT if self.kind else Sort.ADAPTATION

    @property
    def texts(self) -> str:
        """All lines that it shows, for a search."""
        own = (*self.settled.added, *self.settled.dropped) if self.settled else ()
        used = self.lack.line if self.lack else ""
        return "".join([*self.removed, *self.added, *self.has, *self.lacks, *own, used])


@dataclass(frozen=True)
class Explained:
    """All places of a series on a target; `left` counts the commits behind one that stopped it."""

    target: str
    base: str  # label of the tree
    items: tuple[Explanation, ...]
    objections: tuple[str, ...]  # of the accounting and the form gate
    left: int
    legs: tuple[Leg, ...] = ()  # the commits that were picked, and the one that stopped it


def explain(ground: Ground, emit: Emit) -> Explained:
    """Pick the series and explain each place; it stops where a conflict has no rule.

    Raises `RuleError` for a rule that does not match as often as it says.
    """
    items: list[Explanation] = []
    objections: list[str] = []
    legs: list[Leg] = []
    onto, tree, total = ground.base.commit, ground.base.tree, len(ground.incoming)
    for number, incoming in enumerate(ground.incoming):
        emit(Progress(STAGE, number, total, "commits"))
        rules = applicable(ground.rules, incoming, tree, ground.target)
        result = pick(incoming, onto, tree, rules, ground.target)
        told = explain_pick(result, bare(result, onto, tree, rules, ground.target))
        items += (replace(item, leg=number) for item in told)
        objections += [*map(str, result.unaccounted), *result.misshapen]
        open_ = result.outcome is Outcome.CONFLICT
        credits = credits_of(result.adaptations)
        legs.append(Leg(incoming, onto, tree, "" if open_ else result.tree, tuple(rules), credits))
        if open_:
            break
        onto, tree = result.commit or onto, result.tree
    emit(Progress(STAGE, len(legs), total, "commits, now their names"))
    items += _names_lacking(ground, legs)
    return Explained(
        ground.name,
        ground.base.label,
        tuple(sorted(items, key=lambda item: item.leg)),
        tuple(objections),
        total - len(legs),
        tuple(legs),
    )


def _names_lacking(ground: Ground, legs: Sequence[Leg]) -> Iterator[Explanation]:
    for lack in find_lacks(ground.git, ground.base.tree, legs):
        incoming = legs[lack.leg].incoming
        yield Explanation(
            sha_of(incoming), incoming.subject, lack.path, "", "", lack=lack, leg=lack.leg
        )


def bare(
    result: Pick, onto: str, tree: str, rules: Sequence[Rule], target: Target
) -> tuple[Conflict, ...]:
    """Every conflict of the merge itself, as the rules on conflicts get to see them."""
    if not result.merged_conflicts:
        return ()
    before = [rule for rule in rules if isinstance(rule.action, INCOMING)]
    return pick(result.incoming, onto, tree, before, target, judged=False).conflicts


def explain_pick(result: Pick, conflicts: Sequence[Conflict]) -> Iterator[Explanation]:
    """What happened in one pick: `conflicts` are those of the merge, in the order of the pick.

    The rules settle a path's regions from top to bottom, so the n-th that is settled there is the
    n-th adaptation of that path by a rule on conflicts.
    """
    settling = (*REGIONAL, *WHOLE)
    fired = {
        path: iter([a for a in result.adaptations if a.path == path and _is(a, settling)])
        for path in dict.fromkeys(conflict.path for conflict in conflicts)
    }
    left = [(c.path, c.region) for c in result.conflicts]
    shown = list(skeletons(result))
    known: dict[tuple[str, str], str] = {}
    for conflict in sorted(conflicts, key=lambda c: c.path):
        if (conflict.path, conflict.region) not in left:
            yield _conflict(result, conflict, next(fired[conflict.path], None), "")
            continue
        place = conflict.path, conflict.symbol
        if place not in known:
            known[place] = next((text for text in shown if _is_for(text, place)), "")
        yield _conflict(result, conflict, None, known.get(place, ""))
    yield from (_silent(result, a) for a in result.adaptations if not _is(a, settling))


def _is(item: Adaptation, kinds: tuple[type, ...]) -> bool:
    return isinstance(item.rule.action, kinds)


def _is_for(skeleton: str, place: tuple[str, str]) -> bool:
    (told,) = tomllib.loads(skeleton)["rule"]
    paths = told.get("paths") or [told["path"]]
    return place[0] in paths and told.get("within", "") == place[1]


def _conflict(
    result: Pick, conflict: Conflict, by: Adaptation | None, skeleton: str
) -> Explanation:
    region = conflict.region or Region((), (), ())
    removed, added = changed(region.base, region.theirs)
    lacks, _ = changed([line for line in region.base if line not in removed], region.ours)
    return Explanation(
        sha_of(result.incoming), result.incoming.subject, conflict.path, conflict.symbol,
        conflict.kind.value, removed, added, region.ours, lacks, settled(by), skeleton, region.base,
    )  # fmt: skip


def _silent(result: Pick, item: Adaptation) -> Explanation:
    action = item.rule.action
    symbol = action.symbol if isinstance(action, (Shim, Remove)) else item.rule.within
    return Explanation(
        sha_of(result.incoming),
        result.incoming.subject,
        item.path,
        symbol,
        "",
        settled=settled(item),
    )


def settled(item: Adaptation | None) -> Settled | None:
    """The rule with its lines, each as often as it came or went."""
    if item is None:
        return None
    return Settled(item.rule, _repeated(item.delta, 1), _repeated(item.delta, -1))


def _repeated(delta: LineDelta, sign: int) -> tuple[str, ...]:
    return tuple(line for line, n in delta.items() for _ in range(n * sign))


def changed(old: Sequence[str], new: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines that went and the lines that came, in order."""
    found = deltas(old, new)
    went = tuple(line for d in found for line in old[d.a1 : d.a2])
    return went, tuple(line for d in found for line in new[d.b1 : d.b2])


def sha_of(incoming: Incoming) -> str:
    """The upstream commit that an incoming one stands for, short."""
    return (incoming.stands_for or (incoming.commit,))[0][:12]


def about(items: Sequence[Explanation], what: str) -> tuple[Explanation, ...]:
    """The items about a path, a folder, a file name, a rule, a commit or a symbol.

    What names a place is asked first; only then, or of a lacking name, which lines that are shown
    hold the word.
    Raises `UsageError` when nothing is about it.
    """
    if not what:
        return tuple(items)
    word = re.compile(rf"(?<!\w){re.escape(what)}(?!\w)")
    found = tuple(item for item in items if _names(item, what))
    if all(item.lack for item in found):
        found = tuple(item for item in items if item in found or word.search(item.texts))
    if not found:
        paths = ", ".join(sorted({item.path for item in items})[:4])
        raise UsageError(
            f"{what}: no conflict, adaptation or gap is about it",
            hint=f"name a path, a rule, a commit or a symbol; paths here: {paths or 'none'}",
        )
    return found


def _names(item: Explanation, what: str) -> bool:
    if item.settled and item.settled.rule.id == what:
        return True
    if item.lack and what in {item.lack.name, item.lack.source}:
        return True
    below = item.path == what or item.path.startswith(f"{what.rstrip('/')}/")
    sha = len(what) >= 7 and what.startswith(item.sha[: len(what)])
    return below or sha or item.path.endswith(f"/{what}") or item.symbol == what
