"""All scenarios of a target on one build of it, in one run's folder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from backport.doors.cache import Cache
from backport.output.benchview import bench_text
from backport.output.drillview import drill_text
from backport.output.interopview import interop_text
from backport.output.observeview import observe_text
from backport.output.qualifyview import qualify_page
from backport.output.rolloutview import rollout_text
from backport.output.soakview import soak_text
from backport.qualify import whole
from backport.qualify.whole import Findings, Qualification, Scenario
from backport.shell import drilling, mixing, observing, qualifying, rolling, soaking
from backport.shell.drilling import DrillOrder
from backport.shell.qualifying import BenchOrder, Ground
from backport.shell.rolling import RolloutOrder
from backport.values.events import Emit
from backport.values.options import Options


@dataclass(frozen=True)
class Part:
    """A scenario as the registry has it; `play` is asked on a ground, quickly or in full.

    `flavour` is that of the kernel it is played on, where it is not the usual one.
    """

    name: str
    title: str
    play: Callable[[Ground, bool, Emit], Findings]
    flavour: str = ""


def _bench(ground: Ground, quick: bool, emit: Emit) -> Findings:
    result = qualifying.measure(BenchOrder(ground.options, quick), ground, emit)
    return Findings(result.failures, bench_text(result))


def _interop(ground: Ground, quick: bool, emit: Emit) -> Findings:
    plan = mixing.plan_of(ground.options.series)
    result = mixing.mix_on(ground, plan, emit, quick=quick)
    return Findings(result.failures, interop_text(result, plan))


def _drill(ground: Ground, quick: bool, emit: Emit) -> Findings:
    result = drilling.drill_on(DrillOrder(ground.options, quick), ground, emit)
    return Findings(result.failures, drill_text(result))


def _rollout(ground: Ground, quick: bool, emit: Emit) -> Findings:
    result = rolling.rollout_on(RolloutOrder(ground.options, quick), ground, emit)
    return Findings(result.failures, rollout_text(result))


def _observe(ground: Ground, _quick: bool, emit: Emit) -> Findings:
    result = observing.observe_on(ground, observing.views_of(ground.options.series), emit)
    return Findings(result.failures, observe_text(result, ground.options.target))


def _soak(ground: Ground, quick: bool, emit: Emit) -> Findings:
    lasting = soaking.QUICK_SECONDS if quick else soaking.SECONDS
    result = soaking.soak_on(ground, emit, lasting)
    return Findings(result.failures, soak_text(result))


PARTS = (
    Part("bench", "what a packet costs, beside veth and the donor's kernel", _bench),
    Part("interop", "old and new devices mixed, and how both behave", _interop),
    Part("drill", "failures, and an agent that falls back", _drill),
    Part("rollout", "a fleet taken to the new kernel and agent, and back", _rollout),
    Part("observe", "what an operator sees of it", _observe, observing.FLAVOUR),
    Part("soak", "stress, on a kernel that watches itself", _soak, soaking.FLAVOUR),
)


def run_qualification(options: Options, quick: bool, cache: Cache, emit: Emit) -> Qualification:
    """Build, play all parts; leaves `qualify.json` and `qualify.html` in the run's folder.

    Raises whatever ends the build; what ends a part, or the build of its flavour, is that part's
    outcome.
    """
    ground = qualifying.prepare(options, cache, emit)
    scenarios = [
        Scenario(part.name, part.title, functools.partial(_play, part, ground, quick, emit))
        for part in PARTS
    ]
    result = whole.qualify(ground.kernel.label, scenarios, emit, quick=quick)
    ground.keep(whole.STAGE, asdict(result), qualify_page(result))
    return result


def _play(part: Part, ground: Ground, quick: bool, emit: Emit) -> Findings:
    if part.flavour:
        options = replace(ground.options, flavour=part.flavour)
        other = qualifying.prepare(options, ground.cache, emit)
        # One qualification leaves its results in one folder, whatever it is played on.
        ground = replace(other, folder=ground.folder)
    return part.play(ground, quick, emit)
