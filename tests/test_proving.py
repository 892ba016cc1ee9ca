"""When a kernel's earlier passed result is good enough, and what a run tells of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from backport.doors.cache import Cache
from backport.doors.rundir import RunDir
from backport.guests import guest
from backport.guests.parsers.tree import Case, CaseOutcome, Ended, Outcome, SuiteResult
from backport.shell import proving
from backport.shell.session import Session
from backport.values.errors import GuestLost
from backport.values.events import StageFinished
from backport.values.options import Options
from backport.values.target import Flavour

CASES = {"tc_dock": ("open", "close")}


class Harness:
    """Guests that are never started: `boots` counts them, `outcome` is how they end."""

    def __init__(self, folder, monkeypatch):
        self.cache = Cache(folder / "cache")
        self.image = folder / "bzImage"
        self.image.write_bytes(b"kernel")
        self.initramfs, self.outcome, self.boots = "aa", Outcome.PASSED, 0
        monkeypatch.setattr(guest, "initramfs_request", lambda request: request)
        monkeypatch.setattr(
            proving, "build_initramfs", lambda _: SimpleNamespace(sha256=self.initramfs)
        )
        monkeypatch.setattr(guest, "boot", self._boot)

    def _boot(self, request, _emit):
        self.boots += 1
        self.asked = request
        request.log.write_text("console\n")
        cases = tuple(Case(name, CaseOutcome.PASSED) for name in request.cases.get("tc_dock", ()))
        suites = (SuiteResult("tc_dock", Outcome.PASSED, cases),) if cases else ()
        return guest.GuestResult(
            self.outcome, "all of it", suites, (), "6.1", {}, (), Ended.DONE, "tcg", 9.0,
            request.log, "qemu", None,
        )  # fmt: skip

    def test(self, cases=None, flavour=None, **more):
        """Test the kernel in a run of its own: the run's record, its folder, and its events."""
        told = []
        with RunDir.open(self.cache.runs, "dock", "mini") as run:
            session = Session(Options("dock", "mini"), self.cache, run, Path("/none"), told.append)
            parts = SimpleNamespace(
                selftests=SimpleNamespace(program=Path("test_progs")),
                packages=SimpleNamespace(iproute2=Path("ip")),
                checks=(),
                flavour=flavour,
            )
            wanted = CASES if cases is None else cases
            proving.test_kernel(session, self.image, parts, wanted, **more)
            return session.record, run.path, told


@pytest.fixture
def harness(tmp_path, monkeypatch):
    return Harness(tmp_path, monkeypatch)


def test_a_passed_result_is_kept_with_its_log(harness):
    first, folder, _ = harness.test()
    again, other, told = harness.test()
    assert harness.boots == 1
    assert (again.tests, again.gates) == (first.tests, first.gates)
    assert [s.passed for s in again.tests] == [2]
    assert [e.cached for e in told if isinstance(e, StageFinished)] == [True]
    for record, path in ((first, folder), (again, other)):
        log = (path / record.guest.log).resolve()
        assert log == (folder / "logs" / "guest.log").resolve() and log.is_file()
        assert (path / record.artifacts["console"]).resolve() == log


def test_anything_else_is_tested_anew(harness):
    changes = (
        lambda: harness.image.write_bytes(b"another kernel"),
        lambda: setattr(harness, "initramfs", "bb"),
    )
    harness.test()
    for number, change in enumerate(changes, 2):
        change()
        harness.test()
        assert harness.boots == number
    harness.test({"tc_dock": ("open", "close", "more")})
    assert harness.boots == 4
    harness.test({}, boot_only=True)
    assert harness.boots == 5
    harness.test()
    assert harness.boots == 5


@pytest.mark.parametrize("outcome", [Outcome.PANIC, Outcome.HANG, Outcome.LOST])
def test_a_result_that_did_not_pass_is_never_kept(harness, outcome):
    harness.outcome = outcome
    for number in (1, 2):
        with pytest.raises(GuestLost):
            harness.test()
        assert harness.boots == number
    harness.outcome = Outcome.PASSED
    harness.test()
    assert harness.boots == 3


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"tests": []}', "no-guest", "no-log"])
def test_a_damaged_result_is_tested_anew(harness, damage):
    harness.test()
    (kept,) = (harness.cache.guest / "passed").glob("*.json")
    if damage.startswith("no-"):
        facts = json.loads(kept.read_text())
        del facts[damage.removeprefix("no-")]
        damage = json.dumps(facts)
    kept.write_text(damage)
    harness.test()
    assert harness.boots == 2


def test_a_flavour_gives_its_guest_more_room_and_time(harness):
    harness.test()
    usual = harness.asked
    harness.test(cases={}, flavour=Flavour("debug", ("debug",), 2048, 4))
    assert (usual.memory, harness.asked.memory) == (1024, 2048)
    assert harness.asked.deadline == 4 * usual.deadline
    assert harness.asked.silence == 4 * usual.silence
