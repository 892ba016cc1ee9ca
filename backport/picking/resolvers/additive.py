"""Additive replay: what upstream adds to its base, put into our side, and nothing else.

By line it places each run of added lines beside the neighbours that both sides know. By word it
does the same within lines (Kconfig selects, enum lists, include lists keep their own words).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from backport.values.conflict import Region
from backport.values.csource import Span, split_text
from backport.values.linediff import Delta, deltas
from backport.values.rule import Additive, At, Grain

_WORD = re.compile(r"\s*\w+|\s*[^\w\s]|\s+\Z")  # each with the blanks before it


def replay(region: Region, action: Additive) -> tuple[str, ...] | None:
    """Our side with their additions, or None when their change is not placed for certain."""
    if action.grain is Grain.WORD:
        return _by_word(region, action.at)
    done = _weave(region.base, region.ours, region.theirs, action.at)
    if done is None or not all(line.endswith("\n") for line in done[:-1]):
        return None  # a last line without a line feed must not be glued to what comes behind it
    return tuple(done)


def _by_word(region: Region, at: At) -> tuple[str, ...] | None:
    base, ours, theirs = (_words(side) for side in (region.base, region.ours, region.theirs))
    done = _weave(base, ours, theirs, at)
    if done is None or _words(done) != done:  # words glued to one another
        return None
    lines = split_text("".join(done))
    ended = all(side[-1].endswith("\n") for side in (region.ours, region.theirs) if side)
    return None if ended and lines and not lines[-1].endswith("\n") else tuple(lines)


def _words(lines: Sequence[str]) -> list[str]:
    return _WORD.findall("".join(lines))


def _weave(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], at: At
) -> list[str] | None:
    """Replay base->theirs onto ours; None where an item is not ours or a place is unclear."""
    places = _Places(base, ours, at)
    out = list(ours)
    edits: list[tuple[Span, list[str]]] = []
    for delta in deltas(base, theirs):
        items = list(theirs[delta.b1 : delta.b2])
        span = places.of(delta)
        if span is None or places.doubles(span, items) or _holds(ours, items):
            return None
        edits.append((span, items))
    for (first, last), items in reversed(edits):
        out[first:last] = items
    return out


def _holds(ours: Sequence[str], items: Sequence[str]) -> bool:
    """Whether ours has a whole addition already, which a replay would double."""
    if len(items) < 2:
        return False
    starts = range(len(ours) - len(items) + 1)
    return any(list(ours[i : i + len(items)]) == items for i in starts)


class _Places:
    """Where positions of the base are in ours."""

    def __init__(self, base: Sequence[str], ours: Sequence[str], at: At) -> None:
        self._home = _positions(base, ours)
        self._size = len(base)
        self._ours = ours
        self._at = at
        self._alone = {At.START: 0, At.END: len(ours)}.get(at, None if ours else 0)

    def of(self, delta: Delta) -> Span | None:
        """The items of ours that a delta replaces; None if they are not all there, side by side."""
        gone = [self._home.get(i) for i in range(delta.a1, delta.a2)]
        first = gone[0] if gone else self._spot(delta.a1)
        if first is None or gone != list(range(first, first + len(gone))):
            return None
        return first, first + len(gone)

    def doubles(self, span: Span, items: Sequence[str]) -> bool:
        """Whether our own text begins, right there, as the addition does."""
        at = span[0]
        own = span[0] == span[1] < len(self._ours) and at not in self._home.values()
        return own and bool(items) and self._ours[at] == items[0]

    def _spot(self, index: int) -> int | None:
        """Where an addition before base position `index` goes: beside its nearest neighbours."""
        home = self._home
        before = next((home[i] + 1 for i in range(index - 1, -1, -1) if i in home), None)
        after = next((home[i] for i in range(index, self._size) if i in home), None)
        if before is None or after is None or before == after:
            return self._alone if before is after is None else after if before is None else before
        if (index - 1 in home) != (index in home):
            return before if index - 1 in home else after
        return {At.START: before, At.END: after}.get(self._at)  # own items between the two


def _positions(base: Sequence[str], ours: Sequence[str]) -> dict[int, int]:
    matcher = difflib.SequenceMatcher(None, base, ours, autojunk=False)
    return {
        block.a + i: block.b + i
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    }
