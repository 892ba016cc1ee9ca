"""The steps, in the order in which they are tried, and the way up.

A step gives a whole file, which is checked. Merges align files, hunks look for places of their own:
two ways that err differently, so that what both give is taken, and what one gives alone only where
that was right often enough. Nothing is taken otherwise: a conflict that is left costs a person
minutes, a wrong resolution that looks right costs more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from backport.gates.accounting import Sides
from backport.gates.form import SUFFIXES
from backport.ladder.blanks import tidied
from backport.ladder.checks import objections, unsound
from backport.ladder.functions import Merge, by_definitions
from backport.ladder.hunks import Found, Hunked, by_hunks
from backport.ladder.merge3 import merge3
from backport.ladder.moved import place
from backport.ladder.regions import by_regions, comment, placed, superseded, words
from backport.ladder.renames import fitting, renamed, renames
from backport.ladder.scopes import renamed_definitions
from backport.ladder.usage import Usage, usage
from backport.values.csource import Lines, join_lines, split_lines
from backport.values.filecase import Around, FileCase, Resolution, Side
from backport.values.linediff import deltas

RECIPE = 6  # part of the key of every pick that asks it: raise it when an answer changes
APPLIED, SIBLING, HUNKS = "applied", "sibling", "hunks"
LINES, WORDS = "lines", "words"
# Lines that upstream changes in a file, beyond which a result is wrong too often.
_LARGE = 80
_LEFT_OUT = ("what it changes of code that is not here is left out",)
# Ways to find places that are not enough where no merge says the same.
_UNSURE = (
    {Found.BETWEEN},
    {Found.BESIDE},
    {Found.BESIDE, Found.ONE_SIDE},
)
# Merges that are enough where no hunk finds a place.
_ENOUGH = (WORDS, "superseded")
_SETTLERS = (words, comment, superseded)
_PLACED = partial(by_regions, settlers=(*_SETTLERS, placed))
# The merges, by name: each takes base, ours, theirs. One that decides less comes first.
MERGES: dict[str, Merge] = {
    LINES: merge3,
    WORDS: partial(by_regions, settlers=(words,)),
    "comments": partial(by_regions, settlers=(words, comment)),
    "superseded": partial(by_regions, settlers=_SETTLERS),
    "placed": _PLACED,
    "definitions": partial(by_definitions, merge=_PLACED),
}
# Steps that gave another text than people in at most one file of twelve, by DPDK's backports up to
# 2021; the others do so in one of eight.
SURE = frozenset((APPLIED, LINES, "comments", "placed"))
STEPS = (APPLIED, SIBLING, *MERGES, HUNKS)


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
    """The whole way up, as the one who resolves what a pick's rules leave; or its `SURE` steps."""

    name: str = f"ladder {RECIPE}"
    is_sure: bool = False

    def resolve(self, case: FileCase, around: Around) -> Resolution | None:
        """See `backport.values.filecase.Step`."""
        found = climb(case, around)
        return found if found is None or not self.is_sure or found.step in SURE else None


def ladder_of(argv: Sequence[str]) -> Ladder | None:
    """The ladder that a command asks for, None for one that asks for none."""
    if "--sure-steps" in argv:
        return Ladder(f"ladder {RECIPE} {' '.join(sorted(SURE))}", is_sure=True)
    return Ladder() if "--ladder" in argv else None


_Merged = tuple[str, tuple[str, ...]]  # the step, and the lines
_Decided = tuple[str, tuple[str, ...], tuple[str, ...]]  # ... and what is to be said


@dataclass(frozen=True)
class _Work:
    path: str
    base: Lines
    ours: Lines
    theirs: Lines
    around: Around


def _settle(work: _Work, siblings: Sequence[Sibling]) -> Resolution | None:
    for note, sides in _from_siblings(work, siblings):
        if not objections(sides, work.around):
            return Resolution(work.path, join_lines(sides.result), SIBLING, note)
    base, theirs, told = _in_our_words(work)
    if _size(base, theirs) > _LARGE:
        return None
    found = _decided(work, base, theirs)
    if found is None:
        return None
    step, decided, more = found
    text = join_lines(tidied(decided, work.ours, theirs))
    case = FileCase(work.path, *map(join_lines, (work.base, work.ours, work.theirs)))
    if unsound(case, text, work.around):
        return None
    return Resolution(work.path, text, step, ", ".join([*told, *more]))


