"""Stretches of a file's lines, followed through the changes that were made to the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backport.values.linediff import Delta


@dataclass(frozen=True)
class Span:
    """Lines `[start, end)` of one version of a file, from 0. A change in it, or at an empty place
    inside it, meets it; one that only touches its end does not."""

    start: int
    end: int


def around(hunks: Sequence[Delta], margin: int) -> list[Span]:
    """The old lines of hunks with so many lines on both sides: those that a merge depends on."""
    return _joined([Span(max(-1, one.a1 - margin), one.a2 + margin) for one in hunks])


def meeting(hunks: Sequence[Delta], others: Sequence[Delta]) -> list[Delta]:
    """Those hunks that, for git, conflict with changes of the same old lines: they overlap or
    touch."""
    return [one for one in hunks if any(o.a1 <= one.a2 and one.a1 <= o.a2 for o in others)]


def touched(spans: Sequence[Span], hunks: Sequence[Delta]) -> bool:
    """Whether the new lines of any hunk are in a span."""
    return any(_is_in(one, span) for one in hunks for span in spans)


def before(spans: Sequence[Span], hunks: Sequence[Delta]) -> list[Span]:
    """The same spans in the version before these hunks; what a hunk replaced counts whole."""
    return _joined([_before(span, hunks) for span in spans])


def _is_in(hunk: Delta, span: Span) -> bool:
    if hunk.b1 == hunk.b2:
        return span.start < hunk.b1 < span.end
    return hunk.b1 < span.end and span.start < hunk.b2


def _before(span: Span, hunks: Sequence[Delta]) -> Span:
    low, high = span.start, span.end
    for hunk in hunks:
        shift = (hunk.a2 - hunk.a1) - (hunk.b2 - hunk.b1)
        if _is_in(hunk, span):
            low = min(low, hunk.a1)
            high = hunk.a2 if hunk.b2 > span.end else high + shift
        elif hunk.b2 <= span.start:
            low, high = low + shift, high + shift
    return Span(low, max(low + 1, high))


def _joined(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found
