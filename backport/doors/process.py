"""The one door to other programs: argv lists, stdin closed, fixed locale, errors that show."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backport.values.errors import BackportError, Interrupted, ToolMissing

PIPE_BYTES = 1 << 20
STDERR_TAIL = 40  # lines of a failed command's talk that an error shows
_ending = threading.Event()  # the process is told to end
_LINE_END = re.compile(rb"(?<=\n)|(?<=\r)(?=[^\n])")


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

    def __reduce__(self) -> tuple[type[ProcessFailed], tuple[Completed]]:
        """How it comes out of a worker process, with what the command was."""
        return type(self), (self.done,)


def memory() -> int:
    """What this process alone holds, in KiB: no files that it maps, such as git's packs."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.M)
    return int(found[1]) if found else 0


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
    _demand_going()
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
    _demand_going()
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
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run a command, write its output (both streams) to `log` and hand each line to `on_line`.

    The whole process group dies with us: an interrupt leaves no make or compiler behind.
    A carriage return ends a line too, so that a progress meter is heard as it moves.
    A lock among `pass_fds` stays held until the last child is gone, even when we are killed.
    """
    args = tuple(str(a) for a in argv)
    start = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: list[str] = []
    _demand_going()
    try:
        proc = subprocess.Popen(
            args,
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
    except FileNotFoundError as err:
        raise _missing(args[0], cwd, err) from err
    assert proc.stdout is not None
    try:
        with log.open("ab") as out:
            for raw in _lines(proc.stdout.fileno()):
                out.write(raw)
                out.flush()
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                tail = [*tail[-STDERR_TAIL:], line]
                on_line(line)
        proc.wait()
    except BaseException:
        kill_group(proc)
        raise
    _demand_going()
    done = Completed(args, proc.returncode, "\n".join(tail).encode(), b"", time.monotonic() - start)
    if check and done.returncode:
        raise ProcessFailed(done, log=log)
    return done


@contextlib.contextmanager
def spawned(argv: Sequence[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that lives no longer than this block, nor than our own process.

    Both its streams come through `stdout`, unbuffered. The kernel kills it when we are killed:
    a guest must not run on without anybody reading what it says.
    """
    program = tuple(str(a) for a in argv)
    _demand_going()
    require([("setpriv", "util-linux")])
    if shutil.which(program[0]) is None:
        raise ToolMissing(f"{program[0]}: not found", hint="backport doctor")
    # If we died before the kernel was told, the parent is another one by now: do not start.
    guard = ("sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid()))
    proc = subprocess.Popen(
        ("setpriv", "--pdeathsig", "KILL", "--", *guard, *program),
        bufsize=0,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield proc
    finally:
        kill_group(proc)
        assert proc.stdout is not None
        proc.stdout.close()
    _demand_going()


def exit_status(proc: subprocess.Popen[bytes], grace: float) -> int | None:
    """How a child ended, or None if it still runs after `grace` seconds."""
    try:
        return proc.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        return None


def require(tools: Iterable[tuple[str, str]]) -> None:
    """Check that programs are there; `tools` are pairs of program and Debian package.

    Raises one `ToolMissing` that names all that are not, with the command that installs them.
    """
    missing = [(tool, package) for tool, package in tools if shutil.which(tool) is None]
    if missing:
        packages = sorted({package for _, package in missing})
        raise ToolMissing(
            f"not installed: {', '.join(tool for tool, _ in missing)}",
            hint=f"apt-get install {' '.join(packages)}",
        )


@contextlib.contextmanager
def pipeline(
    *commands: Sequence[str | Path], env: Mapping[str, str] | None = None
) -> Iterator[IO[bytes]]:
    """Commands joined by pipes; the block reads to its end what the last one writes.

    Raises `ProcessFailed` for the first that ended badly; all are killed if the block fails.
    """
    procs: list[_Piped] = []
    try:
        source: IO[bytes] | int = subprocess.DEVNULL
        for argv in commands:
            procs.append(_Piped(argv, stdin=source, stdout=subprocess.PIPE, env=env))
            if not isinstance(source, int):
                source.close()
            source = procs[-1].output
        yield procs[-1].output
        for proc in procs:
            proc.finish()
    finally:
        for proc in procs:
            proc.kill()


@contextlib.contextmanager
def fed(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Iterator[IO[bytes]]:
    """A command whose standard input the block writes; killed if the block fails.

    Raises `ProcessFailed` when it ended badly, also when that is why the block could not write.
    """
    proc = _Piped(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env)
    try:
        try:
            yield proc.input
            proc.input.close()
        except BrokenPipeError:
            proc.finish()
            raise
        proc.finish()
    finally:
        proc.kill()


class _Piped:
    """One program in a pipe; what it says on stderr is kept for the error."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        stdin: IO[bytes] | int,
        stdout: int,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._args = tuple(str(a) for a in argv)
        self._start = time.monotonic()
        _demand_going()
        self._talk = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill()
        try:
            self._proc = subprocess.Popen(
                self._args, env=environment(env), stdin=stdin, stdout=stdout, stderr=self._talk
            )
        except FileNotFoundError as err:
            raise _missing(self._args[0], None, err) from err
        for end in (self._proc.stdin, self._proc.stdout):
            if end is not None:
                with contextlib.suppress(OSError):  # a larger pipe is only faster
                    fcntl.fcntl(end.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def input(self) -> IO[bytes]:
        assert self._proc.stdin is not None
        return self._proc.stdin

    @property
    def output(self) -> IO[bytes]:
        assert self._proc.stdout is not None
        return self._proc.stdout

    def finish(self) -> None:
        """Wait for its end; `ProcessFailed` unless that was a good one."""
        self._proc.wait()
        _demand_going()
        if self._proc.returncode:
            self._talk.seek(0)
            seconds = time.monotonic() - self._start
            raise ProcessFailed(
                Completed(self._args, self._proc.returncode, b"", self._talk.read(), seconds)
            )

    def kill(self) -> None:
        """End it if it still runs, and let go of what belongs to it."""
        self._proc.kill()
        for end in (self._proc.stdin, self._proc.stdout):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.close()
        self._proc.wait()
        self._talk.close()


def _lines(pipe: int) -> Iterator[bytes]:
    """What comes out of a pipe, cut after each `\\n`, or `\\r` that no `\\n` follows."""
    held = b""
    while chunk := os.read(pipe, 1 << 16):
        *whole, held = _LINE_END.split(held + chunk)
        yield from whole
    if held:
        yield held


def kill_group(proc: subprocess.Popen[bytes]) -> None:
    """Kill a child started in its own session, with everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(proc.pid, signal.SIGKILL)
    proc.wait()


def end_all() -> None:
    """From here on no process of ours runs, and none starts: `run` and the others raise.

    So a thread cannot take the death of its child for a result, nor go on with the next one.
    """
    _ending.set()
    kill_descendants()


def _demand_going() -> None:
    if _ending.is_set():
        raise Interrupted("interrupted")


def kill_descendants() -> None:
    """Kill every process that we started, directly or not, as far as /proc still tells.

    For an interrupt: threads that wait for a child see it end and can fail in order.
    """
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The command's name may hold anything: fields are counted behind its last bracket.
            parent = int(path.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _missing(program: str, cwd: Path | None, err: FileNotFoundError) -> BackportError:
    if cwd is not None and not cwd.is_dir():
        return BackportError(f"{cwd}: no such directory")
    return ToolMissing(f"{program}: not found ({err.strerror})", hint="backport doctor")
