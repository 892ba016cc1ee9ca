"""The accounting gate: every seeded fault is named, and no sound pick is."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from backport.gates.accounting import Sides, Unaccounted, account, misplaced
from backport.values.csource import split_text
from backport.values.rule import add_deltas, line_delta

BASE = """\
#include <a.h>

int open(int a)
{
	check(a);
	return 0;
}

int newer(void)
{
	return 1;
}

int run(int a)
{
	check(a);
	go(a);
	return 0;
}
"""
# Upstream adds a lock to open() and a call to run(), and drops the check in run().
THEIRS = BASE.replace("{\n\tcheck(a);\n\treturn", "{\n\tcheck(a);\n\tlock(a);\n\treturn").replace(
    "\tcheck(a);\n\tgo(a);\n", "\tgo(a);\n\tstop(a);\n"
)
# The target does not have newer(), and run() says more.
OURS = BASE.replace("int newer(void)\n{\n\treturn 1;\n}\n\n", "").replace(
    "\tgo(a);\n", "\tmore(a);\n\tgo(a);\n"
)
GOOD = OURS.replace("{\n\tcheck(a);\n\treturn", "{\n\tcheck(a);\n\tlock(a);\n\treturn").replace(
    "\tcheck(a);\n\tmore(a);\n\tgo(a);\n", "\tmore(a);\n\tgo(a);\n\tstop(a);\n"
)


def sides(base=BASE, ours=OURS, theirs=THEIRS, result=GOOD):
    return Sides("a.c", *(split_text(side) for side in (base, ours, theirs, result)))


def odd(result, *deltas, **more):
    return [str(item) for item in account(sides(result=result, **more), deltas)]


def elsewhere(result, placed=(), **more):
    return [str(item) for item in misplaced(sides(result=result, **more), set(placed))]


# -- sound picks


def test_a_sound_pick_is_accounted_for():
    assert GOOD != OURS
    assert odd(GOOD) == []
    assert elsewhere(GOOD) == []


def test_a_pick_of_nothing_and_of_new_and_deleted_files():
    assert account(Sides("a.c", [], [], [], []), []) == []
    assert account(Sides("a.c", [], [], ["x\n"], ["x\n"]), []) == []
    assert account(Sides("a.c", ["x\n"], ["x\n"], [], []), []) == []
    assert account(Sides("a.c", ["x\n"], [], [], []), []) == []


def test_what_the_target_changed_alike_need_not_change_again():
    ours = THEIRS.replace("int newer(void)\n{\n\treturn 1;\n}\n\n", "")
    assert odd(ours, ours=ours) == []
    assert elsewhere(ours, ours=ours) == []
    half = OURS.replace("\tgo(a);\n", "\tgo(a);\n\tstop(a);\n")
    done = GOOD
    assert odd(done, ours=half) == []
    assert elsewhere(done, ours=half) == []


# -- seeded faults


def test_a_dropped_hunk():
    lost = GOOD.replace("\tlock(a);\n", "")
    assert odd(lost) == ["a.c: lost x1: 'lock(a);'"]


def test_a_removal_that_did_not_happen():
    kept = GOOD.replace("\tmore(a);\n", "\tcheck(a);\n\tmore(a);\n")
    assert odd(kept) == ["a.c: foreign x1: 'check(a);'"]


def test_a_whole_change_that_is_lost():
    assert sorted(odd(OURS)) == [
        "a.c: foreign x1: 'check(a);'",
        "a.c: lost x1: 'lock(a);'",
        "a.c: lost x1: 'stop(a);'",
    ]


def test_a_foreign_function_that_a_merge_brings_from_upstreams_context():
    brought = GOOD.replace("int run(", "int newer(void)\n{\n\treturn 1;\n}\n\nint run(")
    found = odd(brought)
    assert "a.c: foreign x1: 'int newer(void)'" in found
    assert "a.c: foreign x1: 'return 1;'" in found
    assert len(found) == 5


def test_a_doubled_line():
    doubled = GOOD.replace("\tlock(a);\n", "\tlock(a);\n\tlock(a);\n")
    assert odd(doubled) == ["a.c: foreign x1: 'lock(a);'"]


def test_a_line_of_the_target_that_is_lost():
    assert odd(GOOD.replace("\tmore(a);\n", "")) == ["a.c: lost x1: 'more(a);'"]


def test_a_line_that_changed_on_the_way():
    assert odd(GOOD.replace("lock(a)", "lock(b)")) == [
        "a.c: foreign x1: 'lock(b);'",
        "a.c: lost x1: 'lock(a);'",
    ]


def test_a_lost_rename():
    """The rule says that it renamed; the result still has upstream's name."""
    delta = line_delta(["\tlock(a);\n"], ["\told_lock(a);\n"])
    assert odd(GOOD.replace("\tlock(a)", "\told_lock(a)"), delta) == []
    assert sorted(odd(GOOD, delta)) == [
        "a.c: foreign x1: 'lock(a);'",
        "a.c: lost x1: 'old_lock(a);'",
    ]


