"""Upstream's change made hunk by hunk, each where the target has what stands around it.

A merge aligns whole files, and where they drifted apart its alignment is by chance. Here each hunk
looks for its own place, in the definition of the same name: the lines that it takes, or else its
neighbours. Blanks do not matter for finding it. What has no place at all in the target (neither
what it takes nor what stands around it) is code that the target lacks, and is left out.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from backport.ladder.scopes import Scopes, Text, tells
from backport.values.conflict import Region
from backport.values.csource import Lines, Span
from backport.values.linediff import deltas

Settle = Callable[[Region], Sequence[str] | None]

_NEAR = 3  # lines of context, and how far apart changes are one hunk
_WORD = re.compile(r"\w+|[^\w\s]")
_ALIKE = 0.6  # of the words of two blocks, for one to be the other's form in the target
_LONGEST = 60  # lines of a block that stands in the place of another
_CLEARLY = 2  # neighbours that one place must have more than any other


class Found(StrEnum):
    """How a hunk found its place, from sure to less so."""

    EXACT = "exact"  # what it takes is there
    BESIDE = "beside"  # it only adds, and both neighbours are there
    ONE_SIDE = "one side"  # ... one of them
    BETWEEN = "between"  # its neighbours are there, what it takes is there in other words
    ABSENT = "absent"  # nothing of it is there
    ALREADY = "already"  # what it brings is there


@dataclass(frozen=True)
class Edit:
    """What one hunk does to the target: lines `[first, last)` become `lines`."""

    first: int
    last: int
    lines: tuple[str, ...]
    how: Found


@dataclass(frozen=True)
class Hunked:
    """A file with every hunk made, or left out; the ways in which they found their places."""

    lines: tuple[str, ...]
    how: frozenset[Found]


def by_hunks(base: Lines, ours: Lines, theirs: Lines, settlers: Sequence[Settle]) -> Hunked | None:
    """The target's file with upstream's hunks; None if one has no certain place."""
    scopes = Scopes(Text(tuple(base)), Text(tuple(ours)))
    edits: list[Edit] = []
    for parts in _hunks(base, theirs):
        made = _made(scopes, parts, theirs, settlers)
        if made is None:
            return None
        edits += made
    edits.sort(key=lambda edit: (edit.first, edit.last))
    pairs = itertools.pairwise(edits)
    if any(one.last > other.first or _same_gap(one, other) for one, other in pairs):
        return None
    out = list(ours)
    for edit in reversed(edits):
        out[edit.first : edit.last] = edit.lines
    return Hunked(tuple(out), frozenset(edit.how for edit in edits))


def _same_gap(one: Edit, other: Edit) -> bool:
    """Whether two additions come to one place, in an order that nobody knows."""
    is_gap = one.first == one.last == other.first
    return is_gap and bool(one.lines) and bool(other.lines)


def _hunks(base: Lines, theirs: Lines) -> Iterator[list[tuple[Span, Span]]]:
    """Lines of the base that go and those that come for them; near ones together."""
    found: list[list[tuple[Span, Span]]] = []
    for d in deltas(base, theirs):
        part = (d.a1, d.a2), (d.b1, d.b2)
        if found and d.a1 - found[-1][-1][0][1] <= _NEAR:
            found[-1].append(part)
        else:
            found.append([part])
    yield from found


def _made(
    scopes: Scopes, parts: Sequence[tuple[Span, Span]], theirs: Lines, settlers: Sequence[Settle]
) -> list[Edit] | None:
    """A hunk in whole, or each of its changes by itself; all of them are left out, or none."""
    (old, new), (old_end, new_end) = parts[0], parts[-1]
    whole = _Hunk(scopes, (old[0], old_end[1]), theirs[new[0] : new_end[1]], settlers).edit()
    if whole is not None or len(parts) == 1:
        return None if whole is None else [whole]
    made = [_Hunk(scopes, was, theirs[slice(*now)], settlers).edit() for was, now in parts]
    edits = [edit for edit in made if edit is not None]
    is_whole = len(edits) == len(made) and all(e.how is not Found.ABSENT for e in edits)
    return edits if is_whole else None


@dataclass(frozen=True)
class _Hunk:
    scopes: Scopes
    span: Span
    lines: Lines
    settlers: Sequence[Settle]

    def edit(self) -> Edit | None:
        """Its place and what it does there, None without a certain one."""
        if self.taken:
            return self._exact() or self._between() or self._absent()
        return self._beside() or self._absent()

    # -- what is known of it

    @property
    def upstream(self) -> Text:
        return self.scopes.upstream

    @property
    def target(self) -> Text:
        return self.scopes.target

    @cached_property
    def full(self) -> Span:
        """The lines that it takes, as a stretch of upstream's lines that hold something."""
        return self.upstream.place(self.span[0]), self.upstream.place(self.span[1])

    @cached_property
    def taken(self) -> list[str]:
        return self.upstream.content(*self.full)

    @property
    def brings(self) -> bool:
        """Whether anything but blank lines comes."""
        return any(line.strip() for line in self.lines)

    @cached_property
    def home(self) -> str:
        return self.scopes.home(self.span)

    # -- ways to find its place

    def _exact(self) -> Edit | None:
        """Where the lines are that it takes."""
        place = self._best(list(self._runs()))
        if place is None:
            return None
        text = self.target
        first, last = text.full[place], text.full[place + len(self.taken) - 1] + 1
        if not self.brings:
            return self._gone(first, last, Found.EXACT)
        lines = self._indented(first, last)
        first, last = self._widened(first, last)
        return Edit(first, last, lines, Found.EXACT)

    def _runs(self) -> Iterator[int]:
        """Places of just these lines in the definition."""
        low, high = self.scopes.target_of(self.home)
        size = len(self.taken)
        for place in self.target.where.get(self.taken[0], []):
            inside = low <= place and place + size <= high
            if inside and self.target.content(place, place + size) == self.taken:
                yield place

    def _best(self, places: Sequence[int]) -> int | None:
        """The place whose neighbours are most like the hunk's; None where two are as good."""
        rated = sorted(((self._rate(p), p) for p in places), reverse=True)
        if not rated or (len(rated) > 1 and rated[0][0] - rated[1][0] < _CLEARLY):
            return None
        return rated[0][1]

    def _rate(self, place: int) -> int:
        """How many neighbours in a row are upstream's."""
        first, last = self.full
        end = place + len(self.taken)
        ups = [text.content(max(0, at - _NEAR), at)[::-1]
               for text, at in ((self.upstream, first), (self.target, place))]  # fmt: skip
        downs = [text.content(at, at + _NEAR)
                 for text, at in ((self.upstream, last), (self.target, end))]  # fmt: skip
        return _same(*ups) + _same(*downs)

    def _gone(self, first: int, last: int, how: Found) -> Edit:
        """Lines that only go: as many blank lines stay as upstream has there."""
        have = self.target.keys
        while first and not have[first - 1]:
            first -= 1
        while last < len(have) and not have[last]:
            last += 1
        keys, (start, end) = self.upstream.keys, self.span
        above = next((n for n in range(start) if keys[start - 1 - n]), start)
        below = next((n for n in range(len(keys) - end) if keys[end + n]), len(keys) - end)
        blanks = self.target.lines[first:last]
        blanks = [line for line in blanks if not line.strip()][: above + below + len(self.lines)]
        return Edit(first, last, tuple(blanks), how)

    def _widened(self, first: int, last: int) -> Span:
        """With the blank lines at the ends that upstream takes as well."""
        keys, (start, end) = self.upstream.keys, self.span
        have = self.target.keys
        while start < end and not keys[start] and first and not have[first - 1]:
            start, first = start + 1, first - 1
        while start < end and not keys[end - 1] and last < len(have) and not have[last]:
            end, last = end - 1, last + 1
        return first, last

    def _indented(self, first: int, last: int) -> tuple[str, ...]:
        """What comes in, as deep as what it replaces stands here."""
        old = [line for line in self.upstream.lines[slice(*self.span)] if line.strip()]
        new = [line for line in self.target.lines[first:last] if line.strip()]
        was, now = _indent(old[0]), _indent(new[0])
        if was == now or not all(not ln.strip() or ln.startswith(was) for ln in self.lines):
            return tuple(self.lines)
        return tuple(now + ln[len(was) :] if ln.strip() else ln for ln in self.lines)

    def _beside(self) -> Edit | None:
        """Where its neighbours are, for a hunk that only adds."""
        around = self.scopes.around(self.home, self.full)
        if around is None:
            return None
        above, below, near = around
        beside = below == above + 1
        if not beside and self._there(above + 1, below):
            return Edit(self.target.full[above] + 1, self.target.full[above] + 1, (), Found.ALREADY)
        if not beside and near[0] == near[1]:
            return None  # lines of its own are between them, or neither is its very neighbour
        at = self._line(above + 1 if near[0] else below, near)
        return Edit(at, at, tuple(self.lines), Found.BESIDE if beside else Found.ONE_SIDE)

    def _line(self, place: int, near: tuple[bool, bool]) -> int:
        """The line where an addition goes: blank lines stay above or below, as upstream's."""
        full = self.target.full
        top = full[place - 1] + 1 if place else 0
        end = full[place] if place < len(full) else len(self.target.lines)
        first = self.span[0]
        under_blank = first > 0 and not self.upstream.keys[first - 1]
        if not near[0]:
            return end
        if near[1] and under_blank:
            return end
        return min(end, top + under_blank)

    def _there(self, first: int, last: int) -> bool:
        """Whether what it brings is what the target has there, at one end or in whole."""
        new = [key for line in self.lines if (key := "".join(line.split()))]
        have = self.target.content(first, last)
        return bool(new) and new in (have[: len(new)], have[-len(new) :])

    def _between(self) -> Edit | None:
        """Where what it takes stands in other words, between the same neighbours."""
        around = self.scopes.around(self.home, self.full)
        if around is None:
            return None
        above, below, near = around
        full = self.target.full
        if not any(near) or below == above + 1:
            return None
        first, last = full[above] + 1, full[below] if below < len(full) else len(self.target.lines)
        while first < last and not self.target.keys[first]:
            first += 1
        while first < last and not self.target.keys[last - 1]:
            last -= 1
        old, new = _stripped(self.upstream.lines[slice(*self.span)], self.lines)
        block = self.target.lines[first:last]
        if last - first > _LONGEST or _likeness(old, block) < _ALIKE:
            return None
        if not self.brings:
            return self._gone(first, last, Found.BETWEEN)
        region = Region(tuple(old), tuple(block), tuple(new))
        for settle in self.settlers:
            done = settle(region)
            if done is not None:
                return Edit(first, last, tuple(done), Found.BETWEEN)
        return None

    def _absent(self) -> Edit | None:
        """Nothing, if the target has nothing of what the hunk takes or stands beside."""
        taken = [key for key in self.taken if tells(key)]
        if any(key in self.target.where for key in taken) or self._defines:
            return None
        if self.scopes.lacks(self.home):
            return Edit(0, 0, (), Found.ABSENT)
        first, last = self.full
        near = [
            *self.upstream.content(max(0, first - _NEAR), first),
            *self.upstream.content(last, last + _NEAR),
        ]
        around = [key for key in near if tells(key)]
        here = sum(key in self.target.where for key in around)
        if here * 4 > len(around) or not around:
            return None
        if not taken:
            return None
        upstream = self.upstream
        numbers = [n for n in range(*self.span) if tells(upstream.keys[n])]
        if any(self.target.similar(upstream.lines[n]) for n in numbers):
            return None
        return Edit(0, 0, (), Found.ABSENT)

    @property
    def _defines(self) -> bool:
        """Whether it brings a definition, which no neighbour has to be there for."""
        return any(line.startswith("}") for line in self.lines)


def _stripped(old: Lines, new: Lines) -> tuple[Lines, Lines]:
    """Both without the blank lines that they share at their ends."""
    while old and new and not old[0].strip() and not new[0].strip():
        old, new = old[1:], new[1:]
    while old and new and not old[-1].strip() and not new[-1].strip():
        old, new = old[:-1], new[:-1]
    return old, new


def _same(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _likeness(one: Lines, other: Lines) -> float:
    mine, theirs = (_WORD.findall("".join(side)) for side in (one, other))
    if not mine or not theirs:
        return 0.0
    return difflib.SequenceMatcher(None, mine, theirs, autojunk=False).ratio()
