"""The bench for real, on Debian's own 6.12: one boot of each order, and a pair on one wire."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backport import sources
from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.gates.uapi import read_uapi
from backport.guests import packaged
from backport.guests.checks import ChecksRequest, build_checks
from backport.guests.lab import LabKernel
from backport.qualify.baseline import baseline_of, regressions
from backport.qualify.bench import BenchRequest, run_bench
from backport.readers import manifest
from backport.readers.benchplan import read_benchplan
from backport.shell.qualifying import CONTROL, CONTROL_MODULES
from backport.sources.archive import Archive
from backport.values.benchplan import Expected
from backport.values.events import silent
from backport.values.target import DebianSource

pytestmark = [pytest.mark.e2e, pytest.mark.network]

DONOR = DebianSource("linux-source-6.12", ("bookworm-security",))


@pytest.fixture(scope="module")
def request_(tmp_path_factory):
    cache, data = Cache.default(), manifest.find_data_root()
    archive, store = Archive(cache), Store(cache)
    target = manifest.read_target(manifest.target_path(data, "debian-6.1"))
    (control,) = (row for row in target.controls if row.name == CONTROL)
    kernel = packaged.kernel(archive, control.package, control.suites, cache, silent)
    tree = sources.obtain(DONOR, store, cache, silent).tree
    series = manifest.series_path(data, "netkit").parent
    headers = read_uapi(series / "uapi.toml").headers

    def program(name):
        source = data / "qemu" / f"{name}.c"
        return build_checks(ChecksRequest(store.git, tree, headers, source, cache), silent)

    return BenchRequest(
        (LabKernel(CONTROL, kernel.image, CONTROL_MODULES, kernel.module_root),),
        Expected(read_benchplan(series / "bench.toml")),
        program("bench_netkit"),
        program("wire_netkit"),
        packaged.iproute2(archive, cache, silent),
        cache,
        tmp_path_factory.mktemp("bench"),
        boots=1,
        quick=True,
    )


def test_figures_repeat_nothing_is_lost_and_more_work_shows(request_):
    plan = request_.expected.plan
    result = run_bench(request_, silent)
    assert result.failures == ()
    assert result.gains[CONTROL] > plan.gain
    rows = result.of(CONTROL)
    # This kernel has the fix of bpf_redirect_peer(): on either hook all arrives.
    assert rows["veth_bpf_peer_udprr"].lost == rows["veth_cls_peer_udprr"].lost == 0
    assert max(row.worst for row in result.rows) < 1.0
    assert {row.lost + row.surplus + row.reordered for row in result.wire} == {0}
    own = baseline_of(result.rows, CONTROL)
    assert regressions(own, own, 0.0) == ()
    # A thousand instructions more in each program: the way of a packet is dearer by a fifth.
    short = replace(plan, quick=(plan.way,), wire_quick=(plan.wire_way,), known=())
    slow = replace(request_, expected=Expected(short), arguments=("EXTRA_WORK=1000",))
    worse = baseline_of(run_bench(slow, silent).rows, CONTROL)
    assert all(900 < worse[block] - own[block] < 1100 for block in worse)
    assert len(regressions(worse, own, 3.0)) == len(worse) == 3
