"""Throughput by the wall clock, where KVM boots a kernel; under emulation it would say nothing.

The same program and blocks as where instructions are counted, with so many units more that a block
takes a good part of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from backport.doors.cache import Cache
from backport.guests import lab
from backport.guests.checks import Checks
from backport.guests.initramfs import Payload
from backport.guests.kvmprobe import KvmVerdict
from backport.guests.lab import LabKernel, Member
from backport.guests.parsers.steps import Step
from backport.guests.runners import RUNNERS

SUITE = "throughput"
TIMES = 100  # as many units as a counted block has


@dataclass(frozen=True)
class ThroughputRequest:
    """`blocks` on each of `kernels`, `boots` times."""

    kernels: tuple[LabKernel, ...]
    program: Checks
    blocks: tuple[str, ...]
    iproute2: Path
    cache: Cache
    folder: Path
    boots: int = 2


@dataclass(frozen=True)
class Throughput:
    """Units a second of one block, in the slice in the middle; `spread` is between boots, in %."""

    kernel: str
    block: str
    per_second: float
    spread: float
    boots: int


@dataclass(frozen=True)
class WallClock:
    """What was measured under KVM, or why nothing was."""

    rows: tuple[Throughput, ...] = ()
    left_out: str = ""


def run_throughput(request: ThroughputRequest, kvm: KvmVerdict) -> WallClock:
    """Boot under KVM and measure; nothing without it.

    Raises `GuestLost` for a guest that did not come to its end.
    """
    if not kvm.usable:
        return WallClock(left_out=f"KVM is not usable here ({kvm.why})")
    rows = [row for kernel in request.kernels for row in _rows(request, kernel)]
    return WallClock(tuple(rows), "" if rows else "no block gave a figure under KVM")


def _rows(request: ThroughputRequest, kernel: LabKernel) -> Iterator[Throughput]:
    steps = [step for boot in range(request.boots) for step in _boot(request, kernel, boot)]
    for block in request.blocks:
        rates = [rate for step in steps if step.name == block for rate in _rate(step)]
        if rates:
            middle = median(rates)
            spread = round((max(rates) - min(rates)) / middle * 100, 2)
            yield Throughput(kernel.label, block, round(middle, 1), spread, len(rates))


def _rate(step: Step) -> Iterator[float]:
    figures = step.figures
    if step.ok and figures.get("slice"):
        yield figures["units"] / (figures["slice"] * figures["slices"]) * 1e9


def _boot(request: ThroughputRequest, kernel: LabKernel, boot: int) -> Sequence[Step]:
    program = f"bin/{request.program.name}"
    name = f"throughput-{kernel.label}-{boot}"
    member = Member(
        name,
        kernel,
        Payload(
            {SUITE: f"/{program} {boot % 2} {','.join(request.blocks)}"},
            {program: request.program.program},
        ),
        request.folder / f"{name}.log",
        deadline=200.0,
        silence=60.0,
        arguments=(f"TIMES={TIMES}",),
    )
    heard = lab.run_alone(member, request.iproute2, request.cache, runner=RUNNERS["kvm"])
    lab.demand_whole(heard)
    return heard.of(SUITE)


def told(wall: WallClock) -> Iterable[str]:
    """Lines for a person."""
    if wall.left_out:
        yield f"wall clock: left out, {wall.left_out}"
        return
    yield f"{'wall clock, under KVM':28}  {'by second':>12}  spread"
    for row in wall.rows:
        yield f"  {row.kernel} {row.block:26}  {row.per_second:12,.0f}  {row.spread:5.2f}%"
