"""One run as it goes: the record that grows with each stage, and the events on their way out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from backport.doors.cache import Cache
from backport.doors.rundir import RunDir
from backport.doors.store import Store
from backport.values.events import Emit, Event, Note, Progress, StageFinished, StageStarted
from backport.values.options import Options
from backport.values.record import Failure, Gate, RunRecord, Stage, outcome_of

# In the order in which a result has to pass them.
GATES = (
    "snapshot",
    "accounting",
    "form",
    "symbols",
    "uapi",
    "objects",
    "config",
    "control-base",
    "boot and tests",
    "control-donor",
    "series",
)


class StageTalk:
    """What a stage says of itself when it ends."""

    def __init__(self) -> None:
        self.detail = ""
        self.cached = False


class Session:
    """A run: options, doors, and the record, saved after every change.

    `emit` may be called from several threads; each finished stage goes into the record.
    """

    def __init__(self, options: Options, cache: Cache, run: RunDir, data: Path, emit: Emit) -> None:
        self.options = options
        self.cache = cache
        self.run = run
        self.data = data
        self.store = Store(cache)
        self._out = emit
        self.lock = threading.RLock()
        self._told: set[tuple[str, str]] = set()
        self.worked: set[str] = set()  # stages that told progress: something had to be done
        self._begun: dict[str, float] = {}  # stages under way, and since when

    @property
    def record(self) -> RunRecord:
        """The record as it stands."""
        return self.run.record

    def note(self, **changes: Any) -> None:  # noqa: ANN401 (fields of RunRecord)
        """Change fields of the record and save it."""
        with self.lock:
            self.run.save(replace(self.run.record, **changes))

    def gate(self, name: str, outcome: str, detail: str) -> None:
        """Note what a gate said, in place of what it said before."""
        with self.lock:
            others = [g for g in self.record.gates if g.name != name]
            gates = sorted(
                [*others, Gate(name, outcome, detail)], key=lambda g: GATES.index(g.name)
            )
            self.note(gates=tuple(gates))

    def artifact(self, name: str, path: Path) -> None:
        """Note where an artifact lies."""
        with self.lock:
            self.note(artifacts={**self.record.artifacts, name: self.run.relative(path)})

    def emit(self, event: Event) -> None:
        """Hand an event on; the end of a stage goes into the record first."""
        if isinstance(event, Note):
            with self.lock:
                known = (event.stage, event.text) in self._told
                self._told.add((event.stage, event.text))
            if known:  # two guests side by side have the same to tell
                return
        if isinstance(event, Progress):
            self.worked.add(event.stage)
        if isinstance(event, StageStarted):
            with self.lock:
                self._begun[event.stage] = time.monotonic()
        if isinstance(event, StageFinished):
            with self.lock:
                self._begun.pop(event.stage, None)
                stage = Stage(
                    event.stage, "done", round(event.seconds, 3), event.cached, event.detail
                )
                self.note(stages=(*self.record.stages, stage))
        self._out(event)

    def finish(self, exit_code: int, failure: Failure | None) -> None:
        """Write the run's last word; stages still under way are what it failed in."""
        with self.lock:
            now, word = time.monotonic(), outcome_of(exit_code)
            failed = (Stage(n, word, round(now - t, 3)) for n, t in self._begun.items())
            record = replace(self.record, stages=(*self.record.stages, *failed))
            self.run.finish(record, exit_code, failure)

    @contextmanager
    def stage(self, name: str, label: str) -> Iterator[StageTalk]:
        """A stage of our own; one that raises does not count as finished."""
        start = time.monotonic()
        self.emit(StageStarted(name, label))
        talk = StageTalk()
        yield talk
        self.emit(StageFinished(name, talk.detail, time.monotonic() - start, talk.cached))
