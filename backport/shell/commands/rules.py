"""Commands about rules: rules list, rules check, rules mutate, and explain."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from backport.advice import answers, lineage, mutate, rulecheck
from backport.advice import explain as explaining
from backport.advice.mutate import Mutation, Noticed
from backport.advice.presence import Here
from backport.advice.rulecheck import Trial
from backport.doors import files
from backport.doors.cache import Cache
from backport.output import explainview, ruleview
from backport.picking.ground import Absence, Asked, Ground, home_of, known_ground, open_ground
from backport.readers import manifest
from backport.readers.rules import read_rules
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.compiling import Compiler
from backport.shell.console import ConsoleRenderer
from backport.values.errors import GateFailed, UsageError
from backport.values.events import Emit

Targets = Annotated[
    list[str] | None,
    typer.Option("--target", help="A target; may be repeated [all whose base is in the cache]."),
]
OneTarget = Annotated[str, typer.Option("--target", help="The target, a file of patches/targets/.")]
Quick = Annotated[bool, typer.Option("--quick", help="Ask no gate that needs a compiler.")]
History = Annotated[
    str,
    typer.Option(
        help="A clone of upstream on this machine, whose history says which commits made lines so."
    ),
]
HistorySeconds = Annotated[float, typer.Option(help="How long history may be searched.", min=0)]
Markdown = Annotated[
    Path | None, typer.Option("--markdown", help="Write the target's section of this file anew.")
]


def list_(
    series: common.Series,
    target: Targets = None,
    upstream: common.Upstream = "",
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Every rule with its reason, and what it did on the targets at hand."""
    file = manifest.series_path(manifest.find_data_root(), series)
    rules = read_rules(file.parent / "rules")
    with ConsoleRenderer(quiet=quiet) as emit:
        tried, absent = _tried(series, target, upstream, emit)
    if json:
        say_json(ruleview.list_json(rules, tried, absent))
    else:
        say(ruleview.list_text(rules, tried, absent))


