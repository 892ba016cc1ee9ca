"""What a packet costs through veth and through netkit, in guest instructions; a verdict on it.

Each boot counts its instructions as time, so that figures do not depend on the host. The same
blocks run in several boots and in both orders of making the devices; the median counts, the spread
is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from backport.doors.cache import Cache
from backport.guests import lab
from backport.guests.checks import Checks
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers.steps import Step
from backport.values.errors import UsageError
from backport.values.events import Emit, Progress, StageFinished, StageStarted

STAGE = "bench"
SUITE = "bench"
ORDERS = (0, 1)
# Blocks of qemu/bench_netkit.c by the end of their name: what a short run asks for.
QUICK = ("bpf_nic_udp64", "pass_nic_udp64", "bpf_pod_udprr")
# The verdict: on this way out of a pod, the device under judgement against the old one.
WAY, NEW, OLD = "bpf_nic_udp64", "netkit_l3", "veth"
GAIN = 10.0  # percent of instructions fewer, at least
SPREAD = 2.0  # percent of the median between boots and orders, at most
DEFAULT_BOUND = 3.0  # percent over a stored baseline


@dataclass(frozen=True)
class BenchRequest:
    """`kernels`: the one under judgement first, controls behind it; `folder` gets the consoles."""

    kernels: tuple[LabKernel, ...]
    program: Checks
    iproute2: Path
    cache: Cache
    folder: Path
    boots: int = 2  # of each order
    quick: bool = False
    arguments: tuple[str, ...] = ()  # more for the kernel command line


@dataclass(frozen=True)
class Row:
    """One block on one kernel: a unit is a packet, round trip, write or connection.

    `spread` is between boots of one order, `order_spread` between the medians of the orders, both
    in percent of the median. Soft interrupts, backlog packets and switches between tasks (the most
    of any boot) are the kernel's own counts.
    """

    kernel: str
    block: str
    instructions: float
    spread: float
    order_spread: float
    net_rx: float
    backlog: float
    switches: float
    lost: int
    reordered: int
    boots: int


@dataclass(frozen=True)
class BenchResult:
    """`gains` are percent of instructions that `NEW` saves on `WAY`, by kernel."""

    rows: tuple[Row, ...]
    gains: Mapping[str, float]
    failures: tuple[str, ...]
    seconds: float = 0.0

    def of(self, kernel: str) -> dict[str, Row]:
        """A kernel's rows by block."""
        return {row.block: row for row in self.rows if row.kernel == kernel}


@dataclass(frozen=True)
class Sample:
    """What one boot of one order told of one block."""

    kernel: str
    order: int
    step: Step


def run_bench(request: BenchRequest, emit: Emit) -> BenchResult:
    """Boot, measure, judge.

    Raises `GuestLost` for a guest that did not come to its end; figures that disappoint are a
    result, see `demand_none`.
    """
    emit(StageStarted(STAGE, "instructions per packet"))
    blocks = chosen(request.program.cases, quick=request.quick)
    jobs = [(k, o, b) for k in request.kernels for o in ORDERS for b in range(request.boots)]
    samples: list[Sample] = []
    # A counted guest keeps one processor busy, and its figures do not mind the other one.
    with ThreadPoolExecutor(2) as pool:
        heard = pool.map(lambda job: _boot(request, blocks, *job), jobs)
        for number, ((kernel, order, _), one) in enumerate(zip(jobs, heard, strict=True), 1):
            lab.demand_whole(one)
            samples += [Sample(kernel.label, order, step) for step in one.of(SUITE)]
            emit(Progress(STAGE, number, len(jobs), "boots"))
    return judge(samples, [k.label for k in request.kernels], blocks)


def finished(result: BenchResult, seconds: float) -> StageFinished:
    """The event of a bench that ended."""
    told = ", ".join(f"{NEW} {-gain:+.1f} % on {kernel}" for kernel, gain in result.gains.items())
    return StageFinished(STAGE, told or "no figures", seconds)


def chosen(cases: Sequence[str], *, quick: bool) -> tuple[str, ...]:
    """The blocks of a run."""
    found = tuple(case for case in cases if not quick or case.endswith(QUICK))
    if not found:
        raise UsageError("the bench program lists no block that is wanted")
    return found


def _boot(
    request: BenchRequest, blocks: tuple[str, ...], kernel: LabKernel, order: int, boot: int
) -> Heard:
    program = f"bin/{request.program.name}"
    command = f"/{program} {order} {','.join(blocks)}"
    name = f"bench-{kernel.label}-{order}-{boot}"
    member = Member(
        name,
        kernel,
        Payload({SUITE: command}, {program: request.program.program}),
        request.folder / f"{name}.log",
        deadline=200.0,
        silence=60.0,
        arguments=request.arguments,
    )
    return lab.run_alone(member, request.iproute2, request.cache, counted=True)


