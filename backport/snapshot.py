"""Reader of a series' `snapshot.toml`: how its commits are cut out of two source drops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from backport.csource import split_text
from backport.cut import Cut
from backport.target import DebianSource
from backport.tomlfile import Table, load


@dataclass(frozen=True)
class SnapshotCommit:
    """One logical commit: its new files and its cuts in files that other features share."""

    id: str
    subject: str
    body: str
    stands_for: tuple[str, ...]  # full upstream SHAs whose end state it carries
    new_files: tuple[str, ...]
    cuts: tuple[Cut, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path the commit may touch, sorted."""
        return tuple(sorted({*self.new_files, *(cut.path for cut in self.cuts)}))


@dataclass(frozen=True)
class LeftOutPaths:
    """Files that mention the feature and stay out of its commits, with the reason."""

    paths: tuple[str, ...]  # prefixes
    reason: str


@dataclass(frozen=True)
class Elsewhere:
    """Commits of the series that no cut carries, with the reason."""

    commits: tuple[str, ...]  # full upstream SHAs
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """Two drops, oldest first, and the commits between them in the order of the series."""

    older: DebianSource
    newer: DebianSource
    mentions: str  # regex that finds the feature in files no selector names
    search: tuple[str, ...]  # where to look for mentions
    commits: tuple[SnapshotCommit, ...]
    left_out: tuple[LeftOutPaths, ...]
    elsewhere: tuple[Elsewhere, ...] = ()


def read_snapshot(path: Path) -> Snapshot:
    """Read `snapshot.toml`; every mistake is a `ManifestError` at its file, line and key."""
    table = load(path)
    snapshot = Snapshot(
        older=_drop(table.table("older")),
        newer=_drop(table.table("newer")),
        mentions=_regex(table, "mentions"),
        search=table.strings("search"),
        commits=tuple(_commit(row) for row in table.tables("commit", required=True)),
        left_out=tuple(
            LeftOutPaths(row.strings("paths"), row.string("reason"))
            for row in table.tables("left_out")
        ),
        elsewhere=tuple(
            Elsewhere(_shas(row, "commits"), row.string("reason"))
            for row in table.tables("elsewhere")
        ),
    )
    table.done()
    return snapshot


def _drop(table: Table) -> DebianSource:
    return DebianSource(table.string("package"), table.strings("suites"))


def _commit(table: Table) -> SnapshotCommit:
    return SnapshotCommit(
        id=table.string("id"),
        subject=table.string("subject"),
        body=table.string("body"),
        stands_for=_shas(table, "stands_for"),
        new_files=table.strings("new_files", ()),
        cuts=tuple(cut for row in table.tables("cut") for cut in _cuts(row)),
    )


def _shas(table: Table, key: str) -> tuple[str, ...]:
    shas = table.strings(key)
    for index, sha in enumerate(shas):
        if not re.fullmatch(r"[0-9a-f]{40}", sha):
            raise table.error(key, f"{sha!r} is not a full commit id", index=index)
    return shas


def _cuts(table: Table) -> list[Cut]:
    modes = [key for key in ("hunk", "lines", "symbol", "from") if table.has(key)]
    if len(modes) != 1:
        raise table.error("", "wants exactly one of `hunk`, `lines`, `symbol` and `from`")
    if table.has("from") != table.has("to"):
        raise table.error("from", "`from` and `to` go together")
    paths = (table.string("path"), *table.strings("also", ()))
    return [
        Cut(
            place=table.place(),
            path=path,
            hunk=_regex(table, "hunk"),
            lines=_regex(table, "lines"),
            symbol=table.string("symbol", ""),
            start=_regex(table, "from"),
            end=_regex(table, "to"),
            within=table.string("within", ""),
            was=tuple(split_text(table.string("was", ""))),
            count=table.integer("count", 0 if modes == ["hunk"] else 1),
        )
        for path in paths
    ]


def _regex(table: Table, key: str) -> str:
    text = table.string(key, "")
    try:
        re.compile(text)
    except re.error as err:
        raise table.error(key, f"is not a regular expression: {err}") from err
    return text
