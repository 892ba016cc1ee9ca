"""How a scenario's verdict leaves the program."""

from __future__ import annotations

from collections.abc import Sequence

from backport.values.errors import Exit, TestsFailed


def demand_none(stage: str, failures: Sequence[str], code: Exit = Exit.TESTS_FAILED) -> None:
    """Raise `TestsFailed` for what is not as it must be; `code` for what is more serious."""
    if failures:
        lines = "\n".join(f"  {line}" for line in failures)
        error = TestsFailed(f"{stage}: {len(failures)} not as expected\n{lines}")
        error.exit_code = code
        raise error
