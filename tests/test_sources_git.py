"""Repositories, here and elsewhere: one commit under its own id, and theirs untouched."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from treekit import KERNEL, git, make_repo, write_tree

from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.doors.store import Store
from backport.sources import giturl, localrepo, obtain, spec_from_path
from backport.values.errors import Unavailable, UsageError
from backport.values.events import Note, silent
from backport.values.target import (
    DirectorySource,
    GitSource,
    LocalRepoSource,
    SourceSpec,
    TarballSource,
    Tree,
)


def take(tmp_path: Path, spec: SourceSpec, emit=silent, *, refresh: bool = False) -> Tree:
    cache = Cache(tmp_path / "cache")
    return obtain(spec, Store(cache), cache, emit, refresh=refresh)


def print_of(top: Path) -> dict[str, object]:
    """Everything about a folder that a reader could disturb: contents, modes, times."""
    found: dict[str, object] = {}
    for path in sorted(top.rglob("*")):
        info = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        times = (info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_mode)
        found[str(path)] = (hashlib.sha256(data).hexdigest(), *times)
    return found


@pytest.fixture
def repo(tmp_path):
    return make_repo(tmp_path / "repo")


def url(repo: Path) -> str:
    return f"file://{repo}"


# -- a repository on this machine


@pytest.mark.parametrize("rev", ["HEAD", "main", "v6.1.7", "HEAD~1", "main^{commit}"])
def test_a_revision_keeps_its_own_id(tmp_path, repo, rev):
    tree = take(tmp_path, LocalRepoSource(repo, rev))
    assert tree.commit == git(repo, "rev-parse", f"{rev}^{{commit}}")
    assert tree.tree == git(repo, "rev-parse", f"{rev}^{{tree}}")
    assert tree.version == "6.1.7"


def test_the_history_stays_where_it_is(tmp_path, repo):
    tree = take(tmp_path, LocalRepoSource(repo))
    store = Store(Cache(tmp_path / "cache"))
    assert store.git.run("rev-list", tree.commit).text.split() == [tree.commit]
    store.git.run("fsck", "--full")
    assert not list((store.git.path / "inbox").glob("*/*"))


def test_the_users_repository_is_untouched(tmp_path, repo):
    (repo / "net/core/dev.c").write_text("int uncommitted;\n")
    (repo / "Kconfig").touch()  # stat-dirty: a careless status would refresh the index
    before = print_of(repo)
    take(tmp_path, LocalRepoSource(repo))
    take(tmp_path, LocalRepoSource(repo, "v6.1.7"))
    assert print_of(repo) == before


def test_uncommitted_changes_are_left_out_with_a_note(tmp_path, repo):
    clean: list[object] = []
    take(tmp_path, LocalRepoSource(repo), clean.append)
    assert not [e for e in clean if isinstance(e, Note)]
    (repo / "Makefile").write_text("broken\n")
    events: list[object] = []
    tree = take(tmp_path, LocalRepoSource(repo), events.append)
    assert tree.version == "6.1.7"
    assert [e for e in events if isinstance(e, Note) and "uncommitted changes" in e.text]


def test_bare_repositories_worktrees_and_folders_inside(tmp_path, repo):
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"), "v6.1.7")
    head = git(repo, "rev-parse", "HEAD")
    assert take(tmp_path, LocalRepoSource(tmp_path / "bare.git")).commit == head
    assert take(tmp_path, LocalRepoSource(repo / "net/core")).commit == head
    linked = take(tmp_path, LocalRepoSource(tmp_path / "linked"))
    assert linked.commit == git(repo, "rev-parse", "v6.1.7^{commit}")


def test_a_shallow_clone_will_do(tmp_path, repo):
    git(tmp_path, "clone", "-q", "--depth=1", url(repo), "shallow")
    assert take(tmp_path, LocalRepoSource(tmp_path / "shallow")).version == "6.1.7"


@pytest.mark.parametrize("rev", ["nope", "--all", "0" * 40, "HEAD:Makefile", ""])
def test_an_unknown_revision_is_named(tmp_path, repo, rev):
    with pytest.raises(UsageError, match="has no commit"):
        take(tmp_path, LocalRepoSource(repo, rev))


def test_a_folder_in_no_repository(tmp_path):
    (tmp_path / "x").mkdir()
    if localrepo.repository(tmp_path) is not None:
        pytest.fail("the tests run below a repository: they cannot show this")
    with pytest.raises(UsageError, match="not in a git repository"):
        take(tmp_path, LocalRepoSource(tmp_path / "x"))


def test_a_repository_without_a_kernel_leaves_nothing(tmp_path):
    repo = make_repo(tmp_path / "repo", tuple(f for f in KERNEL if f.path != "Kconfig"))
    with pytest.raises(UsageError, match="not a kernel tree: it has no Kconfig"):
        take(tmp_path, LocalRepoSource(repo))
    store = Store(Cache(tmp_path / "cache"))
    assert store.git.run("for-each-ref").text == ""
    assert not (store.git.path / "shallow").exists()


def test_the_second_time_the_repository_may_be_gone_from_the_store_s_view(tmp_path, repo):
    first = take(tmp_path, LocalRepoSource(repo))
    shutil.rmtree(repo / ".git" / "objects" / "pack")
    for path in (repo / ".git/objects").glob("??/*"):
        if not path.match(f"{first.commit[:2]}/{first.commit[2:]}"):
            path.unlink()
    assert take(tmp_path, LocalRepoSource(repo, first.commit)).tree == first.tree


def test_a_damaged_repository_is_told(tmp_path, repo):
    for path in (repo / ".git/objects").glob("??/*"):
        if path.stat().st_size < 40:
            path.unlink()
    with pytest.raises((UsageError, Unavailable)):
        take(tmp_path, LocalRepoSource(repo))
    assert Store(Cache(tmp_path / "cache")).git.run("for-each-ref").text == ""


# -- a repository elsewhere


@pytest.mark.parametrize("ref", ["main", "v6.1.7", "refs/heads/main", "heads/main", "HEAD"])
def test_a_ref_is_fetched_by_its_sha(tmp_path, repo, ref):
    tree = take(tmp_path, GitSource(url(repo), ref))
    assert tree.commit == git(repo, "rev-parse", f"{ref}^{{commit}}")
    assert tree.commit in tree.source
    assert tree.label.startswith(ref)


def test_a_tag_wins_over_a_branch_and_a_longer_name_is_no_match(tmp_path, repo):
    git(repo, "branch", "v6.1.7")
    git(repo, "branch", "other/main", "HEAD~1")
    tag = git(repo, "rev-parse", "refs/tags/v6.1.7^{commit}")
    assert take(tmp_path, GitSource(url(repo), "v6.1.7")).commit == tag
    assert take(tmp_path, GitSource(url(repo), "main")).commit == git(repo, "rev-parse", "main")


def test_a_full_sha_needs_no_lookup(tmp_path, repo, monkeypatch):
    sha = git(repo, "rev-parse", "HEAD~1")
    monkeypatch.setattr(giturl, "_asked", lambda *a: pytest.fail("asked"))
    assert take(tmp_path, GitSource(url(repo), sha)).commit == sha


def test_a_recorded_ref_serves_until_refreshed(tmp_path, repo):
    spec = GitSource(url(repo), "main")
    first = take(tmp_path, spec)
    git(repo, "commit", "-q", "--allow-empty", "-m", "third")
    assert take(tmp_path, spec).commit == first.commit
    assert take(tmp_path, spec, refresh=True).commit == git(repo, "rev-parse", "main")


def test_the_same_commit_from_two_places_is_imported_once(tmp_path, repo):
    take(tmp_path, LocalRepoSource(repo))
    tree = take(tmp_path, GitSource(url(repo), "main"))
    assert tree.source.startswith("file://")
    assert len(list((tmp_path / "cache/store.git/backport").glob("*.json"))) == 1


def test_no_repository_no_ref_no_network(tmp_path, repo):
    with pytest.raises(UsageError, match="no git repository"):
        take(tmp_path, GitSource(f"file://{tmp_path}/none", "main"))
    with pytest.raises(UsageError, match="has no branch or tag nope"):
        take(tmp_path, GitSource(url(repo), "nope"))
    with pytest.raises(Unavailable, match="cannot be read") as caught:
        take(tmp_path, GitSource("git://127.0.0.1:1/linux.git", "main"))
    assert "network" in caught.value.hint


def test_without_network_an_older_answer_serves_with_a_note(tmp_path, repo, monkeypatch):
    spec = GitSource(url(repo), "main")
    first = take(tmp_path, spec)

    def gone(*_args: object) -> str:
        raise Unavailable("the network is gone")

    monkeypatch.setattr(giturl, "_asked", gone)
    events: list[object] = []
    assert take(tmp_path, spec, events.append, refresh=True) == first
    assert [e for e in events if isinstance(e, Note) and "network is gone; using main" in e.text]


@pytest.mark.parametrize("ref", ["--upload-pack=x", "a b", "a..b", "a:b", "", "a*"])
def test_refs_that_are_none_are_refused(tmp_path, repo, ref):
    with pytest.raises(UsageError, match="not a branch, a tag or a full SHA"):
        take(tmp_path, GitSource(url(repo), ref))


@pytest.mark.parametrize("bad", ["", "--upload-pack=touch x", "ext::sh -c 'touch pwned'"])
def test_urls_that_run_something_are_refused(tmp_path, bad, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        take(tmp_path, GitSource(bad, "main"))
    assert not (tmp_path / "pwned").exists()


def test_names_and_passwords_do_not_show(tmp_path, monkeypatch):
    monkeypatch.setattr(giturl, "_asked", lambda *a: "1" * 40)
    with pytest.raises(Unavailable) as caught:
        take(tmp_path, GitSource("https://me:secret@127.0.0.1:1/x", "main"))
    assert "secret" not in str(caught.value)
    assert "secret" not in (tmp_path / "cache/refs.json").read_text()


def test_a_server_that_gives_out_refs_only(tmp_path, repo, monkeypatch):
    real = giturl.fetcher

    def picky(url: str, what: str, shown: str, emit):
        def refuse(inbox: Git) -> str:
            raise UsageError("no unadvertised object")

        return refuse if len(what) == 40 else real(url, what, shown, emit)

    monkeypatch.setattr(giturl, "fetcher", picky)
    spec = GitSource(url(repo), "v6.1.7")
    tag = git(repo, "rev-parse", "v6.1.7^{commit}")
    assert take(tmp_path, spec).commit == tag
    with pytest.raises(UsageError, match="unadvertised"):
        take(tmp_path, GitSource(url(repo), git(repo, "rev-parse", "HEAD")))


# -- what a path on the command line is


def test_paths_are_what_they_look_like(tmp_path, repo):
    plain = write_tree(tmp_path / "plain")
    (tmp_path / "x.tar.xz").write_bytes(b"")
    assert spec_from_path(plain) == DirectorySource(plain)
    assert spec_from_path(repo) == LocalRepoSource(repo, "HEAD")
    assert spec_from_path(repo / "net", rev="main") == LocalRepoSource(repo / "net", "main")
    assert spec_from_path(tmp_path / "x.tar.xz") == TarballSource(tmp_path / "x.tar.xz")


def test_a_kernel_unpacked_inside_another_repository_is_a_plain_tree(tmp_path, repo):
    inner = write_tree(repo / "unpacked")
    assert spec_from_path(inner) == DirectorySource(inner)


def test_a_relative_path_is_made_absolute(tmp_path, repo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert spec_from_path(Path("repo")) == LocalRepoSource(repo, "HEAD")


def test_paths_that_are_nothing_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file or directory"):
        spec_from_path(tmp_path / "none")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(UsageError, match="not a tarball"):
        spec_from_path(tmp_path / "x.txt")
    with pytest.raises(UsageError, match="has no revision 'main'"):
        spec_from_path(write_tree(tmp_path / "plain"), rev="main")


def test_the_environment_of_git_does_not_leak_in(tmp_path, repo, monkeypatch):
    monkeypatch.setitem(os.environ, "GIT_DIR", "/nowhere")
    assert take(tmp_path, LocalRepoSource(repo)).version == "6.1.7"
