"""Where the hunks of a patch belong in a text that they were not made from."""

from __future__ import annotations

import difflib

import pytest

from backport.readers.hunks import read_diff
from backport.readers.placing import place, rebuilt
from backport.values.csource import split_text

OLD = """\
#include <linux/dock.h>
#include <linux/quay.h>

static int dock_open(struct dock *dock)
{
	int err;

	err = quay_get(dock->quay);
	if (err)
		return err;
	dock->flags = 0;
	dock_light(dock, true);
	return 0;
}

static int dock_close(struct dock *dock)
{
	int err;

	err = quay_put(dock->quay);
	if (err)
		return err;
	dock_light(dock, false);
	return 0;
}

static int dock_moor(struct dock *dock, struct ship *ship)
{
	switch (ship->kind) {
	case SHIP_SAIL:
		return moor_sail(dock, ship);
	case SHIP_STEAM:
		return moor_steam(dock, ship);
	default:
		return -EINVAL;
	}
}
"""
NEW = OLD.replace("\tdock->flags = 0;\n", "\tdock->flags = DOCK_OPEN;\n")


def hunks(old, new, heading=True):
    """The hunks of a patch, with headings as git shows them."""
    before, after = split_text(old), split_text(new)
    diff = [*difflib.unified_diff(before, after, "a/x", "b/x")]
    (file,) = read_diff("".join(diff).encode())
    return [
        type(h)(h.first, _heading(before, h.first) if heading else "", h.old, h.new)
        for h in file.hunks
    ]


def _heading(lines, first):
    above = [line for line in lines[:first] if line[0].isalpha()]
    return above[-1].rstrip()[:80] if above else ""


def put(text, old=OLD, new=NEW):
    """The text before and after the patch old -> new, what goes on, and the places."""
    lines = split_text(text)
    spots = place(lines, hunks(old, new))
    built = rebuilt(lines, spots)
    return "".join(built.before), "".join(built.after), "".join(built.onward), spots


def test_the_text_that_it_was_made_from():
    assert put(OLD)[:3] == (OLD, NEW, NEW)


def test_lines_above_move_a_hunk():
    more = "int more;\n" * 300
    before, after, onward, _ = put(more + OLD)
    assert (before, after, onward) == (more + OLD, more + NEW, more + NEW)


def test_other_context_stays_upstream_s_in_the_two_sides_only():
    """A merge then sees what differs; the next patch meets none of it."""
    ours = OLD.replace("\tdock_light(dock, true);\n", "\tdock_lamp(dock);\n")
    before, after, onward, (spot,) = put(ours)
    assert spot.sure
    assert (before, after) == (OLD, NEW)
    assert onward == ours.replace("dock->flags = 0", "dock->flags = DOCK_OPEN")


def test_a_changed_line_that_reads_otherwise_is_within_the_place():
    """It is what a conflict is about, be it at the end of what is known."""
    ours = OLD.replace("\tdock->flags = 0;\n", "\tdock->flags &= 0;\n")
    before, after, onward, (spot,) = put(ours)
    assert "dock->flags &= 0;" in "".join(split_text(ours)[slice(*spot.span)])
    assert (before, after, onward) == (OLD, NEW, NEW)


@pytest.mark.parametrize("name", ["dock_open", "dock_close"])
def test_equal_lines_are_told_apart_by_the_heading(name):
    """The context says as little of the place as that of many a hunk in the kernel."""
    lines = "{\n\tint err;\n\n\tlock();\n\terr = step();\n\tunlock();\n\treturn err;\n}\n"
    old = f"int first(void)\n{lines}\nint {name}(void)\n{lines}\nint last(void)\n{lines}"
    new = old.replace(
        f"int {name}(void)\n{lines}", f"int {name}(void)\n{lines}".replace("step", "go")
    )
    ours = f"int zero(void)\n{lines}\n" * 3 + old
    assert put(ours, old, new)[1].count(f"int {name}(void)\n{lines}".replace("step", "go")) == 1


