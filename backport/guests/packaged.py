"""Pieces of Debian packages that a guest is made of: kernels with their modules, and iproute2."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from backport.doors.cache import Cache
from backport.sources.archive import Archive, Package
from backport.values.errors import UsageError
from backport.values.events import Emit

# Debian 12's own (6.1) cannot create netkit devices; this one can, on Debian 12's libraries.
IPROUTE2 = ("iproute2", ("bookworm-backports",))


@dataclass(frozen=True)
class PackagedKernel:
    """A kernel out of a package; `image` is its bzImage, `module_root` its `lib/modules/<ver>`."""

    package: Package
    image: Path
    image_sha256: str
    module_root: Path


def kernel(
    archive: Archive, name: str, suites: tuple[str, ...], cache: Cache, emit: Emit
) -> PackagedKernel:
    """The newest kernel behind a (meta) package's name, downloaded and unpacked once."""
    package, deb = archive.get(name, suites, emit=emit)
    dest = cache.kernels / f"{package.name}_{package.sha256[:16]}"
    archive.extract(deb, dest)
    return unpacked_kernel(package, dest)


def unpacked_kernel(package: Package, dest: Path) -> PackagedKernel:
    """What lies in the folder that a kernel package was unpacked to."""
    images = sorted((dest / "boot").glob("vmlinuz-*"))
    roots = [p for lib in ("lib", "usr/lib") for p in sorted((dest / lib / "modules").glob("*"))]
    if len(images) != 1 or len(roots) != 1:
        raise UsageError(
            f"{package.name} {package.version} is not a kernel image package: "
            f"{len(images)} images and {len(roots)} module folders in it"
        )
    with images[0].open("rb") as data:
        sha256 = hashlib.file_digest(data, "sha256").hexdigest()
    return PackagedKernel(package, images[0], sha256, roots[0])


def iproute2(archive: Archive, cache: Cache, emit: Emit) -> Path:
    """The folder to which an iproute2 that knows netkit was unpacked."""
    return unpacked(archive, *IPROUTE2, cache, emit)


def unpacked(
    archive: Archive, name: str, suites: tuple[str, ...], cache: Cache, emit: Emit
) -> Path:
    """The folder to which a package was unpacked, once; nothing of it is installed."""
    package, deb = archive.get(name, suites, emit=emit)
    dest = cache.guest / f"{package.name}_{package.sha256[:16]}"
    archive.extract(deb, dest)
    return dest
