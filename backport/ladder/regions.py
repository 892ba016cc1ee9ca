"""Conflicting regions settled one by one: by the words in their lines, and by what is plain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from backport.ladder.merge3 import merge3, segments
from backport.picking.resolvers.additive import replay
from backport.values.conflict import Region
from backport.values.csource import Lines, split_text
from backport.values.linediff import Delta, deltas
from backport.values.rule import Additive, Grain

Settle = Callable[[Region], Sequence[str] | None]

_WORD = re.compile(r"\w+|[^\w\s]|[ \t]+|\n|\s")
# A line of nothing but comment: not `*out = 1;`, nor code behind a comment that ends.
_COMMENT = re.compile(r"\s*(?://.*|/?\*+(?:\s(?:(?!\*/).)*)?(?:\*/)?|\*+/)?\s*")
_NAME = re.compile(r"\w")
_MOSTLY = 4  # how many times as long as what the target has otherwise a text must be
_LONGEST = 4000  # words of one side; a merge of more takes seconds and is right by chance


def by_regions(
    base: Lines, ours: Lines, theirs: Lines, settlers: Sequence[Settle]
) -> list[str] | None:
    """The merge by lines, each conflict in it as the first settler has it; None if one is left."""
    out: list[str] = []
    for segment in segments(base, ours, theirs):
        settled = _first(segment, settlers) if isinstance(segment, Region) else segment
        if settled is None:
            return None
        out += settled
    return out


def _first(region: Region, settlers: Sequence[Settle]) -> Sequence[str] | None:
    return next((done for settle in settlers if (done := settle(region)) is not None), None)


def words(region: Region) -> Sequence[str] | None:
    """Both sides' changes, where they do not meet within a line."""
    sides = [_WORD.findall("".join(side)) for side in (region.base, region.ours, region.theirs)]
    if max(map(len, sides)) > _LONGEST:
        return None
    merged = merge3(*sides)
    return None if merged is None else split_text("".join(merged))


def comment(region: Region) -> Sequence[str] | None:
    """Upstream's comment, where both sides have another text for the same lines of one."""
    sides = (region.base, region.ours, region.theirs)
    are_comments = all(side and all(map(_COMMENT.fullmatch, side)) for side in sides)
    return region.theirs if are_comments and len(region.base) == len(region.ours) else None


def superseded(region: Region) -> Sequence[str] | None:
    """Upstream's lines, where all that the target has otherwise is in words that upstream takes.

    None of these words may come back in what upstream brings: there it would have to be put into
    the target's words, and nobody says how.
    """
    base, ours, theirs = (
        _WORD.findall("".join(side)) for side in (region.base, region.ours, region.theirs)
    )
    if max(map(len, (base, ours, theirs))) > _LONGEST:
        return None
    taken = [d for d in deltas(base, theirs) if d.a2 > d.a1]
    others = deltas(base, ours)
    brought = {word for d in deltas(base, theirs) for word in theirs[d.b1 : d.b2]}
    own = {word for d in others for word in base[d.a1 : d.a2] if _NAME.match(word)}
    new = any(_NAME.match(word) for d in others if d.a1 == d.a2 for word in ours[d.b1 : d.b2])
    if not others or new or own & brought or _size(others) * _MOSTLY > len(base):
        return None
    return region.theirs if all(any(_within(d, t, base) for t in taken) for d in others) else None


def _within(own: Delta, taken: Delta, base: Sequence[str]) -> bool:
    """Whether a change is in words that go, and some of these are as they were."""
    if not taken.a1 <= own.a1 <= own.a2 <= taken.a2:
        return False
    rest = [*base[taken.a1 : own.a1], *base[own.a2 : taken.a2]]
    return any(_NAME.match(word) for word in rest)


def _size(changes: Sequence[Delta]) -> int:
    return sum(max(d.a2 - d.a1, d.b2 - d.b1) for d in changes)


def placed(region: Region) -> Sequence[str] | None:
    """Lines that upstream only adds, beside the neighbours that the target has, too."""
    if Counter(region.base) - Counter(region.theirs):
        return None
    return replay(region, Additive(Grain.LINE))
