"""The index of a clone's history: its commits and what their messages say, in sqlite in the cache.

Commits stand in an order in which parents come first, and each batch is one transaction. So what is
there is always whole: a killed build goes on where it was, an update reads only what is new, and
commits that a rewritten branch no longer has do no harm, since every question is asked below tips.
A commit is the same for everybody, so an index that outlives its clone is never wrong, only large.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from backport.audit import schema
from backport.doors import files
from backport.doors.git import Git
from backport.doors.process import ProcessFailed
from backport.readers.citations import Message, key_of, read_message, subject_key
from backport.values.errors import BackportError, UsageError
from backport.values.events import Emit, Note, Progress, StageFinished, StageStarted
from backport.values.gitformat import CommitInfo, parse_commit

STAGE = "index"
BATCH = 5000
_REMEMBERED = 300_000  # commits whose places are known without asking the database
_REWRITTEN = 100  # commits of a branch that are gone, behind which the rest is looked for
_HEADS = 4000  # that one command line names; below the others it walks again, which costs only time


def open_index(git: Git, cache: Path) -> Index:
    """The index of a repository; worktrees of one clone share it."""
    common = git.path / git.run("rev-parse", "--git-common-dir").text.strip()
    name = hashlib.sha256(str(common.resolve()).encode()).hexdigest()[:16]
    return Index(cache / "history" / f"{name}.sqlite")


class Index:
    """One database; safe for several processes, of which one at a time adds to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.locked(self._lock):
            self.db = schema.connect(path)

    @property
    def _lock(self) -> Path:
        return self.path.with_suffix(".lock")

    def close(self) -> None:
        """Let go of the database."""
        self.db.close()

    # -- growing

    def update(self, git: Git, tips: Sequence[str], emit: Emit) -> int:
        """Read what is new below tips (full ids of commits); how many commits that was."""
        if self._knows(tips):
            return 0
        start = time.monotonic()
        emit(StageStarted(STAGE, "history's index"))
        with files.locked(self._lock), schema.trouble(self.path):
            added = 0 if self._knows(tips) else self._grow(git, tips, emit)
        detail = f"{added:,} commits new, {self.count():,} in all"
        emit(StageFinished(STAGE, detail, time.monotonic() - start))
        return added

    def _knows(self, tips: Iterable[str]) -> bool:
        return schema.is_whole(self.db) and all(self.number(tip) is not None for tip in tips)

    def count(self) -> int:
        """How many commits it has."""
        return int(self.db.execute("SELECT ifnull(max(n), 0) FROM commits").fetchone()[0])

    def _grow(self, git: Git, tips: Sequence[str], emit: Emit) -> int:
        order = self.path.with_suffix(".order")
        try:
            total = self._list(git, tips, order, emit)
            with git.reading("cat-file", "--batch", feed=order) as out:
                commits, writer = _commits(out), _Writer(self.db)
                done = 0
                while batch := list(islice(commits, BATCH)):
                    done += len(batch)
                    writer.store(batch)
                    emit(Progress(STAGE, done, total, "commits"))
        finally:
            order.unlink(missing_ok=True)
        if not schema.is_whole(self.db):
            emit(Note(STAGE, "sorting what the messages say"))
        schema.finish(self.db)
        # A tip may be below another one of a repository that is not at hand the next time.
        known = [(self.number(tip),) for tip in tips]
        self.db.executemany("INSERT OR IGNORE INTO heads VALUES (?)", known)
        return done

    def _list(self, git: Git, tips: Sequence[str], order: Path, emit: Emit) -> int:
        """Write the ids of the new commits, parents first; how many there are."""
        known = self._frontier(git)
        emit(Note(STAGE, f"ordering the history of {git.path}"))
        argv = ("rev-list", "--reverse", "--topo-order", *tips, "--not", *known)
        total = 0
        try:
            with git.reading(*argv) as out, order.open("wb") as to:
                while chunk := out.read(1 << 20):
                    total += chunk.count(b"\n")
                    to.write(chunk)
        except ProcessFailed as err:
            said = err.done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise UsageError(
                f"{git.path}: its history cannot be read: {said[-1] if said else 'git failed'}",
                hint=f"git -C {git.path} fsck --connectivity-only, then fetch what is missing",
            ) from err
        return total

    def _frontier(self, git: Git) -> list[str]:
        """The newest commits of the index that the repository still has."""
        rows = self.db.execute("SELECT n FROM heads ORDER BY n DESC").fetchall()
        todo, found = [n for (n,) in rows], []
        seen: set[int] = set()
        for _ in range(_REWRITTEN):
            if not todo:
                break
            seen |= set(todo)
            shas = dict(zip((c.sha for c in self.commits(todo)), sorted(todo), strict=True))
            there = present(git, shas)
            found += [sha for sha in shas if sha in there]
            gone = [shas[sha] for sha in shas if sha not in there]
            todo = sorted({p for n in gone for p in self.parents(n)} - seen)
        return found[:_HEADS]

    # -- asking

    def number(self, sha: str) -> int | None:
        """The place of a commit (full id) in the order."""
        row = self.db.execute("SELECT n FROM commits WHERE sha = ?", [bytes.fromhex(sha)])
        found = row.fetchone()
        return found[0] if found else None

    def by_prefix(self, digits: str) -> list[int]:
        """The commits whose id begins so."""
        low, high = (bytes.fromhex(digits.ljust(40, pad)) for pad in "0f")
        rows = self.db.execute("SELECT n FROM commits WHERE sha BETWEEN ? AND ?", (low, high))
        return [n for (n,) in rows]

    def by_subject(self, key: int) -> list[int]:
        """The commits whose subject has this key."""
        rows = self.db.execute("SELECT n FROM commits WHERE key = ? AND key <> 0", [key])
        return [n for (n,) in rows]

    def commits(self, numbers: Iterable[int]) -> list[Indexed]:
        """Commits by their places, in order."""
        found = []
        for n in sorted(numbers):
            row = self.db.execute(_SELECT, [n]).fetchone()
            found.append(Indexed(n, row[0].hex(), *row[1:]))
        return found

    def commit(self, number: int) -> Indexed:
        """One commit by its place."""
        return self.commits([number])[0]

    def parents(self, number: int) -> list[int]:
        """The places of a commit's parents, the first one first."""
        one = self.db.execute("SELECT parent FROM commits WHERE n = ?", [number]).fetchone()
        more = self.db.execute("SELECT parent FROM merged WHERE n = ?", [number]).fetchall()
        return [n for (n,) in [one, *more] if n is not None]

    def children(self, number: int) -> list[int]:
        """The commits whose first parent this is."""
        return [n for (n,) in self.db.execute("SELECT n FROM commits WHERE parent = ?", [number])]

    def citing(self, sha: str, key: int) -> list[Cited]:
        """What names a commit by a beginning of its id, or by its subject."""
        starts = [sha[:length] for length in range(7, len(sha) + 1)]
        marks = ",".join("?" * len(starts))
        where = f"hex IN ({marks}) UNION SELECT n, sort, hex, subject FROM refs WHERE key = ?"
        rows = self.db.execute(f"SELECT n, sort, hex, subject FROM refs WHERE {where}",
                               [*starts, key or -1])  # fmt: skip
        return [Cited(*row) for row in rows]

    def cited_by(self, number: int) -> list[Cited]:
        """What one commit says of others."""
        rows = self.db.execute("SELECT n, sort, hex, subject FROM refs WHERE n = ?", [number])
        return [Cited(*row) for row in rows]

    def all_cited(self, sort: int) -> Iterator[Cited]:
        """What all commits say of others in one way."""
        rows = self.db.execute("SELECT n, sort, hex, subject FROM refs WHERE sort = ?", [sort])
        return (Cited(*row) for row in rows)

    def series_mates(self, number: int) -> list[int]:
        """The commits that were mailed in one series with this one, itself included."""
        text = "SELECT b.n FROM mails a JOIN mails b ON a.key = b.key WHERE a.n = ?"
        return sorted({n for (n,) in self.db.execute(text, [number])})


