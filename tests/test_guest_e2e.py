"""The harness on real kernels: Debian's own, with upstream's selftests built from Debian's 6.12.

Minutes, not seconds; what is downloaded, imported and built stays in the cache.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from backport import sources
from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.guests import guest, packaged
from backport.guests.controls import ControlRequest, run_control
from backport.guests.guest import GuestRequest
from backport.guests.parsers.tree import Outcome
from backport.guests.selftests import SUITES, SelftestsRequest, build_selftests
from backport.kernel import kernelimage
from backport.readers import manifest
from backport.sources.archive import Archive
from backport.values.events import silent
from backport.values.target import DebianSource

pytestmark = [pytest.mark.e2e, pytest.mark.network]

DONOR = DebianSource("linux-source-6.12", ("bookworm-security",))


@pytest.fixture(scope="module")
def harness():
    """The controls of the target debian-6.1 by name, with everything that a guest needs."""
    cache = Cache.default()
    archive, store = Archive(cache), Store(cache)
    target = manifest.read_target(manifest.target_path(manifest.find_data_root(), "debian-6.1"))
    kernels = {
        row.name: packaged.kernel(archive, row.package, row.suites, cache, silent)
        for row in target.controls
    }
    vmlinux = kernelimage.vmlinux_of(kernels["donor"].image, cache)
    tree = sources.obtain(DONOR, store, cache, silent).tree
    tests = build_selftests(SelftestsRequest(store.git, tree, vmlinux, cache), silent)
    iproute2 = packaged.iproute2(archive, cache, silent)
    return {
        row.name: ControlRequest(
            row, kernels[row.name], tests.program, tests.cases, iproute2, cache
        )
        for row in target.controls
    }


def test_the_kernel_that_the_tests_come_from_passes_them_all(harness):
    result = run_control(harness["donor"], silent)
    assert result.ok, result.detail
    counts = {suite.name: (suite.passed, suite.failed, suite.skipped) for suite in result.suites}
    for suite in SUITES:
        passed, failed, skipped = counts[suite.name]
        assert passed >= suite.wants
        assert (failed, skipped) == (0, 0)
    console = result.log.read_text(errors="replace")
    assert console.count("@@backport end") == len(SUITES)


def test_the_kernel_without_the_feature_fails_every_suite(harness):
    result = run_control(harness["base"], silent)
    assert result.ok, result.detail
    assert result.has_feature is False
    assert [suite.outcome for suite in result.suites] == [Outcome.FAILED] * len(SUITES)
    assert result.suites[0].passed == 0


# Word for the kernel, longest silence, what must come of it.
FAULTS = [
    ("rdinit=/none", 30.0, Outcome.PANIC),
    ("rdinit=/bin/sleep -- 1000", 6.0, Outcome.HANG),
    ("rdinit=/bin/reboot", 30.0, Outcome.PANIC),  # init leaves: the kernel panics
]


@pytest.mark.parametrize(("word", "silence", "outcome"), FAULTS)
def test_real_kernels_that_die_are_told_apart(harness, tmp_path, word, silence, outcome):
    request = harness["donor"]
    order = GuestRequest(
        request.kernel.image,
        request.program,
        request.cases,
        request.iproute2,
        request.cache,
        tmp_path / "console.log",
        arguments=tuple(word.split()),
        silence=silence,
    )
    result = guest.boot(order, silent)
    assert result.outcome is outcome, result.detail
    assert guest.failure(result).log == Path(tmp_path / "console.log")


def test_booting_alone_takes_no_suite(harness, tmp_path):
    request = harness["donor"]
    order = GuestRequest(
        request.kernel.image,
        request.program,
        {},
        request.iproute2,
        request.cache,
        tmp_path / "console.log",
        boot_only=True,
    )
    result = guest.boot(order, silent)
    assert result.outcome is Outcome.PASSED
    assert result.links == {"netkit": True}
    again = guest.boot(dataclasses.replace(order, boot_only=False), silent)
    assert again.outcome is Outcome.NO_TESTS
