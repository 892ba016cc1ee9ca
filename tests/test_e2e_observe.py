"""What an operator sees, on a real kernel that needs no build: the one that netkit comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.gates.uapi import read_uapi
from backport.guests import packaged
from backport.guests.bpftool import BpftoolRequest, build_bpftool
from backport.guests.checks import ChecksRequest, build_checks
from backport.guests.lab import LabKernel
from backport.qualify.observe import Defect, ObserveRequest, run_observe
from backport.readers.manifest import read_target
from backport.readers.snapshot import read_snapshot
from backport.readers.views import read_views
from backport.sources import obtain
from backport.sources.archive import Archive
from backport.values.events import silent

pytestmark = [pytest.mark.e2e, pytest.mark.network]

ROOT = Path(__file__).resolve().parents[1]
NETKIT = ROOT / "patches/netkit"


@pytest.fixture(scope="module")
def request_of(tmp_path_factory):
    cache = Cache.default()
    archive, store = Archive(cache), Store(cache)
    donor = obtain(read_snapshot(NETKIT / "snapshot.toml").newer, store, cache, silent)
    target = read_target(ROOT / "patches/targets/debian-6.1.toml")
    control = next(c for c in target.controls if c.name == "donor")
    kernel = packaged.kernel(archive, control.package, control.suites, cache, silent)
    headers = read_uapi(NETKIT / "uapi.toml").headers
    source = ROOT / "qemu/netkit_link.c"
    link = build_checks(ChecksRequest(store.git, donor.tree, headers, source, cache), silent)
    bpftool = build_bpftool(BpftoolRequest(store.git, donor.tree, cache), silent)
    folder = tmp_path_factory.mktemp("logs")

    def make(defect):
        return ObserveRequest(
            (LabKernel("donor", kernel.image, (), kernel.module_root),),
            read_views(NETKIT / "observe.toml"), (ROOT / "qemu/observe").read_bytes(),
            {"bin/bpftool": bpftool, "bin/netkit_link": link.program},
            packaged.iproute2(archive, cache, silent), cache, folder, defect,
        )  # fmt: skip

    return make


def test_an_operator_sees_all_of_it(request_of):
    result = run_observe(request_of(Defect.NONE), silent)
    assert result.failures == () and result.absent == ()
    assert {one.name for one in result.seen} >= {"link", "bpftool_net", "fast_path", "drops"}


def test_a_program_that_drops_is_seen_in_counters_and_probes(request_of):
    """The policy is wrong, the devices are right: what shows devices and links still holds."""
    result = run_observe(request_of(Defect.DROP), silent)
    bad = {one.name for one in result.seen if one.missing}
    assert bad == {"counters", "program_runs", "fast_path", "drops"}
    assert result.failures
