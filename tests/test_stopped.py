"""A conflict that no rule settles: what is shown, what is left, and the ways to go on."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from minikernel import (
    BASE,
    BRANCH,
    CORE,
    LIMIT,
    OPEN_OLD,
    SERIES,
    STEPS,
    TARGET,
    UPSTREAM,
    Step,
    git,
    known_world,
    make_world,
    snapshot,
)

pytestmark = pytest.mark.slow

RESOLVED = CORE.format(open=OPEN_OLD + "\tdock_limit(dock);\n")


@pytest.fixture
def world(tmp_path):
    return known_world(tmp_path / "world")


@pytest.fixture
def stopped(world):
    """A world whose series stopped at its second commit."""
    ran = world.pick()
    assert ran.code == 3, ran.err
    return world


def resolve(world, text=RESOLVED, path="drivers/core.c"):
    (world.worktree / path).write_text(text)


def state(world):
    return json.loads((world.workspace / "stopped.json").read_text())


def shown(world, path="drivers/core.c"):
    """A file as the branch has it."""
    return git(world.base, "show", f"{BRANCH}:{path}") + "\n"


# -- the stop


def test_a_conflict_is_shown_with_place_sides_and_rule(world):
    before = snapshot(world.base)
    ran = world.pick("--json")
    assert ran.code == 3
    for text in (
        'stopped: 1 conflict without a rule in "dock: Limit how many can dock"',
        "--- drivers/core.c, in dock_open: both sides changed the same lines",
        "  upstream before:\n    | \tatomic_inc(&dock_count);\n    | \tdock_trace(dock);\n",
        "  target:\n    | \tdock_count++;\n",
        "  upstream after:\n    | \tatomic_inc(&dock_count);\n    | \tdock_trace(dock);\n"
        "    | \tdock_limit(dock);\n",
        f'commits = ["{world.shas[1][:12]}"]',
        'within = "dock_open"',
        f"patches/{SERIES}/rules/NAME.toml",
        f"resolve it in {world.worktree}",
        "next: backport learn",
        "backport continue takes it once",
    ):
        assert text in ran.err
    assert snapshot(world.base) == before
    data = ran.json
    assert (data["outcome"], data["exit_code"], data["branch"]) == ("conflicts", 3, "")
    assert [p["outcome"] for p in data["picks"]] == ["clean", "conflict"]
    assert data["stages"][-1]["outcome"] == "conflicts"


def test_the_worktree_is_unmerged_and_holds_only_what_is_touched(stopped):
    assert git(stopped.worktree, "status", "--porcelain") == "UU drivers/core.c"
    assert "both modified:   drivers/core.c" in git(stopped.worktree, "status")
    for stage, text in enumerate((UPSTREAM, BASE, LIMIT.files), 1):
        assert (
            git(stopped.worktree, "show", f":{stage}:drivers/core.c") + "\n"
            == text["drivers/core.c"]
        )
    text = (stopped.worktree / "drivers/core.c").read_text()
    assert re.findall(r"^[<|=>]{7}.*", text, re.M) == [
        "<<<<<<< target", "||||||| upstream before", "=======", ">>>>>>> upstream after",
    ]  # fmt: skip
    assert git(stopped.worktree, "log", "--format=%s") == "dock: Add a list\nfirst"
    assert (stopped.worktree / "drivers/list.c").exists()
    assert not (stopped.worktree / "lib").exists() and not (stopped.worktree / "include").exists()


def test_git_in_the_worktree_can_throw_everything_away_again(stopped):
    git(stopped.worktree, "checkout", "-q", "--", "drivers/kept.c")
    git(stopped.worktree, "reset", "-q", "--hard")
    assert git(stopped.worktree, "status", "--porcelain") == ""
    assert not (stopped.worktree / "lib").exists()


def test_every_command_works_on_after_a_stop_and_a_sparse_checkout_in_the_worktree(stopped):
    git(stopped.worktree, "sparse-checkout", "set", "drivers", "lib")
    stopped.settle()
    assert stopped.pick().code == 0


def test_the_same_command_keeps_a_resolution_that_was_begun(stopped):
    resolve(stopped)
    ran = stopped.pick()
    assert ran.code == 3 and "as you left it" in ran.err
    assert (stopped.worktree / "drivers/core.c").read_text() == RESOLVED
    assert git(stopped.worktree, "status", "--porcelain") == "UU drivers/core.c"


def test_a_lost_worktree_is_made_again(stopped):
    shutil.rmtree(stopped.worktree)
    ran = stopped.run("continue")
    assert ran.code == 2 and "the worktree is gone" in ran.err
    assert stopped.pick().code == 3
    assert git(stopped.worktree, "status", "--porcelain") == "UU drivers/core.c"


# -- the rule from the message


def test_the_rule_from_the_message_settles_it(world):
    err = world.pick().err
    rule = err[err.index("  [[rule]]") : err.index("\nresolve it")]
    world.rules('cause = "another counter"\n' + rule)
    ran = world.pick("--json")
    assert ran.code == 0, ran.err
    assert shown(world) == RESOLVED
    assert [p["outcome"] for p in ran.json["picks"]] == ["clean", "resolved", "clean"]
    assert not world.worktree.exists() and not (world.workspace / "stopped.json").exists()
    assert world.run("continue").code == 2


TWO = "int two_{n}(void)\n{{\n\tstep_a{m}();\n\tstep_b{m}();\n}}\n\n"
FILE = (
    "#define LIMIT {m}\n#define OTHER {m}\n\nvoid step_c(void);\nvoid step_a{m}(void);\n"
    "void step_b{m}(void);\n\n"
)


def many(mark, extra=""):
    return FILE.format(m=mark) + extra + "".join(TWO.format(n=n, m=mark) for n in (1, 2)) + extra


def test_each_definition_gets_a_rule_of_its_own(tmp_path):
    theirs = many("_new").replace("_b_new();\n", "_b_new();\n\tstep_c();\n")
    theirs = theirs.replace("OTHER _new\n", "OTHER _new\n#define THIRD _new\n")
    steps = (Step("dock: Step on", {"drivers/many.c": theirs}),)
    world = make_world(
        tmp_path,
        steps,
        base={**BASE, "drivers/many.c": many("")},
        upstream={**UPSTREAM, "drivers/many.c": many("_new")},
    )
    err = world.pick().err
    assert "3 conflicts without a rule" in err
    rules = err[err.index("  [[rule]]") : err.index("\nresolve them")]
    assert rules.count("[[rule]]") == 3
    world.rules(f'cause = "other steps"\n{rules}')
    ran = world.pick()
    assert ran.code == 0, ran.err
    text = shown(world, "drivers/many.c")
    assert text.count("\tstep_c();") == 2 and text.count("THIRD _new") == 1


def test_two_copies_of_a_file_get_one_rule_and_its_places_narrow_ones(tmp_path):
    names = ("include/many.h", "tools/include/many.h")
    target, old = "#define A 1\n{}\n#define Z 1\n{}\n", ("one", "two")
    new = ("one_new", "two_new")
    theirs = target.format("one_new\n#define B 1", "two_new\n#define Y 1")
    world = make_world(
        tmp_path,
        (Step("dock: Define more", dict.fromkeys(names, theirs)),),
        base={**BASE, **dict.fromkeys(names, target.format(*old))},
        upstream={**UPSTREAM, **dict.fromkeys(names, target.format(*new))},
    )
    err = world.pick().err
    rules = err[err.index("  [[rule]]") : err.index("\nresolve them")]
    assert f"paths = {json.dumps(list(names))}" in rules
    world.rules(f'cause = "another dock"\n{rules}')
    ran = world.pick()
    assert ran.code == 0, ran.err
    want = target.format("one\n#define B 1", "two\n#define Y 1")
    assert [shown(world, name) for name in names] == [want, want]


# -- continue


def test_markers_left_are_refused_and_nothing_is_lost(stopped):
    text = (stopped.worktree / "drivers/core.c").read_text()
    before = snapshot(stopped.worktree)
    ran = stopped.run("continue")
    assert ran.code == 2
    line = text.split("\n").index("<<<<<<< target") + 1
    assert f"{stopped.worktree}/drivers/core.c:{line}: still holds a conflict marker" in ran.err
    assert snapshot(stopped.worktree) == before
    assert git(stopped.worktree, "status", "--porcelain") == "UU drivers/core.c"
    assert stopped.record()["outcome"] == "refused"
    resolve(stopped, text.replace("<<<<<<< target\n", "").replace(">>>>>>> upstream after\n", ""))
    assert "core.c:11: still" in stopped.run("continue").err  # the one with |||||||


def test_a_resolution_finishes_the_series(stopped):
    resolve(stopped)
    ran = stopped.run("continue", "--json")
    assert ran.code == 0, ran.err
    assert shown(stopped) == RESOLVED
    data = ran.json
    assert [p["outcome"] for p in data["picks"]] == ["clean", "resolved", "clean"]
    gates = {g["name"]: g for g in data["gates"]}
    for name in ("accounting", "form"):
        assert gates[name]["outcome"] == "not-run"
        assert "resolved by hand: drivers/core.c" in gates[name]["detail"]
    message = git(stopped.base, "log", "-1", "--format=%B%an", f"{BRANCH}~1")
    assert "resolved by hand: drivers/core.c" in message and message.endswith("Ada Author")
    assert not stopped.worktree.exists() and not (stopped.workspace / "stopped.json").exists()
    assert git(stopped.store, "worktree", "list").count("\n") == 0
    again = stopped.pick("--json")
    assert again.code == 0 and again.json["head"] == data["head"]
    assert {g["name"]: g["outcome"] for g in again.json["gates"]}["accounting"] == "not-run"


def test_edits_beside_the_conflict_belong_to_the_resolution(stopped):
    resolve(stopped)
    resolve(stopped, "int kept = 2;\n", "drivers/kept.c")
    (stopped.worktree / "drivers/limit.c").write_text("int limit;\n")
    before = snapshot(stopped.worktree)
    ran = stopped.run("continue")
    assert ran.code == 2 and "git does not know drivers/limit.c" in ran.err
    assert snapshot(stopped.worktree) == before
    git(stopped.worktree, "add", "drivers/limit.c")
    (stopped.worktree / "drivers/core.c.orig").write_text("left by an editor, and ignored")
    assert stopped.run("continue").code == 0
    changed = git(stopped.base, "diff", "--name-only", f"{BRANCH}~2", f"{BRANCH}~1").split()
    assert changed == ["drivers/core.c", "drivers/kept.c", "drivers/limit.c"]
    assert shown(stopped, "drivers/kept.c") == "int kept = 2;\n"


def test_lines_that_only_look_like_markers_may_stay(tmp_path):
    text = "Title\n=======\n\n>>>>>>> quoted\n{}\n"
    steps = (Step("dock: Tell more", {"lib/doc.rst": text.format("new") + "more\n"}),)
    world = make_world(
        tmp_path,
        steps,
        base={**BASE, "lib/doc.rst": text.format("old")},
        upstream={**UPSTREAM, "lib/doc.rst": text.format("new")},
    )
    assert world.pick().code == 3
    resolve(world, text.format("old") + "more\n", "lib/doc.rst")
    assert world.run("continue").code == 0
    assert shown(world, "lib/doc.rst") == text.format("old") + "more\n"


def test_a_resolution_may_delete_the_file_or_leave_nothing(stopped):
    resolve(stopped, BASE["drivers/core.c"])
    ran = stopped.run("continue", "--json")
    assert ran.code == 0, ran.err
    assert [p["outcome"] for p in ran.json["picks"]] == ["clean", "dropped", "clean"]
    assert git(stopped.base, "log", "--format=%s", BRANCH).count("\n") == 2


def test_a_resolution_may_delete_the_file(stopped):
    (stopped.worktree / "drivers/core.c").unlink()
    assert stopped.run("continue").code == 0
    names = git(stopped.base, "ls-tree", "-r", "--name-only", BRANCH).split()
    assert "drivers/core.c" not in names and "drivers/list.c" in names


def test_a_resolution_may_be_a_program_or_a_link(stopped):
    path = stopped.worktree / "drivers/core.c"
    path.unlink()
    path.symlink_to("kept.c")
    (stopped.worktree / "drivers/kept.c").chmod(0o755)
    assert stopped.run("continue").code == 0
    modes = git(stopped.base, "ls-tree", BRANCH, "drivers/core.c", "drivers/kept.c")
    assert [row.split()[0] for row in modes.split("\n")] == ["120000", "100755"]


def test_a_committed_resolution_counts_too(stopped):
    resolve(stopped)
    who = ("-c", "user.name=R", "-c", "user.email=r@example.org")
    git(stopped.worktree, "add", "-u")
    git(stopped.worktree, *who, "commit", "-q", "-m", "mine")
    assert stopped.run("continue").code == 0
    assert shown(stopped) == RESOLVED
    assert git(stopped.base, "log", "-1", "--format=%cn", BRANCH) == "backport"


def test_the_same_resolution_gives_the_same_commit_anywhere(stopped, tmp_path):
    other = known_world(tmp_path / "other")
    assert other.pick().code == 3
    for world in (stopped, other):
        resolve(world)
        assert world.run("continue").code == 0
    assert stopped.head() == other.head() != ""


def test_a_rule_written_meanwhile_wins_and_the_resolution_is_put_aside(stopped):
    resolve(stopped, RESOLVED + "/* mine */\n")
    stopped.settle()
    ran = stopped.run("continue")
    assert ran.code == 0, ran.err
    assert shown(stopped) == RESOLVED
    aside = [p for p in stopped.workspace.glob("worktree-*") if p.is_dir()]
    assert len(aside) == 1 and str(aside[0]) in ran.err
    assert (aside[0] / "drivers/core.c").read_text().endswith("/* mine */\n")
    assert not (stopped.workspace / "stopped.json").exists()


def test_a_stop_elsewhere_puts_a_begun_resolution_aside(stopped):
    resolve(stopped)
    (stopped.base / "lib/far.c").write_text("int further_away;\n")
    who = ("-c", "user.name=R", "-c", "user.email=r@example.org")
    git(stopped.base, *who, "commit", "-q", "-a", "-m", "another base")
    ran = stopped.pick()
    assert ran.code == 3 and "the worktree of an earlier conflict is now" in ran.err
    (aside,) = stopped.workspace.glob("worktree-*")
    assert (aside / "drivers/core.c").read_text() == RESOLVED
    assert "<<<<<<<" in (stopped.worktree / "drivers/core.c").read_text()


# -- conflicts of whole files


def whole(tmp_path, step, base=BASE, *, rule=False):
    world = make_world(tmp_path, (step, STEPS[2]), base=base)
    ran = world.pick()
    assert ran.code == 3, ran.err
    assert ("[[rule]]" in ran.err) is ("absent = " in ran.err) is rule
    assert ("no rule settles this: resolve it by hand" in ran.err) is not rule
    assert "not resolved yet" in world.run("continue").err
    return world, ran


def test_a_binary_file_is_kept_as_it_is_or_replaced(tmp_path):
    step = Step("dock: Load more", {"drivers/firmware.bin": b"\0\1more\0"})
    world, ran = whole(tmp_path, step)
    assert "drivers/firmware.bin: both sides changed the file" in ran.err
    (world.worktree / "drivers/firmware.bin").write_bytes(b"\0\1mine\0")
    git(world.worktree, "add", "drivers/firmware.bin")
    assert world.run("continue").code == 0
    assert git(world.base, "show", f"{BRANCH}:drivers/firmware.bin") == "\0\1mine\0"


def test_a_file_that_upstream_deletes_and_the_target_changed_may_stay(tmp_path):
    base = {**BASE, "drivers/kept.c": "int kept = 61;\n"}
    step = Step("dock: Keep nothing", {"drivers/kept.c": None})
    world, ran = whole(tmp_path, step, base=base)
    assert "drivers/kept.c: upstream deletes a file that the target changed" in ran.err
    assert git(world.worktree, "status", "--porcelain") == "UD drivers/kept.c"
    git(world.worktree, "add", "drivers/kept.c")
    assert world.run("continue").code == 0
    assert shown(world, "drivers/kept.c") == "int kept = 61;\n"


def test_a_file_that_both_sides_add(tmp_path):
    world, ran = whole(tmp_path, STEPS[0], {**BASE, "drivers/list.c": "int mine;\n"})
    assert "drivers/list.c: both sides add the file" in ran.err
    told = git(world.worktree, "status", "--porcelain").split("\n")
    assert told == ["M  drivers/Makefile", "AA drivers/list.c"]
    git(world.worktree, "checkout", "-q", "--theirs", "drivers/list.c")
    git(world.worktree, "add", "drivers/list.c")
    assert world.run("continue").code == 0
    assert shown(world, "drivers/list.c") == STEPS[0].files["drivers/list.c"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_file_that_the_target_does_not_have(tmp_path, keep):
    step = Step("dock: Be newer", {"drivers/newer.c": "int newest;\n"})
    world, ran = whole(tmp_path, step, rule=True)
    assert "drivers/newer.c: the target does not have the file" in ran.err
    assert (world.worktree / "drivers/newer.c").read_text() == "int newest;\n"
    assert git(world.worktree, "status", "--porcelain") == "DU drivers/newer.c"
    git(world.worktree, *(("add",) if keep else ("rm", "-q", "-f")), "drivers/newer.c")
    assert world.run("continue").code == 0
    names = git(world.base, "ls-tree", "-r", "--name-only", BRANCH).split()
    assert ("drivers/newer.c" in names) is keep


# -- abort, and which series is meant


def test_abort_forgets_the_stop_and_keeps_what_was_picked(stopped):
    before = snapshot(stopped.base)
    picks = sorted(p.name for p in (stopped.cache / "picks").iterdir())
    ran = stopped.run("abort")
    assert ran.code == 0 and f"gave up {SERIES} on {TARGET}" in ran.out
    assert not stopped.worktree.exists() and not (stopped.workspace / "stopped.json").exists()
    assert snapshot(stopped.base) == before
    assert sorted(p.name for p in (stopped.cache / "picks").iterdir()) == picks
    assert git(stopped.store, "worktree", "list").count("\n") == 0
    assert stopped.run("abort").code == 2


def test_nothing_stopped_is_said(world):
    for command in ("continue", "abort"):
        ran = world.run(command)
        assert (ran.code, ran.out) == (2, "")
        assert "nothing is stopped at a conflict" in ran.err


def test_two_stopped_series_are_told_apart(stopped):
    source = stopped.data / "patches" / "targets" / f"{TARGET}.toml"
    shutil.copy(source, source.with_name("other-6.1.toml"))
    argv = [w if w != TARGET else "other-6.1" for w in stopped.argv("pick")]
    assert stopped.run(*argv).code == 3
    for command in ("continue", "abort"):
        ran = stopped.run(command)
        assert ran.code == 2
        assert f"several series are stopped: {SERIES} on {TARGET}, {SERIES} on other-6.1" in ran.err
        assert "--series and --target" in ran.err
        assert stopped.run(command, "--series", SERIES).code == 2
    ran = stopped.run("abort", "--target", "missing")
    assert ran.code == 2 and "missing is not stopped" in ran.err
    assert stopped.run("abort", "--target", "other-6.1").code == 0
    assert stopped.worktree.exists()
    assert "missing is not stopped" in stopped.run("abort", "--series", "missing").err
    resolve(stopped)
    assert stopped.run("continue").code == 0


def test_a_broken_state_is_named(stopped):
    file = stopped.workspace / "stopped.json"
    for text in ("{", "[]", '{"series": "dock"}', '{"paths": [], "unknown": 1}'):
        file.write_text(text)
        ran = stopped.run("continue")
        assert ran.code == 2 and f"{file}: cannot be read" in ran.err


def test_the_state_remembers_the_whole_command(world, monkeypatch):
    monkeypatch.chdir(world.root)
    argv = ("pick", SERIES, "--target", TARGET, "--base", "base", "--upstream", "git:upstream")
    assert world.run(*argv, "--branch", "feature/x", "--refresh").code == 3
    options = state(world)["options"]
    assert options["base"] == str(world.base) and options["refresh"] is False
    monkeypatch.chdir("/")
    resolve(world)
    assert world.run("continue").code == 0
    assert world.head(ref="refs/heads/feature/x")
