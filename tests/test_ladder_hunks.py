"""Hunks by themselves: where each finds its place, what is left out, and what nobody can place."""

from __future__ import annotations

import pytest
from ladderkit import swapped

from backport.ladder.hunks import Found, by_hunks
from backport.ladder.scopes import Text, renamed_definitions
from backport.values.csource import split_text

BASE = """static int dock_open(struct dock *dock)
{
	int left = dock->room;

	dock_lock(dock);
	dock_trace(dock, "open");
	if (left < dock->needed)
		return dock_refuse(dock);
	dock_count(dock);
	dock_unlock(dock);
	return 0;
}

static void dock_shut(struct dock *dock)
{
	dock_lock(dock);
	dock_count(dock);
	dock_unlock(dock);
}

static int dock_probe(struct dock *dock)
{
	dock->room = dock_rooms_of(dock);
	dock->needed = dock_needs_of(dock);
	return dock_register_probed(dock);
}
"""
COUNT = "\tdock_count(dock);\n\tdock_unlock(dock);\n\treturn 0;\n"


def made(ours, theirs, *settlers, base=BASE):
    done = by_hunks(*(split_text(text) for text in (base, ours, theirs)), settlers)
    return None if done is None else ("".join(done.lines), set(done.how))


def test_what_a_hunk_takes_is_found_in_its_definition_among_others_like_it():
    """Both neighbours are other lines here, and another function has the same line."""
    theirs = swapped(BASE, (COUNT, COUNT.replace("dock_count(dock)", "dock_count(dock, 1)")))
    ours = swapped(BASE, (COUNT, "\tdock_sum(dock);\n\tdock_count(dock);\n\tdock_free(dock);\n}\n"))
    text, how = made(ours, theirs)
    assert text == swapped(ours, ("\tdock_count(dock);\n\tdock_free", "\tdock_count(dock, 1);\n"
                                  "\tdock_free"))  # fmt: skip
    assert how == {Found.EXACT}


def test_the_target_may_have_it_deeper():
    theirs = swapped(BASE, ('"open");\n', '"opened");\n\tdock_more(dock);\n'))
    ours = swapped(BASE, ('\tdock_trace(dock, "open");\n', '\tif (dock->loud) {\n'
                          '\t\tdock_trace(dock, "open");\n\t}\n'))  # fmt: skip
    text, _ = made(ours, theirs)
    assert '\t\tdock_trace(dock, "opened");\n\t\tdock_more(dock);\n\t}\n' in text


def test_two_places_that_are_as_good_are_none():
    base = "\tdock_a();\n\tdock_same();\n\tdock_b();\n"
    theirs = base.replace("same", "other")
    assert made("\tx();\n\tdock_same();\n\ty();\n\tdock_same();\n", theirs, base=base) is None


def test_an_addition_stands_below_the_neighbour_that_is_there():
    theirs = swapped(BASE, ("\tdock_count(dock);\n\tdock_unlock(dock);\n\treturn",
                            "\tdock_count(dock);\n\tdock_note(dock);\n\tdock_unlock(dock);\n"
                            "\treturn"))  # fmt: skip
    ours = swapped(BASE, (COUNT, "\tdock_count(dock);\n\tdock_free(dock);\n\treturn 1;\n"))
    text, how = made(ours, theirs)
    assert text == swapped(ours, ("\tdock_free", "\tdock_note(dock);\n\tdock_free"))
    assert how == {Found.ONE_SIDE}


def test_an_addition_between_lines_of_the_targets_own_is_left():
    theirs = swapped(BASE, ('\tdock_trace(dock, "open");\n',
                            '\tdock_trace(dock, "open");\n\tdock_note(dock);\n'))  # fmt: skip
    ours = swapped(BASE, ('\tdock_trace(dock, "open");\n\tif (left < dock->needed)\n',
                          '\tdock_trace(dock, "open");\n\tdock_own(dock);\n'
                          '\tif (left < dock->needed)\n'))  # fmt: skip
    assert made(ours, theirs) is None


def test_what_is_there_is_not_added_again():
    theirs = swapped(BASE, ("\tdock_trace(", "\tdock_note(dock);\n\tdock_trace("))
    assert made(theirs, theirs) == (theirs, {Found.ALREADY})


# -- code that the target does not have

FIX = ("\tdock->needed = dock_needs_of(dock);\n", "\tdock->needed = dock_needs_of(dock) + 1;\n")
WITHOUT = BASE[: BASE.index("static int dock_probe")]


def test_a_change_of_code_that_the_target_lacks_is_left_out():
    theirs = swapped(BASE, FIX, ("return dock_refuse(dock)", "return dock_deny(dock)"))
    ours = swapped(WITHOUT, ('\tdock_trace(dock, "open");\n', ""))
    text, how = made(ours, theirs)
    assert text == swapped(ours, ("return dock_refuse(dock)", "return dock_deny(dock)"))
    assert how == {Found.EXACT, Found.ABSENT}


