"""Drills: what must come of each, the verdict on what guests told, and what is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backport.guests.lab import Heard
from backport.guests.parsers.steps import read_steps
from backport.guests.parsers.tree import Ended
from backport.output.drillview import drill_text
from backport.qualify import drill
from backport.qualify.verdict import demand_none
from backport.readers.fleetfile import read_fleet
from backport.shell.drilling import plans_of
from backport.values.errors import ManifestError, TestsFailed
from backport.values.fleet import DrillPlan, Kernel, When

ROOT = Path(__file__).parents[1]
SCRIPT = (ROOT / "qemu/drill").read_text(encoding="utf-8")
FILE = ROOT / "patches/netkit/fleet.toml"
FLEET = read_fleet(FILE)
GOOD = """\
step loader_refuses
figure loader_refuses sent=50 lost=37 longest=37 after_sent=20 after_lost=0 leaks=0
pass loader_refuses got veth: {"cniVersion": "1.0.0"}
"""
ADD = DrillPlan("loader_refuses", When.ADD, "veth")
RUNNING = DrillPlan("loader_refuses", When.RUNNING, "veth")


def judged(text, plan=ADD, status=0):
    said = read_steps(text.splitlines())
    heard = Heard(
        "d", "5.15.16", {"drill": said}, {"drill": status}, (), Ended.DONE, 9.0, Path("log"), ""
    )
    plans = {Kernel.NEW: (plan,) if plan else ()}
    return drill.judge({Kernel.NEW: heard}, "linux-5.15", plans, FLEET)


@pytest.mark.parametrize("plan", [ADD, RUNNING])
def test_a_drill_that_held(plan):
    result = judged(GOOD, plan)
    assert result.failures == ()
    (one,) = result.drills
    assert (one.ok, one.device, one.sent, one.lost, one.outage) == (True, "veth", 50, 37, 3.7)
    demand_none(drill.STAGE, result.failures)
    assert "✓ as expected" in drill_text(result)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD.replace("got veth", "got netkit"), "got netkit, wants veth"),
        (GOOD.replace("got veth", "got nothing"), "got no network, wants veth"),
        (GOOD.replace("after_lost=0", "after_lost=1"), "1 of 20 lost behind it"),
        (GOOD.replace("after_sent=20", "after_sent=0"), "nothing was sent"),
        (GOOD.replace("sent=50", "sent=0", 1), "nothing was sent"),
        (GOOD.replace("longest=37", "longest=451"), "no service for 45.1 s, more than 45.0 s"),
        (GOOD.replace("leaks=0", "leaks=2"), "2 things were left behind"),
        (GOOD.replace(" leaks=0", ""), "its figures are missing"),
        (GOOD.replace("pass", "fail"), "the agent says that the pod is not whole"),
        (GOOD.splitlines()[0], "never reported"),
        ("", "never ran"),
        (GOOD + "pass other", "not under way"),
    ],
)
def test_a_drill_that_did_not_hold(text, why):
    result = judged(text)
    assert any(why in line for line in result.failures), result.failures
    with pytest.raises(TestsFailed, match="not as expected"):
        demand_none(drill.STAGE, result.failures)
    assert "✗" in drill_text(result)


def test_a_running_pod_that_lost_nothing_was_not_broken():
    text = GOOD.replace("lost=37 longest=37", "lost=0 longest=0")
    assert judged(text).failures == (), "a pod may be added without any loss"
    assert "nothing was broken" in judged(text, RUNNING).failures[0]


def test_a_running_pod_has_the_bound_of_a_repair():
    text = GOOD.replace("longest=37", "longest=301")
    assert judged(text).failures == ()
    assert "more than 30.0 s" in judged(text, RUNNING).failures[0]


def test_a_script_that_failed_fails():
    assert judged(GOOD, status=2).failures == ("the script ended with 2",)


def test_no_drill_is_no_pass():
    assert judged("", None).failures == ("there is no drill",)


def test_the_script_knows_each_drill_of_the_data():
    known = re.findall(r"^    ([a-z_* |]+)\)", SCRIPT, re.MULTILINE)
    words = {word for line in known for word in line.split(" | ")} - {"*"}
    names = {re.sub(r"killed_at_\d+$", "killed_at_*", plan.name) for plan in FLEET.drills}
    assert names == words


def test_the_agent_is_killed_at_each_of_its_steps():
    """A lease, the pair, its program; then `wire`: two of the device, five calls, a route."""
    numbers = sorted(
        int(plan.name.removeprefix("killed_at_"))
        for plan in FLEET.drills
        if plan.name.startswith("killed_at_")
    )
    agent = (ROOT / "qemu/netkit_agent.py").read_text(encoding="utf-8")
    wire = agent.partition("def wire(")[2].partition("\n    def ")[0]
    assert numbers == list(range(1, 3 + len(re.findall(r"\n +run\(", wire)) + 1))


def test_the_quick_form_has_a_drill_of_each_kind():
    plans = plans_of(FLEET, quick=True)
    assert {plan.when for plan in plans[Kernel.NEW]} == {When.ADD, When.RUNNING}
    assert [plan.name for plan in plans[Kernel.OLD]] == ["device_type_missing"]
    whole = plans_of(FLEET, quick=False)
    assert sum(map(len, whole.values())) == len(FLEET.drills) > sum(map(len, plans.values()))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"told_veth"', '"nothing_wrong"', "'nothing_wrong' is there twice"),
        ('"told_veth"', '"told veth"', "'told veth' is no word"),
        ('when = "running"', 'when = "later"', "'later' is not known"),
        ('\nkernel = "old"', '\nkernel = "older"', "'older' is not known"),
    ],
)
def test_a_mistake_in_a_drill_is_told_with_its_place(tmp_path, old, new, why):
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "fleet.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ManifestError, match=why):
        read_fleet(file)


def test_an_agent_without_fallback_is_caught():
    text = GOOD.replace("after_lost=0", "after_lost=20").replace(
        "pass loader_refuses got veth", "fail loader_refuses got nothing: no device for web"
    )
    result = judged(text)
    assert result.drills[0].device == ""
    assert "wants veth" in result.failures[0]
