"""Blank lines that a result has more of than either side has there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Run = tuple[str, int, str]  # the line above, how many blank lines, the line below


def tidied(result: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """The result with one blank line where it has a run of them that neither side has.

    What went stood between two blank lines; a person leaves one.
    """
    had = {run for side in (ours, theirs) for _, run in _runs(side)}
    out = list(result)
    for start, run in reversed(list(_runs(result))):
        if run not in had:
            del out[start + 1 : start + run[1]]
    return out


def _runs(lines: Sequence[str]) -> Iterator[tuple[int, Run]]:
    """Where two or more blank lines follow one another."""
    start = 0
    while start < len(lines):
        end = start
        while end < len(lines) and not lines[end].strip():
            end += 1
        if end - start > 1:
            above = lines[start - 1].strip() if start else ""
            below = lines[end].strip() if end < len(lines) else ""
            yield start, (above, end - start, below)
        start = max(end, start + 1)
