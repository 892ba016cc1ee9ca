"""Throughput by the wall clock: only under KVM, by a QEMU that is a stand-in here."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import fake_qemu
import pytest

from backport.guests import lab
from backport.guests.checks import Checks
from backport.guests.kvmprobe import KvmVerdict
from backport.guests.lab import LabKernel
from backport.qualify import throughput
from backport.qualify.throughput import ThroughputRequest, run_throughput
from backport.values.errors import GuestLost

BLOCK = "veth_bpf_pod_tcpbulk"
WORKS = KvmVerdict(True, "")


def console(slice_ns):
    return (
        "@@backport begin throughput@@\n"
        f"@@throughput| step {BLOCK}\n"
        f"@@throughput| figure {BLOCK} units=24000 ns=1 slices=20 slice={slice_ns}\n"
        f"@@throughput| pass {BLOCK}\n"
        "@@backport end throughput rc=0@@\n@@backport done@@\n"
    )


@pytest.fixture
def request_(tmp_path, monkeypatch):
    image = tmp_path / "initramfs"
    image.write_bytes(b"")
    monkeypatch.setattr(lab, "build_initramfs", lambda _: SimpleNamespace(path=image))
    kernel = LabKernel("ours", fake_qemu.kernel(tmp_path / "bzImage"))
    program = Checks("bench_netkit", tmp_path / "bench_netkit", "", (BLOCK, "veth_pass_nic_udp64"))
    return ThroughputRequest((kernel,), program, (BLOCK,), tmp_path, None, tmp_path)


def says(tmp_path, monkeypatch, text):
    said = tmp_path / "console"
    said.write_text(text)
    return fake_qemu.install(tmp_path, monkeypatch, fake_qemu.says(said))


def test_without_kvm_nothing_is_booted_and_it_is_said_why(tmp_path, monkeypatch, request_):
    calls = says(tmp_path, monkeypatch, console(1))
    wall = run_throughput(request_, KvmVerdict(False, "there is no /dev/kvm"))
    assert not calls.exists()
    (line,) = throughput.told(wall)
    assert line == "wall clock: left out, KVM is not usable here (there is no /dev/kvm)"


def test_under_kvm_units_a_second_are_told(tmp_path, monkeypatch, request_):
    calls = says(tmp_path, monkeypatch, console(50_000_000))
    wall = run_throughput(request_, WORKS)
    argv = calls.read_text().splitlines()
    assert len(argv) == request_.boots
    assert all("-accel kvm" in line and "TIMES=100" in line for line in argv)
    (row,) = wall.rows  # 24,000 units in twenty slices of 50 ms
    assert (row.per_second, row.spread, row.boots) == (24000.0, 0.0, 2)
    head, line = throughput.told(wall)
    assert "under KVM" in head and "ours" in line and "24,000" in line


def test_a_block_that_failed_has_no_throughput(tmp_path, monkeypatch, request_):
    says(tmp_path, monkeypatch, console(50_000_000).replace("pass", "fail"))
    assert run_throughput(request_, WORKS).left_out == "no block gave a figure under KVM"


def test_a_guest_that_hangs_under_kvm_is_lost(tmp_path, monkeypatch, request_):
    says(tmp_path, monkeypatch, "KVM internal error. Suberror: 1\n")
    with pytest.raises(GuestLost, match="throughput-ours-0"):
        run_throughput(replace(request_, boots=1), WORKS)
