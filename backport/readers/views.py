"""Reads `observe.toml` of a series: views of a running kernel, with what each must show."""

from __future__ import annotations

import re
from pathlib import Path

from backport.readers.tomlfile import Table, load
from backport.values.version import Range
from backport.values.view import View

# A view's name is a step's and a file's.
_WORD = re.compile(r"[a-z0-9_]+")


def read_views(path: Path) -> tuple[View, ...]:
    """The views of a file, in their order; raises `ManifestError` with file, line and key."""
    root = load(path)
    views: list[View] = []
    for i, row in enumerate(root.tables("view", required=True)):
        view = _view(row)
        if view.name in {one.name for one in views}:
            raise root.error(
                "view", f"{view.name} is there twice", hint="keep one of them", index=i
            )
        views.append(view)
    root.done()
    return tuple(views)


def _view(row: Table) -> View:
    name = row.string("name")
    if not _WORD.fullmatch(name):
        hint = "use a to z, 0 to 9 and _"
        raise row.error("name", f"{name!r} is no word of a guest's script", hint=hint)
    expect = row.strings("expect", ()) if row.has("expect") else ()
    counts: dict[str, int] = {}
    if row.has("counts"):
        table = row.table("counts")
        counts = {key: table.integer(key) for key in table.keys}
    for pattern in (*expect, *counts):
        _demand_pattern(row, pattern, "expect" if pattern in expect else "counts")
    if not expect and not counts:
        raise row.error("name", f"{name} expects nothing", hint="give it expect or counts")
    since = row.version("since") if row.has("since") else None
    until = row.version("until") if row.has("until") else None
    why = row.string("why", "")
    if bool(why) is not bool(since or until):
        hint = "why says what the kernels lack that since and until leave out"
        raise row.error("name", f"{name} has one of why and since or until alone", hint=hint)
    what, command = row.string("what"), row.string("command").strip("\n")
    return View(name, what, command, expect, counts, Range(since, until), why)


def _demand_pattern(row: Table, pattern: str, key: str) -> None:
    try:
        re.compile(pattern, re.MULTILINE)
    except re.error as err:
        raise row.error(key, f"{pattern!r}: {err}", hint="write a regular expression") from err
