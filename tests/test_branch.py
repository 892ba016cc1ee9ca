"""The branch that a series goes to: moved once, never over a person's work."""

from __future__ import annotations

import pytest
from minikernel import BASE, BRANCH, LIST_C, RULE, git, known_world, snapshot, write_tree

from backport.doors.git import Git
from backport.picking import branch as module
from backport.picking.branch import check_name, move, open_branch
from backport.values.errors import UsageError
from backport.values.target import DirectorySource, LocalRepoSource, Tree

pytestmark = pytest.mark.slow

NAME = BRANCH.removeprefix("refs/heads/")
WHO = ("-c", "user.name=Rita", "-c", "user.email=rita@example.org")


@pytest.fixture
def world(tmp_path):
    made = known_world(tmp_path / "world")
    made.settle()
    return made


@pytest.fixture
def picked(world):
    assert world.pick().code == 0
    return world


def refused(world, *more):
    """A pick that must leave the user's repository as it is; its message."""
    before = snapshot(world.base)
    ran = world.pick(*more)
    assert ran.code == 2, ran.err
    assert snapshot(world.base) == before
    assert not (world.cache / "picks").exists() or world.record()["outcome"] == "refused"
    return ran.err


def other_rule(world):
    """Another rule for the same place: the series ends in another commit."""
    world.rules(RULE.format(sha=world.shas[1][:12]).replace("\\1\\tdock_l", "\\1\\tdock_L"))


@pytest.mark.parametrize(
    "name", ["", "-x", "a..b", "a b", "a/", "/a", "a.lock", "HEAD", "a~1", "refs/heads/x^"]
)
def test_a_bad_name_is_refused(name):
    with pytest.raises(UsageError, match="not a branch name"):
        check_name(name)


def test_a_bad_name_is_told_before_any_work(world):
    err = refused(world, "--branch", "a..b")
    assert "'a..b': not a branch name" in err and "--branch" in err
    assert "import" not in err


def test_a_checked_out_branch_is_refused(world, tmp_path):
    git(world.base, "branch", NAME)
    git(world.base, "worktree", "add", "-q", str(tmp_path / "tree"), NAME)
    assert f"{NAME} is checked out in a worktree of" in refused(world)
    err = refused(world, "--branch", "main", "--force")
    assert "main is checked out" in err and "--branch" in err


def test_foreign_work_is_refused_and_force_replaces_it(world):
    git(world.base, *WHO, "commit", "-q", "--allow-empty", "-m", "mine")
    git(world.base, "branch", NAME)
    git(world.base, "reset", "-q", "--hard", "HEAD~1")
    mine = world.head()
    err = refused(world)
    assert mine[:12] in err and "--force" in err and "--branch" in err
    assert world.pick("--branch", "elsewhere").code == 0
    assert world.head() == mine
    assert world.pick("--force").code == 0
    assert world.head() == world.head(ref="refs/heads/elsewhere")
    assert git(world.base, "rev-parse", f"{NAME}@{{1}}") == mine  # its reflog still has it


def test_our_own_branch_is_replaced_and_an_amended_one_is_not(picked):
    first = picked.head()
    other_rule(picked)
    assert picked.pick().code == 0
    assert picked.head() != first
    git(picked.base, "checkout", "-q", NAME)
    git(picked.base, *WHO, "commit", "-q", "--amend", "-m", "mine now")
    git(picked.base, "checkout", "-q", "main")
    assert "which no run of this tool made" in refused(picked)


def test_a_lost_cache_does_not_make_our_branch_foreign(picked, tmp_path):
    first = picked.head()
    picked.env["BACKPORT_CACHE"] = str(tmp_path / "new")
    other_rule(picked)
    ran = picked.pick()
    assert ran.code == 0, ran.err
    assert picked.head() != first


def test_branches_that_cannot_stand_beside_each_other_are_refused_at_once(world):
    git(world.base, "branch", "taken/deep")
    assert "taken: cannot be a branch" in refused(world, "--branch", "taken")
    err = refused(world, "--branch", "taken/deep/er")
    assert "beside taken/deep" in err
    assert world.pick("--branch", "taken/other").code == 0


def test_hooks_and_house_keeping_of_the_user_do_not_run(world):
    ran = world.root / "ran"
    hooks = world.base / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    names = ("pre-receive", "update", "post-receive", "post-update", "reference-transaction")
    for name in names:
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
        (hooks / name).chmod(0o755)
    git(world.base, "config", "gc.auto", "1")
    assert world.pick().code == 0
    assert not ran.exists() and world.head()


def test_a_branch_that_someone_moves_meanwhile_is_left(picked):
    store = Git(picked.store)
    head, main = picked.head(), picked.head(ref="refs/heads/main")
    base = Tree(main, store.tree_of(main), "6.1.7", "x", "x")
    for spec, repo in (
        (LocalRepoSource(picked.base), picked.base),
        (DirectorySource(picked.base), picked.store),
    ):
        found = open_branch(store, spec, base, "contested", force=False)
        assert found.expected is None
        git(repo, "update-ref", "refs/heads/contested", main)
        with pytest.raises(UsageError, match="left as it"):
            move(store, found, head)
        assert git(repo, "rev-parse", "contested") == main


def test_a_branch_is_moved_only_if_it_is_elsewhere(picked):
    store = Git(picked.store)
    head, main = picked.head(), picked.head(ref="refs/heads/main")
    base = Tree(main, store.tree_of(main), "6.1.7", "x", "x")
    found = open_branch(store, LocalRepoSource(picked.base), base, NAME, force=False)
    assert (found.repo, found.name, found.expected) == (picked.base, NAME, head)
    assert not move(store, found, head)
    assert move(store, found, main) and picked.head() == main


def test_a_kill_between_pick_and_branch_is_made_good(world, monkeypatch):
    monkeypatch.setattr(module, "_push", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert world.pick().code == 130
    assert world.head() == ""
    monkeypatch.undo()
    ran = world.pick("--json")
    assert ran.code == 0 and ran.json["head"] == world.head()
    assert all(stage["cached"] for stage in ran.json["stages"])


def test_a_dirty_repository_gives_its_committed_files_and_keeps_the_others(world):
    (world.base / "lib/far.c").write_text("int unsaved;\n")
    (world.base / "drivers/list.c").write_text("int untracked;\n")
    git(world.base, "add", "drivers/list.c")
    ran = world.pick()
    assert ran.code == 0, ran.err
    assert f"{world.base}: has uncommitted changes; HEAD" in ran.err
    assert git(world.base, "show", f"{BRANCH}:lib/far.c") == "int far_away;"
    assert git(world.base, "show", f"{BRANCH}:drivers/list.c") + "\n" == LIST_C
    assert git(world.base, "status", "--porcelain") == "A  drivers/list.c\n M lib/far.c"


def test_the_stores_branch_is_kept_from_foreign_work_too(world, tmp_path):
    plain = write_tree(tmp_path / "plain", BASE)
    assert world.pick(base=plain).code == 0
    tree = git(world.store, "rev-parse", f"{BRANCH}^{{tree}}")
    mine = git(world.store, *WHO, "commit-tree", tree, "-p", BRANCH, "-m", "mine")
    git(world.store, "update-ref", BRANCH, mine)
    assert world.pick(base=plain).code == 2
    assert git(world.store, "rev-parse", BRANCH) == mine
