"""Cutting a feature's commits out of a source drop: selectors in, edited text out.

A drop without history holds a feature as text among other text. A `Cut` names some of that text
and says what stood there before, so that the feature can be taken out again, commit by commit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from unidiff.patch import PatchSet

from backport.readers.cparse import locate
from backport.values.csource import Lines, Span
from backport.values.errors import ManifestError, Place


@dataclass(frozen=True)
class Cut:
    """One selector of a snapshot's commit.

    Exactly one of `hunk`, `lines`, `symbol` and `start` is set.
    """

    place: Place
    path: str
    hunk: str = ""  # regex: whole hunks of older->newer in which a changed line matches
    lines: str = ""  # regex: single lines of the newer drop
    symbol: str = ""  # a whole definition or nested member, by name
    start: str = ""  # regex: a run of lines, from this one …
    end: str = ""  # … to the next that matches this one, both included
    within: str = ""  # only inside this definition
    was: tuple[str, ...] = ()  # what stood there before the commit
    count: int = 0  # how many matches there must be; 0: any number but none


@dataclass(frozen=True)
class Edit:
    """Replace the lines of `span` by `lines`; `place` is the selector that says so."""

    span: Span
    lines: tuple[str, ...]
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Hunk:
    """One hunk of older->newer without context, as line spans of both sides."""

    old: Span
    new: Span


HunkSource = Callable[[], Sequence[Hunk]]


def edits_of(cut: Cut, newer: Lines, older: Lines, hunks: HunkSource) -> list[Edit]:
    """The edits that take one cut out of the newer text.

    Raises `ManifestError` at the selector when it matches nowhere or not as often as it says.
    """
    region = _region(cut, newer)
    if cut.hunk:
        edits = _hunk_edits(cut, region, newer, older, hunks())
    elif cut.lines:
        edits = _line_edits(cut, region, newer)
    elif cut.symbol:
        edits = _symbol_edits(cut, region, newer)
    else:
        edits = _run_edits(cut, region, newer)
    if not edits or (cut.count and len(edits) != cut.count):
        wanted = str(cut.count) if cut.count else "at least one"
        raise ManifestError(
            cut.place,
            f"selector matches {len(edits)} places in {cut.path}, want {wanted}",
            hint="look at the newer drop's text and mend the pattern or `count`",
        )
    return edits


def apply_edits(lines: Lines, edits: Sequence[Edit]) -> list[str]:
    """The text with all edits made; edits that overlap are a `ManifestError`."""
    out: list[str] = []
    at = 0
    before: Edit | None = None
    for edit in sorted(edits, key=lambda e: e.span):
        if before and edit.span[0] < at:
            other = "" if before.place == edit.place else f", the other is at {before.place}"
            text = f"two selectors claim line {edit.span[0] + 1} of the newer text{other}"
            raise ManifestError(edit.place, text, hint="narrow one of them")
        out += [*lines[at : edit.span[0]], *edit.lines]
        at, before = edit.span[1], edit
    return [*out, *lines[at:]]


def demand_modest(edits: Sequence[Edit], newer: Lines, older: Lines, hunks: HunkSource) -> None:
    """Refuse an edit that takes out a line which both drops hold: it is not the feature's.

    Only lines that stand once in each drop are judged, so that the diff cannot mistake them.
    """
    here, there = Counter(newer), Counter(older)
    changed = {i for hunk in hunks() for i in range(*hunk.new)}
    for edit in edits:
        for index in sorted(set(range(*edit.span)) - changed):
            line = newer[index]
            if here[line] == there[line] == 1 and line not in edit.lines:
                text = f"takes out {line.strip()!r}, which the older drop has as well"
                raise ManifestError(edit.place, text, hint="narrow it, or say so in `was`")


def _region(cut: Cut, newer: Lines) -> Span:
    if not cut.within:
        return 0, len(newer)
    spans = locate(newer, cut.within)
    if len(spans) != 1:
        raise ManifestError(
            cut.place,
            f"{cut.path} has {len(spans)} definitions of {cut.within}, want one",
            hint="name the function, struct or enum as the newer drop has it",
        )
    return spans[0]


def _symbol_edits(cut: Cut, region: Span, newer: Lines) -> list[Edit]:
    spans = [s for s in locate(newer, cut.symbol) if region[0] <= s[0] and s[1] <= region[1]]
    spans = spans if cut.was else [_with_gap(newer, span) for span in spans]
    return [Edit(span, cut.was, cut.place) for span in spans]


def _with_gap(newer: Lines, span: Span) -> Span:
    """A definition with one of the blank lines that stand on its sides, so that one is left."""
    first, last = span
    if not first or newer[first - 1].strip():
        return span
    if last == len(newer):
        return first - 1, last
    return span if newer[last].strip() else (first, last + 1)


def _hunk_edits(
    cut: Cut, region: Span, newer: Lines, older: Lines, hunks: Sequence[Hunk]
) -> list[Edit]:
    pattern = re.compile(cut.hunk)
    edits = []
    for hunk in hunks:
        if not (region[0] <= hunk.new[0] and hunk.new[1] <= region[1]):
            continue
        changed = [*older[slice(*hunk.old)], *newer[slice(*hunk.new)]]
        if any(pattern.search(line) for line in changed):
            edits.append(Edit(hunk.new, tuple(older[slice(*hunk.old)]), cut.place))
    return edits


def _line_edits(cut: Cut, region: Span, newer: Lines) -> list[Edit]:
    pattern = re.compile(cut.lines)
    hits = [i for i in range(*region) if pattern.search(newer[i].rstrip("\n"))]
    return [Edit((i, i + 1), cut.was, cut.place) for i in hits]


def _run_edits(cut: Cut, region: Span, newer: Lines) -> list[Edit]:
    first, last = re.compile(cut.start), re.compile(cut.end)
    edits: list[Edit] = []
    index = region[0]
    while index < region[1]:
        if first.search(newer[index].rstrip("\n")):
            end = _run_end(last, index, region[1], newer)
            if end is None:
                text = f"a run begins at line {index + 1} of the newer text and no line ends it"
                raise ManifestError(cut.place, text, hint=f"no line after it matches {cut.end!r}")
            edits.append(Edit((index, end + 1), cut.was, cut.place))
            index = end
        index += 1
    return edits


def _run_end(last: re.Pattern[str], index: int, limit: int, newer: Lines) -> int | None:
    for end in range(index, limit):
        if last.search(newer[end].rstrip("\n")):
            return end
    return None


def parse_hunks(diff: str) -> list[Hunk]:
    """Read `git diff -U0` output of two blobs into line spans."""
    return [
        Hunk(_span(h.source_start, h.source_length), _span(h.target_start, h.target_length))
        for file in PatchSet(diff)
        for h in file
    ]


def _span(start: int, size: int) -> Span:
    first = start - 1 if size else start
    return first, first + size
