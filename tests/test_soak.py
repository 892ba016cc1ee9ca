"""Soak: the verdict on what workers did and left, and what the guest is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fake_qemu
import pytest

from backport.doors.cache import Cache
from backport.guests.checks import Checks
from backport.guests.lab import Heard, LabKernel
from backport.guests.parsers.steps import read_steps
from backport.guests.parsers.tree import Ended, Splat
from backport.output.soakview import soak_text
from backport.qualify import soak
from backport.qualify.soak import SoakRequest
from backport.values.errors import GuestLost
from backport.values.events import Progress
from backport.values.target import Flavour

ROOT = Path(__file__).resolve().parents[1]
GOOD = """\
# second 10
step links
figure links done=99 other=0
pass links
step storm
figure storm done=7 other=3
pass storm
step balance
figure balance devices=0 links=0 programs=0 maps=0
pass balance
step memory
figure memory leaks=0
pass memory
"""


@pytest.fixture
def request_(tmp_path):
    program = Checks("soak_dock", tmp_path / "soak_dock", "", ("links", "storm"))
    kernel = LabKernel("ours", fake_qemu.kernel(tmp_path / "bzImage"))
    flavour, cache = Flavour("debug", ("debug",), 2048, 4), Cache(tmp_path / "cache")
    log = tmp_path / "soak.log"
    return SoakRequest(kernel, program, flavour, tmp_path, cache, log, seed=7, seconds=30)


def heard(text, *, status=0, splats=(), ended=Ended.DONE):
    lines = tuple(text.splitlines())
    steps, said = {soak.SUITE: read_steps(lines)}, {soak.SUITE: lines}
    done = {soak.SUITE: status}
    return Heard("g", "5.15.16", steps, done, splats, ended, 9.0, Path("log"), "", (), said)


def test_work_that_leaves_nothing_passes(request_):
    result = soak.judge(heard(GOOD), request_)
    assert result.failures == ()
    assert [(one.name, one.done, one.other) for one in result.workers] == [
        ("links", 99, 0),
        ("storm", 7, 3),
    ]
    assert soak_text(result).endswith("left: 0 devices, 0 links, 0 programs, 0 maps\n✓ as expected")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("done=99", "done=0", "links: it did nothing"),
        ("pass storm", "fail storm making a link: Invalid argument", "storm: making a link"),
        ("step storm\nfigure storm done=7 other=3\npass storm\n", "", "storm: it was never"),
        # The figures are believed, not the word behind them.
        ("programs=0", "programs=2", "balance: not as it was (programs +2)"),
        (" maps=0", "", "balance: not as it was (no figures)"),
        ("leaks=0\npass memory", "leaks=3\nfail memory 3 objects", "memory: 3 objects (leaks +3)"),
        ("step memory\nfigure memory leaks=0\npass memory\n", "", "memory: it was never reported"),
    ],
)
def test_what_is_left_or_was_not_done_fails(request_, old, new, why):
    assert old in GOOD
    result = soak.judge(heard(GOOD.replace(old, new)), request_)
    assert len(result.failures) == 1 and result.failures[0].startswith(why)
    assert f"✗ {why}" in soak_text(result)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"status": 1}, "the program ended with 1"),
        ({"splats": (Splat("kasan", "BUG: KASAN: uaf", (), "", (), "x"),)}, "kernel: BUG: KASAN"),
    ],
)
def test_what_the_kernel_complained_of_fails(request_, more, why):
    assert any(why in line for line in soak.judge(heard(GOOD, **more), request_).failures)


def test_what_leaked_is_shown(request_):
    text = GOOD.replace("step memory\n", "step memory\n# leak| unreferenced object 0x1:\n")
    result = soak.judge(heard(text), request_)
    assert result.leaks == ("unreferenced object 0x1:",)
    assert "  unreferenced object 0x1:" in soak_text(result)


def test_the_guest_gets_seed_time_and_the_room_of_its_flavour(request_, monkeypatch):
    asked, events = [], []

    def alone(member, *_, on_line):
        asked.append(member)
        on_line("[   12.0] @@soak| # second 10\r")
        on_line("[   13.0] @@soak| step links")
        return heard(GOOD)

    monkeypatch.setattr(soak.lab, "run_alone", alone)
    assert soak.run_soak(request_, events.append).failures == ()
    (member,) = asked
    assert member.payload.commands == {"soak": "/bin/soak_dock 7 30"}
    assert member.memory == 2048 and member.deadline > 30 + 4 * soak.AFTER - 1
    assert [e.done for e in events if isinstance(e, Progress)] == [10]


def test_a_guest_that_was_lost_is_no_result(request_, monkeypatch):
    lost = replace(heard(GOOD, ended=Ended.EXITED), status={soak.SUITE: None})
    monkeypatch.setattr(soak.lab, "run_alone", lambda *_, **__: lost)
    with pytest.raises(GuestLost):
        soak.run_soak(request_, lambda _: None)


def test_our_program_reports_what_the_verdict_asks_for():
    text = (ROOT / "qemu/soak_netkit.c").read_text()
    for kind in ("devices", "links", "programs", "maps"):
        assert f"{kind}=%d" in text
    assert '"memory leaks=%d"' in text and '"# leak| %s"' in text and '"# second %u' in text
