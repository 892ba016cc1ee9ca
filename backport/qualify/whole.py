"""The whole qualification of a target: its scenarios one after the other, and one verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backport.qualify.verdict import demand_none
from backport.values.errors import BackportError, Exit, Interrupted
from backport.values.events import Emit, Progress

STAGE = "qualify"


@dataclass(frozen=True)
class Findings:
    """What a scenario found: what is not as it must be, and its table for a person."""

    failures: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Scenario:
    """One part of a qualification; `play` raises what keeps it from its end."""

    name: str
    title: str
    play: Callable[[], Findings]


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario; `exit_code` is what its own command would have ended with."""

    name: str
    title: str
    exit_code: Exit
    failures: tuple[str, ...]
    text: str
    seconds: float

    @property
    def held(self) -> bool:
        """Whether all was as it must be."""
        return self.exit_code == Exit.OK


@dataclass(frozen=True)
class Qualification:
    """A target's outcomes, in the order in which they were played."""

    kernel: str
    quick: bool
    outcomes: tuple[Outcome, ...]
    seconds: float


def qualify(
    kernel: str, scenarios: Sequence[Scenario], emit: Emit, *, quick: bool
) -> Qualification:
    """Play all scenarios; one that fails, or cannot come to its end, does not keep off the next."""
    start = time.monotonic()
    outcomes = []
    for number, scenario in enumerate(scenarios, 1):
        outcomes.append(_played(scenario))
        emit(Progress(STAGE, number, len(scenarios), "scenarios"))
    return Qualification(kernel, quick, tuple(outcomes), round(time.monotonic() - start, 1))


def _played(scenario: Scenario) -> Outcome:
    start = time.monotonic()
    try:
        found = scenario.play()
        code = Exit.TESTS_FAILED if found.failures else Exit.OK
    except Interrupted:
        raise
    except BackportError as err:
        log = f" (log: {err.log})" if err.log else ""
        found, code = Findings((f"{err}{log}",), ""), err.exit_code
    seconds = round(time.monotonic() - start, 1)
    return Outcome(scenario.name, scenario.title, code, found.failures, found.text, seconds)


def demand_held(result: Qualification) -> None:
    """Raise for what did not hold, with the exit code of the most serious outcome."""
    bad = [one for one in result.outcomes if not one.held]
    lines = [f"{one.name}: {line}" for one in bad for line in one.failures]
    demand_none(STAGE, lines, max((one.exit_code for one in bad), default=Exit.TESTS_FAILED))
