"""A stored baseline of the bench: what a later run is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backport.qualify.benchrows import Row
from backport.values.errors import UsageError

DEFAULT_BOUND = 3.0  # percent over it that are allowed


def baseline_of(rows: Iterable[Row], kernel: str) -> dict[str, float]:
    """Instructions a unit of a kernel, by block."""
    return {
        row.block: row.instructions for row in rows if row.kernel == kernel and row.instructions
    }


def regressions(
    now: Mapping[str, float], baseline: Mapping[str, float], bound: float
) -> tuple[str, ...]:
    """Blocks that cost more than `bound` percent over the baseline.

    A short run has fewer blocks than a whole one: those of both are compared.
    """
    both = [block for block in baseline if block in now]
    found = [] if both else ["the baseline and this run have no block in common"]
    for block in both:
        more = (now[block] / baseline[block] - 1) * 100
        if more > bound:
            found.append(f"{block}: {more:+.1f} % over the baseline, at most {bound:g} allowed")
    return tuple(found)


def read_baseline(data: object, where: str) -> dict[str, float]:
    """A baseline out of its JSON; raises `UsageError` for anything else."""
    if isinstance(data, dict) and data and all(_cost(value) for value in data.values()):
        return {str(block): float(value) for block, value in data.items()}
    hint = "make one with backport bench SERIES --save-baseline FILE"
    raise UsageError(f"{where}: not a baseline: wants an object of numbers above 0", hint=hint)


def _cost(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
