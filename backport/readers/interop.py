"""Reads `interop.toml` of a series: mixtures of two devices, their behaviour, and exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from backport.readers.tomlfile import Table, load
from backport.values.mixture import PLACES, Behaviour, Exempt, Life, Load, Plan
from backport.values.version import Range

# The guest's script splits its cases at blanks, and a step's name is one word.
_WORD = re.compile(r"[a-z0-9_]+")


def read_interop(path: Path) -> Plan:
    """The plan of a file; raises `ManifestError` with file, line and key."""
    root = load(path)
    devices = root.strings("devices")
    plan = Plan(
        devices,
        _families(root),
        tuple(_load(row) for row in root.tables("load", required=True)),
        tuple(_life(row) for row in root.tables("life")),
        tuple(_behaviour(row, devices) for row in root.tables("behaviour")),
        (),
    )
    names = {
        "load": [one.name for one in plan.loads],
        "life": [one.name for one in plan.lives],
        "behaviour": [one.name for one in plan.behaviours],
    }
    for kind, those in names.items():
        _once(root, kind, those)
    known = {name for those in names.values() for name in those}
    exempt = tuple(_exempt(row, known, plan) for row in root.tables("exception"))
    root.done()
    return Plan(plan.devices, plan.families, plan.loads, plan.lives, plan.behaviours, exempt)


def _families(root: Table) -> tuple[int, ...]:
    found = root.integers("families")
    if not found or set(found) - {4, 6}:
        raise root.error("families", "holds other than 4 and 6", hint="write [4], [6] or [4, 6]")
    return found


def _name(row: Table) -> str:
    name = row.string("name")
    if not _WORD.fullmatch(name):
        hint = "use a to z, 0 to 9 and _"
        raise row.error("name", f"{name!r} is no word of a guest's script", hint=hint)
    return name


def _load(row: Table) -> Load:
    places = row.strings("places")
    for i, place in enumerate(places):
        if place not in PLACES:
            hint = f"known: {', '.join(PLACES)}"
            raise row.error("places", f"{place!r} is not known", hint=hint, index=i)
    quick = row.boolean("quick", default=False)
    return Load(_name(row), row.string("what"), places, row.string("expect"), quick)


def _life(row: Table) -> Life:
    most: dict[str, int] = {}
    if row.has("most"):
        bounds = row.table("most")
        most = {key: bounds.integer(key) for key in bounds.keys}
    return Life(_name(row), row.string("what"), row.string("expect"), most)


def _behaviour(row: Table, devices: Iterable[str]) -> Behaviour:
    answers = row.table("answers")
    found = {device: answers.string(device) for device in devices}
    return Behaviour(_name(row), row.string("what"), found, row.string("means", ""))


def _exempt(row: Table, known: set[str], plan: Plan) -> Exempt:
    name, family, device = _name(row), row.integer("family", 0), row.string("device", "")
    if name not in known:
        raise row.error("name", f"nothing is called {name!r}", hint="name a load, life, behaviour")
    if family not in {0, *plan.families}:
        raise row.error("family", f"{family} is none of the families")
    if device not in {"", *plan.devices}:
        raise row.error("device", f"{device!r} is none of the devices")
    since = row.version("since") if row.has("since") else None
    until = row.version("until") if row.has("until") else None
    if since and until and not since < until:
        raise row.error("until", f"{until} is not after {since}")
    expect, reason = row.string("expect"), row.string("reason")
    return Exempt(name, family, device, Range(since, until), expect, reason)


def _once(root: Table, kind: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise root.error(kind, f"{name} is there twice", hint="keep one of them", index=i)
