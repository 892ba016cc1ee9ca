"""One file of C of a pick, in all its states, each worked out when it is first asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from backport.readers.code import Code
from backport.readers.identifiers import Use, uses
from backport.soundness.findings import Landed
from backport.values.csource import split_lines
from backport.values.linediff import deltas

WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Text(Code):
    """One state of a file."""

    @cached_property
    def words(self) -> frozenset[str]:
        """The identifiers in code."""
        return frozenset(WORD.findall(self.text))


@dataclass(frozen=True)
class File:
    """One file of a pick. What is not there is empty."""

    landed: Landed

    @property
    def path(self) -> str:
        """As upstream names it."""
        return self.landed.case.path

    @property
    def is_merged(self) -> bool:
        """Whether the target's file is another than upstream's of before; where it is not, the
        result is upstream's, byte for byte."""
        case = self.landed.case
        return case.base is not None and case.ours is not None and case.base != case.ours

    @cached_property
    def base(self) -> Text:
        """Upstream's, before."""
        return Text(split_lines(self.landed.case.base or b""))

    @cached_property
    def ours(self) -> Text:
        """The target's, before."""
        return Text(split_lines(self.landed.case.ours or b""))

    @cached_property
    def theirs(self) -> Text:
        """Upstream's, after."""
        return Text(split_lines(self.landed.case.theirs or b""))

    @cached_property
    def result(self) -> Text:
        """The target's, after."""
        return Text(split_lines(self.landed.result or b""))

    @cached_property
    def added(self) -> frozenset[int]:
        """The numbers of the lines that the pick puts into the target."""
        return added(self.ours.lines, self.result.lines)

    @cached_property
    def upstreams(self) -> frozenset[int]:
        """The numbers of the lines that upstream adds."""
        return added(self.base.lines, self.theirs.lines)

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """What the added lines use."""
        return tuple(uses("".join(self.result.lines), self.added)) if self.added else ()


def added(old: Sequence[str], new: Sequence[str]) -> frozenset[int]:
    """The numbers (from 1) of the lines of `new` that are not `old`'s."""
    return frozenset(n + 1 for delta in deltas(old, new) for n in range(delta.b1, delta.b2))
