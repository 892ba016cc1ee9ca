"""Console logs to results: pure functions, lines in, tree out, pessimistic.

Nothing here prints or raises on a bad log; a log that says nothing is never a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from backport.guests.parsers import ktap, test_progs
from backport.guests.parsers.tree import Line, Report


class Parser(Protocol):
    """Reads one suite's output."""

    def __call__(self, lines: Iterable[Line], /) -> Report: ...


PARSERS: Mapping[str, Parser] = {"test_progs": test_progs.parse, "ktap": ktap.parse}