def check(
    series: common.Series,
    target: Targets = None,
    upstream: common.Upstream = "",
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Look for rules that are wrong, alike, unreachable or dead; exit 2 with all of them."""
    data = manifest.find_data_root()
    file = manifest.series_path(data, series)
    rules = read_rules(file.parent / "rules")
    with ConsoleRenderer(quiet=quiet) as emit:
        tried, absent = _tried(series, target, upstream, emit)
    unasked = set(_known_targets(data)) - {t.target for t in tried} - {a.name for a in absent}
    others = [_unasked(data, name) for name in sorted(unasked)]
    found = rulecheck.problems(manifest.read_series(file), rules, tried, [*absent, *others])
    looked = {
        "rules": len(rules),
        "targets": [t.target for t in tried],
        "not_looked_at": {a.name: a.why for a in [*absent, *others]},
        "problems": [{"place": str(p.place), "text": p.text} for p in found],
    }
    if json:
        say_json(looked)
    else:
        names = ", ".join(t.target for t in tried) or "no target"
        say(f"{len(rules)} rules, tried on {names}: {len(found) or 'no'} problems")
        for item in [*absent, *others]:
            say(f"{item.name}: not looked at, {item.why}: no rule was taken for dead")
    if found:
        raise UsageError("\n".join(["rules are wrong:", *map(str, found)]), hint="correct them")


def mutate_(
    series: common.Series,
    target: OneTarget = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    upstream: common.Upstream = "",
    quick: Quick = False,
    markdown: Markdown = None,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Remove each rule in turn and say which gate notices; exit 4 when none does."""
    asked = Asked(manifest.find_data_root(), series, target, base, rev, upstream)
    with ConsoleRenderer(quiet=quiet) as emit:
        ground = open_ground(asked, Cache.default(), emit)
        found = mutate.mutate(ground, emit, () if quick else _compiler(asked, ground, emit).gates)
    if markdown is not None:
        command = _command(series, target, ground.base.label if base else "", markdown)
        before = markdown.read_text("utf-8") if markdown.is_file() else ""
        text = ruleview.mutations_markdown(before, ground, command, found)
        files.write(markdown, text.encode())
    if json:
        say_json(ruleview.mutations_json(ground, found))
    else:
        say(ruleview.mutations_text(ground, found))
    _demand_noticed(found)


def explain(
    series: common.Series,
    what: Annotated[str, typer.Argument(help="A path, rule, commit or symbol [all].")] = "",
    target: OneTarget = common.DEFAULT_TARGET,
    base: common.Base = "",
    rev: common.Rev = "",
    upstream: common.Upstream = "",
    history: History = "",
    history_seconds: HistorySeconds = lineage.SECONDS,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Explain conflicts, adaptations and gaps: both sides, the rule and why, the ways out."""
    asked = Asked(manifest.find_data_root(), series, target, base, rev, upstream)
    where = history or _clone_in(upstream)
    clone = lineage.History(where, history_seconds) if where else None
    with ConsoleRenderer(quiet=quiet) as emit:
        ground = open_ground(asked, Cache.default(), emit)
        result = explaining.explain(ground, emit)
        items = explaining.about(result.items, what)
        folder = Cache.default().root / "upstream"
        asking = answers.Asking(ground, result, folder, clone, _here(asked, ground))
        told = answers.answer(asking, items, emit)
    if json:
        say_json(explainview.explained_json(result, told))
    else:
        say(explainview.explained_text(result, told))


def _clone_in(upstream: str) -> str:
    """The clone that the commits come from, if it is one on this machine."""
    kind, _, where = upstream.partition(":")
    return where if kind == "git" and Path(where).expanduser().is_dir() and where else ""


def _here(asked: Asked, ground: Ground) -> Here:
    home = home_of(asked)
    return Here(
        ground.git,
        ground.base.tree,
        ground.target.version,
        home.path if home else None,
        home.rev if home else "HEAD",
    )


def _known_targets(data: Path) -> list[str]:
    return sorted(path.stem for path in data.glob("patches/targets/*.toml"))


def _tried(
    series: str, targets: list[str] | None, upstream: str, emit: Emit
) -> tuple[list[Trial], list[Absence]]:
    """The rules on each target, as far as its base is in the cache."""
    data = manifest.find_data_root()
    tried: list[Trial] = []
    absent: list[Absence] = []
    for name in targets or _known_targets(data):
        ground = known_ground(Asked(data, series, name, upstream=upstream), Cache.default(), emit)
        if isinstance(ground, Absence):
            absent.append(ground)
        else:
            tried.append(rulecheck.try_rules(ground, emit))
    return tried, absent


def _unasked(data: Path, name: str) -> Absence:
    target = manifest.read_target(manifest.target_path(data, name))
    return Absence(name, target.version, "not asked for")


def _compiler(asked: Asked, ground: Ground, emit: Emit) -> Compiler:
    series = manifest.read_series(manifest.series_path(asked.data, asked.series))
    target = manifest.read_target(manifest.target_path(asked.data, asked.target))
    return Compiler(ground.git, series, target, asked.data, Cache.default(), emit)


def _command(series: str, target: str, base: str, markdown: Path) -> str:
    """The command that writes the section again; a base of one's own goes by its label."""
    words = ["backport", "rules", "mutate", series, "--target", target]
    words += ["--base", base] if base else []
    return shlex.join([*words, "--markdown", f"docs/{markdown.name}"])


def _demand_noticed(found: list[Mutation]) -> None:
    """Raise `GateFailed` for rules that no gate misses."""
    missed = [m for m in found if m.notice.by is Noticed.NONE]
    if missed:
        idle = [m.rule.id for m in missed if m.idle]
        others = [m.rule.id for m in missed if not m.idle]
        lines = [f"{len(missed)} rules can go without a gate noticing"]
        lines += [f"  without any effect: {', '.join(idle)}"] if idle else []
        lines += [f"  with another result: {', '.join(others)}"] if others else []
        hint = "remove an idle rule; for the others a gate is missing or too weak"
        raise GateFailed("\n".join(lines), hint=hint)
