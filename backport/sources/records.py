"""What names meant when the network was last asked: package versions, refs of remotes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backport.doors import files

FRESH_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Answer:
    """One recorded answer; `time` is seconds since the epoch."""

    value: dict[str, Any]
    time: float

    @property
    def fresh(self) -> bool:
        """Whether it is younger than a day (a clock set back makes it stale)."""
        return 0 <= time.time() - self.time < FRESH_SECONDS

    @property
    def age(self) -> str:
        """How old it is, for a person."""
        hours = max(0, int(time.time() - self.time)) // 3600
        return f"{hours} h" if hours < 48 else f"{hours // 24} days"


class Records:
    """A JSON file of answers by key; every change is one atomic step, whoever else writes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> Answer | None:
        """The answer to `key`, None if there is none (or the file is not readable as one)."""
        found = self._load().get(key)
        if not isinstance(found, dict) or not isinstance(found.get("value"), dict):
            return None
        return Answer(found["value"], float(found.get("time", 0)))

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Record an answer given now."""
        with files.locked(self._path.with_suffix(".lock")):
            everything = self._load() | {key: {"value": value, "time": time.time()}}
            text = json.dumps(everything, indent=1, sort_keys=True)
            files.write(self._path, text.encode())

    def _load(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
