"""Accounting: nothing of upstream is lost and nothing foreign slips in.

For each path, the change from our side to the result must be upstream's own change, plus what the
rules that fired there account for, line by line. A plain merge can import foreign code silently;
the sum then does not come out, and the lines are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from backport.csource import Lines
from backport.rule import LineDelta, add_deltas, line_delta


@dataclass(frozen=True)
class Unaccounted:
    """A line of `path` that no rule explains: `surplus` times too many (below 0: lost)."""

    path: str
    line: str
    surplus: int

    def __str__(self) -> str:
        word = "foreign" if self.surplus > 0 else "lost"
        return f"{self.path}: {word} x{abs(self.surplus)}: {self.line.strip()!r}"


@dataclass(frozen=True)
class Sides:
    """The four texts of one path in one pick; a missing file has no lines."""

    path: str
    base: Lines
    ours: Lines
    theirs: Lines
    result: Lines


def account(sides: Sides, owned: Iterable[LineDelta]) -> list[Unaccounted]:
    """What the rules' deltas leave unexplained; empty is a pass."""
    upstream = line_delta(list(sides.base), list(sides.theirs))
    result = line_delta(list(sides.ours), list(sides.result))
    target = line_delta(list(sides.base), list(sides.ours))
    open_ = add_deltas(result, _negated(upstream), *(_negated(delta) for delta in owned))
    rest = {line: _less_shared(n, upstream[line], target[line]) for line, n in open_.items()}
    return [Unaccounted(sides.path, line, n) for line, n in rest.items() if n]


def _negated(delta: LineDelta) -> LineDelta:
    return Counter({line: -n for line, n in delta.items()})


def _less_shared(surplus: int, upstream: int, target: int) -> int:
    """Take out what the target changed in the same way already: it need not change again."""
    if upstream > 0 and target > 0 and surplus < 0:
        return min(0, surplus + min(upstream, target))
    if upstream < 0 and target < 0 and surplus > 0:
        return max(0, surplus - min(-upstream, -target))
    return surplus
