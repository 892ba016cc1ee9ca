"""Where the hunks of a patch belong in a text that they were not made from.

A hunk brings along some lines of its own file. They are looked for in the text at hand, with gaps
on either side; rare lines say more than common ones, and the hunks of a file keep their order. A
hunk without a certain place is put between its neighbours, where it cannot merge unseen.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backport.readers.cparse import outline
from backport.readers.hunks import Hunk
from backport.values.csource import Lines, Span
from backport.values.linediff import Delta, deltas

_LEAST = 1.0  # evidence that a place needs: about one line that the text has only once
_NEARLY = 0.95  # another place as good as this makes a place uncertain
_AKIN = 0.6  # how like a line must be to one that it stands for
_HEADING = 1.0  # what the hunk's heading above a place is worth
_PLAIN = 0.03  # what a blank line or a brace is worth
_JOINED = 0.1  # what it is worth that two lines follow one another on both sides
_DRIFT = 0.0001  # what each line away from where it is looked for takes off
_FAR = 0.2  # what a line is worth less for each line that is between it and the change
_GAP = 0.07  # what a line on one side only takes off
_SLACK = 20  # lines that a place may be longer than its hunk, at least
_CONTEXT = 3  # lines of it that git puts on either side of a change
_TRIED = 12  # offsets that are looked at closely


@dataclass(frozen=True)
class Spot:
    """The lines of the text that a hunk's old lines stand for, or its new ones, if it is `done`."""

    hunk: Hunk
    span: Span
    sure: bool = True  # whether they were found
    done: bool = False


@dataclass(frozen=True)
class _Guess:
    """A possible place: how good it is, and the hunk's old lines that its ends match."""

    score: float
    span: Span
    matched: Span = (0, 0)
    done: Hunk | None = None  # what of the hunk the text has already


def place(lines: Lines, hunks: Sequence[Hunk]) -> list[Spot]:
    """A place for each hunk of a file, in order; no two overlap."""
    text = _Text(lines)
    guesses = [text.guesses(hunk) for hunk in hunks]
    chosen = _chain(guesses)
    spots: list[Spot] = []
    floor = shift = 0
    for index, (hunk, guess) in enumerate(zip(hunks, chosen, strict=True)):
        limit = next((g.span[0] for g in chosen[index + 1 :] if g), len(lines))
        if guess is None or _rivalled(guess, guesses[index], (floor, limit)):
            at = _between(lines, min(max(floor, hunk.first + shift), limit), (floor, limit))
            spots.append(Spot(hunk, (at, at), sure=False))
        elif guess.done:
            spots.append(Spot(guess.done, guess.span, done=True))
        else:
            spots.append(Spot(hunk, _stretched(lines, hunk, guess, (floor, limit))))
        if spots[-1].sure:
            shift = spots[-1].span[0] - spots[-1].hunk.first
        floor = spots[-1].span[1]
    return spots


@dataclass(frozen=True)
class Rebuilt:
    """A text with hunks at their places: as upstream had it, as its patch leaves it, and `onward`.

    `onward` has what the patch changes without the rest of upstream's context, which is not the
    text's and would only mislead the next patch.
    """

    before: list[str]
    after: list[str]
    onward: list[str]


def rebuilt(lines: Lines, spots: Sequence[Spot]) -> Rebuilt:
    """The text with the hunks at their places."""
    sides = Rebuilt(list(lines), list(lines), list(lines))
    for spot in reversed(spots):
        here = slice(*spot.span)
        sides.before[here] = spot.hunk.old
        sides.after[here] = spot.hunk.new
        sides.onward[here] = lines[here] if spot.done else _replayed(spot.hunk, lines[here])
    return sides


def _replayed(hunk: Hunk, ours: Lines) -> list[str]:
    """Our lines with a hunk's change made in them, its context left out where it is not ours."""
    matcher = difflib.SequenceMatcher(None, hunk.old, ours, autojunk=False)
    home = {b.a + i: b.b + i for b in matcher.get_matching_blocks() for i in range(b.size)}
    out: list[str] = []
    at = index = 0
    for delta in [*deltas(hunk.old, hunk.new), Delta(len(hunk.old), len(hunk.old), 0, 0)]:
        for i in range(index, delta.a1):
            if i in home:
                out += ours[at : home[i] + 1]
                at = home[i] + 1
        gone = hunk.old[delta.a1 : delta.a2]
        at = max([at, *(home[i] + 1 for i in range(delta.a1, delta.a2) if i in home)])
        while at < len(ours) and at not in home.values() and any(_akin(x, ours[at]) for x in gone):
            at += 1
        out += hunk.new[delta.b1 : delta.b2]
        index = delta.a2
    return [*out, *ours[at:]]


