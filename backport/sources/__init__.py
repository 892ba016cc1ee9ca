"""Where a base tree comes from: one module for each kind of place, one function for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.sources import debian, directory, giturl, localrepo, tarball
from backport.sources.locate import spec_from_path
from backport.values.events import Emit
from backport.values.target import (
    DebianSource,
    DirectorySource,
    GitSource,
    LocalRepoSource,
    SourceSpec,
    TarballSource,
    Tree,
)

__all__ = ["KINDS", "obtain", "spec_from_path"]

KINDS: Mapping[type, Callable[[Any, Store, Cache, Emit, bool], Tree]] = {
    DebianSource: debian.obtain,
    GitSource: giturl.obtain,
    LocalRepoSource: localrepo.obtain,
    DirectorySource: directory.obtain,
    TarballSource: tarball.obtain,
}


def obtain(
    spec: SourceSpec, store: Store, cache: Cache, emit: Emit, *, refresh: bool = False
) -> Tree:
    """The tree that `spec` names, imported into the store unless it is there.

    `refresh` looks names up again (package versions, refs) that were looked up within a day.
    Raises `UsageError` if it is not there or not a kernel, `Unavailable` if it cannot be had now.
    """
    return KINDS[type(spec)](spec, store, cache, emit, refresh)
