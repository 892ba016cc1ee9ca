"""How a scenario's verdict leaves the program."""

from __future__ import annotations

from collections.abc import Sequence

from backport.values.errors import TestsFailed


def demand_none(stage: str, failures: Sequence[str]) -> None:
    """Raise `TestsFailed` for what is not as it must be."""
    if failures:
        lines = "\n".join(f"  {line}" for line in failures)
        raise TestsFailed(f"{stage}: {len(failures)} not as expected\n{lines}")