def test_equal_places_without_a_heading_are_none():
    """Nothing is guessed: what cannot be placed meets the target as a conflict."""
    body = "{\n\tlock();\n\tstep();\n\tunlock();\n}\n"
    (hunk,) = hunks(body, body.replace("step", "go"), heading=False)
    lines = split_text(f"int one(void)\n{body}\nint two(void)\n{body}")
    (spot,) = place(lines, [hunk])
    assert not spot.sure
    assert spot.span[0] == spot.span[1]
    assert "".join(rebuilt(lines, [spot]).before).count("step") == 3  # ours twice, and upstream's


def test_the_order_of_the_hunks_decides_between_equal_places():
    new = OLD.replace("\tdock->flags = 0;\n", "").replace(
        "\tdock_light(dock, false);\n", "\tdock_light(dock, false);\n\tdock->flags = 0;\n"
    )
    old_hunks = hunks(OLD, new, heading=False)
    assert len(old_hunks) >= 1
    lines = split_text(OLD)
    assert "".join(rebuilt(lines, place(lines, old_hunks)).after) == new


def test_a_function_that_the_text_lacks_leaves_its_hunk_outside_of_others():
    ours = OLD[: OLD.index("static int dock_moor")]
    new = OLD.replace("\tdefault:\n", "\tcase SHIP_MOTOR:\n\t\treturn 0;\n\tdefault:\n")
    before, after, _, (spot,) = put(ours, new=new)
    assert not spot.sure
    assert spot.span == (ours.count("\n"),) * 2
    assert "SHIP_MOTOR" in after
    assert before.startswith(ours)
    assert "case SHIP_STEAM" in before


def test_a_change_that_is_there_already():
    before, after, onward, (spot,) = put(NEW)
    assert spot.done
    assert (before, after, onward) == (OLD, NEW, NEW)


def test_a_change_that_is_there_already_among_other_lines():
    """The stable maintainers fit a commit to what is there; the change itself is the same."""
    ours = NEW.replace("\tdock_light(dock, true);\n\treturn 0;\n", "\tdock_light(dock, true);\n")
    before, after, onward, (spot,) = put(ours)
    assert spot.done
    assert (after, onward) == (ours, ours)
    assert "dock->flags = 0;" in before


def test_an_addition_that_ends_like_what_it_follows_is_not_made_twice():
    """The lines around it stand side by side after it, too."""
    more = "\nstatic void dock_shut(struct dock *dock)\n{\n\tdock->shut = true;\n\treturn 0;\n}\n"
    new = OLD.replace("\treturn 0;\n}\n", f"\treturn 0;\n}}\n{more}", 1)
    before, after, onward, (spot,) = put(new, new=new)
    assert spot.done
    assert (before, after, onward) == (OLD, new, new)


def test_less_context_does_not_make_a_removal_done():
    """What is left of it would be found anywhere."""
    new = OLD.replace("\tdock->flags = 0;\n\tdock_light(dock, true);\n", "")
    before, after, _, (spot,) = put(OLD.replace("int err;", "int error;"), new=new)
    assert not spot.done
    assert "dock->flags" in before
    assert "dock->flags" not in after


def test_hunks_that_are_close_to_each_other_do_not_claim_the_same_blank_line():
    """Upstream has more between them than the text at hand."""
    head = "static int dock_close(struct dock *dock)\n{\n\tint err"
    more = "\n\tif (!dock)\n\t\treturn 0;\n\tif (dock->shut)\n\t\treturn 1;\n\ta = 1;\n\tb = 1;\n"
    old = OLD.replace(f"{head};\n", f"{head};\n{more}")
    new = old.replace(head, f"{head}, n").replace("quay_put(", "quay_drop(")
    assert len(hunks(old, new)) == 2
    _, _, onward, spots = put(OLD, old, new)
    assert [spot.sure for spot in spots] == [True, True]
    assert "int err, n;" in onward
    assert "quay_drop" in onward
    assert "dock->shut" not in onward


def test_an_empty_text_takes_the_hunks_as_they_are():
    before, after, _, (spot,) = put("")
    assert not spot.sure
    assert "dock->flags = 0;" in before
    assert "dock->flags = DOCK_OPEN;" in after
