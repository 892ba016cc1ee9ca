"""Drills: the verdict on what a guest told, and what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from backport.guests.lab import Heard
from backport.guests.parsers.steps import read_steps
from backport.guests.parsers.tree import Ended
from backport.output.drillview import drill_text
from backport.qualify import drill
from backport.qualify.verdict import demand_none
from backport.values.errors import TestsFailed

SCRIPT = Path(__file__).parents[1] / "qemu" / "drill"
GOOD = """\
step loader_refuses
figure loader_refuses sent=10 received=10 leaks=0 began=4.10 ended=6.35
pass loader_refuses got veth
"""
EXPECTED = ("loader_refuses",)


def judged(text, expected=EXPECTED, status=0):
    said = read_steps(text.splitlines())
    heard = Heard(
        "d", "5.15.16", {"drill": said}, {"drill": status}, (), Ended.DONE, 9.0, Path("log"), ""
    )
    return drill.judge(heard, "linux-5.15", expected)


def test_a_drill_that_held():
    result = judged(GOOD)
    assert result.failures == ()
    assert result.drills == (
        drill.Drill("loader_refuses", True, "veth", 10, 0, 0, 2.25, "got veth"),
    )
    demand_none(drill.STAGE, result.failures)
    assert "✓ as expected" in drill_text(result)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD.replace("received=10", "received=9"), "1 of 10 lost"),
        (GOOD.replace("leaks=0", "leaks=2"), "2 left"),
        (GOOD.replace("sent=10 received=10", "sent=0 received=0"), "0 of 0 lost"),
        (GOOD.replace("pass", "fail"), "loader_refuses: 0 of 10 lost"),
        (GOOD.replace("got veth", "got"), "loader_refuses"),
        (GOOD.splitlines()[0], "never reported"),
        ("\n".join(GOOD.splitlines()[::2]), "loader_refuses"),
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


def test_a_script_that_failed_fails():
    assert judged(GOOD, status=2).failures == ("the script ended with 2",)


def test_no_drill_is_no_pass():
    assert judged("", ()).failures == ("the script has no drill",)


def test_the_drills_are_read_from_the_script():
    names = drill.drills_of(SCRIPT.read_text())
    assert len(names) == SCRIPT.read_text().count("\ntry ") >= 7
    assert "loader_refuses" in names


def test_an_agent_without_fallback_is_caught():
    text = GOOD.replace("received=10", "received=0").replace(
        "pass loader_refuses got veth",
        "fail loader_refuses got nothing, wants veth, check no, 0 left: no device for web",
    )
    result = judged(text)
    assert result.drills[0].device == ""
    assert "wants veth" in result.failures[0]
