"""plan and pick from the command line: what they leave, where, and what a second run does."""

from __future__ import annotations

import json
import shlex
import shutil

import pytest
from minikernel import (
    BASE,
    BRANCH,
    RULE,
    SERIES,
    TARGET,
    TELL,
    copy_world,
    git,
    known_world,
    make_tarball,
    make_world,
    snapshot,
    write_tree,
)

from backport.gates import symbols
from backport.values.record import RunRecord

SUBJECTS = [
    "dock: Tell nothing of yourself",
    "dock: Limit how many can dock",
    "dock: Add a list",
    "first",
]


@pytest.fixture
def world(tmp_path):
    made = known_world(tmp_path / "world")
    made.settle()
    return made


def subjects(repo, ref=BRANCH):
    return git(repo, "log", "--format=%s", ref).splitlines()


# -- plan


def test_a_plan_lists_the_commits_with_their_rules_and_picks_nothing(world):
    ran = world.run(*world.argv("plan"))
    assert ran.code == 0
    for text in (*SUBJECTS[:3], "6.1.7", "upstream   git", "planned", "1 rule"):
        assert text in ran.out
    assert world.head() == ""
    assert not (world.cache / "picks").exists()


def test_a_plan_as_json_is_the_record(world):
    data = world.run(*world.argv("plan", "--json")).json
    assert [(p["sha"], p["outcome"]) for p in data["picks"]] == [(s, "planned") for s in world.shas]
    assert [p["rules"] for p in data["picks"]] == [[], ["open-limit"], []]
    assert data["outcome"] == "passed" and data["head"] == "" and data["branch"] == ""


# -- pick, onto bases of each kind


def test_a_local_repository_gets_the_branch_and_nothing_else(world):
    git(world.base, "branch", "other")
    git(world.base, "tag", "v6.1.7")
    before = snapshot(world.base, less=[".git/objects"])
    ran = world.pick()
    assert ran.code == 0, ran.err
    assert subjects(world.base) == SUBJECTS
    new = f".git/{BRANCH}"
    assert snapshot(world.base, less=[".git/objects", new, ".git/logs/" + BRANCH]) == before
    assert git(world.base, "status", "--porcelain") == ""
    assert git(world.base, "fsck", "--full") == ""
    assert git(world.store, "rev-parse", "-q", "--verify", BRANCH, check=False) == ""


def test_a_bare_repository_and_a_revision_in_it(world, tmp_path):
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(world.base), str(bare))
    ran = world.pick("--rev", "main", base=bare)
    assert ran.code == 0, ran.err
    assert subjects(bare) == SUBJECTS


def test_a_folder_inside_a_repository_means_the_repository(world):
    ran = world.pick(base=world.base / "lib")
    assert ran.code == 0, ran.err
    assert subjects(world.base) == SUBJECTS


def test_a_plain_directory_is_only_read_and_the_branch_is_in_the_store(world, tmp_path):
    plain = write_tree(tmp_path / "plain", BASE)
    before = snapshot(plain)
    ran = world.pick("--json", base=plain)
    assert ran.code == 0, ran.err
    assert snapshot(plain) == before
    assert subjects(world.store) == [*SUBJECTS[:3], "linux-6.1.7"]
    assert git(world.store, "rev-parse", BRANCH) == ran.json["head"]


@pytest.mark.slow
def test_a_tarball_gives_the_tree_that_the_directory_gives(world, tmp_path):
    tarball = make_tarball(tmp_path / "linux.tar.gz", BASE)
    first = world.pick("--json", base=tarball).json
    second = world.pick("--json", base=write_tree(tmp_path / "plain", BASE)).json
    assert first["base"]["sha256"] and first["base"]["source"] == str(tarball)
    assert (first["tree"], first["base"]["tree"]) == (second["tree"], second["base"]["tree"])


def test_the_targets_own_source_is_the_base_without_another(world):
    argv = ("pick", SERIES, "--target", TARGET, "--upstream", f"git:{world.upstream}")
    ran = world.run(*argv)
    assert ran.code == 0, ran.err
    assert subjects(world.base) == SUBJECTS


