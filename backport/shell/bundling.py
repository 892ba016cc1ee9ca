"""A run packed into one file: its series, what it read, what it left, and the statements on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backport.doors.git import Git
from backport.doors.rundir import RECORD as RECORD_FILE
from backport.doors.rundir import Found
from backport.evidence import signature, statement
from backport.evidence.archive import pack
from backport.evidence.inputs import read_inputs
from backport.evidence.signature import Trust
from backport.evidence.statement import CONFIG, INPUTS, LOGS, RECORD, SERIES, STATEMENT, TEST_RESULT
from backport.evidence.verify import verify
from backport.shell.delivery import export_series
from backport.values.errors import GateFailed, UsageError
from backport.values.record import KILLED, RUNNING


@dataclass(frozen=True)
class Signers:
    """Keys to sign with: a file for ssh, a name for gpg; both, one or none."""

    ssh: Path | None = None
    gpg: str = ""


def bundle(git: Git, run: Found, signers: Signers) -> bytes:
    """The bundle of a finished run; the same run and no gpg key give the same bytes.

    Raises `UsageError` for a run that is not over, made no commits, or is not there any more as its
    record tells it, `GateFailed` for one that contradicts itself.
    """
    _demand_whole(run)
    members = dict(_members(git, run))
    members[TEST_RESULT] = statement.encode(statement.test_result(run.record, members))
    members[STATEMENT] = statement.encode(statement.provenance(run.record, members))
    signed = members[STATEMENT]
    if signers.ssh is not None:
        members[signature.SSH] = signature.sign_ssh(signed, signers.ssh)
    if signers.gpg:
        members[signature.GPG] = signature.sign_gpg(signed, signers.gpg)
    data = pack(members)
    _demand_good(data, run)
    return data


def _demand_good(data: bytes, run: Found) -> None:
    """Raise `GateFailed` for a bundle that no verifier would take, before anybody has it."""
    for gate in verify(data, run.path.name, Trust()).failed:
        text = f"{run.path.name}: its bundle would not hold\n{gate.name}: {gate.detail}"
        raise GateFailed(text, hint=f"make the run anew: {run.record.command}")


def _demand_whole(run: Found) -> None:
    record, name = run.record, run.path.name
    if record.outcome in {RUNNING, KILLED} or record.exit_code is None:
        raise UsageError(f"{name}: this run is not over: {record.outcome}", hint=record.command)
    if not record.head or record.base is None:
        raise UsageError(f"{name}: this run picked nothing", hint="backport run SERIES")
    if not record.inputs:
        raise UsageError(
            f"{name}: this run is older than bundles: it did not keep the rules that it read",
            hint=record.command,
        )


def _members(git: Git, run: Found) -> Iterator[tuple[str, bytes]]:
    record = run.record
    yield RECORD, (run.path / RECORD_FILE).read_bytes()
    with tempfile.TemporaryDirectory(prefix="backport-bundle-") as scratch:
        dest = Path(scratch) / "series"
        export_series(git, record, "patches", dest)
        for path in sorted(dest.iterdir()):
            yield f"{SERIES}{path.name}", path.read_bytes()
    for name, data in read_inputs(git, record.inputs).items():
        yield f"{INPUTS}{name}", data
    if record.config:
        yield CONFIG, _config(run, record.config.path, record.config.sha256)
    for name, path in _logs(run).items():
        yield f"{LOGS}{name}.log", path.read_bytes()


def _config(run: Found, path: str, sha256: str) -> bytes:
    """The configuration, if the directory that it was built in still has that one."""
    place = run.path / path
    data = place.read_bytes() if place.is_file() else b""
    if statement.digest(data) != sha256:
        raise UsageError(
            f"{run.path.name}: its configuration is gone: another kernel was built since in"
            f" {place.resolve().parent}",
            hint=run.record.command,
        )
    return data


def _logs(run: Found) -> dict[str, Path]:
    """The run's own logs, and the consoles of its guests, which may be an earlier run's."""
    found = {path.stem: path for path in sorted((run.path / "logs").glob("*.log"))}
    consoles = {
        name: run.path / path
        for name, path in run.record.artifacts.items()
        if name == "console" or name.startswith("console-")
    }
    for path in consoles.values():
        if not path.is_file():
            gone = f"{run.path.name}: the log {path} is gone"
            raise UsageError(gone, hint=run.record.command)
    same = {path.resolve() for path in consoles.values()}
    return {n: p for n, p in found.items() if p.resolve() not in same} | consoles
