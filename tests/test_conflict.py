"""Conflicts as values: markers in, segments out, and back into an editor's text."""

from __future__ import annotations

import pytest
from kernelish import make_tree

from backport.doors.git import Git
from backport.values.conflict import Region, parse_markers, render, unended, unrendered
from backport.values.csource import split_text
from backport.values.gitformat import MARKER_SIZE

OURS, BASE, THEIRS, END = (sign * MARKER_SIZE for sign in "<|=>")


def marked(ours, base, theirs, *, eol="\n"):
    """A conflict as merge-tree writes it."""
    return f"{OURS} aaa{eol}{ours}{BASE} bbb{eol}{base}{THEIRS}{eol}{theirs}{END} ccc{eol}"


def parse(text):
    return parse_markers(split_text(text))


def test_text_without_markers_is_one_segment():
    assert parse("a\nb\n") == [("a\n", "b\n")]
    assert parse("") == [()]


def test_regions_between_clean_text():
    got = parse("a\n" + marked("o\n", "", "t\n") + "b\n" + marked("", "x\n", ""))
    assert got == [
        ("a\n",),
        Region((), ("o\n",), ("t\n",)),
        ("b\n",),
        Region(("x\n",), (), ()),
        (),
    ]
    assert got[1].text == "o\nt\n"


@pytest.mark.parametrize("line", ["=======\n", "<<<<<<< HEAD\n", ">>>>>>> x\n", "||||||| y\n"])
def test_short_marks_are_text(line):
    """Headings in documents are underlined just so."""
    assert parse(line) == [(line,)]
    assert parse(marked(line, line, line)) == [(), Region((line,), (line,), (line,)), ()]


def test_markers_of_a_crlf_file():
    got = parse("a\r\n" + marked("o\r\n", "b\r\n", "t\r\n", eol="\r\n"))
    assert got[1] == Region(("b\r\n",), ("o\r\n",), ("t\r\n",))


@pytest.mark.parametrize("cut", [1, 2, 4, 6])
def test_an_open_conflict_is_refused(cut):
    lines = split_text(marked("o\n", "b\n", "t\n"))[:cut]
    with pytest.raises(ValueError, match="not closed"):
        parse_markers(lines)


# -- the last line


def test_a_line_feed_that_the_merge_added_is_taken_off():
    segments = parse("a\n" + marked("o\n", "b\n", "t\n"))
    got = unended(segments, base=["a\n", "b"], ours=["a\n", "o\n"], theirs=["a\n", "t"])
    assert got == [("a\n",), Region(("b",), ("o\n",), ("t",)), ()]


def test_only_a_region_at_the_end_of_the_file_is_touched():
    segments = parse(marked("o\n", "b\n", "t\n") + "a\n")
    assert unended(segments, ["b"], ["o"], ["t"]) == segments
    segments = parse("a\n" + marked("o\n", "", "t\n"))
    assert unended(segments, ["a\n"], ["o"], [])[1] == Region((), ("o",), ("t\n",))
    assert unended([("a\n",)], ["a"], ["a"], ["a"]) == [("a\n",)]


# -- for a person


def test_render_shows_the_three_sides_with_gits_markers():
    assert "".join(render([("a\n",), Region(("b\n",), ("o\n",), ("t",)), ("z\n",)])) == (
        "a\n<<<<<<< target\no\n||||||| upstream before\nb\n=======\nt\n>>>>>>> upstream after\nz\n"
    )


def test_render_of_settled_text_is_that_text():
    assert render([("a\n",), ("b",)]) == ["a\n", "b"]


# -- against git itself

HEADING = "Docks\n=======\n\nOld text.\n"


@pytest.mark.parametrize(
    "base,ours,theirs",
    [
        (HEADING, HEADING.replace("Docks", "Bays"), HEADING.replace("Docks", "Piers")),
        ("a\r\nb\r\nc\r\n", "a\r\no\r\nc\r\n", "a\r\nt\r\nc\r\n"),
        ("a\nb", "a\no", "a\nt"),
        ("a\nb", "a\no", "a\nt\n"),
        ("a\n\x0cb\u2028\n", "a\n\x0co\x0b\n", "a\n\x0ct\u0085\n"),
    ],
)
def test_what_git_merges_reads_back_as_the_three_sides(tmp_path, base, ours, theirs):
    git = Git.init_bare(tmp_path / "s")
    merged = git.merge_trees(*(make_tree(git, {"f": side}) for side in (base, ours, theirs)))
    sides = [split_text(side) for side in (base, ours, theirs)]
    text = git.read(merged.tree, "f").decode()
    segments = unended(parse(text), *sides)
    regions = [s for s in segments if isinstance(s, Region)]
    assert len(regions) == 1
    for name, whole in zip(("base", "ours", "theirs"), (base, ours, theirs), strict=True):
        flat = [ln for s in segments for ln in (getattr(s, name) if s in regions else s)]
        assert "".join(flat) == whole


def test_what_was_rendered_is_read_back_into_its_segments():
    one, two = Region(("a\n",), ("b\n",), ("c\n",)), Region((), ("x\n",), ())
    segments = [("top\n",), one, ("<<<<<<< own text\n", "middle\n"), two, ()]
    assert unrendered(render(segments), [one, two]) == segments
    assert unrendered(["plain\n"], []) == [("plain\n",)]
