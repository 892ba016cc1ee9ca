"""Reads what other commands left in a run's folder; a file that is not there says nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from backport.values.compat import Compat
from backport.values.findings import COMPAT, STYLE, Findings
from backport.values.record import RecordError, decode
from backport.values.style import StyleReport

D = TypeVar("D")


def read_findings(folder: Path) -> Findings:
    """The style and compatibility findings of a run; `RecordError` for a file that is not one."""
    return Findings(_read(StyleReport, folder / STYLE), _read(Compat, folder / COMPAT))


def _read(kind: type[D], path: Path) -> D | None:
    data = _json(path)
    return None if data is None else decode(kind, data, str(path))


def _json(path: Path) -> object:
    try:
        found: object = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as err:
        raise RecordError(f"{path}: not JSON ({err})", hint="remove it, or write it anew") from err
    return found
