"""Shows a compatibility report to a person: the counts, then each thing that would be noticed."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator

from backport.gates.surfaces import outermost
from backport.values.compat import ADDED, CHANGED, REMOVED, TYPE, Compat, Notice, StructChange

WIDTH = 110
SHOWN = 8  # rows of a list before the rest is counted


def compat_text(report: Compat) -> str:
    """All of a report but what every struct's members did, which compat.json has."""
    allowed = len(report.notices) - len(report.refused)
    head = f"{report.series} on {report.target}: {_count(len(report.notices), 'thing')} that"
    head += f" modules and programs would notice, {allowed} allowed"
    return "\n".join(
        [
            head,
            f"  base {report.base[:12]}, patched {report.head[:12]}",
            "",
            *_symbols(report),
            *_structs(report.structs),
            *_uapi(report),
            *_config(report.config),
            "",
            *_notices(report),
            *_unmatched(report.unmatched),
        ]
    )


def _symbols(report: Compat) -> Iterator[str]:
    found = report.symbols
    yield (
        f"symbols    {found.before} exported before, {len(found.added)} added,"
        f" {len(found.removed)} removed, {len(found.changed)} with another CRC"
    )
    yield from _listed("added", found.added)
    causes = Counter(why for one in found.changed for why in one.because)
    for why, count in causes.most_common(SHOWN):
        yield f"             {count:5} by {why}"
    if len(causes) > SHOWN:
        yield f"             and {len(causes) - SHOWN} more causes"


def _listed(word: str, names: Iterable[str]) -> Iterator[str]:
    if text := ", ".join(names):
        yield from _wrapped(f"{word} {text}", "           ")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False
    )


def _structs(structs: Iterable[StructChange]) -> Iterator[str]:
    rows = list(structs)
    yield f"structs    {len(rows)} of headers under include/ lie in memory in another way"
    for one in rows:
        size = f"{one.old_size} bytes"
        size = size if one.old_size == one.new_size else f"{one.old_size} -> {one.new_size} bytes"
        yield f"           {one.name}, {one.header}: {size}"
        for line in one.changes[:SHOWN]:
            yield from _wrapped(line, "             ")
        if len(one.changes) > SHOWN:
            yield f"             and {len(one.changes) - SHOWN} changes more"


def _uapi(report: Compat) -> Iterator[str]:
    counts = Counter(one.change for one in report.uapi)
    told = ", ".join(f"{counts[word]} {word}" for word in (ADDED, CHANGED, REMOVED))
    yield f"uapi       {told}"
    for path in dict.fromkeys(one.path for one in report.uapi):
        added = {
            one.name: f"{one.name}={one.value}" if one.kind == "enumerator" else one.name
            for one in report.uapi
            if one.path == path and one.change == ADDED
        }
        yield from _listed(f"{path}:", [added[name] for name in outermost([*added])])


def _config(config: tuple[str, ...]) -> Iterator[str]:
    yield f"config     {len(config)} symbols differ"
    yield from _listed("", config)


def _notices(report: Compat) -> Iterator[str]:
    for one in report.notices:
        yield from _notice(one)


def _notice(one: Notice) -> Iterator[str]:
    mark = "✓" if one.allowed else "✗"
    kind = "" if one.kind == TYPE else f"{one.kind} "
    yield from _wrapped(f"{mark} {kind}{one.text}", "")
    if one.allowed:
        yield from _wrapped(f"allowed: {one.reason}", "    ")


def _unmatched(entries: tuple[str, ...]) -> Iterator[str]:
    if entries:
        yield ""
        yield "entries of compat.toml that match nothing, on any target that was looked at"
        yield from (f"  {entry}" for entry in entries)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
