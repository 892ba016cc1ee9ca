"""Commands that do the work: plan, pick, build, boot, test, run, continue, abort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from backport.doors.cache import Cache
from backport.doors.rundir import workspace
from backport.doors.store import Store
from backport.picking import stopped
from backport.shell.commands import common
from backport.shell.commands.common import perform, say, say_json
from backport.values import options as words
from backport.values.options import Options, Until


def plan(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    upstream: common.Upstream = "",
    ladder: common.Ladder = False,
    sure_steps: common.SureSteps = False,
    refresh: common.Refresh = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Show what a run would pick, from where, onto what; changes nothing but caches."""
    options = Options(
        series, target, Until.PLAN, base, rev, upstream, refresh=refresh, ladder=ladder,
        sure_steps=sure_steps,
    )  # fmt: skip
    perform(options, json=json, quiet=quiet)


def pick(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    upstream: common.Upstream = "",
    branch: common.Branch = "",
    force: common.Force = False,
    ladder: common.Ladder = False,
    sure_steps: common.SureSteps = False,
    strict_picks: common.StrictPicks = False,
    refresh: common.Refresh = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Pick the series onto the base, resolve by rules, judge each pick, move the branch."""
    options = Options(
        series,
        target,
        Until.PICK,
        base,
        rev,
        upstream,
        branch,
        force,
        refresh=refresh,
        ladder=ladder,
        sure_steps=sure_steps,
        strict_picks=strict_picks,
    )
    perform(options, json=json, quiet=quiet)


def _staged(until: Until, text: str) -> Callable[..., None]:
    def command(
        series: common.Series,
        target: common.Target = common.DEFAULT_TARGET,
        base: common.Base = "",
        rev: common.Rev = "",
        upstream: common.Upstream = "",
        branch: common.Branch = "",
        force: common.Force = False,
        accel: common.Accel = words.Accel.AUTO,
        jobs: common.Jobs = 0,
        flavour: common.Flavour = "",
        ladder: common.Ladder = False,
        sure_steps: common.SureSteps = False,
        strict_picks: common.StrictPicks = False,
        refresh: common.Refresh = False,
        json: common.Json = False,
        quiet: common.Quiet = False,
    ) -> None:
        options = Options(
            series, target, until, base, rev, upstream, branch, force, accel, jobs, refresh,
            flavour, ladder=ladder, sure_steps=sure_steps, strict_picks=strict_picks,
        )  # fmt: skip
        perform(options, json=json, quiet=quiet)

    command.__doc__ = text
    return command


build = _staged(Until.BUILD, "Pick, then configure and build the kernel.")
boot = _staged(Until.BOOT, "Build, then boot the kernel to its init and off again.")
run = _staged(Until.RUN, "Everything: pick, build, boot, test, controls, series and report.")


def test(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    upstream: common.Upstream = "",
    branch: common.Branch = "",
    force: common.Force = False,
    accel: common.Accel = words.Accel.AUTO,
    jobs: common.Jobs = 0,
    flavour: common.Flavour = "",
    suite: common.Suites = None,
    ladder: common.Ladder = False,
    sure_steps: common.SureSteps = False,
    refresh: common.Refresh = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Build, then run the selftests in the booted kernel, or some suites of them."""
    options = Options(
        series, target, Until.TEST, base, rev, upstream, branch, force, accel, jobs, refresh,
        flavour, tuple(suite or ()), ladder, sure_steps,
    )  # fmt: skip
    perform(options, json=json, quiet=quiet)


StoppedSeries = Annotated[str, typer.Option("--series", help="The series [the one that stopped].")]
StoppedTarget = Annotated[str, typer.Option("--target", help="The target [the one that stopped].")]


def continue_(
    series: StoppedSeries = "",
    target: StoppedTarget = "",
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Take the conflicts resolved in the worktree, and go on with the same command."""
    found = stopped.choose(Cache.default().runs, series, target)
    perform(Options.from_json(found.options), json=json, quiet=quiet, resumed=found)


def abort(
    series: StoppedSeries = "", target: StoppedTarget = "", json: common.Json = False
) -> None:
    """Give up a stopped series: remove its worktree; finished picks stay in the cache."""
    cache = Cache.default()
    found = stopped.choose(cache.runs, series, target)
    folder = workspace(cache.runs, found.series, found.target)
    stopped.abort(Store(cache).git, folder, found)
    if json:
        say_json({"series": found.series, "target": found.target, "removed": found.worktree})
    else:
        say(f"gave up {found.series} on {found.target}; the branch is as it was")


__all__ = ["abort", "boot", "build", "continue_", "pick", "plan", "run", "test"]
