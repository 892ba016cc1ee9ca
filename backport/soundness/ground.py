"""The trees of a pick that is done, as what is to be judged and as a look around it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from backport.doors.odb import Odb
from backport.gates.form import SUFFIXES
from backport.soundness.findings import Landed
from backport.soundness.headers import View, holds
from backport.values.filecase import FileCase, Side
from backport.values.gitformat import Change, Entry, kind_of


@dataclass(frozen=True)
class Step:
    """One pick by its trees (or commits): upstream's two, and the target's two.

    `settled` are the paths in which a rule or a person chose what stands where.
    """

    base: str
    theirs: str
    ours: str
    result: str
    settled: frozenset[str] = frozenset()


def landed(odb: Odb, step: Step) -> Iterator[Landed]:
    """The files that upstream's commit changes, in all their states."""
    for change in odb.changes(step.base, step.theirs):
        old, new = (_text(odb, entry) for entry in (change.old, change.new))
        case = FileCase(change.path, old, odb.read(step.ours, change.path), new)
        yield Landed(case, odb.read(step.result, change.path), change.path not in step.settled)


def _text(odb: Odb, entry: Entry | None) -> bytes | None:
    return odb.blob(entry.oid) if entry and kind_of(entry.mode) == "blob" else None


@dataclass(frozen=True)
class Near:
    """A look around that goes no farther than the includes of the files that upstream changes.

    To look through a tree of 80,000 files takes seconds. Whether the target has a name at all is
    what the symbols gate finds out before; here it has each.
    """

    odb: Odb
    step: Step

    def read(self, side: Side, path: str) -> bytes | None:
        """See `Around.read`; of upstream's trees a store may have the changed files alone."""
        entry = self.odb.entry(self._tree(side), path)
        return _text(self.odb, entry) if entry and self.odb.holds(entry.oid) else None

    def paths(self, side: Side) -> Collection[str]:
        """See `Around.paths`."""
        return [path for path, _ in self.odb.files(self._tree(side))]

    def known(self, side: Side, words: Collection[str]) -> frozenset[str]:
        """See `Around.known`."""
        left = frozenset() if side is Side.OURS else frozenset(words)
        view = View(self, side)
        for change in self._changes() if left else ():
            left = view.lacking(change.path, left)
            left = frozenset(one for one in left if not holds(view.text(change.path), one))
        return frozenset(words) - left

    def _changes(self) -> list[Change]:
        return self.odb.changes(self.step.base, self.step.theirs, SUFFIXES)

    def _tree(self, side: Side) -> str:
        step = self.step
        # A rule may have put what is missing into a file that upstream's commit leaves alone.
        return {Side.BASE: step.base, Side.OURS: step.result, Side.THEIRS: step.theirs}[side]
