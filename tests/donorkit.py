"""The kernel that netkit comes from, for end-to-end tests that need no build of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.gates.uapi import read_uapi
from backport.guests import packaged
from backport.guests.checks import Checks, ChecksRequest, build_checks
from backport.guests.lab import LabKernel
from backport.readers.manifest import read_target
from backport.readers.snapshot import read_snapshot
from backport.sources import obtain
from backport.sources.archive import Archive
from backport.values.events import silent

ROOT = Path(__file__).resolve().parents[1]
NETKIT = ROOT / "patches/netkit"


@dataclass(frozen=True)
class Donor:
    cache: Cache
    store: Store
    tree: str  # its sources
    kernel: LabKernel
    iproute2: Path

    def program(self, name: str) -> Checks:
        """A program of qemu/, with its headers."""
        headers = read_uapi(NETKIT / "uapi.toml").headers
        source = ROOT / f"qemu/{name}.c"
        request = ChecksRequest(self.store.git, self.tree, headers, source, self.cache)
        return build_checks(request, silent)


def donor(modules: tuple[str, ...] = ()) -> Donor:
    cache = Cache.default()
    archive, store = Archive(cache), Store(cache)
    drop = obtain(read_snapshot(NETKIT / "snapshot.toml").newer, store, cache, silent)
    controls = read_target(ROOT / "patches/targets/debian-6.1.toml").controls
    control = next(c for c in controls if c.name == "donor")
    found = packaged.kernel(archive, control.package, control.suites, cache, silent)
    kernel = LabKernel("donor", found.image, modules, found.module_root)
    return Donor(cache, store, drop.tree, kernel, packaged.iproute2(archive, cache, silent))
