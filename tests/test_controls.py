"""Controls catch a harness that cannot fail, or cannot pass."""

from __future__ import annotations

from pathlib import Path

import fake_qemu
import pytest
from fake_elf import build

from backport.doors.cache import Cache
from backport.guests import controls, packaged
from backport.guests.controls import ControlRequest, check, run_control
from backport.guests.packaged import unpacked_kernel
from backport.guests.parsers.tree import Outcome
from backport.sources.archive import Package
from backport.values.errors import Exit, GateFailed, UsageError
from backport.values.events import StageFinished, silent
from backport.values.target import ControlKernel

CASES = {"tc_netkit": ("tc_netkit_basic",), "tc_opts": ("tc_opts_after",)}
PACKAGE = Package("linux-image-demo", "6.1.1-1", "ab" * 32, 1, "pool/x.deb", "stable")


def console(netkit: str, results: dict[str, str], done: bool = True) -> str:
    """A guest's frame: `netkit` is has or lacks, `results` a word for each suite."""
    lines = ["Linux version 6.1.1-demo (x)", "@@backport kernel 6.1.1-demo@@"]
    lines.append(f"@@backport {netkit} netkit@@")
    for suite, word in results.items():
        passed, failed = int(word == "OK"), int(word == "FAIL")
        lines += [
            f"@@backport begin {suite}@@",
            f"@@{suite}| #1 {CASES[suite][0]}:{word}",
            f"@@{suite}| Summary: {passed}/0 PASSED, 0 SKIPPED, {failed} FAILED",
            f"@@backport end {suite} rc={failed}@@",
        ]
    return "\n".join([*lines, *(["@@backport done@@"] if done else []), ""])


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A control request whose guest prints the given console."""
    kernel = tmp_path / "kernel"
    (kernel / "boot").mkdir(parents=True)
    fake_qemu.kernel(kernel / "boot/vmlinuz-6.1.1-demo")
    (kernel / "lib/modules/6.1.1-demo").mkdir(parents=True)
    for path in ("iproute2/sbin/ip", "iproute2/sbin/tc", "test_progs"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(build({".text": path.encode()}))

    def build_request(name: str, text: str) -> ControlRequest:
        (tmp_path / "console").write_text(text)
        fake_qemu.install(tmp_path, monkeypatch, fake_qemu.says(tmp_path / "console", "exit 0"))
        return ControlRequest(
            ControlKernel(name, "linux-image-demo", ("stable",)),
            unpacked_kernel(PACKAGE, kernel),
            tmp_path / "test_progs",
            CASES,
            tmp_path / "iproute2",
            Cache(tmp_path / "cache"),
            accel="tcg",
        )

    return build_request


ALL_FAIL = {"tc_netkit": "FAIL", "tc_opts": "FAIL"}
ALL_PASS = {"tc_netkit": "OK", "tc_opts": "OK"}


def test_a_base_without_the_feature_must_fail_and_does(make):
    result = run_control(make("base", console("lacks", ALL_FAIL)), silent)
    assert result.ok
    assert (result.expected, result.outcome) == ("fail", Outcome.FAILED)
    assert (result.kernel, result.package) == ("6.1.1-demo", "linux-image-demo 6.1.1-1")
    assert result.has_feature is False
    assert "netkit absent, tc_netkit 0/1, tc_opts 0/1 passed" in result.detail
    check(result)


def test_a_donor_must_pass_and_does(make):
    result = run_control(make("donor", console("has", ALL_PASS)), silent)
    assert result.ok
    assert (result.expected, result.outcome, result.has_feature) == ("pass", Outcome.PASSED, True)


DEFECTS = [
    ("base", console("lacks", ALL_PASS), "ended as passed, not failed"),
    ("base", console("has", ALL_FAIL), "netkit is there"),
    ("base", console("lacks", {**ALL_FAIL, "tc_opts": "OK"}), "not so: tc_opts"),
    ("base", console("lacks", ALL_FAIL, done=False), "ended as lost, not failed"),
    ("base", console("lacks", {}), "ended as no-tests, not failed"),
    ("base", "", "ended as lost, not failed"),
    ("donor", console("has", ALL_FAIL), "ended as failed, not passed"),
    ("donor", console("has", {"tc_netkit": "OK"}), "ended as no-tests, not passed"),
    ("donor", console("has", {**ALL_PASS, "tc_opts": "SKIP"}), "ended as failed, not passed"),
    ("donor", console("lacks", ALL_PASS), "netkit is absent"),
    ("donor", console("has", ALL_PASS).replace("has netkit", "note x"), "or was not asked for"),
]


@pytest.mark.parametrize(("name", "text", "says"), DEFECTS)
def test_a_harness_that_cannot_fail_or_cannot_pass_is_caught(make, name, text, says):
    result = run_control(make(name, text), silent)
    assert not result.ok
    assert says in result.detail
    with pytest.raises(GateFailed, match="control") as caught:
        check(result)
    assert caught.value.exit_code is Exit.GATE
    assert caught.value.log == result.log


def test_a_good_result_is_kept_whole(make, tmp_path):
    request = make("donor", console("has", ALL_PASS))
    first = run_control(request, silent)
    (tmp_path / "fake-bin/qemu-system-x86_64").write_text("#!/bin/sh\nexit 1\n")
    events = []
    again = run_control(request, events.append)
    assert again.cached
    assert (again.suites, again.log, again.seconds) == (first.suites, first.log, first.seconds)
    assert isinstance(events[-1], StageFinished)
    assert events[-1].cached


def test_a_bad_result_is_not_kept(make):
    request = make("donor", console("has", ALL_FAIL))
    assert not run_control(request, silent).ok
    assert run_control(make("donor", console("has", ALL_PASS)), silent).ok


@pytest.mark.parametrize("harm", ["cut", "log gone", "other form"])
def test_a_damaged_result_is_made_again(make, tmp_path, harm):
    request = make("donor", console("has", ALL_PASS))
    first = run_control(request, silent)
    (file,) = (tmp_path / "cache/guest/controls").glob("*.json")
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:50])
    elif harm == "log gone":
        first.log.unlink()
    else:
        file.write_text('{"unknown": 1}')
    again = run_control(request, silent)
    assert again.ok
    assert not again.cached


def test_another_initramfs_is_another_control(make, tmp_path):
    request = make("donor", console("has", ALL_PASS))
    run_control(request, silent)
    (tmp_path / "test_progs").write_bytes(build({".text": b"other tests"}))
    assert not run_control(request, silent).cached


def test_an_unknown_control_is_refused(make):
    with pytest.raises(UsageError, match="base or donor"):
        run_control(make("placebo", ""), silent)


def test_a_package_without_a_kernel_is_refused(tmp_path):
    (tmp_path / "boot").mkdir()
    with pytest.raises(UsageError, match="0 images and 0 module folders"):
        unpacked_kernel(PACKAGE, tmp_path)


class FakeArchive:
    """Gives packages out of a folder; counts what is unpacked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def get(self, name, suites, *, emit):
        self.asked.append((name, suites))
        return PACKAGE, Path("x.deb")

    def extract(self, _deb: Path, dest: Path) -> None:
        (dest / "boot").mkdir(parents=True)
        (dest / "boot/vmlinuz-6.1.1").write_bytes(b"image")
        (dest / "usr/lib/modules/6.1.1").mkdir(parents=True)


def test_a_kernel_comes_out_of_its_package(tmp_path):
    archive = FakeArchive()
    found = packaged.kernel(archive, "linux-image-cloud", ("stable",), Cache(tmp_path), silent)
    assert archive.asked == [("linux-image-cloud", ("stable",))]
    assert found.image.read_bytes() == b"image"
    assert found.module_root.name == "6.1.1"
    assert len(found.image_sha256) == 64


def test_iproute2_comes_from_a_release_that_knows_netkit(tmp_path):
    archive = FakeArchive()
    folder = packaged.iproute2(archive, Cache(tmp_path), silent)
    assert archive.asked == [("iproute2", ("bookworm-backports",))]
    assert folder.is_dir()


def test_the_expectations_cover_both_kinds():
    assert set(controls.EXPECTATIONS) == {"base", "donor"}