# -- figures


def judge(samples: Iterable[Sample], kernels: Sequence[str], blocks: Sequence[str]) -> BenchResult:
    """Medians, spreads, and what is not as it must be on the first of the kernels."""
    taken = tuple(samples)
    rows = tuple(row for k in kernels for b in blocks for row in _row(taken, k, b))
    gains = {k: gain for k in kernels for gain in _gain(rows, k)}
    result = BenchResult(rows, gains, ())
    return BenchResult(rows, gains, tuple(_failures(taken, result, kernels[0], blocks)))


def _row(samples: tuple[Sample, ...], kernel: str, block: str) -> Iterator[Row]:
    mine = [s for s in samples if s.kernel == kernel and s.step.name == block and _whole(s.step)]
    if not mine:
        return
    by_order = [[_each(s.step, "ns") for s in mine if s.order == order] for order in ORDERS]
    orders = [costs for costs in by_order if costs]
    # Each order counts alike, however many of its boots gave a figure.
    middle = median([median(costs) for costs in orders])
    yield Row(
        kernel,
        block,
        round(middle, 1),
        round(max((max(c) - min(c)) / middle for c in orders) * 100, 2),
        round(_range([median(c) for c in orders]) / middle * 100, 2),
        round(median([_each(s.step, "net_rx") for s in mine]), 3),
        round(median([_each(s.step, "backlog") for s in mine]), 3),
        round(max(_each(s.step, "switches") for s in mine), 3),
        int(max(s.step.figures["lost"] for s in mine)),
        int(max(s.step.figures["reordered"] for s in mine)),
        len(mine),
    )


def _whole(step: Step) -> bool:
    wanted = {"units", "ns", "net_rx", "backlog", "switches", "lost", "reordered"}
    return wanted <= step.figures.keys() and step.figures["units"] > 0


def _each(step: Step, key: str) -> float:
    return step.figures[key] / step.figures["units"]


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _gain(rows: Iterable[Row], kernel: str) -> Iterator[float]:
    found = {row.block: row for row in rows if row.kernel == kernel}
    new, old = found.get(f"{NEW}_{WAY}"), found.get(f"{OLD}_{WAY}")
    if new and old:
        yield round((1 - new.instructions / old.instructions) * 100, 2)


# -- the verdict


def _failures(
    samples: tuple[Sample, ...], result: BenchResult, kernel: str, blocks: Sequence[str]
) -> Iterator[str]:
    told = {s.step.name for s in samples if s.kernel == kernel}
    yield from (f"{block}: never ran" for block in blocks if block not in told)
    bad = {s.step.name: s.step.detail for s in samples if s.kernel == kernel and not s.step.ok}
    yield from (f"{block}: {detail}" for block, detail in bad.items())
    found = result.of(kernel)
    yield from (f"{r.block}: {r.reordered} reordered" for r in found.values() if r.reordered)
    yield from _compared(result, kernel, found.get(f"{NEW}_{WAY}"), found.get(f"{OLD}_{WAY}"))


def _compared(result: BenchResult, kernel: str, new: Row | None, old: Row | None) -> Iterator[str]:
    if new is None or old is None:
        yield f"{NEW} and {OLD} cannot be compared on {WAY}: no figures"
        return
    gain = result.gains[kernel]
    if gain < GAIN:
        yield f"{new.block}: {gain:.1f} % fewer instructions than {OLD}, at least {GAIN:.0f} wanted"
    if new.net_rx >= old.net_rx:
        yield f"{new.block}: {new.net_rx} soft interrupts a packet, {OLD} has {old.net_rx}"
    for row in (new, old):
        # With one boot of each order there is no other spread than that between the orders.
        spread = max(row.spread, row.order_spread)
        if spread > SPREAD:
            yield f"{row.block}: spread {spread} % between boots, at most {SPREAD:.0f} allowed"


# -- a stored baseline


def baseline_of(result: BenchResult, kernel: str) -> dict[str, float]:
    """What a later run is compared with: instructions a unit, by block."""
    return {block: row.instructions for block, row in result.of(kernel).items()}


def regressions(
    result: BenchResult, kernel: str, baseline: Mapping[str, float], bound: float
) -> tuple[str, ...]:
    """Blocks that cost more than `bound` percent over the baseline, or are not there any more."""
    now = baseline_of(result, kernel)
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
