"""Where the target has a file that it does not have at upstream's path."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from backport.values.csource import Lines, split_lines
from backport.values.filecase import Around, Side

_ENOUGH = 0.6  # of a file's lines that must be in the other for it to be the same file
_MOST = 12  # files of one name that are read


def place(path: str, base: Lines, around: Around) -> tuple[str, Lines] | None:
    """The only file of the same name whose lines are mostly those of upstream's, and its lines."""
    name = PurePosixPath(path).name
    same = [p for p in around.paths(Side.OURS) if PurePosixPath(p).name == name]
    if not same or len(same) > _MOST:
        return None
    read = {p: split_lines(around.read(Side.OURS, p) or b"") for p in same}
    alike = [p for p, lines in read.items() if _shared(base, lines) >= _ENOUGH]
    return (alike[0], read[alike[0]]) if len(alike) == 1 else None


def _shared(one: Lines, other: Lines) -> float:
    mine, yours = (Counter(line for line in side if line.strip()) for side in (one, other))
    most = max(mine.total(), yours.total())
    return (mine & yours).total() / most if most else 0.0
