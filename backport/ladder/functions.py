"""A file merged definition by definition, each with the one of the same name in the target.

Where the two files drifted apart a merge of whole files takes one function for another. By name
they are found wherever they stand; only those that upstream's commit changes are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from backport.readers.cparse import outline
from backport.values.csource import Lines

Key = tuple[str, str, int]  # kind, name, and the how many-th of that name
Merge = Callable[[Lines, Lines, Lines], list[str] | None]
_GAP = "between"


def by_definitions(base: Lines, ours: Lines, theirs: Lines, merge: Merge) -> list[str] | None:
    """The target's file with upstream's change made in each definition by `merge`.

    None where a definition comes, goes, or is not in the target, or one does not merge.
    """
    before, here, after = (_parts(side) for side in (base, ours, theirs))
    if before.keys() != after.keys():
        return None
    out = dict(here)
    for key in [key for key, lines in before.items() if lines != after[key]]:
        mine = here.get(key)
        merged = None if mine is None else merge(before[key], mine, after[key])
        if merged is None:
            return None
        out[key] = merged
    return [line for lines in out.values() for line in lines]


def _parts(lines: Lines) -> Mapping[Key, Lines]:
    """A file in pieces, in order: its definitions, and what stands behind each."""
    parts: dict[Key, Lines] = {}
    counts: Counter[tuple[str, str]] = Counter()
    at, last = 0, ""
    for item in outline(lines):
        first, end = item.span
        if item.kind == "macro" or first < at:
            continue
        parts[_key(counts, _GAP, last)] = lines[at:first]
        parts[_key(counts, item.kind, item.name)] = lines[first:end]
        at, last = end, item.name
    parts[_key(counts, _GAP, last)] = lines[at:]
    return parts


def _key(counts: Counter[tuple[str, str]], kind: str, name: str) -> Key:
    counts[kind, name] += 1
    return kind, name, counts[kind, name]
