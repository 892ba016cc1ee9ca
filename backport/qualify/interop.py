"""Mixtures of the old and the new device under traffic, and how both behave, with a verdict.

Guests tell what they found in one word a step; that is held against the series' `interop.toml`.
The kernel that the feature comes from stands beside the one under judgement and must do the same.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from backport.doors.cache import Cache
from backport.guests import lab
from backport.guests.checks import Checks
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers.steps import Step
from backport.values.errors import UsageError
from backport.values.events import Emit, Progress, StageFinished, StageStarted
from backport.values.mixture import HOST, WIRE, Expected, Plan
from backport.values.version import Version

STAGE = "interop"
SUITE = "interop"
CASES = "lab/cases"
SERVE = Expected("serve", WIRE, "serve", (), 0, "", "", {})
REFERENCES = Expected("references", "lives", "references", (), 0, "released", "", {})
MISSING = "never told"
_NUMBERS = re.compile(r"\d+\.\d+(?:\.\d+)?")


@dataclass(frozen=True)
class InteropRequest:
    """`kernels`: the one under judgement first, then what stands beside it."""

    kernels: tuple[LabKernel, ...]
    plan: Plan
    mixing: Checks
    probing: Checks
    iproute2: Path
    cache: Cache
    folder: Path
    quick: bool = False


@dataclass(frozen=True)
class Finding:
    """One thing that was found out: `got` is the guest's word, `word` the expected one."""

    kernel: str
    name: str
    group: str
    what: str
    devices: tuple[str, ...]
    family: int
    word: str
    got: str
    ok: bool
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class InteropResult:
    """`failures` is what is not as it must be; `releases` are the kernels' own, by label."""

    findings: tuple[Finding, ...]
    failures: tuple[str, ...]
    releases: Mapping[str, str]
    seconds: float = 0.0

    def of(self, kernel: str, group: str) -> tuple[Finding, ...]:
        """What was found on one kernel in one group."""
        return tuple(f for f in self.findings if (f.kernel, f.group) == (kernel, group))


@dataclass(frozen=True)
class Told:
    """What one guest told, and what it should have: `kernel` is the label that it goes under."""

    kernel: str
    heard: Heard
    expected: tuple[Expected, ...]


def run_interop(request: InteropRequest, emit: Emit) -> InteropResult:
    """Boot all guests, ask, judge. Raises `GuestLost` for one that did not come to its end."""
    _demand_same(request)
    start = time.monotonic()
    emit(StageStarted(STAGE, "mixtures of devices"))
    jobs = list(_jobs(request))
    told: list[Told] = []
    # A counted guest keeps one processor busy; guests on a wire are two, on real time.
    alone, together = [j for j in jobs if j.alone], [j for j in jobs if not j.alone]
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda job: job.run(), alone):
            told += found
            emit(Progress(STAGE, len(told), len(jobs), "boots"))
    for job in together:
        told += job.run()
    result = judge(told)
    good, seconds = sum(f.ok for f in result.findings), time.monotonic() - start
    emit(StageFinished(STAGE, f"{good} of {len(result.findings)} as expected", seconds))
    return replace(result, seconds=round(seconds, 1))


def _demand_same(request: InteropRequest) -> None:
    """The data and the programs must know the same loads and questions."""
    loads = {load.name for load in request.plan.loads}
    asked = {one.name for one in request.plan.behaviours}
    for kind, ours, theirs in (
        ("load", loads, request.mixing.cases),
        ("behaviour", asked, request.probing.cases),
    ):
        odd = ours.symmetric_difference(theirs)
        if odd:
            raise UsageError(
                f"{kind} {', '.join(sorted(odd))}: only one of interop.toml and the program has it",
                hint="give it an expectation and a function, or neither",
            )


# -- guests


@dataclass(frozen=True)
class _Job:
    """Guests that boot at once; alone when it is one."""

    alone: bool
    run: Callable[[], list[Told]]


def _jobs(request: InteropRequest) -> Iterator[_Job]:
    ours = request.kernels[0]
    for kernel in request.kernels:
        yield _alone(request, kernel, HOST, f"host /{CASES}")
        yield _alone(request, kernel, "behaviour", "")
    if not request.quick:
        yield _alone(request, ours, "lives", "lives")
    yield _wire(request, ours, ours)
    if not request.quick:
        for other in request.kernels[1:]:
            yield _wire(request, ours, other)


def _alone(request: InteropRequest, kernel: LabKernel, group: str, words: str) -> _Job:
    def run() -> list[Told]:
        member = _member(request, kernel, f"{group}-{kernel.label}", group, words)
        heard = lab.run_alone(member, request.iproute2, request.cache, counted=True)
        lab.demand_whole(heard)
        return [Told(kernel.label, heard, expected(request, group, heard))]

    return _Job(alone=True, run=run)


