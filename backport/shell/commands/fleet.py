"""The command that rehearses a rollout on a fleet."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from backport.doors.cache import Cache
from backport.output.rolloutview import rollout_text
from backport.qualify.rehearsal import STAGE
from backport.qualify.verdict import demand_none
from backport.shell import rolling
from backport.shell.commands import common
from backport.shell.commands.common import located, show
from backport.shell.console import ConsoleRenderer
from backport.shell.rolling import Defect, RolloutOrder
from backport.values.options import Options, Until

Quick = Annotated[bool, typer.Option("--quick", help="Two nodes, each order on one of them.")]
Seed = Annotated[Defect, typer.Option("--seed-defect", help="An agent that must be caught.")]


def rollout(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    quick: Quick = False,
    seed_defect: Seed = Defect.NONE,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Rehearse the rollout of kernel and agent on a fleet under traffic; exit 1 if it fails."""
    options = located(Options(series, target, Until.BUILD, base, rev))
    order = RolloutOrder(options, quick, seed_defect)
    with ConsoleRenderer(quiet=quiet) as emit:
        result = rolling.run_rollout(order, Cache.default(), emit)
    show(asdict(result), rollout_text(result), json=json)
    demand_none(STAGE, result.failures)
