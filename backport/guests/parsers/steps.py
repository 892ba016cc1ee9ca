"""Reads what a laboratory's script reports: steps with an outcome, and figures.

    step <name>                         announced: it must be reported
    pass <name> [detail]                reported
    fail <name> [detail]
    figure <name> <key>=<number> …      measured in that step

All else is talk. A step that was announced and not reported failed: the script died in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_LINE = re.compile(r"^(step|pass|fail|figure) (\S+)(?: (.*))?$")
_PAIR = re.compile(r"^([a-z][a-z0-9_]*)=(-?\d+(?:\.\d+)?)$")
UNREPORTED = "was begun and never reported"


@dataclass(frozen=True)
class Step:
    """One thing that a script did; `figures` are numbers by key."""

    name: str
    ok: bool
    detail: str = ""
    figures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Steps:
    """All steps in the order of their announcement; `problems` is what breaks the protocol."""

    steps: tuple[Step, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there were steps, and all passed, in form."""
        return bool(self.steps) and not self.problems and all(step.ok for step in self.steps)


def read_steps(lines: Iterable[str]) -> Steps:
    """The steps that the lines tell of."""
    steps: dict[str, Step] = {}
    reported: set[str] = set()
    problems: list[str] = []
    for line in lines:
        found = _LINE.match(line.strip())
        if not found:
            continue
        word, name, rest = found[1], found[2], found[3] or ""
        if word == "step":
            if name in steps:
                problems.append(f"{name} was announced twice")
            steps[name] = Step(name, ok=False, detail=UNREPORTED)
        elif name not in steps or name in reported:
            problems.append(f"{word} of {name}, which is not under way")
        elif word == "figure":
            steps[name] = _measured(steps[name], rest, problems)
        else:
            reported.add(name)
            steps[name] = Step(name, word == "pass", rest, steps[name].figures)
    return Steps(tuple(steps.values()), tuple(problems))


def talk_of(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What was said in each step, between its announcement and its report, figures left out."""
    talk: dict[str, list[str]] = {}
    current = ""
    for line in lines:
        found = _LINE.match(line.strip())
        if found and found[1] == "step":
            current = found[2]
            talk.setdefault(current, [])
        elif found and found[2] == current:
            current = "" if found[1] in {"pass", "fail"} else current
        elif current:
            talk[current].append(line.rstrip())
    return {name: tuple(said) for name, said in talk.items()}


def _measured(step: Step, text: str, problems: list[str]) -> Step:
    figures = dict(step.figures)
    for pair in text.split():
        found = _PAIR.match(pair)
        if not found:
            problems.append(f"{step.name}: {pair!r} is no figure")
        elif found[1] in figures:
            problems.append(f"{step.name}: {found[1]} was told twice")
        else:
            figures[found[1]] = float(found[2])
    return Step(step.name, step.ok, step.detail, MappingProxyType(figures))
