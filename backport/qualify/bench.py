"""What a packet costs through veth and through netkit, in guest instructions; a verdict on it.

Each boot counts its instructions as time, so that figures do not depend on the host. The same
blocks run in several boots and in both orders of making the devices; the median counts, the spread
is shown, and explained where it is large.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from backport.doors.cache import Cache
from backport.guests import kvmprobe, lab
from backport.guests.checks import Checks
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers.steps import Step
from backport.qualify import wire
from backport.qualify.benchrows import ORDERS, UNEXPLAINED, Row, Sample, rows_of
from backport.qualify.throughput import ThroughputRequest, WallClock, run_throughput
from backport.qualify.wire import WireRequest, WireRow
from backport.values.benchplan import BenchPlan, Expected, Known
from backport.values.errors import UsageError
from backport.values.events import Emit, Note, Progress, StageFinished, StageStarted

STAGE = "bench"
SUITE = "bench"


@dataclass(frozen=True)
class BenchRequest:
    """`kernels`: the one under judgement first, controls behind it; `folder` gets the consoles."""

    kernels: tuple[LabKernel, ...]
    expected: Expected
    program: Checks
    wire: Checks
    iproute2: Path
    cache: Cache
    folder: Path
    boots: int = 2  # of each order
    quick: bool = False
    arguments: tuple[str, ...] = ()  # more for the kernel command line


@dataclass(frozen=True)
class BenchResult:
    """`gains` are percent of instructions that the new device saves, by kernel.

    `notes` is what is not as one would wish and has its reason; `failures` is what has none.
    """

    way: str
    new: str
    old: str
    rows: tuple[Row, ...]
    gains: Mapping[str, float]
    failures: tuple[str, ...]
    notes: tuple[str, ...] = ()
    wire: tuple[WireRow, ...] = ()
    wall: WallClock = field(default_factory=WallClock)
    seconds: float = 0.0

    def of(self, kernel: str) -> dict[str, Row]:
        """A kernel's rows by block."""
        return {row.block: row for row in self.rows if row.kernel == kernel}


def run_bench(request: BenchRequest, emit: Emit) -> BenchResult:
    """Boot, measure, judge.

    Raises `GuestLost` for a guest that did not come to its end; figures that disappoint are a
    result, see `demand_none`.
    """
    emit(StageStarted(STAGE, "instructions per packet"))
    plan = request.expected.plan
    for known in plan.known:
        chosen(request.program.cases, known.blocks)
    blocks = chosen(request.program.cases, plan.quick if request.quick else ())
    jobs = [
        (kernel, order, boot)
        for kernel in request.kernels
        for order in ORDERS
        for boot in range(_boots(request, kernel))
    ]
    samples: list[Sample] = []
    splats: list[str] = []
    # A counted guest keeps one processor busy, and its figures do not mind the other one.
    with ThreadPoolExecutor(2) as pool:
        heard = pool.map(lambda job: _boot(request, blocks, *job), jobs)
        for number, ((kernel, order, _), one) in enumerate(zip(jobs, heard, strict=True), 1):
            lab.demand_whole(one)
            samples += [Sample(kernel.label, order, step) for step in one.of(SUITE)]
            splats += lab.splats_of(one) if kernel is request.kernels[0] else ()
            emit(Progress(STAGE, number, len(jobs), "boots"))
    result = judge(samples, [k.label for k in request.kernels], blocks, request.expected)
    result = replace(result, failures=(*result.failures, *splats))
    return _with_wall_clock(request, _with_wire(request, result, emit), emit)


def _boots(request: BenchRequest, kernel: LabKernel) -> int:
    """A control is shown and not judged: one boot of it tells what there is to see."""
    return request.boots if kernel is request.kernels[0] else 1


def _wired(request: BenchRequest) -> tuple[LabKernel, ...]:
    return request.kernels[:1] if request.quick else request.kernels


def _with_wire(request: BenchRequest, result: BenchResult, emit: Emit) -> BenchResult:
    plan = request.expected.plan
    blocks = chosen(request.wire.cases, plan.wire_quick if request.quick else ())
    rows: list[WireRow] = []
    failures: list[str] = []
    for kernel in _wired(request):
        emit(Note(STAGE, f"{kernel.label}: two guests on one wire"))
        boots = _boots(request, kernel)
        heard = wire.run_wire(
            WireRequest(
                kernel,
                request.wire,
                blocks,
                request.iproute2,
                request.cache,
                request.folder,
                boots,
            )
        )
        steps = [step for one in heard for step in one.of(wire.SUITE)]
        found = wire.rows_of(kernel.label, steps, blocks)
        rows += found
        if kernel is request.kernels[0]:
            failures += wire.failures_of(found, steps, blocks, plan)
            failures += [line for one in heard for line in lab.splats_of(one)]
    return replace(result, wire=tuple(rows), failures=(*result.failures, *failures))


