"""Long commands: their lines as they come, their locks, their end."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from backport.doors import process
from backport.doors.process import ProcessFailed
from backport.values.errors import BackportError, ToolMissing


def sh(script: str, tmp_path: Path, **more) -> list[str]:
    heard: list[str] = []
    process.stream(["sh", "-c", script], heard.append, log=tmp_path / "logs/x.log", **more)
    return heard


def test_both_streams_are_heard_and_logged(tmp_path):
    assert sh("echo out; echo err >&2; printf last", tmp_path) == ["out", "err", "last"]
    assert (tmp_path / "logs/x.log").read_bytes() == b"out\nerr\nlast"


def test_a_progress_meter_is_heard_as_it_moves(tmp_path):
    heard: list[tuple[str, float]] = []
    start = time.monotonic()
    process.stream(
        ["sh", "-c", r"printf '10%%\r20%%\r'; sleep 0.5; printf '30%%\r\ndone\r\n'"],
        lambda line: heard.append((line, time.monotonic() - start)),
        log=tmp_path / "x.log",
    )
    assert [line for line, _ in heard] == ["10%", "20%", "30%", "done"]
    assert heard[0][1] < 0.4


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path):
    assert sh(r"printf '\377\n'", tmp_path) == ["�"]
    assert (tmp_path / "logs/x.log").read_bytes() == b"\xff\n"


def test_a_failure_shows_the_end_of_its_talk_and_the_log(tmp_path):
    with pytest.raises(ProcessFailed, match="line 99") as caught:
        sh("for i in $(seq 99); do echo line $i; done; exit 3", tmp_path)
    assert "exit status 3" in str(caught.value)
    assert "line 10\n" not in str(caught.value)
    assert caught.value.log == tmp_path / "logs/x.log"


def test_a_reader_that_stops_takes_the_whole_family_along(tmp_path):
    def stop(line: str) -> None:
        raise KeyboardInterrupt(line)

    with pytest.raises(KeyboardInterrupt) as caught:
        process.stream(["sh", "-c", "sleep 60 & echo $!; wait"], stop, log=tmp_path / "x.log")
    child = Path(f"/proc/{caught.value.args[0]}/stat")
    deadline = time.monotonic() + 5
    # A zombie that nobody has reaped yet is dead, too.
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_children_keep_a_lock_that_is_passed_to_them(tmp_path):
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # The child that stays behind has let go of the pipe, as a killed run's compiler would not.
    sh("sleep 0.4 >/dev/null 2>&1 & :", tmp_path, pass_fds=(lock,))
    os.close(lock)
    with (tmp_path / "lock").open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX)


def test_a_missing_program_and_a_missing_directory_are_told_apart(tmp_path):
    with pytest.raises(ToolMissing, match="no-such-program"):
        process.stream(["no-such-program"], print, log=tmp_path / "x.log")
    with pytest.raises(BackportError, match="gone: no such directory"):
        process.stream(["sh"], print, log=tmp_path / "x.log", cwd=tmp_path / "gone")
