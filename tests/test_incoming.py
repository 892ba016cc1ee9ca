"""Rules on incoming lines: they touch what upstream adds, and nothing else."""

from __future__ import annotations

from backport.picking.resolvers import incoming
from backport.values.csource import split_text
from backport.values.rule import Pin, Rewrite, Substitution

BASE = """\
enum side {
	SIDE_A,
	SIDE_MAX,
};

void f(void)
{
	old_call(1);
}
"""
THEIRS = """\
enum side {
	SIDE_A,
	SIDE_B,
	SIDE_C,
	SIDE_MAX,
};

void f(void)
{
	old_call(1);
	old_call(2);
}

void g(void)
{
	old_call(3);
}
"""


def rewrite(base, theirs, *changes, within=""):
    action = Rewrite(tuple(Substitution(*change) for change in changes))
    lines, count = incoming.rewrite(split_text(base), split_text(theirs), action, within)
    assert lines == split_text("".join(lines))
    return "".join(lines), count


def pin(base, theirs, *members, within=""):
    lines, count = incoming.pin(split_text(base), split_text(theirs), Pin(members), within)
    return "".join(lines), count


def test_only_added_lines_are_rewritten():
    got, count = rewrite(BASE, THEIRS, (r"old_call\((\d)\)", r"call(\1, 0)"))
    assert count == 2
    assert got == THEIRS.replace("old_call(2)", "call(2, 0)").replace("old_call(3)", "call(3, 0)")


def test_a_new_file_is_all_added():
    assert rewrite("", THEIRS, ("old_call", "call")) == (THEIRS.replace("old_call", "call"), 3)


def test_within_a_definition():
    got, count = rewrite(BASE, THEIRS, ("old_call", "call"), within="g")
    assert (count, got) == (1, THEIRS.replace("old_call(3)", "call(3)"))
    assert rewrite(BASE, THEIRS, ("old_call", "call"), within="h") == (THEIRS, 0)


def test_lines_can_be_dropped():
    got, count = rewrite(BASE, THEIRS, (r"^\told_call\(2\);\n", ""))
    assert (count, got) == (1, THEIRS.replace("\told_call(2);\n", ""))


def test_a_pattern_never_reaches_out_of_its_run():
    assert rewrite(BASE, THEIRS, (r"old_call\(1\);\n\told_call\(2\)", "x")) == (THEIRS, 0)
    assert rewrite(BASE, THEIRS, (r"old_call\(2\);\n\}", "x"))[1] == 0


def test_several_substitutions_see_each_others_work():
    got, count = rewrite(BASE, THEIRS, (r"old_call\(2\)", "mid()"), ("mid", "last"))
    assert count == 2
    assert "\told_call(1);\n\tlast();\n" in got


def test_nothing_added_nothing_rewritten():
    assert rewrite(BASE, BASE, ("old", "new")) == (BASE, 0)


def test_pins_stand_at_their_members():
    got, count = pin(BASE, THEIRS, ("SIDE_B", 46), ("SIDE_C", 50), within="side")
    assert count == 2
    assert "\tSIDE_A,\n\tSIDE_B = 46,\n\tSIDE_C = 50,\n\tSIDE_MAX,\n" in got


def test_a_member_that_upstream_does_not_add_is_not_pinned():
    assert pin(BASE, THEIRS, ("SIDE_A", 1), ("SIDE_B", 2)) == (
        THEIRS.replace("SIDE_B,", "SIDE_B = 2,"),
        1,
    )


def test_one_member_twice_does_not_stand_for_another():
    twice = THEIRS.replace("SIDE_C,", "SIDE_B,")
    assert pin(BASE, twice, ("SIDE_B", 1), ("SIDE_C", 2))[1] == 0


def test_a_name_that_begins_alike_is_another():
    assert pin("", "enum e {\n\tSIDE_B_LONG,\n\tA_SIDE_B,\n};\n", ("SIDE_B", 1))[1] == 0
