"""Replaying backports of a history: which pairs it has, how each lands, and what is kept."""

from __future__ import annotations

import json
import re

import pytest
from auditkit import Story

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.doors.process import ProcessFailed
from backport.output.evalview import SURE_STEPS, eval_json, eval_text, summary
from backport.replay import around
from backport.replay import evaluate as evaluating
from backport.replay.evaluate import Request, evaluate
from backport.replay.likeness import Match, Near, compared, near
from backport.replay.pairs import Pair, Selection, find_pairs, siblings
from backport.replay.peers import PEERS
from backport.replay.replay import (
    LADDER,
    SIBLINGS,
    Answer,
    FileResult,
    Landing,
    PairResult,
    Replayer,
)
from backport.replay.wholemerge import whole_merges
from backport.shell.cli import main
from backport.values.errors import Exit, UsageError
from backport.values.events import silent
from backport.values.filecase import FileCase

HEAD = "int dock;\n\n"


def berth(*body: str) -> str:
    """A file with one function."""
    return HEAD + "int berth(int room)\n{\n" + "".join(f"\t{line}\n" for line in body) + "}\n"


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A main line, and a release branch to which four of its commits were taken by hand."""
    made = Story(tmp_path_factory.mktemp("story") / "story.git")
    first = made.add("first", files={"a.c": berth("open(room);", "shut(room);"), "b.c": HEAD})
    made.branch("stable", first)
    made.shas = {}
    made.add("wider", files={"a.c": berth("open(room);", "log(1);", "shut(room);")})
    clean = made.add("b: more", files={"b.c": HEAD + "int pier;\n"})
    near = made.add(
        "a: lock", files={"a.c": berth("open(room);", "log(1);", "lock(room);", "shut(room);")}
    )
    clash = made.add(
        "a: log two", files={"a.c": berth("open(room);", "log(2);", "lock(room);", "shut(room);")}
    )
    said = "(cherry picked from commit {})"
    took = {}
    took["clean"] = made.add(
        "b: more", said.format(clean), {"b.c": HEAD + "int pier;\n"}, branch="stable"
    )
    took["near"] = made.add(
        "a: lock",
        f"[ Upstream commit {near} ]",
        {"a.c": berth("open(room);", "lock(room);", "shut(room);")},
        branch="stable",
    )
    took["clash"] = made.add(
        "a: log two",
        f"commit {clash} upstream.",
        {"a.c": berth("open(room);", "lock(room);", "shut(room);", "log(2);")},
        branch="stable",
    )
    made.upstream = {"clean": clean, "near": near, "clash": clash}
    made.took = took
    return made


def pairs_of(story, **wanted):
    return find_pairs(story.git, Odb(story.path), Selection(**wanted))


def test_pairs_are_found_by_any_dialect_oldest_first(story):
    found = pairs_of(story)
    assert [(p.upstream, p.backport) for p in found] == [
        (story.upstream[name], story.took[name]) for name in ("clean", "near", "clash")
    ]


def test_a_pattern_of_the_users_own_finds_other_pairs(story):
    found = pairs_of(story, pattern=r"^\[ Upstream commit (\w+) \]$")
    assert [p.backport for p in found] == [story.took["near"]]


@pytest.mark.parametrize(
    ("pattern", "said"), [("(", "--pattern"), ("commit", "no group"), ("(nothing)", "no commit")]
)
def test_a_bad_pattern_is_told(story, pattern, said):
    with pytest.raises(UsageError, match=said):
        pairs_of(story, pattern=pattern)


def test_days_limit_the_pairs_and_a_seed_draws_the_same_ones(story):
    last = pairs_of(story)[-1]
    assert pairs_of(story, since=f"@{last.time - 1}") == [last]
    drawn = pairs_of(story, sample=2, seed=7)
    assert drawn == pairs_of(story, sample=2, seed=7)
    assert len(drawn) == 2


def test_a_commit_that_names_one_that_is_not_here_is_no_pair(story, tmp_path):
    other = Story(tmp_path / "other.git")
    other.add("x", files={"a.c": HEAD})
    other.add("y", f"(cherry picked from commit {'5' * 40})", {"a.c": HEAD + "int z;\n"})
    with pytest.raises(UsageError, match="no commit says"):
        pairs_of(other)


def replayed(story, name):
    found = next(p for p in pairs_of(story) if p.backport == story.took[name])
    return Replayer(Odb(story.path), siblings(pairs_of(story)), tuple(PEERS)).replay(found)


def test_a_pick_that_only_one_side_touched_lands_as_the_humans(story):
    result = replayed(story, "clean")
    assert [(f.path, f.landing, f.match) for f in result.files] == [
        ("b.c", Landing.UNTOUCHED, Match.IDENTICAL)
    ]
    assert result.verdict == "sound"


def test_the_ladder_settles_what_git_leaves_and_the_peers_are_asked_too(story):
    (file,) = replayed(story, "near").files
    assert file.landing is Landing.CONFLICT
    assert file.answers["git"].match is Match.UNRESOLVED
    assert file.answers[LADDER].match is Match.IDENTICAL
    assert set(file.answers) == {LADDER, SIBLINGS, *PEERS}


def test_it_abstains_where_the_line_is_not_there(story):
    (file,) = replayed(story, "clash").files
    assert file.answers[LADDER].match is Match.UNRESOLVED
    assert file.answers["theirs"].match is Match.DIFFERENT


def test_an_earlier_backport_to_another_branch_helps_and_a_later_one_does_not(story, tmp_path):
    twice = Story(tmp_path / "twice.git")
    first = twice.add("first", files={"a.c": berth("old(room);", "shut(room);")})
    for branch in ("one", "two"):
        twice.branch(branch, first)
    twice.add("new", files={"a.c": berth("new(room);", "shut(room);")})
    up = twice.add("fix", files={"a.c": berth("new(room, 1);", "shut(room);")})
    for branch in ("one", "two"):
        twice.add(
            "fix",
            f"(cherry picked from commit {up})",
            {"a.c": berth("old(room, 2);", "shut(room);")},
            branch=branch,
        )
    pairs = pairs_of(twice)
    replayer = Replayer(Odb(twice.path), siblings(pairs))
    before, after = (replayer.replay(pair).files[0].answers[SIBLINGS] for pair in pairs)
    assert before.match is not Match.IDENTICAL
    assert (after.match, after.step) == (Match.IDENTICAL, "sibling")


def test_words_carried_from_tree_to_tree_are_those_of_each(story, monkeypatch):
    odb = Odb(story.path)
    commits = [sha for pair in pairs_of(story) for sha in (pair.upstream, pair.backport)]
    trees = [odb.tree(sha) for sha in commits]
    asked = {"lock", "log", "pier", "berth", "nowhere"}
    fresh = {tree: around.Words(odb).known(tree, asked) for tree in trees}
    assert len(set(fresh.values())) > 2
    for kept in (1, 2, 6):
        monkeypatch.setattr(around, "_KEPT", kept)
        words = around.Words(odb)
        assert [words.known(tree, asked) for tree in trees * 2] == [fresh[t] for t in trees * 2]


def test_a_file_that_a_partial_clone_lacks_has_no_words(story, monkeypatch):
    odb = Odb(story.path)
    tree = odb.tree(story.took["clean"])
    assert around.Words(odb).known(tree, {"pier", "berth"}) == {"pier", "berth"}
    lacking = odb.entry(tree, "b.c").oid
    monkeypatch.setattr(Odb, "holds", lambda _, oid: oid != lacking)
    assert around.Words(odb).known(tree, {"pier", "berth"}) == {"berth"}


@pytest.mark.parametrize(
    ("data", "human", "match"),
    [
        (b"a b\n", b"a b\n", Match.IDENTICAL),
        (b"a b\n", b"a  b\n", Match.SPACE),
        (b"a b\n", b"a c\n", Match.DIFFERENT),
        (None, None, Match.IDENTICAL),
        (None, b"a\n", Match.DIFFERENT),
    ],
)
def test_how_two_files_are_alike(data, human, match):
    assert compared(data, human) is match


LOG = b'int a;  /* a */\nint b;\nchar *c = "x"; // c\n'


@pytest.mark.parametrize(
    ("path", "human", "how"),
    [
        ("a.c", LOG.replace(b"/* a */", b"/* the\n * first */"), Near.COMMENTS),
        ("a.c", LOG.replace(b" // c", b""), Near.COMMENTS),
        ("a.c", b'int b;\nint a;\nchar *c = "x";\n', Near.ORDER),
        ("a.c", LOG.replace(b'"x"', b'"y"'), Near.NONE),
        ("a.c", LOG.replace(b'"x"', b'"// x"'), Near.NONE),
        ("a.c", LOG + b"int b;\n", Near.NONE),
        ("a.c", None, Near.NONE),
        ("a.rst", LOG.replace(b" // c", b""), Near.NONE),
    ],
)
def test_how_near_a_different_one_comes(path, human, how):
    assert near(path, LOG, human) is how


def test_a_conflict_that_was_committed_with_its_markers_is_no_resolution(tmp_path):
    made = Story(tmp_path / "open.git")
    first = made.add("first", files={"a.c": berth("log(1);")})
    made.branch("stable", first)
    sha = made.add("two", files={"a.c": berth("log(2);")})
    made.add("other", files={"a.c": berth("log(3);")}, branch="stable")
    text = berth("<<<<<<< HEAD", "log(3);", "=======", "log(2);", ">>>>>>> two").replace("\t", "")
    made.add("two", f"(cherry picked from commit {sha})", {"a.c": text}, branch="stable")
    (pair,) = pairs_of(made)
    (file,) = Replayer(Odb(made.path), {}).replay(pair).files
    assert (file.landing, dict(file.answers)) == (Landing.OPEN, {})


_HALF = "int {}(int a)\n{{{{\n\tuse(a);\n{{}}\treturn a;\n}}}}\n"
TWO = _HALF.format("up") + "\n" + _HALF.format("down")


@pytest.mark.parametrize("is_astray", [True, False])
def test_a_backport_in_another_function_than_upstreams_is_told_apart(tmp_path, is_astray):
    made = Story(tmp_path / "two.git")
    first = made.add("first", files={"a.c": TWO.format("", "")})
    made.branch("stable", first)
    lock = "\tlock(a);\n"
    sha = made.add("a: lock", files={"a.c": TWO.format(lock, "")})
    made.add("other", files={"a.c": "int x;\n" + TWO.format("", "")}, branch="stable")
    text = TWO.format("", lock) if is_astray else TWO.format(lock.replace("a", "a + 1"), "")
    said = f"(cherry picked from commit {sha})"
    made.add("a: lock", said, {"a.c": "int x;\n" + text}, branch="stable")
    (pair,) = pairs_of(made)
    result = Replayer(Odb(made.path), {}).replay(pair)
    assert (result.files[0].match, result.is_astray) == (Match.DIFFERENT, is_astray)
    text = eval_text(evaluating.Evaluation((result,), (), 0, 1.0))
    assert ("in 1 of the others the human's is in another function" in text) is is_astray


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_gives_the_file_where_nothing_is_in_the_way(name):
    base = berth("open(room);", "a();", "b();", "c();", "d();", "shut(room);")
    ours, theirs = base.replace("open(", "begin("), base.replace("shut(", "close(")
    case = FileCase("a.c", *(text.encode() for text in (base, ours, theirs)))
    wanted = ours.replace("shut(", "close(").encode()
    assert PEERS[name](case) == wanted


@pytest.mark.slow
def test_a_killed_run_goes_on_and_a_whole_one_is_not_repeated(story, tmp_path):
    request = Request(story.path, Selection(), jobs=1)
    first = evaluate(request, tmp_path, silent)
    (file,) = (tmp_path / "eval").iterdir()
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 4  # the first ends what a kill may have cut off
    assert [one.done for one in first.held] == [3, 3, 3]  # one worker took all at once
    assert all(one.workers > 1024 and one.own > 1024 for one in first.held)
    file.write_text("".join(lines[:2]) + lines[2][:20])  # as a kill leaves it
    again = evaluate(request, tmp_path, silent)
    assert [(r.pair, r.files[0].landing) for r in again.results] == [
        (r.pair, r.files[0].landing) for r in first.results
    ]
    events = []
    evaluate(request, tmp_path, events.append)
    assert events[-1].cached


@pytest.mark.slow
def test_other_code_does_not_take_over_its_results(story, tmp_path, monkeypatch):
    evaluate(Request(story.path, Selection(), jobs=1), tmp_path, silent)
    monkeypatch.setattr(evaluating, "_ENGINE", ("values",))
    evaluate(Request(story.path, Selection(), jobs=1), tmp_path, silent)
    assert len(list((tmp_path / "eval").iterdir())) == 2


@pytest.mark.slow
def test_the_command_prints_a_table_and_an_object(story, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BACKPORT_CACHE", str(tmp_path))
    assert main(["eval", str(story.path), "--jobs", "1", "--peers", "git", "--worst", "3"]) == 0
    text = capsys.readouterr().out
    assert "3 backports; files: 2 conflict, 1 untouched" in text
    assert re.search(r"step \w+: 1 identical", text)
    assert main(["eval", str(story.path), "--peers", "git", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["resolvers"][LADDER]["identical"] == 1
    assert data["resolvers"]["git"]["unresolved"] == 2
    assert main(["eval", str(story.path), "--peers", "none"]) == Exit.USAGE


def test_the_figures_are_those_of_the_results(story):
    results = tuple(replayed(story, name) for name in ("clean", "near", "clash"))
    held = (evaluating.Held(1, 3072, 1024), evaluating.Held(3, 4096, 2048))
    found = evaluating.Evaluation(results, (40.0, 60.0), 2048, 1.0, held)
    of = summary(found)
    assert (of.alike.picks, of.alike.flagged, of.unlike.picks) == (1, 0, 0)
    row = next(row for row in of.rows if row.name == LADDER)
    assert (row.files, row.share(Match.IDENTICAL), row.precision) == (2, 0.5, 1.0)
    assert eval_json(found)["whole_merge_ms"] == 50.0
    text = eval_text(found)
    assert "a process came to 2 MiB" in text
    assert "after 1 backports 3 MiB, 1 MiB; after 3 backports 4 MiB, 2 MiB" in text
    assert eval_json(found)["held_kib"] == [
        {"done": 1, "workers": 3072, "own": 1024},
        {"done": 3, "workers": 4096, "own": 2048},
    ]


def test_the_timed_peer_is_a_merge_that_happens(story, monkeypatch):
    pairs = pairs_of(story)
    assert len(whole_merges(story.git, Odb(story.path), pairs)) == len(pairs)
    monkeypatch.setattr(Git, "init_bare", without_merge_tree)
    with pytest.raises(ProcessFailed, match="merge-tree"):
        whole_merges(story.git, Odb(story.path), pairs)


_INIT = Git.init_bare


def without_merge_tree(path):
    """A repository in which git's merge fails as it does where a commit is not to be had."""
    git = _INIT(path)
    run = git.run

    def broken(*args, **options):
        known = args if "merge-tree" not in args else (*args[:-1], "5" * 40)
        return run(*known, **options)

    git.run = broken
    return git


