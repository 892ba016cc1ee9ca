"""A series that was read, for a person and for a machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from backport.readers.seriesfiles import Incoming


def render_series(patches: Sequence[Incoming]) -> str:
    """A row a patch, and below it what its dialect's rules object to, with file and line."""
    return "\n".join(line for patch in patches for line in _told(patch))


def _told(patch: Incoming) -> list[str]:
    p = patch.provenance
    more = f"+{len(p.upstream) - 1}" if len(p.upstream) > 1 else ""
    shas = f"{p.upstream[0][:12]}{more}" if p.upstream else "-"
    row = f"{shas:16} {patch.dialect or '-':12} {Path(patch.file).name}:{patch.line}: {p.subject}"
    notes = [f"    {patch.file}:{f.line}: {f.text}; {f.fix}" for f in patch.findings]
    return [row, *notes]


def series_json(patches: Sequence[Incoming]) -> list[dict[str, object]]:
    """Every patch with all that was read of it."""
    return [asdict(patch) for patch in patches]
