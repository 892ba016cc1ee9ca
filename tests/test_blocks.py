"""Blocks, labels, locals: what a result may not leave without its other half."""

from __future__ import annotations

import pytest
from ladderkit import swapped

from backport.gates.accounting import Sides
from backport.gates.blocks import objections
from backport.values.csource import split_text

SEND = """#define TOY_MOST 4
static int send(struct toy *toy)
{
	struct toy *peer = toy->peer;
	int left = toy->room;
	int err;

	if (left < 0) {
		err = toy_wait(toy);
		goto out;
	}
	err = toy_put(peer, left, TOY_MOST);
out:
	toy_done(toy);
	return err;
}
"""
VOID = SEND.replace("static int send", "static void send").replace("return err", "return")


def said(ours, result, base=SEND, theirs=SEND):
    texts = (split_text(text) for text in (base, ours, theirs, result))
    return list(objections(Sides("net/toy.c", *texts)))


def test_what_is_as_it_was_is_fine():
    assert not said(SEND, SEND)
    assert not said(SEND, swapped(SEND, ("< 0", "<= 0")))


WAIT = ("\t\terr = toy_wait(toy);\n", "\t\ttoy_free(toy);\n\t\terr = toy_wait(toy);\n")


def test_an_addition_in_the_block_that_upstream_has_it_in_is_fine():
    assert not said(SEND, swapped(SEND, WAIT), theirs=swapped(SEND, WAIT))


def test_an_addition_in_another_block_is_named():
    """The target has no such condition; the line would run for everyone."""
    ours = swapped(SEND, ("\tif (left < 0) {\n\t\terr = toy_wait(toy);\n\t\tgoto out;\n\t}\n", ""),
                   ("out:\n", ""))  # fmt: skip
    astray = swapped(ours, ("\terr = toy_put", "\t\ttoy_free(toy);\n\terr = toy_put"))
    found = said(ours, astray, theirs=swapped(SEND, WAIT))
    assert found == ["in another block than upstream's: toy_free(toy);"]


def test_a_block_with_nothing_in_it_is_named():
    inside = "\t\terr = toy_wait(toy);\n\t\tgoto out;\n"
    assert "nothing is left in if (left < 0) {" in said(SEND, swapped(SEND, (inside, "")))


def test_a_jump_that_leads_nowhere_is_named():
    result = swapped(SEND, ("\t\tgoto out;\n", "\t\tgoto away;\n"))
    assert "goto away has lost its other end" in said(SEND, result)


def test_a_macro_that_goes_and_is_used_is_named_but_not_where_upstream_does_so():
    gone = swapped(SEND, ("#define TOY_MOST 4\n", ""))
    assert said(SEND, gone) == ["TOY_MOST is used and no longer defined"]
    assert not said(SEND, gone, theirs=gone)


def test_a_value_out_of_a_function_that_gives_none_is_named():
    result = swapped(VOID, ("\terr = toy_put", "\tif (err)\n\t\treturn -EIO;\n\terr = toy_put"))
    assert said(VOID, result) == ["send() gives nothing and returns something"]


def test_a_local_that_is_there_already_is_named():
    result = swapped(SEND, ("\tint err;\n", "\tint err;\n\tint left;\n"))
    assert said(SEND, result) == ["send() declares left twice"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [("toy_put(peer,", "toy_put(toy,", True), ("toy_put(peer,", "toy_set(peer,", False)],
)
def test_a_local_that_nothing_uses_any_more_is_named(old, new, named):
    found = said(SEND, swapped(SEND, (old, new)))
    assert found == (["send() no longer uses peer"] if named else [])


def test_comments_and_strings_are_no_code():
    result = swapped(SEND, ("\ttoy_done(toy);\n", '\t/* goto x { */\n\ttoy_log("goto y; {");\n'))
    assert not said(SEND, result)
