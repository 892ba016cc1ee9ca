"""Which action makes a person's text: the cheapest, and one that really makes it."""

from __future__ import annotations

import random
import re
import tomllib

import pytest

from backport.learning.lessons import (
    Leftover,
    block,
    escaped,
    leftovers,
    of_leftover,
    of_region,
    quoted,
    renames,
    substitutions,
    verbatim,
)
from backport.values.conflict import Region


def lines(text):
    return tuple(f"{word}\n" for word in text.split("|")) if text else ()


def region(base, ours, theirs):
    return Region(lines(base), lines(ours), lines(theirs))


def told(lesson):
    return tomllib.loads("\n".join(lesson.toml))


# Upstream adds `new` between neighbours of which the target has one.
CONFLICT = region("a|b", "a|own", "a|new|b")


@pytest.mark.parametrize(
    ("conflict", "wanted", "action"),
    [
        (CONFLICT, "a|new|own", {"additive": "line"}),
        (region("x", "own", "x|new"), "own|new", {"additive": "line", "at": "end"}),
        (region("x", "own", "x|new"), "new|own", {"additive": "line", "at": "start"}),
        (region("a|b", "a|own", "a|new"), "a|new", {"take": "theirs"}),
        (CONFLICT, "a|own", {"take": "ours"}),
    ],
)
def test_an_action_that_needs_no_text_comes_first(conflict, wanted, action):
    lesson = of_region(conflict, lines(wanted))[0]
    assert told(lesson) == action and lesson.hand == 0


def test_a_side_that_brings_other_commits_lines_says_how_many():
    lesson = of_region(CONFLICT, lines("a|new|b"))[0]
    assert told(lesson) == {"take": "theirs", "imports": 1} and lesson.hand == 1


def test_words_of_a_line_are_added_by_word():
    found = of_region(region("x = A | B;", "x = A;", "x = A | B | C;"), lines("x = A | C;"))
    assert {"additive": "word"} in [told(lesson) for lesson in found] or found[0].hand < 30


def test_a_rename_in_a_side_is_one_word():
    conflict = region("old();", "other();", "skb_new(a);|skb_new(b);")
    lesson = of_region(conflict, lines("skb_old(a);|skb_old(b);"))[0]
    assert told(lesson) == {
        "take": "theirs",
        "then": [{"find": r"\bskb_new\(", "replace": "skb_old("}],
    }


def test_a_line_that_goes_is_named_and_one_that_comes_has_an_anchor():
    conflict = region("z", "q", "first|second|third")
    [drop] = told(of_region(conflict, lines("first|third"))[0])["then"]
    assert drop == {"find": r"^second\n", "replace": ""}
    [put] = told(of_region(conflict, lines("first|second|more|third"))[0])["then"]
    assert put == {"find": r"^(second\n)", "replace": r"\1more\n"}


def test_nothing_of_a_conflict_is_left_without_quoting_it():
    conflict = region("a|b", "own|text", "their|text")
    lesson = of_region(conflict, ())[0]
    assert told(lesson)["then"] == [{"find": r"(?s)\A.*\Z", "replace": ""}]


def test_a_new_text_is_recorded_for_this_conflict_alone():
    wanted = ("wholly 'new' \\ text\n", "and more\n")
    lesson = of_region(CONFLICT, wanted)[-1]
    assert told(lesson) == {"verbatim": {"sides": CONFLICT.digest, "lines": "".join(wanted)}}
    assert lesson == verbatim(CONFLICT, wanted)
    other = region("a|b", "a|own", "a|new|c")
    assert other.digest != CONFLICT.digest == region("a|b", "a|own", "a|new|b").digest


def test_a_long_block_goes_by_its_ends():
    old = tuple(f"line {n}\n" for n in range(9))
    [change] = substitutions(old, (old[0], old[8]))
    assert change.find == block(old[1:8]) and "line 4" not in change.find


@pytest.mark.parametrize(
    "text", ["a'b", "a\nb", "a\n'''b", "\x01", "\\d+", 'say "x"', "ends'\nin'"]
)
def test_quoted_text_is_read_back(text):
    assert tomllib.loads(f"x = {quoted(text)}")["x"] == text


@pytest.mark.parametrize("text", ["a.b*c", "(x)", "[1]\t{2}", "a|b^$?+\\"])
def test_an_escaped_text_matches_itself(text):
    assert re.fullmatch(escaped(text), text)


def test_renames_are_all_that_differs_or_nothing():
    old, new = ("f(a);\n", "g(b);\n"), ("h(a);\n", "g(b);\n")
    [change] = renames(old, new)
    assert (change.find, change.replace) == (r"\bf\(", "h(")
    assert renames(old, new[:1]) is None


POOL = ["alpha(x);\n", "beta(y);\n", "\tgamma = 1;\n", "\n", "{\n", "}\n", "\\n odd $1\n"]


def test_whatever_is_found_makes_the_wanted_text():
    """Over random texts: a lesson that does not make its text would be found by no proof here."""
    rng = random.Random(7)
    checked = 0
    for _ in range(400):
        old = tuple(rng.choice(POOL) for _ in range(rng.randrange(1, 7)))
        new = tuple(rng.choice(POOL) for _ in range(rng.randrange(0, 7)))
        changes = substitutions(old, new)
        if changes is None:
            continue
        text = "".join(old)
        for change in changes:
            text, _ = change.apply(text)
        assert text == "".join(new)
        checked += 1
    assert checked > 100


# -- outside of conflicts


TEXT = ["int f(void)\n", "{\n", "\tone();\n", "\ttwo();\n", "}\n"]


def test_a_line_put_in_gets_the_anchor_beside_it():
    wanted = [*TEXT[:3], "\tnew();\n", *TEXT[3:]]
    [item] = leftovers(TEXT, wanted)
    lesson = of_leftover(item, TEXT, (0, 5))
    assert told(lesson) == {"insert": {"after": r"^\tone\(\);$", "lines": "\tnew();\n"}}


def test_an_anchor_that_is_there_twice_is_none():
    text = ["\n", "same();\n", "same();\n", "\n"]
    assert of_leftover(Leftover(2, 2, ("x\n",)), text, (0, 4)) is None


def test_a_changed_word_is_an_edit_of_the_word():
    item = Leftover(2, 3, ("\tuno();\n",))
    lesson = of_leftover(item, TEXT, (0, 5))
    assert told(lesson) == {"edit": {"find": r"\bone\(", "replace": "uno("}}
