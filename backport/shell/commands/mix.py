"""Commands that watch the old and the new device in one kernel, beside each other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from backport.doors.cache import Cache
from backport.output.interopview import interop_text
from backport.output.observeview import observe_text
from backport.output.soakview import soak_text
from backport.qualify import interop as mixture
from backport.qualify import observe as sight
from backport.qualify import soak as pressure
from backport.qualify.verdict import demand_none
from backport.shell import mixing, observing, qualifying, soaking
from backport.shell.commands import common
from backport.shell.commands.common import located, show
from backport.shell.console import ConsoleRenderer
from backport.values.options import Options, Until

Markdown = Annotated[str, typer.Option(help="A document whose section of the target is renewed.")]
Fewer = Annotated[bool, typer.Option("--quick", help="Fewer loads, and no thousand devices.")]
Seconds = Annotated[int, typer.Option(help="How long the workers work.", min=1, max=86400)]
Seed = Annotated[
    int, typer.Option(help="What the workers draw from: repeats a failure.", min=0, max=2**32 - 1)
]
Briefly = Annotated[bool, typer.Option("--quick", help="A quarter of a minute at most.")]
Defect = Annotated[
    sight.Defect, typer.Option("--seed-defect", help="A program that must be noticed.")
]


def interop(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    quick: Fewer = False,
    markdown: Markdown = "",
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Mix veth and netkit under traffic and ask both how they behave; exit 1 for a surprise."""
    options = located(Options(series, target, Until.BUILD, base, rev))
    plan = mixing.plan_of(series)  # a bad file is told before minutes are spent
    with ConsoleRenderer(quiet=quiet) as emit:
        ground = qualifying.prepare(options, Cache.default(), emit)
        result = mixing.mix_on(ground, plan, emit, quick=quick)
        if markdown:
            mixing.document(ground, Path(markdown), result, plan)
    show(asdict(result), interop_text(result, plan), json=json)
    demand_none(mixture.STAGE, result.failures)


def observe(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    seed_defect: Defect = sight.Defect.NONE,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Show what an operator sees of the feature in a guest; exit 1 for what is not to be seen."""
    options = located(Options(series, target, Until.BUILD, base, rev, flavour=observing.FLAVOUR))
    views = observing.views_of(series)  # a bad file is told before minutes are spent
    with ConsoleRenderer(quiet=quiet) as emit:
        ground = qualifying.prepare(options, Cache.default(), emit)
        result = observing.observe_on(ground, views, emit, seed_defect)
    show(asdict(result), observe_text(result, target), json=json)
    demand_none(sight.STAGE, result.failures)


def soak(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    seconds: Seconds = soaking.SECONDS,
    seed: Seed = soaking.SEED,
    quick: Briefly = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Press the feature on a kernel that watches itself; exit 1 for a splat or what is left."""
    options = located(Options(series, target, Until.BUILD, base, rev, flavour=soaking.FLAVOUR))
    with ConsoleRenderer(quiet=quiet) as emit:
        ground = qualifying.prepare(options, Cache.default(), emit)
        lasting = min(seconds, soaking.QUICK_SECONDS) if quick else seconds
        result = soaking.soak_on(ground, emit, lasting, seed)
    show(asdict(result), soak_text(result), json=json)
    demand_none(pressure.STAGE, result.failures)