def _between(lines: Lines, index: int, room: Span) -> int:
    """The nearest line in the room that no definition holds."""
    inside = {i for item in outline(lines) for i in range(item.span[0] + 1, item.span[1])}
    free = [i for i in range(room[0], room[1] + 1) if i not in inside]
    return min(free, key=lambda i: (abs(i - index), i), default=index)


def _rivalled(guess: _Guess, others: Sequence[_Guess], room: Span) -> bool:
    """Whether another place in the same room is as good."""
    return any(
        other is not guess
        and other.score >= _NEARLY * guess.score
        and room[0] <= other.span[0]
        and other.span[1] <= room[1]
        for other in others
    )


def _stretched(lines: Lines, hunk: Hunk, guess: _Guess, room: Span) -> Span:
    """The place with the lines at its ends that are the hunk's too, or akin to them."""
    (first, last), (top, end) = guess.span, guess.matched
    while first > room[0] and top > 0 and _akin(hunk.old[top - 1], lines[first - 1]):
        first, top = first - 1, top - 1
    while last < room[1] and end < len(hunk.old) and _akin(hunk.old[end], lines[last]):
        last, end = last + 1, end + 1
    return first, last


def _akin(one: str, other: str) -> bool:
    pair = one.strip(), other.strip()
    if one == other:
        return True
    return all(map(_telling, pair)) and difflib.SequenceMatcher(None, *pair).ratio() >= _AKIN


def _telling(line: str) -> bool:
    """Whether a line says where it stands: not a blank one, nor one of braces."""
    return re.search(r"\w", line) is not None


# -- the best places in the order of the hunks


_State = tuple[float, int, list[_Guess | None]]  # score, end of the last place, places


def _chain(guesses: Sequence[Sequence[_Guess]]) -> list[_Guess | None]:
    """For each hunk one of its guesses or none, in the order of the text, the best in sum."""
    states: list[_State] = [(0.0, 0, [])]
    for options in guesses:
        grown: list[_State] = [(score, end, [*places, None]) for score, end, places in states]
        grown += [
            (score + guess.score, guess.span[1], [*places, guess])
            for score, end, places in states
            for guess in options
            if guess.span[0] >= end
        ]
        states = _useful(grown)
    return states[-1][2]


def _useful(states: list[_State]) -> list[_State]:
    """The states that no other beats in both score and room left; the best score is the last."""
    kept: list[_State] = []
    for state in sorted(states, key=lambda item: (item[1], -item[0])):
        if not kept or state[0] > kept[-1][0]:
            kept.append(state)
    return kept


# -- the places of one hunk


