"""Selectors on a newer text: what they take out, what they put there, and when they refuse."""

from __future__ import annotations

import difflib

import pytest

from backport.readers.cut import Cut, Edit, Hunk, apply_edits, demand_modest, edits_of, parse_hunks
from backport.values.csource import split_text
from backport.values.errors import ManifestError, Place

HERE = Place("snapshot.toml", 12, "commit[0].cut[0]")
THERE = Place("snapshot.toml", 20, "commit[0].cut[1]")

OLDER = """\
#include <a.h>

struct dock {
	int a;
	int old;
	int z;
};

int f(void)
{
	return 1;
}

int last(void)
{
	return old;
}
"""
NEWER = """\
#include <a.h>
#include <dock.h>

struct dock {
	int a;
	int berth;
	int other;
	int z;
};

int f(void)
{
	return 1;
}

int g(void)
{
	dock_begin();
	work();
	dock_end();
	dock_begin();
	dock_end();
	return 2;
}

int last(void)
{
	return other;
}
"""


def hunks(older=OLDER, newer=NEWER):
    matcher = difflib.SequenceMatcher(None, split_text(older), split_text(newer), autojunk=False)
    return [
        Hunk((a1, a2), (b1, b2)) for tag, a1, a2, b1, b2 in matcher.get_opcodes() if tag != "equal"
    ]


def edits(newer=NEWER, older=OLDER, **selector):
    cut = Cut(HERE, "a.c", **selector)
    return edits_of(cut, split_text(newer), split_text(older), lambda: hunks(older, newer))


def cut(newer=NEWER, older=OLDER, **selector):
    """The newer text without what a selector names."""
    return "".join(apply_edits(split_text(newer), edits(newer, older, **selector)))


# -- lines


def test_lines():
    assert cut(lines=r"<dock\.h>$") == NEWER.replace("#include <dock.h>\n", "")


def test_lines_with_what_was_there():
    got = cut(lines="berth", was=("\tint old;\n", "\tint older;\n"))
    assert got == NEWER.replace("\tint berth;\n", "\tint old;\n\tint older;\n")


def test_lines_within():
    assert cut(lines="other", within="dock") == NEWER.replace("\tint other;\n", "")
    assert len(edits(lines="other")) == 2


# -- hunks


def test_hunks_put_back_what_the_older_drop_had():
    assert cut(hunk="dock_begin") == NEWER.replace(NEWER[NEWER.index("int g(") :], "") + (
        "int last(void)\n{\n\treturn other;\n}\n"
    )
    assert cut(hunk="int old|int berth") == NEWER.replace(
        "\tint berth;\n\tint other;\n", "\tint old;\n"
    )


def test_a_pattern_matches_removed_lines_too():
    assert cut(hunk=r"^\treturn old") == NEWER.replace("return other", "return old")


def test_hunks_within_a_definition_only():
    assert len(edits(hunk=".")) == 4
    assert [e.span for e in edits(hunk=".", within="dock")] == [(5, 7)]


def test_a_hunk_that_reaches_out_of_the_definition_is_not_within_it():
    newer = "int f(void)\n{\n\tx();\n}\nint y;\n"
    older = "int f(void)\n{\n}\n"
    with pytest.raises(ManifestError, match="matches 0 places"):
        edits(newer, older, hunk="int y", within="f")


def test_a_removal_inside_a_definition_is_within_it():
    newer, older = "int f(void)\n{\n}\nint z;\n", "int f(void)\n{\n\told();\n}\nint z;\n"
    assert cut(newer, older, hunk="old", within="f") == older


# -- symbols


def test_a_symbol_goes_with_the_blank_line_behind_it():
    start = NEWER.index("int g(")
    assert cut(symbol="g") == NEWER[:start] + NEWER[NEWER.index("int last") :]


def test_a_symbol_that_was_another_keeps_the_blank_lines():
    got = cut(symbol="f", was=("int f(void)\n", "{\n", "}\n"))
    assert got == NEWER.replace("int f(void)\n{\n\treturn 1;\n}\n", "int f(void)\n{\n}\n")


def test_a_symbol_at_the_end_goes_with_the_blank_line_before_it():
    assert cut(symbol="last") == NEWER[: NEWER.index("\nint last")]


def test_a_nested_symbol_and_within():
    text = "union u {\n\tstruct {\n\t\tint a;\n\t} x;\n};\nunion v {\n\tstruct {\n\t} x;\n};\n"
    assert cut(text, symbol="u/x") == text.replace("\tstruct {\n\t\tint a;\n\t} x;\n", "", 1)
    two = "#if A\nint f(void)\n{\n}\n#else\nint f(void)\n{\n}\n#endif\n"
    assert len(edits(two, symbol="f")) == 2
    with pytest.raises(ManifestError, match="matches 0 places"):
        edits(symbol="g", within="f")


# -- runs


