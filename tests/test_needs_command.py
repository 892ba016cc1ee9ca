"""The command `needs`: what it says, and the branch that it leaves."""

from __future__ import annotations

import json

import pytest
from auditkit import lines
from needskit import Tale

from backport.shell.cli import main
from backport.values.errors import Exit

FAR = tuple(f"pad{n}" for n in range(12))


def text(*head, tail="end"):
    return {"a.c": lines(*head, *FAR, tail)}


@pytest.fixture
def story(tmp_path):
    """A line renamed twice, with a far change between, and what builds on it."""
    tale = Tale(tmp_path / "r")
    tale.branch("old", tale.add("start", files=text("one", "two")))
    tale.add("a: First", files=text("one", "deux"))
    tale.add("a: Far", files=text("one", "deux", tail="fin"))
    tale.add("a: Second", files=text("one", "zwei", tail="fin"))
    tale.add("a: Third", "Why.", files=text("one", "zwei!", tail="fin"))
    return tale


def needs(story, *words, onto="old"):
    return main(["needs", story.tip("main"), "--onto", onto, "--repo", str(story.path), *words])


def ids(story):
    """The commits of the main line by subject."""
    walk = story.repo.walk(story.tip("main"))
    return {commit.message.splitlines()[0]: str(commit.id) for commit in walk}


def test_it_names_the_set_and_why_and_what_adapting_costs(story, capsys):
    assert needs(story) == Exit.OK
    out = capsys.readouterr().out
    sha = {subject: one[:12] for subject, one in ids(story).items()}
    assert "needs 2 commits first, in this order:" in out
    assert out.index(f"{sha['a: First']} a: First") < out.index(f"{sha['a: Second']} a: Second")
    assert f"{sha['a: Third']} changes its lines of a.c" in out
    assert "a: Far" not in out
    assert "adapting it instead: 1 conflict" in out
    assert needs(story, "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert [one["subject"] for one in told["take"]] == ["a: First", "a: Second"]


def test_the_set_is_picked_and_each_says_what_it_is_for(story, capsys):
    before = story.tip("old")
    assert needs(story, "--take", "--branch", "picked") == Exit.OK
    assert "branch picked, head" in capsys.readouterr().out
    assert story.tip("old") == before
    *deps, last = list(story.repo.walk(story.tip("picked"), 0))[:3][::-1]
    sha = ids(story)
    dep = f'Stable-dep-of: {sha["a: Third"][:12]} ("a: Third")'
    assert [one.message.splitlines()[0] for one in deps] == ["a: First", "a: Second"]
    for one in deps:
        assert sha[one.message.splitlines()[0]] in one.message
        assert one.message.count(dep) == 1
    assert sha["a: Third"] in last.message
    assert "Stable-dep-of" not in last.message
    assert str(deps[0].parents[0].id) == before
    # The far change is not among them.
    assert last.tree["a.c"].data.decode() == text("one", "zwei!")["a.c"]


def test_the_same_question_gives_the_same_commits(story):
    assert needs(story, "--take", "--branch", "one") == Exit.OK
    assert needs(story, "--take", "--branch", "two") == Exit.OK
    assert story.tip("one") == story.tip("two")


def test_what_the_target_has_is_said(story, capsys):
    message = f"commit {story.tip('main')} upstream."
    story.add("a: Third", message, files=text("one", "zwei!"), branch="old")
    assert needs(story) == Exit.OK
    assert "the target has it already" in capsys.readouterr().out
    assert needs(story, "--take") == Exit.USAGE


def test_seconds_that_are_over_before_the_search_begins_are_an_answer(story, capsys):
    """On a large clone the list of upstream's commits alone may take them."""
    assert needs(story, "--seconds", "0") == Exit.OK
    out = capsys.readouterr().out
    assert "what it needs cannot be said: 0 seconds were not enough" in out
    assert "adapting it instead: 1 conflict" in out
    assert needs(story, "--seconds", "0", "--take") == Exit.CONFLICTS


def test_where_no_set_helps_nothing_is_picked(story, capsys):
    story.add("other", files=text("one", "quite another", tail="last"), branch="old")
    before = set(story.repo.references)
    assert needs(story, "--take") == Exit.CONFLICTS
    assert "does not apply" in capsys.readouterr().err
    assert set(story.repo.references) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("0" * 40, "--onto", "old"), "a snapshot has no history"),
        (("main", "--onto", "nothing"), "nothing"),
        (("main", "--onto", "old", "--branch", "b"), "--take"),
    ],
)
def test_a_wrong_question_is_told(story, capsys, words, said):
    assert main(["needs", *words, "--repo", str(story.path)]) == Exit.USAGE
    assert said in capsys.readouterr().err
