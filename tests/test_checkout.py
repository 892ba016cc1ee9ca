"""A tree of the store in a directory: exact, kept between trees, repaired after a kill."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from backport.doors import process
from backport.doors.git import Entry, Git
from backport.kernel.checkout import checkout, discard
from backport.values.errors import Unavailable, UsageError
from backport.values.events import Event, Progress, StageFinished

LONG_AGO = 1_000_000_000


@pytest.fixture
def git(tmp_path) -> Git:
    return Git.init_bare(tmp_path / "store.git")


def tree(git: Git, contents: dict[str, str], mode: str = "100644") -> str:
    entries = {path: Entry(mode, git.write_blob(text.encode())) for path, text in contents.items()}
    return git.edit_tree("", entries)


FIRST = {"Makefile": "VERSION = 6\n", "net/core/dev.c": "int a;\n", "net/old.c": "int old;\n"}
SECOND = {"Makefile": "VERSION = 6\n", "net/core/dev.c": "int b;\n", "net/tcx.c": "int tcx;\n"}


def contents(dest: Path) -> dict[str, str]:
    return {str(p.relative_to(dest)): p.read_text() for p in dest.rglob("*") if p.is_file()}


def test_a_tree_is_written_whole_with_progress(git, tmp_path):
    heard: list[Event] = []
    done = checkout(git, tree(git, FIRST), tmp_path / "t", heard.append)
    assert contents(done.path) == FIRST
    assert (done.written, done.cached) == (3, False)
    assert Progress("checkout", 3, 3, "files") in heard
    assert isinstance(heard[-1], StageFinished)


def test_modes_links_and_bytes_survive(git, tmp_path):
    script = Entry("100755", git.write_blob(b"#!/bin/sh\r\n"))
    link = Entry("120000", git.write_blob(b"run.sh"))
    oid = git.edit_tree("", {"run.sh": script, "link": link})
    dest = checkout(git, oid, tmp_path / "t").path
    assert (dest / "run.sh").read_bytes() == b"#!/bin/sh\r\n"
    assert os.access(dest / "run.sh", os.X_OK)
    assert (dest / "link").readlink() == Path("run.sh")


def test_the_next_tree_touches_only_what_differs(git, tmp_path):
    dest = checkout(git, tree(git, FIRST), tmp_path / "t").path
    for path in dest.rglob("*.*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    os.utime(dest / "Makefile", (LONG_AGO, LONG_AGO))
    checkout(git, tree(git, FIRST), dest)  # learn the new times
    for path in dest.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    git.run(
        "update-index",
        "--refresh",
        env={"GIT_INDEX_FILE": str(tmp_path / "t.index"), "GIT_WORK_TREE": str(dest)},
    )
    done = checkout(git, tree(git, SECOND), dest)
    assert contents(dest) == SECOND
    assert not done.cached
    assert (dest / "Makefile").stat().st_mtime == LONG_AGO
    assert (dest / "net/core/dev.c").stat().st_mtime > LONG_AGO


def test_the_same_tree_again_touches_nothing(git, tmp_path):
    dest = checkout(git, tree(git, FIRST), tmp_path / "t").path
    before = {p: p.stat().st_mtime_ns for p in dest.rglob("*")}
    again = checkout(git, tree(git, FIRST), dest)
    assert again.cached
    assert again.written == 0
    assert {p: p.stat().st_mtime_ns for p in dest.rglob("*")} == before


def test_what_somebody_changed_is_put_back(git, tmp_path):
    dest = checkout(git, tree(git, FIRST), tmp_path / "t").path
    (dest / "net/core/dev.c").write_text("int changed;\n")
    (dest / "net/old.c").unlink()
    (dest / ".config").write_text("CONFIG_STRAY=y\n")
    (dest / "include/config").mkdir(parents=True)
    (dest / "include/config/auto.conf").write_text("stray\n")
    done = checkout(git, tree(git, FIRST), dest)
    assert contents(dest) == FIRST
    assert not done.cached


def test_ignored_strays_go_too(git, tmp_path):
    oid = tree(git, {**FIRST, ".gitignore": "*.o\n"})
    dest = checkout(git, oid, tmp_path / "t").path
    (dest / "net/dev.o").write_text("stray")
    checkout(git, oid, dest)
    assert not (dest / "net/dev.o").exists()


def test_a_directory_that_was_removed_is_written_again(git, tmp_path):
    oid = tree(git, FIRST)
    dest = checkout(git, oid, tmp_path / "t").path
    process.run(["rm", "-r", dest])
    assert checkout(git, oid, dest).written == 3
    assert contents(dest) == FIRST


@pytest.mark.parametrize("index", ["kept", "torn", "gone", "locked"])
def test_a_killed_checkout_is_repaired_and_leaves_no_strays(git, tmp_path, index):
    """The mark is gone, files of a third tree lie about, one file is half written."""
    dest = checkout(git, tree(git, FIRST), tmp_path / "t").path
    (tmp_path / "t.json").unlink()
    (dest / "net/core/dev.c").write_text("int ")
    (dest / "net/third.c").write_text("int third;\n")
    path = tmp_path / "t.index"
    if index == "torn":
        path.write_bytes(path.read_bytes()[:40])
    elif index == "gone":
        path.unlink()
        (tmp_path / "t.json").write_text("{")  # the mark itself half written
    elif index == "locked":
        (tmp_path / "t.index.lock").write_text("")
    done = checkout(git, tree(git, SECOND), dest)
    assert contents(dest) == SECOND
    assert not done.cached
    assert checkout(git, tree(git, SECOND), dest).cached


def test_a_checkout_waits_for_one_that_is_at_work(git, tmp_path):
    oid = tree(git, FIRST)
    with (tmp_path / "t.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        worker = threading.Thread(target=checkout, args=(git, oid, tmp_path / "t"))
        worker.start()
        worker.join(0.3)
        assert worker.is_alive()
        assert not (tmp_path / "t").exists()
    worker.join(10)
    assert contents(tmp_path / "t") == FIRST


def test_a_strangers_directory_is_left_alone(git, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.txt").write_text("mine")
    for act in (lambda d: checkout(git, tree(git, FIRST), d), discard):
        with pytest.raises(UsageError, match="no checkout of ours"):
            act(tmp_path / "home")
    assert contents(tmp_path / "home") == {"thesis.txt": "mine"}


def test_an_unknown_tree_is_refused_before_anything_is_touched(git, tmp_path):
    with pytest.raises(UsageError, match="names no tree"):
        checkout(git, "0" * 40, tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_discard_removes_the_directory_and_what_belongs_to_it(git, tmp_path):
    dest = checkout(git, tree(git, FIRST), tmp_path / "t").path
    discard(dest)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store.git", "t.lock"]
    assert checkout(git, tree(git, FIRST), dest).written == 3


def test_a_full_disk_is_the_machines_fault(git, tmp_path, monkeypatch):
    def full(self, *_args, log, **_kwargs):
        done = process.Completed(("git",), 128, b"", b"fatal: No space left on device", 0.0)
        raise process.ProcessFailed(done, log=log)

    oid = tree(git, FIRST)
    monkeypatch.setattr(Git, "stream", full)
    with pytest.raises(Unavailable, match="no room left") as caught:
        checkout(git, oid, tmp_path / "t")
    assert "goes on" in caught.value.hint
    monkeypatch.undo()
    assert checkout(git, oid, tmp_path / "t").written == 3
