"""The bench between two guests: figures of both, the verdict on them, and what is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backport.guests import lab
from backport.guests.checks import Checks
from backport.guests.lab import LabKernel
from backport.guests.parsers.steps import Step
from backport.output.benchview import bench_page, bench_text
from backport.qualify import wire
from backport.qualify.bench import BenchResult
from backport.values.benchplan import BenchPlan
from backport.values.errors import GuestLost

OLD, NEW = "veth_bpf_udp64", "netkit_l3_bpf_udp64"
BLOCKS = (OLD, NEW)
PLAN = BenchPlan("netkit_l3", "veth", "bpf_nic_udp64", 10.0, 2.0, (), "bpf_udp64", (), ())


def step(block, near=9000, far=8000, *, ok=True, detail="", **more):
    figures = {"units": 100.0, "lost": 0.0, "surplus": 0.0, "unanswered": 0.0, "reordered": 0.0}
    figures |= {"received": 100.0, "near_busy": near * 100.0, "far_busy": far * 100.0}
    for side in ("near", "far"):
        figures |= {f"{side}_net_rx": 30.0, f"{side}_backlog": 200.0, f"{side}_dropped": 0.0}
        figures |= {f"{side}_in": 100.0, f"{side}_out": 100.0}
    return Step(block, ok, detail, figures | {k: float(n) for k, n in more.items()})


def good():
    return [step(OLD, near_net_rx=130), step(NEW, near=8000)]


def failures(steps):
    rows = wire.rows_of("ours", steps, BLOCKS)
    return tuple(wire.failures_of(rows, steps, BLOCKS, PLAN))


def test_figures_are_by_unit_and_the_spread_is_between_boots():
    (old, new) = wire.rows_of("ours", [*good(), step(OLD, near=9900, near_net_rx=150)], BLOCKS)
    assert (old.block, old.boots, new.boots) == (OLD, 2, 1)
    assert old.near == wire.Side(9450.0, 9.52, 1.4, 2.0)
    assert new.far == wire.Side(8000.0, 0.0, 0.3, 2.0)
    assert (old.crossed, old.vanished) == (1.0, 0)


def test_what_is_as_expected_has_no_failure():
    assert failures(good()) == ()


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        (good()[:1], f"wire {NEW}: never ran"),
        (good()[:1], "cannot be compared on bpf_udp64"),
        ([good()[0], step(NEW, reordered=2)], f"wire {NEW}: 2 reordered"),
        ([good()[0], step(NEW, ok=False, detail="3 sent, 2 received")], "3 sent, 2 received"),
        ([step(OLD), step(NEW)], "0.3 soft interrupts a packet at the sender, veth has 0.3"),
        ([good()[0], Step(NEW, False, "no netkit_l3", {})], f"wire {NEW}: no netkit_l3"),
    ],
)
def test_what_is_not_as_expected_fails(steps, why):
    assert any(why in line for line in failures(steps)), failures(steps)


def test_frames_that_left_and_never_came_are_counted_and_others_are_not_made_up():
    (row,) = wire.rows_of("ours", [step(OLD, near_out=120, far_in=100)], BLOCKS)
    assert (row.crossed, row.vanished) == (1.2, 20)
    (row,) = wire.rows_of("ours", [step(OLD, far_in=102)], BLOCKS)
    assert row.vanished == 0


def test_the_table_and_the_page_show_both_sides():
    rows = wire.rows_of("ours<", good(), BLOCKS)
    result = BenchResult("bpf_nic_udp64", "netkit_l3", "veth", (), {}, (), wire=rows)
    text, page = bench_text(result), bench_page(result)
    assert "ours<, two guests" in text and "      9,000" in text
    assert page.count("<rect") == 4
    assert "netkit_l3 receiver" in page and "bpf_udp64" in page
    assert "ours<" not in page
    assert "two guests" not in bench_text(replace(result, wire=()))


def test_a_pair_is_booted_with_a_counted_clock_and_the_far_one_serves(tmp_path, monkeypatch):
    asked = []

    def boot(members, _iproute2, _cache, *, counted):
        asked.append((tuple(m.payload.commands["wire"] for m in members), counted))
        lines = ["@@backport begin wire@@", "@@wire| step a", "@@wire| pass a"]
        lines += ["@@backport end wire rc=0@@", "@@backport done@@"]
        return tuple(lab.hear(m, lines, lab.Ended.DONE, 1.0) for m in members)

    monkeypatch.setattr(lab, "run_together", boot)
    request = wire.WireRequest(
        LabKernel("ours", tmp_path / "bzImage"),
        Checks("wire_netkit", tmp_path / "wire_netkit", "", BLOCKS),
        BLOCKS,
        tmp_path,
        None,
        tmp_path,
        boots=2,
    )
    assert [s.name for heard in wire.run_wire(request) for s in heard.of("wire")] == ["a"] * 4
    ask = f"/bin/wire_netkit ask {OLD},{NEW}"
    assert asked == [((ask, "/bin/wire_netkit serve"), True)] * 2

    # A warning of the kernel fails, on whichever side it came.
    def warned(members, _iproute2, _cache, *, counted):
        lines = ["[    1.3] WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 x+0x1/0x2"]
        lines += ["@@backport begin wire@@", "@@backport end wire rc=0@@", "@@backport done@@"]
        return tuple(lab.hear(m, lines, lab.Ended.DONE, 1.0) for m in members)

    monkeypatch.setattr(lab, "run_together", warned)
    told = [line for heard in wire.run_wire(request) for line in lab.splats_of(heard)]
    assert len(told) == 4 and "wire-ours-0-far: WARNING" in "".join(told)

    def hang(members, _iproute2, _cache, *, counted):
        return tuple(lab.hear(m, [], lab.Ended.SILENT, 1.0) for m in members)

    monkeypatch.setattr(lab, "run_together", hang)
    with pytest.raises(GuestLost, match="wire-ours-0-near"):
        wire.run_wire(request)