def _in_our_words(work: _Work) -> tuple[Lines, Lines, list[str]]:
    """Upstream's two texts in the target's names and usage, and what is to be said of that.

    Words of prose that changed are no names: in a file that is no code only those with a `_` are.
    """
    is_code = work.path.endswith(SUFFIXES)
    names = renames(work.base, work.ours, work.theirs, partial(work.around.known, Side.OURS))
    names |= renamed_definitions(work.base, work.ours, work.theirs)
    names = fitting(names, work.ours, work.theirs)
    if not is_code:
        names = {old: new for old, new in names.items() if "_" in old and "_" in new}
    base, theirs = renamed(work.base, names), renamed(work.theirs, names)
    used = usage(base, work.ours, theirs) if is_code else Usage()
    told = [f"{old} is {new} here" for old, new in sorted(names.items())]
    return used.put(base), used.put(theirs), [*told, *used.told]


def _from_siblings(work: _Work, siblings: Sequence[Sibling]) -> Iterator[tuple[str, Sides]]:
    for sibling in siblings:
        before, after = split_lines(sibling.before), split_lines(sibling.after)
        merged = merge3(before, work.ours, after)
        if merged is not None:
            note = f"as in the backport {sibling.commit[:12]}"
            yield note, Sides(work.path, before, work.ours, after, merged)


def _size(base: Lines, theirs: Lines) -> int:
    """How many lines upstream takes and brings."""
    return sum(d.a2 - d.a1 + d.b2 - d.b1 for d in deltas(base, theirs))


def _merged(work: _Work, base: Lines, theirs: Lines) -> _Merged | None:
    """The first merge that passes, and its step."""
    for step, merge in MERGES.items():
        merged = merge(base, work.ours, theirs)
        if merged is not None and not _objected(work, base, theirs, merged):
            return step, tuple(merged)
    return None


def _objected(work: _Work, base: Lines, theirs: Lines, result: Lines) -> bool:
    return bool(objections(Sides(work.path, base, work.ours, theirs, list(result)), work.around))


def _decided(work: _Work, base: Lines, theirs: Lines) -> _Decided | None:
    """What both ways give, or the surer one where the other gives nothing, or something else.
    Hunks are made only where they decide.

    Which of them is surer was counted on DPDK's backports up to 2021: docs/ladder.md.
    """
    merged = _merged(work, base, theirs)
    if merged is not None and merged[1] == tuple(work.ours):
        return APPLIED, merged[1], ()
    if merged is not None and merged[0] == LINES:
        return LINES, merged[1], ()
    hunked = by_hunks(base, work.ours, theirs, _SETTLERS)
    if hunked is None:
        return (*merged, ()) if merged is not None and merged[0] in _ENOUGH else None
    return None if _objected(work, base, theirs, hunked.lines) else _agreed(merged, hunked)


def _agreed(merged: _Merged | None, hunked: Hunked) -> _Decided | None:
    """What the hunks and a merge that is not by lines have in common, or hunks that are sure."""
    if merged is not None:
        step, lines = merged
        unsure = step == WORDS and hunked.how == {Found.BETWEEN}
        return (step, lines, ()) if _alike(lines, hunked.lines) and not unsure else None
    if _is_unsure(hunked.how):
        return None
    return HUNKS, hunked.lines, _LEFT_OUT if Found.ABSENT in hunked.how else ()


def _is_unsure(how: frozenset[Found]) -> bool:
    """Whether hunks with places found in these ways were wrong too often on their own."""
    if how in _UNSURE:
        return True
    return Found.EXACT not in how and (Found.ALREADY in how or {Found.ABSENT, Found.BESIDE} <= how)


def _alike(one: Lines, other: Lines) -> bool:
    """Whether two texts are the same but for white space."""
    return "".join("".join(one).split()) == "".join("".join(other).split())
