"""Which definition of the target is upstream's, and which lines of the two are the same.

Blanks do not count: a line is known by what it holds, and empty lines are passed over.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from backport.readers.cparse import holders, outline
from backport.values.csource import Lines, Span
from backport.values.linediff import deltas

_KINDS = frozenset(("function", "struct", "union", "enum", "table"))
_RENAMED = 0.6  # of a definition's lines that are in another, for it to bear another name here
_HELD = 0.6  # ... of its lines that say something, for the other to hold it
_OTHER = 0.35  # ... at most, of one that is not here
_ENOUGH = 3  # lines that say something, to tell by
_TELLING = 8  # letters of a line that is not everywhere
_SIMILAR = 0.8  # of the words of two lines, for one to be the other in another form
_NOWHERE = (0, 0)
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Text:
    """A file, and its lines without blanks. A place is an index into `full`."""

    lines: Lines

    @cached_property
    def keys(self) -> list[str]:
        return ["".join(line.split()) for line in self.lines]

    @cached_property
    def full(self) -> list[int]:
        """The numbers of the lines that hold something."""
        return [n for n, key in enumerate(self.keys) if key]

    @cached_property
    def where(self) -> Mapping[str, list[int]]:
        """The places of each line that holds something."""
        found: dict[str, list[int]] = {}
        for place, number in enumerate(self.full):
            found.setdefault(self.keys[number], []).append(place)
        return found

    @cached_property
    def spans(self) -> Mapping[str, list[Span]]:
        """The lines of each definition, by name."""
        found: dict[str, list[Span]] = {}
        for one in outline(self.lines):
            if one.kind in _KINDS:
                found.setdefault(one.name, []).append(one.span)
        return found

    @cached_property
    def words(self) -> list[Counter[str]]:
        """The words of each line that says something."""
        return [
            _counted(line) for line, key in zip(self.lines, self.keys, strict=True) if tells(key)
        ]

    def similar(self, line: str) -> bool:
        """Whether there is a line with mostly the same words."""
        mine = _counted(line)
        size = mine.total()
        return any(
            2 * (mine & other).total() >= _SIMILAR * (size + other.total())
            for other in self.words
            if 2 * min(size, other.total()) >= _SIMILAR * (size + other.total())
        )

    def place(self, number: int) -> int:
        """The first place at or behind a line."""
        return bisect_left(self.full, number)

    def places(self, span: Span) -> Span:
        """The places of a stretch of lines."""
        return self.place(span[0]), self.place(span[1])

    def content(self, first: int, last: int) -> list[str]:
        """What the lines of the places `[first, last)` hold."""
        return [self.keys[n] for n in self.full[first:last]]


class Scopes:
    """Upstream's file beside the target's, definition by definition."""

    def __init__(self, upstream: Text, target: Text) -> None:
        self.upstream = upstream
        self.target = target
        self._matches: dict[str, Mapping[int, int]] = {}
        self._targets: dict[str, Span] = {}

    def home(self, span: Span) -> str:
        """The definition around lines of upstream's file; '' for what is in none, or heads one."""
        first, last = span
        for name, spans in self.upstream.spans.items():
            for start, end in spans:
                if start < first and max(first, last - 1) < end:
                    return name
        return ""

    def target_of(self, home: str) -> Span:
        """The places of the target's definition of that name, an empty span if it has none."""
        if home not in self._targets:
            self._targets[home] = self._target_of(home)
        return self._targets[home]

    def _target_of(self, home: str) -> Span:
        text = self.target
        if not home:
            return 0, len(text.full)
        spans = text.spans.get(home, [])
        if not spans:
            return self._holder_of(home)
        return text.places(spans[0]) if len(spans) == 1 else _NOWHERE

    def _holder_of(self, home: str) -> Span:
        """The only definition of the target's own that holds most lines of one of upstream's: what
        it was split off from since, or its other name."""
        if len(self.upstream.spans[home]) > 1:
            return _NOWHERE
        mine = {key for key in self.upstream.content(*self._upstream_of(home)) if tells(key)}
        if len(mine) < _ENOUGH:
            return _NOWHERE
        text, found = self.target, list[Span]()
        for name in text.spans.keys() - self.upstream.spans.keys():
            places = text.places(text.spans[name][0])
            if len(mine & set(text.content(*places))) >= _HELD * len(mine):
                found.append(places)
        return found[0] if len(found) == 1 else _NOWHERE

    def lacks(self, home: str) -> bool:
        """Whether the target has nothing of a definition of upstream's file, but for what any
        other may have, too."""
        if not home or home in self.target.spans:
            return False
        keys = [k for k in self.upstream.content(*self._upstream_of(home)) if tells(k)]
        here = sum(key in self.target.where for key in keys)
        return len(keys) >= _ENOUGH and here <= _OTHER * len(keys)

    def around(self, home: str, full: Span) -> tuple[int, int, tuple[bool, bool]] | None:
        """The places in the target of what stands nearest above and below a stretch of upstream's,
        and whether these are its very neighbours. The ends of a definition are there as well."""
        matches = self._matched(home)
        first, last = full
        low, high = self._upstream_of(home)
        above = next((n for n in range(first - 1, low - 1, -1) if n in matches), None)
        below = next((n for n in range(last, high) if n in matches), None)
        if above is None or below is None:
            return None
        near = above == first - 1, below == last
        return matches[above], matches[below], near

    def _upstream_of(self, home: str) -> Span:
        text = self.upstream
        if not home:
            return 0, len(text.full)
        return text.places(text.spans[home][0])

    def _matched(self, home: str) -> Mapping[int, int]:
        """Places of upstream's definition, and of the same lines in the target's."""
        if home not in self._matches:
            low, high = self._upstream_of(home)
            start, end = self.target_of(home)
            old, new = self.upstream.content(low, high), self.target.content(start, end)
            self._matches[home] = {low + a: start + b for a, b in _equal(old, new)}
        return self._matches[home]


