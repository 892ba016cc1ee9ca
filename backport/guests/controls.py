"""Boots kernels whose result is known: a harness that cannot fail or cannot pass is caught.

`base` is the distribution's own kernel without the feature: every suite must fail there. `donor`
has the feature: everything must pass there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backport.doors import files
from backport.doors.cache import Cache
from backport.guests import guest
from backport.guests.checks import Checks
from backport.guests.guest import GuestRequest, GuestResult
from backport.guests.initramfs import build_initramfs
from backport.guests.packaged import PackagedKernel
from backport.guests.parsers.tree import Case, CaseOutcome, Outcome, SuiteResult
from backport.values.errors import GateFailed, UsageError
from backport.values.events import Emit, StageFinished, StageStarted
from backport.values.target import ControlKernel

FEATURE = "netkit"  # the kind of device whose absence makes a kernel a base
RECIPE = 1  # part of the cache key: raise it when the judgement changes


@dataclass(frozen=True)
class ControlRequest:
    """`program` to `checks` are as in `GuestRequest`; `kernel` is unpacked."""

    control: ControlKernel
    kernel: PackagedKernel
    program: Path
    cases: Mapping[str, tuple[str, ...]]
    iproute2: Path
    cache: Cache
    accel: str = "auto"
    deadline: float = GuestRequest.deadline
    silence: float = GuestRequest.silence
    checks: tuple[Checks, ...] = ()


@dataclass(frozen=True)
class ControlResult:
    """`expected` is fail or pass, `ok` that it came so; `outcome` is the guest's."""

    name: str
    kernel: str  # its own release
    package: str  # name and version
    image_sha256: str
    expected: str
    outcome: Outcome
    ok: bool
    detail: str
    suites: tuple[SuiteResult, ...]
    has_feature: bool | None  # None: the guest did not say
    accel: str
    seconds: float
    log: Path
    cached: bool = False


@dataclass(frozen=True)
class Expectation:
    """What a control must show; `why_not` gives the objection to a result, or empty."""

    word: str
    outcome: Outcome  # of every suite
    has_feature: bool

    def why_not(self, result: GuestResult) -> str:
        if result.outcome is not self.outcome:
            return f"the guest ended as {result.outcome}, not {self.outcome}: {result.detail}"
        if result.links.get(FEATURE) is not self.has_feature:
            return f"{FEATURE} is {'absent' if self.has_feature else 'there'}, or was not asked for"
        other = [s.name for s in result.suites if s.outcome is not self.outcome]
        if other:
            return f"expected every suite to end as {self.outcome}, not so: {', '.join(other)}"
        return ""


EXPECTATIONS: Mapping[str, Expectation] = {
    "base": Expectation("fail", Outcome.FAILED, has_feature=False),
    "donor": Expectation("pass", Outcome.PASSED, has_feature=True),
}


def run_control(request: ControlRequest, emit: Emit) -> ControlResult:
    """Boot a control, or find its result in the cache; only a result as expected is kept.

    Raises as `guest.boot` does; a control that went wrong is a result with `ok` False.
    """
    name = request.control.name
    stage = f"control-{name}"
    expectation = EXPECTATIONS.get(name)
    if expectation is None:
        raise UsageError(f"control {name!r}: must be {' or '.join(EXPECTATIONS)}")
    order = _order(request, stage, Path())
    place = request.cache.guest / "controls" / f"{_key(request, order)}.json"
    with files.locked(place.with_suffix(".lock")):
        emit(StageStarted(stage, order.label))
        result = _load(place)
        if result is None:
            log = place.with_suffix(".log")
            found = guest.run(dataclasses.replace(order, log=log), emit)
            result = _result(request, expectation, found)
            if result.ok:
                files.write(place, json.dumps(dataclasses.asdict(result), default=str).encode())
    seconds = 0.0 if result.cached else result.seconds
    emit(StageFinished(stage, result.detail, seconds, cached=result.cached))
    return result


def check(result: ControlResult) -> None:
    """Raise `GateFailed` for a control that did not come as expected."""
    if not result.ok:
        raise GateFailed(
            f"control {result.name} ({result.kernel or result.package}) {result.detail}",
            hint="the harness cannot be trusted: no verdict on the patched kernel is given",
            log=result.log,
        )


def _order(request: ControlRequest, stage: str, log: Path) -> GuestRequest:
    package = request.kernel.package
    return GuestRequest(
        request.kernel.image,
        request.program,
        request.cases,
        request.iproute2,
        request.cache,
        log,
        request.control.modules,
        request.kernel.module_root,
        request.accel,
        deadline=request.deadline,
        silence=request.silence,
        label=f"control: {package.name} {package.version}",
        stage=stage,
        tell_failures=request.control.name != "base",
        checks=request.checks,
    )


def _key(request: ControlRequest, order: GuestRequest) -> str:
    image = build_initramfs(guest.initramfs_request(order))
    facts = [RECIPE, request.control.name, request.kernel.image_sha256, image.sha256]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _result(request: ControlRequest, expectation: Expectation, found: GuestResult) -> ControlResult:
    objection = expectation.why_not(found)
    package = request.kernel.package
    return ControlResult(
        request.control.name,
        found.kernel,
        f"{package.name} {package.version}",
        request.kernel.image_sha256,
        expectation.word,
        found.outcome,
        not objection,
        objection or _detail(expectation, found),
        found.suites,
        found.links.get(FEATURE),
        found.accel,
        found.seconds,
        found.log,
    )


def _detail(expectation: Expectation, found: GuestResult) -> str:
    counts = [f"{s.name} {s.passed}/{len(s.cases)}" for s in found.suites]
    there = "there" if expectation.has_feature else "absent"
    return f"as expected: {FEATURE} {there}, {', '.join(counts)} passed"


# -- results in the cache


def _load(place: Path) -> ControlResult | None:
    try:
        facts = json.loads(place.read_bytes())
        log = Path(facts["log"])
        suites = tuple(_suite(item) for item in facts["suites"])
        changes = {"outcome": Outcome(facts["outcome"]), "suites": suites, "log": log}
        result = ControlResult(**{**facts, **changes, "cached": True})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result if log.is_file() else None


def _suite(item: dict[str, Any]) -> SuiteResult:
    cases = tuple(_case(case) for case in item["cases"])
    return SuiteResult(**{**item, "outcome": Outcome(item["outcome"]), "cases": cases})


def _case(item: dict[str, Any]) -> Case:
    changes = {
        "outcome": CaseOutcome(item["outcome"]),
        "detail": tuple(item["detail"]),
        "subcases": tuple(_case(part) for part in item["subcases"]),
    }
    return Case(**{**item, **changes})
