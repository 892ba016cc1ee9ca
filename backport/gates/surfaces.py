"""What differs between two surfaces, and why: symbols by the types behind them, structs, UAPI.

Symbols of one kernel share types: one member more in `struct net_device` gives hundreds another
CRC. Each is traced through the definitions that genksyms summed up, down to those that differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from backport.readers.members import UNKNOWN, members_of
from backport.readers.symvers import references
from backport.values.compat import ADDED, CHANGED, REMOVED, ChangedSymbol, Symbols, UapiChange
from backport.values.surface import Header, Layout, Surface, Types

_DOT = re.compile(r"\.")
_KINDS: Mapping[str, str] = {
    "s": "struct",
    "u": "union",
    "e": "enum",
    "t": "typedef",
    "E": "constant",
}


def title(key: str) -> str:
    """What C calls a key of genksyms: `s#net_device` is `struct net_device`."""
    kind, sign, name = key.partition("#")
    return f"{_KINDS[kind]} {name}" if sign and kind in _KINDS else name or key


# -- symbols


@dataclass
class Cause:
    """A definition that differs, as one object has it, and the symbols that it changes.

    `seen` objects have the definition on one side only, and a mere declaration on the other.
    """

    name: str
    old: str
    new: str
    symbols: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    @property
    def redefined(self) -> bool:
        """Whether two definitions differ, and not what of it an object sees."""
        return UNKNOWN not in self.old and UNKNOWN not in self.new


@dataclass(frozen=True)
class Traced:
    """The symbols with their difference, and what causes it, by title."""

    symbols: Symbols
    causes: Mapping[str, Cause]


def trace(base: Surface, head: Surface) -> Traced:
    """Compare the exported symbols, and find out why CRCs differ."""
    before, after = _Definitions(base.types), _Definitions(head.types)
    causes: dict[str, Cause] = {}
    changed = []
    for name in sorted(base.exports.keys() & head.exports.keys()):
        old, new = base.exports[name].crc, head.exports[name].crc
        if old != new:
            because = _because(name, before, after, causes)
            changed.append(ChangedSymbol(name, old, new, because))
    added = tuple(sorted(head.exports.keys() - base.exports.keys()))
    removed = tuple(sorted(base.exports.keys() - head.exports.keys()))
    return Traced(Symbols(len(base.exports), added, removed, tuple(changed)), causes)


class _Definitions:
    """Definitions by object, and the object that has each symbol."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._of = cache(self._read)
        self.homes = {
            types.pool[index][0]: name
            for name, indices in types.objects.items()
            for index in indices
            if "#" not in types.pool[index][0]
        }

    def of(self, symbol: str) -> Mapping[str, str]:
        """All definitions of the object that exports a symbol; none if no object does."""
        return self._of(self.homes.get(symbol, ""))

    def _read(self, home: str) -> Mapping[str, str]:
        return dict(self._types.pool[index] for index in self._types.objects.get(home, ()))


def _because(
    name: str, before: _Definitions, after: _Definitions, causes: dict[str, Cause]
) -> tuple[str, ...]:
    """The titles of the definitions that differ below a symbol, itself first."""
    old, new = before.of(name), after.of(name)
    found: list[str] = []
    for key in _reached(name, old, new):
        if key not in old or key not in new or old[key] == new[key]:
            continue  # what only one side has hangs on something that differs
        cause = causes.setdefault(title(key), Cause(title(key), old[key], new[key]))
        if not cause.redefined and UNKNOWN not in old[key] + new[key]:
            cause.old, cause.new = old[key], new[key]
        if UNKNOWN in old[key] or UNKNOWN in new[key]:
            cause.seen.add(after.homes[name])
        cause.symbols.add(name)
        found.append(cause.name)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one != name, one)))


def _reached(name: str, *sides: Mapping[str, str]) -> Iterator[str]:
    """Every key that a symbol's declaration leads to, on one side or the other."""
    known, todo = {name}, [name]
    while todo:
        key = todo.pop()
        yield key
        for side in sides:
            for other in _references(side.get(key, "")):
                if other not in known:
                    known.add(other)
                    todo.append(other)


