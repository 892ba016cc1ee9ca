"""Ground to try rules on: a target's base and upstream's commits in the store, without a run.

Commands that look at rules need what a pick needs, and leave nothing behind but caches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backport import sources, upstreams
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.doors.store import Store
from backport.gates.uapi import Uapi, read_uapi
from backport.picking import history, pick
from backport.readers import manifest
from backport.readers.rules import read_rules
from backport.readers.snapshot import read_snapshot
from backport.upstreams.snapshot import SnapshotUpstream
from backport.values.commit import Incoming
from backport.values.errors import Unavailable, UsageError
from backport.values.events import Emit
from backport.values.filecase import Step
from backport.values.rule import Rule
from backport.values.target import (
    DebianSource,
    GitSource,
    LocalRepoSource,
    SourceSpec,
    Target,
    Tree,
)
from backport.values.version import Version


@dataclass(frozen=True)
class Asked:
    """Which ground: names of the data files, and a base or an upstream of the caller's own."""

    data: Path
    series: str
    target: str
    base: str = ""
    rev: str = ""
    upstream: str = ""  # snapshot, git, git:WHERE or mbox:WHERE


@dataclass(frozen=True)
class Ground:
    """A target with everything that a pick of the series onto it needs."""

    name: str  # of the target
    git: Git
    picks: Path  # the folder that keeps finished picks
    base: Tree
    incoming: tuple[Incoming, ...]
    rules: tuple[Rule, ...]
    numbers: Uapi | None = None  # what userspace sees, where the series says it

    @property
    def target(self) -> pick.Target:
        """What a pick needs to know of where it goes."""
        return pick.Target(self.git, Version.of_tree(self.base.version))

    def request(self, rules: tuple[Rule, ...], resolver: Step | None = None) -> history.Request:
        """A pick of the whole series by these rules, and by a resolver of what they leave."""
        return history.Request(self.git, self.picks, self.base, self.incoming, rules, resolver)


@dataclass(frozen=True)
class Absence:
    """A target that nothing could be tried on, and why."""

    name: str
    version: Version
    why: str


Find = Callable[[SourceSpec, Version], Tree | None]


def open_ground(asked: Asked, cache: Cache, emit: Emit) -> Ground:
    """The ground that is asked for; what is not in the cache yet is fetched and imported.

    Raises `UsageError` for a name, data file or base that is wrong, `Unavailable` without network.
    """
    store = Store(cache)

    def obtained(spec: SourceSpec, _version: Version) -> Tree | None:
        return sources.obtain(spec, store, cache, emit)

    found = _opened(asked, store, cache, obtained, emit)
    if isinstance(found, Absence):
        raise UsageError(f"{found.name}: {found.why}")
    return found


def known_ground(asked: Asked, cache: Cache, emit: Emit) -> Ground | Absence:
    """The same from what is in the cache, or on this machine, alone."""
    file = manifest.series_path(asked.data, asked.series)
    target = manifest.read_target(manifest.target_path(asked.data, asked.target))
    if ":" not in asked.upstream and not file.with_name("snapshot.toml").is_file():
        why = "the series has no snapshot: name its upstream (--upstream git:WHERE)"
        return Absence(target.name, target.version, why)
    store = Store(cache)

    def cached(spec: SourceSpec, version: Version) -> Tree | None:
        if isinstance(spec, DebianSource):
            return _newest(store, lambda tree: tree.label.startswith(f"{spec.package} "))
        if isinstance(spec, GitSource):
            return _newest(store, lambda tree: _same_series(tree, version))
        try:
            return sources.obtain(spec, store, cache, emit)
        except UsageError:
            return None

    try:
        return _opened(asked, store, cache, cached, emit)
    except Unavailable as err:  # an upstream that is asked over the network
        return Absence(target.name, target.version, err.message)


def _newest(store: Store, fits: Callable[[Tree], bool]) -> Tree | None:
    return next((tree for tree in store.known() if fits(tree)), None)


def _same_series(tree: Tree, version: Version) -> bool:
    have = Version.of_tree(tree.version)
    return (have.major, have.minor) == (version.major, version.minor)


def _opened(asked: Asked, store: Store, cache: Cache, find: Find, emit: Emit) -> Ground | Absence:
    if asked.rev and not asked.base:
        raise UsageError("--rev goes with --base", hint="name the repository with --base")
    file = manifest.series_path(asked.data, asked.series)
    target = manifest.read_target(manifest.target_path(asked.data, asked.target))
    series, rules = manifest.read_series(file), read_rules(file.parent / "rules")
    base = find(_spec(asked, target), target.version)
    if base is None:
        return Absence(target.name, target.version, "its base is not in the cache")
    if not _same_series(base, target.version):
        raise UsageError(
            f"{base.source} is Linux {base.version}, target {target.name} is for {target.version}",
            hint="choose the target of that version, or another --base",
        )
    folder = cache.root / "upstream"
    upstream = _upstream(asked, file.parent, store.git, folder, base, find)
    if upstream is None:
        return Absence(target.name, target.version, "upstream's trees are not in the cache")
    numbers = file.with_name("uapi.toml")
    return Ground(
        target.name,
        store.git,
        cache.root / "picks",
        base,
        upstream.commits(series, emit),
        rules,
        read_uapi(numbers) if numbers.is_file() else None,
    )


def home_of(asked: Asked) -> LocalRepoSource | None:
    """The repository on this machine that the base comes from, if it comes from one."""
    target = manifest.read_target(manifest.target_path(asked.data, asked.target))
    spec = _spec(asked, target)
    return spec if isinstance(spec, LocalRepoSource) else None


def _spec(asked: Asked, target: Target) -> SourceSpec:
    if asked.base:
        return sources.spec_from_path(Path(asked.base), rev=asked.rev)
    return target.source


def _upstream(  # noqa: PLR0917 (where upstream is, and what it is opened with)
    asked: Asked, data: Path, git: Git, cache: Path, base: Tree, find: Find
) -> upstreams.Upstream | None:
    """The upstream as `porting.open_upstream` chooses it: the series' snapshot where it has one."""
    kind, _, where = asked.upstream.partition(":")
    version = Version.of_tree(base.version)
    file = data / "snapshot.toml"
    if kind in {"", "snapshot"} and file.is_file():
        snapshot = read_snapshot(file)
        older, newer = (find(drop, version) for drop in (snapshot.older, snapshot.newer))
        if older is None or newer is None:
            return None
        return SnapshotUpstream(git, cache, file, older, newer)
    if (kind or "git") not in upstreams.UPSTREAMS:
        known = ", ".join(["snapshot", *upstreams.UPSTREAMS])
        raise UsageError(f"--upstream {kind}: not here", hint=f"one of: {known}")
    locations = (where,) if where else ()
    opened = upstreams.Request(git, cache, locations, base.commit)
    return upstreams.UPSTREAMS[kind or "git"](opened)
