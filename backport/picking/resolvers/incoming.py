"""Rules on the incoming change itself, before the merge: rewrites and pinned enum values.

They see only the lines that upstream adds, in runs, so that they never touch foreign text, and
they work in new files, which never conflict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backport.readers.cparse import locate
from backport.values.csource import Lines, split_text
from backport.values.linediff import deltas
from backport.values.rule import Pin, Rewrite, Substitution

Run = tuple[int, int]  # half-open line indices in `theirs`


def added_runs(base: Lines, theirs: Lines) -> list[Run]:
    """The runs of lines that `theirs` has and `base` has not."""
    return [(d.b1, d.b2) for d in deltas(base, theirs) if d.b2 > d.b1]


def rewrite(base: Lines, theirs: Lines, action: Rewrite, within: str) -> tuple[list[str], int]:
    """`theirs` with the substitutions made in its added lines, and how often in all."""
    lines, total = list(theirs), 0
    for change in action.changes:
        lines, count = _in_runs(lines, _scoped(added_runs(base, lines), lines, within), change)
        total += count
    return lines, total


def pin(base: Lines, theirs: Lines, action: Pin, within: str) -> tuple[list[str], int]:
    """`theirs` with `= value` at each named enum member that it adds, and how many it adds once."""
    runs = _scoped(added_runs(base, theirs), theirs, within)
    lines, total = list(theirs), 0
    for name, value in action.members:
        change = Substitution(rf"^(\s*){re.escape(name)},", rf"\g<1>{name} = {value},")
        lines, count = _in_runs(lines, runs, change)
        total += count == 1
    return lines, total


def _scoped(runs: Sequence[Run], theirs: Lines, within: str) -> list[Run]:
    if not within:
        return list(runs)
    spans = locate(theirs, within)
    both = [(max(a, s), min(b, e)) for a, b in runs for s, e in spans]
    return [(a, b) for a, b in both if a < b]


def _in_runs(lines: Lines, runs: Sequence[Run], change: Substitution) -> tuple[list[str], int]:
    pattern = re.compile(change.find, re.M)
    out, total = list(lines), 0
    for first, last in sorted(runs, reverse=True):
        text, count = pattern.subn(change.replace, "".join(out[first:last]))
        out[first:last] = [text]
        total += count
    return split_text("".join(out)), total
