"""The run record: what goes out comes back, and bad input says where it is bad."""

from __future__ import annotations

import json
from enum import StrEnum

import pytest
from sample_record import PASSED_RUN, STOPPED_RUN, sample

from backport.values.errors import Exit, UsageError
from backport.values.record import Gate, RecordError, RunRecord, Stage, Suite, outcome_of

PROMISED = (
    "outcome exit_code series target base upstream branch head tree picks gates config build tests"
    " controls artifacts seconds"
)


@pytest.mark.parametrize("record", [PASSED_RUN, STOPPED_RUN])
def test_a_record_survives_json(record):
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_record_that_has_only_begun_survives_json():
    begun = RunRecord("netkit", "debian-6.1", "running", "2026-07-14T10:11:12Z", "backport run")
    again = RunRecord.from_json(json.loads(json.dumps(begun.to_json())))
    assert again == begun
    assert again.exit_code is None
    assert again.base is None


def test_the_keys_that_scripts_read_are_there():
    data = PASSED_RUN.to_json()
    assert set(PROMISED.split()) <= set(data)
    assert set(data["base"]) >= {"version", "source", "sha256", "commit"}
    assert set(data["picks"][0]) >= {"sha", "subject", "outcome", "commit", "conflicts", "rules"}
    assert set(data["gates"][0]) == {"name", "outcome", "detail"}
    assert set(data["build"]) >= {"image", "seconds", "warnings"}
    assert set(data["tests"][0]) >= {"suite", "passed", "failed", "skipped", "cases"}
    assert data["schema"] == 1


def test_unknown_keys_of_a_later_tool_are_ignored():
    data = PASSED_RUN.to_json()
    data["signature"] = {"by": "someone"}
    data["picks"][0]["weight"] = 3
    assert RunRecord.from_json(data) == PASSED_RUN


def test_a_missing_key_is_named_with_its_place():
    data = PASSED_RUN.to_json()
    del data["picks"][2]["subject"]
    with pytest.raises(RecordError, match=r"old\.json: picks\[2\]: missing subject"):
        RunRecord.from_json(data, "old.json")


def test_all_missing_keys_are_named_at_once():
    with pytest.raises(RecordError, match=r"missing series, target, started$"):
        RunRecord.from_json({"outcome": "passed", "command": "backport run"})


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("picks", {}, "picks: expected a list, got dict"),
        ("seconds", "12", "seconds: expected float, got str"),
        ("pid", True, "pid: expected int, got bool"),
        ("exit_code", "0", "exit_code: expected int, got str"),
        ("tools", ["git"], "tools: expected an object, got list"),
        ("tools", {"git": 2}, "tools.git: expected str, got int"),
        ("base", "6.1", "base: expected an object, got str"),
        ("series", None, "series: expected str, got null"),
    ],
)
def test_a_wrong_type_is_refused_with_its_place(key, value, says):
    with pytest.raises(RecordError) as err:
        RunRecord.from_json({**PASSED_RUN.to_json(), key: value})
    assert says in err.value.message
    assert isinstance(err.value, UsageError)


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_a_record_that_is_no_object_is_refused(data):
    with pytest.raises(RecordError, match="expected an object"):
        RunRecord.from_json(data)


def test_a_newer_schema_is_refused_with_advice():
    with pytest.raises(RecordError, match="schema 99 is newer") as err:
        RunRecord.from_json({**PASSED_RUN.to_json(), "schema": 99})
    assert err.value.hint == "update backport"


def test_a_whole_number_of_seconds_is_a_float():
    data = {**PASSED_RUN.to_json(), "seconds": 12}
    assert isinstance(RunRecord.from_json(data).seconds, float)


def test_words_of_an_enum_become_plain_text():
    class Word(StrEnum):
        PASSED = "passed"

    data = sample(gates=(Gate("form", Word.PASSED),)).to_json()
    assert type(data["gates"][0]["outcome"]) is str


@pytest.mark.parametrize("code", list(Exit))
def test_every_exit_status_has_a_word(code):
    assert outcome_of(code) not in ("", "running", "killed")
    assert (outcome_of(code) == "passed") is (code == 0)


def test_an_unknown_exit_status_is_an_error():
    assert outcome_of(99) == "error"


@pytest.mark.parametrize(
    ("suite", "ok"),
    [
        (Suite("t", 2, 0, 0), True),
        (Suite("t", 2, 0, 1, outcome="passed"), True),
        (Suite("t", 2, 1, 0), False),
        (Suite("t", 0, 0, 3), False),
        (Suite("t", 0, 0, 0, outcome="no-tests"), False),
        (Suite("t", 2, 0, 0, outcome="panic"), False),
    ],
)
def test_a_suite_is_good_only_if_something_ran_and_all_passed(suite, ok):
    assert suite.ok is ok


def test_all_cached_needs_every_stage_and_at_least_one():
    done, cached = Stage("base", "done", 1.0), Stage("base", "done", 0.0, cached=True)
    assert sample(stages=(cached, cached)).all_cached
    assert not sample(stages=(cached, done)).all_cached
    assert not sample(stages=()).all_cached
