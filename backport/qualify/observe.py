"""What an operator sees of the feature on a kernel: commands run in a guest, shown and judged.

The kernel that the feature comes from stands beside the one under judgement: what is not to be
seen there is a wrong expectation, not a defect of the port.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backport.doors.cache import Cache
from backport.guests import lab
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers.steps import talk_of
from backport.values.events import Emit, StageFinished, StageStarted
from backport.values.version import Version
from backport.values.view import View

STAGE = "observe"
SUITE = "observe"
VIEWS = "lab/views"
NEVER = "it was never shown"
_NUMBERS = re.compile(r"\d+\.\d+(?:\.\d+)?")


class Defect(StrEnum):
    """What can be wrong with the pod's program on purpose, to see that the views show it."""

    NONE = "none"
    DROP = "drop"


@dataclass(frozen=True)
class ObserveRequest:
    """`kernels`: the one under judgement first; `programs` and `script` make the scene."""

    kernels: tuple[LabKernel, ...]
    views: tuple[View, ...]
    script: bytes
    programs: dict[str, Path]
    iproute2: Path
    cache: Cache
    folder: Path
    defect: Defect = Defect.NONE


@dataclass(frozen=True)
class Seen:
    """One view on one kernel: `missing` is what its output should have; none and it holds."""

    kernel: str
    name: str
    what: str
    command: str
    output: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ObserveResult:
    """`absent` is what kernels cannot show, and why; `failures` what is not as it must be."""

    seen: tuple[Seen, ...]
    absent: tuple[str, ...]
    failures: tuple[str, ...]
    releases: dict[str, str]
    seconds: float = 0.0


def run_observe(request: ObserveRequest, emit: Emit) -> ObserveResult:
    """Boot, look, judge. Raises `GuestLost` for a guest that did not come to its end."""
    start = time.monotonic()
    emit(StageStarted(STAGE, f"{len(request.views)} views of each kernel"))
    with ThreadPoolExecutor(len(request.kernels)) as pool:
        heard = list(pool.map(lambda kernel: _boot(request, kernel), request.kernels))
    labels = [kernel.label for kernel in request.kernels]
    result = judge(dict(zip(labels, heard, strict=True)), request.views, time.monotonic() - start)
    good = sum(not one.missing for one in result.seen)
    emit(StageFinished(STAGE, f"{good} of {len(result.seen)} as expected", result.seconds))
    return result


def _boot(request: ObserveRequest, kernel: LabKernel) -> Heard:
    name = f"observe-{kernel.label}"
    scripts = {
        f"{VIEWS}/{i:02}-{view.name}": f"{view.command}\n".encode()
        for i, view in enumerate(request.views)
    }
    payload = Payload(
        {SUITE: f"/bin/sh /bin/observe {request.defect}"},
        request.programs,
        {"bin/observe": request.script, **scripts},
    )
    member = Member(name, kernel, payload, request.folder / f"{name}.log", silence=60.0)
    heard = lab.run_alone(member, request.iproute2, request.cache, counted=True)
    lab.demand_whole(heard)
    return heard


# -- the verdict


def judge(told: dict[str, Heard], views: Sequence[View], seconds: float = 0.0) -> ObserveResult:
    """Every view that a kernel can show must have been shown, with all that it must have."""
    seen: list[Seen] = []
    absent: list[str] = []
    failures: list[str] = []
    for kernel, heard in told.items():
        version = _version(heard)
        mine = [view for view in views if version in view.versions]
        absent += [
            f"{kernel} ({heard.release}): no {view.name}: {view.why}"
            for view in views
            if view not in mine
        ]
        looked = [_seen(kernel, heard, view) for view in mine]
        seen += looked
        failures += [f"{kernel}: {one.name}: {line}" for one in looked for line in one.missing]
        failures += [f"{kernel}: {line}" for line in _troubles(heard)]
    if not seen:
        failures.append("nothing was seen")
    releases = {kernel: heard.release for kernel, heard in told.items()}
    return ObserveResult(tuple(seen), tuple(absent), tuple(failures), releases, round(seconds, 1))


def _version(heard: Heard) -> Version:
    numbers = _NUMBERS.match(heard.release)
    return Version.parse(numbers[0]) if numbers else Version(0, 0)


def _seen(kernel: str, heard: Heard, view: View) -> Seen:
    steps = {step.name: step for step in heard.of(SUITE)}
    output = talk_of(heard.said.get(SUITE, ())).get(view.name, ())
    step = steps.get(view.name)
    if step is None:
        missing: tuple[str, ...] = (NEVER,)
    else:
        missing = (*(() if step.ok else (step.detail,)), *view.missing(output))
    return Seen(kernel, view.name, view.what, view.command, output, missing)


def _troubles(heard: Heard) -> Iterator[str]:
    yield from (f"kernel: {splat.headline}" for splat in heard.splats)
    told = heard.steps.get(SUITE)
    yield from told.problems if told else ()
    if heard.status.get(SUITE):
        yield f"the script ended with {heard.status[SUITE]} (see {heard.log})"
