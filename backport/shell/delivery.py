"""What a run leaves for people: the series as patches, proven to apply, and the report."""

from __future__ import annotations

import hashlib
from pathlib import Path

from backport.doors import files
from backport.doors.git import Git
from backport.output.exporters import cover_of, exporter, verify_patches
from backport.output.report import write_report
from backport.shell.session import Session
from backport.values.record import RunRecord


def export_series(git: Git, record: RunRecord, form: str, dest: Path) -> tuple[str, ...]:
    """Write the run's commits below `dest` and prove that they apply; the names of the files.

    Raises `GateFailed` if they do not give the run's tree.
    """
    assert record.base is not None
    done = exporter(form)(git, record.base.commit, record.head, dest, cover_of(record))
    verify_patches(git, record.base.commit, dest, record.tree)
    return done.files


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
    """report.md and report.html in the run's folder."""
    for name, path in write_report(session.record, session.run.path).items():
        session.artifact(name, path)
