"""The door to other programs: what they get, and what their failures show."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backport.doors import process
from backport.doors.process import (
    ProcessFailed,
    describe_status,
    environment,
    kill_group,
    run,
    stream,
)
from backport.values.errors import BackportError, Exit, ToolMissing


def sh(script):
    return ["sh", "-c", script]


# -- running to the end


def test_output_status_and_time():
    done = run(sh("echo out; echo err >&2; exit 3"), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert done.text == "out\n"
    assert 0 < done.seconds < 30


def test_arguments_are_no_shell_words(tmp_path):
    odd = "$(touch x); `y` 'z' *"
    assert run(["printf", "%s", odd], cwd=tmp_path).text == odd
    assert list(tmp_path.iterdir()) == []


def test_undecodable_output_survives():
    done = run(["printf", r"\377"])
    assert done.text.encode("utf-8", "surrogateescape") == b"\xff"


def test_stdin_is_closed_unless_given():
    assert run(["cat"]).stdout == b""
    assert run(["cat"], stdin=b"given").stdout == b"given"


def test_the_environment_is_fixed(monkeypatch):
    monkeypatch.setenv("LC_TIME", "de_DE.UTF-8")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("GIT_DIR", "/somewhere")
    monkeypatch.setenv("GIT_SSL_CAINFO", "/ca.pem")
    monkeypatch.setenv("KEPT", "yes")
    env = environment({"ADDED": "1"})
    assert not {"LC_TIME", "GIT_DIR"} & env.keys()
    assert (env["LANG"], env["LC_ALL"]) == ("C.UTF-8", "C.UTF-8")
    assert (env["KEPT"], env["ADDED"]) == ("yes", "1")
    assert env["GIT_SSL_CAINFO"] == "/ca.pem"
    assert env["GIT_TERMINAL_PROMPT"] == "0"  # no question that nobody can answer
    assert run(sh("echo $LC_ALL $GIT_DIR")).text == "C.UTF-8\n"


def test_a_failure_shows_command_status_and_talk():
    with pytest.raises(ProcessFailed) as caught:
        run(sh("echo 'what went wrong' >&2; exit 4"))
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("sh -c ")
    assert first.endswith(": exit status 4")
    assert rest == ["what went wrong"]
    assert caught.value.done.returncode == 4
    again = pickle.loads(pickle.dumps(caught.value))  # as it comes out of a worker process
    assert (str(again), again.done) == (str(caught.value), caught.value.done)


def test_a_silent_failure_shows_what_was_printed():
    with pytest.raises(ProcessFailed, match="only stdout"):
        run(sh("echo only stdout; exit 1"))


def test_long_talk_is_cut_to_its_end():
    with pytest.raises(ProcessFailed) as caught:
        run(sh("seq 1000 >&2; exit 1"))
    lines = str(caught.value).splitlines()
    assert lines[-1] == "1000"
    assert len(lines) == process.STDERR_TAIL + 1


def test_death_by_signal_is_named():
    with pytest.raises(ProcessFailed, match="killed by SIGSEGV"):
        run(sh("kill -SEGV $$"))
    assert describe_status(-9) == "killed by SIGKILL"
    assert describe_status(-1000) == "killed by signal 1000"
    assert describe_status(0) == "exit status 0"


def test_a_missing_program_is_the_machines_fault(tmp_path):
    with pytest.raises(ToolMissing, match="no-such-program: not found") as caught:
        run(["no-such-program"])
    assert caught.value.exit_code == Exit.UNAVAILABLE
    assert caught.value.hint
    with pytest.raises(ToolMissing):
        stream(["no-such-program"], print, log=tmp_path / "log")


def test_a_missing_folder_is_no_missing_program(tmp_path):
    with pytest.raises(BackportError, match="no such directory") as caught:
        run(["true"], cwd=tmp_path / "none")
    assert not isinstance(caught.value, ToolMissing)


def test_a_timeout_kills_the_child(tmp_path):
    start = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sleep", "30"], timeout=0.2)
    assert time.monotonic() - start < 10


def test_missing_tools_are_named_together_with_their_packages():
    process.require([("sh", "dash"), ("true", "coreutils")])
    with pytest.raises(ToolMissing, match="not installed: nope-a, nope-b") as caught:
        process.require([("nope-a", "pkg-z"), ("sh", "dash"), ("nope-b", "pkg-a")])
    assert caught.value.hint == "apt-get install pkg-a pkg-z"


# -- streaming


def test_lines_come_one_by_one_and_the_log_has_them_all(tmp_path):
    lines, log = [], tmp_path / "deep" / "log"
    done = stream(sh("echo one; echo two >&2; printf 'no end'"), lines.append, log=log)
    assert lines == ["one", "two", "no end"]
    assert log.read_text() == "one\ntwo\nno end"
    assert done.returncode == 0
    stream(sh("echo more"), lines.append, log=log)
    assert log.read_text().endswith("no endmore\n")  # appended, never lost


def test_a_meter_is_heard_as_it_moves(tmp_path):
    lines = []
    stream(sh(r"printf '10%%\r20%%\r30%%\r\nend\r\n'"), lines.append, log=tmp_path / "log")
    assert lines == ["10%", "20%", "30%", "end"]
    assert (tmp_path / "log").read_bytes() == b"10%\r20%\r30%\r\nend\r\n"


def test_a_line_is_handed_on_before_the_program_ends(tmp_path):
    seen = []
    start = time.monotonic()

    def on_line(line):
        seen.append(time.monotonic() - start)

    stream(sh("echo first; sleep 0.6; echo second"), on_line, log=tmp_path / "log")
    assert seen[1] - seen[0] > 0.3


def test_a_failed_stream_names_its_log(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(ProcessFailed, match="the end") as caught:
        stream(sh("seq 100; echo the end; exit 2"), lambda _line: None, log=log)
    assert caught.value.log == log
    assert log.read_text().startswith("1\n2\n")
    done = stream(sh("exit 2"), lambda _line: None, log=log, check=False)
    assert done.returncode == 2


def test_an_error_in_the_listener_kills_the_whole_group(tmp_path):
    pids = []

    def on_line(line):
        pids.extend(int(word) for word in line.split())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(sh("sleep 60 & echo $$ $!; wait"), on_line, log=tmp_path / "log")
    assert len(pids) == 2
    assert wait_until(lambda: not any(alive(pid) for pid in pids))


def test_kill_group_takes_grandchildren_and_may_come_late(tmp_path):
    proc = subprocess.Popen(
        sh("sleep 60 & echo $!; wait"), stdout=subprocess.PIPE, start_new_session=True
    )
    grandchild = int(proc.stdout.readline())
    kill_group(proc)
    assert proc.returncode == -signal.SIGKILL
    assert wait_until(lambda: not alive(grandchild))
    kill_group(proc)  # already gone
    proc.stdout.close()


def alive(pid):
    """Whether a process still runs; a zombie nobody has reaped yet does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# -- children that must not outlive us


