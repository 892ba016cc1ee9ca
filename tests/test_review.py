"""A finished run, read back from the store: each pick beside upstream's, tied to its rules."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from kernelish import BASE_C, Bench, change, make_tree, rule
from minikernel import RULE, copy_world, make_world
from minikernel import git as plain_git

from backport.advice.ownership import Tie
from backport.advice.review import Request, review
from backport.doors.rundir import find
from backport.doors.store import Store
from backport.output.diffrows import QUIET
from backport.readers.rules import read_rules
from backport.values import record
from backport.values.compat import Compat
from backport.values.errors import Exit, UsageError
from backport.values.events import silent
from backport.values.rule import Edit, Rewrite, Substitution
from backport.values.style import CommitStyle, StyleFinding, StyleReport

pytestmark = pytest.mark.slow  # whole runs of the command line


@pytest.fixture(scope="module")
def picked(tmp_path_factory):
    """A world with a finished pick in it; tests copy it if they change it."""
    world = make_world(tmp_path_factory.mktemp("review") / "world")
    world.settle()
    assert world.pick("--quiet").code == 0
    return world


@pytest.fixture
def world(picked, tmp_path):
    return copy_world(picked, tmp_path / "world")


def read(world, rules=True):
    from backport.doors.cache import Cache

    run = find(world.cache / "runs", "latest")
    found = read_rules(world.data / "patches/dock/rules") if rules else ()
    return review(Request(Store(Cache(world.cache)).git, run.record, tuple(found)), silent)


def loud(file):
    """(upstream's line, the backport's, tie, rules) of the rows with something to say."""
    return [
        (row.left and row.left.key, row.right and row.right.key, owner.tie, owner.rules)
        for row, owner in zip(file.rows, file.owners, strict=True)
        if owner.tie not in QUIET
    ]


def test_each_pick_has_both_diffs_and_the_rules_that_made_them_differ(picked):
    found = read(picked)
    assert [one.pick.outcome for one in found.commits] == ["clean", "resolved", "clean"]
    first, limit, tell = found.commits
    assert [file.path for file in first.files] == ["drivers/Makefile", "drivers/list.c"]
    assert [loud(file) for file in (*first.files, *tell.files)] == [[], [], []]
    (core,) = limit.files
    assert ("+\tdock_limit(dock);", "+\tdock_limit(dock);", Tie.PLACED, ("open-limit",)) in loud(
        core
    )
    (clash,) = core.clashes
    assert clash.rule == "open-limit" and clash.conflict.symbol == "dock_open"
    assert clash.conflict.region.ours == ("\tdock_count++;\n",)
    assert limit.untold == ""


def test_rules_that_changed_since_are_not_believed(world):
    world.rules(RULE.format(sha=world.shas[1][:12]).replace("dock_limit(dock)", "dock_other(dock)"))
    limit = read(world).commits[1]
    assert "they give another result now" in limit.untold
    assert {tie for *_, tie, _ in loud(limit.files[0])} <= {Tie.UNTOLD}
    world.rules(RULE.format(sha=world.shas[1][:12]).replace("dock_open", "dock_gone"))
    assert "matches 0 places" in read(world).commits[1].untold
    alone = read(world, rules=False).commits[1]
    assert alone.by_hand == () and "others fire now" in alone.untold


def test_the_command_reads_the_rules_that_the_run_read(world):
    """A run keeps them, so that a page of last year's run still ties its lines to them."""
    world.rules(RULE.format(sha=world.shas[1][:12]).replace("dock_open", "dock_gone"))
    ran = world.run("review", "--quiet", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["untied"], ran.json["unexplained"]) == ([], 0)


def test_what_a_person_resolved_is_said_to_be_by_hand(tmp_path):
    world = make_world(tmp_path / "world")
    assert world.pick("--quiet").code == Exit.CONFLICTS
    stopped = read(world)
    (core,) = stopped.commits[-1].files
    assert core.clashes[0].rule == "" and {o.tie for o in core.owners} >= {Tie.UNMADE}
    path = world.worktree / "drivers/core.c"
    text = path.read_text()
    start, end = text.index("<<<<<<<"), text.index(">>>>>>>")
    rest = text[end:].partition("\n")[2]
    path.write_text(f"{text[:start]}\tdock_count += 2;\n{rest}")
    plain_git(world.worktree, "add", "-A")
    ran = world.run("continue", "--quiet")
    assert ran.code == 0, ran.err
    limit = read(world).commits[1]
    assert limit.by_hand == ("drivers/core.c",)
    assert Tie.HAND in {owner.tie for owner in limit.files[0].owners}
    assert "Resolved by hand" in _page(world)


