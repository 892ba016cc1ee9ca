"""What cannot be is refused: what, where, what to do about it; and nothing is changed."""

from __future__ import annotations

import re

import pytest
from minikernel import (
    BASE,
    RULE,
    SERIES,
    TARGET,
    git,
    known_world,
    make_tarball,
    snapshot,
    write_tree,
)


@pytest.fixture
def world(tmp_path):
    made = known_world(tmp_path / "world")
    made.settle()
    return made


RECORDS = ("cache/runs", "cache/store.git/objects", "cache/tarballs", "cache/store.git/inbox")


def refused(world, *argv, code=2):
    """Run what must be refused: its stderr, once nothing but records was written."""
    before = snapshot(world.root, less=RECORDS)
    ran = world.run(*(argv or world.argv("pick")))
    assert ran.code == code, ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert re.search(r"^(error|next): ", ran.err, re.M)
    assert snapshot(world.root, less=RECORDS) == before
    return ran.err


# -- names


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (("plan", "dok"), "dok: no such series", "did you mean `dock`?"),
        (("plan", "../dock"), "../dock: no such series", "did you mean `dock`?"),
        (("plan", "netfilter"), "netfilter: no such series", "known: dock"),
        (("run", "dock", "--target", "mini-6.2"), "mini-6.2: no such", "did you mean `mini-6.1`?"),
        (("pick", "dock"), "debian-5.10: no such target", "known: mini-6.1"),
    ],
)
def test_an_unknown_name_is_named_with_the_near_one(world, argv, message, hint):
    err = refused(world, *argv)
    assert message in err and hint in err
    assert not (world.cache / "runs").exists()  # a slip of the finger leaves no run behind


def test_a_suite_that_there_is_not_is_refused_before_anything_is_built(world):
    err = refused(world, "test", "dock", "--target", "mini-6.1", "--suite", "duck")
    assert "--suite duck: no such suite" in err and "one of: dock" in err
    assert world.record()["picks"] == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("pik", "dock"), "pik"),
        (("pick",), "Missing argument 'series'"),
        (("pick", "dock", "--frob"), "--frob"),
        (("pick", "dock", "extra"), "extra"),
        (("run", "dock", "--accel", "warp"), "warp"),
        (("run", "dock", "--jobs", "many"), "'--jobs'"),
        (("run", "dock", "--jobs", "-1"), "'--jobs'"),
        (("status", "nonsense"), "nonsense: no such run"),
        (("report", "nonsense"), "nonsense: no such run"),
        (("export", "nonsense"), "nonsense: no such run"),
        (("continue", "--series"), "--series"),
    ],
)
def test_a_wrong_command_line_is_refused(world, argv, message):
    assert message in refused(world, *argv)


# -- data files


def edit(world, name, old, new):
    """Change a data file; its path."""
    path = world.data / "patches" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


SERIES_FILE, TARGET_FILE = f"{SERIES}/series.toml", f"targets/{TARGET}.toml"


@pytest.mark.parametrize(
    ("name", "old", "new", "where"),
    [
        (SERIES_FILE, "title", "titel", "1: titel: the key `title` is missing"),
        (SERIES_FILE, 'suites = ["dock"]', 'suites = "dock"', "2: suites: "),
        (SERIES_FILE, 'roles = ["prereq', "roles = [prereq", "5: "),
        (SERIES_FILE, 'role = "core"', 'role = "cor"', "15: did you mean"),
        (SERIES_FILE, 'first_in = "6.6"', "first_in = 6.6", "14: first_in"),
        (TARGET_FILE, 'version = "6.1"', 'version = "six"', "1: version"),
        (TARGET_FILE, 'kind = "repo"', 'kind = "rpo"', "5: kind"),
        (TARGET_FILE, "fragments = []", "fragment = []", "2: did you mean"),
        (TARGET_FILE, "path = ", 'rev = 3\npath = "x"\nother = ', "6: rev"),
    ],
)
def test_a_wrong_manifest_is_told_with_file_and_line(world, name, old, new, where):
    path = edit(world, name, old, new)
    err = refused(world)
    line, _, message = where.partition(": ")
    assert f"{path}:{line}: " in err and message in err and "next: " in err
    assert "import" not in err  # before any work


