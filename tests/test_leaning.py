"""Questions whose answer is known, made of a branch's own backports, and how they are answered."""

from __future__ import annotations

import json

import pytest
from auditkit import lines
from needskit import Tale

from backport.doors.odb import Odb
from backport.needs.search import Deadline
from backport.output.leaningview import leaning_json, leaning_text
from backport.replay import leaning
from backport.replay.leaning import Leaning, Request, answered, lean
from backport.replay.pairs import Selection, find_pairs
from backport.replay.without import ALONE, CONFLICTS, Branches, Case, case_of
from backport.shell.cli import main
from backport.values.errors import Exit
from backport.values.events import silent

PAD = tuple(f"pad{n}" for n in range(12))


def text(*head, tail="end"):
    return {"a.c": lines(*head, *PAD, tail)}


@pytest.fixture(scope="module")
def tale(tmp_path_factory):
    """A branch that took a change of a line, a far one, and one that builds on the first; and at
    last one that a person had to adapt."""
    made = Tale(tmp_path_factory.mktemp("lean") / "r.git")
    made.branch("stable", made.add("start", files=text("one", "gap", "two", "three")))
    up = {
        "first": made.add("first", files=text("one", "gap", "deux", "three")),
        "far": made.add("far", files=text("one", "gap", "deux", "three", tail="fin")),
        "left": made.add("left", files=text("uno", "gap", "deux", "three", tail="fin")),
        "next": made.add("next", files=text("uno", "gap", "zwei", "three", tail="fin")),
        "hard": made.add("hard", files=text("einz", "gap", "zwei", "three", tail="fin")),
    }
    took = {
        "first": text("one", "gap", "deux", "three"),
        "far": text("one", "gap", "deux", "three", tail="fin"),
        "next": text("one", "gap", "zwei", "three", tail="fin"),
        "hard": text("1", "gap", "zwei", "three", tail="fin"),
    }
    picks = {}
    for name, files in took.items():
        body = f"[ Upstream commit {up[name]} ]"
        picks[name] = made.add(name, body, files, branch="stable")
        if name == "far":
            made.add("version", files={"VERSION": "2\n"}, branch="stable")
    made.up, made.picks = up, picks
    return made


@pytest.fixture(scope="module")
def branches(tale):
    every = find_pairs(tale.git, Odb(tale.path), Selection())
    return Branches(tale.git, Odb(tale.path), {pair.backport: pair.upstream for pair in every})


def pair_of(tale, branches, name):
    found = find_pairs(tale.git, branches.odb, Selection())
    return next(pair for pair in found if pair.backport == tale.picks[name])


def test_a_question_is_the_branch_without_what_the_pick_needed(tale, branches):
    case = case_of(branches, pair_of(tale, branches, "next"), Deadline(60))
    assert isinstance(case, Case)
    assert case.truth == (tale.up["first"],)
    bare = branches.odb.blob(case.onto.instead["a.c"].oid).decode()
    assert bare == text("one", "gap", "two", "three")["a.c"]  # the far one is taken away, too
    assert case.onto.has == frozenset()


def test_what_applies_alone_and_what_conflicts_make_none(tale, branches):
    told = {
        name: case_of(branches, pair_of(tale, branches, name), Deadline(60))
        for name in ("first", "far", "hard")
    }
    assert told == {"first": ALONE, "far": ALONE, "hard": CONFLICTS}


def test_a_question_is_answered_without_looking_at_the_branch(tale, branches):
    got = answered(branches, pair_of(tale, branches, "next"))
    assert (got.truth, got.found, got.told) == ((tale.up["first"],), (tale.up["first"],), "")
    assert got.right and got.ratio == 1.0
    assert answered(branches, pair_of(tale, branches, "far")).told == ALONE


def asking(tale, **wanted):
    return Request(tale.path, Selection(**wanted), cases=3, jobs=1)


@pytest.mark.slow
def test_questions_are_kept_and_a_run_that_was_cut_off_goes_on(tale, tmp_path, monkeypatch):
    whole = lean(asking(tale), tmp_path, silent)
    assert [one.pair.backport for one in whole.cases] == [tale.picks["next"]]
    assert whole.others == {ALONE: 2, CONFLICTS: 1}
    (file,) = tmp_path.rglob("*.jsonl")
    rows = [row for row in file.read_text().splitlines() if row]
    assert len(rows) == 4
    file.write_text("\n".join([*rows[:3], rows[3][:40]]))
    again = lean(asking(tale), tmp_path, silent)
    assert again.others == whole.others
    monkeypatch.setattr(leaning, "_work", None)  # nothing is asked any more
    assert lean(asking(tale), tmp_path, silent).cases == again.cases


PAIR = leaning.Pair("a" * 40, "b" * 40, 1)
TOLD = leaning.Leanings(
    (
        Leaning(PAIR, ("c" * 40,), ("c" * 40, "d" * 40), 0, "", 1.0),
        Leaning(PAIR, ("c" * 40,), ("d" * 40, "e" * 40, "f" * 40), 2, "", 3.0),
        Leaning(PAIR, ("c" * 40, "d" * 40), (), 0, "30 seconds were not enough", 30.0),
    ),
    leaning.Counter({ALONE: 7}),
    40.0,
)


def test_the_table_counts_what_was_found_by_how_much_the_branch_had():
    rows = leaning_text(TOLD, worst=9).splitlines()
    assert rows[0] == f"3 backports that apply only after others; 7 {ALONE}"
    assert [row.split()[-4:] for row in rows[3:6]] == [
        ["2", "50.0%", "1", "0"],
        ["1", "0.0%", "0", "1"],
        ["3", "33.3%", "1", "1"],
    ]
    assert "3.00 times as large at most, 2.50 on average; 1 sets" in rows[7]
    assert "3.0 s at the median, 30.0 s at most" in rows[8]
    assert rows[-1] == "    found          30 seconds were not enough"
    assert leaning_json(TOLD)["recall"] == 0.3333


@pytest.mark.slow
def test_the_command_prints_what_it_found(tale, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BACKPORT_CACHE", str(tmp_path))
    argv = ("eval", str(tale.path), "--prerequisites", "1", "--jobs", "1", "--quiet")
    assert main([*argv, "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["recall"] == 1.0
    assert main(argv) == Exit.OK
    assert "100.0%" in capsys.readouterr().out
    assert main([*argv, "--sample", "3"]) == Exit.USAGE
