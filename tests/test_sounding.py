"""The verdict on picks: in a run's record, on its screen, in its pages; and on picks of others."""

from __future__ import annotations

import json

import pytest
from auditkit import Story
from minikernel import BASE, DECLARED, UPSTREAM, Step, make_world

from backport.output.summary import summary
from backport.shell.cli import main
from backport.values.errors import Exit
from backport.values.record import Doubt, Pick, RunRecord

KEPT = """\
#include "../include/calls.h"

int kept = 1;
"""
KEEP = f"{KEPT}\nint keep(struct dock *dock)\n{{\n\tdock_limit(dock);\n\treturn kept;\n}}\n"
FITS = Step("dock: Add to the list", {"lib/far.c": "int far_away;\nint near;\n"})
# Upstream's tree is known in the files that its commit changes: the header is one of them.
MORE = DECLARED + "void dock_more(struct dock *dock);\n"
LIMITS = Step("dock: Keep one", {"drivers/kept.c": KEEP, "include/calls.h": MORE})
OTHER = DECLARED.replace("dock_limit(struct dock *dock)", "dock_limit(struct dock *dock, int most)")
SAID = "drivers/kept.c:7: other signature: dock_limit() takes 2 arguments in the target"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A target in which a function of upstream's has one parameter more."""
    base = {**BASE, "drivers/kept.c": KEPT, "include/calls.h": OTHER}
    upstream = {**UPSTREAM, "drivers/kept.c": KEPT}
    folder = tmp_path_factory.mktemp("sounding") / "world"
    return make_world(folder, (FITS, LIMITS), base=base, upstream=upstream)


def test_an_unsound_pick_is_told_and_stops_nobody(world):
    ran = world.pick("--json")
    assert ran.code == 0, ran.err
    sound, unsound = ran.json["picks"]
    assert (sound["verdict"], sound["doubts"]) == ("sound", [])
    assert unsound["verdict"] == "unsound"
    (doubt,) = unsound["doubts"]
    assert (doubt["path"], doubt["line"]) == ("drivers/kept.c", 7)
    again = world.pick("--json").json
    assert again["head"] == ran.json["head"]
    assert [p["verdict"] for p in again["picks"]] == ["sound", "unsound"]


def test_it_is_on_the_screen_and_in_the_report(world):
    ran = world.pick()
    assert "unsound: drivers/kept.c:7: dock_limit() takes 2 arguments in the target" in ran.out
    for name in ("report.md", "report.html"):
        text = (world.workspace / "latest" / name).read_text().replace("\\", "")
        assert "dock_limit() takes 2 arguments in the target" in text
    page = world.root / "review.html"
    assert world.run("review", "--output", str(page)).code == 0
    assert "! unsound:" in page.read_text()


def test_strict_picks_end_with_4_and_move_no_branch(world):
    world.pick("--branch", "loose")
    assert world.head(ref="refs/heads/loose")
    ran = world.pick("--strict-picks", "--branch", "strict")
    assert ran.code == Exit.GATE
    assert "dock: Keep one: " + SAID in ran.err
    assert world.head(ref="refs/heads/strict") == ""
    record = world.record()
    assert record["outcome"] == "gate-failed"
    assert record["picks"][1]["verdict"] == "unsound"
    assert "--strict-picks" in record["command"]


def test_the_screen_shows_a_few_findings_of_a_pick():
    doubts = tuple(Doubt("a.c", n, "other place", f"reason {n}") for n in range(1, 6))
    picks = (Pick("5" * 40, "a: b", "clean", "6" * 40, verdict="look here", doubts=doubts),)
    text = summary(RunRecord("dock", "mini", "passed", "", "", picks=picks))
    assert "look here: a.c:3: reason 3" in text
    assert "reason 4" not in text and "and 2 more in the report" in text


# -- judge


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A main line and, in another repository, a branch with four picks of it."""
    folder = tmp_path_factory.mktemp("judged")
    main_, other = Story(folder / "main.git"), Story(folder / "other.git")
    files = {"a.h": "int limit(int a);\n", "a.c": '#include "a.h"\n', "b.c": "int b;\n"}
    main_.add("first", files=files)
    fits = main_.add("b: more", files={"b.c": "int b;\nint c;\n"})
    breaks = main_.add(
        "a: use", files={"a.c": '#include "a.h"\nint use(int a)\n{\n\treturn limit(a);\n}\n'}
    )
    other.branch(
        "stable", other.add("first", files={**files, "a.h": "int limit(int a, int most);\n"})
    )
    said = "(cherry picked from commit {})"
    changes = {"a.c": '#include "a.h"\nint use(int a)\n{\n\treturn limit(a);\n}\n'}
    other.add("b: more", said.format(fits), {"b.c": "int b;\nint c;\n"}, branch="stable")
    other.shas = [other.add("a: use", said.format(breaks), changes, branch="stable")]
    other.add("own", files={"own.c": "int own;\n"}, branch="stable")
    other.add("lost", said.format("5" * 40), {"own.c": "int its;\n"}, branch="stable")
    return main_, other


def judged(story, *more):
    main_, other = story
    argv = ["judge", "main..stable", "--repo", str(other.path), "--history", str(main_.path)]
    return main([*argv, "--quiet", *more])


def test_the_picks_of_a_branch_are_judged(story, capsys):
    assert judged(story) == Exit.GATE
    out, err = capsys.readouterr()
    assert "4 commits: 1 sound, 1 unsound, 2 not judged" in out
    (row,) = (line for line in out.splitlines() if line.startswith("unsound"))
    assert story[1].shas[0][:12] in row and "a: use" in row
    assert "a.c:4: other signature: limit() takes 2 arguments in the target" in out
    assert "it names no upstream commit" in out and "--history" in out
    assert "1 of 4 commits cannot be right" in err


def test_the_verdicts_as_json(story, capsys):
    assert judged(story, "--json") == Exit.GATE
    data = json.loads(capsys.readouterr().out)
    assert data["tally"] == {"sound": 1, "unsound": 1, "not judged": 2}
    assert [one["verdict"] for one in data["commits"]] == ["sound", "unsound", "", ""]
    assert data["commits"][1]["findings"][0]["name"] == "limit"


def test_sound_picks_end_well_and_other_repositories_are_not_written_to(story, capsys):
    main_, other = story
    before = sorted(path for path in other.path.rglob("*"))
    argv = ["--repo", str(other.path), "--history", str(main_.path), "--quiet"]
    assert main(["judge", "stable~3", *argv]) == 0
    assert "1 commit: 1 sound" in capsys.readouterr().out
    assert sorted(path for path in other.path.rglob("*")) == before


@pytest.mark.parametrize(
    ("range_", "said"),
    [
        ("main..nowhere", "no such range"),
        ("main..main", "no commit in it"),
        ("main", "no commit says"),
    ],
)
def test_a_range_that_cannot_be_judged_is_told(story, range_, said, capsys):
    assert main(["judge", range_, "--repo", str(story[1].path), "--quiet"]) == Exit.USAGE
    assert said in capsys.readouterr().err
