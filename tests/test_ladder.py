"""The ladder: what each step resolves, and what it leaves to a person."""

from __future__ import annotations

import pytest
from ladderkit import PATH, TextTrees, climbed, swapped

from backport.ladder.blanks import tidied
from backport.ladder.ladder import APPLIED, SIBLING, STEPS, Sibling, ladder_of
from backport.values.csource import split_text
from backport.values.filecase import FileCase, Side

SEND = """static int send(struct toy *toy)
{
	int left = toy->room;

	if (left < 0)
		return -1;
	return toy_put(toy, left);
}
"""
OTHER = """static int other(int a)
{
	return a + 1;
}
"""


def resolved(*args, **more):
    """The step that resolved, and the text that it gave."""
    found = climbed(*args, **more)
    assert found is not None
    return found.step, (found.text or b"").decode()


CHECK = ("\tif (left < 0)\n", "\tif (left <= 0)\n")


# -- merge by lines: what git calls a conflict because two changes touch


def test_changes_that_touch_but_do_not_overlap_are_both_kept():
    ours = swapped(SEND, ("\t\treturn -1;\n", "\t\treturn -ENOSPC;\n"))
    step, text = resolved(SEND, ours, swapped(SEND, CHECK))
    assert (step, text) == ("lines", swapped(ours, CHECK))


@pytest.mark.parametrize(
    ("line", "brought", "own"),
    [
        ("\tif (left < 0)\n", "\ttoy_lock(toy);\n\tif (left < 0)\n", ("left < 0", "left <= 0")),
        ("= toy->room;\n", "= toy->room;\n\tint more = 1;\n", ("toy->room", "0")),
    ],
)
def test_what_the_target_has_beside_a_change_of_its_own_does_not_come_twice(line, brought, own):
    theirs = swapped(SEND, (line, brought))
    ours = swapped(theirs, own)
    assert resolved(SEND, ours, theirs) == (APPLIED, ours)


def test_what_both_sides_put_at_one_place_is_left():
    ours = swapped(SEND, ("\tif (left", "\ttoy_lock(toy);\n\tif (left"))
    theirs = swapped(SEND, ("\tif (left", "\ttoy_wait(toy);\n\tif (left"))
    assert climbed(SEND, ours, theirs) is None


# -- by words


def test_two_changes_of_one_line_are_merged_by_its_words_where_another_hunk_is_sure():
    base = swapped(SEND, ("\treturn toy", "\ttoy_lock(toy);\n\ttoy_trace(toy);\n\treturn toy"))
    ours = swapped(base, ("toy_put(toy, left)", "toy_put(toy->peer, left)"))
    long = ("\tint left", "\tlong left")
    theirs = swapped(base, ("toy_put(toy, left)", "toy_put(toy, left - 1)"), long)
    step, text = resolved(base, ours, theirs)
    assert (step, text) == ("words", swapped(ours, (", left)", ", left - 1)"), long))


def test_two_changes_of_one_line_alone_are_left():
    """Where its neighbours are the same a person decides: of 24 such files on DPDK 7 were wrong."""
    ours = swapped(SEND, ("toy_put(toy, left)", "toy_put(toy->peer, left)"))
    theirs = swapped(SEND, ("toy_put(toy, left)", "toy_put(toy, left - 1)"))
    assert climbed(SEND, ours, theirs) is None


def test_words_are_enough_where_no_hunk_finds_a_place():
    """Nothing around the change is the target's; of 28 such files on DPDK 5 were wrong."""
    ours = swapped(
        SEND,
        ("\tint left = toy->room;\n", "\tlong left = toy_rooms(toy);\n"),
        ("\tif (left < 0)\n\t\treturn -1;\n", "\tif (left < TOY_LEAST)\n\t\treturn -EIO;\n"),
        ("toy_put(toy, left)", "toy_get(toy, left)"),
    )
    theirs = swapped(SEND, ("\tif (left < 0)\n", "\tif (!toy || left < 0)\n"))
    step, text = resolved(SEND, ours, theirs)
    assert (step, text) == ("words", swapped(ours, ("(left < TOY", "(!toy || left < TOY")))


def test_two_changes_of_one_word_are_left():
    ours = swapped(SEND, ("toy->room", "toy->rooms"))
    theirs = swapped(SEND, ("toy->room", "toy->space"))
    assert climbed(SEND, ours, theirs) is None


# -- comments, and what only looks like one


def commented(line):
    return swapped(SEND, ("\tif (left", f"{line}\tif (left"))


@pytest.mark.parametrize(
    "form", ["\t/* the {} left */\n", "\t// the {} left\n", "\t/*\n\t * the {} left\n\t */\n"]
)
def test_upstreams_comment_is_taken_where_both_have_another(form):
    base, ours, theirs = (commented(form.format(word)) for word in ("room", "place", "space"))
    assert resolved(base, ours, theirs) == ("comments", theirs)


