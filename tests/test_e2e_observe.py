"""What an operator sees, and a soak, on a real kernel that needs no build: netkit's own."""

from __future__ import annotations

import pytest
from donorkit import NETKIT, ROOT, donor

from backport.guests.bpftool import BpftoolRequest, build_bpftool
from backport.qualify.observe import Defect, ObserveRequest, run_observe
from backport.qualify.soak import SoakRequest, run_soak
from backport.readers.manifest import read_flavour
from backport.readers.views import read_views
from backport.values.events import silent

pytestmark = [pytest.mark.e2e, pytest.mark.network]


@pytest.fixture(scope="module")
def request_of(tmp_path_factory):
    ours = donor()
    link = ours.program("netkit_link")
    bpftool = build_bpftool(BpftoolRequest(ours.store.git, ours.tree, ours.cache), silent)
    folder = tmp_path_factory.mktemp("logs")

    def make(defect):
        return ObserveRequest(
            (ours.kernel,), read_views(NETKIT / "observe.toml"),
            (ROOT / "qemu/observe").read_bytes(),
            {"bin/bpftool": bpftool, "bin/netkit_link": link.program},
            ours.iproute2, ours.cache, folder, defect,
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


def test_a_soak_that_cannot_look_for_leaks_says_so(tmp_path):
    """Every worker works and leaves nothing; a kernel without kmemleak is no pass all the same."""
    ours = donor(("veth",))
    request = SoakRequest(
        ours.kernel, ours.program("soak_netkit"), read_flavour(ROOT, "debug"),
        ours.iproute2, ours.cache, tmp_path / "soak.log", seed=1, seconds=3,
    )  # fmt: skip
    result = run_soak(request, silent)
    assert result.failures == ("memory: this kernel has no kmemleak (no figures)",)
    assert all(one.ok and one.done for one in result.workers)
    assert len(result.workers) == 4 and set(result.left.values()) == {0}
