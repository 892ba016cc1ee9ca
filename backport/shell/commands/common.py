"""Options that several commands share, as typer reads them, and what they do with a run."""

from __future__ import annotations

import contextlib
import json as jsonlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from backport.doors.cache import Cache
from backport.doors.rundir import Found, find, latest
from backport.output.summary import summary
from backport.picking.stopped import State
from backport.shell.console import ConsoleRenderer, for_stream
from backport.shell.pipeline import Ended, execute
from backport.values import options as words
from backport.values.errors import UsageError
from backport.values.options import Options

Series = Annotated[str, typer.Argument(help="The series, a folder of patches/, e.g. netkit.")]
Target = Annotated[str, typer.Option(help="The target, a file of patches/targets/.")]
Base = Annotated[str, typer.Option(help="A tree, repository or tarball of your own as the base.")]
Rev = Annotated[str, typer.Option(help="The revision, where --base is a repository.")]
Upstream = Annotated[str, typer.Option(help="snapshot, git, git:WHERE or mbox:WHERE.")]
Branch = Annotated[str, typer.Option(help="The branch to leave [backport/SERIES/TARGET].")]
Force = Annotated[bool, typer.Option("--force", help="Replace a branch that we did not make.")]
StrictPicks = Annotated[
    bool, typer.Option("--strict-picks", help="Stop with exit 4 at a pick that is judged unsound.")
]
Accel = Annotated[words.Accel, typer.Option(help="What runs the guests.")]
Flavour = Annotated[str, typer.Option(help="A row of kconfig/flavours.toml, e.g. debug.")]
Jobs = Annotated[int, typer.Option(help="Compilers at a time [one for each CPU].", min=0)]
Suites = Annotated[
    list[str] | None, typer.Option("--suite", help="One of the series' suites; repeatable [all].")
]
Ladder = Annotated[
    bool, typer.Option("--ladder", help="What no rule settles goes up the ladder of resolvers.")
]
SureSteps = Annotated[
    bool, typer.Option("--sure-steps", help="--ladder, by the steps alone that hardly ever err.")
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Look up package versions and refs anew.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]

DEFAULT_TARGET = "debian-5.10"


def say(text: str) -> None:
    """Data for stdout; a reader that has gone away wants no more of it."""
    try:
        sys.stdout.write(for_stream(text.rstrip("\n") + "\n", sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_json(value: object) -> None:
    """One JSON object on stdout."""
    say(jsonlib.dumps(value, indent=1))


def show(data: object, text: str, *, json: bool) -> None:
    """A result on stdout, for a program or for a person."""
    if json:
        say_json(data)
    else:
        say(text)


def perform(options: Options, *, json: bool, quiet: bool, resumed: State | None = None) -> None:
    """Execute a run, its events on stderr, its record on stdout; then raise what ended it."""
    with ConsoleRenderer(quiet=quiet) as emit:
        ended = execute(located(options), Cache.default(), emit, resumed)
    _show(ended, json=json)
    if ended.error is not None:
        raise ended.error


def _show(ended: Ended, *, json: bool) -> None:
    if json:
        say_json(ended.record.to_json())
    elif ended.error is None or ended.record.picks:
        say(summary(ended.record, ended.folder))


def located(options: Options) -> Options:
    """The same with whole paths, so that it means the same in any folder, later."""
    kind, colon, where = options.upstream.partition(":")
    if where and (kind == "mbox" or Path(where).expanduser().exists()):
        options = replace(options, upstream=f"{kind}{colon}{_whole(where)}")
    return replace(options, base=_whole(options.base)) if options.base else options


def _whole(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def chosen_run(name: str) -> Found:
    """The run that a person names, the newest without a name."""
    runs = Cache.default().runs
    found = find(runs, name) if name else latest(runs)
    if found is None:
        raise UsageError("there are no runs yet", hint="backport run SERIES --target TARGET")
    return found
