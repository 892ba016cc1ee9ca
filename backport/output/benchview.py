"""Shows what a bench measured: a table for a terminal, and a page with bars that opens offline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backport.output.page import environment
from backport.qualify.bench import BenchResult
from backport.qualify.benchrows import Row

_BAR = 520.0  # pixels of the longest bar


@dataclass(frozen=True)
class Bar:
    """One bar of a plot: `whisker` is half of the spread, in pixels."""

    kernel: str
    device: str
    width: float
    whisker: float
    text: str


def bench_text(result: BenchResult) -> str:
    """All rows, by kernel, the verdict last."""
    lines = list(_table(result))
    for kernel, gain in result.gains.items():
        less = f"{result.new} takes {gain:.1f} % fewer instructions than {result.old}"
        lines.append(f"{kernel}: {less} on {result.way}")
    lines += [f"~ {line}" for line in result.notes]
    lines += [f"✗ {line}" for line in result.failures] or ["✓ as expected"]
    return "\n".join(lines)


def _table(result: BenchResult) -> Iterator[str]:
    head = (
        "instructions  beside  spread  by order  soft irqs  backlog  switches"
        "  lost  surplus  reordered"
    )
    for kernel in dict.fromkeys(row.kernel for row in result.rows):
        yield f"{kernel:28}  {head}"
        for row in result.of(kernel).values():
            cost = f"{row.instructions:,.0f}" if row.instructions else "given up"
            yield (
                f"  {row.block:26}  {cost:>12} {row.beside:6.2f}%"
                f" {row.spread:6.2f}%  {row.order_spread:7.2f}%  {row.net_rx:9.3f}"
                f"  {row.backlog:7.3f}  {row.switches:8.3f}"
                f"  {row.lost:4}  {row.surplus:7}  {row.reordered:9}"
            )
        yield ""


def bench_page(result: BenchResult) -> str:
    """A self-contained HTML page with one plot a block."""
    template = environment(autoescape=True).get_template("bench.html.j2")
    return template.render(result=result, plots=_plots(result), text=bench_text(result))


def _plots(result: BenchResult) -> dict[str, list[Bar]]:
    """Rows that differ in device and kernel only, under what they have in common."""
    groups: dict[str, list[Row]] = {}
    for row in result.rows:
        if not row.instructions:
            continue  # given up: there is nothing to draw
        groups.setdefault("_".join(row.block.split("_")[-3:]), []).append(row)
    return {what: [_bar(row, rows) for row in rows] for what, rows in sorted(groups.items())}


def _bar(row: Row, rows: list[Row]) -> Bar:
    scale = _BAR / max(one.instructions for one in rows)
    width = row.instructions * scale
    device = "_".join(row.block.split("_")[:-3])
    half = row.worst / 200 * width
    return Bar(row.kernel, device, round(width, 1), round(half, 1), f"{row.instructions:,.0f}")
