"""Which rule owns which row: exact where the lines tell it, said to be open where they do not."""

from __future__ import annotations

from collections import Counter

from kernelish import rule

from backport.advice.ownership import Known, Owner, Settled, Tie, drift, owners, settled_by
from backport.values.csource import split_text
from backport.values.rule import Adaptation, Edit, Substitution, line_delta
from backport.values.sidebyside import diff_lines, side_by_side

ACTION = Edit(Substitution("a", "b"))


def rows_of(base, theirs, ours, result):
    sides = ((base, theirs), (ours, result))
    return side_by_side(*(diff_lines(split_text(a), split_text(b)) for a, b in sides))


def fired(name, came="", went=""):
    delta = line_delta(split_text(went), split_text(came))
    return Adaptation(rule(ACTION, id=name), "a.c", delta)


def told(rows, known):
    """(upstream's line, the backport's, tie, rules) of each row that is not as upstream has it."""
    return [
        (row.left and row.left.key, row.right and row.right.key, owner.tie, owner.rules)
        for row, owner in zip(rows, owners(rows, known), strict=True)
        if owner.tie is not Tie.UPSTREAM
    ]


def test_a_rewritten_line_is_its_rules_on_both_sides():
    rows = rows_of("x\n", "x\nnew(a);\n", "x\n", "x\nnew(a, b);\n")
    known = Known((fired("args", "new(a, b);\n", "new(a);\n"),))
    assert told(rows, known) == [("+new(a);", "+new(a, b);", Tie.RULE, ("args",))]


def test_a_line_that_a_rule_keeps_is_owned_although_only_upstream_removes_it():
    rows = rows_of("x\nold\n", "x\n", "x\nold\n", "x\nold\n")
    known = Known((fired("keep", "old\n"),))
    assert ("-old", None, Tie.RULE, ("keep",)) in told(rows, known)


def test_without_a_rule_a_difference_is_nobodys():
    rows = rows_of("x\n", "x\nlost\n", "x\n", "x\nforeign thing\n")
    ties = {tie for *_, tie, _ in told(rows, Known())}
    assert ties == {Tie.NOBODY}


def test_a_rule_owns_no_more_lines_than_it_made():
    rows = rows_of("x\n", "x\n", "x\n", "x\nsame\nsame\n")
    found = told(rows, Known((fired("one", "same\n"),)))
    assert sorted(tie for *_, tie, _ in found if tie is not Tie.CONTEXT) == [Tie.RULE, Tie.NOBODY]


def test_a_line_of_two_rules_goes_to_the_one_that_owns_its_neighbours():
    base = "".join(f"{n}\n" for n in range(20))
    ours = base.replace("\n3\n", "\n3\nalpha\n}\n").replace("15\n", "15\nbeta\n}\n")
    rows = rows_of(base, base, base, ours)
    known = Known((fired("b", "beta\n}\n"), fired("a", "alpha\n}\n")))
    found = [(right, rules) for _, right, tie, rules in told(rows, known) if tie is Tie.RULE]
    assert found == [("+alpha", ("a",)), ("+}", ("a",)), ("+beta", ("b",)), ("+}", ("b",))]


def test_what_cannot_be_told_apart_is_said_to_be_of_either():
    rows = rows_of("x\n", "x\n", "x\n", "x\n}\n")
    found = told(rows, Known((fired("a", "}\n"), fired("b", "}\n"))))
    assert found[-1] == (None, "+}", Tie.EITHER, ("a", "b"))


def test_a_line_in_another_place_cancels_out():
    base = "".join(f"{n}\n" for n in range(20))
    theirs = base.replace("\n3\n", "\n3\nhere\nstay\n")
    result = base.replace("\n3\n", "\n3\nstay\nhere\n")
    rows = rows_of(base, theirs, base, result)
    found = [one for one in told(rows, Known()) if one[2] is Tie.MOVED]
    assert sorted(map(str, found)) == sorted(
        map(str, [("+here", None, Tie.MOVED, ()), (None, "+here", Tie.MOVED, ())])
    )
    put = Known(settled=(Settled("place", ("here\n",), ()),))
    assert {rules for *_, tie, rules in told(rows, put) if tie is Tie.MOVED} == {("place",)}


def test_what_the_target_has_already_needs_no_rule_and_only_as_often_as_it_has_it():
    base, theirs, ours = "x\n", "x\nnew\nnew\n", "x\nnew\n"
    rows = rows_of(base, theirs, ours, ours)
    known = Known(drift=drift(split_text(base), split_text(ours)))
    ties = Counter(tie for *_, tie, _ in told(rows, known))
    assert (ties[Tie.THERE], ties[Tie.NOBODY]) == (1, 1)


def test_lines_of_a_settled_conflict_are_upstreams_put_here_by_the_rule():
    rows = rows_of("a\n", "a\nnew\nmore\n", "b\n", "b\nnew\nmore\n")
    settled = settled_by("place", split_text("a\n"), split_text("a\nnew\nmore\n"))
    assert settled == Settled("place", ("new\n", "more\n"), ())
    found = [(right, tie) for _, right, tie, _ in told(rows, Known(settled=(settled,)))]
    assert found[-2:] == [("+new", Tie.PLACED), ("+more", Tie.PLACED)]


def test_surroundings_that_differ_are_no_difference_in_what_is_done():
    rows = rows_of("a\nb\n", "a\nb\nnew\n", "A\nb\n", "A\nb\nnew\n")
    assert {tie for *_, tie, _ in told(rows, Known())} == {Tie.CONTEXT}


def test_a_path_known_as_a_whole_has_one_reason_for_all_that_differs():
    rows = rows_of("x\n", "x\nnew\n", "x\n", "x\nother\n")
    for tie in (Tie.HAND, Tie.UNTOLD):
        assert owners(rows, Known(instead=tie)) == [Owner(Tie.UPSTREAM), Owner(tie)]
