"""Shows how drills went: a row each, the verdict last."""

from __future__ import annotations

from collections.abc import Iterator

from backport.qualify.drill import DrillResult


def drill_text(result: DrillResult) -> str:
    """All drills of a target."""
    return "\n".join(_lines(result))


def _lines(result: DrillResult) -> Iterator[str]:
    releases = ", ".join(f"{word} {release}" for word, release in result.releases.items())
    yield f"{result.kernel}; kernels: {releases}"
    head = f"{'device':8} {'sent':>5} {'lost':>5} {'outage':>8} {'lost after':>11} {'left':>5}"
    yield f"  {'drill':28} {head}"
    for row in result.drills:
        yield (
            f"{'✓' if row.ok else '✗'} {row.name:28} {row.device or 'none':8} {row.sent:5} "
            f"{row.lost:5} {row.outage:6.1f} s {row.after_lost:11} {row.leaks:5}"
        )
    yield from [f"✗ {line}" for line in result.failures] or ["✓ as expected"]
