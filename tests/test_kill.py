"""Kills, interrupts, full disks, second runs: nothing finished is lost, nothing is left behind."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import shutil
import signal
import stat
import time
from pathlib import Path

import pytest
from minikernel import (
    BASE,
    CORE,
    OPEN_NEW,
    OPEN_OLD,
    SERIES,
    STEPS,
    TARGET,
    Step,
    git,
    known_world,
    make_world,
    snapshot,
    write_tree,
)

pytestmark = pytest.mark.slow

FILES = {f"lib/far{n // 50}/{n}.c": f"int far_{n};\n" * 40 for n in range(250)}
MORE = tuple(Step(f"dock: Step {n}", {f"drivers/step{n}.c": f"int step{n};\n"}) for n in range(3))
SOON = 3.0  # seconds in which an interrupt has to end everything


@pytest.fixture
def world(tmp_path):
    """A world with so much to do that a signal meets it at work."""
    made = make_world(tmp_path / "world", (*STEPS, *MORE))
    made.settle()
    write_tree(made.base, FILES)
    git(made.base, "add", "-A")
    who = ("-c", "user.name=R", "-c", "user.email=r@example.org")
    git(made.base, *who, "commit", "-q", "-m", "more", "--date=1700000000 +0000")
    return made


def plain(world):
    """The base as a plain directory, which is read file by file."""
    folder = world.root / "plain"
    if not folder.exists():
        shutil.copytree(world.base, folder, ignore=shutil.ignore_patterns(".git"))
    return folder


def wait_for(process, text):
    """Read the process's talk up to a line with `text`."""
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"never said {text!r}")


def relatives(world):
    """Processes that work for this world: its cache is in their environment."""
    mark = f"BACKPORT_CACHE={world.cache}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                state = path.with_name("stat").read_text().rpartition(")")[2].split()[0]
                found += [path.parent.name] if state != "Z" else []
    return found


def gone(world):
    """Whether nobody works for this world any more; orphans may need a moment to end."""
    end = time.monotonic() + SOON
    while relatives(world) and time.monotonic() < end:
        time.sleep(0.02)
    return not relatives(world)


# -- kill -9

MOMENTS = (  # what it says last, how much longer it lives, and whether its children die with it
    ("import      →", 0.0, False),
    ("import      →", 0.06, True),
    ("upstream    →", 0.04, True),
    ("pick        →", 0.0, False),
    ("pick        →", 0.15, True),
)


