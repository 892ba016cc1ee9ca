"""The message of a picked commit: what stable maintainers expect, and what a machine reads back."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from kernelish import AUTHOR, MAINTAINER, OTHER_SHA, SHA, rule

from backport.doors import process
from backport.picking.provenance import picked_message
from backport.values.commit import Incoming
from backport.values.rule import Adaptation, Additive

MESSAGE = """\
dock: Fix the use of a door that was closed

A door that was closed may be opened by another CPU [0], see the log:

  [   12.345678] BUG: kernel NULL pointer dereference, address: 0000000000000010 in dock_open

Note: this is not a trailer.
It goes on.

  [0] https://lore.example.org/r/20240101000000.1-1-ada@example.org

Fixes: 0123456789ab ("dock: Add doors")
Reported-by: syzbot+0123456789abcdef@syzkaller.example.org
Closes: https://lore.example.org/all/0000000000000123456789abcdef@example.org/T/
Cc: <stable@vger.example.org> # 6.1+
Signed-off-by: Zoë Ångström <zoe@example.org>
Reviewed-by: 山田太郎 <taro@example.org>
Link: https://lore.example.org/r/20240101000000.1-2-ada@example.org
Signed-off-by: Mia Maintainer <mia@example.org>
"""
TRAILERS = MESSAGE.rsplit("\n\n", maxsplit=1)[-1].splitlines()


def incoming(message=MESSAGE, shas=(SHA,)):
    return Incoming(
        "c" * 40, "d" * 40, message.split("\n")[0], message, AUTHOR, MAINTAINER, shas, "test"
    )


def fired(rule_id="door-context", why="the neighbours are absent here", path="net/dock.c"):
    return Adaptation(rule(Additive(), id=rule_id, why=why), path, Counter())


def picked(message=MESSAGE, rules=(), by_hand=(), shas=(SHA,)):
    return picked_message(incoming(message, shas), rules, by_hand)


def read_back(message):
    """The trailers that git itself finds."""
    done = process.run(["git", "interpret-trailers", "--parse"], stdin=message.encode())
    return [tuple(line.split(": ", 1)) for line in done.text.splitlines()]


# -- where things stand


def test_a_clean_pick_gains_one_line():
    head, rest = MESSAGE.split("\n\n", 1)
    assert picked() == f"{head}\n\n[ Upstream commit {SHA} ]\n\n{rest}"


def test_an_adapted_pick_says_what_and_why_above_the_sign_off():
    got = picked(rules=[fired(), fired("door-rename", "it was called hatch")])
    paragraphs = got.split("\n\n")
    assert paragraphs[1] == f"[ Upstream commit {SHA} ]"
    assert paragraphs[-2] == (
        "[ backport: adapted:\n"
        "  door-context: the neighbours are absent here\n"
        "  door-rename: it was called hatch\n]"
    )
    assert paragraphs[-1].splitlines() == [
        *TRAILERS,
        "Backport-rule: door-context",
        "Backport-rule: door-rename",
    ]


def test_a_rule_that_fired_in_several_files_is_named_once():
    got = picked(rules=[fired(), fired(path="tools/dock.c"), fired("b"), fired()])
    assert got.count("door-context: ") == 1
    assert [v for k, v in read_back(got) if k == "Backport-rule"] == ["door-context", "b"]


def test_what_a_person_resolved_is_said():
    assert "[ backport: adapted:\n  resolved by hand: net/dock.c\n]" in picked(
        by_hand=["net/dock.c"]
    )


def test_a_commit_that_stands_for_several():
    got = picked(shas=(SHA, OTHER_SHA))
    assert got.split("\n\n")[1] == f"[ Upstream commits\n  {SHA}\n  {OTHER_SHA}\n]"


# -- what a machine reads back


def test_trailers_survive_and_are_read_back():
    got = read_back(picked(rules=[fired()]))
    assert got == [tuple(t.split(": ", 1)) for t in TRAILERS] + [("Backport-rule", "door-context")]


def test_without_upstream_trailers_ours_are_read_back():
    got = picked("dock: Open\n\nJust a body.\n", [fired()])
    assert read_back(got) == [("Backport-rule", "door-context")]
    assert got.split("\n\n")[2] == "Just a body."


@pytest.mark.parametrize(
    "note",
    [
        "[ mia: fixed a typo ]",
        "[mia: Dropped the second hunk, it was\n applied before]",
        "[ mia: two lines\n  of it ]\n[ pat: and another ]",
        "[ mia: two lines\nof it, flush ]",
    ],
)
def test_a_maintainers_note_belongs_to_the_trailers(note):
    block = f"Signed-off-by: Ada <a@example.org>\n{note}\nSigned-off-by: Mia <m@example.org>"
    got = picked(f"dock: Open\n\nBody.\n\n{block}\n", [fired()])
    assert got.endswith(f"]\n\n{block}\nBackport-rule: door-context\n")
    assert ("Backport-rule", "door-context") in read_back(got)
    assert ("Signed-off-by", "Ada <a@example.org>") in read_back(got)


@pytest.mark.parametrize(
    "last",
    ["Note: this is prose\nthat goes on.", "no trailer: at all", "[ only a note ]", "* a list"],
)
def test_a_last_paragraph_of_prose_stays_above_the_note(last):
    got = picked(f"dock: Open\n\nBody.\n\n{last}\n", [fired()])
    assert got.split("\n\n")[3:5] == [
        last,
        "[ backport: adapted:\n  door-context: the neighbours are absent here\n]",
    ]


# -- odd messages


@pytest.mark.parametrize("message", ["dock: Open", "dock: Open\n", "\ndock: Open\n\n\n"])
def test_a_one_line_message(message):
    assert picked(message) == f"dock: Open\n\n[ Upstream commit {SHA} ]\n"
    assert picked(message, [fired()]) == (
        f"dock: Open\n\n[ Upstream commit {SHA} ]\n\n"
        "[ backport: adapted:\n  door-context: the neighbours are absent here\n]\n\n"
        "Backport-rule: door-context\n"
    )


def test_only_trailers_below_the_subject():
    got = picked("dock: Open\n\nSigned-off-by: Ada <a@example.org>\n", [fired()])
    assert got.split("\n\n")[2].startswith("[ backport: adapted:")
    assert read_back(got)[0] == ("Signed-off-by", "Ada <a@example.org>")


def test_a_subject_of_two_lines_stays_whole():
    got = picked("dock: Open the door\nand the other\n\nBody.\n")
    assert got == f"dock: Open the door\nand the other\n\n[ Upstream commit {SHA} ]\n\nBody.\n"


def test_line_separators_in_a_name_are_no_line_ends():
    line = "Signed-off-by: A\u2028B <a@example.org>"
    assert picked(f"dock: Open\n\nBody.\n\n{line}\n", [fired()]).split("\n")[-3] == line


# -- width


def test_our_own_lines_are_at_most_75_wide():
    why = "the double-locked door-keeper was " + "moved from one place to another " * 9
    path = "drivers/net/" + "very-long-folder/" * 6 + "dock.c"
    got = picked(
        rules=[fired("r" * 30, why), fired("short")], by_hand=[path], shas=(SHA, OTHER_SHA)
    )
    ours = set(got.splitlines()) - set(MESSAGE.splitlines())
    assert len(ours) > 6
    for line in ours:
        assert len(line) <= 75 or path in line
    assert re.sub(r"\s+", " ", why).strip() in re.sub(r"\s+", " ", got)
    assert "double-locked" in got  # not broken at its hyphen


def test_the_same_arguments_the_same_text():
    assert len({picked(rules=[fired("a"), fired("b")]) for _ in range(5)}) == 1
