"""What a finding is, how much it weighs, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from backport.values.filecase import FileCase

RECIPE = 4  # of a verdict that is kept: raise it when the same pick gets another one


class Verdict(StrEnum):
    """What is to be done about a pick."""

    SOUND = "sound"  # nothing was found; not a proof
    LOOK = "look here"
    UNSOUND = "unsound"  # as it stands it does not compile, or does what upstream did not write


class Sort(StrEnum):
    """The kinds of findings."""

    NAME = "name the target lacks"
    REACH = "name out of the file's reach"
    LOCAL = "name the function lacks"
    ARGUMENTS = "other signature"
    USER = "user of what upstream removes"
    PLACE = "other place than upstream's"
    TWICE = "defined twice"


WEIGHTS = {
    Sort.NAME: Verdict.UNSOUND,
    Sort.REACH: Verdict.LOOK,
    Sort.LOCAL: Verdict.LOOK,
    Sort.ARGUMENTS: Verdict.UNSOUND,
    Sort.USER: Verdict.LOOK,
    Sort.PLACE: Verdict.LOOK,
    Sort.TWICE: Verdict.UNSOUND,
}


@dataclass(frozen=True)
class Finding:
    """One reason to look, with its evidence; `number` (from 1) is a line of the result."""

    sort: Sort
    path: str
    number: int
    name: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}: {self.sort}: {self.evidence}"


@dataclass(frozen=True)
class Judged:
    """All that was found in one pick."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """That of the weightiest finding."""
        weights = {WEIGHTS[one.sort] for one in self.findings}
        order = (Verdict.UNSOUND, Verdict.LOOK)
        return next((one for one in order if one in weights), Verdict.SOUND)


@dataclass(frozen=True)
class Landed:
    """One file of a pick as it came out; None where the pick removes it.

    Where the merge alone did it, it `is_plain`; else a rule or a person chose the places.
    """

    case: FileCase
    result: bytes | None
    is_plain: bool = True


Files = Sequence[Landed]
