"""Runs make in one O= directory: one at a time, with nothing of the caller's environment in it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backport.doors import files, process
from backport.kernel.toolchain import Arch, Toolchain, quirks
from backport.values.errors import UsageError
from backport.values.events import Emit, Note, silent

AT_WORK = ".backport-at-work"  # lies in an O= directory while make runs, and after a kill
LOCK_PATIENCE = 120.0  # seconds; what a killed run's last compiler may need to end
_POLL = 0.2

GENTLY = ("nice", "-n", "19")
# Who built, where and when must not be in the image: the same tree gives the same bytes.
REPRODUCIBLE: Mapping[str, str] = {
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "backport",
    "KBUILD_BUILD_HOST": "backport",
    "KBUILD_BUILD_VERSION": "1",
    "KCONFIG_NOTIMESTAMP": "1",
}

# An outer make, or a user who builds kernels by hand, exports these. A set but empty LOCALVERSION
# also keeps setlocalversion from adding a "+" for a git checkout.
NEUTRAL: Mapping[str, str] = {
    "MAKEFLAGS": "",
    "MFLAGS": "",
    "GNUMAKEFLAGS": "",
    "MAKELEVEL": "0",
    "KCONFIG_CONFIG": ".config",
    "LOCALVERSION": "",
    "CROSS_COMPILE": "",
    "KCFLAGS": "",
    "KAFLAGS": "",
    "KCPPFLAGS": "",
    "KBUILD_EXTRA_WARN": "",
}


@dataclass(frozen=True)
class Make:
    """How make is called for one tree and one O= directory."""

    source: Path
    out: Path
    arch: Arch
    toolchain: Toolchain
    variables: Mapping[str, str] = field(default_factory=dict)
    gently: bool = False  # behind all else that the machine does

    def effective(self) -> dict[str, str]:
        """Quirks of the tree, overridden by what the caller asked for."""
        found = {k: v for quirk in quirks(self.source) for k, v in quirk.variables.items()}
        return {**found, **self.variables}

    def argv(self, *targets: str, jobs: int = 1) -> list[str]:
        """The command, as a person could type it."""
        settings = {
            "O": str(self.out.absolute()),
            "ARCH": self.arch.make,
            "CC": self.toolchain.cc,
            **self.effective(),
        }
        pairs = [f"{key}={value}" for key, value in settings.items()]
        # Output of one target in one piece: a warning belongs to the object named above it.
        command = [*(GENTLY if self.gently else ()), "make", "-C", str(self.source)]
        return [*command, f"-j{jobs}", "-Otarget", *pairs, *targets]

    def run(
        self,
        *targets: str,
        log: Path,
        on_line: Callable[[str], None] = lambda _line: None,
        jobs: int = 1,
        check: bool = True,
        lock: int = -1,
    ) -> process.Completed:
        """Run make; `lock` is a descriptor from `locked` that the whole family keeps open."""
        try:
            mend(self.out)
            (self.out / AT_WORK).touch()
            done = process.stream(
                self.argv(*targets, jobs=jobs),
                on_line,
                log=log,
                env={**REPRODUCIBLE, **NEUTRAL},
                check=check,
                pass_fds=(lock,) if lock >= 0 else (),
            )
            (self.out / AT_WORK).unlink(missing_ok=True)
            return done
        except OSError as err:
            raise files.trouble(err, log) from err


@contextlib.contextmanager
def locked(out: Path, stage: str = "build", emit: Emit = silent) -> Iterator[int]:
    """Hold an O= directory (made if absent) for ourselves and for the children we start.

    The children of a run that was killed keep its lock until the last of them is gone, so that two
    makes never meet in one directory. Raises `UsageError` when it stays busy.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = os.open(out / ".backport.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as err:
        raise files.trouble(err, out) from err
    try:
        _wait_for(lock, out, stage, emit)
        yield lock
    finally:
        os.close(lock)


def _wait_for(lock: int, out: Path, stage: str, emit: Emit) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE
    said = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not said:
                emit(Note(stage, f"{out}: another build is at work there; waiting for it"))
                said = True
            if time.monotonic() > deadline:
                raise UsageError(
                    f"{out}: another build has been at work there for {LOCK_PATIENCE:.0f} s",
                    hint="let it end, or give another directory",
                ) from None
            time.sleep(_POLL)
        else:
            return


def mend(out: Path) -> int:
    """Forget objects that a killed make was at; how many there were.

    The compiler writes `.x.o.d`, which fixdep turns into `.x.o.cmd` and removes. Where one is left,
    the object or its `.cmd` may be half written: make believes the one and trips over the other.
    """
    if not (out / AT_WORK).exists():
        return 0
    torn = [
        Path(top) / name for top, _, names in os.walk(out) for name in names if _is_depfile(name)
    ]
    for path in torn:
        path.with_suffix(".cmd").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return len(torn)


def _is_depfile(name: str) -> bool:
    return name.startswith(".") and name.endswith(".d")


def read_stamp(path: Path) -> dict[str, Any]:
    """A JSON object that an earlier run left; one that is absent or torn is empty."""
    try:
        stamp = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def sha256_file(path: Path) -> str:
    """64 hex digits, empty if the file is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
