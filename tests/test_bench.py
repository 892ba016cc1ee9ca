"""The bench: medians over boots and orders, the verdict on them, baselines, and what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from backport.guests.parsers.steps import Step, read_steps
from backport.output.benchview import bench_page, bench_text
from backport.qualify import bench
from backport.qualify.baseline import baseline_of, read_baseline, regressions
from backport.qualify.benchrows import Sample
from backport.qualify.verdict import demand_none
from backport.readers.benchplan import read_benchplan
from backport.readers.manifest import read_series
from backport.values.benchplan import BenchPlan, Expected, Known
from backport.values.errors import ManifestError, TestsFailed, UsageError
from backport.values.rule import Question

NETKIT = Path(__file__).parents[1] / "patches" / "netkit" / "bench.toml"
OLD, NEW, PEER = "veth_bpf_nic_udp64", "netkit_l3_bpf_nic_udp64", "veth_bpf_peer_udprr"
BLOCKS = (OLD, NEW)
PLAN = BenchPlan(
    "netkit_l3", "veth", "bpf_nic_udp64", 10.0, 2.0, ("bpf_nic_udp64",), "bpf_udp64", (), ()
)
FIX = "c4327229948879814229b46aa26a750718888503"
LOSES = Known((PEER,), (Question("scrub", "filter.c", False),), FIX, "the packet's\ntype stays")


def step(block, each, *, net_rx=0, ok=True, **more):
    figures = {"units": 100.0, "ns": each * 110.0, "slices": 20.0, "slice": each * 5.0}
    figures |= {"dear": 1.0, "net_rx": net_rx * 100.0, "backlog": 0.0, "switches": 0.0}
    figures |= {"timer": 0.0, "rcu": 0.0, "lost": 0.0, "surplus": 0.0, "reordered": 0.0}
    return Step(block, ok, "" if ok else "1 lost", figures | {k: float(n) for k, n in more.items()})


def boots(old=(6000, 6000), new=(5000, 5000), kernel="ours", **new_more):
    """One boot of each order."""
    pairs = enumerate(zip(old, new, strict=True))
    return [
        Sample(kernel, order, one)
        for order, (a, b) in pairs
        for one in (step(OLD, a, net_rx=1), step(NEW, b, **new_more))
    ]


def judged(samples, kernels=("ours",), blocks=BLOCKS, losses=None):
    return bench.judge(samples, kernels, blocks, Expected(PLAN, losses or {}))


def test_what_is_as_expected_passes():
    result = judged([*boots(), *boots(kernel="donor")], ("ours", "donor"))
    assert (result.failures, result.notes) == ((), ())
    assert result.gains == {"ours": 16.67, "donor": 16.67}
    demand_none(bench.STAGE, result.failures)


def test_the_slice_in_the_middle_counts_and_the_rest_is_told_beside():
    row = judged(boots()).of("ours")[NEW]
    assert row.instructions == 5000
    assert row.beside == 10.0


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
        ([*boots(), Sample("ours", 0, step(NEW, 5200))], "spread 3.96 % between boots, more than"),
        (boots(old=(6000, 6600)), "spread 9.52 % between boots, more than 2: no cause found"),
    ],
)
def test_what_is_not_as_expected_fails(samples, why):
    result = judged(samples)
    assert any(why in line for line in result.failures), result.failures
    with pytest.raises(TestsFailed, match="not as expected"):
        demand_none(bench.STAGE, result.failures)


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        # All boots of one order agree: four of them can tell.
        (boots(old=(6000, 6600)) * 2, "it is where the devices and sockets lie"),
        (
            [*boots()[1:], Sample("ours", 0, step(OLD, 6600, net_rx=1, dear=12, switches=18))],
            "other work ran beside most of it: 18 changes of task more",
        ),
        (
            [*boots()[1:], Sample("ours", 0, step(OLD, 6600, net_rx=1.25))],
            "1.250 and 1.000 soft interrupts a unit",
        ),
    ],
)
def test_a_spread_with_a_cause_is_named_with_it_and_is_no_failure(samples, why):
    result = judged(samples)
    assert result.failures == ()
    (note,) = result.notes
    assert note.startswith(f"ours: {OLD}: spread 9.52 % between boots") and why in note


def test_a_spread_of_the_control_is_told_and_not_judged():
    result = judged([*boots(), *boots(old=(6000, 6600), kernel="donor")], ("ours", "donor"))
    assert result.failures == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [("2 lost, 0 more than were sent", "lost=2"), ("0 lost, 1 more than were sent", "surplus=1")],
)
def test_a_packet_too_few_or_too_many_fails_and_is_counted(text, line):
    key, number = line.split("=")
    bad = step(OLD, 6000, net_rx=1, ok=False, **{key: int(number)})
    samples = [*boots()[1:], Sample("ours", 0, Step(OLD, False, text, bad.figures))]
    result = judged(samples)
    assert result.failures == (f"{OLD}: {text}",)
    assert getattr(result.of("ours")[OLD], key) == int(number)


def peer(**more):
    return [*boots(), Sample("ours", 0, step(PEER, 0, **more))]


def test_a_loss_that_is_known_is_told_with_its_fix_and_fails_nothing():
    lost = peer(ok=False, lost=3)
    result = judged(lost, blocks=(*BLOCKS, PEER), losses={PEER: LOSES})
    assert result.failures == ()
    assert result.notes == (
        f"{PEER}: packets are lost, as they must be without {FIX[:12]}: the packet's type stays",
    )
    assert "given up" in bench_text(result)
    assert bench_page(result).count("<rect") == 2  # what was given up has no bar
    # Where the tree has the fix, or is not said to lack it, the same loss fails.
    assert judged(lost, blocks=(*BLOCKS, PEER)).failures == (f"{PEER}: 1 lost",)


def test_a_known_loss_that_does_not_come_is_a_stale_entry():
    samples = [*boots(), Sample("ours", 0, step(PEER, 13000))]
    result = judged(samples, blocks=(*BLOCKS, PEER), losses={PEER: LOSES})
    assert result.failures == (f"{PEER}: lost nothing, though it must without {FIX[:12]}",)


def test_a_block_that_fell_over_does_not_pass_for_a_known_loss():
    broken = [*boots(), Sample("ours", 0, Step(PEER, False, "no program", {}))]
    result = judged(broken, blocks=(*BLOCKS, PEER), losses={PEER: LOSES})
    assert f"{PEER}: no program" in result.failures


def test_a_step_without_all_its_figures_gives_no_row():
    found = read_steps([f"step {NEW}", f"figure {NEW} units=0 ns=5", f"pass {NEW}"])
    assert NEW not in judged([*boots()[::2], Sample("ours", 0, found.steps[0])]).of("ours")


def test_a_control_alone_never_passes_for_the_kernel_under_judgement():
    assert judged(boots(kernel="donor"), ("ours", "donor")).failures


def test_a_baseline_with_better_figures_fails_and_its_own_does_not():
    own = baseline_of(judged(boots()).rows, "ours")
    assert regressions(own, own, 0.0) == ()
    better = {**own, NEW: own[NEW] * 0.95}
    (told,) = regressions(own, better, 3.0)
    assert told == f"{NEW}: +5.3 % over the baseline, at most 3 allowed"
    assert regressions(own, better, 6.0) == ()


def test_a_baseline_of_other_blocks_is_no_pass():
    assert regressions(baseline_of(judged(boots()).rows, "ours"), {"other": 1.0}, 3.0)


@pytest.mark.parametrize("data", [[], {}, {"a": "1"}, {"a": 0}, {"a": True}])
def test_what_is_no_baseline_is_refused(data):
    with pytest.raises(UsageError, match="not a baseline"):
        read_baseline(data, "base.json")


def test_a_short_run_has_what_the_verdict_needs():
    cases = (*BLOCKS, "veth_pass_host_tcprr", "netkit_l2_bpf_pod_tcpconn")
    assert bench.chosen(cases, PLAN.quick) == BLOCKS
    assert bench.chosen(cases, ()) == cases
    with pytest.raises(UsageError, match="no block 'bpf_nic_udp64'"):
        bench.chosen(("other",), PLAN.quick)


def test_the_table_and_the_page_have_every_row():
    result = judged([*boots(), *boots(kernel="donor<")], ("ours", "donor<"))
    text, page = bench_text(result), bench_page(result)
    assert "ours: netkit_l3 takes 16.7 % fewer instructions than veth on bpf_nic_udp64" in text
    assert text.endswith("✓ as expected")
    assert page.count("<rect") == len(result.rows) == 4
    assert "donor<" not in page
    assert "http" not in page


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("gain = 10", "gain = 100", "100 is no percentage"),
        ('quick = ["bpf_nic_udp64", ', "quick = [", "lacks the way of the verdict"),
        ('quick = ["bpf_udp64", ', "quick = [", "wire.quick: lacks the way of the verdict"),
        (FIX, FIX[:12], "is no full commit id"),
        (", in = ", ", upstream = ", "is about a commit that is picked"),
        ("spread = 2", "spread = 2\nboots = 3", "boots"),
    ],
)
def test_a_plan_with_a_mistake_is_refused(tmp_path, old, new, why):
    file = tmp_path / "bench.toml"
    file.write_text(NETKIT.read_text().replace(old, new, 1))
    with pytest.raises(ManifestError, match=why):
        read_benchplan(file)


def test_the_known_losses_of_netkit_are_fixed_by_a_commit_of_its_series():
    (known,) = read_benchplan(NETKIT).known
    assert known.fixed_by in {c.sha for c in read_series(NETKIT.with_name("series.toml")).picked}
    assert [q.holds_in(b"skb_scrub_packet(skb, false);") for q in known.when] == [False]
    assert [q.holds_in(b"skb->dev = dev;") for q in known.when] == [True]
