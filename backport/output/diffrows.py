"""Rows of a diff of diffs as HTML: shown where the two sides differ, folded where they do not.

A page can have tens of thousands of rows, so they are put together here and not by a template.
Every text that comes from a repository goes through `_text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from backport.advice.ownership import Owner, Tie
from backport.advice.review import FileReview
from backport.output.page import printable
from backport.output.summary import count
from backport.values.sidebyside import ADDED, KEPT, REMOVED, DiffLine, Row, words_apart

AROUND = 3  # equal rows that are shown on either side of what differs
FOLD = 5  # equal rows that are worth a fold
CLIP = 400  # characters of a line
FOLDED = 600  # rows of one fold
SHOWN = 1500  # rows of one stretch that is not folded

QUIET = (Tie.UPSTREAM, Tie.CONTEXT, Tie.UNMADE, Tie.THERE)  # no difference in what comes of it
MARKS: Mapping[Tie, str] = {
    Tie.RULE: "◆",
    Tie.EITHER: "◇",
    Tie.PLACED: "○",
    Tie.MOVED: "⇄",
    Tie.THERE: "=",
    Tie.HAND: "✎",
    Tie.UNTOLD: "?",
    Tie.NOBODY: "✗",
}
_SIDES = {ADDED: "p", REMOVED: "m", KEPT: "k"}
_HEAD = (
    "<colgroup><col class=cn><col class=cn><col><col><col class=cw></colgroup>"
    "<thead><tr><th scope=col>upstream line<th scope=col>backport line<th scope=col>upstream"
    "<th scope=col>backport<th scope=col>why</thead>"
)


@dataclass(frozen=True)
class Block:
    """A stretch of rows of one kind: folded or not, with the owner that a note tells of."""

    rows: tuple[tuple[Row, Owner], ...]
    folded: bool
    owner: Owner | None = None

    @property
    def label(self) -> str:
        """What a fold holds, in words."""
        size = count(len(self.rows), "line")
        ties = {owner.tie for _, owner in self.rows}
        added = sum(1 for row, _ in self.rows if _sign(row) == ADDED)
        removed = sum(1 for row, _ in self.rows if _sign(row) == REMOVED)
        what = {
            frozenset({Tie.UNMADE}): "of upstream's commit",
            frozenset({Tie.CONTEXT}): "around, which differ",
            frozenset({Tie.THERE}): "that the target has already",
        }.get(frozenset(ties), "as upstream has them")
        if Tie.CONTEXT in ties and len(ties) > 1:
            what += ", in other surroundings"
        if Tie.THERE in ties and len(ties) > 1:
            what += ", some there already"
        return f"{size} {what}: +{added} −{removed}"


def _sign(row: Row) -> str:
    line = row.right or row.left
    return line.sign if line else KEPT


def blocks(file: FileReview) -> list[Block]:
    """The rows of a file in stretches, as a reviewer reads them."""
    pairs = list(zip(file.rows, file.owners, strict=True))
    seen = _seen(file)
    found: list[Block] = []
    at = 0
    for open_, group in groupby(seen):
        size = sum(1 for _ in group)
        part = tuple(pairs[at : at + size])
        found += _by_owner(part) if open_ else [Block(part, folded=True)]
        at += size
    return found


def _seen(file: FileReview) -> list[bool]:
    """Which rows are shown: those that somebody owns, and a few around."""
    loud = [owner.tie not in QUIET for owner in file.owners]
    seen = list(loud)
    for n, is_loud in enumerate(loud):
        if is_loud:
            for near in range(max(0, n - AROUND), min(len(loud), n + AROUND + 1)):
                seen[near] = True
    at = 0
    for open_, group in groupby(list(seen)):
        size = sum(1 for _ in group)
        if not open_ and size < FOLD and size < len(seen):
            seen[at : at + size] = [True] * size
        at += size
    return seen


def _by_owner(part: Sequence[tuple[Row, Owner]]) -> Iterator[Block]:
    """Rows that are shown, a block for each owner with a word to say; quiet rows go along."""
    block: list[tuple[Row, Owner]] = []
    said: object = None
    for pair in part:
        owner = pair[1]
        if owner.tie not in QUIET and _saying(owner) != said:
            if block:
                yield _block(block)
            block, said = [], _saying(owner)
        block.append(pair)
    if block:
        yield _block(block)


def _saying(owner: Owner) -> object:
    """What a note tells of an owner: a rule has one reason for all that it did in a place."""
    return owner.rules if owner.rules and owner.tie is not Tie.EITHER else owner


def _block(rows: Sequence[tuple[Row, Owner]]) -> Block:
    loud = [owner for _, owner in rows if owner.tie not in QUIET]
    return Block(tuple(rows), False, max(loud, key=lambda one: one.tie is Tie.RULE, default=None))


# -- HTML


def table(block: Block, most: int) -> Markup:
    """A block's rows as a table; of more than `most` the first ones, and what was left out."""
    caption = "the two diffs, line by line"
    parts = [f'<table class="d"><caption class="sr">{caption}</caption>{_HEAD}<tbody>']
    parts += [_row(row, owner) for row, owner in block.rows[:most]]
    if len(block.rows) > most:
        more = count(len(block.rows) - most, "more line")
        parts.append(f'<tr class="cut"><td colspan="5">{more}, not in this page')
    parts.append("</table>")
    return Markup("".join(parts))


