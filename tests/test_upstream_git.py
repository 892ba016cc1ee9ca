"""Upstream commits out of git repositories: only the wanted ones, as upstream made them."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest
from gitserver import big_repo, commit_all, git, path_of, served, subject_of, text_of

from backport.doors.git import Git
from backport.upstreams import UPSTREAMS, Request
from backport.upstreams.gitrepo import DEFAULT_URLS, REFS, GitUpstream
from backport.upstreams.objects import all_objects, compare_trees, read_objects
from backport.upstreams.remote import Fetched, human_size
from backport.values.errors import ManifestError, Place, Unavailable, UsageError
from backport.values.events import Note, Progress, silent
from backport.values.series import Role, Series, SeriesCommit
from backport.values.version import Version

pytestmark = pytest.mark.slow

FILES, COMMITS = 3000, 2200
WANTED = (5, 700, 1500, 2199)


def row(sha, subject, role=Role.CORE, line=7):
    return SeriesCommit(sha, subject, Version(6, 6), role, place=Place("series.toml", line))


def series(*rows):
    return Series("s", "t", rows)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a repository of 3,000 files and 2,201 commits."""
    home = tmp_path_factory.mktemp("upstream")
    big_repo(home, files=FILES, commits=COMMITS)
    return home


@pytest.fixture(scope="module")
def shas(home):
    return git(home / "big.git", "rev-list", "--reverse", "master").split()


@pytest.fixture
def big(home):
    """The repository as a server that allows filters."""
    git(home / "big.git", "config", "uploadpack.allowFilter", "true")
    return home / "big.git"


