"""Commands that look at what is there: status, report, review, doctor."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from backport.doors import files
from backport.doors.cache import Cache
from backport.doors.rundir import Found, list_runs
from backport.output import kcidb
from backport.output.summary import summary
from backport.shell import delivery
from backport.shell import doctor as examination
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.console import ConsoleRenderer
from backport.values.errors import UsageError


class Form(StrEnum):
    """A form of the report, as a person names it."""

    HTML = "html"
    MD = "md"
    JUNIT = "junit"
    KCIDB = "kcidb"

    @property
    def artifact(self) -> str:
        """Its name among a run's artifacts."""
        return "markdown" if self is Form.MD else self.value


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


def report(
    run: RunName = "",
    form: Annotated[
        Form | None, typer.Option("--format", help="One form: html, md, junit or kcidb [all].")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where one form goes, too.")
    ] = None,
    origin: Annotated[
        str, typer.Option(help="Your CI system's name at KCIDB: a-z, 0-9 and _.")
    ] = kcidb.ORIGIN,
    json: common.Json = False,
) -> None:
    """Write the report of a run, for people and for a CI, and print where it is."""
    if output is not None and form is None:
        raise UsageError("--output: of which form?", hint="name it: --format junit")
    chosen = common.chosen_run(run)
    paths = delivery.write_forms(chosen.record, chosen.path, origin)
    if form is not None:
        paths = {form.artifact: paths[form.artifact]}
    if output is not None and form is not None:
        files.write(output, paths[form.artifact].read_bytes())
        paths[form.artifact] = output
    if json:
        say_json({name: str(path) for name, path in paths.items()})
    else:
        say("\n".join(map(str, paths.values())))


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
