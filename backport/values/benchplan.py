"""What a series expects of its bench: which blocks, what the verdict is on, and what is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backport.values.rule import Question


@dataclass(frozen=True)
class Known:
    """Blocks that lose packets on a tree for which all of `when` hold, until it has `fixed_by`."""

    blocks: tuple[str, ...]
    when: tuple[Question, ...]
    fixed_by: str
    why: str


@dataclass(frozen=True)
class BenchPlan:
    """`new` against `old` on the blocks that end in `way`; `quick` are ends of blocks, too.

    `gain` is the least, `spread` the most that is allowed, both in percent. `wire_way` and
    `wire_quick` are the same of the blocks between two guests. `throughput` are ends of blocks
    that the wall clock measures, where there is one to trust.
    """

    new: str
    old: str
    way: str
    gain: float
    spread: float
    quick: tuple[str, ...]
    wire_way: str
    wire_quick: tuple[str, ...]
    throughput: tuple[str, ...]
    known: tuple[Known, ...] = ()


@dataclass(frozen=True)
class Expected:
    """A plan on one tree: what each block that must lose packets there is known for."""

    plan: BenchPlan
    losses: Mapping[str, Known] = field(default_factory=dict)
