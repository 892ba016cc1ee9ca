"""What modules and programs built outside the tree see of a kernel: symbols, types, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Export:
    """One exported symbol: its CRC as `0x...`, who defines it, and how it is exported."""

    crc: str
    home: str  # vmlinux, or a module's path
    how: str  # EXPORT_SYMBOL or EXPORT_SYMBOL_GPL


@dataclass(frozen=True)
class Types:
    """What CRCs are computed from: definitions as genksyms has them, for each object.

    A key is `s#net_device` (u: union, e: enum, t: typedef, E: enumerator) or a symbol's name. Most
    objects see the same definitions: each stands once in `pool`, objects hold indices.
    """

    pool: tuple[tuple[str, str], ...]
    objects: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Member:
    """One member of a struct, with its path through nested ones: `query.revision`.

    `text` is its declaration; `bit` is where a bit-field begins in the unit at `offset`, -1 for
    others. Sizes and offsets are in bytes.
    """

    name: str
    text: str
    offset: int
    size: int
    bit: int = -1

    @property
    def place(self) -> tuple[int, int]:
        """Where it begins: byte and bit."""
        return (self.offset, max(self.bit, 0))


@dataclass(frozen=True)
class Layout:
    """How a struct or union lies in memory; `header` is the file that declares it."""

    kind: str
    name: str
    header: str
    size: int
    members: tuple[Member, ...]

    @property
    def title(self) -> str:
        """As C names it."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Header:
    """What a UAPI header gives to userspace; layouts by title."""

    macros: Mapping[str, str] = field(default_factory=dict)
    enumerators: Mapping[str, int] = field(default_factory=dict)
    layouts: Mapping[str, Layout] = field(default_factory=dict)


@dataclass(frozen=True)
class Surface:
    """All of it, for one tree in one configuration."""

    config: Mapping[str, str]
    exports: Mapping[str, Export]
    types: Types
    layouts: Mapping[str, Layout]  # by title

    def to_json(self) -> dict[str, object]:
        """Rows without names: there are tens of thousands of members."""
        return {
            "config": dict(self.config),
            "exports": {name: astuple(one) for name, one in self.exports.items()},
            "pool": self.types.pool,
            "objects": self.types.objects,
            "layouts": [
                [one.kind, one.name, one.header, one.size, [astuple(m) for m in one.members]]
                for one in self.layouts.values()
            ],
        }

    @classmethod
    def from_json(cls, data: Any) -> Surface:  # noqa: ANN401 (whatever lies in a file)
        """What `to_json` gave; anything else is a KeyError, a TypeError or a ValueError."""
        layouts = [
            Layout(kind, name, header, size, tuple(Member(*row) for row in members))
            for kind, name, header, size, members in data["layouts"]
        ]
        return cls(
            dict(data["config"]),
            {name: Export(*row) for name, row in data["exports"].items()},
            Types(
                tuple((key, text) for key, text in data["pool"]),
                {name: tuple(indices) for name, indices in data["objects"].items()},
            ),
            {one.title: one for one in layouts},
        )
