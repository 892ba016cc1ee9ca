"""An upstream of kernel size, served over the git protocol on loopback: little comes over."""

from __future__ import annotations

import shutil

import pytest
from gitserver import git, served

from backport.doors.cache import Cache
from backport.doors.git import Entry, Git, Person
from backport.doors.rundir import latest
from backport.upstreams.gitrepo import GitUpstream
from backport.values.events import Note
from backport.values.series import Role, Series, SeriesCommit
from backport.values.version import Version

pytestmark = pytest.mark.e2e

WHO = Person("A U Thor", "author@example.org", "1600000000 +0000")
PATHS = ("net/core/dev.c", "kernel/bpf/syscall.c", "include/linux/netdevice.h", "MAINTAINERS")
HISTORY, WANTED = 60, (7, 29, 58)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    """The imported 6.1 tree with a history of ours on it, in a repository that borrows the store.

    Gives the folder to serve, the wanted commits, and how much the whole tree weighs.
    """
    run = latest(Cache.default().runs, "netkit", "debian-6.1")
    assert run is not None, "tests/test_e2e.py imports the tree first"
    store = Git(Cache.default().store)
    home = tmp_path_factory.mktemp("upstream")
    repo = Git.init_bare(home / "linux.git")
    (repo.path / "objects" / "info" / "alternates").write_text(f"{store.path / 'objects'}\n")
    for key in ("allowFilter", "allowAnySHA1InWant"):
        git(repo.path, "config", f"uploadpack.{key}", "true")
    base = run.record.base
    commits, tree = [base.commit], base.tree
    for number in range(HISTORY):
        path = PATHS[number % len(PATHS)]
        entry = repo.entry(tree, path)
        data = repo.blob(entry.oid) + b"/* edit %d */\n" % number
        tree = repo.edit_tree(tree, {path: Entry(entry.mode, repo.write_blob(data))})
        commits.append(repo.commit_tree(tree, [commits[-1]], f"edit {number}\n", WHO, WHO))
    repo.update_ref("refs/heads/master", commits[-1], None, "test")
    listing = repo.run("ls-tree", "-r", "-l", "--full-tree", tree).text.splitlines()
    rows = [SeriesCommit(commits[n + 1], f"edit {n}", Version(6, 7), Role.CORE) for n in WANTED]
    yield home, rows, len(listing), sum(int(line.split()[3]) for line in listing)
    shutil.rmtree(home)


def test_only_the_wanted_commits_come_over(upstream, tmp_path, capsys):
    home, rows, files, size = upstream
    store = Git.init_bare(tmp_path / "store.git")
    notes = []
    with served(home) as address:
        source = GitUpstream(store, tmp_path / "cache", (f"{address}/linux.git",))
        found = source.commits(Series("s", "t", tuple(rows)), notes.append)
    assert files > 70_000
    assert [i.stands_for for i in found] == [(row.sha,) for row in rows]
    for incoming, number in zip(found, WANTED, strict=True):
        path = PATHS[number % len(PATHS)]
        assert list(store.entries(incoming.commit)) == [path]
        assert store.read(incoming.commit, path).endswith(b"/* edit %d */\n" % number)
    fetched = source.fetched
    assert fetched.commits == len(rows)
    assert fetched.objects < 100 * len(rows)
    assert fetched.bytes < size / 500
    said = [note.text for note in notes if isinstance(note, Note) and str(fetched) in note.text]
    assert said
    with capsys.disabled():
        print(f"\n{said[0]}; the tree has {files} files, {size >> 20} MiB")  # noqa: T201