@pytest.mark.parametrize("form", ["\t*{} = 0;\n", "\t/* left */ {}();\n", "\t/**/{}();\n"])
def test_code_that_starts_like_a_comment_is_not_taken_for_one(form):
    names = ("room", "place", "space")
    base, ours, theirs = (commented(form.format(word) + "\ttoy();\n") for word in names)
    both = {Side.OURS: {"net/names.h": "int room, place, space;\n"}}
    assert climbed(base, ours, theirs, others=both) is None


def test_additions_of_both_sides_at_one_place_are_left():
    ours = swapped(SEND, ("\treturn toy_put", "\ttoy_trace(toy);\n\treturn toy_put"))
    theirs = swapped(SEND, ("\t\treturn -1;\n", "\t\treturn -1;\n\ttoy->sent = left;\n"))
    assert climbed(SEND, ours, theirs) is None


# -- already there


def test_a_change_that_the_target_has_is_named_so_and_changes_nothing():
    theirs = swapped(SEND, CHECK)
    ours = swapped(theirs, ("return -1", "return -ENOSPC"))
    assert resolved(SEND, ours, theirs) == (APPLIED, ours)


def test_half_a_change_that_the_target_has_is_completed():
    half = swapped(SEND, CHECK)
    theirs = swapped(half, ("toy_put(toy, left)", "toy_put(toy, left - 1)"))
    step, text = resolved(SEND, half, theirs)
    assert (step, text) == ("lines", theirs)


# -- definition by definition


def test_a_definition_is_found_by_its_name_where_the_target_has_another_order():
    base, ours = SEND + "\n" + OTHER, OTHER + "\n" + swapped(SEND, ("-1", "-EIO"))
    step, text = resolved(base, ours, swapped(base, CHECK))
    assert step in STEPS
    assert text == swapped(ours, CHECK)


def test_a_change_of_a_definition_that_the_target_lacks_is_left_out_and_told():
    base = SEND + "\n" + OTHER
    found = climbed(base, OTHER, swapped(base, CHECK))
    assert found is not None
    assert (found.step, found.text) == ("hunks", OTHER.encode())
    assert found.note == "what it changes of code that is not here is left out"


def test_a_large_change_is_left():
    more = "".join(f"\ttoy_note({n});\n" for n in range(90))
    ours = swapped(SEND, ("\t\treturn -1;\n", "\t\treturn -ENOSPC;\n"))
    theirs = swapped(SEND, CHECK, ("\treturn toy_put", f"{more}\treturn toy_put"))
    assert climbed(SEND, ours, theirs) is None
    few = swapped(SEND, CHECK, ("\treturn toy_put", "\tleft -= 1;\n\treturn toy_put"))
    assert climbed(SEND, ours, few) is not None


def test_code_that_stands_in_another_definition_here_is_found_by_what_goes():
    """Upstream split the function since; the target has the lines in the one of before."""
    whole = SEND.replace("int send", "int send_all").replace("return -1", "return -ENOSPC")
    step, text = resolved(SEND, whole, swapped(SEND, CHECK))
    assert (step, text) == ("lines", swapped(whole, CHECK))


def test_a_line_does_not_land_in_a_neighbour_that_looks_the_same():
    """The target has the twin only; a merge by lines would change that one."""
    twin = SEND.replace("int send", "int sync")
    base = twin + "\n" + SEND
    theirs = twin + "\n" + swapped(SEND, CHECK)
    assert climbed(base, twin, theirs) is None


# -- names that the target has otherwise


def test_what_comes_in_is_put_into_the_targets_names():
    ours = swapped(SEND, ("struct toy *toy", "struct old_toy *toy"), ("toy_put", "old_put"))
    theirs = swapped(SEND, ("toy_put(toy, left)", "toy_put(toy, left - 1)"))
    others = {Side.OURS: {"net/put.h": "int old_put(struct old_toy *toy, int n);\n"}}
    step, text = resolved(SEND, ours, theirs, others=others)
    assert text == swapped(ours, (", left)", ", left - 1)"))
    assert step in STEPS


def test_a_rename_is_said_in_the_note():
    ours = swapped(SEND, ("toy_put(", "old_put("))
    theirs = swapped(SEND, ("toy_put(toy, left)", "toy_put(toy, left - 1)"))
    found = climbed(SEND, ours, theirs)
    assert found is not None
    assert "toy_put is old_put here" in found.note


PEOPLE = """\
Toy bus
M: Ada Abel
F: bus/toy/

Toy queue
M: Ada Abel
M: Bo Bird
F: queue/toy/
"""


