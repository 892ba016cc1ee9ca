"""The forms of a run's results that machines read, as files beside its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from backport.doors.rundir import write_atomic
from backport.output.junit import render_junit
from backport.output.kcidb import render_kcidb
from backport.values.record import RunRecord

# The artifact's name, its file, and what writes it.
RESULTS: Mapping[str, tuple[str, Callable[[RunRecord], str]]] = {
    "junit": ("junit.xml", render_junit),
    "kcidb": ("kcidb.json", render_kcidb),
}


def write_results(record: RunRecord, folder: Path) -> dict[str, Path]:
    """Write every form into the run's folder: {"junit": path, "kcidb": path}."""
    written = {}
    for name, (file, render) in RESULTS.items():
        written[name] = folder / file
        write_atomic(written[name], render(record).encode())
    return written
