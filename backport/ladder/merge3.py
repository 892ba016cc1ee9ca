"""Three-way merge of two sequences over their base: of lines, or of the words in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backport.values.conflict import Region, Segment
from backport.values.linediff import Delta, deltas

_TELLS = re.compile(r"\w")


@dataclass(frozen=True)
class Clash:
    """Base items `[start, end)` that one side changed, or both; what each side has for them."""

    start: int
    end: int
    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]

    @property
    def settled(self) -> tuple[str, ...] | None:
        """What both sides agree on, or what the only side that changed has."""
        if self.ours in {self.theirs, self.base}:
            return self.theirs
        return self.ours if self.theirs == self.base else None


def merge3(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], *, apart: bool = False
) -> list[str] | None:
    """Both sides' changes to the base, or None where they meet."""
    first, *rest = segments(base, ours, theirs, apart=apart)
    return None if rest or isinstance(first, Region) else list(first)


def segments(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], *, apart: bool = True
) -> list[Segment]:
    """The merge, with a region wherever both sides changed the same items.

    With `apart` changes that touch each other meet, too, as git has it.
    """
    out: list[Segment] = []
    clean: list[str] = []
    at = 0
    for clash in clashes(base, ours, theirs, apart=apart):
        clean += base[at : clash.start]
        at = clash.end
        settled = clash.settled
        if settled is not None:
            clean += settled
            continue
        out += [tuple(clean), Region(clash.base, clash.ours, clash.theirs)]
        clean = []
    return [*out, tuple([*clean, *base[at:]])]


def clashes(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], *, apart: bool
) -> Iterator[Clash]:
    """What either side changed, in order; changes that overlap are one."""
    mine, yours = deltas(base, ours), deltas(base, theirs)
    edits = sorted(
        [
            *((d, 0) for d in mine if not _is_brought(d, ours, yours, theirs)),
            *((d, 1) for d in yours if not _is_brought(d, theirs, mine, ours)),
        ],
        key=lambda e: (e[0].a1, e[0].a2),
    )
    group: list[tuple[Delta, int]] = []
    end = -1
    for edit in edits:
        if group and not _meets(edit[0], end, apart=apart):
            yield _clash(base, (ours, theirs), group, end)
            group, end = [], -1
        group.append(edit)
        end = max(end, edit[0].a2)
    if group:
        yield _clash(base, (ours, theirs), group, end)


def _is_brought(
    addition: Delta, mine: Sequence[str], others: Sequence[Delta], theirs: Sequence[str]
) -> bool:
    """Whether the other side, in a change that touches an addition, brings just that as well."""
    place, lines = addition.a1, tuple(mine[addition.b1 : addition.b2])
    if addition.a2 > place or not any(map(_TELLS.search, lines)):
        return False
    for other in others:
        brings = tuple(theirs[other.b1 : other.b2])
        if other.a1 == place < other.a2 and brings[: len(lines)] == lines:
            return True
        if other.a1 < place == other.a2 and brings[-len(lines) :] == lines:
            return True
    return False


def _meets(delta: Delta, end: int, *, apart: bool) -> bool:
    if delta.a1 < end:
        return True
    return delta.a1 == end and (apart or delta.a1 == delta.a2)


def _clash(
    base: Sequence[str],
    sides: tuple[Sequence[str], Sequence[str]],
    group: Sequence[tuple[Delta, int]],
    end: int,
) -> Clash:
    start = group[0][0].a1
    texts = []
    for number, side in enumerate(sides):
        text: list[str] = []
        at = start
        for delta, owner in group:
            if owner == number:
                text += [*base[at : delta.a1], *side[delta.b1 : delta.b2]]
                at = delta.a2
        texts.append(tuple([*text, *base[at:end]]))
    return Clash(start, end, tuple(base[start:end]), *texts)