@pytest.fixture
def store(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


@pytest.fixture
def wanted(shas):
    return series(*(row(shas[n], subject_of(n)) for n in WANTED))


def upstream(store, tmp_path, *locations):
    return GitUpstream(store, tmp_path / "cache", locations)


def assert_is_upstream(store, incoming, number, sha):
    """The commit carries upstream's change, on upstream's context, and nothing else."""
    path = path_of(number % FILES)
    assert incoming.stands_for == (sha,)
    assert incoming.subject == subject_of(number)
    assert incoming.author.date == f"{1_600_000_000 + number} +0100"
    assert incoming.committer.name == "C O Mitter"
    assert list(store.entries(incoming.commit)) == [path]
    assert store.read(incoming.commit, path) == text_of(path, number)
    assert store.commit(incoming.commit).parents == (incoming.parent,)
    before = number - FILES if number > FILES else 0
    assert store.read(incoming.parent, path) == text_of(path, before)


# -- from afar


def test_only_the_wanted_commits_come_over(store, tmp_path, big, shas, wanted):
    notes = []
    with served(big.parent) as address:
        source = upstream(store, tmp_path, f"{address}/big.git")
        found = source.commits(wanted, notes.append)
    for incoming, number in zip(found, WANTED, strict=True):
        assert_is_upstream(store, incoming, number, shas[number])
    whole = sum(p.stat().st_size for p in (big / "objects" / "pack").glob("*.pack"))
    fetched = source.fetched
    # Each commit: itself, its parent, 2 x 3 trees on the way, and the file before and after.
    assert fetched.objects <= len(WANTED) * 10
    assert fetched.bytes < 20_000 < whole / 20
    assert fetched.commits == len(WANTED)
    # In the store: two commits, two files and two times three trees each, and no more.
    assert len(all_objects(store)) <= len(WANTED) * 10
    assert any(str(fetched) in n.text for n in notes if isinstance(n, Note))
    assert any(isinstance(n, Progress) and n.total for n in notes)
    assert store.run("fsck", "--strict").text == ""


def test_the_second_time_nothing_is_asked(store, tmp_path, big, wanted):
    with served(big.parent) as address:
        first = upstream(store, tmp_path, f"{address}/big.git").commits(wanted, silent)
    start = time.monotonic()
    again = upstream(store, tmp_path, f"{address}/big.git")  # the server is gone
    assert [c.commit for c in again.commits(wanted, silent)] == [c.commit for c in first]
    assert again.fetched == Fetched()
    assert time.monotonic() - start < 0.5


def test_only_new_rows_are_fetched(store, tmp_path, big, shas, wanted):
    with served(big.parent) as address:
        upstream(store, tmp_path, f"{address}/big.git").commits(wanted, silent)
        more = upstream(store, tmp_path, f"{address}/big.git")
        longer = series(*wanted.commits, row(shas[900], subject_of(900)))
        found = more.commits(longer, silent)
    assert more.fetched.commits == 1
    assert_is_upstream(store, found[-1], 900, shas[900])


def test_a_server_without_filters_still_sends_little_history(store, tmp_path, home, shas, wanted):
    git(home / "big.git", "config", "uploadpack.allowFilter", "false")
    notes = []
    with served(home) as address:
        source = upstream(store, tmp_path, f"{address}/big.git")
        found = source.commits(wanted, notes.append)
    for incoming, number in zip(found, WANTED, strict=True):
        assert_is_upstream(store, incoming, number, shas[number])
    assert any("no object filters" in n.text for n in notes if isinstance(n, Note))
    commits = [o for o in all_objects_of(tmp_path) if o in set(shas)]
    assert len(commits) == 2 * len(WANTED)  # each with its parent: depth 2, no history


def test_a_refused_filter_is_weakened(store, tmp_path, big, shas, wanted):
    git(big, "config", "uploadpackfilter.tree.allow", "false")
    notes = []
    try:
        with served(big.parent) as address:
            source = upstream(store, tmp_path, f"{address}/big.git")
            found = source.commits(wanted, notes.append)
    finally:
        git(big, "config", "--unset", "uploadpackfilter.tree.allow")
    assert_is_upstream(store, found[0], WANTED[0], shas[WANTED[0]])
    assert any("refuses the filter tree:0" in n.text for n in notes if isinstance(n, Note))
    blobs = [o for o in read_objects(cached(tmp_path), all_objects_of(tmp_path)).values()]
    assert sum(o.kind == "blob" for o in blobs) == 2 * len(WANTED)


def cached(tmp_path):
    (repo,) = (tmp_path / "cache").glob("*.git")
    return Git(repo)


def all_objects_of(tmp_path):
    return all_objects(cached(tmp_path))


def test_all_locations_give_the_same_ids(tmp_path, big, wanted):
    near = Git.init_bare(tmp_path / "near.git")
    far = Git.init_bare(tmp_path / "far.git")
    with served(big.parent) as address:
        one = upstream(far, tmp_path, f"{address}/big.git").commits(wanted, silent)
    two = upstream(near, tmp_path, str(big)).commits(wanted, silent)
    assert [c.commit for c in one] == [c.commit for c in two]


def test_what_a_killed_fetch_left_is_in_nobodys_way(store, tmp_path, big, shas, wanted):
    with served(big.parent) as address:
        source = upstream(store, tmp_path, f"{address}/big.git")
        source.commits(series(wanted.commits[0]), silent)
        repo = cached(tmp_path).path
        (repo / "shallow.lock").write_text("")
        (repo / "objects" / "pack" / "tmp_pack_x").write_bytes(b"PACK")
        found = upstream(store, tmp_path, f"{address}/big.git").commits(wanted, silent)
    assert len(found) == len(WANTED)
    assert not list((repo / "objects" / "pack").glob("tmp_*"))


def test_a_sha_that_no_location_has(store, tmp_path, big, wanted):
    ghost = row("1" * 40, "never was", line=42)
    with served(big.parent) as address:
        source = upstream(store, tmp_path, f"{address}/big.git")
        with pytest.raises(
            ManifestError, match=r"series\.toml:42: 1{40} .*is not in git://"
        ) as err:
            source.commits(series(*wanted.commits, ghost), silent)
    assert err.value.exit_code == 2
    assert "SHA" in err.value.hint
    # The others were taken over, and are not fetched again.
    assert source.fetched.commits == len(WANTED)
    assert len(upstream(store, tmp_path).commits(wanted, silent)) == len(WANTED)


def test_a_second_location_is_asked_for_what_the_first_lacks(store, tmp_path, big, shas, wanted):
    other = tmp_path / "other"
    git_init(other)
    commit_all(other, "root")
    (other / "f").write_text("x\n")
    sha = commit_all(other, "only here")
    rows = series(*wanted.commits, row(sha, "only here"))
    found = upstream(store, tmp_path, str(other), str(big)).commits(rows, silent)
    assert found[-1].subject == "only here"
    assert [c.stands_for[0] for c in found] == [*(shas[n] for n in WANTED), sha]


def test_an_address_without_a_repository(store, tmp_path, big, wanted):
    with (
        served(big.parent) as address,
        pytest.raises(UsageError, match="no git repository at that address") as caught,
    ):
        upstream(store, tmp_path, f"{address}/nothing.git").commits(wanted, silent)
    assert caught.value.hint
    assert caught.value.log.is_file()
    assert all_objects(store) == set()


def test_an_address_where_nobody_answers(store, tmp_path, wanted):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"git://127.0.0.1:{free.getsockname()[1]}/big.git"
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            upstream(store, tmp_path, url).commits(wanted, silent)
    assert caught.value.exit_code == 69
    assert "network" in caught.value.hint


def test_a_name_that_is_neither_folder_nor_url(store, tmp_path, wanted):
    with pytest.raises(UsageError, match="no such directory, and not a URL"):
        upstream(store, tmp_path, "linux").commits(wanted, silent)


# -- a clone on this machine


def git_init(path):
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "master")
    return path


