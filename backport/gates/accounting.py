"""Accounting: nothing of upstream is lost and nothing foreign slips in.

For each path, the change from our side to the result must be upstream's own change, plus what the
rules that fired there account for, line by line. A plain merge can import foreign code silently;
the sum then does not come out, and the lines are named. A line can also come out in the sum and
stand in another function than upstream's, where a merge found the same neighbours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from backport.readers.cparse import holders
from backport.values.csource import Lines
from backport.values.rule import LineDelta, add_deltas, line_delta


@dataclass(frozen=True)
class Unaccounted:
    """A line of `path` that no rule explains: `surplus` times too many (below 0: lost).

    With `home` it is there, but not in that definition, where upstream has it.
    """

    path: str
    line: str
    surplus: int
    home: str = ""

    def __str__(self) -> str:
        if self.home:
            return f"{self.path}: not in {self.home} x{abs(self.surplus)}: {self.line.strip()!r}"
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


def misplaced(sides: Sides, placed: Collection[str]) -> list[Unaccounted]:
    """Lines of upstream that did not come to the definition where upstream has them.

    `sides.theirs` is upstream's text after the rules on incoming lines; `placed` are lines that a
    rule put where they are. A definition that the result does not have says nothing: it may bear
    another name there.
    """
    base, ours, theirs, result = (
        _by_home(lines) for lines in (sides.base, sides.ours, sides.theirs, sides.result)
    )
    known = {home for home, _ in result if home}
    found = []
    for (home, line), n in theirs.items():
        key = home, line
        wanted, had = n - base[key], ours[key] - base[key]
        lost = _less_shared(result[key] - ours[key] - wanted, wanted, had)
        if wanted > 0 > lost and home in known and line not in placed and re.search(r"\w", line):
            found.append(Unaccounted(sides.path, line, lost, home))
    return found


def _by_home(lines: Lines) -> Counter[tuple[str, str]]:
    return Counter(zip(holders(lines), lines, strict=True))


def _negated(delta: LineDelta) -> LineDelta:
    return Counter({line: -n for line, n in delta.items()})


def _less_shared(surplus: int, upstream: int, target: int) -> int:
    """Take out what the target changed in the same way already: it need not change again."""
    if upstream > 0 and target > 0 and surplus < 0:
        return min(0, surplus + min(upstream, target))
    if upstream < 0 and target < 0 and surplus > 0:
        return max(0, surplus - min(-upstream, -target))
    return surplus
