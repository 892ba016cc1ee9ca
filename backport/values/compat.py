"""What changes for modules and programs built outside the tree, and which of it is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field

from backport.values.errors import Place

TYPE, SYMBOL, UAPI = KINDS = ("type", "symbol", "uapi")
ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@dataclass(frozen=True)
class Allowance:
    """One entry of compat.toml: what may change, and why.

    `name` is `struct net_device` for a type, a symbol's name, or the name of an enumerator, macro
    or member that userspace sees. Of a type only `members` may come, go or change, and what follows
    from that; without any, all of it may.
    """

    kind: str
    name: str
    reason: str
    members: tuple[str, ...] = ()
    place: Place = field(default_factory=lambda: Place(""))


@dataclass(frozen=True)
class ChangedSymbol:
    """An exported symbol with another CRC, and the types that make it so.

    Its own name is among them where its own declaration changed.
    """

    name: str
    old: str
    new: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class Symbols:
    """The exported symbols: how many there were, and how they differ now."""

    before: int = 0
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[ChangedSymbol, ...] = ()


@dataclass(frozen=True)
class StructChange:
    """A struct or union of a header that lies in memory as it did not before."""

    name: str  # struct net_device
    header: str
    old_size: int
    new_size: int
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class UapiChange:
    """One name of a UAPI header: `kind` is enumerator, macro, struct, union or member."""

    path: str
    kind: str
    name: str
    value: str  # as it is now, as it was for one that is gone
    change: str = ADDED
    old: str = ""


@dataclass(frozen=True)
class Notice:
    """One thing that a module (or, for UAPI, a program) built before would notice.

    `kind` and `name` are those of an `Allowance`; `members` are the ones that came, went or
    changed, and `shuffled` says that others are in another order, too.
    """

    text: str
    kind: str
    name: str
    members: tuple[str, ...] = ()
    shuffled: bool = False
    allowed: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Compat:
    """The report of one series on one target."""

    series: str
    target: str
    base: str  # commits
    head: str
    config: tuple[str, ...] = ()  # "NETKIT: n -> y"
    symbols: Symbols = Symbols()
    structs: tuple[StructChange, ...] = ()
    uapi: tuple[UapiChange, ...] = ()
    notices: tuple[Notice, ...] = ()
    unmatched: tuple[str, ...] = ()  # entries that match nothing, here or on any other target

    @property
    def refused(self) -> tuple[Notice, ...]:
        """What no entry allows."""
        return tuple(one for one in self.notices if not one.allowed)
