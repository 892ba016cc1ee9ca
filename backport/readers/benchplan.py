"""Reads `bench.toml` of a series."""

from __future__ import annotations

import re
from pathlib import Path

from backport.readers.rules import read_question
from backport.readers.tomlfile import Table, load
from backport.values.benchplan import BenchPlan, Known

_SHA = re.compile(r"[0-9a-f]{40}")


def read_benchplan(path: Path) -> BenchPlan:
    """The plan of a file; raises `ManifestError` with file, line and key."""
    root = load(path)
    wire = root.table("wire")
    plan = BenchPlan(
        root.string("new"),
        root.string("old"),
        root.string("way"),
        _percent(root, "gain"),
        _percent(root, "spread"),
        root.strings("quick"),
        wire.string("way"),
        wire.strings("quick"),
        root.strings("throughput"),
        tuple(_known(row) for row in root.tables("known")),
    )
    root.done()
    _in_short(root, plan.way, plan.quick)
    _in_short(wire, plan.wire_way, plan.wire_quick)
    return plan


def _in_short(table: Table, way: str, quick: tuple[str, ...]) -> None:
    if way not in quick:
        hint = f"add {way!r}: a short run has a verdict, too"
        raise table.error("quick", "lacks the way of the verdict", hint=hint)


def _percent(root: Table, key: str) -> float:
    value = root.integer(key)
    if not 0 < value < 100:
        raise root.error(key, f"{value} is no percentage", hint="write a number from 1 to 99")
    return float(value)


def _known(row: Table) -> Known:
    sha = row.string("fixed_by")
    if not _SHA.fullmatch(sha):
        raise row.error("fixed_by", f"{sha!r} is no full commit id", hint="give all 40 digits")
    questions = tuple(read_question(each) for each in row.tables("when", required=True))
    for question, each in zip(questions, row.tables("when"), strict=True):
        if question.upstream:
            hint = "write `in`: no commit is picked here"
            raise each.error("upstream", "is about a commit that is picked", hint=hint)
    return Known(row.strings("blocks"), questions, sha, row.string("why"))