def _with_wall_clock(request: BenchRequest, result: BenchResult, emit: Emit) -> BenchResult:
    kvm = kvmprobe.probe(request.kernels[0].image, request.cache)
    if kvm.usable:
        emit(Note(STAGE, "throughput by the wall clock, under KVM"))
    blocks = chosen(request.program.cases, request.expected.plan.throughput)
    asked = ThroughputRequest(
        request.kernels[:1] if request.quick else request.kernels,
        request.program,
        blocks,
        request.iproute2,
        request.cache,
        request.folder,
        request.boots,
    )
    return replace(result, wall=run_throughput(asked, kvm))


def finished(result: BenchResult, seconds: float) -> StageFinished:
    """The event of a bench that ended."""
    told = ", ".join(
        f"{result.new} {-gain:+.1f} % on {kernel}" for kernel, gain in result.gains.items()
    )
    return StageFinished(STAGE, told or "no figures", seconds)


def chosen(cases: Sequence[str], ends: tuple[str, ...]) -> tuple[str, ...]:
    """The blocks of a run: those that end as one of `ends` does, or all.

    Raises `UsageError` for an end that no block has.
    """
    for end in ends:
        if not any(case.endswith(end) for case in cases):
            hint = "name blocks of the program in bench.toml, or the ends of their names"
            raise UsageError(f"the bench program has no block {end!r}", hint=hint)
    return tuple(case for case in cases if not ends or case.endswith(ends))


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


# -- the verdict


def judge(
    samples: Iterable[Sample], kernels: Sequence[str], blocks: Sequence[str], expected: Expected
) -> BenchResult:
    """Medians, spreads, and what is not as it must be on the first of the kernels."""
    taken, plan = tuple(samples), expected.plan
    rows = rows_of(taken, kernels, blocks, plan.spread)
    gains = {k: gain for k in kernels for gain in _gain(rows, k, plan)}
    bare = BenchResult(plan.way, plan.new, plan.old, rows, gains, ())
    mine = [sample.step for sample in taken if sample.kernel == kernels[0]]
    due = {block: known for block, known in expected.losses.items() if block in blocks}
    failures = (
        *_unheard(mine, blocks, due),
        *_disordered(bare.of(kernels[0]).values()),
        *_stale(bare.of(kernels[0]), due),
        *_unsteady(bare.of(kernels[0]).values(), plan, explained=False),
        *_compared(bare, kernels[0], plan),
    )
    notes = (*_lossy(due), *_unsteady(rows, plan, explained=True))
    return replace(bare, failures=failures, notes=notes)


def _gain(rows: Iterable[Row], kernel: str, plan: BenchPlan) -> Iterator[float]:
    found = {row.block: row for row in rows if row.kernel == kernel}
    new, old = found.get(f"{plan.new}_{plan.way}"), found.get(f"{plan.old}_{plan.way}")
    if new and old and new.instructions and old.instructions:
        yield round((1 - new.instructions / old.instructions) * 100, 2)


def _unheard(
    steps: Iterable[Step], blocks: Sequence[str], due: Mapping[str, Known]
) -> Iterator[str]:
    bad: dict[str, str] = {}
    told = set()
    for step in steps:
        told.add(step.name)
        # A loss that is known is one with figures: the program did not merely fall over.
        if not step.ok and not (step.name in due and step.figures.get("lost")):
            bad[step.name] = step.detail
    yield from (f"{block}: never ran" for block in blocks if block not in told)
    yield from (f"{block}: {detail}" for block, detail in bad.items())


def _disordered(rows: Iterable[Row]) -> Iterator[str]:
    yield from (f"{row.block}: {row.reordered} reordered" for row in rows if row.reordered)


def _stale(rows: Mapping[str, Row], due: Mapping[str, Known]) -> Iterator[str]:
    for block, known in due.items():
        if block in rows and not rows[block].lost:
            yield f"{block}: lost nothing, though it must without {known.fixed_by[:12]}"


def _lossy(due: Mapping[str, Known]) -> Iterator[str]:
    for known in dict.fromkeys(due.values()):
        blocks = ", ".join(block for block, one in due.items() if one == known)
        why = " ".join(known.why.split())
        yield f"{blocks}: packets are lost, as they must be without {known.fixed_by[:12]}: {why}"


def _unsteady(rows: Iterable[Row], plan: BenchPlan, *, explained: bool) -> Iterator[str]:
    for row in rows:
        if row.worst > plan.spread and (row.cause != UNEXPLAINED) == explained:
            where = f"{row.kernel}: " if explained else ""
            yield (
                f"{where}{row.block}: spread {row.worst} % between boots, more than"
                f" {plan.spread:.0f}: {row.cause}"
            )


def _compared(result: BenchResult, kernel: str, plan: BenchPlan) -> Iterator[str]:
    rows = result.of(kernel)
    new, old = rows.get(f"{plan.new}_{plan.way}"), rows.get(f"{plan.old}_{plan.way}")
    if new is None or old is None or kernel not in result.gains:
        yield f"{plan.new} and {plan.old} cannot be compared on {plan.way}: no figures"
        return
    gain = result.gains[kernel]
    if gain < plan.gain:
        yield (
            f"{new.block}: {gain:.1f} % fewer instructions than {plan.old},"
            f" at least {plan.gain:.0f} wanted"
        )
    if new.net_rx >= old.net_rx:
        yield f"{new.block}: {new.net_rx} soft interrupts a packet, {plan.old} has {old.net_rx}"
