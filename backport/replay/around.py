"""A look around the trees of a pick, fast enough to be asked for every one of thousands.

Which words a tree has is counted once and then carried along: from one tree to the next only the
files that differ are read. A few trees are kept, for branches that take turns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from backport.doors.odb import Odb
from backport.gates.form import SUFFIXES
from backport.values.filecase import Side
from backport.values.gitformat import Change, kind_of

_KEPT = 6  # trees whose words are counted at the same time
_FAR = 1500  # files that differ between two trees, of which it is as well to count one anew
_WORD = re.compile(rb"[A-Za-z_]\w*")


class Words:
    """The words of the source files of trees of one repository."""

    def __init__(self, odb: Odb) -> None:
        self._odb = odb
        self._kept: list[tuple[str, Counter[bytes]]] = []  # the latest used last
        self._of_blob = lru_cache(maxsize=4096)(self._read)

    def of(self, tree: str) -> Counter[bytes]:
        """In how many source files of a tree each word stands; valid until the next call."""
        kept = self._kept
        near = [(self._odb.distance(other, tree), n) for n, (other, _) in enumerate(kept)]
        steps, number = min(near, default=(_FAR, -1))
        other, counts = kept.pop(number) if steps < _FAR else ("", Counter[bytes]())
        changes = self._sources(tree, other) if steps else []
        for change in changes:
            if change.old:
                counts.subtract(self._of_blob(change.old.oid))
            if change.new:
                counts.update(self._of_blob(change.new.oid))
        kept.append((tree, counts))
        del kept[:-_KEPT]
        return counts

    def _sources(self, tree: str, other: str) -> list[Change]:
        if not other:
            return [
                Change(path, None, entry)
                for path, entry in self._odb.files(tree)
                if path.endswith(SUFFIXES) and kind_of(entry.mode) == "blob"
            ]
        return self._odb.changes(other, tree, SUFFIXES)

    def _read(self, oid: str) -> frozenset[bytes]:
        return frozenset(_WORD.findall(self._odb.blob(oid)))


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
        counts = self.words.of(self._tree(side))
        return frozenset(word for word in words if counts[word.encode()] > 0)

    def _tree(self, side: Side) -> str:
        return {Side.BASE: self.base, Side.OURS: self.ours, Side.THEIRS: self.theirs}[side]