def snapshot_of(path):
    """Every file below a folder with its contents."""
    return {p: p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_a_local_clone_is_only_read(store, tmp_path, big, shas, wanted):
    before = snapshot_of(big)
    found = upstream(store, tmp_path, str(big)).commits(wanted, silent)
    assert_is_upstream(store, found[1], WANTED[1], shas[WANTED[1]])
    assert snapshot_of(big) == before
    assert not (tmp_path / "cache").exists()


def test_the_picked_roles_only(store, tmp_path, big, shas):
    rows = series(row(shas[1], subject_of(1)), row("1" * 40, "served by the donor", Role.SELFTEST))
    assert len(upstream(store, tmp_path, str(big)).commits(rows, silent)) == 1


@pytest.fixture
def small(tmp_path):
    repo = git_init(tmp_path / "small")
    (repo / "a").write_text("1\n")
    commit_all(repo, "root")
    return repo


def refused(store, tmp_path, repo, sha, subject):
    with pytest.raises(ManifestError) as caught:
        upstream(store, tmp_path, str(repo)).commits(series(row(sha, subject)), silent)
    assert str(caught.value).startswith("series.toml:7: ")
    assert caught.value.hint
    assert all_objects(store) == set()  # nothing was written
    return str(caught.value)


def test_a_root_commit_is_refused(store, tmp_path, small):
    assert "has no parent" in refused(
        store, tmp_path, small, git(small, "rev-parse", "HEAD"), "root"
    )


def test_a_merge_is_refused(store, tmp_path, small):
    git(small, "checkout", "-q", "-b", "side")
    (small / "b").write_text("b\n")
    commit_all(small, "side")
    git(small, "checkout", "-q", "master")
    (small / "c").write_text("c\n")
    commit_all(small, "main")
    who = ("-c", "user.name=x", "-c", "user.email=x@y")
    git(small, *who, "merge", "-q", "--no-ff", "-m", "merge it", "side")
    message = refused(store, tmp_path, small, git(small, "rev-parse", "HEAD"), "merge it")
    assert "is a merge" in message


def test_another_subject_is_refused(store, tmp_path, small):
    (small / "a").write_text("2\n")
    sha = commit_all(small, "real subject")
    message = refused(store, tmp_path, small, sha, "wrong subject")
    assert '"real subject"' in message
    assert '"wrong subject"' in message


def test_a_manifest_changed_later_is_checked_against_what_was_kept(store, tmp_path, small):
    (small / "a").write_text("2\n")
    sha = commit_all(small, "real subject")
    upstream(store, tmp_path, str(small)).commits(series(row(sha, "real subject")), silent)
    with pytest.raises(ManifestError, match="the manifest says"):
        upstream(store, tmp_path, str(small)).commits(series(row(sha, "other")), silent)


def test_a_tag_s_or_tree_s_id_is_no_commit(store, tmp_path, small):
    tree = git(small, "rev-parse", "HEAD^{tree}")
    assert "is not in" in refused(store, tmp_path, small, tree, "root")


def test_a_shallow_clone_without_the_parent(store, tmp_path, small):
    (small / "a").write_text("2\n")
    sha = commit_all(small, "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{small}", "shallow")
    source = upstream(store, tmp_path, str(tmp_path / "shallow"))
    with pytest.raises(UsageError, match="the clone is shallow") as caught:
        source.commits(series(row(sha, "second")), silent)
    assert "--deepen" in caught.value.hint


def test_a_partial_clone_is_not_filled_behind_the_users_back(store, tmp_path, small):
    (small / "a").write_text("2\n")
    sha = commit_all(small, "second")
    git(small, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", f"file://{small}", "partial.git")
    before = snapshot_of(tmp_path / "partial.git")
    with pytest.raises(UsageError, match="a partial clone, or damaged") as caught:
        upstream(store, tmp_path, str(tmp_path / "partial.git")).commits(
            series(row(sha, "second")), silent
        )
    assert "URL" in caught.value.hint
    assert snapshot_of(tmp_path / "partial.git") == before


def test_odd_commits_survive_byte_for_byte(store, tmp_path, small):
    """A new file, a deletion, a mode, a link, an odd name, a folded Latin-1 message, no author."""
    (small / "gone").write_text("x\n")
    (small / "tool").write_text("#!/bin/sh\n")
    commit_all(small, "before")
    (small / "gone").unlink()
    (small / "tool").chmod(0o755)
    (small / "link").symlink_to("tool")
    odd = b'n\xe4me "q"'.decode("utf-8", "surrogateescape")
    (small / odd).write_text("odd\n")
    git(small, "add", "-A")
    tree, parent = git(small, "write-tree"), git(small, "rev-parse", "HEAD")
    raw = (
        f"tree {tree}\nparent {parent}\n".encode()
        + b"author J\xf6rg Jr. <j@x> 1 +0000\ncommitter  <> 2 -0330\nencoding ISO-8859-1\n"
        + b"gpgsig -----BEGIN\n x\n\nfolded\nsubject\n\nb\xf6dy"
    )
    sha = git(small, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
    (one,) = upstream(store, tmp_path, str(small)).commits(
        series(row(sha, "folded subject")), silent
    )
    changes = {c.path: c for c in store.changes(one.parent, one.commit)}
    assert set(changes) == {"gone", "tool", "link", odd}
    assert changes["gone"].new is None
    assert (changes["tool"].old.mode, changes["tool"].new.mode) == ("100644", "100755")
    assert changes["link"].new.mode == "120000"
    assert (one.author.name, one.committer.date) == ("Jörg Jr.", "2 -0330")
    assert one.message == "folded\nsubject\n\nbödy"
    stored = read_objects(store, [one.commit])[one.commit].data
    assert stored.endswith(raw[raw.index(b"\n\n") :])
    assert b"gpgsig" not in stored


def test_a_directory_that_becomes_a_file_and_back(store, tmp_path, small):
    (small / "d").mkdir()
    (small / "d" / "x").write_text("x\n")
    commit_all(small, "directory")
    (small / "d" / "x").unlink()
    (small / "d").rmdir()
    (small / "d").write_text("file\n")
    sha = commit_all(small, "now a file")
    (one,) = upstream(store, tmp_path, str(small)).commits(series(row(sha, "now a file")), silent)
    assert [(c.path, c.old is None) for c in store.changes(one.parent, one.commit)] == [
        ("d", True),
        ("d/x", False),
    ]


def test_a_commit_that_only_adds_sits_on_the_empty_tree(store, tmp_path, small):
    (small / "new").write_text("x\n")
    sha = commit_all(small, "add")
    (one,) = upstream(store, tmp_path, str(small)).commits(series(row(sha, "add")), silent)
    assert store.entries(one.parent) == {}
    assert store.read(one.commit, "new") == b"x\n"


def test_a_pick_of_a_slice_leaves_the_rest_of_the_target_alone(store, tmp_path, big, wanted):
    (one, *_) = upstream(store, tmp_path, str(big)).commits(wanted, silent)
    path = path_of(WANTED[0])
    ours_text = text_of(path, 0).replace(b"int value_2;", b"int value_two;")
    blob = store.write_blob(ours_text)
    other = store.write_blob(b"only in the target\n")
    entry = next(iter(store.entries(one.parent).values()))
    ours = store.edit_tree(
        "", {path: type(entry)("100644", blob), "x/y": type(entry)("100644", other)}
    )
    merged = store.merge_trees(store.tree_of(one.parent), ours, store.tree_of(one.commit))
    assert merged.unmerged == ()
    assert store.read(merged.tree, path) == ours_text.replace(b"edited = 0;", b"edited = 5;")
    assert store.read(merged.tree, "x/y") == b"only in the target\n"


# -- parts


def test_compare_trees_reads_only_what_differs(store, tmp_path, big):
    trees = [git(big, "rev-parse", f"master~{n}^{{tree}}") for n in (0, 1)]
    asked = []

    def read(oids):
        asked.append(len(oids))
        return {oid: raw.data for oid, raw in read_objects(Git(big), oids).items()}

    (changes,) = compare_trees([(trees[1], trees[0])], read)
    assert [c.path for c in changes] == [path_of(COMMITS % FILES)]
    assert asked == [2, 2, 2]  # root, directory, directory: never the whole tree
    assert compare_trees([(trees[0], trees[0])], read) == [()]
    assert Git(big).changes(trees[1], trees[0]) == list(changes)


def test_the_registry_opens_git_with_its_default_urls(store, tmp_path):
    opened = UPSTREAMS["git"](Request(store, tmp_path))
    assert all(url in opened.describe() for url in DEFAULT_URLS)
    assert UPSTREAMS["git"](Request(store, tmp_path, ("x",))).describe() == "git: x"


def test_refs_keep_the_commits_from_being_collected(store, tmp_path, big, wanted):
    found = upstream(store, tmp_path, str(big)).commits(wanted, silent)
    store.run("gc", "-q", "--prune=now")
    assert len(store.run("for-each-ref", REFS).text.splitlines()) == len(WANTED)
    assert upstream(store, tmp_path).commits(wanted, silent)[0].commit == found[0].commit


def test_sizes_for_people():
    assert [human_size(n) for n in (5, 2048, 3 << 20, 5 << 30)] == [
        "5 B",
        "2.0 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]


def test_no_stray_daemon_after_the_tests(home):
    with served(home) as address:
        port = int(address.rsplit(":", 1)[1])
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 1):
        subprocess.run(["true"], check=True)
