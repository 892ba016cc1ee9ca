"""Upstream's text in the target's usage: functions that give nothing, members that are structs."""

from __future__ import annotations

from ladderkit import climbed, swapped

from backport.ladder.usage import usage
from backport.values.csource import split_text

BASE = """static int toy_close(struct toy *toy)
{
	toy_stop(toy->unit->id);
	toy_free(toy->unit->room);
	return 0;
}

static int toy_open(struct toy *toy)
{
	return toy_start(toy);
}
"""
SHUT = ("\ttoy_stop", "\tif (toy_is_shut(toy))\n\t\treturn 0;\n\n\ttoy_stop")


def used(ours, theirs=BASE):
    return usage(*(split_text(text) for text in (BASE, ours, theirs)))


def test_a_function_that_gives_nothing_here_is_left_without_a_value():
    ours = swapped(BASE, ("static int toy_close", "static void toy_close"), ("\treturn 0;\n", ""))
    found = used(ours)
    assert found.void == {"toy_close"} and found.told == ["toy_close() gives nothing here"]
    put = "".join(found.put(split_text(swapped(BASE, SHUT))))
    assert put.count("return;") == 2 and "return toy_start(toy);" in put


def test_a_member_that_is_a_struct_here_is_reached_with_a_dot():
    ours = BASE.replace("unit->", "unit.")
    found = used(ours)
    assert found.access == {".unit": "."}
    assert "".join(found.put(split_text(BASE))) == ours


def test_one_place_is_too_few_and_both_signs_are_no_usage():
    assert not used(swapped(BASE, ("unit->id", "unit.id"))).access
    assert not used(swapped(BASE, ("unit->id", "unit.id"), ("\treturn 0", "\ttoy.unit.a = 1")) +
                    "int x(void)\n{\n\treturn a->unit->b;\n}\n").access  # fmt: skip


def test_a_variable_of_the_members_name_is_another():
    ours = BASE.replace("toy->unit->", "unit->")
    assert not used(ours).access


def test_the_ladder_puts_it_so_and_says_it():
    ours = swapped(BASE, ("static int toy_close", "static void toy_close"), ("\treturn 0;\n", ""),
                   ("\ttoy_stop(toy->unit->id);\n", "\ttoy_stop(toy->unit->id, 0);\n"))  # fmt: skip
    found = climbed(BASE, ours, swapped(BASE, SHUT))
    assert found is not None and found.text is not None
    assert "\tif (toy_is_shut(toy))\n\t\treturn;\n\n\ttoy_stop" in found.text.decode()
    assert "toy_close() gives nothing here" in found.note