class _Text:
    """A text to look hunks up in."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._at: dict[str, list[int]] = defaultdict(list)
        self._above = [""]  # the line that git shows as the heading of a hunk that begins here
        for index, line in enumerate(lines):
            self._at[line].append(index)
            self._above.append(line if re.match(r"[A-Za-z_$]", line) else self._above[-1])

    def guesses(self, hunk: Hunk) -> list[_Guess]:
        """The places of a hunk, best first, none overlapping a better one."""
        if done := self._done(hunk):
            return [done]
        found: list[_Guess] = []
        taken: set[int] = set()  # lines of places found before, so that others show
        for offset in self._offsets(hunk):
            guess = self._align(hunk, offset, taken)
            if guess is not None:
                found.append(guess)
                taken |= set(range(*guess.span))
        return sorted((g for g in found if g.score >= _LEAST), key=lambda g: -g.score)

    def _done(self, hunk: Hunk) -> _Guess | None:
        """Where the text has the change already, be it with less context; None if it has not."""
        for less in range(_CONTEXT if any(map(_telling, _added(hunk))) else 1):
            part = _trimmed(hunk, less)
            there = self._exactly(part.new)
            if len(there) == 1 and all(_overlap(x, there[0]) for x in self._exactly(part.old)):
                return _Guess(float(len(part.new)), there[0], done=part)
        return None

    def _exactly(self, wanted: Sequence[str]) -> list[Span]:
        size = len(wanted)
        starts = self._at.get(wanted[0], []) if any(map(_telling, wanted)) else []
        return [(i, i + size) for i in starts if tuple(self._lines[i : i + size]) == tuple(wanted)]

    def _offsets(self, hunk: Hunk) -> list[int]:
        """How far down the hunk may begin: what most of its telling lines speak for."""
        votes: dict[int, float] = defaultdict(float)
        for index, line in enumerate(hunk.old):
            places = self._at.get(line, []) if _telling(line) else []
            for position in places:
                votes[position - index] += 1 / len(places)
        for offset in votes:
            votes[offset] += self._headed(hunk, offset)
        return sorted(votes, key=lambda offset: (-votes[offset], offset))[:_TRIED]

    def _align(self, hunk: Hunk, offset: int, taken: set[int]) -> _Guess | None:
        """The best place near an offset, without lines that are taken."""
        slack = len(hunk.old) // 2 + _SLACK
        top = max(0, offset - slack)
        end = min(len(self._lines), max(top, offset + len(hunk.old) + slack))
        window = ["" if i in taken else self._lines[i] for i in range(top, end)]
        found = _alignment(hunk.old, window, self._worths(hunk), offset - top)
        if found is None:
            return None
        score, matched, span = found
        span = top + span[0], top + span[1]
        score += self._headed(hunk, span[0] - matched[0])
        return _Guess(score, span, matched)

    def _headed(self, hunk: Hunk, index: int) -> float:
        above = self._above[min(max(0, index), len(self._lines))]
        return _HEADING if hunk.heading and above.startswith(hunk.heading) else 0.0

    def _worths(self, hunk: Hunk) -> list[float]:
        pairs = zip(hunk.old, _away(hunk), strict=True)
        return [self._worth(line) / (1 + _FAR * gap) for line, gap in pairs]

    def _worth(self, line: str) -> float:
        return 0.25 + 0.75 / max(1, len(self._at.get(line, ()))) if _telling(line) else _PLAIN


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _away(hunk: Hunk) -> Iterator[int]:
    """For each old line how many lines are between it and the next that changes."""
    lead, tail = _context(hunk)
    for index in range(len(hunk.old)):
        yield max(0, lead - 1 - index, index - (len(hunk.old) - tail))


def _context(hunk: Hunk) -> tuple[int, int]:
    """How many lines of context a hunk begins and ends with."""
    lead = _common(hunk.old, hunk.new)
    return lead, _common(hunk.old[lead:][::-1], hunk.new[lead:][::-1])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _added(hunk: Hunk) -> list[str]:
    """The lines that a hunk adds."""
    return [line for d in deltas(hunk.old, hunk.new) for line in hunk.new[d.b1 : d.b2]]


def _trimmed(hunk: Hunk, less: int) -> Hunk:
    """A hunk with less context at its ends, but some."""
    top, end = (max(0, min(less, size - 1)) for size in _context(hunk))
    old, new = (side[top : len(side) - end] for side in (hunk.old, hunk.new))
    return Hunk(hunk.first + top, hunk.heading, old, new)


_Pair = tuple[int, int]  # of equal lines, by their numbers on both sides


class _Cell(NamedTuple):
    """The best run that ends with a pair: its first and last telling pair, if it has any."""

    score: float = 0.0
    joined: bool = False  # whether the pair itself is one of equal lines
    first: _Pair = (-1, -1)
    last: _Pair = (-1, -1)


def _alignment(
    old: Sequence[str], window: Sequence[str], worths: Sequence[float], offset: int
) -> tuple[float, Span, Span] | None:
    """The run of equal lines, gaps in it, of the most worth; its extents in `old` and `window`.

    They begin and end with a telling line, so that neighbours do not overlap by a blank one. Of
    equal runs the one nearest to the offset is the best.
    """
    best = _Cell()
    row = [_Cell()] * (len(window) + 1)
    for i, line in enumerate(old):
        above, row = row, [_Cell()]
        for j, other in enumerate(window):
            cell = max(above[j + 1], row[j], above[j])
            cell = cell._replace(score=cell.score - _GAP, joined=False)
            if line == other:
                cell = max(cell, _grown(above[j], worths[i], (i, j), offset, _telling(line)))
            row.append(cell if cell.score > 0 else _Cell())
            if row[-1].last[0] >= 0:
                best = max(best, row[-1])
    if best.last[0] < 0:
        return None
    (i1, j1), (i2, j2) = best.first, best.last
    return best.score, (i1, i2 + 1), (j1, j2 + 1)


def _grown(run: _Cell, worth: float, pair: _Pair, offset: int, telling: bool) -> _Cell:
    """A run with one more pair of equal lines at its end."""
    begun = run.score if run.score else -_DRIFT * abs(pair[1] - pair[0] - offset)
    return _Cell(
        begun + worth + (_JOINED if run.joined else 0.0),
        True,
        pair if telling and run.first[0] < 0 else run.first,
        pair if telling else run.last,
    )
