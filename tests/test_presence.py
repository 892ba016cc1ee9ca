"""Whether a target has an upstream commit: ancestry, what its history cites, its lines."""

from __future__ import annotations

import pytest
from kernelish import make_tree
from minikernel import MAKEFILE, Step, git, make_repo

from backport.advice.lineage import History
from backport.advice.presence import Here, Presence, Target
from backport.doors.git import Git
from backport.values.version import Version

PATH = "drivers/core.c"
OLD = "int dock_open(void);\n"
ONE = OLD + "int dock_list(void);\nint dock_tell(void);\n"
GONE = "int dock_tell(void);\n"
STEPS = (Step("dock: List", {PATH: ONE}), Step("dock: Forget", {PATH: GONE}))
FILES = {PATH: OLD, "Makefile": MAKEFILE}


@pytest.fixture
def upstream(tmp_path):
    return tmp_path / "upstream", make_repo(tmp_path / "upstream", FILES, STEPS)


def target(upstream, tmp_path, text, **more):
    """A target whose file says `text`."""
    store = Git.init_bare(tmp_path / "store.git")
    here = Here(store, make_tree(store, {PATH: text}), Version.parse("6.1.7"), **more)
    return Target(here, History(str(upstream[0])))


@pytest.mark.parametrize(
    ("text", "list_", "forget"),
    [
        (OLD, "no", "partly 1 of 2 lines"),  # one of the two that it takes out was never there
        (ONE, "yes", "no"),
        (OLD + "int dock_tell(void);\n", "partly 1 of 2 lines", "partly 1 of 2 lines"),
        ("int other(void);\n", "no", "yes"),
    ],
)
def test_by_content(upstream, tmp_path, text, list_, forget):
    _, list_sha, forget_sha = upstream[1]
    found = target(upstream, tmp_path, text).presences([list_sha, forget_sha], PATH)
    assert (found[list_sha].word, found[forget_sha].word) == (list_, forget)
    assert {one.how for one in found.values()} == {"by content"}


def test_a_file_that_the_target_lacks_has_nothing(upstream, tmp_path):
    _, sha, _ = upstream[1]
    store = Git.init_bare(tmp_path / "store.git")
    here = Here(store, make_tree(store, {"other.c": ONE}), Version.parse("6.1"))
    found = Target(here, History(str(upstream[0]))).presences([sha], PATH)
    assert found[sha] == Presence(0, 2, "by content")


def test_by_ancestry_in_the_targets_own_repository(upstream, tmp_path):
    where, (_, sha, later) = upstream
    git(where, "branch", "stable", sha)
    there = target(upstream, tmp_path, "", home=where, rev="stable")
    found = there.presences([sha, later], PATH)
    assert (found[sha].word, found[sha].how) == ("yes", "an ancestor of stable")
    assert found[later].how == "by content"


@pytest.mark.parametrize(
    "cited",
    ["commit {sha} upstream.", "[ Upstream commit {sha} ]", "(cherry picked from commit {sha})"],
)
def test_by_what_a_commit_of_the_target_cites(upstream, tmp_path, cited):
    _, sha, later = upstream[1]
    subject = f"dock: List\n\n{cited.format(sha=sha)}"
    make_repo(tmp_path / "home", {PATH: OLD}, (Step(subject, {PATH: OLD + "int x;\n"}),))
    found = target(upstream, tmp_path, OLD, home=tmp_path / "home").presences([sha, later], PATH)
    assert found[sha].word == "yes" and "cites it" in found[sha].how
    assert found[later].how == "by content"


@pytest.mark.parametrize("said", ["Fixes: {sha} (dock)", "This follows commit {sha}."])
def test_a_commit_that_is_only_mentioned_is_not_there(upstream, tmp_path, said):
    _, sha, _ = upstream[1]
    subject = f"dock: Other\n\n{said.format(sha=sha)}"
    make_repo(tmp_path / "home", {PATH: OLD}, (Step(subject, {PATH: OLD + "int x;\n"}),))
    found = target(upstream, tmp_path, OLD, home=tmp_path / "home").presences([sha], PATH)
    assert found[sha].word == "no"


@pytest.mark.parametrize(("tag", "word"), [("v6.1.7", "yes"), ("v6.1", "yes"), ("v6.2", "no")])
def test_by_the_release_of_the_targets_version(upstream, tmp_path, tag, word):
    where, (_, sha, _) = upstream
    git(where, "tag", tag, sha)
    assert target(upstream, tmp_path, OLD).presences([sha], PATH)[sha].word == word


def test_a_tag_of_something_else_is_no_release(tmp_path):
    """libbpf has a v1.0 as well, and it is no kernel."""
    shas = make_repo(tmp_path / "upstream", {PATH: OLD}, STEPS)
    git(tmp_path / "upstream", "tag", "v6.1", shas[1])
    there = target((tmp_path / "upstream", shas), tmp_path, OLD)
    assert there.presences([shas[1]], PATH)[shas[1]].word == "no"


def test_what_a_blobless_clone_cannot_tell_is_unknown(upstream, tmp_path):
    where, (_, sha, _) = upstream
    git(where, "config", "uploadpack.allowFilter", "true")
    argv = ("clone", "-q", "--bare", "--filter=blob:none", f"file://{where}")
    git(tmp_path, *argv, "partial.git")
    there = target((tmp_path / "partial.git", ()), tmp_path, ONE)
    assert there.presences([sha], PATH)[sha].word == "unknown"
