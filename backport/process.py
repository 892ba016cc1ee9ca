"""The one door to other programs: argv lists, stdin closed, fixed locale, errors that show."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.errors import BackportError, ToolMissing

STDERR_TAIL = 40  # lines of a failed command's talk that an error shows


@dataclass(frozen=True)
class Completed:
    """One finished command; `stdout` and `stderr` are bytes, `seconds` wall time."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def text(self) -> str:
        """Standard output as text, undecodable bytes kept as surrogates."""
        return self.stdout.decode("utf-8", "surrogateescape")


class ProcessFailed(BackportError):
    """A command ended badly; callers that know whose fault it is raise something better."""

    def __init__(self, done: Completed, *, log: Path | None = None) -> None:
        tail = (done.stderr or done.stdout).decode("utf-8", "replace").splitlines()[-STDERR_TAIL:]
        lines = [f"{shlex.join(done.argv)}: {describe_status(done.returncode)}", *tail]
        super().__init__("\n".join(lines), log=log)
        self.done = done


def describe_status(returncode: int) -> str:
    """Say how a process ended; death by a signal is named."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment children get: ours, less what would change their output."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "LC_"))}
    env |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0"}
    # A host's CA bundle for git is not state of a repository: keep it.
    if "GIT_SSL_CAINFO" in os.environ:
        env["GIT_SSL_CAINFO"] = os.environ["GIT_SSL_CAINFO"]
    return env | dict(extra or {})


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    check: bool = True,
) -> Completed:
    """Run a command to its end and collect what it said.

    Raises `ToolMissing` if the program is not there, `ProcessFailed` on a bad status when `check`,
    `subprocess.TimeoutExpired` past `timeout` seconds (the child is killed).
    """
    args = tuple(str(a) for a in argv)
    start = time.monotonic()
    try:
        proc = subprocess.run(
            args,
            cwd=cwd,
            env=environment(env),
            input=stdin,
            timeout=timeout,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as err:
        raise _missing(args[0], cwd, err) from err
    done = Completed(args, proc.returncode, proc.stdout, proc.stderr, time.monotonic() - start)
    if check and done.returncode:
        raise ProcessFailed(done)
    return done


def stream(
    argv: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Completed:
    """Run a command, write its output (both streams) to `log` and hand each line to `on_line`.

    The whole process group dies with us: an interrupt leaves no make or compiler behind.
    """
    args = tuple(str(a) for a in argv)
    start = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: list[str] = []
    try:
        proc = subprocess.Popen(
            args,
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as err:
        raise _missing(args[0], cwd, err) from err
    assert proc.stdout is not None
    try:
        with log.open("ab") as out:
            for raw in proc.stdout:
                out.write(raw)
                out.flush()
                line = raw.decode("utf-8", "replace").rstrip("\n")
                tail = [*tail[-STDERR_TAIL:], line]
                on_line(line)
        proc.wait()
    except BaseException:
        kill_group(proc)
        raise
    done = Completed(args, proc.returncode, "\n".join(tail).encode(), b"", time.monotonic() - start)
    if check and done.returncode:
        raise ProcessFailed(done, log=log)
    return done


def kill_group(proc: subprocess.Popen[bytes]) -> None:
    """Kill a child started in its own session, with everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(proc.pid, signal.SIGKILL)
    proc.wait()


def _missing(program: str, cwd: Path | None, err: FileNotFoundError) -> BackportError:
    if cwd is not None and not cwd.is_dir():
        return BackportError(f"{cwd}: no such directory")
    return ToolMissing(f"{program}: not found ({err.strerror})", hint="backport doctor")
