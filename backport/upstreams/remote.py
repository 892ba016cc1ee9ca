"""Objects of a repository elsewhere: only what is asked for comes over, and it is counted.

Everything lands in a small repository of our own in the cache, never in the user's.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.doors.git import Git
from backport.doors.process import ProcessFailed
from backport.upstreams.objects import RawObject, all_objects, read_objects
from backport.values.errors import BackportError, Unavailable, UsageError
from backport.values.events import Emit, Note, Progress

STAGE = "upstream"

# What a server may leave out, from the least to bring over to all of two commits' files.
FILTERS = ("tree:0", "blob:none", "")

_FETCH = (
    *("-c", "fetch.unpackLimit=1"),  # keep packs: their size is what came over
    *("-c", "fetch.negotiationAlgorithm=noop"),  # offer nothing: no thin packs, no surprises
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"),
    *("fetch", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--progress"),
)
_NOT_THERE = re.compile(r"not our ref ([0-9a-f]{40})")
_NO_FILTER = re.compile(r"filter '?[^ ']*'? not supported|filtering not (?:recognized|supported)")
_METER = re.compile(r"Receiving objects: +\d+% \((\d+)/(\d+)\)")


@dataclass(frozen=True)
class Fetched:
    """What came over: bytes of packs, objects in them, and commits that were asked for."""

    bytes: int = 0
    objects: int = 0
    commits: int = 0

    def __add__(self, other: Fetched) -> Fetched:
        return Fetched(
            self.bytes + other.bytes, self.objects + other.objects, self.commits + other.commits
        )

    def __str__(self) -> str:
        return f"{self.commits} commits, {self.objects} objects, {human_size(self.bytes)} received"


class RemoteObjects:
    """Objects of one URL, fetched in batches into `path`; the caller holds a lock on it."""

    def __init__(self, url: str, path: Path, emit: Emit) -> None:
        self.url = url
        self.fetched = Fetched()
        self._git = Git.init_bare(path)
        self._log = path / "fetch.log"
        self._emit = emit
        self._filter = FILTERS[0]
        _sweep(self._git.path)
        self._have = all_objects(self._git)

    @property
    def git(self) -> Git:
        """The repository that the objects are in."""
        return self._git

    def commits(self, shas: Sequence[str]) -> dict[str, RawObject]:
        """The commits among `shas` that the remote has, each fetched with its parent."""
        wanted = [sha for sha in shas if sha not in self._have]
        before = len(wanted)
        while wanted:
            try:
                self._fetch(wanted, "--depth=2")
                break
            except _NotThereError as err:
                wanted = [sha for sha in wanted if sha != err.sha]
        self.fetched += Fetched(commits=len(wanted))
        if before:
            self._emit(Note(STAGE, f"{self.url}: has {len(wanted)} of {before} commits asked for"))
        return {sha: raw for sha, raw in self._read(shas).items() if raw.kind == "commit"}

    def parents(self, shas: Iterable[str]) -> dict[str, RawObject]:
        """Parents of commits that `commits` gave; they came with them."""
        return self._read(shas)

    def trees(self, oids: set[str]) -> Mapping[str, bytes]:
        """Raw trees, fetched where they are not here yet."""
        self._need(oids)
        return {oid: raw.data for oid, raw in self._read(oids).items()}

    def pack(self, blobs: Iterable[str]) -> bytes:
        """A pack of blobs, fetched where they are not here yet."""
        wanted = sorted(set(blobs))
        self._need(wanted)
        text = "".join(f"{oid}\n" for oid in wanted).encode()
        return self._git.run("pack-objects", "-q", "--stdout", stdin=text).stdout

    def _read(self, oids: Iterable[str]) -> dict[str, RawObject]:
        return read_objects(self._git, set(oids) & self._have)

    def _need(self, oids: Iterable[str]) -> None:
        missing = sorted(set(oids) - self._have)
        if missing:
            self._fetch(missing)
        lost = set(missing) - self._have
        if lost:
            raise Unavailable(f"{self.url}: did not send {len(lost)} objects, e.g. {min(lost)}")

    def _fetch(self, oids: Sequence[str], *options: str) -> None:
        """One round trip; a filter that the server refuses is weakened until it takes one."""
        before = _packs(self._git.path)
        while True:
            filtered = [f"--filter={self._filter}"] if self._filter else []
            try:
                self._git.stream(
                    *_FETCH, *options, *filtered, self.url, *oids, on_line=self._line, log=self._log
                )
                break
            except ProcessFailed as err:
                text = err.done.stdout.decode("utf-8", "replace")
                if not (self._filter and _NO_FILTER.search(text)):
                    raise self._explained(text) from err
                self._weaken()
        self.fetched += _difference(before, _packs(self._git.path))
        self._have = all_objects(self._git)

    def _line(self, line: str) -> None:
        found = _METER.search(line)
        if found:
            self._emit(Progress(STAGE, int(found[1]), int(found[2]), "objects"))
        elif "filtering not recognized" in line:
            self._filter = ""
            self._emit(Note(STAGE, f"{self.url}: sends whole trees (no object filters there)"))

    def _weaken(self) -> None:
        refused = self._filter
        self._filter = FILTERS[FILTERS.index(refused) + 1]
        self._emit(Note(STAGE, f"{self.url}: refuses the filter {refused}; more will come over"))

    def _explained(self, text: str) -> BackportError:
        found = _NOT_THERE.search(text)
        if found:
            return _NotThereError(found[1])
        for pattern, kind, message, hint in _TROUBLES:
            if re.search(pattern, text):
                return kind(f"{self.url}: {message}", hint=hint, log=self._log)
        last = [line for line in text.splitlines() if line.strip()][-3:]
        return Unavailable(f"{self.url}: git fetch failed: {'; '.join(last)}", log=self._log)


class _NotThereError(BackportError):
    """The remote has no such object."""

    def __init__(self, sha: str) -> None:
        super().__init__(f"not there: {sha}")
        self.sha = sha


_TROUBLES: tuple[tuple[str, type[BackportError], str, str], ...] = (
    (
        r"No space left on device",
        Unavailable,
        "no room left on the disk; what was fetched before is kept",
        "free some space, or set BACKPORT_CACHE to a larger disk, then run it again",
    ),
    (
        r"Server does not allow request for unadvertised object",
        UsageError,
        "the server gives out only branches and tags, not commits by SHA",
        "clone it (`git clone --bare`) and give the clone's path as the upstream",
    ),
    (
        r"not exported|repository not found|does not appear to be a git repository|"
        r"repository '[^']*' not found|does not exist",
        UsageError,
        "there is no git repository at that address",
        "check the URL with `git ls-remote`",
    ),
    (
        r"unable to look up|[Cc]ould not resolve|unable to connect|[Cc]onnection (?:refused|timed "
        r"out|reset)|Failed to connect|[Nn]etwork is unreachable|Operation too slow|No route to",
        Unavailable,
        "cannot be reached",
        "check the network and the proxy settings, or give a local clone as the upstream",
    ),
    (
        r"early EOF|hung up unexpectedly|unexpected disconnect|RPC failed",
        Unavailable,
        "the transfer was cut off; what was fetched before is kept",
        "run the same command again",
    ),
)


def human_size(count: int) -> str:
    """Bytes for a person: `312 B`, `4.1 KiB`, `2.0 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _sweep(git_dir: Path) -> None:
    """Remove what a killed fetch left; our lock says that none is running."""
    for pattern in ("*.lock", "objects/pack/tmp_*", "objects/tmp_*"):
        for path in git_dir.glob(pattern):
            path.unlink(missing_ok=True)


def _packs(git_dir: Path) -> dict[str, Fetched]:
    """Size and object count of every pack (its header's third word)."""
    found = {}
    for path in (git_dir / "objects" / "pack").glob("*.pack"):
        with path.open("rb") as pack:
            head = pack.read(12)
        found[path.name] = Fetched(path.stat().st_size, struct.unpack(">I", head[8:])[0])
    return found


def _difference(before: Mapping[str, Fetched], after: Mapping[str, Fetched]) -> Fetched:
    return sum((pack for name, pack in after.items() if name not in before), Fetched())
