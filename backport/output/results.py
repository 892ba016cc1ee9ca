"""The forms of a run's results that machines read, as files beside its report."""

from __future__ import annotations

from pathlib import Path

from backport.doors.rundir import write_atomic
from backport.output.junit import render_junit
from backport.output.kcidb import ORIGIN, render_kcidb
from backport.values.record import RunRecord

JUNIT, KCIDB = "junit.xml", "kcidb.json"


def write_results(record: RunRecord, folder: Path, origin: str = ORIGIN) -> dict[str, Path]:
    """Write every form into the run's folder: {"junit": path, "kcidb": path}.

    `origin` names the CI system that ran it; a bad one is a `UsageError`, and nothing is written.
    """
    texts = {
        "junit": (JUNIT, render_junit(record)),
        "kcidb": (KCIDB, render_kcidb(record, origin)),
    }
    for file, text in texts.values():
        write_atomic(folder / file, text.encode())
    return {name: folder / file for name, (file, _) in texts.items()}
