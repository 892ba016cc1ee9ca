"""Rollouts: what a fleet goes through, how a campaign stops, what the traffic says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backport.doors import rundir
from backport.doors.cache import Cache
from backport.guests.lab import LabKernel
from backport.guests.parsers.fleet import Answer, Burst, Count, Flow, Ready, read_word
from backport.output.rolloutview import plan_markdown, rollout_page, rollout_text
from backport.qualify import rollout, watch
from backport.qualify.rehearsal import Gap, Pod, Ran, RehearsalResult, Taken, verdict
from backport.qualify.rollout import Agent, Campaign, Move, Setup, Status
from backport.readers.fleetfile import read_fleet
from backport.shell import rolling
from backport.shell.pipeline import Ended
from backport.shell.qualifying import Ground
from backport.shell.rolling import RolloutOrder
from backport.values.errors import ManifestError
from backport.values.events import silent
from backport.values.fleet import Kernel
from backport.values.options import Options

FILE = Path(__file__).parents[1] / "patches/netkit/fleet.toml"
NAMES = ("node1", "node2", "node3")
OLD, NEW = Setup(), Setup(Kernel.NEW, Agent.NEW)
VETH = Setup(Kernel.NEW, Agent.OLD)
MOVE = Move("node1", VETH, NEW)


# -- the campaigns


@pytest.mark.parametrize("quick", [True, False])
def test_each_campaign_starts_where_the_one_before_ends(quick):
    nodes = dict.fromkeys(NAMES, OLD)
    seen = set()
    for campaign in rollout.campaigns(NAMES, quick=quick):
        state = rollout.begin(campaign, nodes)
        while (move := rollout.next_move(state)) is not None:
            seen.add((move.was, move.to))
            bad = campaign.expects is Status.STOPPED and not move.undo
            state = rollout.after(state, move, healthy=not bad)
        assert state.status is campaign.expects
        nodes = state.nodes
    assert set(nodes.values()) == {NEW}, "the rehearsal ends with all that is rolled out"
    first = Setup(Kernel.OLD, Agent.NEW)
    assert seen >= {(OLD, VETH), (VETH, NEW), (OLD, first), (first, NEW)}, "both orders"
    assert (NEW, VETH) in seen, "and a rollback of the agent without a boot"


def test_the_whole_rehearsal_rolls_kernels_back_half_way_too():
    plan = rollout.campaigns(NAMES, quick=False)
    backward = {(m.was.kernel, m.to.kernel) for c in plan for m in c.moves if m.undo}
    assert (Kernel.NEW, Kernel.OLD) in backward
    half = next(c for c in plan if c.name == "rollback half-way")
    assert {m.node for m in half.moves} < set(NAMES)


def test_a_node_is_changed_alone_and_in_one_thing_at_a_time():
    for campaign in rollout.campaigns(NAMES, quick=False):
        if campaign.name != "all the way back":
            changed = [
                (m.was.kernel != m.to.kernel) + (m.was.agent != m.to.agent) for m in campaign.moves
            ]
            assert set(changed) == {1}, campaign.name


def test_only_both_together_give_the_new_device():
    assert NEW.device == "netkit"
    assert {OLD.device, VETH.device, Setup(Kernel.OLD, Agent.NEW).device} == {"veth"}
    assert Setup(Kernel.NEW, Agent.POLICY).device == "netkit"


def test_a_broken_agent_is_what_is_rolled_out():
    plan = rollout.campaigns(NAMES, Agent.NOFALLBACK, quick=True)
    agents = {m.to.agent for c in plan[:-1] for m in c.moves}
    assert agents == {Agent.OLD, Agent.NOFALLBACK}


# -- the machine


def three():
    moves = tuple(Move(name, OLD, VETH) for name in NAMES)
    return rollout.begin(Campaign("kernels", moves), dict.fromkeys(NAMES, OLD))


def test_a_failed_canary_is_taken_back_and_no_other_node_is_begun():
    state = three()
    canary = rollout.next_move(state)
    state = rollout.after(state, canary, healthy=False)
    assert (state.status, rollout.next_move(state)) == (Status.STOPPED, canary.back)
    state = rollout.after(state, canary.back, healthy=True)
    assert rollout.next_move(state) is None
    assert state.status is Status.STOPPED
    assert dict(state.nodes) == dict.fromkeys(NAMES, OLD)


def test_a_later_failure_leaves_what_was_healthy():
    state = three()
    state = rollout.after(state, rollout.next_move(state), healthy=True)
    state = rollout.after(state, rollout.next_move(state), healthy=False)
    state = rollout.after(state, rollout.next_move(state), healthy=True)
    assert state.status is Status.STOPPED
    assert dict(state.nodes) == {"node1": VETH, "node2": OLD, "node3": OLD}


def test_a_rollback_that_fails_needs_a_person():
    state = three()
    state = rollout.after(state, rollout.next_move(state), healthy=False)
    state = rollout.after(state, rollout.next_move(state), healthy=False)
    assert (state.status, state.left) == (Status.LOST, ())
    planned = rollout.begin(Campaign("back", (MOVE.back,)), {"node1": NEW})
    assert rollout.after(planned, MOVE.back, healthy=False).status is Status.LOST


def test_a_move_out_of_turn_is_refused():
    with pytest.raises(ValueError, match="not the move that was due"):
        rollout.after(three(), MOVE, healthy=True)
    with pytest.raises(ValueError, match="node1 has old kernel, old agent, not new kernel"):
        rollout.begin(Campaign("x", (MOVE,)), {"node1": OLD})


# -- what nodes say


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("ready", Ready()),
        ("answer 7 ok netkit", Answer(7, True, "netkit")),
        ("answer 8 failed ", Answer(8, False, "")),
        ("burst web1 db2 12", Burst("web1", "db2", 12)),
        (
            "flow web1 3 db1=20/0/0 web2=20/3/2",
            Flow("web1", 3, {"db1": Count(20, 0, 0), "web2": Count(20, 3, 2)}),
        ),
        ("flow web1 3", None),
        ("answer x ok", None),
        ("Terminated", None),
    ],
)
def test_the_words_of_a_node(line, word):
    assert read_word(line) == word


# -- what the traffic says

PODS = ("web1", "web2", "db2")


def flow(source, lost=0, longest=0, at=()):
    to = {pod: Count(20, 0, 0) for pod in PODS if pod != source}
    return Flow(source, 1, to | {pod: Count(20, lost, longest) for pod in at})


WELL = watch.Seen(
    PODS,
    {"web1": "netkit"},
    (flow("web2"), flow("db2")),
    tuple(flow(pod) for pod in PODS),
)


def told(seen, move=MOVE):
    file = read_fleet(FILE)
    return [*watch.unhealthy(move, seen, file)], [*watch.harm(seen, file)]


def test_a_move_that_went_well():
    assert told(WELL) == ([], [])
    assert watch.bystanders(WELL) == Count(80, 0, 0)


def test_an_outage_of_the_moved_pod_is_measured_and_bounded():
    short = replace(WELL, during=(flow("web2", 40, 31, ["web1"]), flow("db2")))
    assert told(short) == ([], [])
    assert watch.outage(short, 100) == 3.1
    long = replace(WELL, during=(flow("web2", 451, 451, ["web1"]), flow("db2")))
    assert told(long)[0] == ["pods of node1 had no service for 45.1 s, more than 45.0 s"]
    assert told(long, Move("node1", OLD, VETH))[0] == ["web1: got netkit, wants veth"], (
        "a node that boots may be away for longer"
    )


@pytest.mark.parametrize("device", ["", "veth"])
def test_another_device_than_wanted_is_unhealthy(device):
    reasons, harm = told(replace(WELL, devices={"web1": device}))
    assert reasons == [f"web1: got {device or 'no network'}, wants netkit"]
    assert not harm


def test_a_loss_after_the_change_is_unhealthy():
    health = (flow("web1", 20, 20, ["web2", "db2"]), flow("web2"), flow("db2"))
    reasons, harm = told(replace(WELL, health=health))
    assert reasons[0] == "web1 to web2: 20 of 20 lost after the change"
    assert not harm


@pytest.mark.parametrize("epoch", ["during", "health"])
def test_one_datagram_lost_between_others_is_harm(epoch):
    flows = [one for one in getattr(WELL, epoch) if one.source != "web2"]
    seen = replace(WELL, **{epoch: (*flows, flow("web2", 1, 1, ["db2"]))})
    reasons, harm = told(seen)
    assert reasons == []
    assert len(harm) == 1
    assert harm[0].startswith("web2 to db2: 1 of 20 lost")


def test_a_pod_that_told_nothing_is_no_pass():
    _, harm = told(replace(WELL, health=WELL.health[:2]))
    assert harm == ["db2: told nothing of its traffic to web1, web2 after it"]
    assert told(replace(WELL, during=()))[1]


# -- the verdict


def taken(**changes):
    base = Taken("c", MOVE, 10.0, 18.5, {"web1": "netkit"}, 2.2, Count(80, 0, 0))
    return replace(base, **changes)


def ran(status=Status.DONE, expects=Status.DONE, after=NEW):
    return Ran("c", expects, status, {"node1": VETH}, {"node1": after})


PLAN = [Campaign("c", (MOVE,))]


@pytest.mark.parametrize(
    ("takes", "ends", "why"),
    [
        (taken(harm=("web2 to db2: 1 of 20 lost",)), ran(), "c: web2 to db2"),
        (taken(reasons=("web1: got veth",)), ran(Status.STOPPED), "web1: got veth"),
        (taken(), ran(Status.DONE, Status.STOPPED), "c: done, and must be stopped"),
        (taken(), ran(Status.STOPPED, Status.STOPPED), "was not taken back"),
        (taken(), None, "c: never begun"),
    ],
)
def test_what_is_no_pass(takes, ends, why):
    failures = [*verdict([takes], [ends] if ends else [], PLAN)]
    assert any(why in line for line in failures), failures


def test_what_is_a_pass():
    assert [*verdict([taken()], [ran()], PLAN)] == []
    stopped = ran(Status.STOPPED, Status.STOPPED, VETH)
    assert [*verdict([taken(reasons=("bad policy",))], [stopped], PLAN)] == []


# -- what is shown


def result(*failures):
    return RehearsalResult(
        {Kernel.OLD: "5.15.15", Kernel.NEW: "5.15.16"},
        (Pod("web1", "node1", "10.1.1.11"), Pod("web2", "node2", "10.1.2.11")),
        read_fleet(FILE),
        (taken(),),
        (ran(),),
        (Gap("web2", "web1", 12.0, 14.2),),
        3,
        60.0,
        failures,
    )


def test_the_table_the_timeline_and_the_plan():
    text = rollout_text(result())
    assert "✓ node1: new agent" in text
    assert text.endswith("✓ as expected")
    page = rollout_page(result())
    assert "web2: 2.2 s" in page
    assert "http" not in page, "it opens offline"
    plan = plan_markdown(result(), Options("netkit", "linux-5.15"))
    assert "Way back" in plan and "to kernel 5.15.16 with netkit" in plan
    assert "more than 0 datagrams" in plan
    assert "Do not roll out" not in plan


def test_a_failed_rehearsal_makes_no_plan_to_follow():
    bad = result("c: the canary was not taken back")
    assert "✗ c: the canary" in rollout_text(bad)
    assert "**Do not roll out" in plan_markdown(bad, Options("netkit", "linux-5.15"))


def test_table_page_and_plan_are_artifacts_of_the_run(monkeypatch, tmp_path):
    cache, options = Cache(tmp_path), Options("netkit", "debian-6.1")
    with rundir.RunDir.open(cache.runs, "netkit", "debian-6.1") as run:
        run.finish(run.record, 0)
    kernel = LabKernel("debian-6.1", run.path / "bzImage")
    ended = Ended(run.record, run.path)
    ground = Ground(options, ended, run.path, kernel, kernel, run.path, cache, run.path)
    monkeypatch.setattr(rolling, "base_kernel", lambda *_: kernel)
    monkeypatch.setattr(rolling, "fleet_of", lambda *_: None)
    monkeypatch.setattr(rolling.rehearsal, "rehearse", lambda *_: result())
    assert rolling.rollout_on(RolloutOrder(options), ground, silent) == result()
    artifacts = rundir.load(run.path).record.artifacts
    for key, word in (
        ("rollout", "5.15.15"),
        ("rollout-page", "<svg"),
        ("rollout-plan", "Way back"),
    ):
        assert word in (run.path / artifacts[key]).read_text(encoding="utf-8")


# -- the file of bounds


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("period_ms = 100 ", "period_ms = 0 ", "0 is not above 0"),
        ("health_ms = 2000", "health_ms = 400", "less than five periods"),
        ("pod_outage_ms", "pod_outage", "the key `pod_outage_ms` is missing"),
        ("[bounds]", "[bounds]\nother = 1", "unknown key"),
    ],
)
def test_a_mistake_in_the_bounds_is_told_with_its_place(tmp_path, old, new, why):
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "fleet.toml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ManifestError, match=why):
        read_fleet(file)
