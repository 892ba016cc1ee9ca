"""Exporters: forms in which a finished branch leaves the store, each proven by the tool it is for.

An exporter is a row: how it is written, and how it is applied again. Adding one adds a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backport.output.exporters.cargo import Cargo, Extra, pack
from backport.output.exporters.cover import Cover, cover_of
from backport.output.exporters.forms import (
    prove_debian,
    prove_mbox,
    prove_patches,
    prove_quilt,
    prove_rpm,
    write_debian,
    write_mbox,
    write_patches,
    write_quilt,
    write_rpm,
)
from backport.output.exporters.patches import verify_patches
from backport.output.exporters.refs import prove_branch, prove_bundle, write_branch, write_bundle
from backport.values.dialects import Medium
from backport.values.errors import UsageError

__all__ = [
    "EXPORTERS",
    "Cargo",
    "Cover",
    "Exporter",
    "Extra",
    "cover_of",
    "exporter",
    "pack",
    "verify_patches",
]


@dataclass(frozen=True)
class Exporter:
    """One form. `write` replaces what an earlier export left, as a whole or not at all.

    `prove` applies it to the base by its tool, gives the tree, and raises `GateFailed` if that is
    not the series'.
    """

    name: str
    tool: str  # what proves it, for a person
    carries: frozenset[Medium]  # the dialects that it can be written in
    dialect: str  # the one that is usual for it
    write: Callable[[Cargo, Path], tuple[str, ...]]
    prove: Callable[[Cargo, Path], str]


_COMMITS = frozenset({Medium.MESSAGE})
_MAILS = _COMMITS | {Medium.MAIL}
_PATCHES = _MAILS | {Medium.FILE}
_FILES = _PATCHES | {Medium.HEADER}

EXPORTERS: Mapping[str, Exporter] = {
    row.name: row
    for row in (
        Exporter("patches", "git am", _PATCHES, "stable", write_patches, prove_patches),
        Exporter("mbox", "git am", _MAILS, "stable", write_mbox, prove_mbox),
        Exporter("quilt", "quilt push -a", _FILES, "stable", write_quilt, prove_quilt),
        Exporter("debian", "dpkg-source", _FILES, "dep3", write_debian, prove_debian),
        Exporter("rpm", "rpmbuild -bp", _FILES, "stable", write_rpm, prove_rpm),
        Exporter("git", "git", _COMMITS, "stable", write_branch, prove_branch),
        Exporter("bundle", "git fetch", _COMMITS, "stable", write_bundle, prove_bundle),
    )
}


def exporter(name: str) -> Exporter:
    """The exporter of a format; `UsageError` lists the formats."""
    if name not in EXPORTERS:
        raise UsageError(f"{name}: no such format", hint=f"one of: {', '.join(EXPORTERS)}")
    return EXPORTERS[name]
