"""Reads a series' fleet.toml: the traffic of a rehearsal, and what pods may notice of it."""

from __future__ import annotations

from pathlib import Path

from backport.readers.tomlfile import Table, load
from backport.values.fleet import Bounds, DrillPlan, FleetFile, Kernel, Traffic, When


def read_fleet(path: Path) -> FleetFile:
    """The file's values; a mistake is a `ManifestError` at its place."""
    root = load(path)
    traffic, bounds = root.table("traffic"), root.table("bounds")
    found = FleetFile(
        Traffic(
            _positive(traffic, "period_ms"),
            _positive(traffic, "patience_ms"),
            _positive(traffic, "health_ms"),
        ),
        Bounds(
            bounds.integer("bystander_lost"),
            _positive(bounds, "pod_outage_ms"),
            _positive(bounds, "node_outage_ms"),
            _positive(bounds, "repair_outage_ms"),
        ),
        _drills(root),
    )
    if found.traffic.health_ms < 5 * found.traffic.period_ms:
        hint = "a health check of fewer than five datagrams finds little"
        raise traffic.error("health_ms", "is less than five periods", hint=hint)
    root.done()
    return found


def _drills(root: Table) -> tuple[DrillPlan, ...]:
    found: dict[str, DrillPlan] = {}
    for row in root.tables("drill", required=True):
        name = row.string("name")
        if not name.replace("_", "").isalnum():
            raise row.error("name", f"{name!r} is no word", hint="letters, digits and _ only")
        if name in found:
            raise row.error("name", f"{name!r} is there twice", hint="keep one of them")
        found[name] = DrillPlan(
            name,
            row.choice("when", When),
            row.string("wants"),
            row.choice("kernel", Kernel, Kernel.NEW),
            row.boolean("quick", False),
        )
    return tuple(found.values())


def _positive(table: Table, key: str) -> int:
    value = table.integer(key)
    if value <= 0:
        raise table.error(key, f"{value} is not above 0", hint="write milliseconds")
    return value