def test_in_a_file_that_is_no_code_other_words_are_no_other_names():
    ours = PEOPLE.replace("Ada Abel", "Cy Cole")
    theirs = PEOPLE.replace("Toy bus\nM: Ada Abel", "Toy bus\nM: Ada Abel\nM: Dee Abel")
    found = climbed(PEOPLE, ours, theirs, path="MAINTAINERS")
    assert found is None or b"Dee Abel" in (found.text or b"")


def test_in_a_file_that_is_no_code_a_name_is_known_by_its_underscore():
    base = "a\nif TOY_BUS\nb\nif TOY_BUS\n"
    ours = base.replace("TOY_BUS", "OLD_BUS")
    theirs = base.replace("b\nif TOY_BUS\n", "b\nif TOY_BUS and c\n")
    step, text = resolved(base, ours, theirs, path="toy.build")
    assert (step, text) == ("lines", ours.replace("b\nif OLD_BUS", "b\nif OLD_BUS and c"))


# -- names that nobody in the target knows


@pytest.mark.parametrize("user", ["", "int last(int a)\n{\n\treturn toy_wait(a);\n}\n"])
def test_what_upstream_removes_and_the_target_still_uses_is_no_resolution(user):
    wait = "static int toy_wait(int a)\n{\n\treturn a;\n}\n\n"
    base = wait + swapped(SEND, ("\tif (left", "\ttoy_wait(left);\n\tif (left"))
    ours = swapped(base, ("\t\treturn -1;\n", "\t\treturn -ENOSPC;\n")) + user
    assert (climbed(base, ours, SEND) is None) is bool(user)


@pytest.mark.parametrize("known", [True, False])
def test_a_name_that_the_target_lacks_is_no_resolution(known):
    """`toy_limit` is upstream's from before, so the commit does not bring it."""
    header = {"net/limit.h": "int toy_limit(int n);\n"}
    others = {Side.BASE: header, Side.THEIRS: header, Side.OURS: header if known else {}}
    ours = swapped(SEND, ("\t\treturn -1;\n", "\t\treturn -ENOSPC;\n"))
    theirs = swapped(SEND, ("\tif (left < 0)\n", "\tif (toy_limit(left) < 0)\n"))
    assert (climbed(SEND, ours, theirs, others=others) is not None) is known


def test_a_name_that_the_commit_brings_is_fine():
    others = {Side.THEIRS: {"net/limit.h": "int toy_limit(int n);\n"}}
    ours = swapped(SEND, ("\t\treturn -1;\n", "\t\treturn -ENOSPC;\n"))
    theirs = swapped(SEND, ("\tif (left < 0)\n", "\tif (toy_limit(left) < 0)\n"))
    assert climbed(SEND, ours, theirs, others=others) is not None


def test_a_local_that_the_targets_function_lacks_is_no_resolution():
    base = swapped(SEND, ("\tint left", "\tint burst = 1;\n\tint left"))
    theirs = swapped(base, ("\tif (left < 0)\n", "\tif (left < burst)\n"))
    ours = swapped(SEND, ("\t\treturn -1;\n", "\t\treturn -ENOSPC;\n"))
    elsewhere = OTHER.replace("int a", "int burst")
    assert climbed(base, ours + elsewhere, theirs) is None


# -- a file that is elsewhere


def test_a_moved_file_is_resolved_where_the_target_has_it():
    others = {Side.OURS: {"drivers/old/toy.c": SEND, "drivers/old/other.c": OTHER}}
    found = climbed(SEND, None, swapped(SEND, CHECK), others=others)
    assert found is not None
    assert found.path == "drivers/old/toy.c"
    assert (found.text or b"").decode() == swapped(SEND, CHECK)
    assert f"{PATH} is drivers/old/toy.c here" in found.note


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"drivers/a/toy.c": SEND, "drivers/b/toy.c": SEND},
        {"drivers/a/toy.c": OTHER},
    ],
    ids=["absent", "two of them", "another file of that name"],
)
def test_a_file_whose_place_is_not_certain_is_left(files):
    assert climbed(SEND, None, swapped(SEND, CHECK), others={Side.OURS: files}) is None


def test_a_file_that_upstream_adds_or_deletes_is_left():
    assert climbed(None, SEND, SEND + OTHER) is None
    assert climbed(SEND, SEND + OTHER, None) is None


# -- the same commit on another branch

CLASH = swapped(SEND, ("toy->room", "toy->rooms"))
THEIRS = swapped(SEND, ("toy->room", "toy->space"))


