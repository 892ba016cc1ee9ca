"""One file of one pick as a value: what a resolver works on, and what it gives back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Side(StrEnum):
    """The three trees of a pick."""

    BASE = "base"  # the parent of upstream's commit
    OURS = "ours"  # the target
    THEIRS = "theirs"  # upstream's commit


@dataclass(frozen=True)
class FileCase:
    """One path that upstream's commit changes, as whole contents; None where a tree lacks it."""

    path: str  # as upstream names it
    base: bytes | None
    ours: bytes | None
    theirs: bytes | None


@dataclass(frozen=True)
class Resolution:
    """What a step makes of a case. `text` is None for a file that goes."""

    path: str  # the target's name of the file
    text: bytes | None
    step: str  # the name of the step
    note: str = ""  # for a person: what was decided, and on which evidence


class Around(Protocol):
    """What a step may ask about the trees that a case is from."""

    def read(self, side: Side, path: str) -> bytes | None:
        """The content of a file, or None where the tree has none."""
        ...

    def paths(self, side: Side) -> Collection[str]:
        """The path of every file."""
        ...

    def known(self, side: Side, words: Collection[str]) -> frozenset[str]:
        """Those of `words` that stand, as whole identifiers, in any file of source code."""
        ...


class Step(Protocol):
    """One way to resolve a file on which a plain merge stops."""

    @property
    def name(self) -> str:
        """Its key in the registry and in the provenance."""
        ...

    def resolve(self, case: FileCase, around: Around) -> Resolution | None:
        """The whole file resolved, or None: to abstain is the normal answer when in doubt."""
        ...