def _wire(request: InteropRequest, ours: LabKernel, other: LabKernel) -> _Job:
    def run() -> list[Told]:
        label = ours.label if other is ours else f"{ours.label} and {other.label}"
        stem = f"{WIRE}-{ours.label}-{other.label}"
        driving = _member(request, ours, f"{stem}-drive", WIRE, f"drive /{CASES}")
        serving = _member(request, other, f"{stem}-serve", WIRE, "serve")
        drove, served = lab.run_together((driving, serving), request.iproute2, request.cache)
        for heard in (drove, served):
            lab.demand_whole(heard)
        return [
            Told(label, drove, expected(request, WIRE, drove)),
            Told(label, served, (SERVE,)),
        ]

    return _Job(alone=False, run=run)


def _member(
    request: InteropRequest, kernel: LabKernel, name: str, group: str, words: str
) -> Member:
    checks = request.probing if group == "behaviour" else request.mixing
    program = f"bin/{checks.name}"
    payload = Payload(
        {SUITE: f"/{program} {words}".strip()},
        {program: checks.program},
        {CASES: cases(request, group)},
    )
    log = request.folder / f"interop-{name}.log"
    return Member(name, kernel, payload, log, deadline=200.0, silence=60.0)


def cases(request: InteropRequest, place: str) -> bytes:
    """The lines that the mixing program reads; what comes of them is not told to it."""
    any_kernel = Version(0, 0)
    rows = request.plan.mixtures(place, any_kernel, quick=request.quick)
    lines = (f"{e.name} {e.devices[0]} {e.devices[1]} {e.family} {e.what}\n" for e in rows)
    return "".join(lines).encode()


def expected(request: InteropRequest, group: str, heard: Heard) -> tuple[Expected, ...]:
    """What a guest must tell, by the version that it says it is."""
    numbers = _NUMBERS.match(heard.release)
    kernel = Version.parse(numbers[0]) if numbers else Version(0, 0)
    if group == "behaviour":
        return tuple(request.plan.answers(kernel))
    if group == "lives":
        return (*request.plan.lives_of(kernel), REFERENCES)
    return tuple(request.plan.mixtures(group, kernel, quick=request.quick))


# -- the verdict


def judge(told: Sequence[Told]) -> InteropResult:
    """Every expected thing must have been told, with the expected word, and nothing else."""
    findings = tuple(found for one in told for found in _findings(one))
    failures = (
        *(_sentence(found) for found in findings if not found.ok),
        *(line for one in told for line in _troubles(one)),
        *(() if findings else ("nothing was found out",)),
    )
    releases: dict[str, str] = {}
    for one in told:  # of a pair of guests the one that drives comes first
        releases.setdefault(one.kernel, one.heard.release)
    shown = tuple(f for f in findings if f.what != SERVE.what)
    return InteropResult(shown, failures, releases)


def _findings(told: Told) -> Iterator[Finding]:
    steps = {step.name: step for step in told.heard.of(SUITE)}
    for one in told.expected:
        step = steps.get(one.name, Step(one.name, ok=False, detail=MISSING))
        over = [key for key, most in one.most.items() if step.figures.get(key, most + 1) > most]
        ok = step.ok and step.detail == one.word and not over
        got = step.detail if not over else f"{step.detail}, too much of {', '.join(over)}"
        yield Finding(
            told.kernel,
            one.name,
            one.group,
            one.what,
            one.devices,
            one.family,
            one.word,
            got,
            ok,
            one.reason,
            dict(step.figures),
        )


def _troubles(told: Told) -> Iterator[str]:
    heard, names = told.heard, {one.name for one in told.expected}
    where = f"{told.kernel}, {heard.name}"
    extra = [step.name for step in heard.of(SUITE) if step.name not in names]
    yield from (f"{where}: told of {name}, which nobody asked for" for name in extra)
    yield from (f"{where}: {line}" for line in heard.steps[SUITE].problems)
    yield from (f"{where}: kernel: {splat.headline}" for splat in heard.splats)
    if heard.status.get(SUITE):
        yield f"{where}: the program ended with {heard.status[SUITE]} (see {heard.log})"


def _sentence(found: Finding) -> str:
    numbers = ", ".join(f"{key} {value:g}" for key, value in found.figures.items())
    text = f"{found.kernel}: {found.name}: {found.got}, expected {found.word}"
    return f"{text} ({numbers})" if numbers else text
