"""What no rule settles, put before a resolver that needs none; its step stands in a rule's place.

The resolver sees one file at a time, in whole texts. Where rules have settled some of a file's
conflicts it sees them settled on every side, so that only what is left can differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from backport.doors.git import Git
from backport.gates.form import SUFFIXES
from backport.picking.resolve import PathWork
from backport.values.conflict import Region, Segment
from backport.values.csource import Lines, join_lines, split_lines
from backport.values.errors import Place
from backport.values.filecase import FileCase, Resolution, Side, Step
from backport.values.rule import Adaptation, Climbed, Rule, add_deltas, line_delta

PREFIX = "ladder-"  # of the ids that stand for its steps


@dataclass(frozen=True)
class GitTrees:
    """The three trees of a pick in a store; see `backport.values.filecase.Around`."""

    git: Git
    base: str
    ours: str
    theirs: str
    _asked: dict[Side, dict[str, bool]] = field(default_factory=dict)

    def read(self, side: Side, path: str) -> bytes | None:
        """See `Around.read`."""
        return self.git.read(self._tree(side), path)

    def paths(self, side: Side) -> Collection[str]:
        """See `Around.paths`."""
        return list(self.git.entries(self._tree(side)))

    def known(self, side: Side, words: Collection[str]) -> frozenset[str]:
        """See `Around.known`; a word is looked for once."""
        asked = self._asked.setdefault(side, {})
        new = sorted(set(words) - asked.keys())
        patterns = [f"*{ending}" for ending in SUFFIXES]
        there = self.git.words(self._tree(side), new, patterns) if new else set()
        asked.update({word: word in there for word in new})
        return frozenset(word for word in words if asked[word])

    def _tree(self, side: Side) -> str:
        return {Side.BASE: self.base, Side.OURS: self.ours, Side.THEIRS: self.theirs}[side]


@dataclass(frozen=True)
class Texts:
    """The three sides of one file, as a resolver sees them."""

    base: Lines
    ours: Lines
    theirs: Lines


def left_of(segments: Sequence[Segment]) -> Texts:
    """The sides of a merge in part settled: they differ in the regions that are left alone."""
    return Texts(*(_side(segments, name) for name in ("base", "ours", "theirs")))


def _side(segments: Sequence[Segment], name: str) -> list[str]:
    return [
        line
        for part in segments
        for line in (getattr(part, name) if isinstance(part, Region) else part)
    ]


def climb(step: Step, trees: GitTrees, work: PathWork, texts: Texts) -> list[str] | None:
    """The file resolved, noted as the work of the step that did; None where it abstains."""
    sides = (join_lines(side) for side in (texts.base, texts.ours, texts.theirs))
    done = step.resolve(FileCase(work.path, *sides), trees)
    if done is None or done.text is None or done.path != work.path:
        return None
    lines = split_lines(done.text)
    record(work, done, texts, lines)
    return lines


def record(work: PathWork, done: Resolution, texts: Texts, lines: Lines) -> None:
    """Let the step own how the result differs from upstream's change, and where lines stand."""
    upstream = line_delta(list(texts.base), list(texts.theirs))
    result = line_delta(list(texts.ours), list(lines))
    owned = add_deltas(result, Counter({line: -n for line, n in upstream.items()}))
    work.fired.append(Adaptation(rule_of(work.path, done), work.path, owned))
    work.placed |= upstream.keys() | result.keys()


def rule_of(path: str, done: Resolution) -> Rule:
    """What stands for a step where a rule is named: in the record, and in the commit's note."""
    why = f"{path}: {done.note or 'no rule settles it'}"
    identity = f"{PREFIX}{done.step}"
    return Rule(identity, Place(path), "no rule settles it", why, (), (path,), Climbed(done.step))
