"""What a runner takes and gives: a kernel and an initramfs in, console lines out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backport.guests.parsers.tree import Ended

OnLine = Callable[[str], None]


def ignore(_line: str) -> None:
    """An `OnLine` for callers that only want the result."""


@dataclass(frozen=True)
class BootRequest:
    """One boot. `log` gets the console as it comes.

    `deadline` and `silence` are seconds on a machine with hardware acceleration (a slower runner
    stretches them by its `patience`): for the whole boot, and without any output.
    """

    kernel: Path
    initramfs: Path
    log: Path
    arguments: tuple[str, ...] = ()  # more words for the kernel command line
    memory: int = 1024  # MiB
    deadline: float = 150.0
    silence: float = 30.0
    devices: tuple[str, ...] = ()  # more words for the runner's own command line


@dataclass(frozen=True)
class BootOutput:
    """What a boot said. `status` is the runner program's own exit status, not the guest's."""

    lines: tuple[str, ...]
    ended: Ended
    status: int | None
    seconds: float
    command: tuple[str, ...]


class Runner(Protocol):
    """Boots kernels in one way."""

    @property
    def name(self) -> str:
        """Its key in the registry."""
        ...

    @property
    def patience(self) -> float:
        """How much slower it is than hardware acceleration."""
        ...

    def command(self, request: BootRequest) -> tuple[str, ...]:
        """The command line that boots it, for a person to repeat."""
        ...

    def run(self, request: BootRequest, on_line: OnLine = ignore) -> BootOutput:
        """Boot, listen until the guest is done or gone, and leave nothing running.

        Raises `ToolMissing` without the program; a guest that dies is a result, not an error.
        """
        ...
