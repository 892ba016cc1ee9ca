"""The ways out of a difference: what they cost, and which is the cheapest that passes."""

from __future__ import annotations

import pytest
from kernelish import BASE_C, change, make_tree, rule

from backport.advice.explain import Explained, Explanation, Settled
from backport.advice.remedies import (
    Advice,
    Means,
    Remedy,
    adapt,
    advise,
    chosen_of,
    drop,
    later_of,
    needs_of,
    shim,
)
from backport.doors.git import Git
from backport.gates.credit import By
from backport.gates.definitions import Defined
from backport.picking.lacks import Lack
from backport.readers.identifiers import Kind
from backport.values.rule import Insert, Rewrite, Shim, Substitution

REWRITE = rule(Rewrite((Substitution("a", "b"),)), id="renamed")
USED = "\treturn dock_newer(dock);\n"


@pytest.fixture
def git(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


@pytest.fixture
def later(git):
    """A series whose second commit changes a line of the first, and uses what that defines."""
    one = BASE_C.replace(
        "static int dock_count;\n", "static int dock_count;\nint dock_all(void);\n"
    )
    two = one.replace("int dock_all(void);\n", "int dock_all(void); /* all */\n").replace(
        "\treturn 0;\n", "\treturn dock_all();\n"
    )
    trees = [make_tree(git, {"a.c": text}) for text in (BASE_C, one, two)]
    return later_of(git, [change(git, *trees[:2]), change(git, *trees[1:])])


def explanation(**more):
    return Explanation("1" * 12, "dock: Open", "a.c", "", **{"kind": "both sides", **more})


def told(*items, objections=()):
    return Explained("mini", "linux-6.1", items, objections, 0)


def lacking(by=None, source="", near=None):
    lack = Lack("dock_newer", Kind.CALL, "a.c", 3, USED, 0, by, source, near)
    return Explanation("1" * 12, "dock: Open", "a.c", "", "", lack=lack)


# -- adapt


def test_a_rule_costs_the_lines_that_it_adds(later):
    item = explanation(settled=Settled(REWRITE, ("x\n", "y\n"), ("z\n",)))
    found = adapt(told(item), item, later)
    assert (found.cost, found.passes, found.chosen) == ({"lines": 2}, True, True)


def test_a_rule_that_a_gate_objects_to_does_not_pass(later):
    item = explanation(settled=Settled(REWRITE, ("x\n",), ()))
    found = adapt(told(item, objections=("a.c: lost x1: 'z'", "b.c: other")), item, later)
    assert found.passes is False and "a.c: lost x1" in found.why
    assert adapt(told(item, objections=("b.c: other",)), item, later).passes


@pytest.mark.parametrize(
    ("skeleton", "cost", "passes"),
    [
        ('additive = "line"\n', {"lines": 0}, True),
        ('additive = "line"\nat = "end"\n', {"at_most": 2}, None),  # a person must look
        ('take = "theirs"\n', {"at_most": 2}, None),
        ("", {"at_most": 2}, None),
    ],
)
def test_without_a_rule_only_an_additive_one_can_be_counted(later, skeleton, cost, passes):
    item = explanation(added=("x\n", "y\n"), skeleton=skeleton)
    found = adapt(told(item), item, later)
    assert (found.cost, found.passes, found.chosen) == (cost, passes, False)


def test_a_rule_that_bridges_two_names_says_so(later):
    item = lacking(By.RULE, "renamed")
    place = explanation(settled=Settled(REWRITE, ("x\n",), (USED,)))
    found = adapt(told(place, item, lacking(By.RULE, "renamed")), item, later)
    assert found.cost == {"lines": 1, "names": 2}


@pytest.mark.parametrize(
    ("action", "added", "dropped", "means"),
    [
        (REWRITE.action, ("x\n",), ("y\n",), Means.ADAPT),
        (REWRITE.action, (), ("y\n",), Means.DROP),
        (REWRITE.action, (), (), Means.ADAPT),
        (Insert("^x", ("y\n",)), ("y\n",), (), Means.ADAPT),
        (Shim("x", "^y", ("z\n",)), ("z\n",), (), Means.SHIM),
    ],
)
def test_which_way_a_rule_goes(action, added, dropped, means):
    assert chosen_of(explanation(), Settled(rule(action), added, dropped)) is means


def test_a_name_of_the_series_is_taken_and_a_gap_has_no_way_yet():
    assert chosen_of(lacking(By.COMMIT, "2" * 12), None) is Means.TAKE
    assert chosen_of(lacking(), None) is None


# -- shim


def defined(text, path="include/linux/dock.h", whole=True):
    return Defined("dock_newer", path, 1, tuple(text.splitlines(keepends=True)), whole)


BASE = {"include/linux/dock.h": "struct dock {\n\tint count;\n};\nint dock_run(struct dock *d);\n"}
BODY = "static inline int dock_newer(struct dock *dock)\n{{\n\treturn {};\n}}\n"


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        ("dock_run(dock)", ()),
        ("dock->count", ()),
        ("dock_newest(dock)", ("dock_newest",)),
        ("dock->length + dock->inner.count", (".length", ".inner")),
        ("DOCK_NEWEST", ("DOCK_NEWEST",)),
    ],
)
def test_what_a_definition_itself_needs(git, body, needs):
    item = lacking(near=defined(BODY.format(body)))
    found = needs_of(git, make_tree(git, BASE), [item])
    assert found == {"dock_newer": needs}
    way = shim(told(item), item, found)
    assert way.cost == {"lines": 4, "needs": len(needs)} and way.passes is (not needs)


