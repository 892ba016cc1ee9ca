"""One boot, from request to result, with a stand-in for QEMU; the real one is an e2e test."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import fake_qemu
import pytest
from fake_elf import build

from backport.doors.cache import Cache
from backport.guests import guest, initramfs
from backport.guests.checks import Checks
from backport.guests.guest import GuestRequest, boot, failure
from backport.guests.parsers.tree import Ended, Outcome
from backport.values.errors import Exit, ToolMissing, UsageError
from backport.values.events import Note, Progress, StageFinished, StageStarted, silent

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "tc_netkit": ("tc_netkit_basic", "tc_netkit_device"),
    "tc_opts": ("tc_opts_after", "tc_opts_basic"),
}


@pytest.fixture
def request_(tmp_path):
    for path in ("iproute2/sbin/ip", "iproute2/sbin/tc", "test_progs"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(build({".text": path.encode()}))
    return GuestRequest(
        fake_qemu.kernel(tmp_path / "bzImage"),
        tmp_path / "test_progs",
        CASES,
        tmp_path / "iproute2",
        Cache(tmp_path / "cache"),
        tmp_path / "run/console.log",
        accel="tcg",
        deadline=5.0,
        silence=0.3,
    )


def plays(tmp_path, monkeypatch, name: str, then: str = "sleep 60") -> Path:
    return fake_qemu.install(tmp_path, monkeypatch, fake_qemu.says(GOLDEN / f"{name}.log", then))


def test_a_good_boot(tmp_path, monkeypatch, request_):
    calls = plays(tmp_path, monkeypatch, "passed")
    events = []
    result = boot(request_, events.append)
    assert result.outcome is Outcome.PASSED
    assert failure(result) is None
    assert (result.accel, result.ended, result.kernel) == ("tcg", Ended.DONE, "6.1.0-test")
    assert result.links == {"netkit": True}
    assert {s.name: (s.passed, s.failed) for s in result.suites} == {
        "tc_netkit": (2, 0),
        "tc_opts": (2, 0),
    }
    # The stand-in sees the very command that the result says repeats it.
    assert shlex.split(result.command)[1:3] == calls.read_text().split()[1:3]
    assert str(result.initramfs.path) in result.command
    assert result.log.read_bytes().startswith((GOLDEN / "passed.log").read_bytes()[:500])
    assert isinstance(events[0], StageStarted)
    done = [e.done for e in events if isinstance(e, Progress)]
    assert done == sorted(done)
    assert done[-1] == 4
    assert isinstance(events[-1], StageFinished)


KTAP = """\
[    4.610000] @@backport begin port_toy@@
[    4.620000] @@port_toy| KTAP version 1
[    4.630000] @@port_toy| 1..2
[    4.640000] @@port_toy| ok 1 open
[    4.650000] @@port_toy| # 3 kB stayed
[    4.660000] @@port_toy| {shut} 2 shut
[    4.670000] @@backport end port_toy rc={status}@@
"""


def with_checks(tmp_path, request, text):
    """A guest that ran a suite of ours behind upstream's, and the request that wants it."""
    head, done, tail = (GOLDEN / "passed.log").read_text().rpartition("[    4.700000]")
    log = tmp_path / "with_checks.log"
    log.write_text(head + text + done + tail)
    program = tmp_path / "port_toy"
    program.write_bytes(b"a program")
    checks = Checks("port_toy", program, "", ("open", "shut"))
    return fake_qemu.says(log), replace(request, checks=(checks,))


def test_checks_of_our_own_count_like_the_others(tmp_path, monkeypatch, request_):
    played, request = with_checks(tmp_path, request_, KTAP.format(shut="ok", status=0))
    fake_qemu.install(tmp_path, monkeypatch, played)
    events = []
    result = boot(request, events.append)
    assert result.outcome is Outcome.PASSED
    assert [(s.name, s.passed) for s in result.suites][-1] == ("port_toy", 2)
    told = [e for e in events if isinstance(e, Progress)]
    assert [(e.done, e.total) for e in told][-2:] == [(5, 6), (6, 6)]


def test_checks_that_fail_are_no_pass(tmp_path, monkeypatch, request_):
    played, request = with_checks(tmp_path, request_, KTAP.format(shut="not ok", status=1))
    fake_qemu.install(tmp_path, monkeypatch, played)
    events = []
    result = boot(request, events.append)
    assert result.outcome is Outcome.FAILED
    assert result.detail == "port_toy: 1 of 2 passed; failed: shut"
    assert "shut: not ok" in [event.text for event in events if isinstance(event, Note)]