@cache
def _references(definition: str) -> tuple[str, ...]:
    return tuple(references(definition))


# -- members


@dataclass(frozen=True)
class Delta:
    """How the members of a type differ, by name; `shuffled` are others in another order."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    shuffled: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All that came, went or changed."""
        return (*self.added, *self.removed, *self.changed)


def compare_members(old: Mapping[str, str], new: Mapping[str, str]) -> Delta:
    """Compare declarations by name, in order; what comes or goes has its own members with it."""
    added = outermost([name for name in new if name not in old])
    removed = outermost([name for name in old if name not in new])
    changed = tuple(name for name in new if name in old and old[name] != new[name])
    stayed = [
        [n for n in side if n in old and n in new and n not in changed] for side in (old, new)
    ]
    return Delta(added, removed, changed, stayed[0] != stayed[1])


def outermost(names: Sequence[str]) -> tuple[str, ...]:
    """The names that lie in none of the others: not `query.count` where `query` is one, too."""
    known = set(names)
    return tuple(n for n in names if not any(n[: at.start()] in known for at in _DOT.finditer(n)))


def redefined(cause: Cause) -> Delta:
    """How a definition differs from what it was."""
    return compare_members(dict(members_of(cause.old)), dict(members_of(cause.new)))


# -- layouts


def relaid(
    base: Mapping[str, Layout], head: Mapping[str, Layout]
) -> Iterator[tuple[Layout, Layout]]:
    """The types that both sides have, and that lie in memory in another way."""
    for name in sorted(base.keys() & head.keys()):
        old, new = base[name], head[name]
        if (old.size, old.members) != (new.size, new.members):
            yield old, new


def compare_layouts(old: Layout, new: Layout) -> Delta:
    """How the members of a struct differ; one that only lies elsewhere does not."""
    return compare_members(
        {one.name: one.text for one in old.members}, {one.name: one.text for one in new.members}
    )


# -- UAPI


def compare_headers(
    base: Mapping[str, Header], head: Mapping[str, Header]
) -> tuple[UapiChange, ...]:
    """Every name that userspace gains, loses, or sees with another value."""
    return tuple(
        change
        for path in sorted(head)
        for kind, old, new in _named(base[path], head[path])
        for change in _changes(path, kind, old, new)
    )


def _named(old: Header, new: Header) -> Iterator[tuple[str, Mapping[str, str], Mapping[str, str]]]:
    yield "enumerator", _numbers(old), _numbers(new)
    yield "macro", old.macros, new.macros
    for kind in ("struct", "union"):
        yield kind, _sizes(old, new, kind), _sizes(new, old, kind)
    both = old.layouts.keys() & new.layouts.keys()
    yield "member", _places(old, both), _places(new, both)


def _numbers(side: Header) -> dict[str, str]:
    return {name: str(value) for name, value in side.enumerators.items()}


def _sizes(side: Header, other: Header, kind: str) -> dict[str, str]:
    """The types that one side alone has; how others differ is told by their members."""
    return {
        one.name: f"{one.size} bytes"
        for name, one in side.layouts.items()
        if one.kind == kind and name not in other.layouts
    }


def _places(side: Header, names: set[str]) -> dict[str, str]:
    return {
        f"{side.layouts[name].name}.{one.name}": f"{one.text}, at byte {one.offset}"
        + (f", bit {one.bit}" if one.bit >= 0 else "")
        for name in sorted(names)
        for one in side.layouts[name].members
    }


def _changes(
    path: str, kind: str, old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[UapiChange]:
    for name, value in new.items():
        if name not in old:
            yield UapiChange(path, kind, name, value, ADDED)
        elif old[name] != value:
            yield UapiChange(path, kind, name, value, CHANGED, old[name])
    for name in (name for name in old if name not in new):
        yield UapiChange(path, kind, name, old[name], REMOVED, old[name])
