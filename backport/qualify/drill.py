"""Drills: failures of the feature, injected under traffic while a node agent serves a pod.

qemu/drill does them and says of each what device the pod had at its end, what of its traffic was
lost, and what was left. What must come of each is in the series' fleet.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backport.doors.cache import Cache
from backport.guests import lab
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers.steps import Step, Steps
from backport.values.events import Emit, StageFinished, StageStarted
from backport.values.fleet import Bounds, DrillPlan, FleetFile, Kernel, When

STAGE = "drill"
SUITE = "drill"
_FIGURES = frozenset({"sent", "lost", "longest", "after_sent", "after_lost", "leaks"})


class Defect(StrEnum):
    """What can be wrong with the node on purpose, to see that the drills notice."""

    NONE = "none"
    NOFALLBACK = "nofallback"
    NOMEND = "nomend"


@dataclass(frozen=True)
class DrillRequest:
    """By kernel: what is booted, what its guest is given, and the drills that it does."""

    kernels: Mapping[Kernel, LabKernel]
    payloads: Mapping[Kernel, Payload]
    plans: Mapping[Kernel, tuple[DrillPlan, ...]]
    file: FleetFile
    iproute2: Path
    cache: Cache
    logs: Path


@dataclass(frozen=True)
class Drill:
    """One injected failure: the device that the pod had at its end ("" for none).

    Of `sent` from the failure on, `lost` were not answered; `outage` is the longest run of those,
    in seconds, `after_lost` what was lost once the node said that all is well again.
    """

    name: str
    ok: bool
    wants: str
    device: str
    sent: int
    lost: int
    outage: float
    after_lost: int
    leaks: int
    reasons: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class DrillResult:
    """`failures` is what is not as it must be; `releases` are the kernels by what they are here."""

    kernel: str
    releases: Mapping[Kernel, str]
    drills: tuple[Drill, ...]
    failures: tuple[str, ...]
    seconds: float


def run_drills(request: DrillRequest, emit: Emit) -> DrillResult:
    """Boot, drill, judge. Raises `GuestLost` for a guest that did not come to its end."""
    count = sum(map(len, request.plans.values()))
    emit(StageStarted(STAGE, f"{count} injected failures"))

    def play(which: Kernel) -> Heard:
        member = Member(
            f"drill-{which}",
            request.kernels[which],
            request.payloads[which],
            request.logs / f"drill-{which}.log",
            deadline=600.0,
            silence=60.0,
        )
        return lab.run_alone(member, request.iproute2, request.cache)

    with ThreadPoolExecutor(len(request.plans)) as pool:
        heard = dict(zip(request.plans, pool.map(play, request.plans), strict=True))
    for one in heard.values():
        lab.demand_whole(one)
    result = judge(heard, request.kernels[Kernel.NEW].label, request.plans, request.file)
    held = sum(drill.ok for drill in result.drills)
    emit(StageFinished(STAGE, f"{held} of {count} held", result.seconds))
    return result


# -- the verdict


def judge(
    heard: Mapping[Kernel, Heard],
    kernel: str,
    plans: Mapping[Kernel, Sequence[DrillPlan]],
    file: FleetFile,
) -> DrillResult:
    """What guests told, against what was to be drilled on each."""
    drills: list[Drill] = []
    failures: list[str] = []
    for which, one in heard.items():
        told = one.steps.get(SUITE, Steps(()))
        steps = {step.name: step for step in told.steps}
        for plan in plans[which]:
            if plan.name in steps:
                drills.append(_drill(plan, steps[plan.name], file))
            else:
                failures.append(f"{plan.name}: never ran")
        failures += told.problems
        failures += (f"kernel: {splat.headline}" for splat in one.splats)
        if one.status.get(SUITE):
            failures.append(f"the script ended with {one.status[SUITE]}")
    if not any(plans.values()):
        failures.append("there is no drill")
    failures += (f"{d.name}: {'; '.join(d.reasons)}: {d.detail}" for d in drills if not d.ok)
    releases = {which: one.release for which, one in heard.items()}
    seconds = max((one.seconds for one in heard.values()), default=0.0)
    return DrillResult(kernel, releases, tuple(drills), tuple(failures), seconds)


def _drill(plan: DrillPlan, step: Step, file: FleetFile) -> Drill:
    figures = {key: int(step.figures.get(key, 0)) for key in _FIGURES}
    words = step.detail.removeprefix("got ").partition(":")
    device = words[0] if words[0] in {"netkit", "veth"} else ""
    outage = figures["longest"] * file.traffic.period_ms / 1000
    reasons = tuple(_reasons(plan, step, device, outage, file.bounds))
    return Drill(
        plan.name,
        not reasons,
        plan.wants,
        device,
        figures["sent"],
        figures["lost"],
        outage,
        figures["after_lost"],
        figures["leaks"],
        reasons,
        words[2].strip() or step.detail,
    )


def _reasons(
    plan: DrillPlan, step: Step, device: str, outage: float, bounds: Bounds
) -> Iterator[str]:
    """Why a drill did not hold; the script's own word is not enough."""
    figures = step.figures
    if not figures.keys() >= _FIGURES:
        yield "its figures are missing"
        return
    if not step.ok:
        yield "the agent says that the pod is not whole"
    if device != plan.wants:
        yield f"got {device or 'no network'}, wants {plan.wants}"
    if not figures["sent"] or not figures["after_sent"]:
        yield "nothing was sent"
    elif plan.when is When.RUNNING and not figures["lost"]:
        yield "nothing was lost, so nothing was broken"
    if figures["after_lost"]:
        yield f"{figures['after_lost']:.0f} of {figures['after_sent']:.0f} lost behind it"
    bound = bounds.pod_outage_ms if plan.when is When.ADD else bounds.repair_outage_ms
    if outage * 1000 > bound:
        yield f"no service for {outage} s, more than {bound / 1000} s"
    if figures["leaks"]:
        yield f"{figures['leaks']:.0f} things were left behind"
