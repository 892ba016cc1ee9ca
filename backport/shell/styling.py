"""checkpatch on a finished run: the findings, beside the reasons that the series gives for some."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from backport.doors.git import Git
from backport.doors.rundir import Found, write_atomic
from backport.gates.style import check_style
from backport.readers.checkpatch import read_allowances
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.findings import STYLE
from backport.values.style import StyleReport, excused


def style_of(git: Git, run: Found, series: Path, emit: Emit, *, strict: bool) -> StyleReport:
    """Check a run's picks, and write the report as `style.json` to its folder.

    `series` is the folder of its data, whose `style.toml` says which findings are allowed.
    """
    record = run.record
    if record.base is None or not record.head:
        raise UsageError(f"{run.path.name}: this run picked nothing", hint="backport pick")
    allowed = read_allowances(series / "style.toml")
    script, commits = check_style(git, record.base.commit, record.picks, emit, strict=strict)
    report = StyleReport(
        record.series,
        record.target,
        record.head,
        script,
        strict,
        tuple(excused(commit, allowed) for commit in commits),
    )
    text = json.dumps(asdict(report), indent=1, ensure_ascii=False)
    write_atomic(run.path / STYLE, text.encode("utf-8", "backslashreplace") + b"\n")
    return report