def test_checks_that_never_ran_are_no_pass(tmp_path, monkeypatch, request_):
    played, request = with_checks(tmp_path, request_, "")
    fake_qemu.install(tmp_path, monkeypatch, played)
    result = boot(request, silent)
    assert (result.outcome, result.detail) == (Outcome.NO_TESTS, "port_toy: never ran")


@pytest.fixture
def played(request, tmp_path, monkeypatch):
    """A guest that plays a golden log: parameters are its name and what QEMU does then."""
    return plays(tmp_path, monkeypatch, *request.param)


@pytest.mark.parametrize(
    ("played", "outcome", "status"),
    [
        (("failed", "sleep 60"), Outcome.FAILED, Exit.TESTS_FAILED),
        (("no-test", "sleep 60"), Outcome.NO_TESTS, Exit.TESTS_FAILED),
        (("warning", "sleep 60"), Outcome.SPLAT, Exit.GATE),
        (("panic", "exit 0"), Outcome.PANIC, Exit.GUEST),
        (("lost", "exit 0"), Outcome.LOST, Exit.GUEST),
        (("lost-at-once", "exit 1"), Outcome.LOST, Exit.GUEST),
        (("hung-task", "sleep 60"), Outcome.HANG, Exit.GUEST),
    ],
    indirect=["played"],
)
def test_each_bad_end_has_its_exit_status(played, request_, outcome, status):
    result = boot(request_, silent)
    assert result.outcome is outcome
    error = failure(result)
    assert error.exit_code is status
    assert error.log == request_.log
    assert result.command in error.hint
    assert str(outcome) in error.message


def test_a_failed_case_is_told_once_unless_failing_is_expected(tmp_path, monkeypatch, request_):
    plays(tmp_path, monkeypatch, "failed")
    events = []
    boot(request_, events.append)
    assert [e.text for e in events if isinstance(e, Note)] == ["tc_netkit_device: FAIL"]
    events.clear()
    boot(replace(request_, tell_failures=False), events.append)
    assert [e for e in events if isinstance(e, Note)] == []


def test_there_is_no_second_try(tmp_path, monkeypatch, request_):
    calls = plays(tmp_path, monkeypatch, "failed")
    boot(request_, silent)
    assert len(calls.read_text().splitlines()) == 1


@pytest.mark.parametrize("data", [None, b"", b"MZ", b"x" * 4096])
def test_what_is_no_kernel_is_refused_before_anything_is_started(
    tmp_path, monkeypatch, request_, data
):
    calls = plays(tmp_path, monkeypatch, "passed")
    request_.kernel.unlink()
    if data is not None:
        request_.kernel.write_bytes(data)
    with pytest.raises(UsageError, match="bzImage"):
        boot(request_, silent)
    assert not calls.exists()


def test_an_elf_kernel_is_accepted(tmp_path):
    (tmp_path / "vmlinux").write_bytes(build({".text": b"x"}))
    guest.check_kernel(tmp_path / "vmlinux")


def test_a_boot_without_tests_says_so_and_nothing_more(tmp_path, monkeypatch, request_):
    plays(tmp_path, monkeypatch, "no-test")
    result = boot(replace(request_, cases={}, boot_only=True), silent)
    assert (result.outcome, result.detail) == (Outcome.PASSED, "booted; no test was asked for")
    assert boot(replace(request_, cases={}), silent).outcome is Outcome.NO_TESTS


def test_no_cases_are_refused(tmp_path, monkeypatch, request_):
    plays(tmp_path, monkeypatch, "passed")
    with pytest.raises(UsageError, match="no cases"):
        boot(replace(request_, cases={"tc_netkit": ()}), silent)


def test_a_machine_without_qemu_is_told_so(tmp_path, monkeypatch, request_):
    plays(tmp_path, monkeypatch, "passed")
    image = guest.initramfs_request(request_)
    initramfs.build_initramfs(image)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="qemu-system-x86_64"):
        boot(request_, silent)


def test_every_outcome_but_a_pass_is_an_error():
    assert set(guest._ERRORS) == set(Outcome) - {Outcome.PASSED}
