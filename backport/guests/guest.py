"""Boots a kernel with the selftests in it and judges what its console said.

There is no second try: a test that fails now and then is a finding, and a retry would hide it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backport.doors.cache import Cache
from backport.guests import kvmprobe
from backport.guests.checks import PARSER, Checks
from backport.guests.initramfs import InitramfsRequest, InitramfsResult, build_initramfs
from backport.guests.parsers.tree import Ended, Expected, Outcome, Splat, SuiteResult, Verdict
from backport.guests.parsers.verdict import judge
from backport.guests.runners import BootOutput, BootRequest
from backport.guests.runners.base import OnLine
from backport.values.errors import BackportError, GateFailed, GuestLost, TestsFailed, UsageError
from backport.values.events import Emit, Note, Progress, StageFinished, StageStarted

STAGE = "guest"
LINKS = ("netkit",)  # kinds of device of which the guest says whether the kernel has them

# A result of test_progs, and one of KTAP.
_CASE = re.compile(
    r"@@\w+\| (?:(?P<ok>ok|not ok) \d+ |#\d+ +)(?P<name>\S+?)(?:\s*$|:(?P<word>OK|FAIL|SKIP))"
)


@dataclass(frozen=True)
class GuestRequest:
    """`kernel` is a bzImage (or a PVH vmlinux); `cases` names every test to run, by suite.

    `log` gets the console; `iproute2`, `modules` and `module_root` are as in `InitramfsRequest`.
    `accel` is auto, kvm or tcg; `label` is for people, `stage` names the events. Without `cases`
    nothing can pass, unless `boot_only` says that coming up is all that is wanted.
    """

    kernel: Path
    program: Path
    cases: Mapping[str, tuple[str, ...]]
    iproute2: Path
    cache: Cache
    log: Path
    modules: tuple[str, ...] = ()
    module_root: Path | None = None
    accel: str = kvmprobe.AUTO
    arguments: tuple[str, ...] = ()
    memory: int = BootRequest.memory  # MiB
    deadline: float = BootRequest.deadline
    silence: float = BootRequest.silence
    label: str = "boot and selftests"
    stage: str = STAGE
    boot_only: bool = False
    tell_failures: bool = True  # a note for each failed case; a kernel that must fail needs none
    checks: tuple[Checks, ...] = ()  # suites of our own, behind those of `program`

    @property
    def suites(self) -> tuple[Expected, ...]:
        """What the guest must report to pass."""
        ours = [Expected(checks.name, checks.cases, PARSER) for checks in self.checks]
        return (*(Expected(name, tests) for name, tests in self.cases.items()), *ours)


@dataclass(frozen=True)
class GuestResult:
    """What came of a boot; `command` repeats it, `links` says which devices the kernel has."""

    outcome: Outcome
    detail: str
    suites: tuple[SuiteResult, ...]
    splats: tuple[Splat, ...]
    kernel: str
    links: Mapping[str, bool]
    notes: tuple[str, ...]
    ended: Ended
    accel: str
    seconds: float
    log: Path
    command: str
    initramfs: InitramfsResult


def boot(request: GuestRequest, emit: Emit) -> GuestResult:
    """Boot, run the suites, judge.

    A guest that fails, panics or hangs is a result; see `failure` for the error it amounts to.
    Raises `ToolMissing`, `Unavailable`, `UsageError` for what is wrong outside the guest.
    """
    emit(StageStarted(request.stage, request.label))
    result = run(request, emit)
    emit(StageFinished(request.stage, f"{result.outcome}: {result.detail}", result.seconds))
    return result


def run(request: GuestRequest, emit: Emit) -> GuestResult:
    """`boot` as a part of another stage: it tells progress, not its start and end."""
    check_kernel(request.kernel)
    image = build_initramfs(initramfs_request(request))
    runner = kvmprobe.choose(request.accel, request.kernel, request.cache, emit)
    order = BootRequest(
        request.kernel,
        image.path,
        request.log,
        request.arguments,
        request.memory,
        deadline=request.deadline,
        silence=request.silence,
    )
    output = runner.run(order, _progress(request, emit))
    verdict = judge(output.lines, output.ended, request.suites, boot_only=request.boot_only)
    return _result(request, image, runner.name, output, verdict)


def check_kernel(path: Path) -> None:
    """Refuse what no runner could boot, before minutes are spent on it."""
    try:
        with path.open("rb") as image:
            head = image.read(0x206)
    except OSError as err:
        raise UsageError(f"{path}: {err.strerror}", hint="build the kernel first") from err
    if not head.startswith(b"\x7fELF") and head[0x202:0x206] != b"HdrS":
        raise UsageError(f"{path}: neither a bzImage nor an ELF kernel")


def initramfs_request(request: GuestRequest) -> InitramfsRequest:
    """The root file system that a guest gets."""
    return InitramfsRequest(
        request.program,
        request.cases,
        request.iproute2,
        request.cache,
        request.modules,
        request.module_root,
        LINKS,
        checks=request.checks,
    )


def _progress(request: GuestRequest, emit: Emit) -> OnLine:
    total = sum(len(suite.cases) for suite in request.suites)
    seen: set[str] = set()

    def on_line(line: str) -> None:
        found = _CASE.search(line)
        # What failed is repeated at the end of its suite.
        if not found or found["name"] in seen:
            return
        seen.add(found["name"])
        emit(Progress(request.stage, len(seen), total, "cases"))
        word = found["word"] or found["ok"]
        if word not in {"OK", "ok"} and request.tell_failures:
            emit(Note(request.stage, f"{found['name']}: {word}"))

    return on_line


def _result(
    request: GuestRequest, image: InitramfsResult, accel: str, output: BootOutput, verdict: Verdict
) -> GuestResult:
    return GuestResult(
        verdict.outcome,
        verdict.detail,
        verdict.suites,
        verdict.splats,
        verdict.kernel,
        verdict.links,
        verdict.notes,
        output.ended,
        accel,
        round(output.seconds, 3),
        request.log,
        shlex.join(output.command),
        image,
    )


# How an outcome leaves the program: whose fault it is, and so the exit status.
_ERRORS: Mapping[Outcome, type[BackportError]] = {
    Outcome.FAILED: TestsFailed,
    Outcome.NO_TESTS: TestsFailed,
    Outcome.SPLAT: GateFailed,
    Outcome.PANIC: GuestLost,
    Outcome.HANG: GuestLost,
    Outcome.LOST: GuestLost,
}


def failure(result: GuestResult) -> BackportError | None:
    """The error that a result amounts to, or None for a pass."""
    kind = _ERRORS.get(result.outcome)
    if kind is None:
        return None
    hint = f"boot it again by hand: {result.command}"
    return kind(f"{result.outcome}: {result.detail}", hint=hint, log=result.log)
