"""Dialects: how the places that carry backports say where a patch comes from.

Each is a row: a format, a parser, a check, and what it has no words for. Adding one adds a row.
"""

from __future__ import annotations

from collections.abc import Mapping

from backport.values.dialects.base import Dialect, Holds, Medium, Spot, dropped, kept
from backport.values.dialects.dep3 import DEP3
from backport.values.dialects.openwrt import OPENWRT
from backport.values.dialects.picked import CHERRY_PICK, UBUNTU
from backport.values.dialects.rhel import RHEL
from backport.values.dialects.stable import STABLE
from backport.values.dialects.suse import SUSE
from backport.values.dialects.yocto import YOCTO
from backport.values.errors import UsageError
from backport.values.provenance import Letter

__all__ = [
    "DIALECTS",
    "Dialect",
    "Holds",
    "Medium",
    "Spot",
    "dialect",
    "dropped",
    "kept",
    "recognised",
]

# The first that recognises a patch is its dialect: those with marks of their own come first, and
# what others quote in passing (a file name, a line of cherry-pick) last.
DIALECTS: Mapping[str, Dialect] = {
    row.name: row for row in (SUSE, DEP3, YOCTO, RHEL, UBUNTU, STABLE, CHERRY_PICK, OPENWRT)
}


def dialect(name: str) -> Dialect:
    """The dialect of a name; `UsageError` lists the names."""
    if name not in DIALECTS:
        raise UsageError(f"{name}: no such dialect", hint=f"one of: {', '.join(DIALECTS)}")
    return DIALECTS[name]


def recognised(letter: Letter) -> Dialect | None:
    """The dialect that a patch is written in, None if it says nothing of where it comes from."""
    return next((row for row in DIALECTS.values() if row.recognise(letter)), None)
