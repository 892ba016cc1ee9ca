"""Shows how drills went: a row each, the verdict last."""

from __future__ import annotations

from collections.abc import Iterator

from backport.qualify.drill import DrillResult


def drill_text(result: DrillResult) -> str:
    """All drills of a guest."""
    return "\n".join(_lines(result))


def _lines(result: DrillResult) -> Iterator[str]:
    yield f"{result.kernel} ({result.release})"
    yield f"  {'drill':22}  {'device':8} {'sent':>5} {'lost':>5} {'leaks':>6} {'seconds':>8}"
    for row in result.drills:
        mark = "✓" if row.ok else "✗"
        yield (
            f"{mark} {row.name:22}  {row.device or 'none':8} {row.sent:5} {row.lost:5} "
            f"{row.leaks:6} {row.seconds:8.2f}"
        )
    yield from [f"✗ {line}" for line in result.failures] or ["✓ as expected"]