_SELECT = """SELECT sha, subject, author, committer, authored, committed, parent, stable
             FROM commits WHERE n = ?"""


@dataclass(frozen=True)
class Indexed:
    """A commit as the index has it; people are numbers, dates seconds."""

    n: int
    sha: str
    subject: str
    author: int
    committer: int
    authored: int
    committed: int
    parent: int | None
    stable: bool  # it asks for stable trees


@dataclass(frozen=True)
class Cited:
    """Commit `n` names another one in one way, by the beginning of its id or its subject."""

    n: int
    sort: int
    sha: str
    subject: str


def present(git: Git, shas: Iterable[str]) -> set[str]:
    """Those of the ids that are commits of a repository."""
    text = "".join(f"{sha}\n" for sha in shas).encode()
    out = git.run("cat-file", "--batch-check", stdin=text).text.splitlines()
    return {line.split()[0] for line in out if line.split()[1] == "commit"}


def _commits(out: IO[bytes]) -> Iterator[CommitInfo]:
    """The commits in the output of `git cat-file --batch`."""
    while head := out.readline():
        sha, kind, *size = head.decode().split()
        if kind != "commit":
            raise BackportError(f"{sha}: a commit that its own repository lacks ({kind})")
        data = out.read(int(size[0]))
        out.read(1)
        yield parse_commit(sha, data)


