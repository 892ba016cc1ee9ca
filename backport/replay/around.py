"""A look around the trees of a pick, fast enough to be asked for every one of thousands.

Which words a tree has is counted once and then carried along: from one tree to the next only the
files that differ are read. A few trees are kept, for branches that take turns. A word is a number
here and a tree an array of counts, so that a tree of 3,500 files takes two megabytes.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from backport.doors.odb import Odb
from backport.gates.form import SUFFIXES
from backport.values.filecase import Side
from backport.values.gitformat import Change, kind_of

_KEPT = 6  # trees whose words are counted at the same time
_FAR = 1500  # files that differ between two trees, of which it is as well to count one anew
_BLOBS = 4096  # files whose words are remembered
_WORD = re.compile(rb"[A-Za-z_]\w*")


class Words:
    """The words of the source files of trees of one repository."""

    def __init__(self, odb: Odb) -> None:
        self._odb = odb
        self._numbers: dict[bytes, int] = {}  # of every word ever seen
        self._kept: list[tuple[str, array[int]]] = []  # the latest used last
        self._of_blob = lru_cache(maxsize=_BLOBS)(self._read)

    def known(self, tree: str, words: Collection[str]) -> frozenset[str]:
        """Those of `words` that stand in a source file of a tree."""
        counts = self._counts(tree)
        numbers = ((word, self._numbers.get(word.encode(), len(counts))) for word in words)
        return frozenset(word for word, n in numbers if n < len(counts) and counts[n])

    def _counts(self, tree: str) -> array[int]:
        """In how many source files of a tree each word stands, by the word's number."""
        kept = self._kept
        near = [(self._odb.distance(other, tree), n) for n, (other, _) in enumerate(kept)]
        steps, number = min(near, default=(_FAR, -1))
        other, counts = kept.pop(number) if steps < _FAR else ("", array("i"))
        for change in self._sources(tree, other) if steps else []:
            self._count(counts, change)
        kept.append((tree, counts))
        del kept[:-_KEPT]
        return counts

    def _count(self, counts: array[int], change: Change) -> None:
        old, new = (self._of_blob(e.oid) if e else () for e in (change.old, change.new))
        counts.extend([0] * (len(self._numbers) - len(counts)))
        for number in old:
            counts[number] -= 1
        for number in new:
            counts[number] += 1

    def _sources(self, tree: str, other: str) -> list[Change]:
        if not other:
            return [
                Change(path, None, entry)
                for path, entry in self._odb.files(tree)
                if path.endswith(SUFFIXES) and kind_of(entry.mode) == "blob"
            ]
        return self._odb.changes(other, tree, SUFFIXES)

    def _read(self, oid: str) -> array[int]:
        if not self._odb.holds(oid):  # a partial clone leaves out its largest files
            return array("i")
        numbers, words = self._numbers, set(_WORD.findall(self._odb.blob(oid)))
        return array("i", (numbers.setdefault(word, len(numbers)) for word in words))


@dataclass(frozen=True)
class Trees:
    """The three trees of a pick; see `backport.values.filecase.Around`."""

    odb: Odb
    words: Words
    base: str
    ours: str
    theirs: str

    def read(self, side: Side, path: str) -> bytes | None:
        """See `Around.read`."""
        return self.odb.read(self._tree(side), path)

    def paths(self, side: Side) -> Collection[str]:
        """See `Around.paths`."""
        return [path for path, _ in self.odb.files(self._tree(side))]

    def known(self, side: Side, words: Collection[str]) -> frozenset[str]:
        """See `Around.known`."""
        return self.words.known(self._tree(side), words)

    def _tree(self, side: Side) -> str:
        return {Side.BASE: self.base, Side.OURS: self.ours, Side.THEIRS: self.theirs}[side]
