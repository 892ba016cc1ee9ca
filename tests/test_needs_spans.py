"""Spans of lines, followed through changes."""

from __future__ import annotations

import pytest

from backport.needs.spans import Span, around, before, meeting, touched
from backport.values.linediff import Delta


@pytest.mark.parametrize(
    ("hunk", "span"),
    [
        (Delta(4, 4, 2, 5), Span(1, 3)),  # its lines overlap
        (Delta(4, 6, 2, 2), Span(1, 3)),  # it takes out lines between two of the span
    ],
)
def test_a_change_inside_meets_a_span(hunk, span):
    assert touched([span], [hunk])


@pytest.mark.parametrize("hunk", [Delta(4, 4, 3, 5), Delta(4, 6, 3, 3), Delta(0, 1, 0, 1)])
def test_a_change_that_touches_an_end_does_not(hunk):
    assert not touched([Span(1, 3)], [hunk])


@pytest.mark.parametrize(
    ("hunks", "expected"),
    [
        ([], Span(10, 12)),
        ([Delta(0, 0, 0, 3)], Span(7, 9)),  # three lines came above
        ([Delta(0, 5, 0, 1)], Span(14, 16)),  # four went above
        ([Delta(20, 21, 12, 30)], Span(10, 12)),  # below
        ([Delta(10, 14, 10, 11)], Span(10, 15)),  # inside: what was there counts whole
        ([Delta(5, 25, 5, 30)], Span(5, 25)),  # it is larger than the span
        (
            [Delta(0, 0, 0, 3), Delta(8, 9, 11, 13)],
            Span(7, 9),
        ),  # both above and inside, over an end
    ],
)
def test_a_span_is_found_in_the_version_before(hunks, expected):
    assert before([Span(10, 12)], hunks) == [expected]


def test_spans_that_a_change_brings_together_are_one():
    assert before([Span(1, 3), Span(6, 8)], [Delta(2, 3, 2, 7)]) == [Span(1, 4)]


def test_what_a_merge_depends_on_is_one_line_more_on_both_sides():
    assert around([Delta(4, 6, 4, 4), Delta(0, 0, 9, 9)], 1) == [Span(-1, 1), Span(3, 7)]


def test_hunks_conflict_where_they_overlap_or_touch():
    mine = [Delta(0, 1, 0, 1), Delta(5, 5, 5, 9), Delta(20, 22, 20, 20)]
    assert meeting(mine, [Delta(3, 5, 3, 3), Delta(23, 24, 0, 0)]) == [mine[1]]
