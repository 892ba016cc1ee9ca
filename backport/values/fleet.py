"""The traffic of a fleet's rehearsal, and the bounds for what its pods may notice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Traffic:
    """Each pod sends a datagram to each other one every period; one is lost after `patience_ms`."""

    period_ms: int
    patience_ms: int
    health_ms: int  # how long pods must be without loss before a move counts as healthy


@dataclass(frozen=True)
class Bounds:
    """`bystander_lost` is datagrams a flow and move, between pods whose nodes are left alone."""

    bystander_lost: int
    pod_outage_ms: int  # of a pod that is made anew
    node_outage_ms: int  # of a node that boots another kernel
    repair_outage_ms: int  # of a pod whose device, program or link was taken away under traffic


class Kernel(StrEnum):
    """Which kernel a node runs: the one before the series, or the one with it."""

    OLD = "old"
    NEW = "new"


class When(StrEnum):
    """When the failure of a drill comes."""

    ADD = "add"
    RUNNING = "running"


@dataclass(frozen=True)
class DrillPlan:
    """A drill of qemu/drill, and the device that the pod must have at its end."""

    name: str
    when: When
    wants: str
    kernel: Kernel = Kernel.NEW
    quick: bool = False


@dataclass(frozen=True)
class FleetFile:
    """A series' fleet.toml."""

    traffic: Traffic
    bounds: Bounds
    drills: tuple[DrillPlan, ...] = ()