def test_relative_paths_are_recorded_whole(world, monkeypatch):
    monkeypatch.chdir(world.root)
    argv = ("pick", SERIES, "--target", TARGET, "--base", "base", "--upstream", "git:upstream")
    ran = world.run(*argv, "--json")
    assert ran.code == 0, ran.err
    assert f"--base {world.base} --upstream git:{world.upstream}" in ran.json["command"]


# -- pick, from upstreams of each kind


def mails(world, folder):
    text = git(world.upstream, "format-patch", "-q", "-o", str(folder), "main~3")
    assert text == ""
    for sha, path in zip(world.shas, sorted(folder.glob("*.patch")), strict=True):
        body = path.read_text()
        path.write_text(body.replace("\nBecause.\n", f"\ncommit {sha} upstream.\n\nBecause.\n"))


@pytest.mark.slow
def test_mails_whose_blobs_are_known_give_the_commits_that_git_gives(world, tmp_path):
    want = world.pick("--json").json
    mails(world, tmp_path / "mails")
    argv = ("pick", SERIES, "--target", TARGET, "--base", str(world.base))
    ran = world.run(*argv, "--upstream", f"mbox:{tmp_path / 'mails'}", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["upstream"]["kind"] == "mbox"
    assert ran.json["tree"] == want["tree"]
    again = world.run(*argv, "--upstream", f"mbox:{tmp_path / 'mails'}")
    assert "all cached" in again.out


# -- what a run says


def test_json_is_one_object_on_stdout_and_the_talk_is_on_stderr(world):
    ran = world.pick("--json")
    record = RunRecord.from_json(ran.json)
    assert ran.out.startswith("{") and ran.out.rstrip().endswith("}")
    assert (record.outcome, record.exit_code, record.series) == ("passed", 0, SERIES)
    assert [p.outcome for p in record.picks] == ["clean", "resolved", "clean"]
    assert {"accounting", "form"} <= {g.name for g in record.gates if g.outcome == "passed"}
    assert not [g for g in record.gates if g.outcome not in {"passed", "not-run"}]
    assert record.head == world.head()
    for stage in ("import", "upstream", "pick"):
        assert stage in ran.err
    assert record.to_json() == {**world.record(), "seconds": record.seconds}


def test_quiet_says_nothing_on_stderr(world):
    assert world.pick("--quiet").err == ""


def test_a_second_run_finds_everything_done(tmp_path):
    world = make_world(tmp_path / "world")
    world.settle()
    first, second = world.pick("--json").json, world.pick("--json").json
    assert not any(stage["cached"] for stage in first["stages"])
    assert all(stage["cached"] for stage in second["stages"])
    assert (first["head"], first["tree"]) == (second["head"], second["tree"])
    assert [p["commit"] for p in first["picks"]] == [p["commit"] for p in second["picks"]]
    assert "all cached" in world.pick().out


@pytest.mark.slow
def test_another_machine_with_another_configuration_gives_the_same_commits(world, tmp_path):
    other = copy_world(world, tmp_path / "far" / "away")
    shutil.rmtree(other.cache)
    config = "[merge]\n\tconflictStyle = zdiff3\n[core]\n\tautocrlf = true\n[user]\n\tname = Me\n"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(config + "[commit]\n\tgpgSign = true\n")
    other.env |= {"HOME": str(tmp_path / "home"), "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    assert world.pick().code == other.pick().code == 0
    assert world.head() == other.head() != ""


def test_the_recorded_command_does_the_same_again(world):
    command = world.pick("--branch", "feature/x", "--json").json["command"]
    ran = world.run(*shlex.split(command)[1:])
    assert ran.code == 0 and "all cached" in ran.out


@pytest.mark.slow
def test_a_commit_that_is_there_already_makes_no_commit(tmp_path):
    base = {**BASE, **TELL.files}
    world = make_world(tmp_path / "world", base=base)
    world.settle()
    picks = world.pick("--json").json["picks"]
    assert [p["outcome"] for p in picks] == ["clean", "resolved", "already-applied"]
    assert subjects(world.base) == SUBJECTS[1:]
    assert world.pick("--json").json["tree"] == git(world.base, "rev-parse", BRANCH + "^{tree}")


def test_nothing_to_pick_leaves_the_branch_at_the_base(tmp_path):
    base = {**BASE, **TELL.files}
    world = make_world(tmp_path / "world", (TELL,), base=base)
    assert world.pick().code == 0
    assert world.head() == git(world.base, "rev-parse", "main")
    assert world.pick().code == 0


# -- status, report, export of what was picked


def test_status_report_and_export_read_the_run(world, tmp_path):
    record = world.pick("--json").json
    assert world.run("status", "--json").json == world.record()
    assert record["id"] in world.run("status", "--all").out
    assert [r["outcome"] for r in world.run("status", "--all", "--json").json] == ["passed"]
    for path in world.run("report", "--json").json.values():
        with open(path, encoding="utf-8") as text:  # noqa: PTH123 - a name as it was printed
            assert "dock: Limit how many can dock" in text.read()
    ran = world.run("export", "-o", str(tmp_path / "out"), "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["head"], ran.json["tree"]) == (record["head"], record["tree"])
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "-b", "main", str(world.base), str(clone))
    patches = sorted(str(p) for p in (tmp_path / "out").glob("*.patch") if "0000" not in p.name)
    who = ("-c", "user.name=R", "-c", "user.email=r@example.org")
    git(clone, *who, "am", "-q", *patches)
    assert git(clone, "rev-parse", "HEAD^{tree}") == record["tree"]


@pytest.mark.slow
def test_one_form_of_the_report_goes_where_it_is_asked_for(world, tmp_path):
    world.pick()
    for form, start in (("junit", "<?xml"), ("kcidb", "{"), ("html", "<!"), ("md", "#")):
        out = tmp_path / form
        ran = world.run("report", "--format", form, "--output", str(out))
        assert (ran.code, ran.out) == (0, f"{out}\n")
        assert out.read_text("utf-8").lower().startswith(start)
    ran = world.run("report", "--format", "kcidb", "--origin", "acme", "--json")
    with open(ran.json["kcidb"], encoding="utf-8") as text:  # noqa: PTH123 - a name as printed
        assert json.load(text)["checkouts"][0]["origin"] == "acme"
    for argv in (("--output", "x"), ("--origin", "A C M E"), ("--format", "pdf")):
        ran = world.run("report", *argv)
        assert ran.code == 2 and "Traceback" not in ran.err


def test_nothing_to_show_is_said(world):
    assert world.run("status").code == 2
    assert "there are no runs yet" in world.run("status").err
    assert world.run("status", "--all").out == "there are no runs yet\n"
    assert world.run("status", "--all", "--json").json == []
    world.run(*world.argv("plan"))
    ran = world.run("export", "-o", str(world.root / "out"))
    assert ran.code == 2 and "picked nothing" in ran.err
    assert not (world.root / "out").exists()


def test_the_record_on_disk_is_whole_json_with_a_relative_report(world):
    world.pick()
    record = json.loads((world.workspace / "latest" / "run.json").read_text())
    for name in ("markdown", "html", "junit", "kcidb"):
        assert (world.workspace / "latest" / record["artifacts"][name]).is_file()


# -- names are looked up once


def test_a_pass_of_the_symbols_gate_is_kept_until_something_changes(world, monkeypatch):
    looked, check = [], symbols.check
    monkeypatch.setattr(symbols, "check", lambda request: looked.append(1) or check(request))
    world.settle()
    first, again = world.pick("--json").json, world.pick("--json").json
    assert looked == [1] and first["gates"] == again["gates"]
    assert first["brought"] == again["brought"]
    for kept in (world.cache / "gates").iterdir():
        kept.write_text("{")
    assert world.pick().code == 0 and looked == [1, 1]
    world.rules(RULE.format(sha=world.shas[1][:12]).replace("\\1\\tdock", "\\1\\n\\tdock"))
    assert world.pick().code == 0 and looked == [1, 1, 1]


def test_a_failure_of_the_symbols_gate_is_looked_up_anew(world):
    rules = RULE.format(sha=world.shas[1][:12])
    world.rules(rules.replace("\\1\\tdock_limit", "\\1\\tdock_newer"))
    assert [world.pick().code for _ in range(2)] == [4, 4]
    assert not (world.cache / "gates").exists()
