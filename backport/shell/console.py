"""What a person sees while the tool works: stages, progress, notes and errors, on stderr.

The only module that renders events. Where nothing can be redrawn (a pipe, a CI log, NO_COLOR) a
stage gets one line at its start, one at its end, and now and then one in between.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from backport.output.summary import clip, duration, summary
from backport.values.errors import BackportError, Exit
from backport.values.events import Event, Note, Progress, StageFinished, StageStarted

__all__ = ["ConsoleRenderer", "for_stream", "render_error", "summary"]

EVERY = 10.0  # seconds between two progress lines of a stage where nothing can be redrawn
STAGE = 11  # columns of a stage's name
_BYTES = ("B", "bytes")
_ASCII = str.maketrans({"✓": "+", "✗": "x", "…": "~", "–": "-", "→": ">", "·": "-"})

# How an error begins, by whose fault it is.
_PREFIX: Mapping[int, str] = {
    Exit.TESTS_FAILED: "failed",
    Exit.CONFLICTS: "stopped",
    Exit.INTERNAL: "internal error",
    Exit.INTERRUPTED: "interrupted",
}


def for_stream(text: str, stream: IO[str]) -> str:
    """The text with our marks replaced where the stream cannot show them."""
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        plain = text.translate(_ASCII)
        return plain.encode("ascii", "backslashreplace").decode()
    return text


def render_error(err: BackportError) -> str:
    """An error for a person: what happened, where the log is, what to type next."""
    lines = [f"{_PREFIX.get(err.exit_code, 'error')}: {err.message}"]
    if err.log is not None:
        lines.append(f"log: {err.log}")
    if err.hint:
        lines.append(f"next: {err.hint}")
    return "\n".join(lines)


def amount(event: Progress) -> str:
    """How far a stage is: `41 %, 62 of 152 MB`, or `1,200 objects` when the total is not known."""
    if event.unit in _BYTES:
        done, total, unit = f"{event.done / 1e6:,.1f}", f"{event.total / 1e6:,.1f}", "MB"
    else:
        done, total, unit = f"{event.done:,}", f"{event.total:,}", event.unit
    if event.total <= 0:
        return f"{done} {unit}"
    share = min(100 * event.done // event.total, 100)
    return f"{share} %, {done} of {total} {unit}"


class _Screen(Protocol):
    def start(self) -> None: ...
    def show(self, event: Event) -> None: ...
    def stop(self) -> None: ...


class ConsoleRenderer:
    """An `Emit` and a context manager; events may come from several threads."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._screen: _Screen | None = None
        if not quiet:
            redraw = can_redraw(stream, os.environ) if live is None else live
            self._screen = LiveScreen(stream) if redraw else PlainScreen(stream, clock)

    def __call__(self, event: Event) -> None:
        with self._lock:
            if self._screen is not None:
                try:
                    self._screen.show(event)
                except BrokenPipeError:  # nobody reads it any more; the work goes on
                    self._screen = None

    def __enter__(self) -> ConsoleRenderer:
        if self._screen is not None:
            self._screen.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._screen is not None:
            self._screen.stop()


def can_redraw(stream: TextIO, env: Mapping[str, str]) -> bool:
    """Whether lines can be drawn over: a terminal, and nobody asked for plain text."""
    plain = env.get("NO_COLOR") or env.get("CI") or env.get("TERM") == "dumb"
    return stream.isatty() and not plain


@dataclass
class PlainScreen:
    """Whole lines only, each with the time since the start."""

    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    _said: dict[str, float] = field(default_factory=dict)
    _began: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.clock()

    def start(self) -> None:
        """Nothing to set up."""

    def stop(self) -> None:
        """Nothing to take down."""

    def show(self, event: Event) -> None:
        """Write the event's line, or nothing if its stage said something just now."""
        now = self.clock()
        if isinstance(event, Progress) and now - self._said.get(event.stage, now) < EVERY:
            self._said.setdefault(event.stage, now)
            return
        self._said[event.stage] = now
        elapsed = duration(now - self._began).rjust(12)
        line = f"{elapsed}  {event.stage.ljust(STAGE)} {_text(event)}"
        self.stream.write(for_stream(line, self.stream) + "\n")
        self.stream.flush()


def _text(event: Event) -> str:
    match event:
        case StageStarted(label=label):
            return f"→ {label}"
        case Progress():
            return f"… {amount(event)}"
        case Note(text=text):
            return f"· {text}"
        case StageFinished(detail=detail, seconds=seconds, cached=cached):
            return f"✓ {detail} ({'cached' if cached else duration(seconds)})"


class LiveScreen:
    """Running stages as bars at the bottom, everything that is settled as lines above them."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.fields[stage]}", style="cyan", markup=False),
            _Label(table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(20),
            _Amount(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def start(self) -> None:
        """Begin to draw."""
        self._bars.start()

    def stop(self) -> None:
        """Take the bars away; the lines stay."""
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Move a bar, or write a line above the bars."""
        match event:
            case StageStarted(stage, label):
                self._drop(stage)
                self._add(stage, label)
            case Progress():
                self._move(event)
            case Note(stage):
                self._line(stage, _text(event), "yellow")
            case StageFinished(stage):
                self._drop(stage)
                self._line(stage, _text(event), "green")

    def _add(self, stage: str, label: str) -> None:
        name = stage.ljust(STAGE)
        self._tasks[stage] = self._bars.add_task(label, total=None, stage=name, amount="")

    def _move(self, event: Progress) -> None:
        if event.stage not in self._tasks:
            self._add(event.stage, "")
        self._bars.update(
            self._tasks[event.stage],
            completed=event.done,
            total=event.total or None,
            amount=_short(amount(event)),
        )

    def _drop(self, stage: str) -> None:
        task = self._tasks.pop(stage, None)
        if task is not None:
            self._bars.remove_task(task)

    def _line(self, stage: str, text: str, style: str) -> None:
        mark, _, rest = for_stream(text, self._console.file).partition(" ")
        line = Text.assemble((mark, style), " ", (stage.ljust(STAGE), "cyan"), f" {rest}")
        self._bars.console.print(line, soft_wrap=True)


class _Label(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(clip(task.description, 200))


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(str(task.fields["amount"]), justify="right")


def _short(text: str) -> str:
    return text.partition(", ")[2] or text
