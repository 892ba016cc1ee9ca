"""Small trees to climb in: three sides of one file, and what else the trees hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from backport.ladder.ladder import Sibling, climb
from backport.values.filecase import FileCase, Resolution, Side

PATH = "net/toy.c"


@dataclass(frozen=True)
class TextTrees:
    """An `Around` of texts: the files of each side, by path."""

    files: Mapping[Side, Mapping[str, str]] = field(default_factory=dict)

    def read(self, side: Side, path: str) -> bytes | None:
        text = self.files.get(side, {}).get(path)
        return None if text is None else text.encode()

    def paths(self, side: Side) -> Collection[str]:
        return list(self.files.get(side, {}))

    def known(self, side: Side, words: Collection[str]) -> frozenset[str]:
        there = set(re.findall(r"\w+", " ".join(self.files.get(side, {}).values())))
        return frozenset(set(words) & there)


def climbed(
    base: str | None,
    ours: str | None,
    theirs: str | None,
    *,
    path: str = PATH,
    others: Mapping[Side, Mapping[str, str]] | None = None,
    siblings: Collection[Sibling] = (),
) -> Resolution | None:
    """The way up for one file; `others` are further files of the trees."""
    texts = {Side.BASE: base, Side.OURS: ours, Side.THEIRS: theirs}
    trees = {
        side: {**(others or {}).get(side, {}), **({} if text is None else {path: text})}
        for side, text in texts.items()
    }
    sides = (None if text is None else text.encode() for text in texts.values())
    return climb(FileCase(path, *sides), TextTrees(trees), list(siblings))


def swapped(text: str, *changes: tuple[str, str]) -> str:
    """The text with each of some parts, that are there once, in another form."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
