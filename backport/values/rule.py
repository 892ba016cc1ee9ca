"""Rules as values: why and how one difference between upstream and a target is bridged."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from backport.values.errors import Place
from backport.values.version import Range


class Side(StrEnum):
    """A side of a conflict that a rule can take."""

    OURS = "ours"
    THEIRS = "theirs"


class Grain(StrEnum):
    """How finely an additive replay compares."""

    LINE = "line"
    WORD = "word"


class At(StrEnum):
    """Where additions go in our side when no neighbour says it."""

    UNSAID = ""
    START = "start"
    END = "end"


@dataclass(frozen=True)
class Substitution:
    """A regular expression (multi-line mode) and what stands for it; `\\1` names groups."""

    find: str
    replace: str


@dataclass(frozen=True)
class Additive:
    """Conflict: put what upstream adds to its base into our side, and nothing else."""

    grain: Grain = Grain.LINE
    at: At = At.UNSAID


@dataclass(frozen=True)
class Take:
    """Conflict: one side as it is, then substitutions in it.

    `imports` is how many lines come along that upstream's commit does not add and the target does
    not have: another commit's, taken on purpose.
    """

    side: Side
    then: tuple[Substitution, ...] = ()
    imports: int = 0


@dataclass(frozen=True)
class Verbatim:
    """Conflict: the text that a person gave the very conflict whose digest is `sides`."""

    sides: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Rewrite:
    """Incoming lines, before the merge, also in new files: rename, change arguments, drop."""

    changes: tuple[Substitution, ...]


@dataclass(frozen=True)
class Pin:
    """Incoming enum members get the values that upstream's headers give them."""

    members: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Edit:
    """After the merge: change lines that upstream's diff does not touch."""

    change: Substitution


@dataclass(frozen=True)
class Insert:
    """After the merge: put lines after (or before) the one line that matches `anchor`."""

    anchor: str
    lines: tuple[str, ...]
    before: bool = False


@dataclass(frozen=True)
class Remove:
    """After the merge: delete a definition, with the `#if` that holds nothing else."""

    symbol: str


@dataclass(frozen=True)
class Shim:
    """After the merge: a definition after an anchor; left out where the target has it."""

    symbol: str
    anchor: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Absent:
    """Conflict: the target does not have the file; what is done instead is in `instead`."""

    instead: str  # a path of the target, where another rule of the commit puts the change


@dataclass(frozen=True)
class Present:
    """The whole commit: the target has it already, if `symbol` is a word of the rule's path."""

    symbol: str


@dataclass(frozen=True)
class Climbed:
    """Conflict: what a step of the ladder gave, where no rule says anything; in no data file."""

    step: str


Action = (
    Absent
    | Additive
    | Climbed
    | Take
    | Verbatim
    | Rewrite
    | Pin
    | Edit
    | Insert
    | Remove
    | Shim
    | Present
)


@dataclass(frozen=True)
class Question:
    """Is `symbol` a word of `path`, in the target or as upstream's commit leaves it?

    A commit has more than one form: the one that it was made in, and what a newer kernel has of it.
    """

    symbol: str
    path: str
    defined: bool
    upstream: bool = False

    def holds_in(self, text: bytes) -> bool:
        """Whether what the file says is what is asked for."""
        return has_word(text, self.symbol) == self.defined


def has_word(text: bytes, word: str) -> bool:
    """Whether the word is somewhere in the text, whole."""
    return re.search(rb"\b%b\b" % re.escape(word.encode()), text) is not None


@dataclass(frozen=True)
class Rule:
    """One rule of patches/<series>/rules/*.toml; `commits` are SHA prefixes it belongs to."""

    id: str
    place: Place
    cause: str
    why: str
    commits: tuple[str, ...]
    paths: tuple[str, ...]
    action: Action
    within: str = ""  # definition that holds the place
    has: str = ""  # regex that a conflict's text must match
    count: int = 1  # how many places there must be in each path; 0: any number but none
    targets: Range = field(default_factory=Range)
    when: tuple[Question, ...] = ()

    def belongs_to(self, shas: tuple[str, ...]) -> bool:
        """Whether the rule is about a commit that stands for these upstream SHAs."""
        return any(sha.startswith(prefix) for sha in shas for prefix in self.commits)

    @property
    def asks_target(self) -> tuple[str, ...]:
        """The paths of the target that its questions are about."""
        return tuple(question.path for question in self.when if not question.upstream)


LineDelta = Counter[str]  # line -> how often it came (above 0) or went (below 0)


@dataclass(frozen=True)
class Adaptation:
    """A rule that fired on one path: how the lines differ from upstream's because of it."""

    rule: Rule
    path: str
    delta: LineDelta

    @property
    def added(self) -> int:
        """Lines that are there because of the rule."""
        return sum(n for n in self.delta.values() if n > 0)

    @property
    def removed(self) -> int:
        """Lines of upstream or of the target that are not there because of it."""
        return -sum(n for n in self.delta.values() if n < 0)


def line_delta(before: list[str], after: list[str]) -> LineDelta:
    """Lines of `after` less lines of `before`, signed; equal counts are left out."""
    delta: LineDelta = Counter(after)
    delta.subtract(before)
    return Counter({line: n for line, n in delta.items() if n})


def add_deltas(*deltas: LineDelta) -> LineDelta:
    """The signed sum of deltas."""
    total: LineDelta = Counter()
    for delta in deltas:
        for line, n in delta.items():
            total[line] += n
    return Counter({line: n for line, n in total.items() if n})
