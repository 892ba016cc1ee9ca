"""Run folders: records that are whole or absent, locks that die with their holder."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from sample_record import PASSED_RUN

from backport.doors import rundir
from backport.doors.rundir import Lock, RunDir
from backport.values.errors import Exit, Unavailable, UsageError
from backport.values.record import Base, Failure, RecordError

HOLDER = """
import sys, time
from pathlib import Path
from backport.doors.rundir import RunDir
run = RunDir.open(Path(sys.argv[1]), "netkit", "debian-6.1", "backport run netkit")
print(run.path, flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process in the middle of a run of netkit on debian-6.1; gives it and its folder."""
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    path = proc.stdout.readline().strip()
    yield proc, path
    proc.kill()
    proc.wait()
    proc.stdout.close()


def begin(tmp_path, target="debian-6.1"):
    return RunDir.open(tmp_path, "netkit", target, f"backport run netkit --target {target}")


def test_a_run_is_on_disk_before_any_work(tmp_path):
    with begin(tmp_path) as run:
        data = json.loads((run.path / "run.json").read_text())
        assert data["outcome"] == "running"
        assert data["exit_code"] is None
        assert data["pid"] == os.getpid()
        assert data["command"] == "backport run netkit --target debian-6.1"
        assert data["id"] == run.path.name
        assert run.path.parent == tmp_path / "netkit-debian-6.1"
        assert re.fullmatch(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}", run.path.name)


def test_each_stage_rewrites_the_record(tmp_path):
    with begin(tmp_path) as run:
        run.save(replace(run.record, base=Base("6.1.9", "package", "", "c" * 40)))
        assert rundir.load(run.path).record.base.version == "6.1.9"
        run.finish(run.record, Exit.GATE, Failure("config: one symbol lost", "backport report"))
    last = rundir.load(run.path).record
    assert (last.outcome, last.exit_code) == ("gate-failed", 4)
    assert last.base.version == "6.1.9"
    assert last.failure.hint == "backport report"
    assert last.finished >= last.started
    assert 0 < last.seconds < 60
    assert sorted(p.name for p in run.path.iterdir()) == [".lock", "run.json"]


@pytest.mark.parametrize(("call", "outcome"), [("replace", "running"), ("fsync", "passed")])
def test_a_write_that_fails_keeps_the_old_record(tmp_path, monkeypatch, call, outcome):
    with begin(tmp_path) as run:
        before = (run.path / "run.json").read_bytes()

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, call, full)
        with pytest.raises(Unavailable, match="no room left") as err:
            run.save(replace(run.record, branch="lost", outcome=outcome))
        assert "BACKPORT_CACHE" in err.value.hint
        assert (run.path / "run.json").read_bytes() == before
        assert not list(run.path.glob(".*.tmp"))
        assert not list(run.path.glob(".*.part"))


def test_a_second_run_of_the_same_workspace_is_refused(tmp_path, holder):
    proc, _path = holder
    with pytest.raises(UsageError) as err:
        begin(tmp_path)
    assert f"pid {proc.pid}, since 20" in err.value.message
    assert str(proc.pid) in err.value.hint
    assert len(rundir.list_runs(tmp_path)) == 1, "the refused run left a folder"
    with begin(tmp_path, "debian-5.10"):
        pass


def test_a_killed_run_is_shown_as_killed_and_blocks_nobody(tmp_path, holder):
    proc, path = holder
    assert rundir.find(tmp_path, "latest").record.outcome == "running"
    proc.send_signal(signal.SIGKILL)
    proc.wait()
    killed = rundir.find(tmp_path, path)
    assert killed.record.outcome == "killed"
    assert json.loads((killed.path / "run.json").read_text())["outcome"] == "running"
    with begin(tmp_path) as run:
        assert rundir.load(killed.path).record.outcome == "killed"
        assert rundir.load(run.path).record.outcome == "running"


def test_a_run_that_ended_stays_as_it_ended(tmp_path):
    with begin(tmp_path) as run:
        run.finish(run.record, Exit.OK)
    assert rundir.load(run.path).record.outcome == "passed"


def test_a_child_process_does_not_keep_the_lock(tmp_path):
    with begin(tmp_path) as run:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        assert not rundir.is_held(run.path / ".lock")
        with begin(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_latest_points_at_the_newest_and_old_runs_stay(tmp_path):
    paths = []
    for _ in range(3):
        with begin(tmp_path) as run:
            paths.append(run.path)
    assert (tmp_path / "netkit-debian-6.1" / "latest").resolve() == paths[-1]
    assert {run.path for run in rundir.list_runs(tmp_path)} == set(paths)
    found = [run.path for run in rundir.newest(tmp_path, "netkit", "debian-6.1")]
    assert found == sorted(paths, reverse=True)
    assert [*rundir.newest(tmp_path, "netkit", "debian-5.10")] == []


def test_latest_can_be_asked_for_one_target(tmp_path):
    for target in ("debian-6.1", "debian-5.10"):
        with begin(tmp_path, target):
            pass
    assert rundir.latest(tmp_path, target="debian-6.1").record.target == "debian-6.1"
    assert rundir.latest(tmp_path, series="tcx") is None
    assert rundir.latest(tmp_path / "nothing") is None


def test_runs_are_found_by_what_a_person_types(tmp_path):
    with begin(tmp_path) as run, begin(tmp_path, "debian-5.10") as other:
        name = run.path.name
        for text in (name, f"netkit-debian-6.1/{name}", str(run.path)):
            assert rundir.find(tmp_path, text).path == run.path
        short = other.path.name.rpartition("-")[2]
        assert rundir.find(tmp_path, short).path == other.path
        with pytest.raises(UsageError, match="no such run") as err:
            rundir.find(tmp_path, "1999")
        assert name in err.value.message
        with pytest.raises(UsageError, match="fits several runs"):
            rundir.find(tmp_path, "20")


def test_without_any_run_the_error_says_so(tmp_path):
    with pytest.raises(UsageError, match="there are none yet"):
        rundir.find(tmp_path, "latest")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "holds no run.json"), ("{", "not JSON"), ("[]", "expected an object")],
)
def test_a_broken_record_is_named_and_does_not_hide_the_others(tmp_path, content, says):
    with begin(tmp_path) as run:
        pass
    broken = run.path.with_name("20200101T000000.000Z-dead")
    broken.mkdir()
    if content is not None:
        (broken / "run.json").write_text(content)
    with pytest.raises(RecordError, match=says):
        rundir.load(broken)
    assert [found.path for found in rundir.list_runs(tmp_path)] == [run.path]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b"])
def test_a_name_that_would_leave_the_folder_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="want letters"):
        RunDir.open(tmp_path / "runs", "netkit", name)
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "mkdir", denied)
    with pytest.raises(Unavailable, match="not writable"):
        begin(tmp_path / "runs")


def test_a_lock_taken_twice_names_its_holder_and_frees_once(tmp_path):
    lock = Lock.take(tmp_path / "x", "the store")
    with pytest.raises(UsageError, match=f"the store: another run .*pid {os.getpid()}"):
        Lock.take(tmp_path / "x", "the store")
    lock.release()
    lock.release()
    Lock.take(tmp_path / "x", "the store").release()


def test_text_that_is_no_utf_8_does_not_stop_a_record(tmp_path):
    rundir.write_record(tmp_path, replace(PASSED_RUN, branch="caf\udce9"))
    assert rundir.load(tmp_path).record.branch == "caf\udce9"


def test_logs_and_artifacts_are_named_relative_to_the_run(tmp_path):
    with begin(tmp_path) as run:
        log = run.log("build")
        log.write_text("ok")
        assert run.relative(log) == "logs/build.log"
        assert run.relative(run.artifact("series")) == "series"
