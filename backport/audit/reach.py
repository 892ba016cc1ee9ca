"""Sets of commits of the index: what is below tips, and what one history has that another lacks.

A set is one byte a commit, so that a million and a half of them are compared in milliseconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import compress

from backport.audit.index import Index

_KEPT = 40  # sets that the index remembers


class Reach:
    """A set of commits by their places."""

    def __init__(self, mask: bytes = b"") -> None:
        self._mask = mask

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Reach:
        """The set of just these."""
        wanted = set(numbers)
        mask = bytearray(max(wanted, default=-1) + 1)
        for n in wanted:
            mask[n] = 1
        return cls(bytes(mask))

    def __contains__(self, number: int) -> bool:
        return number < len(self._mask) and self._mask[number] == 1

    def __or__(self, other: Reach) -> Reach:
        return self._made(int.__or__, other)

    def __and__(self, other: Reach) -> Reach:
        return self._made(int.__and__, other)

    def __sub__(self, other: Reach) -> Reach:
        return self._made(lambda a, b: a & ~b, other)

    def _made(self, op: object, other: Reach) -> Reach:
        size = max(len(self._mask), len(other._mask))
        assert callable(op)
        ints = (int.from_bytes(r._mask, "little") for r in (self, other))
        return Reach(op(*ints).to_bytes(size, "little"))

    def __iter__(self) -> Iterator[int]:
        """Its commits, parents first."""
        return compress(range(len(self._mask)), self._mask)

    def __len__(self) -> int:
        return self._mask.count(1)

    @property
    def mask(self) -> bytes:
        """The bytes themselves."""
        return self._mask


def below(index: Index, tips: Iterable[int]) -> Reach:
    """The commits that tips have in their history, the tips included."""
    found = Reach()
    for tip in tips:
        found |= _remembered(index, tip)
    return found


def _remembered(index: Index, tip: int) -> Reach:
    row = index.db.execute("SELECT mask FROM reaches WHERE n = ?", [tip]).fetchone()
    if row is not None:
        return Reach(zlib.decompress(row[0]))
    mask = _walked(index, tip)
    with index.db as db:
        db.execute("BEGIN IMMEDIATE")
        old = "SELECT n FROM reaches ORDER BY rowid DESC LIMIT -1 OFFSET ?"
        db.execute(f"DELETE FROM reaches WHERE n IN ({old})", [_KEPT])
        db.execute("INSERT OR REPLACE INTO reaches VALUES (?, ?)", (tip, zlib.compress(mask, 1)))
    return Reach(mask)


def _walked(index: Index, tip: int) -> bytes:
    """One pass from the tip down: parents stand before their children, so each is met in time."""
    more: dict[int, list[int]] = {}
    for n, parent in index.db.execute("SELECT n, parent FROM merged WHERE n <= ?", [tip]):
        more.setdefault(n, []).append(parent)
    seen = bytearray(tip + 1)
    seen[tip] = 1
    rows = index.db.execute("SELECT n, parent FROM commits WHERE n <= ? ORDER BY n DESC", [tip])
    for n, parent in rows:
        if seen[n]:
            if parent is not None:
                seen[parent] = 1
            for other in more.get(n, ()):
                seen[other] = 1
    return bytes(seen)