def unified(lines: Sequence[DiffLine], most: int) -> Markup:
    """One diff as a table of its own."""
    rows = tuple((Row(line, line, same=True), Owner(Tie.UPSTREAM)) for line in lines)
    return table(Block(rows, folded=False), most)


def _row(row: Row, owner: Owner) -> str:
    head = _heading(row)
    if row.same and row.right is not None:
        kind = f"{_SIDES[row.right.sign]}{'' if owner.tie is Tie.UPSTREAM else ' own'}"
        numbers = f"{_number(row.left)}{_number(row.right)}"
        text = f'<td class="t" colspan="2">{row.right.sign}{_text(row.right.text)}'
        return f'{head}<tr class="s {kind}">{numbers}{text}{_why(owner)}'
    left, right = _cells(row, marked=owner.tie not in QUIET)
    quiet = " q" if owner.tie in QUIET else ""
    sides = f"{_number(row.left)}{_number(row.right)}{left}{right}"
    return f'{head}<tr class="x{quiet}">{sides}{_why(owner)}'


def _number(line: DiffLine | None) -> str:
    if line is None:
        return '<td class="n">'
    return f'<td class="n">{"-" if line.sign == REMOVED else ""}{line.number}'


def _cells(row: Row, *, marked: bool) -> tuple[str, str]:
    """Both texts; with `marked` the words that differ stand out."""
    left, right = row.left, row.right
    if marked and left and right and left.text != right.text:
        mine, theirs = words_apart(left.text[:CLIP], right.text[:CLIP])
        return _cell(left, _worded(mine), "l"), _cell(right, _worded(theirs), "r")
    return (
        _cell(left, _text(left.text) if left else "", "l"),
        _cell(right, _text(right.text) if right else "", "r"),
    )


def _cell(line: DiffLine | None, text: str, side: str) -> str:
    if line is None:
        return f'<td class="t {side} o">'
    return f'<td class="t {side} {_SIDES[line.sign]}">{line.sign}{text}'


def _worded(pieces: Sequence[tuple[str, bool]]) -> str:
    return "".join(f"<b>{_text(t)}</b>" if differs else _text(t) for t, differs in pieces)


def _text(text: str) -> str:
    clipped = text if len(text) <= CLIP else f"{text[:CLIP]}…"
    return str(escape(printable(clipped)))


def _why(owner: Owner) -> str:
    sign = MARKS.get(owner.tie)
    if sign is None:
        return ""
    rules = ", ".join(owner.rules)
    told = _text(f"{owner.tie}: {rules}" if rules else str(owner.tie))
    return f'<td class="w" title="{told}"><i>{sign}</i><span class="sr">{told}</span>'


def _heading(row: Row) -> str:
    """The definition that a hunk is in, of each side that begins one here."""
    left = row.left.heading if row.left else None
    right = row.right.heading if row.right else None
    if left is None and right is None:
        return ""
    if left == right or left is None or right is None:
        text = _text(left if left is not None else right or "")
        return f'<tr class="h"><td colspan="2">@@<td class="t" colspan="3">{text}'
    sides = f'<td class="t">{_text(left)}<td class="t" colspan="2">{_text(right)}'
    return f'<tr class="h"><td colspan="2">@@{sides}'
