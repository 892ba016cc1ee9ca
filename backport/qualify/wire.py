"""Pods that talk over a wire: two guests on one Ethernet, a pod behind the device in each.

What a guest did is its clock, which counts instructions, without the time that it idled. How many
packets an interrupt of the card finds depends on when the host lets them cross, and a packet costs
the less the more come at once: these figures are no constants, are told with their spread, and
judged only by what was lost, came in another order or took more soft interrupts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from backport.doors.cache import Cache
from backport.guests import lab
from backport.guests.checks import Checks
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers.steps import Step
from backport.values.benchplan import BenchPlan

SUITE = "wire"
_SIDES = ("near", "far")
_WANTED = {
    *("units", "lost", "surplus", "unanswered", "received", "reordered"),
    *(f"{s}_{k}" for s in _SIDES for k in ("busy", "net_rx", "backlog", "in", "out", "dropped")),
}


@dataclass(frozen=True)
class WireRequest:
    """`boots` are so many pairs of guests of `kernel`; `folder` gets the consoles."""

    kernel: LabKernel
    program: Checks
    blocks: tuple[str, ...]
    iproute2: Path
    cache: Cache
    folder: Path
    boots: int = 1


@dataclass(frozen=True)
class Side:
    """One guest's figures, by unit: instructions, soft interrupts, packets that were taken up."""

    instructions: float
    spread: float  # between boots, in percent
    net_rx: float
    backlog: float


@dataclass(frozen=True)
class WireRow:
    """One block: `near` sends or asks, `far` receives or answers.

    `crossed` packets left the near card for each unit, `vanished` is how many of them the far card
    never saw; `lost`, `surplus` and `reordered` are what the receiver counted (the most of a boot).
    """

    kernel: str
    block: str
    near: Side
    far: Side
    crossed: float
    vanished: int
    lost: int
    surplus: int
    reordered: int
    boots: int


def run_wire(request: WireRequest) -> tuple[Heard, ...]:
    """Both guests of all boots; raises `GuestLost` for a pair that did not come to its end."""
    return tuple(heard for boot in range(request.boots) for heard in _boot(request, boot))


def _boot(request: WireRequest, boot: int) -> tuple[Heard, Heard]:
    program = f"bin/{request.program.name}"
    roles = {"near": f"ask {','.join(request.blocks)}", "far": "serve"}
    members = [
        Member(
            f"wire-{request.kernel.label}-{boot}-{side}",
            request.kernel,
            Payload({SUITE: f"/{program} {role}"}, {program: request.program.program}),
            request.folder / f"wire-{request.kernel.label}-{boot}-{side}.log",
            deadline=200.0,
            silence=60.0,
        )
        for side, role in roles.items()
    ]
    near, far = lab.run_together(members, request.iproute2, request.cache, counted=True)
    # What the far one says of its end is a consequence where the near one fell over.
    lab.demand_whole(near)
    lab.demand_whole(far)
    return near, far


# -- figures


def rows_of(kernel: str, steps: Iterable[Step], blocks: Sequence[str]) -> tuple[WireRow, ...]:
    """A row for each block with figures."""
    whole = [s for s in steps if s.figures.keys() >= _WANTED and s.figures["units"] > 0]
    found = ((block, [s.figures for s in whole if s.name == block]) for block in blocks)
    return tuple(_row(kernel, block, figures) for block, figures in found if figures)


def _row(kernel: str, block: str, boots: list[Mapping[str, float]]) -> WireRow:
    return WireRow(
        kernel,
        block,
        _side("near", boots),
        _side("far", boots),
        _middle(boots, "near_out"),
        # Packets of the guests' own talk may come between the counts: one too many is no loss.
        int(max(0.0, *(f["near_out"] - f["far_in"] for f in boots))),
        _most(boots, "lost"),
        _most(boots, "surplus"),
        _most(boots, "reordered"),
        len(boots),
    )


def _side(side: str, boots: list[Mapping[str, float]]) -> Side:
    costs = [f[f"{side}_busy"] / f["units"] for f in boots]
    middle = median(costs)
    return Side(
        round(middle, 1),
        round((max(costs) - min(costs)) / middle * 100, 2),
        _middle(boots, f"{side}_net_rx"),
        _middle(boots, f"{side}_backlog"),
    )


def _middle(boots: Iterable[Mapping[str, float]], key: str) -> float:
    """A figure by unit, in the boot in the middle."""
    return round(median([f[key] / f["units"] for f in boots]), 3)


def _most(boots: Iterable[Mapping[str, float]], key: str) -> int:
    return int(max(f[key] for f in boots))


# -- the verdict


def failures_of(
    rows: Iterable[WireRow], steps: Iterable[Step], blocks: Sequence[str], plan: BenchPlan
) -> Iterator[str]:
    """What is not as it must be on the kernel under judgement."""
    taken = tuple(steps)
    told = {step.name for step in taken}
    bad = {step.name: step.detail for step in taken if not step.ok}
    yield from (f"wire {block}: never ran" for block in blocks if block not in told)
    yield from (f"wire {block}: {detail}" for block, detail in bad.items())
    found = {row.block: row for row in rows}
    for row in found.values():
        if row.reordered:
            yield f"wire {row.block}: {row.reordered} reordered"
    new, old = (found.get(f"{device}_{plan.wire_way}") for device in (plan.new, plan.old))
    if new is None or old is None:
        yield f"wire: {plan.new} and {plan.old} cannot be compared on {plan.wire_way}: no figures"
    elif new.near.net_rx >= old.near.net_rx:
        yield (
            f"wire {new.block}: {new.near.net_rx} soft interrupts a packet at the sender,"
            f" {plan.old} has {old.near.net_rx}"
        )
