"""A file that the target does not have: its change goes elsewhere, or it is a conflict."""

from __future__ import annotations

import pytest
from kernelish import Bench, rule

from backport.picking.pick import Outcome
from backport.values.conflict import Kind
from backport.values.errors import RuleError
from backport.values.rule import Absent, Insert

BASE = {"sub/Kconfig": "config DOCK\n\tbool\n"}
OURS = {"init/Kconfig": "config DOCK\n\tbool\n\nconfig OTHER\n\tbool\n"}
THEIRS = {"sub/Kconfig": "config DOCK\n\tbool\n\tselect DOOR\n"}

MOVED = rule(Absent("init/Kconfig"), id="moved", paths=("sub/Kconfig",))
PUT = rule(
    Insert(r"^\tbool$", ("\tselect DOOR\n",)), id="put", paths=("init/Kconfig",), within="DOCK"
)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_without_a_rule_it_is_a_conflict(bench):
    got = bench.pick(BASE, OURS, THEIRS)
    assert got.outcome is Outcome.CONFLICT
    assert [c.kind for c in got.conflicts] == [Kind.DELETED_HERE]


def test_the_change_goes_where_another_rule_puts_it(bench):
    got = bench.pick(BASE, OURS, THEIRS, MOVED, PUT)
    assert got.outcome is Outcome.RESOLVED
    assert bench.read(got, "init/Kconfig").decode() == OURS["init/Kconfig"].replace(
        "DOCK\n\tbool\n", "DOCK\n\tbool\n\tselect DOOR\n"
    )
    assert bench.git.entry(got.tree, "sub/Kconfig") is None
    assert got.unaccounted == ()
    assert {a.rule.id for a in got.adaptations} == {"moved", "put"}


def test_a_place_that_no_rule_changes_is_refused(bench):
    with pytest.raises(RuleError, match="no other rule of this commit changes init/Kconfig"):
        bench.pick(BASE, OURS, THEIRS, MOVED)


def test_a_target_that_has_the_file_makes_the_rule_an_error(bench):
    with pytest.raises(RuleError, match="moved matches 0 places"):
        bench.pick(BASE, {**OURS, **BASE}, THEIRS, MOVED, PUT)
