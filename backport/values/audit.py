"""An audit as values: what a target lacks of upstream, how it stands there, what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from backport.values.errors import Place


class Kind(StrEnum):
    """Why a commit is of interest; the earlier kind names a commit that is of several."""

    FIX = "fix"
    REVERT = "revert"
    STABLE = "stable"  # asks for stable trees, without saying what it fixes
    SELFTEST = "selftest"
    COMPANION = "companion"  # of the same patch series upstream


class State(StrEnum):
    """How a commit stands on the target."""

    PRESENT = "present"
    APPLIES = "applies"
    CONFLICTS = "conflicts"
    NOT_APPLICABLE = "not-applicable"
    TAKEN_BACK = "taken-back"  # upstream reverted it, or what it fixes
    SERVED = "served"  # what it is about comes from the donor tree, not from a pick
    UNKNOWN = "unknown"


# Those that a person has to decide about.
OPEN = frozenset({State.APPLIES, State.CONFLICTS, State.UNKNOWN})


class Choice(StrEnum):
    """What was decided about a commit."""

    TAKE = "take"
    LEAVE = "leave"
    LATER = "later"


@dataclass(frozen=True)
class Decision:
    """A row of `audit.toml`, or of a series' `left_out`; without `expires` it holds for good."""

    sha: str  # 12 to 40 hex digits
    choice: Choice
    reason: str
    expires: date | None = None
    place: Place = field(default=Place("audit"), compare=False)

    def holds(self, today: date) -> bool:
        """Whether it has not expired; it still holds on the day that it names."""
        return self.expires is None or today <= self.expires


@dataclass(frozen=True)
class Cause:
    """A commit that makes another one interesting; `how` its name was understood."""

    sha: str
    subject: str
    how: str  # id, subject, cve, lines, series or neighbour


@dataclass(frozen=True)
class Standing:
    """A state with what it is known by; `needs` are commits that have to come first."""

    state: State
    why: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A commit of upstream that the target may lack; `depth` 1 is about one that it has."""

    n: int  # its place in the index: parents stand before children
    sha: str
    subject: str
    authored: int  # seconds
    kind: Kind
    causes: tuple[Cause, ...]
    depth: int = 1
    stable: bool = False  # it asks for stable trees
    cves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A finding with its state, and what was decided about it."""

    finding: Finding
    standing: Standing
    decision: Decision | None = None
    expired: bool = False

    @property
    def undecided(self) -> bool:
        """Whether somebody still has to say what happens to it."""
        return self.standing.state in OPEN and (self.decision is None or self.expired)


@dataclass(frozen=True)
class Audit:
    """The answer: every finding, and what could not be looked at."""

    subject: str  # the series or branch, for a person
    target: str
    upstream: str
    looked_at: int  # commits whose fixes and reverts were looked for
    items: tuple[Judged, ...]
    absent: Mapping[str, str] = field(default_factory=dict)  # commits the clone lacks: sha, subject
    ambiguous: tuple[str, ...] = ()  # names that may mean several commits, one line each
    notes: tuple[str, ...] = ()  # what was not looked for, and why
    unused: tuple[Decision, ...] = ()  # decisions about nothing that was found

    @property
    def open_items(self) -> tuple[Judged, ...]:
        """What is undecided."""
        return tuple(item for item in self.items if item.undecided)
