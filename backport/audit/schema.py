"""The tables of the history index, and how its database is opened, finished and given up."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from backport.values.errors import BackportError, Unavailable

VERSION = 1  # an index of another version is built anew

# `parent` is the first one, `merged` has the others. In `refs` a commit names another one; `key` is
# its subject's. `mails` ties commits that came in one series. `reaches` is memory.
_TABLES = """
CREATE TABLE IF NOT EXISTS commits (n INTEGER PRIMARY KEY, sha BLOB NOT NULL UNIQUE,
    subject TEXT NOT NULL, key INTEGER NOT NULL, author INTEGER NOT NULL,
    committer INTEGER NOT NULL, authored INTEGER NOT NULL, committed INTEGER NOT NULL,
    parent INTEGER, stable INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS merged (n INTEGER NOT NULL, parent INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS refs (n INTEGER NOT NULL, sort INTEGER NOT NULL, hex TEXT NOT NULL,
    key INTEGER NOT NULL, subject TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mails (n INTEGER NOT NULL, key INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS heads (n INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS reaches (n INTEGER PRIMARY KEY, mask BLOB NOT NULL);
"""

# Made when all rows are there: kept up to date from the start they would cost twice the time.
_INDEXES = {
    "commits_key": "commits (key)",
    "commits_parent": "commits (parent)",
    "commits_stable": "commits (n) WHERE stable",
    "merged_n": "merged (n)",
    "refs_hex": "refs (hex)",
    "refs_key": "refs (key)",
    "refs_n": "refs (n)",
    "refs_sort": "refs (sort)",
    "mails_n": "mails (n)",
    "mails_key": "mails (key)",
}


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the database; one that is damaged or of another version is made anew."""
    try:
        return _opened(path)
    except sqlite3.DatabaseError as err:
        if isinstance(err, sqlite3.OperationalError):
            raise _explained(err, path) from err
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        return _opened(path)


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, VERSION}:
            raise sqlite3.DatabaseError(f"version {version}")
        db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -200000;"
            f"PRAGMA temp_store = MEMORY; {_TABLES} PRAGMA user_version = {VERSION};"
        )
    except BaseException:
        db.close()
        raise
    return db


def is_whole(db: sqlite3.Connection) -> bool:
    """Whether the first build came to its end."""
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
    return _INDEXES.keys() <= {name for (name,) in rows}


def finish(db: sqlite3.Connection) -> None:
    """Make the indexes that are not there yet."""
    for name, columns in _INDEXES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")


@contextlib.contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Tell a full disk or a damaged index in our words."""
    try:
        yield
    except sqlite3.Error as err:
        raise _explained(err, path) from err


def _explained(err: sqlite3.Error, path: Path) -> BackportError:
    if "full" in str(err):
        hint = "free some space, or set BACKPORT_CACHE to a larger disk, then run it again"
        return Unavailable(f"{path}: no room left on the disk", hint=hint)
    return Unavailable(f"{path}: {err}", hint=f"rm {path}; it is built anew from the clone")
