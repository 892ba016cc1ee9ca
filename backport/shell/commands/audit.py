"""The command `audit`: what upstream has and a series or a release branch lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from backport.audit import audit as auditing
from backport.audit.audit import Asking, Branch, Carried
from backport.audit.compare import compare as compared
from backport.doors.cache import Cache
from backport.doors.rundir import newest
from backport.doors.store import Store
from backport.output import auditview
from backport.readers import decisions as deciding
from backport.readers import manifest
from backport.readers.vulnerabilities import Vulnerability, read_cna, read_osv
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.console import ConsoleRenderer
from backport.values.audit import Audit, Decision, Kind
from backport.values.errors import GateFailed, UsageError
from backport.values.events import Emit
from backport.values.series import Series
from backport.values.version import Version

FILE = "audit.toml"

Subject = Annotated[str, typer.Argument(help="A series that was picked, or use --branch.")]
OneTarget = Annotated[str, typer.Option("--target", help="The target that has the series.")]
BranchRev = Annotated[str, typer.Option(help="A release branch, or a revision of it.")]
Repo = Annotated[str, typer.Option(help="The repository of --branch [the clone of upstream].")]
Since = Annotated[str, typer.Option(help="Of the branch, only what came into it after this.")]
Clone = Annotated[str, typer.Option(help="A clone of upstream on this machine; it is only read.")]
Tip = Annotated[str, typer.Option(help="Upstream's branch in that clone [HEAD].")]
Until = Annotated[str, typer.Option(help="Upstream as on a day, or at the time of a commit.")]
Kinds = Annotated[
    list[Kind] | None,
    typer.Option("--kind", help="What to look for; repeatable [series: all but stable; branch: "
                 "fix, revert, stable]."),
]  # fmt: skip
Decisions = Annotated[
    str, typer.Option(help=f"The file of decisions [patches/SERIES/{FILE}; none for a branch].")
]
Vulns = Annotated[str, typer.Option(help="A clone of the kernel CNA's list (vulns.git).")]
Osv = Annotated[str, typer.Option(help="A file in the OSV format.")]
Compare = Annotated[
    list[str] | None,
    typer.Option("--compare", help="The next release of --branch: print recall and precision; "
                 "repeat it for those that follow."),
]  # fmt: skip
Seconds = Annotated[
    float, typer.Option(help="How long history may be searched for what must come first.", min=0)
]


def audit(
    series: Subject = "",
    target: OneTarget = common.DEFAULT_TARGET,
    branch: BranchRev = "",
    repo: Repo = "",
    since: Since = "",
    history: Clone = "",
    tip: Tip = "",
    until: Until = "",
    kind: Kinds = None,
    decisions: Decisions = "",
    vulns: Vulns = "",
    osv: Osv = "",
    compare: Compare = None,
    history_seconds: Seconds = 30.0,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Fixes, reverts, companions and tests that upstream has and a series or branch lacks."""
    where = history or repo
    _demand_one_subject(series, branch, where, compare, since)
    asking = Asking(
        where,
        tip,
        until,
        tuple(dict.fromkeys(kind or ())),
        _lists(vulns, osv),
        deciding.read_decisions(Path(decisions)) if decisions else (),
        seconds=history_seconds,
    )
    named = Branch(Path(repo or where), branch, since)
    if compare:
        with ConsoleRenderer(quiet=quiet) as emit:
            rows = compared(asking, named, compare, Cache.default().root, emit)
        if json:
            say_json(auditview.compared_json(rows))
        else:
            say(auditview.compared_text(rows))
        return
    with ConsoleRenderer(quiet=quiet) as emit:
        if branch:
            found = auditing.audit_branch(asking, named, Cache.default().root, emit)
        else:
            found = _of_series(asking, series, target, bool(decisions), emit)
    if json:
        say_json(auditview.audit_json(found))
    else:
        say(auditview.audit_text(found))
    _demand_decided(
        found, decisions or (f"patches/{series}/{FILE}" if series else "a file (--decisions)")
    )


def _demand_one_subject(
    series: str, branch: str, where: str, compare: list[str] | None, since: str
) -> None:
    if bool(series) == bool(branch):
        what = "both a series and a branch" if series else "neither a series nor a branch"
        hint = "backport audit SERIES --target TARGET --history CLONE, or --branch REV"
        raise UsageError(f"audit: {what} is named", hint=hint)
    if not where:
        hint = "add --history CLONE; git clone --bare URL makes one"
        raise UsageError("audit: no history of upstream is named", hint=hint)
    if (compare or since) and not branch:
        raise UsageError("--compare and --since go with --branch")


def _lists(vulns: str, osv: str) -> tuple[Vulnerability, ...]:
    found = read_cna(Path(vulns).expanduser()) if vulns else ()
    return (*found, *(read_osv(Path(osv).expanduser()) if osv else ()))


def _of_series(asking: Asking, name: str, target: str, elsewhere: bool, emit: Emit) -> Audit:
    """Audit a series as its newest run has put it onto a target."""
    file = manifest.series_path(manifest.find_data_root(), name)
    series = manifest.read_series(file)
    manifest.target_path(manifest.find_data_root(), target)
    decided = file.with_name(FILE)
    own: tuple[Decision, ...] = ()
    if not elsewhere and decided.is_file():
        own = deciding.read_decisions(decided)
    asking = replace(
        asking, decisions=(*asking.decisions, *own), left_out=deciding.of_series(series)
    )
    carried = _carried(series, target)
    return auditing.audit_series(asking, carried, Cache.default().root, emit)


def _carried(series: Series, target: str) -> Carried:
    """The newest run that picked the series, and whose tree is still in the store."""
    cache = Cache.default()
    store = Store(cache).git
    for run in newest(cache.runs, series.name, target):
        record = run.record
        if record.base and record.head and store.resolve(f"{record.head}^{{tree}}"):
            stands_for = tuple(sha for pick in record.picks for sha in pick.stands_for)
            version = Version.of_tree(record.base.version)
            return Carried(series, target, store, record.tree, version, stands_for)
    raise UsageError(
        f"{series.name} on {target}: no run has picked it yet",
        hint=f"backport pick {series.name} --target {target}",
    )


def _demand_decided(found: Audit, file: str) -> None:
    """Raise `GateFailed` for what somebody still has to decide, or nobody could look at."""
    problems = []
    if found.open_items:
        problems.append(f"undecided: {_commits(len(found.open_items))}")
    if found.absent:
        problems.append(f"not in this history: {_commits(len(found.absent))} of the series")
    if problems:
        hint = "take them, or say in " + file + ': [[decision]] sha = "…" decision = "leave" '
        hint += 'reason = "…" (or "take"; "later" with expires = DAY)'
        raise GateFailed("; ".join(problems), hint=hint)


def _commits(count: int) -> str:
    return f"{count} commit{'s' if count != 1 else ''}"
