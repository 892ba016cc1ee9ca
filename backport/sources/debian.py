"""Kernel sources from Debian: the tarball inside the `.deb`, streamed into the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backport.doors import process
from backport.doors.cache import Cache
from backport.doors.store import Origin, Store
from backport.readers.intake import SourceFile
from backport.sources import tarstream
from backport.sources.archive import Archive, Package
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.target import DebianSource, Tree


def obtain(spec: DebianSource, store: Store, cache: Cache, emit: Emit, refresh: bool) -> Tree:
    """The newest version of the package in its suites, as a tree in the store."""
    archive = Archive(cache)
    package = archive.resolve(spec.package, spec.suites, refresh=refresh, emit=emit)
    found = store.find(origin(package))
    if found:
        return found
    package, deb = archive.get(spec.package, spec.suites, emit=emit)
    return store.import_files(origin(package), contents(deb, package), emit, strip=True)


def origin(package: Package) -> Origin:
    """The identity of a source package: its hash."""
    return Origin(
        key=f"debian-{package.sha256}",
        source=f"Debian package {package.name} {package.version} ({package.suite})",
        label=f"{package.name} {package.version}",
        sha256=package.sha256,
    )


def contents(deb: Path, package: Package) -> Iterator[SourceFile]:
    """The kernel's files, from the tarball that `usr/src` of the package holds."""
    process.require([("xz", "xz-utils"), ("tar", "tar"), ("dpkg-deb", "dpkg")])
    commands = (
        ("dpkg-deb", "--fsys-tarfile", deb),
        ("tar", "-xOf", "-", f"./usr/src/{package.name}.tar.xz"),
        ("xz", "-T0", "-dc"),
    )
    shown = f"{package.name} {package.version}"
    try:
        with process.pipeline(*commands) as tar:
            yield from tarstream.files(tar, shown)
    except tarstream.EmptyArchive as err:
        raise UsageError(
            f"{shown} holds no usr/src/{package.name}.tar.xz",
            hint="name a package of kernel sources, for example linux-source-6.1",
        ) from err
