"""The index of a history: it has what git has, is killed, updated, rewritten, shared, and quick."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time

import historykit
import pytest
from auditkit import Story, fixes

from backport.audit import index as indexing
from backport.audit import schema
from backport.audit.index import demand_whole, open_index
from backport.audit.names import Names
from backport.audit.reach import Reach, below
from backport.doors.git import Git
from backport.readers.citations import Sort, subject_key
from backport.values.errors import Exit, Unavailable, UsageError
from backport.values.events import Progress, StageFinished, silent

COUNT = 3000


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A history of thousands of commits: its repository, and what was written into it."""
    path = tmp_path_factory.mktemp("long") / "long.git"
    history = historykit.make(path, COUNT)
    return Git(path), history


@pytest.fixture(scope="module")
def indexed(long, tmp_path_factory):
    """Its index, only to be asked."""
    return grown(long[0], tmp_path_factory.mktemp("indexed"))


@pytest.fixture
def story(tmp_path):
    made = Story(tmp_path / "story.git")
    made.add("first", files={"a.c": "int a;\n"})
    return made


def opened(git, tmp_path):
    return open_index(git, tmp_path / "cache")


def grown(git, tmp_path, *revs):
    index = opened(git, tmp_path)
    index.update(git, [git.ref(rev) for rev in revs or ("main",)], silent)
    return index


def test_it_has_every_commit_and_what_each_says(long, tmp_path):
    git, history = long
    index = opened(git, tmp_path)
    events = []
    start = time.monotonic()
    assert index.update(git, [git.ref("main")], events.append) == index.count() == len(history.shas)
    assert time.monotonic() - start < 20
    assert [e.done for e in events if isinstance(e, Progress)][-1] == index.count()
    assert isinstance(events[-1], StageFinished)
    names = Names(index, below(index, [index.number(git.ref("main"))]))
    for fix, fixed in list(history.fixes.items())[::20]:
        [cited] = [c for c in index.cited_by(index.number(fix)) if c.sort == Sort.FIXES]
        assert names.meant(cited).numbers == (index.number(fixed),)
    for sha in history.shas[::100]:
        assert all(p < index.number(sha) for p in index.parents(index.number(sha)))


def test_questions_are_answered_in_no_time(long, indexed):
    _, history = long
    index = indexed
    start = time.monotonic()
    for n in range(1, len(history.shas), 30):
        one = index.commit(n)
        index.citing(one.sha, subject_key(one.subject))
        index.series_mates(n)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("back", [0, 1, 777])
def test_what_is_below_a_tip_is_what_git_says(long, indexed, back):
    git, _ = long
    index = indexed
    tip = git.run("rev-list", "--skip", str(back), "-n1", "main").text.strip()
    for _ in range(2):  # made, then remembered
        found = {c.sha for c in index.commits(below(index, [index.number(tip)]))}
        assert found == set(git.run("rev-list", tip).text.split())


def test_an_update_reads_only_what_is_new(story, tmp_path):
    index = grown(story.git, tmp_path)
    new = [story.add(f"more {n}") for n in range(3)]
    assert index.update(story.git, [new[-1]], silent) == 3
    assert index.update(story.git, [new[-1]], silent) == 0
    assert index.update(story.git, [new[0]], silent) == 0
    assert [index.number(sha) for sha in new] == [2, 3, 4]


