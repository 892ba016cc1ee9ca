"""KVM is trusted only after it has booted a guest; the verdict is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import fake_qemu
import pytest

from backport.doors.cache import Cache
from backport.guests import kvmprobe
from backport.guests.kvmprobe import choose, probe
from backport.guests.runners import RUNNERS
from backport.values.errors import Unavailable, UsageError

WORKS = "printf '@@backport done@@\\n'; sleep 60"
REFUSES = "echo 'qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69'; exit 134"
STOPS = "echo 'KVM internal error. Suberror: 1'; sleep 60"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A machine whose /dev/kvm opens; QEMU is what the test installs."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(kvmprobe, "KVM_DEVICE", device)
    return fake_qemu.kernel(tmp_path / "bzImage"), Cache(tmp_path / "cache")


def test_working_kvm_is_used(tmp_path, monkeypatch, place):
    fake_qemu.install(tmp_path, monkeypatch, WORKS)
    events = []
    assert choose("auto", *place, events.append) is RUNNERS["kvm"]
    assert events == []


@pytest.mark.parametrize(
    ("script", "why"),
    [(REFUSES, "failed to set MSR"), (STOPS, "internal error"), ("exit 1", "status 1")],
)
def test_kvm_that_opens_but_does_not_run_is_found_out(tmp_path, monkeypatch, place, script, why):
    fake_qemu.install(tmp_path, monkeypatch, script)
    events = []
    assert choose("auto", *place, events.append) is RUNNERS["tcg"]
    (note,) = events
    assert why in note.text
    assert "TCG" in note.text
    assert "\n" not in note.text


def test_kvm_that_hangs_is_found_out(tmp_path, monkeypatch, place):
    monkeypatch.setattr(kvmprobe, "DEADLINE", 0.3)
    fake_qemu.install(tmp_path, monkeypatch, "sleep 60")
    verdict = probe(*place)
    assert not verdict.usable
    assert "did not boot within" in verdict.why


def test_the_verdict_is_kept_until_qemu_or_the_boot_changes(tmp_path, monkeypatch, place):
    calls = fake_qemu.install(tmp_path, monkeypatch, REFUSES)
    assert not probe(*place).cached
    again = probe(*place)
    assert again.cached
    assert "MSR" in again.why
    assert len(calls.read_text().splitlines()) == 1
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("another boot\n")
    monkeypatch.setattr(kvmprobe, "BOOT_ID", boot_id)
    assert not probe(*place).cached
    monkeypatch.setattr(kvmprobe, "version", lambda: "QEMU emulator version 99")
    assert not probe(*place).cached


def test_a_damaged_verdict_is_made_again(tmp_path, monkeypatch, place):
    fake_qemu.install(tmp_path, monkeypatch, WORKS)
    probe(*place)
    (file,) = (place[1].guest / "kvm").glob("*.json")
    file.write_text("{")
    assert probe(*place).usable


def test_no_device_needs_no_boot(tmp_path, monkeypatch, place):
    calls = fake_qemu.install(tmp_path, monkeypatch, WORKS)
    kvmprobe.KVM_DEVICE.unlink()
    assert "there is no" in probe(*place).why
    assert not calls.exists()


def test_kvm_asked_for_by_name_is_not_replaced_in_silence(tmp_path, monkeypatch, place):
    fake_qemu.install(tmp_path, monkeypatch, REFUSES)
    with pytest.raises(Unavailable, match="failed to set MSR"):
        choose("kvm", *place, lambda _event: None)


def test_tcg_asked_for_by_name_needs_no_probe(tmp_path, monkeypatch, place):
    calls = fake_qemu.install(tmp_path, monkeypatch, WORKS)
    assert choose("tcg", *place, lambda _event: None) is RUNNERS["tcg"]
    assert not calls.exists()


def test_an_unknown_accelerator_is_refused(place):
    with pytest.raises(UsageError, match="auto, kvm, tcg"):
        choose("hvf", *place, lambda _event: None)


def test_guests_that_start_side_by_side_share_one_probe(tmp_path, monkeypatch, place):
    calls = fake_qemu.install(tmp_path, monkeypatch, "sleep 0.2; " + REFUSES)
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda _: probe(*place), range(4)))
    assert len(calls.read_text().splitlines()) == 1
    assert [v.usable for v in verdicts] == [False] * 4
