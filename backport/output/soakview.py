"""Shows what a soak did and what it left."""

from __future__ import annotations

from collections.abc import Iterator

from backport.qualify.soak import SoakResult


def soak_text(result: SoakResult) -> str:
    """A row a worker, what is left, the verdict last."""
    return "\n".join(_lines(result))


def _lines(result: SoakResult) -> Iterator[str]:
    yield f"{result.kernel} ({result.release}), {result.worked} s, seed {result.seed}"
    yield f"  {'worker':10} {'acts':>9} {'refused':>8}"
    for one in result.workers:
        yield f"{'✓' if one.ok else '✗'} {one.name:10} {one.done:9} {one.other:8}"
    kinds = ", ".join(f"{n} {kind}" for kind, n in result.left.items())
    yield f"left: {kinds or 'not told'}"
    yield from (f"  {line}" for line in result.leaks)
    yield from [f"✗ {line}" for line in result.failures] or ["✓ as expected"]
