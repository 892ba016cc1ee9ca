"""Reader of a series' `snapshot.toml`: how its commits are cut out of two source drops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from backport.readers.cut import Cut
from backport.readers.rules import at_least_none, regex, some
from backport.readers.tomlfile import Table, load
from backport.values.csource import split_text
from backport.values.errors import ManifestError, Place
from backport.values.target import DebianSource


@dataclass(frozen=True)
class SnapshotCommit:
    """One logical commit: its new files and its cuts in files that other features share."""

    id: str
    subject: str
    body: str
    stands_for: tuple[str, ...]  # full upstream SHAs whose end state it carries
    new_files: tuple[str, ...]
    cuts: tuple[Cut, ...]
    place: Place

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
    place: Place  # of `mentions`
    commits: tuple[SnapshotCommit, ...]
    left_out: tuple[LeftOutPaths, ...]
    elsewhere: tuple[Elsewhere, ...] = ()


def read_snapshot(path: Path) -> Snapshot:
    """Read `snapshot.toml`; every mistake is a `ManifestError` at its file, line and key."""
    table = load(path)
    snapshot = Snapshot(
        older=_drop(table.table("older")),
        newer=_drop(table.table("newer")),
        mentions=_mentions(table),
        search=table.strings("search"),
        place=table.place("mentions"),
        commits=_commits(table),
        left_out=tuple(
            LeftOutPaths(some(row, "paths"), row.string("reason"))
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
    return DebianSource(table.string("package"), some(table, "suites"))


def _mentions(table: Table) -> str:
    """What `git grep -E` searches for: its regular expressions know less than ours."""
    text = regex(table, "mentions", required=True)
    if found := re.search(r"\(\?|\\[dDAZ]", text):
        hint = "write an extended regular expression, as for grep -E"
        raise table.error("mentions", f"git does not know {found[0]!r}", hint=hint)
    return text


def _commits(table: Table) -> tuple[SnapshotCommit, ...]:
    commits = tuple(_commit(row) for row in table.tables("commit", required=True))
    seen: dict[str, Place] = {}
    for commit in commits:
        if commit.id in seen:
            raise ManifestError(commit.place, f"commit {commit.id} is already at {seen[commit.id]}")
        seen[commit.id] = commit.place
    return commits


def _commit(table: Table) -> SnapshotCommit:
    new_files = table.strings("new_files", ())
    cuts = tuple(cut for row in table.tables("cut") for cut in _cuts(row))
    if not new_files and not cuts:
        hint = "give it `new_files` or a [[commit.cut]]"
        raise table.error("", "the commit touches nothing", hint=hint)
    for cut in cuts:
        if cut.path in new_files:
            raise ManifestError(cut.place, f"{cut.path} is new in this commit: it is taken whole")
    return SnapshotCommit(
        id=table.string("id"),
        subject=table.string("subject"),
        body=table.string("body"),
        stands_for=_shas(table, "stands_for"),
        new_files=new_files,
        cuts=cuts,
        place=table.place(),
    )


def _shas(table: Table, key: str) -> tuple[str, ...]:
    shas = some(table, key)
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
    if table.has("was") and table.has("hunk"):
        raise table.error("was", "says nothing with `hunk`: the older drop says what was")
    paths = (table.string("path"), *table.strings("also", ()))
    return [
        Cut(
            place=table.place(),
            path=path,
            hunk=regex(table, "hunk"),
            lines=regex(table, "lines"),
            symbol=_name(table, "symbol"),
            start=regex(table, "from"),
            end=regex(table, "to"),
            within=_name(table, "within"),
            was=_was(table),
            count=at_least_none(table, "count", 0 if modes == ["hunk"] else 1),
        )
        for path in paths
    ]


def _name(table: Table, key: str) -> str:
    return table.string(key) if table.has(key) else ""


def _was(table: Table) -> tuple[str, ...]:
    text = table.string("was", "")
    return tuple(split_text(text if text.endswith("\n") or not text else f"{text}\n"))