def test_a_spawned_program_ends_with_its_block():
    with process.spawned(["sleep", "60"]) as proc:
        assert alive(proc.pid)
    assert not alive(proc.pid)


def test_a_spawned_program_dies_when_we_are_killed(tmp_path):
    script = (
        "import sys, time\nfrom backport.doors import process\n"
        "with process.spawned(['sleep', '60']) as p:\n"
        "    print(p.pid, flush=True)\n    time.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[1]
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until(lambda: not alive(child))


# -- pipes


def test_a_pipeline_gives_the_last_output():
    with process.pipeline(["seq", "5"], ["tail", "-n", "2"]) as out:
        assert out.read() == b"4\n5\n"


def test_the_first_broken_part_of_a_pipeline_is_named():
    with (
        pytest.raises(ProcessFailed, match="first broke"),
        process.pipeline(sh("echo first broke >&2; exit 1"), ["cat"]) as out,
    ):
        out.read()


def test_an_error_in_the_block_kills_the_pipeline():
    with pytest.raises(ZeroDivisionError), process.pipeline(["sleep", "60"], ["cat"]):
        raise ZeroDivisionError


def test_fed_writes_and_shows_why_it_could_not(tmp_path):
    with process.fed(sh(f"cat > {tmp_path}/x")) as pipe:
        pipe.write(b"data")
    assert (tmp_path / "x").read_bytes() == b"data"
    with (
        pytest.raises(ProcessFailed, match="no more"),
        process.fed(sh("echo no more >&2; exit 1")) as pipe,
    ):
        for _ in range(100):
            pipe.write(b"x" * 65536)


def test_once_everything_ends_nothing_starts_and_no_death_is_a_result(tmp_path):
    """In a process of its own, because there is no way back."""
    code = """
import sys, threading, time
from pathlib import Path
from backport.doors import process
from backport.values.errors import Interrupted

ends, begun = [], []
def told(line):
    begun.append(line)
def guest():
    with process.spawned(["sh", "-c", "echo up; sleep 60"]) as proc:
        begun.append(proc.stdout.readline())
        proc.stdout.read()
def fed():
    with process.fed(["sh", "-c", "exec sleep 60"]) as out:
        begun.append("fed")
        while True:
            out.write(b"x" * 65536)
def piped():
    with process.pipeline(["sh", "-c", "echo up; sleep 60"], ["cat"]) as out:
        begun.append(out.readline())
        out.read()
jobs = [
    lambda: (begun.append("run"), process.run(["sleep", "60"], check=False)),
    lambda: process.stream(["sh", "-c", "echo up; sleep 60"], told, log=Path("a"), check=False),
    guest, fed, piped,
]
def work(job):
    try:
        job()
    except Interrupted:
        ends.append("interrupted")
    except BaseException as err:
        ends.append(repr(err))
threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
for thread in threads:
    thread.start()
while len(begun) < 5:
    time.sleep(0.01)
time.sleep(0.1)
process.end_all()
for thread in threads:
    thread.join(5)
    assert not thread.is_alive()
for job in jobs:
    work(job)
print(ends)
assert ends == ["interrupted"] * 10
"""
    done = run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
