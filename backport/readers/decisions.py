"""Reader of `audit.toml`: what was decided about commits that an audit found, and until when."""

from __future__ import annotations

import re
from pathlib import Path

from backport.readers.tomlfile import Table, load
from backport.values.audit import Choice, Decision
from backport.values.series import Series

_SHA = re.compile(r"[0-9a-f]{12,40}")


def read_decisions(path: Path) -> tuple[Decision, ...]:
    """The decisions of a file; a broken one is a `ManifestError` with file, line and key."""
    root = load(path)
    found: list[Decision] = []
    for row in root.tables("decision"):
        found.append(_decision(row))
        _demand_new(row, found)
    root.done()
    return tuple(found)


def _decision(row: Table) -> Decision:
    sha = row.string("sha")
    if not _SHA.fullmatch(sha):
        hint = "write 12 to 40 lower-case hex digits"
        raise row.error("sha", f"{sha!r} is not the id of a commit", hint=hint)
    choice = row.choice("decision", Choice)
    expires = row.day("expires")
    if choice is Choice.LATER and expires is None:
        hint = "add `expires = 2027-03-31`, the day on which to decide again"
        raise row.error("decision", "`later` needs a day", hint=hint)
    return Decision(sha, choice, row.string("reason"), expires, row.place("sha"))


def _demand_new(row: Table, found: list[Decision]) -> None:
    """Refuse a second decision about the same commit."""
    *before, new = found
    for old in before:
        if old.sha.startswith(new.sha) or new.sha.startswith(old.sha):
            message = f"{new.sha} is already at {old.place}"
            raise row.error("sha", message, hint="remove one of the two")


def of_series(series: Series) -> tuple[Decision, ...]:
    """What a series leaves out is decided: its manifest says why."""
    return tuple(
        Decision(row.sha, Choice.LEAVE, row.reason, None, row.place) for row in series.left_out
    )