def test_a_rule_owns_only_what_it_did():
    delta = line_delta(["\tlock(a);\n"], [])
    assert odd(GOOD.replace("\tlock(a);\n", ""), delta) == []
    assert odd(GOOD.replace("\tlock(a);\n", "").replace("\tstop(a);\n", ""), delta) == [
        "a.c: lost x1: 'stop(a);'"
    ]
    assert odd(GOOD, delta) == ["a.c: foreign x1: 'lock(a);'"]


def test_several_rules_add_up():
    one = line_delta(["\tlock(a);\n"], ["\tmid(a);\n"])
    two = line_delta(["\tmid(a);\n"], ["\tlast(a);\n", "\tlast(a);\n"])
    assert odd(GOOD.replace("\tlock(a);\n", "\tlast(a);\n\tlast(a);\n"), one, two) == []


def test_a_missing_last_line_feed_is_a_difference():
    assert len(odd(GOOD.removesuffix("\n"))) == 2


def test_a_lost_file():
    assert len(account(sides(result=""), [])) > 8


# -- the right line in the wrong place


def test_a_line_that_landed_in_another_function():
    moved = GOOD.replace("\tlock(a);\n", "").replace("\tstop(a);\n", "\tstop(a);\n\tlock(a);\n")
    assert odd(moved) == []
    assert elsewhere(moved) == ["a.c: not in open x1: 'lock(a);'"]


def test_a_line_that_landed_at_file_level():
    moved = GOOD.replace("\tlock(a);\n", "") + "\tlock(a);\n"
    assert elsewhere(moved) == ["a.c: not in open x1: 'lock(a);'"]


def test_a_rule_says_where_its_lines_go():
    moved = GOOD.replace("\tlock(a);\n", "").replace("\tstop(a);\n", "\tstop(a);\n\tlock(a);\n")
    assert elsewhere(moved, placed=["\tlock(a);\n"]) == []


def test_a_function_of_another_name_is_no_misplacement():
    ours, result = (text.replace("int open(", "int dock_open(") for text in (OURS, GOOD))
    assert odd(result, ours=ours) == []
    assert elsewhere(result, ours=ours) == []


def test_braces_and_blank_lines_are_not_judged():
    theirs = THEIRS.replace("\tlock(a);\n", "\t{\n\n\t}\n")
    result = GOOD.replace("\tlock(a);\n", "") + "\t{\n\n\t}\n"
    assert elsewhere(result, theirs=theirs) == []


# -- property


LINES = [f"\tdo_{n}(a);\n" for n in range(12)]


@pytest.mark.parametrize("seed", range(30))
def test_one_seeded_fault_in_a_random_sound_pick_is_named(seed):
    rng = random.Random(seed)
    base = [rng.choice(LINES) for _ in range(20)]
    ours = [line for line in base if rng.random() > 0.2] + [f"\town_{seed}();\n"]
    added = [f"\tnew_{n}();\n" for n in range(rng.randrange(1, 5))]
    theirs, result = base + added, ours + added
    owned = line_delta(added[:1], ["\trenamed();\n"])
    renamed = ["\trenamed();\n" if line == added[0] else line for line in result]
    assert account(Sides("a", base, ours, theirs, result), []) == []
    assert account(Sides("a", base, ours, theirs, renamed), [owned]) == []

    at = rng.randrange(len(result))
    for wrong, surplus in ((result[:at] + result[at + 1 :], -1), ([*result, result[at]], 1)):
        assert account(Sides("a", base, ours, theirs, wrong), []) == [
            Unaccounted("a", result[at], surplus)
        ]


def test_deltas_are_signed_and_sum():
    one, two = line_delta(["a", "b", "b"], ["b", "c"]), line_delta(["c"], ["a"])
    assert one == Counter({"a": -1, "b": -1, "c": 1})
    assert add_deltas(one, two) == Counter({"b": -1})
    assert add_deltas() == Counter()