def test_code_of_which_a_part_is_there_is_not_called_absent():
    ours = (
        WITHOUT
        + "static void dock_early(struct dock *dock)\n{\n"
        + ("\tdock->room = dock_rooms_of(dock);\n\tdock->needed = dock_needs_of(dock);\n}\n")
    )
    assert made(ours, swapped(BASE, FIX)) is None


# -- in other words


def test_a_block_that_goes_goes_in_the_targets_words_and_leaves_one_blank_line():
    block = '\n\tif (left < dock->needed)\n\t\treturn dock_refuse(dock, "full", left);\n\n'
    base = swapped(BASE, ("\tif (left < dock->needed)\n\t\treturn dock_refuse(dock);\n", block))
    theirs = swapped(base, (block, "\n"))
    ours = swapped(base, ('"full", left', 'left, "no room"'))
    assert made(ours, theirs, base=base) == (theirs, {Found.BETWEEN})


def test_other_words_are_put_before_the_settlers_and_without_one_left():
    theirs = swapped(BASE, ("if (left < dock->needed)", "if (left <= dock->needed)"))
    ours = swapped(BASE, ("if (left < dock->needed)", "if (left < dock->asked)"))
    seen = []

    def never(region):
        seen.append(region)

    assert made(ours, theirs, never) is None
    assert [region.ours for region in seen] == [("\tif (left < dock->asked)\n",)]
    text, how = made(ours, theirs, lambda region: ("settled\n",))
    assert text == swapped(ours, ("\tif (left < dock->asked)\n", "settled\n"))
    assert how == {Found.BETWEEN}


def test_a_line_that_is_nothing_alike_is_not_its_other_form():
    theirs = swapped(BASE, ("if (left < dock->needed)", "if (left <= dock->needed)"))
    ours = swapped(BASE, ("if (left < dock->needed)", "while (!busy(1))"))
    assert made(ours, theirs, lambda region: region.theirs) is None


# -- definitions that bear another name


def test_a_definition_is_known_by_its_lines_under_another_name():
    ours = swapped(BASE, ("dock_open(struct", "bay_open(struct"), ('"open"', '"opens"'))
    theirs = swapped(BASE, ("dock_refuse(dock)", "dock_deny(dock)"))
    lines = [split_text(text) for text in (BASE, ours, theirs)]
    assert renamed_definitions(*lines) == {"dock_open": "bay_open"}


@pytest.mark.parametrize("copies", [0, 2])
def test_no_definition_or_two_of_them_say_nothing(copies):
    body = BASE[: BASE.index("static void dock_shut")]
    more = "".join(body.replace("dock_open", f"bay{n}_open") for n in range(copies))
    ours = BASE.replace(body, more)
    theirs = swapped(BASE, ("dock_refuse(dock)", "dock_deny(dock)"))
    assert renamed_definitions(*(split_text(text) for text in (BASE, ours, theirs))) == {}


def test_places_skip_lines_that_hold_nothing():
    text = Text(("a\n", "\n", " b\n", "c d\n"))
    assert (text.full, text.content(1, 3), text.place(1)) == ([0, 2, 3], ["b", "cd"], 1)


def test_a_line_that_is_there_in_other_words_is_not_left_out():
    """Nothing around it is the target's, and `dock_needs_of()` takes another argument there."""
    theirs = swapped(BASE, ("\tdock->needed = dock_needs_of(dock);\n", "\tdock->needed = NEEDS;\n"))
    probe = BASE[BASE.index("static int dock_probe") :]
    lacking = swapped(
        BASE, (probe, "static int dock_probe(struct pier *pier)\n{\n\tdock_x();\n}\n")
    )
    assert made(lacking, theirs) == (lacking, {Found.ABSENT})
    other = swapped(lacking, ("dock_x();", "dock->needed = dock_needs_of(dock->parent);"))
    assert made(other, theirs) is None


def test_a_new_definition_is_never_left_out():
    new = "static int dock_new(struct dock *dock)\n{\n\treturn dock_old(dock);\n}\n"
    assert made("int unlike;\n", BASE + new) is None


def test_what_upstream_split_off_since_is_found_in_the_definition_that_holds_it():
    """dock_probe() is a part of dock_init() here, which upstream's file does not have."""
    theirs = swapped(BASE, ("dock_needs_of(dock)", "dock_needs_of(dock, 1)"))
    probe = BASE[BASE.index("static int dock_probe") :]
    inside = probe[probe.index("{\n") + 2 :]
    whole = f"static int dock_init(struct dock *dock)\n{{\n\tdock_zero(dock);\n{inside}"
    ours = swapped(BASE, (probe, whole))
    text, how = made(ours, theirs)
    assert text == swapped(ours, ("dock_needs_of(dock)", "dock_needs_of(dock, 1)"))
    assert how == {Found.EXACT}


def test_two_definitions_that_hold_it_are_none():
    theirs = swapped(BASE, ("dock_needs_of(dock)", "dock_needs_of(dock, 1)"))
    probe = BASE[BASE.index("static int dock_probe") :]
    twins = probe.replace("dock_probe", "dock_one") + probe.replace("dock_probe", "dock_two")
    assert made(swapped(BASE, (probe, twins)), theirs) is None