@pytest.mark.parametrize(
    ("near", "cost", "why"),
    [
        (None, {}, "no line of upstream's looks like the definition"),
        (defined("int x;\n", whole=False), {"at_least": 1}, "only declares it"),
    ],
)
def test_a_shim_that_nobody_can_count(near, cost, why):
    item = lacking(near=near)
    found = shim(told(item), item, {})
    assert found.cost == cost and found.passes is None and why in found.why


def test_a_function_of_a_source_file_belongs_there():
    item = lacking(near=defined("int x;\n", path="net/core/dev.c"))
    assert shim(told(item), item, {}).why.endswith(
        "it stands beside what it calls in net/core/dev.c"
    )


def test_where_no_name_is_missing_there_is_nothing_to_define():
    item = explanation()
    assert shim(told(item), item, {}).passes is False


# -- drop


def test_a_line_that_a_later_commit_changes_cannot_go(later):
    item = explanation(added=("int dock_all(void);\n",))
    found = drop(told(item), item, later)
    assert found.cost == {"lines": 1, "later": 1, "used": 1} and found.passes is False
    again = drop(told(item), Explanation(**{**vars(item), "leg": 1}), later)
    assert again.cost["later"] == 0 and "the series uses what they define: dock_all" in again.why


def test_a_line_that_nobody_needs_is_no_gates_matter(later):
    found = drop(told(), explanation(kind="", added=("\tdock_note(dock);\n",)), later)
    assert found.passes is None and found.cost["lines"] == 1


# -- which is the cheapest


def way(means, lines, passes=True, **more):
    return Remedy(Means(means), {"lines": lines}, passes, "because", **more)


@pytest.mark.parametrize(
    ("ways", "means", "reason"),
    [
        ([way("take", 3), way("adapt", 2)], "adapt", "2 lines, because"),
        ([way("take", 1), way("adapt", 2, False)], "take", "1 line, because"),
        ([way("take", 2), way("shim", 2), way("adapt", 2)], "adapt", "2 lines, because"),
        ([way("take", 2, chosen=True), way("shim", 2)], "take", "2 lines, because"),
        (
            [way("take", 5), way("drop", 1, None)],
            "take", "5 lines, because; whether drop is cheaper cannot be told",
        ),
        ([way("take", 5), way("drop", 6, None)], "take", "5 lines, because"),
        (
            [way("take", 5, None), way("drop", 1, False)],
            None, "no way out passes what is checked here: it cannot be told of take",
        ),
        (
            [way("take", 5, False), way("drop", 1, False)],
            None, "no way out passes what is checked here: none does",
        ),
    ],
)  # fmt: skip
def test_advice(ways, means, reason):
    assert advise(ways) == Advice(means and Means(means), reason)
