"""Reads a series' compat.toml: what modules and programs may notice of it, and why."""

from __future__ import annotations

import re
from pathlib import Path

from backport.readers.tomlfile import Table, load
from backport.values.compat import KINDS, TYPE, Allowance

_TYPE = re.compile(r"(struct|union|enum|typedef|constant) \w+")


def read_allowances(path: Path) -> tuple[Allowance, ...]:
    """The entries in file order; a mistake is a `ManifestError` at its place.

    A series without the file allows nothing.
    """
    if not path.is_file():
        return ()
    table = load(path)
    found: dict[tuple[str, str], Allowance] = {}
    for row in table.tables("allow", required=True):
        one = _allowance(row)
        if first := found.get((one.kind, one.name)):
            hint = f"put both into the one of line {first.place.line}"
            raise row.error(one.kind, f"{one.name!r} is allowed twice", hint=hint)
        found[one.kind, one.name] = one
    table.done()
    return tuple(found.values())


def _allowance(row: Table) -> Allowance:
    kinds = [kind for kind in KINDS if row.has(kind)]
    if len(kinds) != 1:
        hint = 'write type = "struct net_device", symbol = "dev_open" or uapi = "__MAX_X"'
        raise row.error("", f"names {len(kinds) or 'none'} of {', '.join(KINDS)}", hint=hint)
    (kind,) = kinds
    name, members = row.string(kind), row.strings("members", ())
    if kind == TYPE and not _TYPE.fullmatch(name):
        hint = 'write its kind, too: "struct net_device", "union bpf_attr"'
        raise row.error(kind, f"{name!r} names no type", hint=hint)
    if members and kind != TYPE:
        raise row.error("members", f"a {kind} has none", hint="only a type has members")
    return Allowance(kind, name, row.string("reason"), members, row.place(kind))
