"""Figures of the bench's blocks, over boots and orders, and why some are not as steady as others.

A block is measured in slices. The slice in the middle is what the packets cost: it repeats to the
instruction, while what the kernel does beside them (timers, threads of its own) falls into a few of
the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from backport.guests.parsers.steps import Step

ORDERS = (0, 1)
_WANTED = {
    *("units", "ns", "slices", "slice", "dear", "net_rx", "backlog", "switches", "timer", "rcu"),
    *("lost", "surplus", "reordered"),
}
# The kernel's own doings, as the guest counts them, and what each is called.
_BESIDE = {"switches": "changes of task", "timer": "timer interrupts", "rcu": "RCU rounds"}
_PACKETS = {"net_rx": "soft interrupts", "backlog": "backlog packets"}
UNEXPLAINED = "no cause found"


@dataclass(frozen=True)
class Row:
    """One block on one kernel: a unit is a packet, round trip, write or connection.

    `instructions` are by unit, in the slice in the middle (0: given up), and `beside` is what the
    whole block took more, in percent. `spread` is between boots of one order, `order_spread`
    between the medians of the orders, both in percent of the median; `cause` says why they are
    large. Soft interrupts, backlog packets and changes of task (the most of any boot) are the
    kernel's counts.
    """

    kernel: str
    block: str
    instructions: float
    beside: float
    spread: float
    order_spread: float
    net_rx: float
    backlog: float
    switches: float
    lost: int
    surplus: int
    reordered: int
    boots: int
    cause: str = ""

    @property
    def worst(self) -> float:
        """The larger of the spreads: with one boot of each order there is only one of them."""
        return max(self.spread, self.order_spread)


@dataclass(frozen=True)
class Sample:
    """What one boot of one order told of one block."""

    kernel: str
    order: int
    step: Step

    @property
    def whole(self) -> bool:
        """Whether all figures are there."""
        return self.step.figures.keys() >= _WANTED and self.step.figures["units"] > 0

    @property
    def cost(self) -> float:
        """Instructions a unit; 0 for a block that was given up, whose time is waiting."""
        return self.each("slice") * self.step.figures["slices"]

    def each(self, key: str) -> float:
        """A figure, by unit."""
        return self.step.figures[key] / self.step.figures["units"]


def rows_of(
    samples: Iterable[Sample], kernels: Sequence[str], blocks: Sequence[str], bound: float
) -> tuple[Row, ...]:
    """A row for each block of which a kernel told; `bound` is the spread that needs a cause."""
    whole = [sample for sample in samples if sample.whole]
    found = (
        _row([s for s in whole if (s.kernel, s.step.name) == (kernel, block)], bound)
        for kernel in kernels
        for block in blocks
    )
    return tuple(row for rows in found for row in rows)


def _row(mine: list[Sample], bound: float) -> Iterator[Row]:
    if not mine:
        return
    orders = [costs for n in ORDERS if (costs := [s.cost for s in mine if s.order == n])]
    # Each order counts alike, however many of its boots gave a figure.
    middle = median([median(costs) for costs in orders])
    row = Row(
        mine[0].kernel,
        mine[0].step.name,
        round(middle, 1),
        _percent(max(s.each("ns") - s.cost for s in mine), middle),
        _percent(max(_range(costs) for costs in orders), middle),
        _percent(_range([median(costs) for costs in orders]), middle),
        round(median([s.each("net_rx") for s in mine]), 3),
        round(median([s.each("backlog") for s in mine]), 3),
        round(max(s.each("switches") for s in mine), 3),
        _most(mine, "lost"),
        _most(mine, "surplus"),
        _most(mine, "reordered"),
        len(mine),
    )
    yield replace(row, cause=_cause(mine, row, bound)) if row.worst > bound else row


def _most(mine: Iterable[Sample], key: str) -> int:
    return int(max(sample.step.figures[key] for sample in mine))


def _percent(part: float, whole: float) -> float:
    return round(part / whole * 100, 2) if whole else 0.0


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _cause(mine: Sequence[Sample], row: Row, bound: float) -> str:
    """What sets the dearest boot apart from the cheapest, by the guest's own counters."""
    cheap, dear = min(mine, key=lambda s: s.cost), max(mine, key=lambda s: s.cost)
    if dear.step.figures["lost"] != cheap.step.figures["lost"]:
        return "packets were lost in some boots and not in others"
    for key, what in _PACKETS.items():
        if abs(dear.each(key) - cheap.each(key)) > 0.01 * max(1.0, cheap.each(key)):
            return f"{dear.each(key):.3f} and {cheap.each(key):.3f} {what} a unit"
    # Where most slices are alike, the one in the middle has none of what ran beside the packets.
    if dear.step.figures["dear"] * 2 >= dear.step.figures["slices"]:
        more = {k: int(dear.step.figures[k] - cheap.step.figures[k]) for k in _BESIDE}
        told = ", ".join(f"{n} {_BESIDE[k]}" for k, n in more.items() if n > 0)
        return f"other work ran beside most of it: {told} more" if told else UNEXPLAINED
    if row.spread <= bound and row.boots > len(ORDERS):
        return (
            "every boot of an order agrees, and the kernel's counters are equal: it is where the"
            " devices and sockets lie in the kernel's tables"
        )
    return UNEXPLAINED
