"""Errors by whose fault they are; each knows its exit code.

Every error says what happened, and where it can, the log to read and the next command to type.
One place (`backport.shell.cli`) turns them into text and an exit status; nothing else exits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class Exit(IntEnum):
    """Exit statuses of the command line; stable, documented in README.md."""

    OK = 0
    TESTS_FAILED = 1
    USAGE = 2
    CONFLICTS = 3
    GATE = 4
    GUEST = 5
    UNAVAILABLE = 69
    INTERNAL = 70
    INTERRUPTED = 130


class BackportError(Exception):
    """Base of all errors that the tool raises on purpose."""

    exit_code: Exit = Exit.INTERNAL

    def __init__(self, message: str, *, hint: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log = log


class UsageError(BackportError):
    """The caller asked for something that cannot be: a bad option, base, branch or hash."""

    exit_code = Exit.USAGE


@dataclass(frozen=True)
class Place:
    """Where in a data file something is wrong; `line` counts from 1, 0 means unknown."""

    file: str
    line: int = 0
    key: str = ""

    def __str__(self) -> str:
        text = self.file
        if self.line:
            text += f":{self.line}"
        return f"{text}: {self.key}" if self.key else text


class ManifestError(UsageError):
    """A data file (series, target, snapshot, rule) is wrong at a known place."""

    def __init__(self, place: Place, message: str, *, hint: str = "") -> None:
        super().__init__(f"{place}: {message}", hint=hint)
        self.place = place


class RuleError(ManifestError):
    """A rule matches zero or several places, or contradicts another."""


class ConflictsLeft(BackportError):
    """Conflicts that no rule settles; the state is kept for `continue` and `abort`."""

    exit_code = Exit.CONFLICTS


class GateFailed(BackportError):
    """A check that the next step relies on did not pass."""

    exit_code = Exit.GATE


class BuildFailed(GateFailed):
    """The kernel, its configuration or the selftests did not build."""


class TestsFailed(BackportError):
    """The guest ran and a selftest failed."""

    __test__ = False  # the name is taken for a test's otherwise
    exit_code = Exit.TESTS_FAILED


class GuestLost(BackportError):
    """The guest panicked, hung, or went away without a result."""

    exit_code = Exit.GUEST


class Interrupted(BackportError):
    """The process is told to end; what another thread was waiting for is of no use any more."""

    exit_code = Exit.INTERRUPTED


class Unavailable(BackportError):
    """The machine lacks something: a tool, the network, room on the disk."""

    exit_code = Exit.UNAVAILABLE


class ToolMissing(Unavailable):
    """A program is not installed; the hint is the command that installs it."""