def _counted(line: str) -> Counter[str]:
    return Counter(_WORD.findall(line))


def _equal(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    a = b = 0
    for delta in deltas(old, new):
        found += zip(range(a, delta.a1), range(b, delta.b1), strict=True)
        a, b = delta.a2, delta.b2
    return found + list(zip(range(a, len(old)), range(b, len(new)), strict=True))


def tells(key: str) -> bool:
    """Whether a line says something of where it is: `}` and `break;` are everywhere."""
    return len(key) > _TELLING and any(map(str.isalpha, key))


def renamed_definitions(base: Lines, ours: Lines, theirs: Lines) -> dict[str, str]:
    """Definitions that upstream's change is in and the target lacks by that name, each with the
    only one of the target's, not in upstream's file, that has mostly the same lines."""
    homes = holders(base)
    touched = {homes[n] for d in deltas(base, theirs) for n in range(d.a1, d.a2)}
    touched |= {homes[d.a1] for d in deltas(base, theirs) if d.a1 < len(homes)}
    upstream, target = Text(tuple(base)), Text(tuple(ours))
    lacking = touched & upstream.spans.keys() - target.spans.keys()
    if not lacking:
        return {}
    new = {name: _words_of(target, name) for name in target.spans.keys() - upstream.spans.keys()}
    found = {}
    for name in lacking:
        mine = _words_of(upstream, name)
        alike = [other for other, words in new.items() if _shared(mine, words) >= _RENAMED]
        if len(alike) == 1:
            found[name] = alike[0]
    return found if len(set(found.values())) == len(found) else {}


def _words_of(text: Text, name: str) -> Counter[str]:
    """The lines of a definition, but for the first, which has its name."""
    first, last = text.places(text.spans[name][0])
    return Counter(text.content(first + 1, last))


def _shared(one: Counter[str], other: Counter[str]) -> float:
    most = max(one.total(), other.total())
    return (one & other).total() / most if most else 0.0
