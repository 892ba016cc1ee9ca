"""Upstream repositories built by code, and a git daemon on loopback that serves them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from backport.doors.process import environment

GIT_DAEMON = shutil.which("git-daemon") or "/usr/lib/git-core/git-daemon"


def git(repo: Path, *args: str, stdin: bytes = b"") -> str:
    """Run git on a repository, with no configuration but the repository's."""
    env = environment({"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"})
    argv = ["git", "-C", str(repo), *args]
    done = subprocess.run(argv, input=stdin, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def text_of(path: str, edits: int) -> bytes:
    """A file's text after some edits: each changes one line in the middle."""
    lines = [f"/* {path} */"] + [f"int value_{i};" for i in range(60)]
    lines[30] = f"int edited = {edits};"
    return ("\n".join(lines) + "\n").encode()


def big_repo(home: Path, *, files: int, commits: int) -> Path:
    """A bare repository like a kernel: `files` files three levels deep, `commits` linear commits.

    Commit N (from 1) edits file N modulo `files`, so its subject and path are known.
    """
    repo = home / "big.git"
    repo.mkdir(parents=True)
    git(repo, "init", "-q", "--bare", "-b", "master")
    out: list[bytes] = []
    for number in range(commits + 1):
        message = subject_of(number).encode() + b"\n"
        out.append(b"commit refs/heads/master\n")
        out.append(b"committer C O Mitter <c@example.org> %d +0100\n" % (1_600_000_000 + number))
        out.append(b"data %d\n%s" % (len(message), message))
        touched = range(files) if number == 0 else [number % files]
        for index in touched:
            data = text_of(path_of(index), number)
            out.append(
                b"M 100644 inline %s\ndata %d\n%s\n" % (path_of(index).encode(), len(data), data)
            )
    git(repo, "fast-import", "--quiet", stdin=b"".join(out))
    return repo


def path_of(index: int) -> str:
    return f"dir{index % 7}/sub{index % 31}/file{index}.c"


def subject_of(number: int) -> str:
    return f"dir: edit number {number}"


def commit_all(repo: Path, message: str, *args: str) -> str:
    """Commit the whole work tree of a small repository; gives the id."""
    who = ("-c", "user.name=A U Thor", "-c", "user.email=author@example.org")
    git(repo, "add", "-A")
    git(repo, *who, "commit", "-q", "--allow-empty", "-m", message, *args)
    return git(repo, "rev-parse", "HEAD")


@contextlib.contextmanager
def served(home: Path) -> Iterator[str]:
    """Serve every repository below `home` over git://; gives the address of `home`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv: Sequence[str] = [
        *(GIT_DAEMON, "--export-all", "--reuseaddr", f"--base-path={home}"),
        *("--listen=127.0.0.1", f"--port={port}", str(home)),
    ]
    daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"git://127.0.0.1:{port}"
    finally:
        daemon.terminate()
        daemon.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("git daemon did not come up")