class _Writer:
    """Adds batches of commits; a batch is there whole or not at all."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[str, int] = {}
        self._people: dict[str, int] = {}

    def store(self, batch: Sequence[CommitInfo]) -> None:
        """Add commits whose parents are there, or among those before them."""
        if len(self._numbers) > _REMEMBERED:
            self._numbers.clear()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            last = self._db.execute("SELECT ifnull(max(n), 0) FROM commits").fetchone()[0]
            new = [c for c in batch if self._number(c.oid) is None]
            for n, info in enumerate(new, last + 1):
                self._numbers[info.oid] = n
            self._insert(new)

    def _insert(self, new: Sequence[CommitInfo]) -> None:
        rows, merged, refs, mails = [], [], [], []
        inner: set[int] = set()
        for info in new:
            n = self._numbers[info.oid]
            parents = [p for sha in info.parents if (p := self._number(sha)) is not None]
            inner |= set(parents)
            said = read_message(info.message)
            rows.append(self._row(n, info, parents, said))
            merged += [(n, p) for p in parents[1:]]
            refs += [(n, int(c.sort), c.sha, subject_key(c.subject), c.subject)
                     for c in said.citations]  # fmt: skip
            mails += [(n, key_of(key)) for key in said.series]
        run = self._db.executemany
        run("INSERT INTO commits VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
        run("INSERT INTO merged VALUES (?,?)", merged)
        run("INSERT INTO refs VALUES (?,?,?,?,?)", refs)
        run("INSERT INTO mails VALUES (?,?)", mails)
        run("DELETE FROM heads WHERE n = ?", [(n,) for n in inner])
        run("INSERT INTO heads VALUES (?)", [(row[0],) for row in rows if row[0] not in inner])

    def _row(
        self, n: int, info: CommitInfo, parents: Sequence[int], said: Message
    ) -> tuple[object, ...]:
        who = (self._person(f"{p.name} <{p.email}>") for p in (info.author, info.committer))
        dates = (_seconds(p.date) for p in (info.author, info.committer))
        subject = info.subject.encode("utf-8", "replace").decode()
        first = parents[0] if parents else None
        return (n, bytes.fromhex(info.oid), subject, subject_key(subject), *who, *dates, first,
                said.stable)  # fmt: skip

    def _number(self, sha: str) -> int | None:
        known = self._numbers.get(sha)
        if known is None:
            text = "SELECT n FROM commits WHERE sha = ?"
            row = self._db.execute(text, [bytes.fromhex(sha)]).fetchone()
            known = row[0] if row else None
        return known

    def _person(self, name: str) -> int:
        if name not in self._people:
            text = name.encode("utf-8", "replace").decode()
            self._db.execute("INSERT OR IGNORE INTO people (name) VALUES (?)", [text])
            row = self._db.execute("SELECT id FROM people WHERE name = ?", [text]).fetchone()
            self._people[name] = row[0]
        return self._people[name]


def _seconds(date: str) -> int:
    with contextlib.suppress(ValueError):
        return int(date.partition(" ")[0])
    return 0


def demand_whole(git: Git, where: str) -> None:
    """Refuse a shallow clone: what it lacks could not be told from what upstream never did."""
    if git.run("rev-parse", "--is-shallow-repository").text.strip() == "true":
        raise UsageError(
            f"{where}: a shallow clone; commits before its cut would be missed silently",
            hint=f"git -C {where} fetch --unshallow",
        )