RULES = f"{SERIES}/rules/10-all.toml"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("cause =", "case =", 1, "case: the key `cause` is missing"),
        ('within = "dock_open"', 'withn = "dock_open"', 7, "withn: unknown key"),
        ('take = "ours"', 'take = "hours"', 8, "'hours' is not known"),
        ("find = '(", "find = '", 9, "not a regular expression"),
        ('commits = ["', 'commits = ["xyz', 5, "no commit id"),
        ("why =", 'additive = "line"\nwhy =', 3, "exactly one action"),
        ('path = "drivers/core.c"\n', "", 3, "one of `path` and `paths`"),
    ],
)
def test_a_wrong_rule_is_told_with_file_and_line(world, old, new, line, message):
    path = edit(world, RULES, old, new)
    err = refused(world)
    assert re.search(rf"{re.escape(str(path))}(:{line})?: ", err), err
    assert message in err


def test_two_rules_with_one_id_are_refused(world):
    world.rules(RULE.format(sha=world.shas[1][:12]), "20-more.toml")
    err = refused(world)
    assert "20-more.toml:3" in err and "rule open-limit is already at" in err
    assert "10-all.toml:3" in err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"dock_open"', '"dock_shut"', "rule open-limit matches 0 places in drivers/core.c, want"),
        ('within = "dock_open"', "count = 2", "matches 1 places in drivers/core.c, want 2"),
        ('"drivers/core.c"', '"drivers/absent.c"', "drivers/absent.c"),
        ("dock_count\\\\+\\\\+", "dock_counter", "matches nowhere in the region"),
    ],
)
def test_a_rule_that_does_not_match_as_it_says_is_named(world, old, new, message):
    path = edit(world, RULES, old.replace("\\\\", "\\"), new)
    ran = world.pick()
    assert ran.code == 2, ran.err
    assert f"{path}:3" in ran.err and message in ran.err and "next: " in ran.err
    assert world.head() == ""


def test_two_rules_for_one_place_are_refused(world):
    text = RULE.format(sha=world.shas[1][:12]).replace('"open-limit"', '"also-limit"')
    path = world.rules(text, "20-more.toml")
    ran = world.pick()
    assert ran.code == 2 and f"{path}:3" in ran.err
    assert "rules open-limit and also-limit both claim a conflict in drivers/core.c" in ran.err


def test_lines_that_nobody_accounts_for_fail_a_gate(world):
    edit(world, RULES, "\\1\\tdock_limit(dock);\\n", "\\1\\tdock_limit(dock);\\n<<<<<<< x\\n")
    ran = world.pick("--json")
    assert ran.code == 4, ran.err
    assert "form:" in ran.err and "conflict marker" in ran.err
    gates = {g["name"]: g["outcome"] for g in ran.json["gates"]}
    assert gates == {"form": "failed"} and ran.json["outcome"] == "gate-failed"
    assert world.head() == ""


# -- commits


def test_a_commit_that_upstream_does_not_have_is_named(world):
    other = "0123456789abcdef" * 2 + "01234567"
    path = edit(world, SERIES_FILE, world.shas[2], other)
    err = refused(world)
    assert f"{path}:" in err and f"{other} " in err and str(world.upstream) in err
    assert "correct the SHA, or name the repository that has it (--upstream)" in err


def test_a_commit_with_another_subject_is_named(world):
    path = edit(world, SERIES_FILE, "dock: Add a list", "dock: Add a lists")
    err = refused(world)
    assert f"{path}:" in err and '"dock: Add a list"' in err and "dock: Add a lists" in err


def test_an_upstream_that_is_not_there_is_told(world, tmp_path):
    known = "refs/backport/upstream"
    for upstream, code, message in (
        (f"git:{tmp_path}/absent", 2, "no such directory, and not a URL"),
        (f"git:{tmp_path}", 2, "not a git repository"),
        (f"mbox:{tmp_path}/absent", 2, "no such file or folder"),
        ("mbox", 2, "--upstream mbox:PATH"),
        ("svn:x", 2, "--upstream svn: no such kind"),
        ("snapshot", 2, "dock has no snapshot.toml"),
        ("snapshot:x", 2, "snapshot.toml"),
        ("git:git://127.0.0.1:9/linux.git", 69, "127.0.0.1"),
    ):
        argv = ("plan", SERIES, "--target", TARGET, "--base", str(world.base))
        for ref in git(world.store, "for-each-ref", "--format=%(refname)", known).split():
            git(world.store, "update-ref", "-d", ref)
        ran = world.run(*argv, "--upstream", upstream)
        assert (ran.code, ran.out) == (code, ""), ran.err
        assert message in ran.err and "Traceback" not in ran.err


