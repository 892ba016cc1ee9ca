"""The whole qualification: what its scenarios come to, and how that is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from backport.doors import rundir
from backport.doors.cache import Cache
from backport.output.qualifyview import qualify_page, qualify_text
from backport.qualify import whole
from backport.qualify.whole import Findings, Scenario
from backport.shell import qualification, qualifying
from backport.shell.pipeline import Ended
from backport.shell.qualifying import Ground
from backport.values.errors import Exit, GuestLost, Interrupted, TestsFailed
from backport.values.events import Progress, silent
from backport.values.options import Options, Until


def scenario(name, failures=(), error=None):
    def play():
        if error is not None:
            raise error
        return Findings(tuple(failures), f"the table of {name}")

    return Scenario(name, f"title of {name}", play)


GOOD = scenario("bench")
BAD = scenario("drill", ["peer_deleted: 3 of 10 lost <b>"])
LOST = scenario("rollout", error=GuestLost("node-2 hung"))


def played(*scenarios, emit=silent):
    return whole.qualify("linux-5.15", scenarios, emit, quick=True)


def test_one_that_fails_does_not_keep_off_the_next():
    seen = []
    result = played(LOST, BAD, GOOD, emit=seen.append)
    assert [one.exit_code for one in result.outcomes] == [Exit.GUEST, Exit.TESTS_FAILED, Exit.OK]
    assert [one.held for one in result.outcomes] == [False, False, True]
    assert [(e.done, e.total) for e in seen if isinstance(e, Progress)] == [(1, 3), (2, 3), (3, 3)]


def test_an_interrupt_ends_it():
    with pytest.raises(Interrupted):
        played(scenario("bench", error=Interrupted("told to end")), GOOD)


@pytest.mark.parametrize(
    ("scenarios", "code", "why"),
    [((BAD, GOOD), 1, "drill: peer_deleted"), ((LOST, BAD), 5, "rollout: node-2 hung")],
)
def test_the_exit_is_that_of_the_worst(scenarios, code, why):
    with pytest.raises(TestsFailed, match=why) as caught:
        whole.demand_held(played(*scenarios))
    assert caught.value.exit_code == code
    whole.demand_held(played(GOOD))


def test_text_and_page_tell_each_outcome():
    result = played(GOOD, BAD, LOST)
    text, page = qualify_text(result), qualify_page(result)
    assert "linux-5.15, quick" in text
    assert "✓ bench" in text
    assert "✗ drill" in text
    assert "    node-2 hung" in text
    assert "1 of 3 held" in text
    assert "the table of bench" in page
    assert "3 of 10 lost &lt;b&gt;" in page
    assert "left no table" in page
    assert 'id="drill" open' in page
    assert 'id="bench" open' not in page


def test_the_parts_are_played_on_one_ground_and_kept_with_the_run(monkeypatch, tmp_path):
    cache = Cache(tmp_path)
    options = Options("netkit", "debian-6.1", Until.BUILD)
    with rundir.RunDir.open(cache.runs, "netkit", "debian-6.1") as run:
        run.finish(run.record, 0)
    kernel = qualifying.LabKernel("debian-6.1", run.path / "bzImage")
    ground = Ground(
        options, Ended(run.record, run.path), run.path, kernel, kernel, run.path, cache, run.path
    )
    grounds = {"": ground, "debug": replace(ground, folder=tmp_path)}
    monkeypatch.setattr(qualifying, "prepare", lambda options, *_: grounds[options.flavour])
    asked = []

    def play(ground, quick, _emit):
        asked.append((ground, quick))
        return Findings((), "a table")

    part = qualification.Part
    parts = (part("one", "a title", play), part("two", "a title", play, "debug"))
    monkeypatch.setattr(qualification, "PARTS", parts)
    result = qualification.run_qualification(options, True, cache, silent)
    assert [one.name for one in result.outcomes] == ["one", "two"]
    assert asked == [(ground, True), (replace(grounds["debug"], folder=run.path), True)]
    record = rundir.load(run.path).record
    assert record.artifacts["qualify"] == "qualify.json"
    kept = json.loads((run.path / record.artifacts["qualify"]).read_bytes())
    assert [one["text"] for one in kept["outcomes"]] == ["a table"] * 2
    assert "a table" in (run.path / record.artifacts["qualify-page"]).read_text(encoding="utf-8")
