"""Exporters: forms in which a finished branch leaves the store.

An exporter is one function, `(git, base, head, dest, cover) -> Exported`; adding one adds a row to
`EXPORTERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from backport.doors.git import Git
from backport.output.exporters.cover import Cover, cover_of
from backport.output.exporters.patches import Exported, export_patches, verify_patches
from backport.values.errors import UsageError

__all__ = [
    "EXPORTERS",
    "Cover",
    "Exported",
    "Exporter",
    "cover_of",
    "export_patches",
    "exporter",
    "verify_patches",
]


class Exporter(Protocol):
    """Write the commits base..head below `dest`; the folder is replaced whole or not at all."""

    def __call__(self, git: Git, base: str, head: str, dest: Path, cover: Cover) -> Exported: ...


EXPORTERS: Mapping[str, Exporter] = {"patches": export_patches}


def exporter(name: str) -> Exporter:
    """The exporter of a format; `UsageError` lists the formats."""
    if name not in EXPORTERS:
        raise UsageError(f"{name}: no such format", hint=f"one of: {', '.join(EXPORTERS)}")
    return EXPORTERS[name]
