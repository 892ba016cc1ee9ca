"""Differences of two runs of lines, placed where a person would place them."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Delta:
    """Old items `[a1, a2)` became new items `[b1, b2)`; one of the two may be empty."""

    a1: int
    a2: int
    b1: int
    b2: int


def deltas(old: Sequence[str], new: Sequence[str]) -> list[Delta]:
    """What changed, in order; pure additions slide to start at the least indented line."""
    found = [d for gap in _gaps(old, new) for d in _within(gap, old, new)]
    floor = 0
    placed = []
    for delta in found:
        placed.append(_slid(delta, new, floor) if delta.a1 == delta.a2 else delta)
        floor = delta.b2
    return placed


def _gaps(old: Sequence[str], new: Sequence[str]) -> list[Delta]:
    """The stretches between lines that are unique on both sides (patience), to keep files fast."""
    mine, theirs = _unique(old), _unique(new)
    pairs = sorted((mine[line], theirs[line]) for line in mine.keys() & theirs.keys())
    spine = _increasing(pairs)
    gaps, a, b = [], 0, 0
    for i, j in [*spine, (len(old), len(new))]:
        if i > a or j > b:
            gaps.append(Delta(a, i, b, j))
        a, b = i + 1, j + 1
    return gaps


def _within(gap: Delta, old: Sequence[str], new: Sequence[str]) -> list[Delta]:
    a, b = old[gap.a1 : gap.a2], new[gap.b1 : gap.b2]
    if a == b:
        return []
    matcher = difflib.SequenceMatcher(_blank, a, b, autojunk=False)
    return [
        _trimmed(Delta(gap.a1 + i1, gap.a1 + i2, gap.b1 + j1, gap.b1 + j2), old, new)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]


def _blank(line: str) -> bool:
    return not line.strip()


def _trimmed(delta: Delta, old: Sequence[str], new: Sequence[str]) -> Delta:
    """Without the equal lines at its ends, which blank lines as junk leave there."""
    a1, a2, b1, b2 = delta.a1, delta.a2, delta.b1, delta.b2
    while a2 > a1 and b2 > b1 and old[a2 - 1] == new[b2 - 1]:
        a2, b2 = a2 - 1, b2 - 1
    while a2 > a1 and b2 > b1 and old[a1] == new[b1]:
        a1, b1 = a1 + 1, b1 + 1
    return Delta(a1, a2, b1, b2)


def _unique(lines: Sequence[str]) -> dict[str, int]:
    counts = Counter(lines)
    return {line: i for i, line in enumerate(lines) if counts[line] == 1 and not _blank(line)}


def _increasing(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs that rises on both sides."""
    tails: list[int] = []
    back: list[tuple[tuple[int, int], int]] = []
    ends: list[int] = []
    for pair in pairs:
        at = bisect_left(tails, pair[1])
        back.append((pair, ends[at - 1] if at else -1))
        tails[at : at + 1] = [pair[1]]
        ends[at : at + 1] = [len(back) - 1]
    out = []
    index = ends[-1] if ends else -1
    while index >= 0:
        pair, index = back[index]
        out.append(pair)
    return out[::-1]


def _slid(delta: Delta, new: Sequence[str], floor: int) -> Delta:
    """Of all equal ways to say where a run was added, the one that starts a block."""
    best, best_cost = delta, _cost(new[delta.b1])
    step = 1
    while delta.b1 - step >= floor and new[delta.b1 - step] == new[delta.b2 - step]:
        moved = Delta(delta.a1 - step, delta.a2 - step, delta.b1 - step, delta.b2 - step)
        if moved.a1 < 0:
            break
        if _cost(new[moved.b1]) < best_cost:
            best, best_cost = moved, _cost(new[moved.b1])
        step += 1
    return best


def _cost(line: str) -> int:
    """How unlikely a line starts a block: its indent; blank and closing lines hardly ever do.

    A word is an item too, with the blanks before it: one that begins a line is the best.
    """
    text = line.lstrip()
    if not text or text[0] in "}*":
        return 1000
    return -1 if line[0] == "\n" else len(line) - len(text)
