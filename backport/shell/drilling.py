"""Drills of a target: its kernel, the node agent and what that needs in one guest."""

from __future__ import annotations

from dataclasses import asdict

from backport.doors import process
from backport.doors.cache import Cache
from backport.qualify import drill
from backport.qualify.drill import Defect, DrillRequest, DrillResult
from backport.shell import qualifying
from backport.shell.nodeparts import PROGRAMS, node_payload
from backport.shell.qualifying import Ground
from backport.values.events import Emit
from backport.values.options import Options


def run_drill(options: Options, defect: Defect, cache: Cache, emit: Emit) -> DrillResult:
    """Build and drill."""
    process.require(PROGRAMS)
    return drill_on(qualifying.prepare(options, cache, emit), defect, emit)


def drill_on(ground: Ground, defect: Defect, emit: Emit) -> DrillResult:
    """Drill; leaves `drill.json` in the run's folder."""
    script = (ground.data / "qemu" / "drill").read_text(encoding="utf-8")
    word = "" if defect is Defect.NONE else f" {defect}"
    commands = {drill.SUITE: f"/bin/sh /bin/drill{word}"}
    request = DrillRequest(
        ground.kernel,
        node_payload(ground, commands, {"bin/drill": script.encode()}, emit),
        drill.drills_of(script),
        ground.iproute2,
        ground.cache,
        ground.folder / "logs" / "drill.log",
    )
    result = drill.run_drills(request, emit)
    ground.keep(drill.STAGE, asdict(result))
    return result
