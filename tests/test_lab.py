"""The laboratory: what a script reports, what a guest is given, and the Ethernet between guests."""

from __future__ import annotations

import socket
from pathlib import Path

import fake_qemu
import pytest

from backport.doors.ether import ethernet
from backport.guests.initramfs import Payload
from backport.guests.lab import LabKernel, Member, demand_whole, hear
from backport.guests.parsers.steps import UNREPORTED, read_steps
from backport.guests.parsers.tree import Ended
from backport.guests.runners import BootRequest
from backport.guests.runners.qemu import COUNTED, COUNTED_TOGETHER
from backport.values.errors import GuestLost


def member(tmp_path, *commands):
    kernel = LabKernel("a kernel", fake_qemu.kernel(tmp_path / "bzImage"))
    payload = Payload({name: f"/bin/{name}" for name in commands})
    return Member("one", kernel, payload, tmp_path / "one.log")


def test_steps_carry_their_figures_and_their_words():
    found = read_steps(
        ["step a", "noise", "figure a ns=12.5 lost=0", "pass a", "step b", "fail b no answer"]
    )
    assert [(s.name, s.ok, s.detail) for s in found.steps] == [
        ("a", True, ""),
        ("b", False, "no answer"),
    ]
    assert dict(found.steps[0].figures) == {"ns": 12.5, "lost": 0.0}
    assert not found.problems
    assert not found.ok


def test_a_step_that_is_never_reported_failed():
    found = read_steps(["step a", "figure a ns=1"])
    assert (found.steps[0].ok, found.steps[0].detail) == (False, UNREPORTED)
    assert not read_steps(["step a", "pass a", "step b"]).ok


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["pass a"], "pass of a, which is not under way"),
        (["step a", "pass a", "fail a"], "fail of a, which is not under way"),
        (["step a", "step a", "pass a"], "a was announced twice"),
        (["step a", "figure a ns=x", "pass a"], "a: 'ns=x' is no figure"),
        (["step a", "figure a ns=1 ns=2", "pass a"], "a: ns was told twice"),
    ],
)
def test_what_breaks_the_protocol_is_no_pass(lines, problem):
    found = read_steps(lines)
    assert found.problems == (problem,)
    assert not found.ok


def test_no_steps_are_no_pass():
    assert not read_steps([]).ok


def test_a_console_becomes_steps_status_and_splats(tmp_path):
    lines = [
        "[    1.0] @@backport kernel 5.15.16@@",
        "[    1.1] @@backport begin mesh@@",
        "[    1.2] @@mesh| step ping",
        "[    1.3] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 x+0x1/0x2",
        "[    1.4] @@mesh| pass ping",
        "[    1.5] @@backport end mesh rc=0@@",
        "[    1.6] @@backport done@@",
    ]
    heard = hear(member(tmp_path, "mesh"), lines, Ended.DONE, 1.0)
    assert heard.release == "5.15.16"
    assert heard.of("mesh")[0].ok
    assert heard.status == {"mesh": 0}
    assert [splat.kind for splat in heard.splats] == ["warning"]
    demand_whole(heard)


def test_a_guest_that_dies_in_a_command_is_lost(tmp_path):
    lines = ["@@backport begin mesh@@", "@@mesh| step ping"]
    heard = hear(member(tmp_path, "mesh", "later"), lines, Ended.SILENT, 1.0)
    assert heard.status == {"mesh": None, "later": None}
    with pytest.raises(GuestLost, match="ended as silent in mesh"):
        demand_whole(heard)


def test_a_command_that_never_ran_is_no_whole_guest(tmp_path):
    heard = hear(member(tmp_path, "mesh"), ["@@backport done@@"], Ended.DONE, 1.0)
    with pytest.raises(GuestLost, match="in mesh"):
        demand_whole(heard)


def test_a_counted_guest_has_one_processor_and_counts(tmp_path):
    argv = COUNTED.command(BootRequest(Path("k"), Path("i"), tmp_path / "log", devices=("-x",)))
    assert argv[argv.index("-icount") + 1] == "shift=0,sleep=off"
    assert argv[argv.index("-smp") + 1] == "1"
    assert argv[argv.index("-accel") + 1] == "tcg,thread=single"
    assert argv[-1] == "-x"


def test_guests_that_talk_wait_as_long_as_the_host_does(tmp_path):
    argv = COUNTED_TOGETHER.command(BootRequest(Path("k"), Path("i"), tmp_path / "log"))
    assert argv[argv.index("-icount") + 1] == "shift=0,sleep=on"
    assert argv[argv.index("-smp") + 1] == "1"


def paths(words: tuple[str, ...]) -> tuple[str, str]:
    parts = dict(p.split("=", 1) for p in words[1].split(",") if "=" in p)
    return parts["local.path"], parts["remote.path"]


def test_a_guest_that_reads_late_misses_nothing():
    """The kernel holds ten frames for it, or what net.unix.max_dgram_qlen says."""
    frames = [b"%d" % number for number in range(600)]
    with ethernet(["a", "b"]) as net, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
            reader.bind(paths(net.words["b"])[0])
            reader.settimeout(5)
            for frame in frames:
                sender.sendto(frame, paths(net.words["a"])[1])
            assert [reader.recv(100) for _ in frames] == frames
        assert net.dropped == 0


def test_frames_reach_all_others_and_not_their_sender():
    with ethernet(["a", "b", "c"]) as net:
        ends = {}
        for name, words in net.words.items():
            local, hub = paths(words)
            ends[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            ends[name].bind(local)
            ends[name].connect(hub)
            ends[name].settimeout(5)
        ends["a"].send(b"frame")
        assert ends["b"].recv(100) == ends["c"].recv(100) == b"frame"
        ends["a"].setblocking(False)
        with pytest.raises(BlockingIOError):
            ends["a"].recv(100)
        for end in ends.values():
            end.close()
        folder = Path(local).parent
    assert not folder.exists()
    assert len({words[3] for words in net.words.values()}) == 3
