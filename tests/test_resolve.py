"""Rules on one path's texts: which fire, where, what they leave, and what they are charged with."""

from __future__ import annotations

from collections import Counter

import pytest
from kernelish import rule

from backport.picking.resolve import (
    PathWork,
    adapt_incoming,
    demand_fired,
    edit_merged,
    settle_regions,
    symbols_of,
)
from backport.values.conflict import Region
from backport.values.csource import split_text
from backport.values.errors import RuleError
from backport.values.rule import (
    Additive,
    Edit,
    Insert,
    Pin,
    Remove,
    Rewrite,
    Shim,
    Side,
    Substitution,
    Take,
    Verbatim,
    add_deltas,
)

THEIRS = "enum e {\n\tA,\n\tB,\n};\n\nint f(void)\n{\n\treturn new(1);\n}\n"


def work(*rules):
    return PathWork("a.c", rules)


def region(base="", ours="", theirs=""):
    return Region(*(tuple(split_text(side)) for side in (base, ours, theirs)))


def settled(the_work, *segments):
    done, left = settle_regions(the_work, segments)
    return ["".join(s) for s in done if not isinstance(s, Region)], left


# -- before the merge


def test_incoming_rules_see_each_others_work_in_file_order():
    one = rule(Rewrite((Substitution("new", "mid"),)), id="one")
    two = rule(Rewrite((Substitution("mid", "old"),)), id="two")
    three = rule(Pin((("B", 5),)), id="three", within="e")
    the_work = work(one, two, three)
    got = "".join(adapt_incoming(the_work, [], split_text(THEIRS)))
    assert got == THEIRS.replace("new(", "old(").replace("B,", "B = 5,")
    assert [a.rule.id for a in the_work.fired] == ["one", "two", "three"]
    assert [(a.added, a.removed) for a in the_work.fired] == [(1, 1)] * 3
    with pytest.raises(RuleError, match="two matches 0 places"):
        adapt_incoming(work(two, one), [], split_text(THEIRS))


def test_every_member_of_a_pin_must_be_there():
    with pytest.raises(RuleError, match=r"matches 1 places in a\.c, want 2"):
        adapt_incoming(work(rule(Pin((("B", 5), ("C", 6))))), [], split_text(THEIRS))


def test_other_rules_do_nothing_before_the_merge():
    others = work(rule(Take(Side.OURS)), rule(Remove("f")), rule(Additive()))
    assert adapt_incoming(others, [], split_text(THEIRS)) == split_text(THEIRS)
    assert others.fired == []


# -- conflicting regions


def test_take_a_side_and_change_it():
    then = (Substitution(r"^far\n", ""), Substitution(r"N(\d)", r"n\1"))
    the_work = work(rule(Take(Side.THEIRS, then)))
    conflict = region("far\n", "own\n", "far\nN1\n")
    assert settled(the_work, ("a\n",), conflict, ("z\n",)) == (["a\n", "n1\n", "z\n"], [])
    (item,) = the_work.fired
    assert item.delta == Counter({"own\n": -1, "N1\n": -1, "n1\n": 1})


def test_a_substitution_in_a_side_must_match():
    bad = rule(Take(Side.OURS, (Substitution("nowhere", ""),)))
    with pytest.raises(RuleError) as caught:
        settled(work(bad), region("b\n", "o\n", "t\n"))
    assert "rules.toml:7: rule[0]: rule the-rule: substitution 'nowhere' matches nowhere" in str(
        caught.value
    )


def test_a_region_that_becomes_empty():
    the_work = work(rule(Take(Side.OURS)))
    assert settled(the_work, ("a\n",), region("b\n", "", "t\n"), ()) == (["a\n", "", ""], [])


FOREIGN = region("near\n}\nold\n", "old\n", "near\n}\nnew\n")  # `near` is another commit's


def owned(*rules):
    the_work = work(*rules)
    settled(the_work, (), FOREIGN, ())
    return add_deltas(*(item.delta for item in the_work.fired))


def test_their_side_owns_no_line_of_another_commit_unless_it_says_how_many():
    assert owned(rule(Take(Side.THEIRS))) == Counter({"}\n": 1})
    assert owned(rule(Take(Side.THEIRS, imports=1))) == Counter({"near\n": 1, "}\n": 1})
    drops = (Substitution(r"^near\n", ""),)
    assert owned(rule(Take(Side.THEIRS, drops))) == Counter({"}\n": 1})


def test_another_number_of_imports_is_another_text():
    with pytest.raises(RuleError, match="says that it imports 2 lines, it is 1"):
        owned(rule(Take(Side.THEIRS, imports=2)))


