"""A diff of diffs as values: what upstream changed beside what the backport changed, line by line.

Both changes of one path are laid out as diffs with context. Lines that the two diffs share are
aligned, and what is left between them is paired where it is alike, so that a reviewer sees at once
where the backport does something else than upstream did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from backport.values.csource import Lines
from backport.values.linediff import Delta, deltas

CONTEXT = 3
ALIKE = 0.55  # of two lines that are shown as one that changed
MOST = 10_000  # likenesses to look at in one place: in larger ones lines follow one another
_HEADING = re.compile(r"[A-Za-z_$]")
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
HEADING_WIDTH = 80

KEPT, ADDED, REMOVED = " ", "+", "-"


@dataclass(frozen=True)
class DiffLine:
    """One line of a diff: its sign, its text without the line feed, its numbers from 1.

    `old` is 0 for an added line, `new` for a removed one. With `heading` a hunk begins here, and
    that is the definition above it ('' if none is).
    """

    sign: str
    text: str
    old: int
    new: int
    heading: str | None = None

    @property
    def key(self) -> str:
        """What makes two lines of two diffs the same."""
        return self.sign + self.text

    @property
    def number(self) -> int:
        """Where it stands: in the new file, in the old one if it is removed."""
        return self.new or self.old


@dataclass(frozen=True)
class Row:
    """A line of upstream's diff, of the backport's, or of both; `same` if they are one."""

    left: DiffLine | None
    right: DiffLine | None
    same: bool = False

    @property
    def changes(self) -> bool:
        """Whether either side adds or removes the line."""
        return any(line is not None and line.sign != KEPT for line in (self.left, self.right))


# -- one diff


def diff_lines(old: Lines, new: Lines) -> list[DiffLine]:
    """The diff of two texts as `git diff` would lay it out, hunks one after the other."""
    return [line for hunk in _hunks(deltas(old, new)) for line in _lined(hunk, old, new)]


def _hunks(changes: Sequence[Delta]) -> Iterator[list[Delta]]:
    hunk: list[Delta] = []
    for change in changes:
        if hunk and change.a1 - hunk[-1].a2 > 2 * CONTEXT:
            yield hunk
            hunk = []
        hunk.append(change)
    if hunk:
        yield hunk


def _lined(hunk: Sequence[Delta], old: Lines, new: Lines) -> Iterator[DiffLine]:
    first = max(0, hunk[0].a1 - CONTEXT)
    shift = hunk[0].b1 - hunk[0].a1
    heading: str | None = _heading(old, first)
    for line in _body(hunk, first, shift, old, new):
        yield line if heading is None else replace(line, heading=heading)
        heading = None


def _body(hunk: Sequence[Delta], at: int, shift: int, old: Lines, new: Lines) -> Iterator[DiffLine]:
    for change in hunk:
        yield from _kept(old, at, change.a1, shift)
        for i in range(change.a1, change.a2):
            yield DiffLine(REMOVED, _bare(old[i]), i + 1, 0)
        for j in range(change.b1, change.b2):
            yield DiffLine(ADDED, _bare(new[j]), 0, j + 1)
        at, shift = change.a2, change.b2 - change.a2
    yield from _kept(old, at, min(at + CONTEXT, len(old)), shift)


def _kept(old: Lines, start: int, end: int, shift: int) -> Iterator[DiffLine]:
    for i in range(start, end):
        yield DiffLine(KEPT, _bare(old[i]), i + 1, i + 1 + shift)


def _bare(line: str) -> str:
    return line.removesuffix("\n")


def _heading(lines: Lines, index: int) -> str:
    """The line above that begins a definition, as git looks for it."""
    for above in range(index - 1, -1, -1):
        if _HEADING.match(lines[above]) and not lines[above].rstrip().endswith(":"):
            return lines[above].rstrip()[:HEADING_WIDTH]
    return ""


# -- two diffs


def side_by_side(left: Sequence[DiffLine], right: Sequence[DiffLine]) -> list[Row]:
    """Both diffs in rows, in the order of each."""
    rows: list[Row] = []
    a = b = 0
    for gap in deltas([line.key for line in left], [line.key for line in right]):
        rows += _shared(left[a : gap.a1], right[b : gap.b1])
        rows += _paired(left[gap.a1 : gap.a2], right[gap.b1 : gap.b2])
        a, b = gap.a2, gap.b2
    return rows + _shared(left[a:], right[b:])


def _shared(left: Sequence[DiffLine], right: Sequence[DiffLine]) -> list[Row]:
    return [Row(mine, theirs, same=True) for mine, theirs in zip(left, right, strict=True)]


def _paired(left: Sequence[DiffLine], right: Sequence[DiffLine]) -> list[Row]:
    """Lines that differ, those that are alike in one row, in the order of each side."""
    rows: list[Row] = []
    a = b = 0
    for i, j in _couples(left, right):
        rows += _apart(left[a:i], right[b:j])
        rows.append(Row(left[i], right[j], left[i].key == right[j].key))
        a, b = i + 1, j + 1
    return rows + _apart(left[a:], right[b:])


def _apart(left: Sequence[DiffLine], right: Sequence[DiffLine]) -> list[Row]:
    """Lines that are not alike: in one row where each stands for one on the other side."""
    signs = [line.sign for line in left]
    if KEPT not in signs and signs == [line.sign for line in right]:
        return [Row(mine, theirs) for mine, theirs in zip(left, right, strict=True)]
    return [Row(line, None) for line in left] + [Row(None, line) for line in right]


def _couples(left: Sequence[DiffLine], right: Sequence[DiffLine]) -> list[tuple[int, int]]:
    """The pairs of alike lines whose likeness adds up to the most, in order on both sides."""
    if not left or not right or len(left) * len(right) > MOST:
        return []
    width = len(right) + 1
    best = [[0.0] * width for _ in range(len(left) + 1)]
    likes = [[_likeness(mine, theirs) for theirs in right] for mine in left]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            both = likes[i][j] + best[i + 1][j + 1] if likes[i][j] else 0.0
            best[i][j] = max(both, best[i + 1][j], best[i][j + 1])
    return list(_trail(best, likes))


def _trail(best: list[list[float]], likes: list[list[float]]) -> Iterator[tuple[int, int]]:
    i = j = 0
    while i < len(likes) and j < len(likes[0]):
        if likes[i][j] and best[i][j] == likes[i][j] + best[i + 1][j + 1]:
            yield i, j
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1


def _likeness(mine: DiffLine, theirs: DiffLine) -> float:
    """How alike two lines are, 0 for those that have nothing to do with one another."""
    a, b = mine.text.strip(), theirs.text.strip()
    if a == b:  # the same line, which only one of the two has to change
        return 1.0 if a else 0.0
    if mine.sign != theirs.sign or not a or not b:
        return 0.0
    shorter, longer = sorted((len(a), len(b)))
    if 2 * shorter / (shorter + longer) < ALIKE:
        return 0.0
    matcher = SequenceMatcher(None, _WORD.findall(a), _WORD.findall(b), autojunk=False)
    if matcher.quick_ratio() < ALIKE:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= ALIKE else 0.0


def words_apart(left: str, right: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Two alike lines in pieces, each with whether the other line has it not."""
    a, b = _WORD.findall(left), _WORD.findall(right)
    mine: list[tuple[str, bool]] = []
    theirs: list[tuple[str, bool]] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        differs = tag != "equal"
        if i2 > i1:
            mine.append(("".join(a[i1:i2]), differs))
        if j2 > j1:
            theirs.append(("".join(b[j1:j2]), differs))
    return mine, theirs