def test_what_the_sure_steps_gave_is_counted_apart():
    def result(step, match):
        answers = {LADDER: Answer(match, 1.0, step), "git": Answer(Match.UNRESOLVED, 1.0)}
        file = FileResult("a.c", Landing.CONFLICT, answers=answers)
        return PairResult(Pair("u", f"{step}-{match}", 0), 1.0, (file,))

    given = [("lines", Match.IDENTICAL), ("hunks", Match.DIFFERENT), ("words", Match.IDENTICAL)]
    found = evaluating.Evaluation(tuple(result(*one) for one in given), (), 0, 1.0)
    whole, sure, git = summary(found).rows
    assert [row.name for row in (whole, sure, git)] == [LADDER, SURE_STEPS, "git"]
    assert (whole.counts[Match.IDENTICAL], whole.counts[Match.DIFFERENT]) == (2, 1)
    assert sure.counts == {Match.IDENTICAL: 1, Match.UNRESOLVED: 2}


def test_how_near_the_different_ones_come_is_told_and_kept(story, tmp_path):
    """What a run kept is read again with it."""
    request = Request(story.path, Selection(), peers=("theirs",), jobs=1)
    first = evaluate(request, tmp_path, silent)
    again = evaluate(request, tmp_path, silent)
    assert again.results == first.results
    row = next(row for row in summary(again).rows if row.name == "theirs")
    assert row.near == {Near.ORDER: 1}
    text = eval_text(again)
    assert "2 different: 0 but for comments, 1 with the same lines of code in another order" in text
    assert eval_json(again)["resolvers"]["theirs"]["different_in"] == {"comments": 0, "order": 1}
