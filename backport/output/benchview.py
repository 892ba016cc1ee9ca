"""Shows what a bench measured: a table for a terminal, and a page with bars that opens offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backport.output.page import environment
from backport.qualify import throughput
from backport.qualify.bench import BenchResult

_BAR = 520.0  # pixels of the longest bar
WIRE_NOTE = (
    "Two guests: instructions are a guest's clock without its idle time. They depend on how many"
    "\npackets an interrupt of the card finds, so on when the host lets them cross: their spread is"
    "\nnot judged. Losses, order and the sender's soft interrupts are."
)


@dataclass(frozen=True)
class Cost:
    """A figure to draw, beside others of its `way`; `side` is a guest's of two."""

    way: str
    kernel: str
    device: str
    side: str
    instructions: float
    spread: float


@dataclass(frozen=True)
class Bar:
    """One bar of a plot: `whisker` is half of the spread, in pixels."""

    label: str
    device: str
    width: float
    whisker: float
    text: str


def bench_text(result: BenchResult) -> str:
    """All rows, by kernel, the verdict last."""
    lines = [*_table(result), *_wire_table(result), *throughput.told(result.wall)]
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


def _wire_table(result: BenchResult) -> Iterator[str]:
    """What crossed between two guests: the sender's figures, then the receiver's."""
    head = (
        "".join(f"  {side:>9}  spread  soft irqs  backlog" for side in ("sender", "receiver"))
        + "  crossed  vanished  lost  surplus  reordered"
    )
    for kernel in dict.fromkeys(row.kernel for row in result.wire):
        yield f"{f'{kernel}, two guests':22}{head}"
        for row in (one for one in result.wire if one.kernel == kernel):
            sides = "".join(
                f"  {side.instructions:9,.0f} {side.spread:6.2f}%  {side.net_rx:9.3f}"
                f"  {side.backlog:7.3f}"
                for side in (row.near, row.far)
            )
            yield (
                f"  {row.block:20}{sides}  {row.crossed:7.3f}  {row.vanished:8}  {row.lost:4}"
                f"  {row.surplus:7}  {row.reordered:9}"
            )
        yield ""
    if result.wire:
        yield WIRE_NOTE
        yield ""


def bench_page(result: BenchResult) -> str:
    """A self-contained HTML page with one plot a block, and one of each load between guests."""
    template = environment(autoescape=True).get_template("bench.html.j2")
    return template.render(
        plots=_plots(_costs(result)),
        wire=_plots(_wire_costs(result)),
        wire_note=WIRE_NOTE,
        text=bench_text(result),
    )


def _costs(result: BenchResult) -> Iterator[Cost]:
    for row in result.rows:
        device, way = _cut(row.block, 3)
        if row.instructions:  # what was given up has nothing to draw
            yield Cost(way, row.kernel, device, "", row.instructions, row.worst)


def _wire_costs(result: BenchResult) -> Iterator[Cost]:
    for row in result.wire:
        device, way = _cut(row.block, 2)
        for name, side in (("sender", row.near), ("receiver", row.far)):
            yield Cost(way, row.kernel, device, name, side.instructions, side.spread)


def _cut(block: str, words: int) -> tuple[str, str]:
    """The device of a block, whose name may hold the mark itself, and the words behind it."""
    parts = block.split("_")
    return "_".join(parts[:-words]), "_".join(parts[-words:])


def _plots(costs: Iterable[Cost]) -> dict[str, list[Bar]]:
    """What differs in kernel, device and side only, under what it has in common."""
    groups: dict[str, list[Cost]] = {}
    for cost in costs:
        groups.setdefault(cost.way, []).append(cost)
    return {way: [_bar(cost, group) for cost in group] for way, group in sorted(groups.items())}


def _bar(cost: Cost, group: list[Cost]) -> Bar:
    width = cost.instructions * _BAR / max(one.instructions for one in group)
    label = " ".join(word for word in (cost.kernel, cost.device, cost.side) if word)
    half = cost.spread / 200 * width
    return Bar(label, cost.device, round(width, 1), round(half, 1), f"{cost.instructions:,.0f}")
