"""The command `eval`: how often the engine is right, on a repository's own backports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backport.doors.cache import Cache
from backport.output import evalview, leaningview
from backport.replay import leaning
from backport.replay.evaluate import Request, evaluate
from backport.replay.pairs import Selection
from backport.replay.peers import PEERS
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.console import ConsoleRenderer
from backport.values.errors import UsageError

Repo = Annotated[str, typer.Argument(help="A clone with a main branch and release branches.")]
Since = Annotated[str, typer.Option(help="Backports committed after this day.")]
Until = Annotated[str, typer.Option(help="Backports committed before this day.")]
Pattern = Annotated[
    str, typer.Option(help="A regular expression for messages; its first group is upstream's id.")
]
Sample = Annotated[int, typer.Option(help="So many backports, drawn by --seed [all].", min=0)]
Seed = Annotated[int, typer.Option(help="Which sample.")]
Peers = Annotated[str, typer.Option(help=f"Also ask these, by comma: {', '.join(PEERS)}.")]
Jobs = Annotated[int, typer.Option(help="Processes [one for each core].", min=0)]
Prerequisites = Annotated[
    int,
    typer.Option(help="Ask what so many backports need that apply only after others.", min=0),
]
Worst = Annotated[int, typer.Option(help="List so many wrong cases, to be read.", min=0)]


def evaluation(
    repo: Repo,
    since: Since = "",
    until: Until = "",
    pattern: Pattern = "",
    sample: Sample = 0,
    seed: Seed = 0,
    peers: Peers = "",
    jobs: Jobs = 0,
    prerequisites: Prerequisites = 0,
    worst: Worst = 0,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Replay a repository's real backports, and compare with what people committed."""
    chosen = tuple(name for name in peers.split(",") if name)
    for name in chosen:
        if name not in PEERS:
            raise UsageError(f"--peers: no peer {name!r}", hint=f"there are {', '.join(PEERS)}")
    wanted = Selection(since, until, pattern, sample, seed)
    if prerequisites:
        if chosen or sample:
            raise UsageError("--prerequisites: goes with neither --peers nor --sample")
        asking = leaning.Request(Path(repo).expanduser(), wanted, prerequisites, jobs)
        with ConsoleRenderer(quiet=quiet) as emit:
            leanings = leaning.lean(asking, Cache.default().root, emit)
        if json:
            say_json(leaningview.leaning_json(leanings))
        else:
            say(leaningview.leaning_text(leanings, worst))
        return
    with ConsoleRenderer(quiet=quiet) as emit:
        request = Request(Path(repo).expanduser(), wanted, chosen, jobs)
        found = evaluate(request, Cache.default().root, emit)
    if json:
        say_json(evalview.eval_json(found))
    else:
        say(evalview.eval_text(found, worst))
