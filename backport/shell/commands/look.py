"""Commands that look at what is there: status, report, review, doctor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from backport.doors.cache import Cache
from backport.doors.rundir import Found, list_runs
from backport.output.report import write_report
from backport.output.summary import summary
from backport.shell import delivery
from backport.shell import doctor as examination
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.console import ConsoleRenderer

RunName = Annotated[str, typer.Argument(help="A run: its id or folder [the newest].")]


def status(
    run: RunName = "",
    all_: Annotated[bool, typer.Option("--all", help="List every run.")] = False,
    json: common.Json = False,
) -> None:
    """Show the newest run, one run, or all of them."""
    if all_:
        found = list_runs(Cache.default().runs)
        if json:
            say_json([_row(item) for item in found])
        else:
            say("\n".join(_line(item) for item in found) or "there are no runs yet")
        return
    chosen = common.chosen_run(run)
    if json:
        say_json(chosen.record.to_json())
    else:
        say(summary(chosen.record, chosen.path))


def report(run: RunName = "", json: common.Json = False) -> None:
    """Write report.md and report.html of a run and print where they are."""
    chosen = common.chosen_run(run)
    paths = {name: str(p) for name, p in write_report(chosen.record, chosen.path).items()}
    if json:
        say_json(paths)
    else:
        say("\n".join(paths.values()))


def review(
    run: RunName = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write [in the run's folder].")
    ] = None,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Write the review page: each commit beside upstream's, with the rule behind each line."""
    chosen = common.chosen_run(run)
    with ConsoleRenderer(quiet=quiet) as emit:
        page = delivery.write_review(chosen, Cache.default(), output, emit)
    if json:
        say_json(
            {
                "page": str(page.path),
                "bytes": page.size,
                "lines": page.same,
                "differ": page.differ,
                "unexplained": page.unowned,
                "untied": list(page.untold),
            }
        )
    else:
        say(str(page.path))


def doctor(json: common.Json = False) -> None:
    """Look for every tool that the commands need, and say how to install what is missing."""
    found = examination.examine(cache=Cache.default().root)
    if json:
        say_json([asdict(item) for item in found])
    else:
        say(examination.render(found))
    examination.require(found)


def _row(item: Found) -> dict[str, object]:
    r = item.record
    return {"id": r.id, "series": r.series, "target": r.target, "outcome": r.outcome,
            "started": r.started, "seconds": r.seconds, "folder": str(item.path)}  # fmt: skip


def _line(item: Found) -> str:
    r = item.record
    return f"{r.id}  {r.series:10} {r.target:14} {r.outcome:12} {r.seconds:8.1f} s"