def test_runs_from_one_line_to_another():
    got = cut(start="dock_begin", end="dock_end")
    assert got == NEWER.replace(
        "\tdock_begin();\n\twork();\n\tdock_end();\n\tdock_begin();\n\tdock_end();\n", ""
    )
    assert len(edits(start="dock_begin", end="dock_end")) == 2


def test_a_run_of_one_line():
    assert cut(start="work", end="work", was=("\tx;\n",)) == NEWER.replace("\twork();\n", "\tx;\n")


def test_a_run_that_nothing_ends():
    with pytest.raises(ManifestError) as caught:
        edits(start="dock_begin", end="never")
    assert caught.value.place == HERE
    assert "a run begins at line 18 of the newer text and no line ends it" in str(caught.value)


def test_a_run_ends_within_its_definition():
    with pytest.raises(ManifestError, match="no line ends it"):
        edits(start="return 1", end="return 2", within="f")


# -- how often


@pytest.mark.parametrize(
    "selector",
    [{"lines": "never"}, {"hunk": "never"}, {"symbol": "never"}, {"start": "never", "end": "x"}],
)
@pytest.mark.parametrize("count,wanted", [(0, "at least one"), (2, "2")])
def test_a_selector_that_matches_nowhere(selector, count, wanted):
    with pytest.raises(ManifestError) as caught:
        edits(**selector, count=count)
    assert str(caught.value) == (
        f"snapshot.toml:12: commit[0].cut[0]: selector matches 0 places in a.c, want {wanted}"
    )
    assert caught.value.hint


def test_a_selector_that_matches_too_often():
    assert len(edits(lines="dock_begin", count=2)) == 2
    with pytest.raises(ManifestError, match=r"matches 2 places in a\.c, want 1"):
        edits(lines="dock_begin", count=1)


@pytest.mark.parametrize("name,found", [("never", 0), ("h", 2)])
def test_within_must_be_one_definition(name, found):
    text = NEWER + "#if A\nint h(void)\n{\n}\n#else\nint h(void)\n{\n}\n#endif\n"
    with pytest.raises(ManifestError, match=rf"a\.c has {found} definitions of {name}, want one"):
        edits(text, lines="a", within=name)


# -- what the older drop has as well


@pytest.mark.parametrize(
    "selector,line",
    [
        ({"symbol": "f"}, "int f(void)"),
        ({"lines": "int z;"}, "int z;"),
        ({"start": "berth", "end": "int z"}, "int z;"),
    ],
)
def test_a_line_of_both_drops_is_not_the_features(selector, line):
    found = edits(**selector)
    with pytest.raises(ManifestError) as caught:
        demand_modest(found, split_text(NEWER), split_text(OLDER), hunks)
    assert caught.value.place == HERE
    assert f"takes out {line!r}, which the older drop has as well" in str(caught.value)


@pytest.mark.parametrize(
    "selector",
    [
        {"symbol": "g"},
        {"lines": "berth"},
        {"hunk": "."},
        {"start": "berth", "end": "int z", "was": ("\tint z;\n",)},
    ],
)
def test_what_is_new_or_put_back_may_go(selector):
    demand_modest(edits(**selector), split_text(NEWER), split_text(OLDER), hunks)


# -- applying


def test_edits_in_any_order():
    two = [Edit((2, 3), ("X\n",), HERE), Edit((0, 1), (), HERE), Edit((1, 1), ("n\n",), HERE)]
    assert apply_edits(["a\n", "b\n", "c\n", "d\n"], two) == ["n\n", "b\n", "X\n", "d\n"]
    assert apply_edits(["a\n"], []) == ["a\n"]


def test_edits_that_overlap_name_both_selectors():
    two = [Edit((0, 2), (), HERE), Edit((1, 3), (), THERE)]
    with pytest.raises(ManifestError) as caught:
        apply_edits(["a\n"] * 4, two)
    assert caught.value.place == THERE
    assert "two selectors claim line 2" in str(caught.value)
    assert str(HERE) in str(caught.value)


def test_one_selector_that_overlaps_itself():
    text = "union u {\n\tstruct {\n\t\tstruct {\n\t\t} x;\n\t} x;\n};\n"
    with pytest.raises(ManifestError, match=r"12: .*two selectors claim line 3 of the newer text$"):
        cut(text, symbol="u/x", count=2)


# -- git's hunks


def test_hunks_are_read_from_a_diff():
    diff = """\
diff --git a/x b/y
--- a/x
+++ b/y
@@ -3 +3,2 @@ int f(void)
-@@ -9 +9 @@
+ @@ -8,1 +8 @@
+x
@@ -5,2 +6,0 @@
-a
-b
@@ -0,0 +1,3 @@
+a
+b
+c
\\ No newline at end of file
"""
    assert parse_hunks(diff) == [
        Hunk((2, 3), (2, 4)),
        Hunk((4, 6), (6, 6)),
        Hunk((0, 0), (0, 3)),
    ]
    assert parse_hunks("") == []
