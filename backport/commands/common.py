"""Options that several commands share, as typer reads them."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from backport.cache import Cache
from backport.console import ConsoleRenderer
from backport.errors import UsageError
from backport.options import Options
from backport.pipeline import execute
from backport.record import RunRecord
from backport.rundir import Found, find, latest

Series = Annotated[str, typer.Argument(help="The series, a folder of patches/, e.g. netkit.")]
Target = Annotated[str, typer.Option(help="The target, a file of patches/targets/.")]
Base = Annotated[str, typer.Option(help="A tree, repository or tarball of your own as the base.")]
Rev = Annotated[str, typer.Option(help="The revision, where --base is a repository.")]
Upstream = Annotated[str, typer.Option(help="snapshot, git, git:WHERE or mbox:WHERE.")]
Branch = Annotated[str, typer.Option(help="The branch to leave [backport/SERIES/TARGET].")]
Force = Annotated[bool, typer.Option("--force", help="Replace a branch that we did not make.")]
Accel = Annotated[str, typer.Option(help="auto, kvm or tcg.")]
Jobs = Annotated[int, typer.Option(help="Compilers at a time [one for each CPU].", min=0)]
Refresh = Annotated[bool, typer.Option("--refresh", help="Look up package versions and refs anew.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]

DEFAULT_TARGET = "debian-6.1"


def say(text: str) -> None:
    """Data for stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def say_json(value: object) -> None:
    """One JSON object on stdout."""
    say(json.dumps(value, indent=1, ensure_ascii=False))


def perform(options: Options, *, quiet: bool) -> RunRecord:
    """Execute a run with its events on stderr."""
    with ConsoleRenderer(quiet=quiet) as emit:
        return execute(options, Cache.default(), emit)


def chosen_run(name: str) -> Found:
    """The run that a person names, the newest without a name."""
    runs = Cache.default().runs
    found = find(runs, name) if name else latest(runs)
    if found is None:
        raise UsageError("there are no runs yet", hint="backport run SERIES --target TARGET")
    return found
