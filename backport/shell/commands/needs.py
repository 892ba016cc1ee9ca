"""The command `needs`: which earlier commits of upstream one needs to be picked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backport.needs.answer import Question, asked
from backport.needs.search import Budget
from backport.needs.take import take as taken
from backport.output.needsview import needs_json, needs_text
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.values.errors import UsageError

LIMITS = Budget()

Commit = Annotated[str, typer.Argument(help="The upstream commit that is to be picked.")]
Onto = Annotated[str, typer.Option(help="The revision of --repo that it is to be picked onto.")]
Repo = Annotated[str, typer.Option(help="The repository of the target.")]
Clone = Annotated[str, typer.Option(help="A clone of upstream; it is only read [--repo].")]
Since = Annotated[str, typer.Option(help="Where the target left upstream [their common commit].")]
Take = Annotated[bool, typer.Option("--take", help="Pick them and the commit onto --branch.")]
Branch = Annotated[str, typer.Option(help="The branch to leave [backport/COMMIT].")]
Commits = Annotated[int, typer.Option(help="At most so many commits before it.", min=0)]
Depth = Annotated[int, typer.Option(help="So deep may they lean on each other.", min=1)]
Seconds = Annotated[float, typer.Option(help="How long may be searched.", min=0)]


def needs(
    commit: Commit,
    onto: Onto = "HEAD",
    repo: Repo = ".",
    history: Clone = "",
    since: Since = "",
    take: Take = False,
    branch: Branch = "",
    force: common.Force = False,
    commits: Commits = LIMITS.commits,
    depth: Depth = LIMITS.depth,
    seconds: Seconds = LIMITS.seconds,
    json: common.Json = False,
) -> None:
    """The fewest earlier commits with which one applies and has its names, and why each."""
    if (branch or force) and not take:
        raise UsageError("--branch and --force go with --take")
    where, clone = Path(repo).expanduser(), str(Path(history).expanduser()) if history else ""
    question = Question(commit, onto, where, clone, since, Budget(commits, depth, seconds))
    made: tuple[str, ...] = ()
    with asked(question) as answer:
        needed = answer.needed
        name = branch or f"backport/{needed.sha[:12]}"
        if not json:
            say(needs_text(needed))
        if take:
            made = taken(answer, question, name, force=force)
    if json:
        say_json(needs_json(needed, made))
    elif made:
        say(f"\nbranch {name}, head {made[-1][:12]}: {len(made)} commits")
