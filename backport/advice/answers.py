"""Answers: places of a series with their upstream history and the ways out of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backport.advice.explain import Explained, Explanation, Sort
from backport.advice.lineage import (
    Facts,
    History,
    Past,
    Place,
    Told,
    changes_of,
    created,
    introduced,
    known,
)
from backport.advice.presence import Here, Presence, Target
from backport.advice.remedies import (
    NO_HISTORY,
    Advice,
    Later,
    Means,
    Remedy,
    adapt,
    advise,
    drop,
    later_of,
    needs_of,
    shim,
)
from backport.advice.taking import Taking, take, untaken
from backport.gates.credit import By
from backport.picking.ground import Ground
from backport.picking.lacks import definitions_of
from backport.values.conflict import Kind
from backport.values.errors import UsageError
from backport.values.events import Emit, Progress

STAGE = "history"


@dataclass(frozen=True)
class Ancestor:
    """An upstream commit behind a place, and whether the target has it."""

    past: Past
    facts: Facts
    presence: Presence


@dataclass(frozen=True)
class Answer:
    """One place with everything that is known of it; `untold` is what history cannot say."""

    item: Explanation
    ancestors: tuple[Ancestor, ...] = ()
    untold: str = ""
    remedies: tuple[Remedy, ...] = ()
    advice: Advice | None = None


@dataclass(frozen=True)
class Asking:
    """Where to look: `history` None if no clone of upstream is at hand."""

    ground: Ground
    result: Explained
    folder: Path  # of upstreams, in the cache
    history: History | None = None
    here: Here | None = None


def answer(asking: Asking, items: Sequence[Explanation], emit: Emit) -> list[Answer]:
    """Every place with its ways out, in the order given.

    Raises `UsageError` when a shallow clone can tell of no place at all.
    """
    if asking.history:
        items = _known_there(asking.history, items)
    later = later_of(asking.ground.git, asking.ground.incoming)
    open_ = [item for item in items if _is_open(item)]
    emit(Progress("explain", 0, len(open_), "definitions"))
    needs = needs_of(asking.ground.git, asking.ground.base.tree, open_)
    history = asking.history
    teller = _Teller(asking, history, items, emit) if history else None
    found = []
    for number, item in enumerate(items):
        if teller:
            emit(Progress(STAGE, number, len(items), "places"))
        told = teller.tell(number) if teller else ((), "", untaken(NO_HISTORY))
        found.append(_answer(asking, item, later, needs, told))
    if teller:
        emit(Progress(STAGE, len(items), len(items), "places"))
    return found


def _is_open(item: Explanation) -> bool:
    return item.lack is not None and item.lack.by is not By.COMMIT


def _answer(
    asking: Asking,
    item: Explanation,
    later: Later,
    needs: Mapping[str, tuple[str, ...]],
    told: tuple[tuple[Ancestor, ...], str, Remedy],
) -> Answer:
    if item.lack is not None and item.lack.by is By.COMMIT:
        return _by_the_series(item)
    ancestors, untold, taking = told
    remedies = (
        taking,
        adapt(asking.result, item, later),
        shim(asking.result, item, needs),
        drop(asking.result, item, later),
    )
    return Answer(item, ancestors, untold, remedies, advise(remedies))


def _by_the_series(item: Explanation) -> Answer:
    assert item.lack is not None
    why = f"{item.lack.source} of the series brings it"
    way = Remedy(Means.TAKE, {"lines": 0}, passes=True, why=why, chosen=True)
    return Answer(item, remedies=(way,), advice=advise([way]))


class _Teller:
    """Asks history about each place; the facts of all commits are looked up together."""

    def __init__(
        self, asking: Asking, history: History, items: Sequence[Explanation], emit: Emit
    ) -> None:
        assert asking.here is not None
        self._asking = asking
        self._history = history
        self._target = Target(asking.here, history)
        self._items = items
        self._homes = _homes(history, [item for item in items if _is_open(item)])
        self._told: list[Told] = []
        for number, item in enumerate(items):
            emit(Progress(STAGE, number, len(items), "places searched"))
            self._told.append(self._ask(item))
        _demand_some(history, self._told)
        self._facts = known(history, self._told)

    def _ask(self, item: Explanation) -> Told:
        if item.sort is Sort.CONFLICT and item.kind == Kind.DELETED_HERE.value:
            return created(self._history, item.path)
        if item.sort is Sort.CONFLICT:
            return changes_of(self._history, _place(self._asking, item))
        if item.lack is None or item.lack.by is By.COMMIT:
            return Told()
        home = self._homes.get(item.lack.name)
        if home is None:
            return Told(untold=f"{self._history.where} does not define {item.lack.name}")
        return introduced(self._history, item.lack.name, home)

    def tell(self, number: int) -> tuple[tuple[Ancestor, ...], str, Remedy]:
        """The commits behind a place, and what it would cost to take those that are absent."""
        item, told = self._items[number], self._told[number]
        pasts = [p for p in told.pasts if p.sha in self._facts and not self._in_series(p.sha)]
        path = self._homes.get(item.lack.name, item.path) if item.lack else item.path
        there = self._target.presences([past.sha for past in pasts], path)
        found = tuple(Ancestor(past, self._facts[past.sha], there[past.sha]) for past in pasts)
        return found, told.untold, self._taken(item, found, told.untold)

    def _in_series(self, sha: str) -> bool:
        """Whether the series itself brings a commit; a mirror of upstream gives it another id."""
        rows = [leg.incoming for leg in self._asking.result.legs]
        subjects = {row.subject for row in self._asking.ground.incoming}
        return any(sha in row.stands_for for row in rows) or self._facts[sha].subject in subjects

    def _taken(self, item: Explanation, found: Sequence[Ancestor], untold: str) -> Remedy:
        absent = [one.past.sha for one in found if one.presence.word != "yes"]
        if not absent:
            has = "the target has the commits that made these lines" if found else untold
            return untaken(has or "no upstream commit is known to be behind it")
        taking = Taking(self._asking.ground, self._asking.folder, self._history, self._target)
        leg = self._asking.result.legs[item.leg]
        remedy = take(taking, item, leg, absent, self._facts)
        return replace(remedy, why=f"{remedy.why}; {untold}") if untold else remedy


def _place(asking: Asking, item: Explanation) -> Place:
    incoming = asking.result.legs[item.leg].incoming
    sha = (*incoming.stands_for, "")[0]
    base, here = set(item.base), set(item.has)
    return Place(
        item.path,
        sha,
        item.subject,
        item.base,
        tuple(line for line in item.base if line not in here),
        tuple(line for line in item.has if line not in base),
    )


def _known_there(history: History, items: Sequence[Explanation]) -> list[Explanation]:
    """The same, with the definitions that the series' own trees do not have, and history's has."""
    lacks = [item.lack for item in items if item.lack and _is_open(item) and not item.lack.nearest]
    if history.partial or not lacks:  # a search needs the contents of files
        return list(items)
    tree = history.git.tree_of(history.tip)
    found = definitions_of(history.git, tree, lacks)
    return [
        replace(item, lack=replace(item.lack, nearest=found.get(item.lack.name)))
        if item.lack in lacks and item.lack
        else item
        for item in items
    ]


def _homes(history: History, items: Sequence[Explanation]) -> dict[str, str]:
    """The file that defines each lacking name, where history's newest tree has it."""
    lacks = [item.lack for item in items if item.lack and item.lack.nearest]
    homes = {lack.name: lack.nearest.path for lack in lacks if lack.nearest}
    paths = sorted(set(homes.values()))
    there = history.git.entries(history.tip, paths) if paths else {}
    return {name: path for name, path in homes.items() if path in there}


def _demand_some(history: History, told: Sequence[Told]) -> None:
    """Raise `UsageError` where a shallow clone ends before everything that is asked."""
    if history.cut and not any(one.pasts for one in told) and any(one.untold for one in told):
        raise UsageError(
            f"{history.where}: a shallow clone, whose history ends before any of these places",
            hint=history.unshallow,
        )
