"""The steps, in the order in which they are tried, and the way up.

A step gives a whole file; what it gives is checked, and the first that passes is taken. Nothing
is taken when no step passes: a conflict that is left costs a person minutes, a wrong resolution
that looks right costs more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from backport.gates.accounting import Sides
from backport.ladder.checks import objections
from backport.ladder.functions import Merge, by_definitions
from backport.ladder.merge3 import merge3
from backport.ladder.moved import place
from backport.ladder.regions import by_regions, comment, placed, words
from backport.ladder.renames import renamed, renames
from backport.values.csource import Lines, join_lines, split_lines
from backport.values.filecase import Around, FileCase, Resolution, Side

RECIPE = 1  # part of the key of every pick that asks it: raise it when an answer changes
APPLIED, SIBLING = "applied", "sibling"
_PLACED = partial(by_regions, settlers=(words, comment, placed))
# The merges, by name: each takes base, ours, theirs. One that decides less comes first.
MERGES: dict[str, Merge] = {
    "lines": merge3,
    "words": partial(by_regions, settlers=(words,)),
    "comments": partial(by_regions, settlers=(words, comment)),
    "placed": _PLACED,
    "definitions": partial(by_definitions, merge=_PLACED),
}
STEPS = (APPLIED, SIBLING, *MERGES)


@dataclass(frozen=True)
class Sibling:
    """A file before and after the same upstream commit was backported to another branch."""

    commit: str
    before: bytes
    after: bytes


def climb(case: FileCase, around: Around, siblings: Sequence[Sibling] = ()) -> Resolution | None:
    """The first resolution that nothing speaks against, or None.

    Where the target has the file under another name it is resolved there.
    """
    if case.base is None or case.theirs is None:
        return None
    base, theirs = split_lines(case.base), split_lines(case.theirs)
    if case.ours is not None:
        return _settle(_Work(case.path, base, split_lines(case.ours), theirs, around), siblings)
    found = place(case.path, base, around)
    if found is None:
        return None
    path, ours = found
    done = _settle(_Work(path, base, ours, theirs, around), siblings)
    return done and replace(done, note=f"{case.path} is {path} here; {done.note}".rstrip("; "))


@dataclass(frozen=True)
class Ladder:
    """The whole way up, as the one who resolves what a pick's rules leave."""

    name: str = f"ladder {RECIPE}"

    def resolve(self, case: FileCase, around: Around) -> Resolution | None:
        """See `backport.values.filecase.Step`."""
        return climb(case, around)


@dataclass(frozen=True)
class _Work:
    path: str
    base: Lines
    ours: Lines
    theirs: Lines
    around: Around


def _settle(work: _Work, siblings: Sequence[Sibling]) -> Resolution | None:
    for step, note, sides in _tries(work, siblings):
        if not objections(sides, work.around):
            return Resolution(work.path, join_lines(sides.result), step, note)
    return None


def _tries(work: _Work, siblings: Sequence[Sibling]) -> Iterator[tuple[str, str, Sides]]:
    known = partial(work.around.known, Side.OURS)
    for sibling in siblings:
        before, after = split_lines(sibling.before), split_lines(sibling.after)
        merged = merge3(before, work.ours, after)
        if merged is not None:
            note = f"as in the backport {sibling.commit[:12]}"
            yield SIBLING, note, Sides(work.path, before, work.ours, after, merged)
    names = renames(work.base, work.ours, work.theirs, known)
    base, theirs = renamed(work.base, names), renamed(work.theirs, names)
    note = ", ".join(f"{old} is {new} here" for old, new in sorted(names.items()))
    for step, merge in MERGES.items():
        merged = merge(base, work.ours, theirs)
        if merged is not None:
            name = APPLIED if merged == list(work.ours) else step
            yield name, note, Sides(work.path, base, work.ours, theirs, merged)
