"""What the core says while it works; one module (`backport.shell.console`) renders it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StageStarted:
    """A stage begins; `label` names it for a person."""

    stage: str
    label: str


@dataclass(frozen=True)
class Progress:
    """`done` of `total` `unit`s; `total` 0 means not known."""

    stage: str
    done: int
    total: int
    unit: str


@dataclass(frozen=True)
class Note:
    """One line worth reading now."""

    stage: str
    text: str


@dataclass(frozen=True)
class StageFinished:
    """A stage ended; `detail` is its one-line result, `cached` that nothing had to be done."""

    stage: str
    detail: str
    seconds: float
    cached: bool = False


Event = StageStarted | Progress | Note | StageFinished
Emit = Callable[[Event], None]


def silent(_event: Event) -> None:
    """An `Emit` for callers that want no talk."""
