"""Reads configuration fragments and `.config` files; merges and compares them.

A value is kept as written: `y`, `m`, `n`, a number, or a string with its quotes.
`# CONFIG_X is not set` and `CONFIG_X=n` are the same wish.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from backport.values.errors import ManifestError, Place

NOT_SET = "n"

_SET = re.compile(r'CONFIG_(\w+)=(y|m|n|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*")$')
_UNSET = re.compile(r"# CONFIG_(\w+) is not set$")
# What was surely meant to unset a symbol, and would pass as a comment: a typo must not hide a wish.
_NEARLY_UNSET = re.compile(r"#+\s*(CONFIG_)?\w+\s+(is\s+)?not\s+set\b", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """A value that a fragment asks for, and where; `line` counts from 1."""

    value: str
    file: str
    line: int

    @property
    def place(self) -> Place:
        """Where the wish stands."""
        return Place(self.file, self.line)


@dataclass(frozen=True)
class Fragment:
    """One file of wishes, by symbol without its `CONFIG_`."""

    name: str
    wanted: Mapping[str, Wanted]


@dataclass(frozen=True)
class Override:
    """Two fragments want different values; `new`, the later, wins."""

    symbol: str
    old: Wanted
    new: Wanted


@dataclass(frozen=True)
class Merged:
    """Fragments laid over each other, in order."""

    wanted: Mapping[str, Wanted]
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True)
class Lost:
    """A symbol that did not get the value asked for; `got` is empty when it is absent."""

    symbol: str
    wanted: Wanted
    got: str


def parse_fragment(text: str, file: str) -> Fragment:
    """Read a fragment; `file` names it in errors.

    Raises `ManifestError` for a line that is neither a setting nor a comment, and for a symbol
    that is set twice with different values.
    """
    found: dict[str, Wanted] = {}
    for number, line in enumerate(text.splitlines(), 1):
        setting = _setting(line, Place(file, number))
        if setting is None:
            continue
        symbol, value = setting
        old = found.get(symbol)
        if old is not None and old.value != value:
            raise ManifestError(
                Place(file, number, f"CONFIG_{symbol}"),
                f"set to {value}, but line {old.line} sets it to {old.value}",
                hint="keep one of the two lines; a later fragment may override, a later line not",
            )
        found.setdefault(symbol, Wanted(value, file, number))
    return Fragment(file, found)


def _setting(line: str, place: Place) -> tuple[str, str] | None:
    text = line.strip()
    found = _SET.match(text)
    if found:
        return found[1], found[2]
    unset = _UNSET.match(text)
    if unset:
        return unset[1], NOT_SET
    if text and (not text.startswith("#") or _NEARLY_UNSET.match(text)):
        raise ManifestError(
            place,
            f"{text!r} is not a setting",
            hint='write CONFIG_X=y, m, n, a number or a "string", or # CONFIG_X is not set',
        )
    return None


def parse_config(text: str) -> dict[str, str]:
    """Read a `.config` as the kernel's tools write it; lines of another form are not settings."""
    return dict(_config_lines(text))


def _config_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found = _SET.match(line)
        if found:
            yield found[1], found[2]
            continue
        unset = _UNSET.match(line)
        if unset:
            yield unset[1], NOT_SET


def merge(fragments: Iterable[Fragment]) -> Merged:
    """Lay fragments over each other; a later one wins, and what it overrode is listed."""
    wanted: dict[str, Wanted] = {}
    overrides: list[Override] = []
    for fragment in fragments:
        for symbol, new in fragment.wanted.items():
            old = wanted.get(symbol)
            if old is not None and not same_value(old.value, new.value):
                overrides.append(Override(symbol, old, new))
            wanted[symbol] = new
    return Merged(wanted, tuple(overrides))


def render(wanted: Mapping[str, Wanted]) -> str:
    """The text of a `.config` that holds these wishes, in symbol order."""
    return "".join(f"{_line(symbol, wanted[symbol].value)}\n" for symbol in sorted(wanted))


def lay_over(base: str, wanted: Mapping[str, Wanted]) -> str:
    """A `.config` text with wishes laid over it.

    They come last, for of two members of a choice the later wins; a symbol stands only once.
    """
    kept = [line for line in base.splitlines() if _symbol(line) not in wanted]
    return "".join(f"{line}\n" for line in kept) + render(wanted)


def _symbol(line: str) -> str:
    found = _SET.match(line) or _UNSET.match(line)
    return found[1] if found else ""


def _line(symbol: str, value: str) -> str:
    return f"# CONFIG_{symbol} is not set" if value == NOT_SET else f"CONFIG_{symbol}={value}"


def lost(requested: Mapping[str, Wanted], config: Mapping[str, str]) -> tuple[Lost, ...]:
    """Every wish that `config` does not hold; an absent symbol holds the wish for `n`."""
    return tuple(
        Lost(symbol, wish, config.get(symbol, ""))
        for symbol, wish in requested.items()
        if not same_value(wish.value, config.get(symbol, NOT_SET))
    )


def same_value(one: str, other: str) -> bool:
    """Whether two values mean the same; 0x10 and 0X010 do."""
    return one == other or _number(one) == _number(other) is not None


def _number(value: str) -> int | None:
    try:
        return int(value, 16 if value[:2] in ("0x", "0X") else 10)
    except ValueError:
        return None
