"""Drills of a target: its kernel before and after the series, and what makes a guest a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from backport.doors import process
from backport.doors.cache import Cache
from backport.guests.initramfs import Payload
from backport.qualify import drill
from backport.qualify.drill import Defect, DrillRequest, DrillResult
from backport.shell import qualifying
from backport.shell.baseline import base_kernel
from backport.shell.nodeparts import PROGRAMS, fleet_file, node_payload
from backport.shell.qualifying import Ground
from backport.values.events import Emit
from backport.values.fleet import DrillPlan, FleetFile, Kernel
from backport.values.options import Options


@dataclass(frozen=True)
class DrillOrder:
    """Drills as a person asks for them."""

    options: Options
    quick: bool = False
    defect: Defect = Defect.NONE


def run_drill(order: DrillOrder, cache: Cache, emit: Emit) -> DrillResult:
    """Build and drill."""
    process.require(PROGRAMS)
    fleet_file(order.options.series)  # a mistake in it is told before minutes are spent
    return drill_on(order, qualifying.prepare(order.options, cache, emit), emit)


def drill_on(order: DrillOrder, ground: Ground, emit: Emit) -> DrillResult:
    """Drill; leaves `drill.json` in the run's folder."""
    result = drill.run_drills(request_of(order, ground, emit), emit)
    ground.keep(drill.STAGE, asdict(result))
    return result


def request_of(order: DrillOrder, ground: Ground, emit: Emit) -> DrillRequest:
    """The guests that do the drills; builds the kernel before the series where one is for it."""
    file = fleet_file(order.options.series)
    plans = plans_of(file, quick=order.quick)
    kernels = {Kernel.NEW: ground.kernel}
    if Kernel.OLD in plans:
        kernels[Kernel.OLD] = base_kernel(ground, emit)
    return DrillRequest(
        kernels,
        {which: _payload(order, ground, file, some, emit) for which, some in plans.items()},
        plans,
        file,
        ground.iproute2,
        ground.cache,
        ground.folder / "logs",
    )


def plans_of(file: FleetFile, *, quick: bool) -> dict[Kernel, tuple[DrillPlan, ...]]:
    """The drills by the kernel that they are done on."""
    chosen = [plan for plan in file.drills if plan.quick or not quick]
    found = {which: tuple(p for p in chosen if p.kernel is which) for which in Kernel}
    return {which: some for which, some in found.items() if some or which is Kernel.NEW}


def _payload(
    order: DrillOrder, ground: Ground, file: FleetFile, plans: Sequence[DrillPlan], emit: Emit
) -> Payload:
    names, traffic = ",".join(plan.name for plan in plans), file.traffic
    words = f"{order.defect} {traffic.period_ms} {traffic.patience_ms} {names}"
    script = (ground.data / "qemu" / "drill").read_bytes()
    commands = {drill.SUITE: f"/bin/sh /bin/drill {words}"}
    return node_payload(ground, commands, {"bin/drill": script}, emit)
