"""One conflicting region settled by the words in its lines, or by placing what is added."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backport.ladder.merge3 import merge3, segments
from backport.values.conflict import Region
from backport.values.csource import Lines, split_text

_WORD = re.compile(r"\w+|[^\w\s]|[ \t]+|\n|\s")
_LONGEST = 4000  # words of one side; a merge of more takes seconds and is right by chance


def by_words(base: Lines, ours: Lines, theirs: Lines) -> list[str] | None:
    """The merge by lines, with each conflict in it merged by words; None where one is left."""
    out: list[str] = []
    for segment in segments(base, ours, theirs):
        settled = _settled(segment) if isinstance(segment, Region) else segment
        if settled is None:
            return None
        out += settled
    return out


def _settled(region: Region) -> Sequence[str] | None:
    sides = [_WORD.findall("".join(side)) for side in (region.base, region.ours, region.theirs)]
    if max(map(len, sides)) > _LONGEST:
        return None
    merged = merge3(*sides)
    return None if merged is None else split_text("".join(merged))