# -- bases


def test_a_base_that_is_no_kernel_is_told(world, tmp_path):
    write_tree(tmp_path / "empty", {"README": "nothing"})
    write_tree(tmp_path / "makefile", {"Makefile": "all:\n", "Kconfig": ""})
    make_tarball(tmp_path / "other.tar.gz", {"README": "nothing"})
    whole = make_tarball(tmp_path / "whole.tar.gz", BASE).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.txt").write_text("no archive")
    for name, message in (
        ("absent", "no such file or directory"),
        ("empty", "is not a kernel tree: it has no Makefile"),
        ("makefile", "does not set VERSION to a number"),
        ("other.tar.gz", "is not a kernel tree"),
        ("cut.tar.gz", "damaged or cut off"),
        ("text.txt", "is not a tarball that can be read"),
    ):
        err = refused(world, *world.argv("pick", base=tmp_path / name))
        assert f"{tmp_path / name}" in err and message in err


def test_a_base_of_another_version_is_told(world, tmp_path):
    newer = {**BASE, "Makefile": BASE["Makefile"].replace("PATCHLEVEL = 1", "PATCHLEVEL = 12")}
    ran = world.pick(base=write_tree(tmp_path / "newer", newer))
    assert ran.code == 2
    assert "is Linux 6.12.7, the target mini-6.1 is for 6.1" in ran.err and "--base" in ran.err
    assert world.head(world.store) == ""


def test_a_vendors_version_is_no_trouble(world, tmp_path):
    makefile = BASE["Makefile"].replace("EXTRAVERSION =", "EXTRAVERSION = .el9_x")
    ran = world.pick("--json", base=write_tree(tmp_path / "v", {**BASE, "Makefile": makefile}))
    assert ran.code == 0, ran.err
    assert ran.json["base"]["version"] == "6.1.7.el9_x"


def test_revisions_belong_to_repositories(world, tmp_path):
    plain = write_tree(tmp_path / "plain", BASE)
    argv = ("pick", SERIES, "--target", TARGET, "--rev", "HEAD")
    assert "--rev goes with --base" in refused(world, *argv)
    assert "no revision 'main'" in refused(world, *world.argv("pick", "--rev", "main", base=plain))
    assert "has no commit 'v9'" in refused(world, *world.argv("pick", "--rev", "v9"))


def test_a_repository_without_a_commit_is_told(world, tmp_path):
    empty = write_tree(tmp_path / "empty", BASE)
    git(empty, "init", "-q", "--template=")
    assert "has no commit 'HEAD'" in refused(world, *world.argv("pick", base=empty))


# -- the machine


def test_a_wrong_data_folder_is_told(world, tmp_path):
    world.env["BACKPORT_DATA"] = str(tmp_path)
    err = refused(world)
    assert f"{tmp_path}: no data folder of backport (lacks patches, kconfig, qemu)" in err
    assert "set BACKPORT_DATA" in err
    assert not (world.cache / "runs").exists()


def test_a_cache_that_is_a_file_is_told(world, tmp_path):
    (tmp_path / "file").write_text("")
    world.env["BACKPORT_CACHE"] = str(tmp_path / "file" / "cache")
    ran = world.pick()
    assert ran.code == 69 and str(tmp_path / "file") in ran.err and "Traceback" not in ran.err


def test_json_is_one_object_even_for_what_never_became_a_run(world):
    ran = world.run("pick", "dok", "--json")
    assert ran.code == 2
    assert ran.json["outcome"] == "refused" and ran.json["exit_code"] == 2
    assert ran.json["failure"]["message"] == "dok: no such series"
    assert ran.json["id"] == "" and ran.json["picks"] == []
