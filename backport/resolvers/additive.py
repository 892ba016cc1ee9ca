"""Additive replay: what upstream adds to its base, put into our side, and nothing else.

By line it places each run of added lines beside the neighbours that both sides know. By word it
does the same within lines (Kconfig selects, enum lists, include lists keep their own words).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from backport.conflict import Region
from backport.csource import split_text
from backport.linediff import deltas
from backport.rule import Additive, At, Grain

_WORD = re.compile(r"\s+|\w+|[^\w\s]")


def replay(region: Region, action: Additive) -> tuple[str, ...] | None:
    """Our side with their additions, or None when their change is not placed for certain."""
    if action.grain is Grain.WORD:
        return _by_word(region, action.at)
    done = _weave(region.base, region.ours, region.theirs, action.at)
    return None if done is None else tuple(done)


def _by_word(region: Region, at: At) -> tuple[str, ...] | None:
    base, ours, theirs = (_words(side) for side in (region.base, region.ours, region.theirs))
    done = _weave(base, ours, theirs, at)
    return None if done is None else tuple(split_text("".join(done)))


def _words(lines: Sequence[str]) -> list[str]:
    return _WORD.findall("".join(lines))


def _weave(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], at: At
) -> list[str] | None:
    """Replay base->theirs onto ours; None where an item is not ours or a place is unclear."""
    home = _positions(base, ours)
    alone = {At.START: 0, At.END: len(ours)}.get(at, None if ours else 0)
    out = list(ours)
    edits: list[tuple[int, int, list[str]]] = []
    for delta in deltas(base, theirs):
        gone = [home.get(i) for i in range(delta.a1, delta.a2)]
        if None in gone:
            return None
        spot = gone[0] if gone else _spot(delta.a1, len(base), home, alone)
        if spot is None:
            return None
        edits.append((spot, spot + len(gone), list(theirs[delta.b1 : delta.b2])))
    for first, last, lines in reversed(edits):
        out[first:last] = lines
    return out


def _positions(base: Sequence[str], ours: Sequence[str]) -> dict[int, int]:
    matcher = difflib.SequenceMatcher(None, base, ours, autojunk=False)
    return {
        block.a + i: block.b + i
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    }


def _spot(index: int, size: int, home: dict[int, int], alone: int | None) -> int | None:
    """Where base position `index` is in ours: behind the nearest known item before it."""
    before = next((home[i] for i in range(index - 1, -1, -1) if i in home), None)
    after = next((home[i] for i in range(index, size) if i in home), None)
    if before is not None and after is not None and after != before + 1:
        return before + 1 if index - 1 in home else after if index in home else None
    if before is not None:
        return before + 1
    if after is not None:
        return after
    return alone
