"""A fleet and drills on real kernels that need no build: Debian's 6.1, and 6.12 with netkit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from donorkit import ROOT, donor

from backport.guests import packaged
from backport.guests.lab import LabKernel
from backport.output.drillview import drill_text
from backport.output.rolloutview import rollout_text
from backport.qualify.drill import Defect, run_drills
from backport.qualify.rehearsal import rehearse
from backport.qualify.rollout import Status
from backport.readers.manifest import read_target
from backport.shell import drilling, qualifying
from backport.shell.drilling import DrillOrder
from backport.shell.qualifying import CONTROL_MODULES
from backport.shell.rolling import Defect as RolloutDefect
from backport.shell.rolling import RolloutOrder, fleet_of
from backport.sources.archive import Archive
from backport.values.events import silent
from backport.values.fleet import Kernel
from backport.values.options import Options

pytestmark = [pytest.mark.e2e, pytest.mark.network]

OPTIONS = Options("netkit", "debian-6.1")


@pytest.fixture(scope="module")
def ours():
    return donor(CONTROL_MODULES)


@pytest.fixture(scope="module")
def old(ours):
    """Debian's own kernel of that version, which has no netkit."""
    controls = read_target(ROOT / "patches/targets/debian-6.1.toml").controls
    row = next(c for c in controls if c.name == "base")
    found = packaged.kernel(Archive(ours.cache), row.package, row.suites, ours.cache, silent)
    # What is built into the newer one is a module there.
    return LabKernel("base", found.image, (*CONTROL_MODULES, "virtio_pci"), found.module_root)


@pytest.fixture
def ground(ours, monkeypatch, tmp_path):
    """What scenarios stand on; the programs are the donor's, for nothing was picked here."""
    monkeypatch.setattr(qualifying, "program", lambda _, name, __: ours.program(name))
    record = SimpleNamespace(series="netkit")
    return SimpleNamespace(
        cache=ours.cache,
        data=ROOT,
        iproute2=ours.iproute2,
        run=SimpleNamespace(record=record),
        kernel=ours.kernel,
        folder=tmp_path,
    )


def rehearsed(ground, old, defect):
    order = RolloutOrder(OPTIONS, quick=True, defect=defect)
    kernels = {Kernel.OLD: old, Kernel.NEW: ground.kernel}
    return rehearse(fleet_of(order, ground, kernels, silent), silent)


def test_a_fleet_goes_to_the_new_kernel_and_agent_and_a_bad_canary_is_stopped(ground, old):
    result = rehearsed(ground, old, RolloutDefect.NONE)
    assert result.failures == (), rollout_text(result)
    last = result.campaigns[-1]
    assert (last.status, last.before) == (Status.STOPPED, last.after)
    assert set(result.releases) == {Kernel.OLD, Kernel.NEW}
    assert all(one.bystanders.sent for one in result.taken)


def test_drills_hold_and_a_node_without_its_timer_is_caught(ground, old, monkeypatch):
    monkeypatch.setattr(drilling, "base_kernel", lambda *_: old)
    request = drilling.request_of(DrillOrder(OPTIONS, quick=True), ground, silent)
    result = run_drills(request, silent)
    assert result.failures == (), drill_text(result)
    assert {one.device for one in result.drills} == {"netkit", "veth"}
    (one,) = [plan for plan in request.plans[Kernel.NEW] if plan.name == "peer_deleted"]
    monkeypatch.setattr(drilling, "plans_of", lambda *_, **__: {Kernel.NEW: (one,)})
    order = DrillOrder(OPTIONS, defect=Defect.NOMEND)
    result = run_drills(drilling.request_of(order, ground, silent), silent)
    assert [drill.ok for drill in result.drills] == [False], drill_text(result)
    assert "got no network, wants netkit" in result.drills[0].reasons
