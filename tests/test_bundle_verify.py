"""What verify says of a bundle alone: each kind of lie has its check, and names the member."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from random import Random

import bundlekit
import pytest
from bundlekit import record, stated
from sample_record import PASSED_RUN

from backport.evidence.archive import pack
from backport.evidence.consistency import objections
from backport.evidence.signature import Trust
from backport.evidence.statement import CONFIG, RECORD, STATEMENT, TEST_RESULT
from backport.evidence.verify import verify
from backport.values.errors import UsageError
from backport.values.record import Case, Failure, Gate, Pick, RecordError, RunRecord

NAMES = ["archive", "signature", "members", "record", "statement", "inputs", "config", "logs"]


def look(members, trust=None):
    return verify(pack(members), "x.tar", trust or Trust())


def broken(found):
    """The one check that objects, and what it says; all behind it did not run."""
    (gate,) = found.failed
    place = [g.name for g in found.gates].index(gate.name)
    assert [g.name for g in found.gates] == NAMES and found.opened is None
    assert {g.outcome for g in found.gates[place + 1 :]} <= {"not-run"}
    return gate.name, gate.detail


def test_a_whole_bundle_passes_every_check():
    found = look(stated())
    assert [(g.name, g.outcome) for g in found.gates] == [
        (name, "not-run" if name == "signature" else "passed") for name in NAMES
    ]
    assert found.opened.record == RunRecord.from_json(json.loads(stated()[RECORD]))
    details = {gate.name: gate.detail for gate in found.gates}
    assert details["signature"].startswith("not signed")
    assert details["logs"] == "9 results are what the consoles say"
    assert details["config"].startswith("2 symbols")


def test_one_flipped_byte_in_each_member_is_caught_and_named():
    whole = stated()
    for name, data in whole.items():
        for bit, place in enumerate((0, len(data) // 2, len(data) - 2, 1, len(data) // 3)):
            changed = bytearray(data)
            changed[place] ^= 128 >> bit
            _, detail = broken(look({**whole, name: bytes(changed)}))
            assert name in detail, (name, place, detail)


def test_a_member_too_many_or_too_few_is_named():
    whole = stated()
    for name in whole:
        less = {n: d for n, d in whole.items() if n != name}
        check, detail = broken(look(less))
        assert check == "members" and name in detail
    check, detail = broken(look({**whole, "logs/more.log": b""}))
    assert (check, detail) == ("members", "logs/more.log: is not in the statement")


def forged(change):
    """A bundle whose statement was changed as JSON, and its record not."""
    whole = stated()
    value = json.loads(whole[STATEMENT])
    change(value)
    whole[STATEMENT] = (json.dumps(value, indent=1) + "\n").encode()
    return whole


def test_a_forged_statement_is_told_by_place_and_value():
    def other_image(value):
        value["subject"][0]["digest"]["sha256"] = "00" * 32

    check, detail = broken(look(forged(other_image)))
    assert check == "statement" and "subject[0].digest.sha256 is '0000" in detail

    def other_base(value):
        value["predicate"]["buildDefinition"]["resolvedDependencies"][0]["name"] = "another"

    check, detail = broken(look(forged(other_base)))
    assert "resolvedDependencies[0].name is 'another', not 'base'" in detail

    def more(value):
        value["predicate"]["approved"] = True

    assert "predicate.approved is too much" in broken(look(forged(more)))[1]

    def less(value):
        del value["predicate"]["runDetails"]

    assert "predicate.runDetails is missing" in broken(look(forged(less)))[1]


def test_a_statement_written_in_another_way_is_not_ours():
    whole = stated()
    whole[STATEMENT] = json.dumps(json.loads(whole[STATEMENT])).encode()
    check, detail = broken(look(whole))
    assert check == "statement" and detail.endswith("it is written in another way")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "is no JSON"),
        (b"[]", "is no JSON object"),
        (b"{}", "is no statement of a bundle"),
        (b'{"_type": 1, "predicateType": 2}', "is no in-toto statement v1"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 200_000, "is no JSON"),
    ],
)
def test_what_is_no_statement_is_said(text, why):
    check, detail = broken(look({**stated(), STATEMENT: text}))
    assert check == "members" and detail.startswith(STATEMENT) and why in detail


def test_a_statement_of_another_version_is_no_damage():
    def newer(value):
        value["predicate"]["buildDefinition"]["buildType"] = "urn:backport:kernel-run:v2"

    check, detail = broken(look(forged(newer)))
    assert check == "members" and "kernel-run:v2, this tool reads" in detail


def test_a_test_result_that_says_more_than_the_record_is_caught():
    whole = stated()
    value = json.loads(whole[TEST_RESULT])
    value["predicate"]["passedTests"].append("patched/tc_dock/never")
    parts = {**bundlekit.members(), TEST_RESULT: json.dumps(value, indent=1).encode() + b"\n"}
    whole = {**parts, STATEMENT: bundlekit.statement.encode(
        bundlekit.statement.provenance(record(), parts))}  # fmt: skip
    check, detail = broken(look(whole))
    assert check == "statement" and TEST_RESULT in detail and "passedTests has 6 rows" in detail


ODD = (None, True, -1, 1e999, "", "\0", "--output=x", [], {}, [[]], {"name": 1}, "9" * 5000)


def mutated(value, random):
    """The same JSON with one node replaced by something odd, or removed."""
    node, places = value, []
    while isinstance(node, (dict, list)) and node:
        key = random.choice([*node]) if isinstance(node, dict) else random.randrange(len(node))
        places.append((node, key))
        node = node[key]
        if random.random() < 0.3:
            break
    node, key = places[-1]
    if random.random() < 0.2:
        del node[key]
    else:
        node[key] = random.choice(ODD)
    return value


@pytest.mark.slow
@pytest.mark.parametrize("name", [STATEMENT, TEST_RESULT, RECORD])
def test_odd_values_are_objections_and_no_bug_of_ours(name):
    """Also where the forger fits the statement to the record that he made up."""
    random, told = Random(4), 0
    for _ in range(50):
        parts = stated()
        parts[name] = json.dumps(mutated(json.loads(parts[name]), random)).encode()
        if name == RECORD:
            with contextlib.suppress(RecordError):
                changed = RunRecord.from_json(json.loads(parts[name]))
                del parts[STATEMENT], parts[TEST_RESULT]
                parts = stated(parts, changed)
        told += bool(look(parts).failed)
    assert told == 50 if name != RECORD else told > 12  # much of a record is nobody's verdict


# -- the record


def liar(**changes):
    """A bundle that is all of one piece, of a record that contradicts itself."""
    told = replace(record(), **changes)
    return stated(told=told)


def gates(**changes):
    return tuple(replace(g, outcome=changes.get(g.name, g.outcome)) for g in record().gates)


def suites(kernel, outcome):
    """The suites of a kernel with the first case of the first suite ended in another way."""
    first, *rest = kernel
    case, *others = first.cases
    return (replace(first, cases=(replace(case, outcome=outcome), *others)), *rest)


CONTROLS = record().controls
LIES = [
    ({"exit_code": 1}, "verdict passed, exit status 1"),
    ({"outcome": "tests-failed"}, "verdict tests-failed, exit status 0"),
    ({"exit_code": None}, "it had not ended"),
    ({"finished": ""}, "it had not ended"),
    ({"failure": Failure("broken")}, "exit status 0, failure"),
    ({"gates": gates(uapi="failed")}, "verdict passed, but not so: uapi"),
    ({"gates": gates(**{"boot and tests": "not-run"})}, "gate boot and tests: not-run"),
    ({"gates": gates(**{"control-base": "failed"})}, "control-base: failed, the control says"),
    ({"gates": record().gates[1:]}, "are missing: accounting"),
    ({"gates": (*record().gates, Gate("form", "passed"))}, "gate form is there 2 times"),
    ({"tests": suites(record().tests, "failed")}, "tc_dock: counts (2, 0, 0), its cases (1, 1, 0)"),
    ({"tests": (replace(record().tests[0], outcome="failed"),)}, "but not in tc_dock"),
    ({"controls": (replace(CONTROLS[0], suites=CONTROLS[1].suites),)}, "suites say otherwise"),
    ({"controls": (replace(CONTROLS[0], suites=()), CONTROLS[1])}, "without a suite"),
    ({"controls": (replace(CONTROLS[0], expected="maybe"), CONTROLS[1])}, "expected 'maybe'"),
    ({"head": "99" * 20}, "its head is 9999"),
    ({"tree": "--output=/tmp/x"}, "tree: '--output=/tmp/x' is no object id"),
    ({"base": replace(record().base, commit="HEAD")}, "base: 'HEAD' is no object id"),
    ({"picks": (*record().picks, Pick("1" * 40, "x", "conflict"))}, "left in conflict"),
    ({"adaptations": (replace(PASSED_RUN.adaptations[0], commit="77" * 20),)}, "mprog-uapi-attr"),
    ({"config": replace(record().config, held=1)}, "but 1 symbols lost"),
    ({"guest": replace(record().guest, outcome="splat")}, "but the guest ended as splat"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "why"), LIES, ids=[why for _, why in LIES])
def test_a_record_that_contradicts_itself_is_caught(changes, why):
    check, detail = broken(look(liar(**changes)))
    assert check == "record" and why in detail


def test_a_record_of_a_failed_run_is_consistent_too():
    told = replace(
        record(),
        outcome="tests-failed",
        exit_code=1,
        failure=Failure("1 test failed"),
        gates=gates(**{"boot and tests": "failed"}),
        tests=bundlekit.suites(ok=False),
        guest=replace(record().guest, outcome="failed"),
    )
    assert objections(told) == []
    parts = {**bundlekit.members(told), "logs/console.log": bundlekit.console(ok=False)}
    assert look(stated(parts, told)).failed == ()


def test_a_record_that_is_none_is_said():
    for text in (b"{}", b"[]", b'{"schema": 99}'):
        parts = {**bundlekit.members(), RECORD: text}
        check, detail = broken(look(stated(parts)))
        assert check == "record" and detail.startswith(RECORD)


# -- data files, configuration and consoles


def test_rules_that_the_run_did_not_read_are_caught():
    parts = {**bundlekit.members(), "inputs/patches/dock/rules/10.toml": b"rule = []\n"}
    check, detail = broken(look(stated(parts)))
    assert check == "inputs" and f"run.json tells {record().inputs}" in detail


def test_a_configuration_that_lacks_a_symbol_is_caught():
    text = bundlekit.CONFIG_TEXT.replace(b"CONFIG_NET=y\n", b"")
    told = replace(record(), config=replace(record().config, sha256=bundlekit.digest(text)))
    check, detail = broken(look(stated({**bundlekit.members(told), CONFIG: text}, told)))
    assert (check, detail) == ("config", "kernel.config: other values than run.json: NET")
    check, detail = broken(look(stated({**bundlekit.members(), CONFIG: b"CONFIG_NET=y\n"})))
    assert check == "config" and "is not the configuration" in detail


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("console", ("dock_open:OK", "dock_open:FAIL"), "tc_dock dock_open is not passed there"),
        ("console", ("ok 1 leak", "not ok 1 leak"), "port_dock leak is not passed"),
        ("console", ("tc_dock rc=0", "tc_dock rc=1"), "tc_dock as a whole is not passed"),
        ("console", ("@@backport done@@", ""), "lost: the console ends"),
        ("console", ("@@backport done@@", "WARNING: CPU: 0 PID: 1 at a.c:1 b+0x1/0x2\n"), "lost"),
        ("console-base", ("dock_open:FAIL", "dock_open:OK"), "dock_open is not failed there"),
        ("console-donor", ("#1      dock_open:OK", "hm"), "dock_open is not passed there"),
    ],
)
def test_results_that_no_console_says_are_caught(name, change, why):
    file = f"logs/{name}.log"
    text = bundlekit.members()[file].decode().replace(*change).encode()
    assert text != bundlekit.members()[file]
    check, detail = broken(look(stated({**bundlekit.members(), file: text})))
    assert check == "logs" and detail.startswith(file) and why in detail


def test_a_case_that_the_console_has_and_the_record_leaves_out_is_caught():
    first, *rest = record().tests
    short = replace(first, passed=1, cases=(Case("dock_open", "passed"),))
    check, detail = broken(look(liar(tests=(short, *rest))))
    assert (check, detail) == ("logs", "logs/console.log: tc_dock has 2 cases there")


def test_a_console_that_is_not_there_is_missed():
    parts = bundlekit.members()
    del parts["logs/console-base.log"]
    check, detail = broken(look(stated(parts)))
    assert check == "logs" and detail.startswith("logs/console-base.log: is not in the bundle")


def test_a_run_that_only_picked_says_what_is_not_in_it():
    told = replace(record(), config=None, build=None, tests=(), guest=None, controls=(),
                   gates=record().gates[:4])  # fmt: skip
    found = look(stated(told=told))
    told_ = {gate.name: (gate.outcome, gate.detail) for gate in found.gates}
    assert told_["config"] == ("not-run", "the run configured no kernel")
    assert told_["logs"] == ("not-run", "no test ran")
    assert found.failed == ()


def test_a_trust_file_that_is_not_there_is_the_callers_fault(tmp_path):
    for trust in (Trust(tmp_path / "none"), Trust(keyring=tmp_path / "none")):
        with pytest.raises(UsageError, match="none: No such file"):
            look(stated(), trust)