def test_killed_again_and_again_it_ends_with_the_same_commits(world, tmp_path):
    wanted = make_world(tmp_path / "wanted", (*STEPS, *MORE))
    wanted.settle()
    argv = world.argv("pick", base=plain(world))
    quiet = wanted.run(*wanted.argv("pick", "--json", base=plain(world)))
    assert quiet.code == 0, quiet.err
    for text, delay, children in MOMENTS:
        process = world.start(*argv, start_new_session=True)
        wait_for(process, text)
        time.sleep(delay)
        (os.killpg if children else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode in {-signal.SIGKILL, 0}
    assert gone(world)
    outcomes = [row["outcome"] for row in world.run("status", "--all", "--json").json]
    assert len(outcomes) == len(MOMENTS) and set(outcomes) <= {"killed", "passed"}
    assert "killed" in outcomes and "KILLED" in world.run("status", "latest").out.upper()
    ran = world.run(*argv, "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["head"], ran.json["tree"]) == (quiet.json["head"], quiet.json["tree"])
    assert [p["commit"] for p in ran.json["picks"]] == [p["commit"] for p in quiet.json["picks"]]
    assert git(world.store, "fsck", "--full", "--no-dangling") == ""
    assert [p for p in (world.store / "inbox").iterdir() if p.is_dir()] == []


def test_a_killed_pick_resumes_behind_what_it_finished(world):
    process = world.start(*world.argv("pick"))
    wait_for(process, "pick        →")
    picks = world.cache / "picks"
    while not picks.is_dir() or len(list(picks.glob("[0-9a-f]*.json"))) < 2:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    kept = {p.name: p.stat().st_mtime_ns for p in picks.glob("[0-9a-f]*.json")}
    if world.head():  # the branch moves last
        assert len(kept) == len(world.shas)
    assert world.pick().code == 0
    again = {p.name: p.stat().st_mtime_ns for p in picks.glob("[0-9a-f]*.json")}
    assert kept.items() <= again.items() and len(again) == len(world.shas)


def test_a_killed_continue_takes_the_resolution_or_keeps_it(tmp_path):
    world = known_world(tmp_path / "world")
    assert world.pick().code == 3
    text = CORE.format(open=OPEN_OLD + "\tdock_limit(dock);\n")
    (world.worktree / "drivers/core.c").write_text(text)
    for delay in (0.0, 0.08):
        if world.head():
            break
        process = world.start("continue")
        wait_for(process, "upstream    ✓")
        time.sleep(delay)
        process.kill()
        process.communicate()
    if not world.head():
        ran = world.run("continue") if (world.workspace / "stopped.json").exists() else world.pick()
        assert ran.code == 0, ran.err
    assert git(world.base, "show", "backport/dock/mini-6.1:drivers/core.c") + "\n" == text
    assert OPEN_NEW not in text


# -- interrupts


@pytest.mark.parametrize(
    ("number", "stage"),
    [(signal.SIGINT, "import"), (signal.SIGTERM, "pick")],
)
def test_an_interrupt_ends_everything_soon_and_is_recorded(world, number, stage):
    before = snapshot(world.base)
    base = plain(world) if stage == "import" else world.base
    process = world.start(*world.argv("pick", "--json", base=base))
    wait_for(process, f"{stage.ljust(11)} →")
    start = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - start < SOON
    assert process.returncode == 130, err
    assert "interrupted; what was finished is kept: run the same command again" in err
    assert "Traceback" not in err
    assert gone(world)
    assert '"outcome": "interrupted"' in out
    record = world.record()
    assert (record["outcome"], record["exit_code"]) == ("interrupted", 130)
    assert record["stages"][-1] | {"seconds": 0} == {
        "name": stage, "outcome": "interrupted", "seconds": 0, "cached": False, "detail": "",
    }  # fmt: skip
    assert snapshot(world.base) == before
    assert world.pick(base=base).code == 0


def test_an_interrupt_does_not_wait_for_another_process_import(world):
    process = world.start(*world.argv("plan", base=plain(world)))
    wait_for(process, "upstream    →")
    process.kill()
    process.communicate()
    (lock_path,) = (world.store / "inbox").glob("directory-*.lock")
    record = next((world.store / "backport").glob("directory-*.json"))
    record.unlink()
    with lock_path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = world.start(*world.argv("plan", base=plain(world)))
        wait_for(process, "another process imports")
        start = time.monotonic()
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=20)
        assert process.returncode == 130 and time.monotonic() - start < SOON
    assert world.run(*world.argv("plan", base=plain(world))).code == 0


# -- a second run


def test_a_second_run_on_the_same_workspace_is_refused_with_the_pid(world):
    git(world.base, "branch", "stay")
    process = world.start(*world.argv("pick"))
    wait_for(process, "upstream    →")
    process.send_signal(signal.SIGSTOP)
    try:
        runs = sorted(world.workspace.iterdir())
        for argv in (world.argv("pick"), world.argv("plan", "--json")):
            ran = world.run(*argv)
            assert ran.code == 2
            assert f"another run is at work (pid {process.pid}, since 2" in ran.err
            assert f"kill {process.pid}" in ran.err
        assert ran.json["outcome"] == "refused" and ran.json["id"] == ""
        assert sorted(world.workspace.iterdir()) == runs
        assert world.run("status", "--json").json["outcome"] == "running"
    finally:
        process.send_signal(signal.SIGCONT)
    process.communicate()
    assert process.returncode == 0
    assert world.pick().code == 0


def test_abort_is_refused_while_a_run_is_at_work(tmp_path):
    world = known_world(tmp_path / "world")
    assert world.pick().code == 3
    with (world.workspace / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = world.run("abort")
        assert ran.code == 2 and "another run is at work" in ran.err
        assert world.worktree.exists()
    assert world.run("abort").code == 0


# -- a disk that is full, or not to be written to


@pytest.mark.parametrize("moment", [1, 3, 7, 16])
def test_a_disk_that_fills_up_is_told_and_nothing_is_lost(tmp_path, monkeypatch, moment):
    world = known_world(tmp_path / "world")
    world.settle()
    before, done, move = snapshot(world.base), [], os.replace

    def full(old, new):
        done.append(new)
        if len(done) >= moment:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        move(old, new)

    monkeypatch.setattr(os, "replace", full)
    ran = world.pick("--json")
    monkeypatch.undo()
    assert ran.code == 69, ran.err
    assert "no room left on the disk" in ran.err and "BACKPORT_CACHE" in ran.err
    assert ran.json["outcome"] == "unavailable" and ran.json["exit_code"] == 69
    if not world.head():
        assert snapshot(world.base) == before
    assert list(world.cache.rglob("*.tmp")) == list(world.cache.rglob("*.part")) == []
    assert world.pick().code == 0


def test_a_disk_too_full_for_git_is_told(tmp_path):
    world = known_world(tmp_path / "world")
    world.settle()
    real = shutil.which("git")
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "git"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *hash-object*)\n'
        f"echo 'fatal: write error: No space left on device' >&2; exit 128;; esac\n"
        f'exec {real} "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    world.env["PATH"] = f"{folder}:{os.environ['PATH']}"
    ran = world.pick()
    assert ran.code == 69 and "no room left on the disk" in ran.err, ran.err
    del world.env["PATH"]
    assert world.pick().code == 0


def test_a_limit_on_the_size_of_files_is_told(tmp_path):
    world = known_world(tmp_path / "world")
    folder = write_tree(tmp_path / "big", {**BASE, "lib/big.bin": os.urandom(600_000)})

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    process = world.start(*world.argv("plan", base=folder), preexec_fn=limited)
    _, err = process.communicate()
    assert process.returncode == 69, err
    assert "ulimit -f" in err and "Traceback" not in err
    assert world.record()["outcome"] == "unavailable"
    assert world.run(*world.argv("plan", base=folder)).code == 0


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_cache_that_may_not_be_written_is_told(tmp_path, monkeypatch, number):
    world = make_world(tmp_path / "world")
    mkdir = os.mkdir

    def refuse(path, *more, **options):
        if str(path).startswith(str(world.cache)):
            raise OSError(number, os.strerror(number), str(path))
        mkdir(path, *more, **options)

    monkeypatch.setattr(os, "mkdir", refuse)
    ran = world.pick()
    monkeypatch.undo()
    assert ran.code == 69, ran.err
    assert str(world.cache) in ran.err and "point BACKPORT_CACHE at" in ran.err
    assert not world.cache.exists()


def test_a_reader_that_goes_away_is_no_failure(tmp_path):
    world = known_world(tmp_path / "world")
    process = world.start(*world.argv("plan", "--json"))
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait() == 0
    assert world.record()["outcome"] == "passed"
    assert f"{SERIES}-{TARGET}" == world.workspace.name
