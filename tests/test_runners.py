"""Runners end their machine on every way out, and say how the console ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import fake_qemu
import pytest

import backport
from backport.guests.parsers.tree import Ended
from backport.guests.runners import RUNNERS, BootRequest
from backport.guests.runners.qemu import QemuRunner, version
from backport.values.errors import ToolMissing, Unavailable

FAST = QemuRunner("test", accel="tcg", cpu="max", patience=1.0)
DONE = "[    1.0] @@backport done@@\\r"


@pytest.fixture
def order(tmp_path):
    return BootRequest(
        fake_qemu.kernel(tmp_path / "bzImage"),
        tmp_path / "initramfs.cpio",
        tmp_path / "logs/console.log",
        deadline=20.0,
        silence=10.0,
    )


def pid_of(calls: Path) -> int:
    return int(calls.read_text().split()[0])


def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_guest_that_is_done_is_ended_at_once(tmp_path, monkeypatch, order):
    calls = fake_qemu.install(tmp_path, monkeypatch, f"printf 'a\\r\\n{DONE}\\nb\\n'; sleep 60")
    heard = []
    start = time.monotonic()
    output = FAST.run(order, heard.append)
    assert time.monotonic() - start < 5
    assert output.ended is Ended.DONE
    assert output.lines == ("a", "[    1.0] @@backport done@@")
    assert heard == list(output.lines)
    assert order.log.read_bytes().startswith(b"a\r\n")
    assert gone(pid_of(calls))


def test_a_machine_that_leaves_is_told_with_its_status(tmp_path, monkeypatch, order):
    fake_qemu.install(tmp_path, monkeypatch, "echo out; echo err >&2; printf half; exit 3")
    output = FAST.run(order)
    assert (output.ended, output.status) == (Ended.EXITED, 3)
    assert output.lines == ("out", "err", "half"), "both streams, and the last unfinished line"


def test_a_silent_guest_is_a_hang(tmp_path, monkeypatch, order):
    calls = fake_qemu.install(tmp_path, monkeypatch, "echo booting; sleep 60")
    output = FAST.run(replace(order, silence=0.3))
    assert output.ended is Ended.SILENT
    assert output.status is None
    assert 0.3 <= output.seconds < 5
    assert gone(pid_of(calls))


def test_a_guest_that_talks_for_ever_meets_the_deadline(tmp_path, monkeypatch, order):
    calls = fake_qemu.install(tmp_path, monkeypatch, "while :; do echo x; sleep 0.02; done")
    output = FAST.run(replace(order, deadline=0.5, silence=0.4))
    assert output.ended is Ended.DEADLINE
    assert len(output.lines) > 5
    assert gone(pid_of(calls))


def test_bytes_count_against_silence_even_without_a_line_end(tmp_path, monkeypatch, order):
    fake_qemu.install(
        tmp_path, monkeypatch, "for i in 1 2 3 4 5 6; do printf .; sleep 0.2; done; exit 0"
    )
    output = FAST.run(replace(order, silence=0.6))
    assert (output.ended, output.lines) == (Ended.EXITED, ("......",))


def test_a_stopped_virtual_machine_is_not_waited_for(tmp_path, monkeypatch, order):
    fake_qemu.install(tmp_path, monkeypatch, "echo 'KVM internal error. Suberror: 1'; sleep 60")
    output = FAST.run(order)
    assert output.ended is Ended.EXITED
    assert output.seconds < 5


def test_nothing_survives_an_exception_in_the_listener(tmp_path, monkeypatch, order):
    calls = fake_qemu.install(tmp_path, monkeypatch, "echo x; sleep 60")

    def interrupted(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FAST.run(order, interrupted)
    assert gone(pid_of(calls))


def test_nothing_survives_kill_9_and_the_log_keeps_what_was_said(tmp_path, monkeypatch, order):
    calls = fake_qemu.install(tmp_path, monkeypatch, "echo said before; sleep 60")
    script = (
        "import sys; from pathlib import Path\n"
        "from backport.guests.runners import BootRequest, RUNNERS\n"
        "paths = [Path(p) for p in sys.argv[1:]]\n"
        "RUNNERS['tcg'].run(BootRequest(*paths), lambda line: print(line, flush=True))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, order.kernel, order.initramfs, order.log],
        stdout=subprocess.PIPE,
        cwd=Path(backport.__file__).parent.parent,
    )
    assert parent.stdout.readline() == b"said before\n"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert gone(pid_of(calls))
    assert order.log.read_bytes() == b"said before\n"


def test_bytes_that_are_no_text_do_no_harm(tmp_path, monkeypatch, order):
    fake_qemu.install(tmp_path, monkeypatch, f"printf '\\377\\376\\000\\n{DONE}\\n'; sleep 60")
    assert FAST.run(order).ended is Ended.DONE


def test_a_missing_qemu_says_what_to_install(monkeypatch, order, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for act in (lambda: FAST.run(order), version):
        with pytest.raises(ToolMissing) as caught:
            act()
        assert caught.value.hint == "apt-get install qemu-system-x86"


def test_a_log_that_cannot_be_written_is_unavailable(tmp_path, monkeypatch, order):
    calls = fake_qemu.install(tmp_path, monkeypatch, "echo x; sleep 60")
    with pytest.raises(Unavailable, match="no room left"):
        FAST.run(replace(order, log=Path("/dev/full")))
    assert gone(pid_of(calls))


def test_the_command_line_is_the_measured_one(order):
    command = RUNNERS["tcg"].command(order)
    text = " ".join(command)
    assert "-accel tcg,thread=multi -cpu max -M q35 -smp 2,sockets=2 -m 1024" in text
    assert "-nographic -nodefaults -serial stdio -no-reboot" in text
    words = command[command.index("-append") + 1].split()
    assert {"console=ttyS0", "panic=-1", "printk.devkmsg=on"} <= set(words)
    assert RUNNERS["kvm"].command(order)[1:5] == ("-accel", "kvm", "-cpu", "host")


def test_more_kernel_arguments_come_last(order):
    command = RUNNERS["tcg"].command(replace(order, arguments=("slub_debug=F",)))
    assert command[-1].endswith(" slub_debug=F")


def test_a_slow_runner_is_given_more_time():
    assert RUNNERS["tcg"].patience > RUNNERS["kvm"].patience == 1.0
    assert [name for name, runner in RUNNERS.items() if runner.name != name] == []
