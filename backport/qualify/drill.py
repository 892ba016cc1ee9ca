"""Drills: failures of the feature, injected while a node agent makes a pod's network.

qemu/drill does them and says of each what device the pod got, what it answered and what was left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backport.doors.cache import Cache
from backport.guests import lab
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers.steps import Step, Steps
from backport.values.events import Emit, StageFinished, StageStarted

STAGE = "drill"
SUITE = "drill"
_DRILL = re.compile(r"^try (\w+) ", re.MULTILINE)
_GOT = re.compile(r"^got (\w+)")
_FIGURES = frozenset({"sent", "received", "leaks", "began", "ended"})


class Defect(StrEnum):
    """What can be wrong with the agent on purpose, to see that the drills notice."""

    NONE = "none"
    NOFALLBACK = "nofallback"


@dataclass(frozen=True)
class DrillRequest:
    """`payload` has the script, the agent and all that they call; `expected` its drills."""

    kernel: LabKernel
    payload: Payload
    expected: tuple[str, ...]
    iproute2: Path
    cache: Cache
    log: Path


@dataclass(frozen=True)
class Drill:
    """One injected failure: the device that the pod got ("" for none), and what came of it.

    `seconds` are the guest's, from the injection to the end of the pings.
    """

    name: str
    ok: bool
    device: str
    sent: int
    lost: int
    leaks: int
    seconds: float
    detail: str


@dataclass(frozen=True)
class DrillResult:
    """`failures` is what is not as it must be."""

    kernel: str
    release: str
    drills: tuple[Drill, ...]
    failures: tuple[str, ...]
    seconds: float


def drills_of(script: str) -> tuple[str, ...]:
    """The drills that a script announces, so that one that never ran is missed."""
    return tuple(_DRILL.findall(script))


def run_drills(request: DrillRequest, emit: Emit) -> DrillResult:
    """Boot, drill, judge. Raises `GuestLost` for a guest that did not come to its end."""
    emit(StageStarted(STAGE, f"{len(request.expected)} injected failures"))
    member = Member(
        f"drill-{request.kernel.label}",
        request.kernel,
        request.payload,
        request.log,
        deadline=240.0,
        silence=60.0,
    )
    heard = lab.run_alone(member, request.iproute2, request.cache)
    lab.demand_whole(heard)
    result = judge(heard, request.kernel.label, request.expected)
    passed = sum(drill.ok for drill in result.drills)
    emit(StageFinished(STAGE, f"{passed} of {len(request.expected)} held", result.seconds))
    return result


# -- the verdict


def judge(heard: Heard, kernel: str, expected: Sequence[str]) -> DrillResult:
    """What a guest told, against what was to be drilled."""
    told = heard.steps.get(SUITE, Steps(()))
    drills = tuple(_drill(step) for step in told.steps)
    failures = (
        *_failures(drills, expected),
        *told.problems,
        *(f"kernel: {splat.headline}" for splat in heard.splats),
        *((f"the script ended with {heard.status[SUITE]}",) if heard.status.get(SUITE) else ()),
    )
    return DrillResult(kernel, heard.release, drills, failures, heard.seconds)


def _drill(step: Step) -> Drill:
    figures, got = step.figures, _GOT.match(step.detail)
    device = got[1] if got and got[1] != "nothing" else ""
    sent = int(figures.get("sent", 0))
    lost = sent - int(figures.get("received", 0))
    leaks = int(figures.get("leaks", 0))
    seconds = round(figures.get("ended", 0.0) - figures.get("began", 0.0), 2)
    # The script's own word is not enough: its figures must say the same.
    whole = figures.keys() >= _FIGURES and sent > 0 and not lost and not leaks and bool(device)
    return Drill(step.name, step.ok and whole, device, sent, lost, leaks, seconds, step.detail)


def _failures(drills: Sequence[Drill], expected: Sequence[str]) -> Iterator[str]:
    names = {drill.name for drill in drills}
    yield from (f"{name}: never ran" for name in expected if name not in names)
    for one in drills:
        if not one.ok:
            yield f"{one.name}: {one.lost} of {one.sent} lost, {one.leaks} left: {one.detail}"
    if not expected:
        yield "the script has no drill"
