"""Commands that qualify a target for a fleet, beyond its tests."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from backport.doors.cache import Cache
from backport.output.benchview import bench_text
from backport.output.drillview import drill_text
from backport.output.qualifyview import qualify_text
from backport.qualify import bench as measure
from backport.qualify import whole
from backport.qualify.baseline import DEFAULT_BOUND
from backport.qualify.drill import STAGE, Defect
from backport.qualify.verdict import demand_none
from backport.shell import drilling, qualification, qualifying
from backport.shell.commands import common
from backport.shell.commands.common import located, show
from backport.shell.console import ConsoleRenderer
from backport.shell.drilling import DrillOrder
from backport.values.options import Options, Until

Quick = Annotated[bool, typer.Option("--quick", help="The few figures of the verdict, one boot.")]
Baseline = Annotated[str, typer.Option(help="A file of --save-baseline to compare with.")]
Bound = Annotated[float, typer.Option(help="Percent over the baseline, at most.", min=0.0)]
Save = Annotated[str, typer.Option("--save-baseline", help="Keep the figures in a file.")]

Shorter = Annotated[bool, typer.Option("--quick", help="The short form of each scenario.")]
Seed = Annotated[Defect, typer.Option("--seed-defect", help="An agent that must be caught.")]


def bench(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    quick: Quick = False,
    baseline: Baseline = "",
    bound: Bound = DEFAULT_BOUND,
    save_baseline: Save = "",
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Measure instructions a packet through veth and netkit; exit 1 for less than is expected."""
    order = qualifying.BenchOrder(
        located(Options(series, target, Until.BUILD, base, rev)),
        quick,
        qualifying.baseline_in(Path(baseline)) if baseline else {},
        Path(save_baseline) if save_baseline else None,
        bound,
    )
    with ConsoleRenderer(quiet=quiet) as emit:
        result = qualifying.run_bench(order, Cache.default(), emit)
    show(asdict(result), bench_text(result), json=json)
    demand_none(measure.STAGE, result.failures)


def drill(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    quick: Shorter = False,
    seed_defect: Seed = Defect.NONE,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Fail netkit on purpose under traffic, at every time of a pod; exit 1 for a failed drill."""
    options = located(Options(series, target, Until.BUILD, base, rev))
    with ConsoleRenderer(quiet=quiet) as emit:
        result = drilling.run_drill(DrillOrder(options, quick, seed_defect), Cache.default(), emit)
    show(asdict(result), drill_text(result), json=json)
    demand_none(STAGE, result.failures)


def qualify(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    quick: Shorter = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Play every scenario of a fleet on one build; exit 1 or 5 for what does not hold."""
    options = located(Options(series, target, Until.BUILD, base, rev))
    with ConsoleRenderer(quiet=quiet) as emit:
        result = qualification.run_qualification(options, quick, Cache.default(), emit)
    show(asdict(result), qualify_text(result), json=json)
    whole.demand_held(result)
