"""Commands that hand a series on and take one in: export, checkpatch, import."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.output.exporters import EXPORTERS, Extra
from backport.output.seriesview import render_series, series_json
from backport.output.styleview import render_style, summary_of
from backport.readers.manifest import find_data_root, series_path
from backport.readers.seriesfiles import read_series_at
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.console import ConsoleRenderer
from backport.shell.delivery import Sent, export_series
from backport.shell.styling import style_of
from backport.values.dialects import DIALECTS, dialect
from backport.values.errors import GateFailed, UsageError
from backport.values.findings import STYLE
from backport.values.style import State

RunName = Annotated[str, typer.Argument(help="A run: its id or folder [the newest].")]
Form = Annotated[str, typer.Option("--format", help=f"The form: {', '.join(EXPORTERS)}.")]
Words = Annotated[
    str,
    typer.Option("--dialect", help=f"How it says where it is from: {', '.join(DIALECTS)}."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The folder [patches-out]; for git, the repository."),
]
Signer = Annotated[
    str, typer.Option("--signoff", help="Who carries it: NAME <ADDRESS>; signs off each patch.")
]
Bugs = Annotated[
    list[str] | None, typer.Option("--bug", help="A bug that it is for, by URL; repeatable.")
]
Cves = Annotated[
    list[str] | None, typer.Option("--cve", help="A CVE id that it is for; repeatable.")
]


def export(
    run: RunName = "",
    form: Form = "patches",
    words: Words = "",
    output: Output = None,
    signer: Signer = "",
    bugs: Bugs = None,
    cves: Cves = None,
    branch: Annotated[str, typer.Option(help="For git and bundle [as the run has it].")] = "",
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Export the series of a run, and prove with the tool it is for that it applies."""
    if output is None and form == "git":  # a person's repository is named, not guessed
        raise UsageError("--format git: into which repository?", hint="name it with --output")
    output = output or Path("patches-out")
    extra = _extra(signer, bugs or [], cves or [], branch, force)
    chosen = common.chosen_run(run)
    record = chosen.record
    if not record.head:
        raise UsageError(f"{chosen.path.name}: this run picked nothing", hint="backport pick")
    sent = export_series(Store(Cache.default()).git, record, form, output, words=words, extra=extra)
    if json:
        where = {"folder": str(output), "format": form, "head": record.head}
        say_json({**where, **asdict(sent)})
    else:
        say(_told(sent, form, output))


def checkpatch(
    run: RunName = "",
    strict: Annotated[bool, typer.Option("--strict", help="Checks, too, not only errors.")] = False,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Run the target's own checkpatch.pl on each pick; tell upstream's findings from new ones."""
    chosen = common.chosen_run(run)
    series = series_path(find_data_root(), chosen.record.series).parent
    with ConsoleRenderer(quiet=quiet) as emit:
        git = Store(Cache.default()).git
        report = style_of(git, chosen, series, emit, strict=strict)
    if json:
        say_json(asdict(report))
    else:
        say(render_style(report))
    if report.all(State.NEW):
        hint = f"mend the rule that made them, or allow them with a reason in {series}/style.toml"
        raise GateFailed(summary_of(report), hint=hint, log=chosen.path / STYLE)


def import_(
    path: Annotated[
        Path, typer.Argument(help="An mbox, a patch, a folder of patches or a quilt series.")
    ],
    words: Annotated[
        str, typer.Option("--dialect", help="The dialect that it is written in [each is asked].")
    ] = "",
    json: common.Json = False,
) -> None:
    """Read a series that others wrote: upstream commits, dialect and objections of each patch."""
    found = read_series_at(path, dialect(words) if words else None)
    if json:
        say_json(series_json(found))
    else:
        say(render_series(found))


def _extra(signer: str, bugs: list[str], cves: list[str], branch: str, force: bool) -> Extra:
    if signer and not re.fullmatch(r"[^<>]*[^<> ] <[^<> ]+@[^<> ]+>", signer):
        raise UsageError(f"--signoff {signer}: is nobody", hint="write it as: NAME <ADDRESS>")
    for bug in bugs:
        if not bug or re.search(r"[\s,]", bug):
            raise UsageError(f"--bug {bug!r}: is no bug", hint="give a URL, or a form like bsc#1")
    for cve in cves:
        if not re.fullmatch(r"CVE-\d{4}-\d{4,}", cve):
            raise UsageError(f"--cve {cve}: is no CVE id", hint="write it as CVE-YEAR-NUMBER")
    return Extra(signer, tuple(bugs), tuple(cves), branch, force)


def _told(sent: Sent, form: str, output: Path) -> str:
    where = [f"{output}: {name}" if form == "git" else str(output / name) for name in sent.files]
    lines = [*where, f"{sent.tool} gives tree {sent.tree}"]
    if sent.dropped:
        lines += [f"{sent.dialect} has no words for: {', '.join(sent.dropped)}"]
    for (text, fix), count in Counter((o.text, o.fix) for o in sent.objections).items():
        lines += [f"{sent.dialect}: {count} of the patches: {text}; {fix}"]
    return "\n".join(lines)
