"""How a file uses what it has, where upstream's uses it otherwise; its text put into that usage.

A function that gives something upstream and nothing here, a member that is a pointer upstream and
a struct here: what upstream adds would not compile, and is plain to write as the target has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backport.readers.code import ACCESS, Code, code_of, named
from backport.values.csource import Lines

_GIVES = re.compile(r"\breturn\s+-?\w+\s*;")
_OFTEN = 2  # places in which the target must show it


@dataclass(frozen=True)
class Usage:
    """What the target's file has otherwise: functions that give nothing, and the members (or
    variables) with what stands behind them here."""

    void: frozenset[str] = frozenset()
    access: Mapping[str, str] = field(default_factory=dict)

    def put(self, lines: Lines) -> list[str]:
        """Upstream's lines in the target's usage."""
        found = [_accessed(line, self.access) for line in lines] if self.access else list(lines)
        functions = code_of(lines).functions if self.void else {}
        for name in self.void & functions.keys():
            first, last = functions[name]
            found[first:last] = [_GIVES.sub("return;", line) for line in found[first:last]]
        return found

    @property
    def told(self) -> list[str]:
        """For a person."""
        return [
            *(f"{name}() gives nothing here" for name in sorted(self.void)),
            *(f"it is {name}{sign} here" for name, sign in sorted(self.access.items())),
        ]


def usage(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Usage:
    """What the target's file has otherwise, of what upstream's lines use."""
    upstream, after, target = code_of(base), code_of(theirs), code_of(ours)
    void = target.void - upstream.void - after.void
    return Usage(void & upstream.functions.keys(), _accesses(upstream, after, target))


def _accesses(upstream: Code, after: Code, target: Code) -> dict[str, str]:
    """Names behind which upstream always has one sign and the target always the other."""
    before, used, here = upstream.signs, after.signs, target.signs
    return {
        name: sign
        for (name, sign), count in here.items()
        if count >= _OFTEN and not here[name, _other(sign)]
        if used[name, _other(sign)] and not before[name, sign] and not used[name, sign]
    }


def _other(sign: str) -> str:
    return "." if sign == "->" else "->"


def _accessed(line: str, access: Mapping[str, str]) -> str:
    return ACCESS.sub(lambda found: found[1] + access.get(named(found), found[2]), line)
