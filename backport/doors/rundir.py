"""One folder a run, `<series>-<target>/<UTC time>-<short id>/`, with its run.json in it.

The folder appears before any work is done and its record is rewritten after each stage, each time
whole or not at all. Two locks, both `flock`, so that a dead process holds neither: one a workspace
(two runs of one series and target would move the same branch), one a run (whoever can take it knows
that a record that says "running" is a lie).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType

from backport.doors import files
from backport.values.errors import Unavailable, UsageError
from backport.values.record import KILLED, RUNNING, Failure, RecordError, RunRecord, outcome_of

RECORD = "run.json"
LATEST = "latest"
_LOCK = ".lock"
_ID = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Found:
    """A run on the disk; its record says "killed" where the file still says "running"."""

    path: Path
    record: RunRecord


class RunDir:
    """The folder of the run that this process is; a context manager that gives up its locks."""

    def __init__(self, path: Path, record: RunRecord, locks: tuple[Lock, ...]) -> None:
        self.path = path
        self.record = record
        self._locks = locks
        self._start = time.monotonic()

    @classmethod
    def open(cls, runs: Path, series: str, target: str, command: str = "") -> RunDir:
        """Begin a run of `series` on `target` below `runs`.

        Raises `UsageError` when another process runs the same series and target, `Unavailable` when
        the disk is full.
        """
        folder = workspace(runs, series, target)
        with _room(folder):
            folder.mkdir(parents=True, exist_ok=True)
            held = Lock.take(folder / _LOCK, f"{series} on {target}")
            now = datetime.now(UTC)
            name = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(2)}"
            path = folder / name
            path.mkdir()
            alive = Lock.take(path / _LOCK, name)
        record = RunRecord(
            series,
            target,
            RUNNING,
            _iso(now),
            command,
            id=name,
            pid=os.getpid(),
            version=tool_version(),
        )
        run = cls(path, record, (alive, held))
        try:
            run.save(record)
            _point(folder / LATEST, name)
        except BaseException:
            run.close()
            raise
        return run

    def save(self, record: RunRecord) -> None:
        """Write the record as it is now, with the seconds so far; the old one is replaced whole.

        Only an ended one waits for the disk: that is slow, and a kill, unlike a power cut, loses
        nothing that was written.
        """
        self.record = replace(record, seconds=round(time.monotonic() - self._start, 3))
        write_record(self.path, self.record, lasting=record.outcome != RUNNING)

    def finish(self, record: RunRecord, exit_code: int, failure: Failure | None = None) -> None:
        """Write the last word: the verdict of `exit_code`, and when it was reached."""
        self.save(
            replace(
                record,
                outcome=outcome_of(exit_code),
                exit_code=int(exit_code),
                failure=failure,
                finished=_iso(datetime.now(UTC)),
            )
        )

    def log(self, stage: str) -> Path:
        """Where a stage writes its log; the folder is made."""
        path = self.path / "logs" / f"{stage}.log"
        with _room(path):
            path.parent.mkdir(exist_ok=True)
        return path

    def artifact(self, name: str) -> Path:
        """Where an artifact goes, for one that is kept in the run's folder."""
        return self.path / name

    def relative(self, path: Path) -> str:
        """A path as the record's `artifacts` name it: relative to the run's folder."""
        return os.path.relpath(path, self.path)

    def close(self) -> None:
        """Give up the locks; a record that still says "running" is "killed" from here on."""
        for lock in self._locks:
            lock.release()

    def __enter__(self) -> RunDir:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Lock:
    """An exclusive `flock` on a file that names its holder; it dies with the process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, path: Path, what: str) -> Lock:
        """Lock or raise a `UsageError` that names the holder's pid and start."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()} {_iso(datetime.now(UTC))}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(fd, 200, 0).decode("utf-8", "replace").split()
            os.close(fd)
            raise _busy(what, holder) from None
        except OSError:
            os.close(fd)
            raise
        return cls(fd)

    def release(self) -> None:
        """Unlock; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def claim(folder: Path, what: str) -> Lock:
    """Lock a workspace without a run in it; a `UsageError` names the process that is at work."""
    return Lock.take(folder / _LOCK, what)


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock of `path`; a missing file is held by nobody."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def workspace(runs: Path, series: str, target: str) -> Path:
    """The folder of all runs of a series on a target."""
    for name in (series, target):
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r}: want letters, digits and . _ + - in a name")
    return runs / f"{series}-{target}"


def tool_version() -> str:
    """The version of this tool, as installed."""
    try:
        return metadata.version("backport")
    except metadata.PackageNotFoundError:
        return "not installed"


# -- reading runs


def load(path: Path) -> Found:
    """Read the run in a folder; `RecordError` says what is wrong with its record."""
    file = path / RECORD
    try:
        record = RunRecord.from_json(json.loads(file.read_bytes()), str(file))
    except FileNotFoundError:
        raise RecordError(f"{path}: holds no {RECORD}", hint="backport status") from None
    except ValueError as err:
        raise RecordError(f"{file}: not JSON ({err})") from err
    if record.outcome == RUNNING and not is_held(path / _LOCK):
        # Between our read and the lock the run may have ended properly: its last word counts.
        record = RunRecord.from_json(json.loads(file.read_bytes()), str(file))
        record = replace(record, outcome=KILLED) if record.outcome == RUNNING else record
    return Found(path, record)


def list_runs(runs: Path) -> list[Found]:
    """All runs that can be read, oldest first; a folder without a whole record is passed over."""
    return [*_readable(sorted(runs.glob("*/*"), key=lambda path: path.name))]


def newest(runs: Path, series: str, target: str) -> Iterator[Found]:
    """The runs of a series on a target, the newest first, each read when it is asked for."""
    yield from _readable(sorted(workspace(runs, series, target).glob("*"), reverse=True))


def _readable(paths: Iterable[Path]) -> Iterator[Found]:
    for path in paths:
        if _ID.fullmatch(path.name) and not path.is_symlink():
            with contextlib.suppress(RecordError):
                yield load(path)


def latest(runs: Path, series: str = "", target: str = "") -> Found | None:
    """The newest run, of one series and of one target where they are given."""
    wanted = [
        run
        for run in list_runs(runs)
        if series in ("", run.record.series) and target in ("", run.record.target)
    ]
    return wanted[-1] if wanted else None


def find(runs: Path, name: str) -> Found:
    """The run that a person names: a folder, `latest`, a run's id, or its start or end.

    Raises `UsageError` when none or several fit, with the candidates.
    """
    if (Path(name) / RECORD).is_file():
        return load(Path(name))
    known = list_runs(runs)
    fits = known[-1:] if name == LATEST else [run for run in known if _fits(run, name)]
    if len(fits) == 1:
        return fits[0]
    text = ", ".join(run.path.name for run in (fits or known)[-8:]) or "there are none yet"
    problem = "fits several runs" if fits else "no such run"
    raise UsageError(f"{name}: {problem}: {text}", hint="backport status --all")


def _fits(run: Found, name: str) -> bool:
    key = run.path.name
    whole = f"{run.path.parent.name}/{key}"
    return bool(name) and (whole == name or key.startswith(name) or key.endswith(f"-{name}"))


# -- writing


def write_record(path: Path, record: RunRecord, *, lasting: bool = True) -> None:
    """Replace a folder's run.json by this record."""
    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False)
    write_atomic(path / RECORD, text.encode("utf-8", "backslashreplace") + b"\n", lasting=lasting)


def write_atomic(path: Path, data: bytes, *, lasting: bool = False) -> None:
    """Put `data` at `path` whole or not at all; a full disk is `Unavailable`, and loses nothing.

    With `lasting` it has reached the disk when this returns.
    """
    with _room(path):
        files.replace(path, data, lasting=lasting)


def _point(link: Path, name: str) -> None:
    """Let a symbolic link point at `name`, whatever it pointed at before."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    with _room(link):
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(name)
        temporary.replace(link)


@contextlib.contextmanager
def _room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        if err.errno in _NO_ROOM:
            hint = "free some space, or point BACKPORT_CACHE at a larger disk"
            raise Unavailable(f"{path}: no room left on the disk", hint=hint) from err
        if isinstance(err, PermissionError):
            hint = "point BACKPORT_CACHE at a folder of your own"
            raise Unavailable(f"{path}: not writable", hint=hint) from err
        raise


def _busy(what: str, holder: list[str]) -> UsageError:
    pid, started = holder if len(holder) == 2 else ("unknown", "just now")
    return UsageError(
        f"{what}: another run is at work (pid {pid}, since {started})",
        hint=f"wait for it, or end it with `kill {pid}`" if pid.isdigit() else "try again",
    )


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
