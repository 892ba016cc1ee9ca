"""Soak: several workers press the feature at once, on a kernel that watches itself, for a while.

The debug flavour finds misuse of memory and locks while they work; afterwards nothing may be left:
no device, link, program or map, and no memory that nobody points to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backport.doors.cache import Cache
from backport.guests import lab
from backport.guests.checks import Checks
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers.steps import Step
from backport.values.events import Emit, Progress, StageFinished, StageStarted
from backport.values.target import Flavour

STAGE = "soak"
SUITE = "soak"
# What the program reports behind its workers.
BALANCE, MEMORY = "balance", "memory"
AFTER = 240  # seconds that booting, settling and two scans of the memory may take
_LEAK = "# leak| "


@dataclass(frozen=True)
class SoakRequest:
    """`program`'s cases are its workers; `flavour` says what room and time its kernel needs."""

    kernel: LabKernel
    program: Checks
    flavour: Flavour
    iproute2: Path
    cache: Cache
    log: Path
    seed: int
    seconds: int


@dataclass(frozen=True)
class Labour:
    """What one worker did: `done` acts, and `other` that came to nothing, as they may."""

    name: str
    ok: bool
    done: int
    other: int
    detail: str


@dataclass(frozen=True)
class SoakResult:
    """`left` is what stayed of each kind; `failures` is what is not as it must be."""

    kernel: str
    release: str
    seed: int
    worked: int
    workers: tuple[Labour, ...]
    left: Mapping[str, int]
    leaks: tuple[str, ...]
    failures: tuple[str, ...]
    seconds: float


def run_soak(request: SoakRequest, emit: Emit) -> SoakResult:
    """Boot, press, judge. Raises `GuestLost` for a guest that did not come to its end."""
    seconds, patience = request.seconds, request.flavour.patience
    emit(StageStarted(STAGE, f"{len(request.program.cases)} workers for {seconds} s"))
    name = request.program.name
    member = Member(
        f"soak-{request.kernel.label}",
        request.kernel,
        Payload(
            {SUITE: f"/bin/{name} {request.seed} {seconds}"},
            {f"bin/{name}": request.program.program},
        ),
        request.log,
        # While they work nobody speaks but the clock, and a scan of the memory says nothing.
        deadline=float(seconds * 2 + AFTER * patience),
        silence=float(60 * patience),
        memory=request.flavour.memory,
    )

    def on_line(line: str) -> None:
        told = _at(line)
        if told is not None:
            emit(Progress(STAGE, told, seconds, "seconds"))

    heard = lab.run_alone(member, request.iproute2, request.cache, on_line=on_line)
    lab.demand_whole(heard)
    result = judge(heard, request)
    done = sum(worker.done for worker in result.workers)
    emit(StageFinished(STAGE, f"{done} acts, {len(result.failures)} findings", result.seconds))
    return result


def _at(line: str) -> int | None:
    """The second that the program says it is at."""
    _, found, rest = line.partition(f"@@{SUITE}| # second ")
    return int(rest) if found and rest.strip().isdigit() else None


# -- the verdict


def judge(heard: Heard, request: SoakRequest) -> SoakResult:
    """Each worker must have worked, all must be gone, and the kernel must not have complained."""
    steps = {step.name: step for step in heard.of(SUITE)}
    workers = tuple(_labour(name, steps.get(name)) for name in request.program.cases)
    balance, memory = steps.get(BALANCE), steps.get(MEMORY)
    left = {kind: int(n) for kind, n in balance.figures.items()} if balance else {}
    lines = heard.said.get(SUITE, ())
    failures = (
        *(f"{one.name}: {one.detail}" for one in workers if not one.ok),
        *_whole(BALANCE, balance, {"devices", "links", "programs", "maps"}),
        *_whole(MEMORY, memory, {"leaks"}),
        *(heard.steps[SUITE].problems if SUITE in heard.steps else ()),
        *(f"kernel: {splat.headline}" for splat in heard.splats),
        *((f"the program ended with {heard.status[SUITE]}",) if heard.status.get(SUITE) else ()),
    )
    leaks = tuple(line.removeprefix(_LEAK) for line in lines if line.startswith(_LEAK))
    label, release = request.kernel.label, heard.release
    return SoakResult(
        label, release, request.seed, request.seconds, workers, left, leaks, failures, heard.seconds
    )


def _labour(name: str, step: Step | None) -> Labour:
    if step is None:
        return Labour(name, ok=False, done=0, other=0, detail="it was never reported")
    done, other = int(step.figures.get("done", 0)), int(step.figures.get("other", 0))
    if step.ok and not done:
        return Labour(name, ok=False, done=0, other=other, detail="it did nothing")
    return Labour(name, step.ok, done, other, step.detail)


def _whole(name: str, step: Step | None, wanted: set[str]) -> Iterator[str]:
    """The program's own word is not enough: its figures must be there, and be nought."""
    if step is None:
        yield f"{name}: it was never reported"
        return
    odd = {key: int(n) for key, n in step.figures.items() if n}
    if not step.ok or odd or step.figures.keys() != wanted:
        numbers = ", ".join(f"{key} {n:+}" for key, n in odd.items()) or "no figures"
        yield f"{name}: {step.detail or 'not as it was'} ({numbers})"