def _page(world, *more):
    ran = world.run("review", "--quiet", "--json", *more)
    assert ran.code == 0, ran.err
    with open(ran.json["page"], encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


def test_the_command_writes_the_page_into_the_runs_folder_and_the_report_links_to_it(world):
    report = world.workspace / "latest/report.html"
    assert "review.html" not in report.read_text()
    ran = world.run("review", "--quiet", "--json")
    page = (world.workspace / "latest").resolve() / "review.html"
    told = ran.json
    assert told.pop("bytes") == page.stat().st_size
    assert told.pop("lines") > 0
    assert told == {"page": str(page), "differ": 0, "unexplained": 0, "untied": []}
    assert 'href="review.html"' in report.read_text()
    assert "dock: Limit how many can dock" in page.read_text()
    record_before = world.record()
    assert world.run("review", "--quiet").out == f"{page}\n"
    assert world.record() == record_before


def test_the_page_can_go_elsewhere_and_then_the_run_is_left_alone(world, tmp_path):
    out = tmp_path / "there" / "page.html"
    assert world.run("review", "latest", "--output", str(out), "--quiet").code == 0
    assert out.stat().st_size > 10_000
    assert not (world.workspace / "latest/review.html").exists()


def test_findings_beside_the_record_are_in_the_page_and_broken_ones_an_error(world):
    folder = world.workspace / "latest"
    sha = world.record()["picks"][1]["commit"]
    finding = StyleFinding("WARNING", "X", "that is too long", "drivers/core.c", 11)
    other = StyleFinding("CHECK", "Y", "of the message", state="allowed", why="upstream's habit")
    kept = StyleReport(
        "dock", "mini", sha, sha, True, (CommitStyle(sha, sha, "", (finding, other)),)
    )
    (folder / "style.json").write_text(json.dumps({**asdict(kept), "more": 1}))
    text = _page(world)
    assert "that is too long" in text and "! new" in text
    assert "<td>message</td>" in text and "upstream&#39;s habit" in text
    for text in ("{", "{}", '{"commits": [1]}'):
        (folder / "style.json").write_text(text)
        ran = world.run("review", "--quiet")
        assert ran.code == Exit.USAGE and "style.json" in ran.err
    (folder / "style.json").unlink()
    damaged = asdict(Compat("dock", "mini", sha, sha)) | {"symbols": {"added": [3]}}
    (folder / "compat.json").write_text(json.dumps(damaged))
    ran = world.run("review", "--quiet")
    assert ran.code == Exit.USAGE and "symbols: added[0]: expected str" in ran.err


def test_what_cannot_be_reviewed_is_told(world, tmp_path):
    ran = world.run("review", "--output", str(tmp_path), "--quiet")
    assert ran.code == Exit.USAGE and "is a folder" in ran.err
    lost = world.record()
    lost["picks"][0]["commit"] = "1" * 40
    (world.workspace / "latest/run.json").write_text(json.dumps(lost))
    ran = world.run("review", "--quiet")
    assert (
        ran.code == Exit.USAGE and f"no commit {'1' * 40}" in ran.err and "backport pick" in ran.err
    )
    assert world.run("pick", "dock", "--target", "no-such").code == Exit.USAGE


def test_a_plan_shows_what_is_to_come(world):
    assert world.run(*world.argv("plan", "--quiet")).code == 0
    found = read(world)
    assert {o.tie for one in found.commits for f in one.files for o in f.owners} == {Tie.UNMADE}
    assert "of upstream&#39;s commit" in _page(world)


# -- single picks


def reviewed(tmp_path, base, ours, theirs, *rules):
    bench = Bench(tmp_path)
    git = bench.git
    incoming = change(git, make_tree(git, base), make_tree(git, theirs))
    onto = git.commit_tree(make_tree(git, ours), [], "target\n", incoming.author, incoming.author)
    from backport.picking.history import shown
    from backport.picking.pick import Target, pick

    done = pick(incoming, onto, git.tree_of(onto), rules, Target(git, bench.version))
    entry = shown(done, done.outcome, done.commit).pick
    base_of = record.Base("6.1", "a test", "", onto, "", git.tree_of(onto))
    told = record.RunRecord("dock", "mini", "passed", "", "", base=base_of, picks=(entry,))
    return review(Request(git, told, rules), silent)


def test_every_kind_of_rule_owns_its_lines(tmp_path):
    theirs = BASE_C.replace("\treturn 0;\n", "\tnew_call(dock, 1);\n\treturn 0;\n")
    rules = (
        rule(Rewrite((Substitution(r", 1\)", ")"),)), id="args"),
        rule(Edit(Substitution("dock_newer", "dock_older")), id="older"),
    )
    (one,) = reviewed(tmp_path, {"a.c": BASE_C}, {"a.c": BASE_C}, {"a.c": theirs}, *rules).commits
    assert loud(one.files[0]) == [
        (None, "-\treturn dock_newer(dock);", Tie.RULE, ("older",)),
        (None, "+\treturn dock_older(dock);", Tie.RULE, ("older",)),
        ("+\tnew_call(dock, 1);", "+\tnew_call(dock);", Tie.RULE, ("args",)),
    ]


def test_what_the_target_has_already_and_what_is_no_text(tmp_path):
    base = {"a.c": BASE_C, "fw.bin": b"\0old", "run.sh": "#!/bin/sh\n"}
    theirs = {"a.c": BASE_C + "int added;\n", "fw.bin": b"\0new", "run.sh": "#!/bin/sh\n"}
    ours = {**base, "a.c": BASE_C + "int added;\n"}
    (one,) = reviewed(tmp_path, base, ours, theirs).commits
    code, firmware = one.files
    assert loud(code) == []
    assert code.owners[-1].tie is Tie.THERE and code.rows[-1].right is None
    assert firmware.rows == () and firmware.notes[-1] == "both give the same file"
    assert firmware.notes[0].startswith("upstream: binary")


def test_a_store_that_lost_the_base_is_told_before_anything_is_read(tmp_path):
    bench = Bench(tmp_path)
    base = record.Base("6.1", "a test", "", "2" * 40)
    told = record.RunRecord("dock", "mini", "passed", "", "backport pick dock", base=base)
    with pytest.raises(UsageError, match="no commit 2222"):
        review(Request(bench.git, told, ()), silent)