def test_a_build_that_dies_goes_on_where_it_was(long, tmp_path, monkeypatch):
    git, history = long
    monkeypatch.setattr(indexing, "BATCH", 500)

    def dies(event):
        if isinstance(event, Progress) and event.done >= 1500:
            raise KeyboardInterrupt

    index = opened(git, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        index.update(git, [git.ref("main")], dies)
    index.close()
    assert list((tmp_path / "cache" / "history").glob("*.order")) == []
    index = opened(git, tmp_path)
    assert index.count() == 1500
    assert index.update(git, [git.ref("main")], silent) == len(history.shas) - 1500
    assert {c.sha for c in index.commits(range(1, index.count() + 1))} == set(history.shas)


@pytest.mark.slow
def test_two_processes_at_once_and_one_that_is_killed(long, tmp_path):
    git, history = long
    text = (
        "import sys; from pathlib import Path; from backport.audit import index as i\n"
        "from backport.doors.git import Git; i.BATCH = 100; git = Git(Path(sys.argv[1]))\n"
        "index = i.open_index(git, Path(sys.argv[2]))\n"
        "say = lambda e: print(e, flush=True)\n"
        "index.update(git, [git.ref('main')], say); print(index.count(), flush=True)\n"
    )
    argv = [sys.executable, "-c", text, str(git.path), str(tmp_path / "cache")]
    first = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    for line in first.stdout:
        if "done=500" in line:
            first.kill()
            break
    first.wait()
    first.stdout.close()
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [text.splitlines()[-1] for text in said] == [str(len(history.shas))] * 2
    totals = [line for text in said for line in text.splitlines() if line.startswith("Progress")]
    assert 0 < len(totals) <= (len(history.shas) - 500) / 100  # only what was left, only once


def test_a_branch_that_was_rewritten_and_pruned(story, tmp_path):
    base = story.git.ref("main")
    story.branch("topic", base)
    old = [story.add(f"old {n}", branch="topic") for n in range(3)]
    index = grown(story.git, tmp_path, "main", "topic")
    story.branch("topic", base)
    new = story.add("new", branch="topic")
    story.git.run("reflog", "expire", "--expire=now", "--all")
    story.git.run("prune", "--expire=now")
    assert story.git.resolve(f"{old[-1]}^{{commit}}") is None
    assert index.update(story.git, [new], silent) == 1
    found = {c.sha for c in index.commits(below(index, [index.number(new)]))}
    assert found == {base, new}


def test_a_tip_below_one_of_a_repository_that_is_gone(story, tmp_path, monkeypatch):
    """The branch that is audited may be in another repository, and longer than one looks back."""
    monkeypatch.setattr(indexing, "_REWRITTEN", 2)
    main = story.git.ref("main")
    story.branch("stable", main)
    old = [story.add(f"stable {n}", branch="stable") for n in range(5)]
    index = grown(story.git, tmp_path, "main", "stable")
    story.git.run("update-ref", "-d", "refs/heads/stable")
    story.git.run("reflog", "expire", "--expire=now", "--all")
    story.git.run("prune", "--expire=now")
    assert story.git.resolve(f"{old[0]}^{{commit}}") is None
    assert index._frontier(story.git) == [main]
    assert index.update(story.git, [story.add("new")], silent) == 1


def test_another_repository_in_the_same_place(story, tmp_path):
    grown(story.git, tmp_path).close()
    story.path.rename(tmp_path / "gone.git")
    other = Story(story.path)
    sha = other.add("elsewhere")
    index = grown(other.git, tmp_path)
    assert {c.sha for c in index.commits(below(index, [index.number(sha)]))} == {sha}


@pytest.mark.parametrize("damage", ["bytes", "version"])
def test_a_damaged_index_or_an_old_one_is_made_anew(story, tmp_path, damage):
    index = grown(story.git, tmp_path)
    index.close()
    if damage == "bytes":
        for path in index.path.parent.glob(f"{index.path.name}-*"):
            path.unlink()
        index.path.write_bytes(b"no database at all, but long enough to be one" * 100)
    else:
        with sqlite3.connect(index.path) as db:
            db.execute("PRAGMA user_version = 999")
    assert grown(story.git, tmp_path).count() == 1


def test_a_full_disk_is_the_machines_fault(story, tmp_path):
    index = opened(story.git, tmp_path)
    error = sqlite3.OperationalError("database or disk is full")
    with pytest.raises(Unavailable, match="no room left") as caught, schema.trouble(index.path):
        raise error
    assert "BACKPORT_CACHE" in caught.value.hint


def test_worktrees_share_an_index(story, tmp_path):
    story.git.run("worktree", "add", "-q", str(tmp_path / "tree"), "main")
    one, two = (open_index(Git(p), tmp_path / "cache") for p in (story.path, tmp_path / "tree"))
    assert one.path == two.path


def test_a_clone_that_lacks_commits_is_told_apart_from_a_bug(story, tmp_path):
    lost = story.git.ref("main")
    tip = story.add("second")
    (story.path / "objects" / lost[:2] / lost[2:]).unlink()
    index = opened(story.git, tmp_path)
    with pytest.raises(UsageError, match="its history cannot be read") as caught:
        index.update(story.git, [tip], silent)
    assert caught.value.exit_code is Exit.USAGE and index.count() == 0


def test_a_shallow_clone_is_refused(story, tmp_path):
    story.add("second")
    argv = ["git", "clone", "-q", "--bare", "--depth=1", f"file://{story.path}"]
    subprocess.run([*argv, str(tmp_path / "shallow.git")], check=True)
    with pytest.raises(UsageError, match="shallow") as caught:
        demand_whole(Git(tmp_path / "shallow.git"), "shallow.git")
    assert "--unshallow" in caught.value.hint


# -- names


def meant(index, tip, sha, subject=""):
    names = Names(index, below(index, [index.number(tip)]))
    cited = indexing.Cited(-1, Sort.FIXES, sha, subject)
    return names.meant(cited), names


def test_an_id_that_no_commit_has_is_understood_by_its_subject(story, tmp_path):
    sha = story.add("dock: Make it a list")
    index = grown(story.git, tmp_path)
    found, _ = meant(index, sha, "0123456789ab", "dock: make it a list")
    assert (found.numbers, found.how) == ((index.number(sha),), "subject")
    found, _ = meant(index, sha, "0123456789ab", "dock: Make it a tree")
    assert found.numbers == ()


def test_an_id_of_several_commits_needs_a_subject(story, tmp_path):
    shas = {}
    while True:  # until two begin alike
        sha = story.add(f"commit {len(shas)}")
        if sha[:2] in shas:
            break
        shas[sha[:2]] = sha
    index = grown(story.git, tmp_path)
    number = index.number(sha)
    found, names = meant(index, sha, sha[:2], index.commit(number).subject)
    assert (found.numbers, found.how) == ((number,), "id")
    found, names = meant(index, sha, sha[:2], "something else")
    assert (found.numbers, found.how) == ((), "ambiguous")
    assert sha[:16] in names.ambiguous[sha[:2]] and shas[sha[:2]][:16] in names.ambiguous[sha[:2]]


def test_only_commits_of_the_histories_that_are_asked_about(story, tmp_path):
    sha = story.git.ref("main")
    story.branch("topic", sha)
    other = story.add("on a topic", fixes(sha), branch="topic")
    index = grown(story.git, tmp_path, "main", "topic")
    assert meant(index, sha, other)[0].numbers == ()
    assert meant(index, other, other)[0].numbers == (index.number(other),)


# -- sets


def test_sets_of_commits():
    one, two = Reach.of([1, 2, 300]), Reach.of([2, 5])
    assert list(one | two) == [1, 2, 5, 300]
    assert list(one & two) == [2]
    assert list(one - two) == [1, 300]
    assert list(two - one) == [5]
    assert (len(one), 300 in one, 3 in one, 9999 in one) == (3, True, False, False)
    assert list(Reach()) == [] and len(Reach() | one) == 3