def test_recorded_lines_go_into_the_very_conflict_that_they_are_for():
    one, other = region("a\n", "b\n", "c\n"), region("a\n", "b\n", "d\n")
    recorded = rule(Verbatim(one.digest, ("mine\n",)))
    done, left = settle_regions(work(recorded), [("top\n",), one, ("end\n",), other, ()])
    assert done[1] == ("mine\n",) and [conflict.region for conflict in left] == [other]
    with pytest.raises(RuleError, match=r"was recorded for another conflict") as caught:
        settle_regions(work(recorded), [(), other, ()])
    assert "backport learn" in caught.value.hint


def test_an_additive_rule_is_charged_with_nothing():
    the_work = work(rule(Additive()))
    assert settled(the_work, region("far\n", "", "far\nN\n"))[0] == ["N\n"]
    assert [a.delta for a in the_work.fired] == [Counter()]
    assert the_work.placed == {"far\n", "N\n"}


def test_rules_share_a_file_by_place():
    one = rule(Take(Side.OURS), id="one", within="f")
    two = rule(Take(Side.THEIRS), id="two", has="^only here$")
    segments = (
        ("int f(void)\n", "{\n"),
        region("b\n", "o\n", "t\n"),
        ("}\n", "\n"),
        region("b\n", "only here\n", "T\n"),
        (),
    )
    the_work = work(one, two)
    done, left = settled(the_work, *segments)
    assert (done[1], done[3], left) == ("o\n", "T\n", [])
    assert the_work.places == ["a.c: f", "a.c"]


@pytest.mark.parametrize("pattern", ["base", "mine", "^theirs$"])
def test_has_sees_all_three_sides(pattern):
    the_work = work(rule(Take(Side.OURS), has=pattern))
    assert settled(the_work, region("base\n", "mine\n", "theirs\n"))[0] == ["mine\n"]


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_within_is_the_definition_on_either_side(side):
    heads = {"ours": "int old(void)\n{\n", "theirs": "int new(void)\n{\n"}
    conflict = region("", heads["ours"], heads["theirs"])
    name = {"ours": "old", "theirs": "new"}[side]
    the_work = work(rule(Take(Side.OURS), within=name))
    assert settled(the_work, conflict, ("}\n",))[1] == []


def test_symbols_are_each_sides_own():
    head, tail = ("int f(void)\n", "{\n"), ("}\n",)
    assert symbols_of([head, region("", "\to();\n", "\tt();\n"), tail], 1) == ("f", "f")
    heads = region("int g(void)\n{\n", "int f(void)\n{\n", "int h(void)\n{\n")
    assert symbols_of([(), heads, ("\ta();\n", "}\n")], 1) == ("f", "h")


def test_symbols_at_file_level_and_where_a_side_is_empty():
    assert symbols_of([(), region("a\n"), ()], 1) == ("", "")
    head, tail = ("int f(void)\n", "{\n"), ("}\n",)
    assert symbols_of([head, region("\tb();\n", "", "\tt();\n"), tail], 1) == ("f", "f")


def test_what_no_rule_settles_comes_back_with_its_place():
    conflict = region("b\n", "o\n", "t\n")
    the_work = work()
    done, left = settle_regions(the_work, [("int f(void)\n", "{\n"), conflict, ("}\n",)])
    assert done[1] is conflict
    assert [(c.path, c.symbol, c.region) for c in left] == [("a.c", "f", conflict)]
    assert the_work.fired == []


def test_one_rule_for_several_regions():
    segments = (region("b\n", "o\n", "t\n"), ("x\n",), region("b\n", "o2\n", "t2\n"))
    for count in (0, 2):
        assert settled(work(rule(Take(Side.OURS), count=count)), *segments)[0] == [
            "o\n",
            "x\n",
            "o2\n",
        ]
    with pytest.raises(RuleError, match=r"matches 2 places in a\.c, want 3"):
        settled(work(rule(Take(Side.OURS), count=3)), *segments)


# -- after the merge


def test_merged_rules_work_in_file_order_and_are_charged():
    rules = (
        rule(Remove("f"), id="one"),
        rule(Insert("^};$", ("int g;\n",)), id="two"),
        rule(Edit(Substitution("int g", "long g")), id="three"),
        rule(Shim("e", "nowhere", ("x\n",)), id="four"),
    )
    the_work = work(*rules)
    got = "".join(edit_merged(the_work, split_text(THEIRS)))
    assert got == "enum e {\n\tA,\n\tB,\n};\nlong g;\n"
    assert [(a.rule.id, a.added, a.removed) for a in the_work.fired] == [
        ("one", 0, 5),
        ("two", 1, 0),
        ("three", 1, 1),
        ("four", 0, 0),
    ]
    assert {"int g;\n", "long g;\n"} <= the_work.placed


# -- rules without work


def test_a_rule_that_had_nothing_to_do():
    idle = rule(Take(Side.OURS), id="idle")
    the_work = work(idle)
    with pytest.raises(RuleError, match=r"rule idle matches 0 places in a\.c, want 1"):
        demand_fired(the_work)
    the_work.record(idle, ["a\n"], ["a\n"])
    demand_fired(the_work)
