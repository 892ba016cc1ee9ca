"""Commands that do the work: plan, pick, build, boot, test, run, continue, abort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from backport import stopped
from backport.cache import Cache
from backport.commands import common
from backport.commands.common import say, say_json
from backport.console import ConsoleRenderer
from backport.errors import BackportError
from backport.options import Options, Until
from backport.pipeline import go_on
from backport.record import RunRecord
from backport.rundir import find, latest, workspace
from backport.store import Store
from backport.summary import summary


def plan(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    upstream: common.Upstream = "",
    refresh: common.Refresh = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Show what a run would pick, from where, onto what; changes nothing but caches."""
    options = Options(series, target, Until.PLAN, base, rev, upstream, refresh=refresh)
    record = common.perform(options, quiet=quiet)
    _print(record, json=json)


def pick(
    series: common.Series,
    target: common.Target = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    upstream: common.Upstream = "",
    branch: common.Branch = "",
    force: common.Force = False,
    refresh: common.Refresh = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Pick the series onto the base, resolve by rules, move the branch."""
    options = Options(
        series, target, Until.PICK, base, rev, upstream, branch, force, refresh=refresh
    )
    _print(common.perform(options, quiet=quiet), json=json)


def _staged(until: Until, text: str) -> Callable[..., None]:
    def command(
        series: common.Series,
        target: common.Target = common.DEFAULT_TARGET,
        base: common.Base = "",
        rev: common.Rev = "",
        upstream: common.Upstream = "",
        branch: common.Branch = "",
        force: common.Force = False,
        accel: common.Accel = "auto",
        jobs: common.Jobs = 0,
        refresh: common.Refresh = False,
        json: common.Json = False,
        quiet: common.Quiet = False,
    ) -> None:
        options = Options(
            series, target, until, base, rev, upstream, branch, force, accel, jobs, refresh
        )
        _run(options, json=json, quiet=quiet)

    command.__doc__ = text
    return command


build = _staged(Until.BUILD, "Pick, then configure and build the kernel.")
boot = _staged(Until.BOOT, "Build, then boot the kernel to its init and off again.")
test = _staged(Until.TEST, "Build, then run the selftests in the booted kernel.")
run = _staged(Until.RUN, "Everything: pick, build, boot, test, controls, series and report.")

SeriesName = Annotated[str, typer.Option("--series", help="The series [the one that stopped].")]


def continue_(
    series: SeriesName = "",
    target: Annotated[str, typer.Option(help="The target [the one that stopped].")] = "",
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Take the conflicts resolved in the worktree, and go on with the same command."""
    found = _stopped(series, target)
    with ConsoleRenderer(quiet=quiet) as emit:
        options = go_on(found, Cache.default(), emit)
    _run(options, json=json, quiet=quiet)


def abort(
    series: SeriesName = "",
    target: Annotated[str, typer.Option(help="The target [the one that stopped].")] = "",
) -> None:
    """Give up a stopped series: remove its worktree; finished picks stay in the cache."""
    found = _stopped(series, target)
    cache = Cache.default()
    folder = workspace(cache.runs, found.series, found.target)
    stopped.discard(Store(cache).git, folder, found)
    say(f"gave up {found.series} on {found.target}; the branch is as it was")


def _stopped(series: str, target: str) -> stopped.State:
    runs = Cache.default().runs
    if series and target:
        return stopped.load(workspace(runs, series, target))
    folders = sorted(p.parent for p in runs.glob(f"*/{stopped.STATE}"))
    return stopped.only(folders)


def _run(options: Options, *, json: bool, quiet: bool) -> None:
    try:
        record = common.perform(options, quiet=quiet)
    except BackportError:
        _show_failed(options, json=json)
        raise
    _print(record, json=json)


def _show_failed(options: Options, *, json: bool) -> None:
    """The record of a run that ended in an error is data as well."""
    found = latest(Cache.default().runs, options.series, options.target)
    if found is not None and found.record.failure is not None:
        _print(found.record, json=json)


def _print(record: RunRecord, *, json: bool) -> None:
    if json:
        say_json(record.to_json())
    else:
        folder = find(Cache.default().runs, record.id).path
        say(summary(record, folder))


__all__ = ["abort", "boot", "build", "continue_", "pick", "plan", "run", "test"]
