"""Upstream as a git repository: a clone on this machine, or a URL.

Each wanted commit is taken over as two commits of the store: one whose tree has the files that it
touches as they were before, and on it the commit itself, its tree the same files afterwards. That
is all a pick's merge looks at, so no other file of upstream is needed, fetched or missed. Author,
dates and message are upstream's, byte for byte; ids depend on nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backport.doors import files
from backport.doors.git import Change, CommitInfo, Entry, Git, parse_commit
from backport.doors.process import ProcessFailed
from backport.upstreams.objects import NO_LAZY_FETCH, RawObject, compare_trees, read_objects
from backport.upstreams.remote import STAGE, Fetched, RemoteObjects
from backport.values.commit import Incoming, Person
from backport.values.errors import ManifestError, UsageError
from backport.values.events import Emit, Note
from backport.values.series import Series, SeriesCommit

# Mainline has every commit of a series; the stable trees have what was reverted or never got there.
DEFAULT_URLS = (
    "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git",
    "https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git",
)
REFS = "refs/backport/upstream"
GITLINK = "160000"

# The same for everyone, so that the ids are the same on every machine.
CONTEXT = Person("backport upstream", "backport@localhost", "946684800 +0000")


class _Objects(Protocol):
    """Where raw objects come from."""

    def commits(self, shas: Sequence[str]) -> Mapping[str, RawObject]: ...
    def parents(self, shas: Iterable[str]) -> Mapping[str, RawObject]: ...
    def trees(self, oids: set[str]) -> Mapping[str, bytes]: ...
    def pack(self, blobs: Iterable[str]) -> bytes: ...


@dataclass(frozen=True)
class _Upstream:
    """One wanted commit as its repository has it."""

    row: SeriesCommit
    raw: bytes
    info: CommitInfo
    changes: tuple[Change, ...]


class GitUpstream:
    """The wanted commits of a series out of repositories, asked in order until all are found.

    `store` receives them; `cache` is a folder for what is fetched from URLs. A location that is a
    directory is a local clone, which is only read.
    """

    def __init__(self, store: Git, cache: Path, locations: Sequence[str] = DEFAULT_URLS) -> None:
        self._store = store
        self._cache = cache
        self._locations = tuple(locations) or DEFAULT_URLS
        self.fetched = Fetched()  # by this object, for the report

    def describe(self) -> str:
        """The locations, for a person."""
        return "git: " + ", ".join(self._locations)

    def commits(self, series: Series, emit: Emit) -> tuple[Incoming, ...]:
        """The picked commits of a series, in its order; those taken before cost milliseconds.

        Raises `ManifestError` at the series' row of a commit that no location has, that is a merge
        or the first of a history, or whose subject is another; `Unavailable` without network.
        """
        kept = self._kept()
        missing = [row for row in series.picked if row.sha not in kept]
        for location in self._locations:
            if missing:
                with self._opened(location, emit) as objects:
                    taken = self._take(objects, missing, location)
                missing = [row for row in missing if row.sha not in taken]
        for row in missing:
            raise self._unknown(row)
        return self._incoming(series)

    # -- what the store already has

    def _kept(self) -> dict[str, str]:
        form = "--format=%(refname:lstrip=3) %(objectname)"
        lines = self._store.run("for-each-ref", form, f"{REFS}/").text.splitlines()
        return dict((line.split()[0], line.split()[1]) for line in lines)

    def _incoming(self, series: Series) -> tuple[Incoming, ...]:
        kept = self._kept()
        found = read_objects(self._store, [kept[row.sha] for row in series.picked])
        result = []
        for row in series.picked:
            info = parse_commit(kept[row.sha], found[kept[row.sha]].data)
            _check_subject(row, info.subject)
            result.append(_as_incoming(row, info, self.describe()))
        return tuple(result)

    # -- taking over

    @contextlib.contextmanager
    def _opened(self, location: str, emit: Emit) -> Iterator[_Objects]:
        path = Path(location).expanduser()
        if path.is_dir():
            yield _LocalObjects(Git(path), location)
            return
        if "://" not in location and "@" not in location:
            raise UsageError(f"{location}: no such directory, and not a URL")
        home = self._cache / f"{hashlib.sha256(location.encode()).hexdigest()[:16]}.git"
        with files.locked(home.with_suffix(".lock")):
            remote = RemoteObjects(location, home, emit)
            yield remote
        self.fetched += remote.fetched
        if remote.fetched.bytes:
            emit(Note(STAGE, f"{location}: {remote.fetched}"))

    def _take(self, objects: _Objects, rows: Sequence[SeriesCommit], location: str) -> set[str]:
        """Take over the commits that are there; nothing is written before all of them are good."""
        raws = objects.commits([row.sha for row in rows])
        here = [row for row in rows if row.sha in raws]
        infos = [_checked(row, raws[row.sha].data) for row in here]
        parents = objects.parents(info.parents[0] for info in infos)
        pairs = [
            (_parent_tree(row, i, parents, location), i.tree)
            for row, i in zip(here, infos, strict=True)
        ]
        changes = compare_trees(pairs, objects.trees)
        blobs = {e.oid for c in changes for change in c for e in _blobs(change)}
        if blobs:
            self._store.run("index-pack", "--stdin", stdin=objects.pack(blobs))
        wanted = [
            _Upstream(row, raws[row.sha].data, info, change)
            for row, info, change in zip(here, infos, changes, strict=True)
        ]
        refs = "".join(f"update {REFS}/{w.row.sha} {self._write(w)}\n" for w in wanted)
        self._store.run("update-ref", "--stdin", stdin=refs.encode())
        return {row.sha for row in here}

    def _write(self, wanted: _Upstream) -> str:
        before = self._store.edit_tree("", {c.path: c.old for c in wanted.changes if c.old})
        after = self._store.edit_tree("", {c.path: c.new for c in wanted.changes if c.new})
        message = f"Context of {wanted.row.sha}\n"
        parent = self._store.commit_tree(before, [], message, CONTEXT, CONTEXT)
        data = _moved(wanted.raw, after, parent)
        return self._store.write_object("commit", data)

    def _unknown(self, row: SeriesCommit) -> ManifestError:
        return ManifestError(
            row.place,
            f'{row.sha} ("{row.subject}") is not in {", ".join(self._locations)}',
            hint="correct the SHA, or name the repository that has it (--upstream)",
        )


class _LocalObjects:
    """A repository on this machine, read as it is."""

    def __init__(self, git: Git, location: str) -> None:
        self._git = git
        self._location = location

    def commits(self, shas: Sequence[str]) -> Mapping[str, RawObject]:
        return {sha: raw for sha, raw in self._read(shas).items() if raw.kind == "commit"}

    def parents(self, shas: Iterable[str]) -> Mapping[str, RawObject]:
        return self._read(shas)

    def trees(self, oids: set[str]) -> Mapping[str, bytes]:
        found = self._read(oids)
        if oids - found.keys():
            raise self._partial()
        return {oid: raw.data for oid, raw in found.items()}

    def pack(self, blobs: Iterable[str]) -> bytes:
        text = "".join(f"{oid}\n" for oid in sorted(set(blobs))).encode()
        try:
            args = ("pack-objects", "-q", "--stdout")
            return self._git.run(*args, stdin=text, env=NO_LAZY_FETCH).stdout
        except ProcessFailed as err:
            raise self._partial() from err

    def _read(self, oids: Iterable[str]) -> dict[str, RawObject]:
        try:
            return read_objects(self._git, oids)
        except ProcessFailed as err:
            raise self._partial() from err

    def _partial(self) -> UsageError:
        return UsageError(
            f"{self._location}: lacks objects of the wanted commits (a partial clone, or damaged)",
            hint="give the URL that it was cloned from; only what is missing will be fetched",
        )


# -- checks


def _checked(row: SeriesCommit, raw: bytes) -> CommitInfo:
    info = parse_commit(row.sha, raw)
    _check_subject(row, info.subject)
    if len(info.parents) != 1:
        what = "is a merge" if info.parents else "has no parent"
        hint = "name the commits that it merged" if info.parents else "correct the SHA"
        raise ManifestError(row.place, f"{row.sha} {what}: it cannot be picked", hint=hint)
    return info


def _check_subject(row: SeriesCommit, subject: str) -> None:
    if subject != row.subject:
        message = f'{row.sha} has the subject "{subject}", the manifest says "{row.subject}"'
        raise ManifestError(row.place, message, hint="correct the SHA or the subject")


def _parent_tree(
    row: SeriesCommit, info: CommitInfo, parents: Mapping[str, RawObject], location: str
) -> str:
    parent = info.parents[0]
    if parent not in parents:
        raise UsageError(
            f"{location}: has {row.sha} but not its parent {parent}: the clone is shallow",
            hint=f"git -C {location} fetch --deepen=1",
        )
    return parse_commit(parent, parents[parent].data).tree


# -- writing


def _blobs(change: Change) -> list[Entry]:
    return [e for e in (change.old, change.new) if e is not None and e.mode != GITLINK]


def _moved(raw: bytes, tree: str, parent: str) -> bytes:
    """A raw commit on another tree and parent, without signatures, which would no longer hold."""
    head, _, body = raw.partition(b"\n\n")
    kept = [
        line
        for line in head.split(b"\n")
        if line.startswith((b"author ", b"committer ", b"encoding "))
    ]
    start = f"tree {tree}\nparent {parent}\n".encode()
    return start + b"\n".join(kept) + b"\n\n" + body


def _as_incoming(row: SeriesCommit, info: CommitInfo, origin: str) -> Incoming:
    return Incoming(
        commit=info.oid,
        parent=info.parents[0],
        subject=info.subject,
        message=info.message,
        author=info.author,
        committer=info.committer,
        stands_for=(row.sha,),
        origin=origin,
    )
