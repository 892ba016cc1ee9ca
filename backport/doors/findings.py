"""Reads what other commands left in a run's folder; a file that is not there says nothing."""

from __future__ import annotations

import json
from pathlib import Path

from backport.values.findings import COMPAT, STYLE, Compat, Findings, Style, StyleReport
from backport.values.record import RecordError, decode


def read_findings(folder: Path) -> Findings:
    """The style and compatibility findings of a run; `RecordError` for a file that is not one."""
    style, compat = _json(folder / STYLE), _json(folder / COMPAT)
    return Findings(
        None if style is None else _style(style, str(folder / STYLE)),
        None if compat is None else decode(Compat, compat, str(folder / COMPAT)),
    )


def _style(data: object, where: str) -> tuple[Style, ...]:
    """Findings by commit, or in one list."""
    if not isinstance(data, list):
        return decode(StyleReport, data, where).flat
    return tuple(decode(Style, item, f"{where}[{n}]") for n, item in enumerate(data))


def _json(path: Path) -> object:
    try:
        found: object = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as err:
        raise RecordError(f"{path}: not JSON ({err})", hint="remove it, or write it anew") from err
    return found
