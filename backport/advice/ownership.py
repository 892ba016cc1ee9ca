"""Which rule owns which difference between upstream's change and the backport's, line by line.

What a rule did to a path is known as lines that came and went because of it (`Adaptation.delta`).
The rows of a diff of diffs differ by just these: a line that only the backport adds is one that
came, a line that only upstream adds is one that went. So each rule's lines are handed out to the
rows, and where the same line could be of two rules, to the one that owns the rows around it. Lines
that are on both sides, in other places, cancel out; what nobody owns is said to be so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from backport.values.linediff import deltas
from backport.values.rule import Adaptation, LineDelta, line_delta
from backport.values.sidebyside import ADDED, KEPT, REMOVED, DiffLine, Row


class Tie(StrEnum):
    """Why a row is as it is."""

    UPSTREAM = "as upstream has it"
    PLACED = "as upstream has it, put here by a rule on a conflict"
    CONTEXT = "the surroundings differ"
    RULE = "by a rule"
    EITHER = "by one of these rules"
    MOVED = "the same line, in another place"
    THERE = "the target has this change already"
    HAND = "resolved by hand"
    UNMADE = "not picked"
    UNTOLD = "the rules that made it are not at hand"
    NOBODY = "no rule explains it"


@dataclass(frozen=True)
class Owner:
    """Why a row is as it is, and the ids of the rules that made it so."""

    tie: Tie
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settled:
    """The lines that upstream adds and removes in one conflict, and the rule that settled it."""

    rule: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """What is known of one path: the rules that fired, the conflicts, what the target changed.

    With `instead` every difference has that tie: what made it is known for the path as a whole.
    """

    fired: tuple[Adaptation, ...] = ()
    settled: tuple[Settled, ...] = ()
    drift: LineDelta = field(default_factory=Counter)  # from upstream's base to the target
    instead: Tie | None = None


Effect = tuple[str, int]  # a line's text, and whether the backport has it more (1) or less (-1)
Half = tuple[int, int]  # the number of a row, and of one of its effects


def owners(rows: Sequence[Row], known: Known) -> list[Owner]:
    """Why each row is as it is."""
    if known.instead is Tie.UNMADE:
        return [Owner(Tie.UNMADE)] * len(rows)
    if known.instead is not None:
        return [_plain(row, "") or Owner(known.instead) for row in rows]
    shares = _Shares(rows, known)
    shares.hand_out()
    return [
        _plain(row, shares.placed.get(n, "")) or _of_both(shares, n) for n, row in enumerate(rows)
    ]


def effects(row: Row) -> list[Effect]:
    """How the backport's change of a line differs from upstream's; none where it does not."""
    return [] if row.same else [*_effect(row.left, -1), *_effect(row.right, 1)]


def _effect(line: DiffLine | None, side: int) -> list[Effect]:
    if line is None or line.sign == KEPT:
        return []
    return [(line.text, side if line.sign == ADDED else -side)]


def _plain(row: Row, placed: str) -> Owner | None:
    """What is no difference in what is changed."""
    if row.same and placed:
        return Owner(Tie.PLACED, (placed,))
    if row.same:
        return Owner(Tie.UPSTREAM)
    return None if effects(row) else Owner(Tie.CONTEXT)


def _of_both(shares: _Shares, number: int) -> Owner:
    """The owner of a row from those of its one or two halves."""
    halves = [shares.owner((number, n)) for n in range(len(effects(shares.rows[number])))]
    first = max(halves, key=lambda one: _WEIGHT[one.tie])
    rules = dict.fromkeys(rule for one in halves for rule in one.rules)
    return Owner(first.tie, tuple(rules))


_WEIGHT = {
    Tie.MOVED: 0, Tie.THERE: 1, Tie.RULE: 2, Tie.EITHER: 3, Tie.NOBODY: 4,
}  # fmt: skip


class _Shares:
    """The lines of the rules, and to which halves of rows they were handed out."""

    def __init__(self, rows: Sequence[Row], known: Known) -> None:
        self.rows = rows
        self.placed = _placed(rows, known.settled)
        self._left: dict[Effect, Counter[str]] = defaultdict(Counter)
        for item in known.fired:
            for line, n in item.delta.items():
                key = line.removesuffix("\n"), 1 if n > 0 else -1
                self._left[key][item.rule.id] += abs(n)
        self._open: dict[Effect, list[Half]] = defaultdict(list)
        for number, row in enumerate(rows):
            for n, effect in enumerate(effects(row)):
                self._open[effect].append((number, n))
        self._drift = Counter({k.removesuffix("\n"): n for k, n in known.drift.items()})
        self._runs = _runs(rows)
        self._found: dict[Half, Owner] = {}

    def owner(self, half: Half) -> Owner:
        """Why one half of a row is as it is."""
        return self._found.get(half, Owner(Tie.NOBODY))

    def hand_out(self) -> None:
        """Certain ones first, then those beside them, then the rest, then what no rule owns."""
        for effect, halves in self._open.items():
            rules = self._rules(effect)
            if len(rules) == 1 and len(halves) <= self._left[effect][rules[0]]:
                for half in list(halves):
                    self._give(effect, half, Owner(Tie.RULE, (rules[0],)))
        self._beside()
        for effect in self._open:
            self._rest(effect)
        for effect in self._open:
            self._unowned(effect)

    def _rules(self, effect: Effect) -> list[str]:
        return [rule for rule, n in self._left[effect].items() if n > 0]

    def _give(self, effect: Effect, half: Half, owner: Owner) -> None:
        self._open[effect].remove(half)
        self._found[half] = owner
        if owner.tie in {Tie.RULE, Tie.EITHER}:
            rule = next(r for r in owner.rules if self._left[effect][r] > 0)
            self._left[effect][rule] -= 1

    def _beside(self) -> None:
        """Hand out lines to rows in a run where their rule owns another one."""
        again = True
        while again:
            again = False
            for effect, halves in self._open.items():
                for half in list(halves):
                    near = self._near(half[0])
                    rule = next((r for r in near if self._left[effect][r] > 0), "")
                    if rule:
                        self._give(effect, half, Owner(Tie.RULE, (rule,)))
                        again = True

    def _near(self, number: int) -> list[str]:
        """The rules that own rows of the same run, the nearest first."""
        start, end = self._runs[number]
        others = sorted(range(start, end), key=lambda n: abs(n - number))
        found = (self._found.get((n, half)) for n in others for half in (0, 1))
        return list(dict.fromkeys(r for one in found if one and one.tie is Tie.RULE
                                  for r in one.rules))  # fmt: skip

    def _rest(self, effect: Effect) -> None:
        for half in list(self._open[effect]):
            rules = self._rules(effect)
            if rules:
                tie = Tie.RULE if len(rules) == 1 else Tie.EITHER
                self._give(effect, half, Owner(tie, tuple(rules)))

    def _unowned(self, effect: Effect) -> None:
        """What is left: the same line the other way round elsewhere, or what the target has."""
        text, sign = effect
        for half in list(self._open[effect]):
            against = self._open.get((text, -sign), [])
            if against:
                other = against[0]
                rule = self.placed.get(half[0]) or self.placed.get(other[0])
                owner = Owner(Tie.MOVED, (rule,) if rule else ())
                self._give((text, -sign), other, owner)
                self._give(effect, half, owner)
            elif self._drift[text] * sign < 0:
                self._drift[text] += sign
                self._give(effect, half, Owner(Tie.THERE))


def _runs(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """For each row the stretch of differing rows of one hunk that it is in."""
    found: list[tuple[int, int]] = []
    start = 0
    for n, row in enumerate(rows):
        if row.same or _begins(row) or (n and rows[n - 1].same):
            found += [(start, n)] * (n - start)
            start = n
    return found + [(start, len(rows))] * (len(rows) - start)


def _begins(row: Row) -> bool:
    return any(line is not None and line.heading is not None for line in (row.left, row.right))


def _placed(rows: Sequence[Row], settled: Sequence[Settled]) -> dict[int, str]:
    """The rows with what upstream does in a conflict, each with the rule that settled it.

    Conflicts come in the order of the file, and so do the rows; the next run of upstream's lines
    that is the conflict's is taken for it.
    """
    found: dict[int, str] = {}
    for sign, lines_of in ((ADDED, "added"), (REMOVED, "removed")):
        mine = [
            (n, row.left.text) for n, row in enumerate(rows) if row.left and row.left.sign == sign
        ]
        at = 0
        for one in settled:
            wanted = [line.removesuffix("\n") for line in getattr(one, lines_of)]
            start = _find(wanted, [text for _, text in mine], at)
            if start >= 0:
                at = start + len(wanted)
                found |= {n: one.rule for n, _ in mine[start:at]}
    return found


def _find(wanted: Sequence[str], lines: Sequence[str], at: int) -> int:
    """Where a run of lines begins, from `at` on; -1 where there is none."""
    size = len(wanted)
    places = range(at, len(lines) - size + 1) if size else range(0)
    return next((i for i in places if list(lines[i : i + size]) == list(wanted)), -1)


def settled_by(rule: str, base: Sequence[str], theirs: Sequence[str]) -> Settled:
    """What upstream does in a conflict that a rule settled."""
    changes = deltas(base, theirs)
    added = tuple(line for d in changes for line in theirs[d.b1 : d.b2])
    removed = tuple(line for d in changes for line in base[d.a1 : d.a2])
    return Settled(rule, added, removed)


def drift(base: Sequence[str], ours: Sequence[str]) -> LineDelta:
    """How the target differs from what upstream's commit was made on."""
    return line_delta(list(base), list(ours))


def tally(ties: Sequence[Owner]) -> Iterator[tuple[Tie, int]]:
    """How many rows have which tie, in the order of `Tie`."""
    counts = Counter(one.tie for one in ties)
    return ((tie, counts[tie]) for tie in Tie if counts[tie])
