"""The bench: medians over boots and orders, the verdict on them, baselines, and what is shown."""

from __future__ import annotations

import pytest

from backport.guests.parsers.steps import Step, read_steps
from backport.output.benchview import bench_page, bench_text
from backport.qualify import bench
from backport.qualify.bench import Sample
from backport.qualify.verdict import demand_none
from backport.values.errors import TestsFailed, UsageError

OLD, NEW = "veth_bpf_nic_udp64", "netkit_l3_bpf_nic_udp64"
BLOCKS = (OLD, NEW)


def step(block, each, *, net_rx=0, lost=0, reordered=0, ok=True):
    figures = {"units": 100.0, "ns": each * 100.0, "net_rx": net_rx * 100.0}
    rest = {"backlog": 0.0, "switches": 0.0, "lost": float(lost), "reordered": float(reordered)}
    return Step(block, ok, "" if ok else "1 lost", {**figures, **rest})


def boots(old=(6000, 6000), new=(5000, 5000), kernel="ours", **new_more):
    """One boot of each order."""
    pairs = enumerate(zip(old, new, strict=True))
    return [
        Sample(kernel, order, one)
        for order, (a, b) in pairs
        for one in (step(OLD, a, net_rx=1), step(NEW, b, **new_more))
    ]


def judged(samples, kernels=("ours",)):
    return bench.judge(samples, kernels, BLOCKS)


def test_what_is_as_expected_passes():
    result = judged([*boots(), *boots(kernel="donor")], ("ours", "donor"))
    assert result.failures == ()
    assert result.gains == {"ours": 16.67, "donor": 16.67}
    demand_none(bench.STAGE, result.failures)


def test_the_orders_count_alike_and_their_difference_is_no_spread_between_boots():
    samples = [*boots(new=(5000, 5200)), Sample("ours", 0, step(NEW, 5050))]
    row = judged(samples).of("ours")[NEW]
    assert row.instructions == pytest.approx((5025 + 5200) / 2, abs=0.1)
    assert row.spread == pytest.approx(0.98, abs=0.01)
    assert row.order_spread == pytest.approx(3.42, abs=0.01)


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (boots(new=(5500, 5500)), "8.3 % fewer instructions than veth, at least 10 wanted"),
        (boots(net_rx=1), "1.0 soft interrupts a packet, veth has 1.0"),
        (boots(reordered=2), "2 reordered"),
        (boots(ok=False), "1 lost"),
        (boots()[::2], "never ran"),
        (boots()[::2], "cannot be compared"),
        ([*boots(), Sample("ours", 0, step(NEW, 5200))], "spread 3.9"),
        (boots(old=(6000, 6600)), "spread 9.52 % between boots"),
    ],
)
def test_what_is_not_as_expected_fails(samples, why):
    result = judged(samples)
    assert any(why in line for line in result.failures), result.failures
    with pytest.raises(TestsFailed, match="not as expected"):
        demand_none(bench.STAGE, result.failures)


def test_a_step_without_all_its_figures_gives_no_row():
    found = read_steps([f"step {NEW}", f"figure {NEW} units=0 ns=5", f"pass {NEW}"])
    assert NEW not in judged([*boots()[::2], Sample("ours", 0, found.steps[0])]).of("ours")


def test_a_control_alone_never_passes_for_the_kernel_under_judgement():
    assert judged(boots(kernel="donor"), ("ours", "donor")).failures


def test_a_baseline_with_better_figures_fails_and_its_own_does_not():
    result = judged(boots())
    own = bench.baseline_of(result, "ours")
    assert bench.regressions(result, "ours", own, 0.0) == ()
    better = {**own, NEW: own[NEW] * 0.95}
    (told,) = bench.regressions(result, "ours", better, 3.0)
    assert told == f"{NEW}: +5.3 % over the baseline, at most 3 allowed"
    assert bench.regressions(result, "ours", better, 6.0) == ()


def test_a_baseline_of_other_blocks_is_no_pass():
    assert bench.regressions(judged(boots()), "ours", {"other": 1.0}, 3.0)


@pytest.mark.parametrize("data", [[], {}, {"a": "1"}, {"a": 0}, {"a": True}])
def test_what_is_no_baseline_is_refused(data):
    with pytest.raises(UsageError, match="not a baseline"):
        bench.read_baseline(data, "base.json")


def test_a_short_run_has_what_the_verdict_needs():
    cases = (*BLOCKS, "veth_pass_host_tcprr", "netkit_l2_bpf_pod_tcpconn")
    assert bench.chosen(cases, quick=True) == BLOCKS
    assert bench.chosen(cases, quick=False) == cases
    with pytest.raises(UsageError):
        bench.chosen(("other",), quick=True)


def test_the_table_and_the_page_have_every_row():
    result = judged([*boots(), *boots(kernel="donor<")], ("ours", "donor<"))
    text, page = bench_text(result), bench_page(result)
    assert "ours: netkit_l3 takes 16.7 % fewer instructions than veth on bpf_nic_udp64" in text
    assert text.endswith("✓ as expected")
    assert page.count("<rect") == len(result.rows) == 4
    assert "donor<" not in page
    assert "http" not in page
