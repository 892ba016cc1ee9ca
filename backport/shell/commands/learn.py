"""The command that turns a person's resolution into rules."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from backport.doors import files
from backport.doors.cache import Cache
from backport.ladder.ladder import ladder_of
from backport.learning import drafts as drafting
from backport.learning import learn
from backport.learning.drafts import Draft
from backport.learning.learnpath import Taught
from backport.picking import history, stopped
from backport.picking.ground import Asked, open_ground
from backport.picking.pick import Pick, pick
from backport.picking.stopped import State
from backport.readers import manifest
from backport.readers.rules import read_rules
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.commands.work import StoppedSeries, StoppedTarget
from backport.shell.console import ConsoleRenderer
from backport.values.errors import UsageError
from backport.values.options import Options

HEAD = """\
# Learned from resolutions by hand: move each rule to the file of its cause once it was read.
cause = "learned"
"""

Why = Annotated[
    list[str] | None,
    typer.Option("--why", help="The reason, or RULE=REASON for one rule; repeatable [asked for]."),
]
File = Annotated[str, typer.Option("--file", help="The rule file of the series to write to.")]
Verbatim = Annotated[
    bool, typer.Option("--verbatim", help="Record the text of each conflict as it is.")
]
Dry = Annotated[bool, typer.Option("--dry-run", help="Show the rules, write nothing.")]


def learn_(
    series: StoppedSeries = "",
    target: StoppedTarget = "",
    why: Why = None,
    file: File = "90-learned.toml",
    verbatim: Verbatim = False,
    dry_run: Dry = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Write the rules that make a resolution in the worktree again, byte for byte."""
    state = stopped.choose(Cache.default().runs, series, target)
    place = _place(manifest.find_data_root(), state.series, file)
    drafts = _learned(state, verbatim=verbatim, quiet=quiet)
    whys = [drafting.WHY] * len(drafts) if dry_run else _reasons(drafts, why or [])
    text = drafting.text_of(drafts, whys)
    if not dry_run:
        _write(place, text)
    if json:
        say_json({"file": "" if dry_run else str(place), "rules": list(map(_json, drafts))})
    else:
        where = "written nowhere" if dry_run else f"now in {place}"
        say(f"{text}\n{_count(drafts)}, {where}; backport pick again takes them")


def _place(data: Path, series: str, name: str) -> Path:
    if Path(name).name != name or not name.endswith(".toml"):
        raise UsageError(f"--file {name}: is no file of the rules folder", hint="e.g. 10-all.toml")
    return manifest.series_path(data, series).parent / "rules" / name


def _learned(state: State, *, verbatim: bool, quiet: bool) -> tuple[Draft, ...]:
    options = Options.from_json(state.options)
    asked = Asked(
        manifest.find_data_root(),
        options.series,
        options.target,
        options.base,
        options.rev,
        options.upstream,
    )
    with ConsoleRenderer(quiet=quiet) as emit:
        ground = open_ground(asked, Cache.default(), emit)
        resolver = ladder_of(options.argv())
        picked = history.pick_series(ground.request(ground.rules, resolver), emit)
        result = _same_stop(state, picked.stopped)
        resolved = stopped.resolution(ground.git, state, result)
        if resolver:  # what it settled is learned as well, so that rules do without it
            result = pick(result.incoming, state.onto, picked.tree, ground.rules, ground.target)
        taught = Taught(result, state.onto, picked.tree, resolved, ground.rules, ground.target)
        return learn.learn(taught, by_rule=not verbatim)


def _same_stop(state: State, now: history.Stopped | None) -> Pick:
    if now is None or now.key != state.key:
        raise UsageError(
            "the rules or the base changed since it stopped: the worktree is of another conflict",
            hint="run the series again, and resolve what is left in the worktree that it names",
        )
    return now.result


def _reasons(drafts: Sequence[Draft], given: Sequence[str]) -> list[str]:
    """A reason for each rule: as given, or as a person answers."""
    pairs = [text.partition("=") for text in given]
    ids = {draft.id for draft in drafts}
    by_id = {name: why for name, sign, why in pairs if sign and name in ids}
    general = [text for text in given if text.partition("=")[0] not in ids]
    if len(general) > 1:
        raise UsageError(
            "--why: several reasons that name no rule", hint=f"--why {min(ids)}=REASON for each"
        )
    return [by_id.get(draft.id) or (general[0] if general else _ask(draft)) for draft in drafts]


def _ask(draft: Draft) -> str:
    rule = draft.toml(drafting.WHY)
    if not sys.stdin.isatty():
        raise UsageError(
            f"{draft.id}: why is this right on the target?\n\n{rule}",
            hint="say it with --why REASON, or --why RULE=REASON",
        )
    answer: str = typer.prompt(f"{rule}\nwhy is this right on the target", err=True)
    return answer


def _write(place: Path, text: str) -> None:
    before = place.read_text("utf-8") if place.is_file() else HEAD
    known = {rule.id for rule in read_rules(place.parent)}
    doubled = known & {rule.id for rule in drafting.parse(text)}
    if doubled:
        raise UsageError(f"{place}: rule {min(doubled)} is there already", hint="remove it first")
    files.write(place, f"{before.rstrip()}\n\n{text}".encode())


def _count(drafts: Sequence[Draft]) -> str:
    hand = sum(draft.lesson.hand for draft in drafts)
    return f"{len(drafts)} rule{'s' if len(drafts) != 1 else ''}, {hand} characters by hand"


def _json(draft: Draft) -> dict[str, object]:
    return {
        "id": draft.id,
        "action": draft.lesson.name,
        "paths": list(draft.paths),
        "within": draft.within,
        "hand": draft.lesson.hand,
    }