def test_a_siblings_resolution_is_taken_and_named():
    after = swapped(CLASH, ("toy->rooms", "toy->spaces"))
    sibling = Sibling("a1" * 20, CLASH.encode(), after.encode())
    ours = CLASH + "\n" + OTHER
    assert climbed(SEND, ours, THEIRS) is None
    found = climbed(SEND, ours, THEIRS, siblings=[sibling])
    assert found is not None
    assert (found.step, found.note) == (SIBLING, "as in the backport a1a1a1a1a1a1")
    assert (found.text or b"").decode() == after + "\n" + OTHER


def test_a_sibling_that_does_not_fit_is_left():
    before = swapped(SEND, ("toy->room", "toy->place"))
    after = swapped(SEND, ("toy->room", "toy->places"))
    sibling = Sibling("a1" * 20, before.encode(), after.encode())
    assert climbed(SEND, CLASH, THEIRS, siblings=[sibling]) is None


# -- upstream's text, where all that the target has otherwise is taken


GREET = """static void greet(struct toy *toy)
{
	toy_log("toy %d of %u has %d rooms", toy->id, toy->count, toy->room);
	toy_log("toy %d of %u is here", toy->id, toy->count);
	toy_wave(toy);
}
"""


def test_lines_that_upstream_takes_away_go_in_the_targets_form_as_well():
    block = GREET[GREET.index("\ttoy_log") : GREET.index("\ttoy_wave")]
    ours = swapped(GREET, ("of %u has", "of %d has"))
    theirs = swapped(GREET, (block, "\ttoy_greet(toy, stdout);\n"))
    assert resolved(GREET, ours, theirs) == ("superseded", theirs)


def test_what_the_target_added_to_lines_that_go_is_left_to_a_person():
    block = GREET[GREET.index("\ttoy_log") : GREET.index("\ttoy_wave")]
    ours = swapped(GREET, (' is here"', ' is here", toy_count(toy)'))
    theirs = swapped(GREET, (block, "\ttoy_greet(toy, stdout);\n"))
    assert climbed(GREET, ours, theirs) is None


def test_a_word_of_the_targets_that_comes_back_elsewhere_is_left():
    """The line moves; where it comes it would have to be the target's, too."""
    line = '\ttoy_log("toy %d of %u has %d rooms", toy->id, toy->count, toy->room);\n'
    ours = swapped(GREET, ("toy->room", "toy->rooms.all"))
    theirs = swapped(GREET, (line, ""), ("\ttoy_wave(toy);\n", f"\ttoy_wave(toy);\n{line}"))
    assert climbed(GREET, ours, theirs) is None


# -- a function with other arguments is no other name


def test_a_function_that_takes_other_arguments_is_no_rename():
    base = SEND.replace("toy_put(toy, left)", "toy_page(left)")
    ours = swapped(base, ("toy_page(left)", "sysconf(TOY_PAGE, left)"))
    theirs = swapped(base, ("\tif (left < 0)\n", "\tif (left < toy_page(left))\n"))
    both = {Side.BASE: {"net/page.h": "int toy_page(int n);\n"}}
    assert climbed(base, ours, theirs, others=both) is None
    same = swapped(ours, ("sysconf(TOY_PAGE, left)", "sysconf(left)"))
    found = climbed(base, same, theirs, others=both)
    assert found is not None and "toy_page is sysconf here" in found.note


# -- blank lines


@pytest.mark.parametrize(
    ("result", "ours", "wanted"),
    [
        ("a\n\n\nb\n", "a\n\nx\n\nb\n", "a\n\nb\n"),
        ("a\n\n\nb\n", "x\na\n\n\nb\n", "a\n\n\nb\n"),  # the target has it so
        ("\n\n\na\n\n\n\n", "a\n", "\na\n\n"),
    ],
)
def test_blank_lines_that_neither_side_has_so_are_one(result, ours, wanted):
    sides = (split_text(text) for text in (result, ours, "a\n\nb\n"))
    assert "".join(tidied(*sides)) == wanted


# -- the sure steps alone


def test_of_the_sure_steps_one_that_errs_more_often_gives_nothing():
    ours = swapped(SEND, ("\t\treturn -1;\n", "\t\treturn -ENOSPC;\n"))
    lines = FileCase(PATH, SEND.encode(), ours.encode(), swapped(SEND, CHECK).encode())
    base = SEND + "\n" + OTHER
    hunks = FileCase(PATH, base.encode(), OTHER.encode(), swapped(base, CHECK).encode())
    sure, whole = ladder_of(["pick", "--sure-steps"]), ladder_of(["pick", "--ladder"])
    assert sure is not None and whole is not None and sure.name != whole.name
    steps = []
    for one in (whole, sure):
        found = [one.resolve(case, TextTrees({})) for case in (lines, hunks)]
        steps.append([done and done.step for done in found])
    assert steps == [["lines", "hunks"], ["lines", None]]
    assert ladder_of(["pick"]) is None
