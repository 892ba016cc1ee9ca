"""What scripts/checkpatch.pl prints, and the findings that a series allows. Text in, values out."""

from __future__ import annotations

import re
from pathlib import Path

from backport.readers.tomlfile import Table, load
from backport.values.errors import GateFailed
from backport.values.style import Allowance, StyleFinding

_HEAD = re.compile(r"(ERROR|WARNING|CHECK):([A-Z][A-Z0-9_]*): (.*)")
_WHERE = re.compile(r"#\d+:(?: FILE: (.*?):(\d+):)? *$")
_TOTAL = re.compile(
    r"^total: (\d+) errors, (\d+) warnings,(?: (\d+) checks,)? \d+ lines checked$", re.M
)


def parse_checkpatch(text: str, what: str) -> tuple[StyleFinding, ...]:
    """The findings of one run with --show-types; `what` was checked.

    Pessimistic: a run without its summary, or whose summary counts other findings than were read,
    is a `GateFailed`.
    """
    found = tuple(filter(None, (_finding(block) for block in text.split("\n\n"))))
    total = _TOTAL.search(text)
    if total is None:
        tail = "\n".join(text.splitlines()[-10:])
        raise GateFailed(f"{what}: checkpatch.pl did not come to its end\n{tail}")
    told = [int(number or 0) for number in total.groups()]
    seen = [sum(f.level == level for f in found) for level in ("ERROR", "WARNING", "CHECK")]
    if told != seen:
        raise GateFailed(
            f"{what}: checkpatch.pl counts {told[0]} errors, {told[1]} warnings and {told[2]}"
            f" checks, of which {seen[0]}, {seen[1]} and {seen[2]} could be read",
            hint="this kernel's checkpatch.pl prints them in a form that is not known yet",
        )
    return found


def _finding(block: str) -> StyleFinding | None:
    lines = block.strip("\n").split("\n")
    head = _HEAD.match(lines[0])
    if head is None:
        return None
    rest = lines[1:]
    where = _WHERE.match(rest[0]) if rest else None
    if where is None:
        return StyleFinding(head[1], head[2], head[3], code="\n".join(rest))
    path, line = where[1] or "", int(where[2] or 0)
    return StyleFinding(head[1], head[2], head[3], path, line, "\n".join(rest[1:]))


def read_allowances(path: Path) -> tuple[Allowance, ...]:
    """A series' `style.toml`; none if there is no such file."""
    if not path.is_file():
        return ()
    root = load(path)
    found = tuple(_allowance(row) for row in root.tables("allow"))
    root.done()
    return found


def _allowance(row: Table) -> Allowance:
    code = row.string("code", "")
    try:
        re.compile(code)
    except re.error as err:
        raise row.error(
            "code", f"is no pattern: {err}", hint="mend the regular expression"
        ) from err
    commit = row.string("commit", "")
    if commit and not re.fullmatch(r"[0-9a-f]{12,40}", commit):
        hint = "12 to 40 hex digits of the upstream commit"
        raise row.error("commit", f"{commit!r} is no SHA", hint=hint)
    return Allowance(
        row.string("type"), row.string("why"), commit, row.string("path", ""), code, row.place()
    )
