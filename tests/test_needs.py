"""The smallest set of earlier commits with which one applies."""

from __future__ import annotations

import pytest
from auditkit import lines
from needskit import Tale, asked

from backport.needs.past import Over
from backport.needs.search import Budget, Found, Why

FAR = tuple(f"pad{n}" for n in range(12))


@pytest.fixture
def story(tmp_path):
    return Tale(tmp_path / "r")


def text(*head, tail="end"):
    return {"a.c": lines(*head, *FAR, tail)}


def chain(story):
    """A rename of a line, a far change, a second rename of the line, and what builds on it."""
    story.branch("old", story.add("start", files=text("one", "two")))
    first = story.add("first", files=text("one", "deux"))
    far = story.add("far", files=text("one", "deux", tail="fin"))
    second = story.add("second", files=text("one", "zwei", tail="fin"))
    third = story.add("third", files=text("one", "zwei!", tail="fin"))
    return first, far, second, third


def test_a_chain_is_closed_and_what_is_far_is_left(story):
    first, _, second, third = chain(story)
    found = asked(story, third)
    assert found.take == (first, second)
    assert found.why == {second: Why(third, "a.c"), first: Why(second, "a.c")}
    assert not found.hard


def test_what_applies_needs_nothing(story):
    _, far, _, _ = chain(story)
    assert asked(story, far) == Found((), {})


def test_an_incidental_commit_of_the_same_lines_is_left_out(story):
    story.branch("old", story.add("start", files=text("one", "two", "three", "four", "five")))
    story.add("beside", files=text("uno", "two", "three", "four", "five"))
    needed = story.add("needed", files=text("uno", "two", "three", "four", "cinq"))
    last = story.add("last", files=text("uno", "two", "three", "four", "funf"))
    assert asked(story, last).take == (needed,)


def test_what_the_target_has_is_never_taken(story):
    first, _, second, third = chain(story)
    assert asked(story, third, has=(first, second)) is None


def test_a_pick_that_the_branch_has_in_its_own_words_is_built_upon(story):
    """The branch has the first by content, so the second is all that lacks."""
    _, _, second, third = chain(story)
    story.add("first, picked", files=text("one", "deux"), branch="old")
    assert asked(story, third).take == (second,)


def test_lines_are_followed_where_others_move_them(story):
    start = ("one", "two", *(f"p{n}" for n in range(9)))
    story.branch("old", story.add("start", files=text(*start)))
    needed = story.add("needed", files=text("one", "deux", *start[2:]))
    story.add("above", files=text("x", "y", "z", "one", "deux", *start[2:]))
    last = story.add("last", files=text("x", "y", "z", "one", "zwei", *start[2:]))
    assert asked(story, last).take == (needed,)


def test_lines_that_upstream_took_out_count_too(story):
    story.branch("old", story.add("start", files=text("one", "gone", "two", "three", "four")))
    out = story.add("out", files=text("one", "two", "three", "four"))
    last = story.add("last", files=text("one", "zwei", "three", "four"))
    assert asked(story, last).take == (out,)


def test_a_file_that_is_not_there_is_made_by_the_commit_that_made_it(story):
    story.branch("old", story.add("start", files=text("one")))
    made = story.add("made", files={"b.c": lines("one", "two", *FAR)})
    last = story.add("last", files={"b.c": lines("uno", "two", *FAR)})
    assert asked(story, last).take == (made,)


def test_a_commit_of_a_side_branch_is_found_and_its_merge_is_not_followed(story):
    start = story.add("start", files=text("one", "two"))
    story.branch("old", start)
    story.branch("topic", start)
    side = story.add("side", files=text("one", "deux"), branch="topic")
    story.add("far", files=text("one", "two", tail="fin"))
    story.add("merge", files=text("one", "deux", tail="fin"), extra=side)
    last = story.add("last", files=text("one", "zwei", tail="fin"))
    assert asked(story, last).take == (side,)


def hard_story(story):
    """What is needed conflicts in another file, whose own history is long."""
    story.branch("old", story.add("start", files={**text("one"), "n.c": lines("v0", *FAR)}))
    notes = [story.add(f"note {n}", files={"n.c": lines(f"v{n}", *FAR)}) for n in range(1, 6)]
    needed = story.add("needed", files={**text("uno"), "n.c": lines("v6", *FAR)})
    return notes, needed, story.add("last", files=text("eins"))


def test_beyond_the_depth_the_tightest_set_says_what_is_to_be_adapted(story):
    _, needed, last = hard_story(story)
    found = asked(story, last, budget=Budget(depth=3))
    assert found.take == (needed,)
    assert found.hard == ((needed, "n.c"),)


def test_within_the_depth_a_set_that_applies_is_better(story):
    notes, needed, last = hard_story(story)
    assert asked(story, last, budget=Budget(depth=20)).take == (*notes, needed)


def test_more_commits_than_the_budget_has_are_no_set(story):
    *_, third = chain(story)
    with pytest.raises(Over, match="more than 0 commits"):
        asked(story, third, budget=Budget(commits=0))
    with pytest.raises(Over, match="0 seconds"):
        asked(story, third, budget=Budget(seconds=0))
