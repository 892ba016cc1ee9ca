"""A rollout's rehearsal: the target's kernel before and after the series, on a fleet of guests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from backport.doors import process
from backport.doors.cache import Cache
from backport.guests.lab import LabKernel
from backport.output.rolloutview import plan_markdown, rollout_page
from backport.qualify import rehearsal
from backport.qualify.rehearsal import Pod, RehearsalRequest, RehearsalResult
from backport.qualify.rollout import Agent
from backport.shell import qualifying
from backport.shell.baseline import base_kernel
from backport.shell.nodeparts import PROGRAMS, fleet_file, node_payload
from backport.shell.qualifying import Ground
from backport.values.events import Emit
from backport.values.fleet import Kernel
from backport.values.options import Options

NODES, QUICK_NODES = 3, 2
SUITE = "node"
PODS = ("web", "db")  # of each node, with its number


class Defect(StrEnum):
    """What can be wrong with the agent on purpose, to see that the rehearsal stops at it."""

    NONE = "none"
    NOFALLBACK = "nofallback"
    POLICY = "policy"


@dataclass(frozen=True)
class RolloutOrder:
    """A rehearsal as a person asks for it."""

    options: Options
    quick: bool = False
    defect: Defect = Defect.NONE

    @property
    def agent(self) -> Agent:
        """What is rolled out."""
        return Agent.NEW if self.defect is Defect.NONE else Agent(self.defect)


def run_rollout(order: RolloutOrder, cache: Cache, emit: Emit) -> RehearsalResult:
    """Build and rehearse."""
    process.require(PROGRAMS)
    fleet_file(order.options.series)  # a mistake in it is told before minutes are spent
    return rollout_on(order, qualifying.prepare(order.options, cache, emit), emit)


def rollout_on(order: RolloutOrder, ground: Ground, emit: Emit) -> RehearsalResult:
    """Rehearse; leaves `rollout.json`, `rollout.html` and `rollout.md` in the run's folder."""
    kernels = {Kernel.OLD: base_kernel(ground, emit), Kernel.NEW: ground.kernel}
    request = fleet_of(order, ground, kernels, emit)
    result = rehearsal.rehearse(request, emit)
    plan = plan_markdown(result, order.options)
    ground.keep(rehearsal.STAGE, asdict(result), rollout_page(result), plan)
    return result


def fleet_of(
    order: RolloutOrder, ground: Ground, kernels: Mapping[Kernel, LabKernel], emit: Emit
) -> RehearsalRequest:
    """A fleet of two or three nodes with two pods each."""
    file = fleet_file(order.options.series)
    numbers = range(1, (QUICK_NODES if order.quick else NODES) + 1)
    pods = tuple(
        Pod(f"{name}{number}", f"node{number}", f"10.1.{number}.{place}")
        for number in numbers
        for place, name in enumerate(PODS, start=11)
    )
    known = "".join(f"{p.name} {p.node.removeprefix('node')} {p.address}\n" for p in pods)
    script = (ground.data / "qemu" / "node").read_bytes()
    parts = {"bin/node": script, "etc/fleet": known.encode()}
    times = f"{file.traffic.period_ms} {file.traffic.patience_ms}"
    commands = {f"node{n}": {SUITE: f"/bin/sh /bin/node {n} {times}"} for n in numbers}
    return RehearsalRequest(
        kernels,
        {name: node_payload(ground, command, parts, emit) for name, command in commands.items()},
        pods,
        file,
        ground.iproute2,
        ground.cache,
        Path(ground.folder / "logs"),
        order.agent,
        order.quick,
    )
