"""The command `judge`: what is to be said of backports that others made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backport.output.judgeview import judge_json, judge_text
from backport.replay.judged import Asked, judge_range
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.console import ConsoleRenderer
from backport.soundness.findings import Verdict
from backport.values.errors import GateFailed

Range = Annotated[str, typer.Argument(help="Commits as git names them, e.g. v20.11..20.11.")]
Repo = Annotated[str, typer.Option(help="The repository that has them.")]
History = Annotated[str, typer.Option(help="A clone that has upstream's, where --repo has not.")]


def judge(
    range_: Range,
    repo: Repo = ".",
    history: History = "",
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Judge commits that say what they are picks of; exit 4 if one is unsound."""
    clone = Path(history).expanduser() if history else None
    with ConsoleRenderer(quiet=quiet) as emit:
        found = judge_range(Asked(Path(repo).expanduser(), range_, clone), emit)
    if json:
        say_json(judge_json(found))
    else:
        say(judge_text(found))
    if bad := found.tally[Verdict.UNSOUND]:
        text = f"{bad} of {len(found.commits)} commits cannot be right as they are"
        raise GateFailed(text, hint="each finding above names its line and its evidence")
