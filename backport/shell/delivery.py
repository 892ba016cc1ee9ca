"""What a run leaves for people: the series, proven to apply, and the report."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from backport.advice.review import Request, review
from backport.doors import files
from backport.doors.cache import Cache
from backport.doors.findings import read_findings
from backport.doors.git import Git
from backport.doors.rundir import Found
from backport.doors.store import Store
from backport.evidence.inputs import read_inputs
from backport.output.exporters import Cargo, Extra, exporter, pack
from backport.output.kcidb import ORIGIN
from backport.output.report import REVIEW, write_report
from backport.output.results import write_results
from backport.output.reviewpage import render_review, total_of
from backport.readers.manifest import find_data_root, series_path
from backport.readers.rules import parse_rules, read_rules
from backport.shell.session import Session
from backport.values.dialects import DIALECTS, dialect, dropped
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.record import RunRecord
from backport.values.rule import Rule


@dataclass(frozen=True)
class Objection:
    """What a dialect's rules object to in an exported patch, and what would settle it."""

    file: str
    text: str
    fix: str


@dataclass(frozen=True)
class Sent:
    """A series that was exported and proven; `dropped` is what its dialect has no words for."""

    files: tuple[str, ...]
    tree: str
    tool: str
    dialect: str
    dropped: tuple[str, ...] = ()
    objections: tuple[Objection, ...] = ()


def export_series(
    git: Git,
    record: RunRecord,
    form: str,
    dest: Path,
    *,
    words: str = "",
    extra: Extra | None = None,
) -> Sent:
    """Write the run's commits to `dest` in the words of a dialect, and prove that they apply.

    Raises `GateFailed` if they do not give the run's tree.
    """
    row = exporter(form)
    speech = dialect(words or row.dialect)
    if speech.medium not in row.carries:
        names = [d.name for d in DIALECTS.values() if d.medium in row.carries]
        text = f"--dialect {speech.name} has no form that --format {form} can carry"
        raise UsageError(text, hint=f"one of: {', '.join(names)}")
    cargo = pack(git, record, speech, extra)
    files_ = row.write(cargo, dest)
    tree = row.prove(cargo, dest)
    lost = dict.fromkeys(what for p in cargo.patches for what in dropped(speech, p))
    return Sent(files_, tree, row.tool, speech.name, tuple(lost), _objections(cargo))


def _objections(cargo: Cargo) -> tuple[Objection, ...]:
    letters = [cargo.letter(number) for number in range(1, len(cargo.patches) + 1)]
    return tuple(
        Objection(letter.name, found.text, found.fix)
        for letter in letters
        for found in cargo.dialect.lint(letter)
    )


@dataclass(frozen=True)
class ReviewPage:
    """A review page on the disk, and the counts of lines that it opens with.

    `untold` are the commits whose differences could not be tied to rules.
    """

    path: Path
    size: int
    same: int
    differ: int
    unowned: int
    untold: tuple[str, ...]


def write_review(run: Found, cache: Cache, output: Path | None, emit: Emit) -> ReviewPage:
    """Write the review page of a run, into its folder unless another file is named.

    There the short report links to it. Raises `UsageError` if the run has nothing to show, or the
    store has lost it.
    """
    if run.record.base is None or not run.record.picks:
        raise UsageError(f"{run.path.name}: this run picked nothing", hint="backport report")
    if output is not None and output.is_dir():
        raise UsageError(f"{output}: is a folder", hint=f"--output {output / REVIEW}")
    git = Store(cache).git
    request = Request(git, run.record, _rules(git, run.record))
    found = review(request, emit)
    text = render_review(found, read_findings(run.path)).encode()
    path = output or run.path / REVIEW
    files.write(path, text)
    if output is None:
        write_report(run.record, run.path)
    total = total_of(found)
    untold = tuple(one.pick.subject for one in found.commits if one.untold)
    return ReviewPage(path, len(text), total.same, total.differ, total.unowned, untold)


def _rules(git: Git, record: RunRecord) -> tuple[Rule, ...]:
    """The rules that the run read; of a run that did not keep them, the series' rules as now.

    None where that series' data files are not here.
    """
    if record.inputs and git.resolve(f"{record.inputs}^{{tree}}") is not None:
        home = f"patches/{record.series}/rules/"
        kept = sorted((p, data) for p, data in read_inputs(git, record.inputs).items())
        found = (parse_rules(data.decode(), path) for path, data in kept if path.startswith(home))
        return tuple(rule for rules in found for rule in rules)
    try:
        return read_rules(series_path(find_data_root(), record.series).parent / "rules")
    except UsageError:
        return ()


def deliver_series(session: Session) -> None:
    """The series of a run, in its folder; reused when it is, to the byte, what was proven last."""
    dest = session.run.path.parent / "series"
    mark = dest.with_name("series.proven")
    with session.stage("series", "git format-patch, applied again with git am") as talk:
        talk.cached = mark.is_file() and mark.read_text() == _fingerprint(session.record, dest)
        if not talk.cached:
            mark.unlink(missing_ok=True)
            export_series(session.store.git, session.record, "patches", dest)
            files.write(mark, _fingerprint(session.record, dest).encode())
        talk.detail = f"{len(list(dest.glob('*.patch'))) - 1} patches, git am gives the same tree"
    session.artifact("series", dest)
    session.gate("series", "passed", talk.detail)


def _fingerprint(record: RunRecord, folder: Path) -> str:
    """What the patches in a folder are, and what they were proven to give."""
    digest = hashlib.sha256(f"{record.base} {record.head} {record.tree}".encode())
    for path in sorted(folder.glob("*")):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def deliver_report(session: Session) -> None:
    """The report, for people and for machines, in the run's folder."""
    for name, path in write_forms(session.record, session.run.path).items():
        session.artifact(name, path)


def write_forms(record: RunRecord, folder: Path, origin: str = ORIGIN) -> dict[str, Path]:
    """Every form of a run's report, by its name: markdown, html, junit, kcidb."""
    results = write_results(record, folder, origin)  # first: it tells of a bad origin
    return {**write_report(record, folder), **results}
