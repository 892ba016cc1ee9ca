"""A run for machines: JUnit XML and KCIDB data hold to their schemas, and never read better."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from bundlekit import record, suites
from sample_record import PASSED_RUN, STOPPED_RUN

from backport.output.junit import render_junit
from backport.output.kcidb import render_kcidb
from backport.output.results import write_results
from backport.values.errors import UsageError
from backport.values.record import Case, Control, Failure, Gate, Guest, RunRecord, Suite

# Jenkins' junit-10.xsd: element -> its attributes (those with * are required), its children.
JUNIT = {
    "testsuites": ("name time tests failures errors", "testsuite"),
    "testsuite": (
        "name* tests* failures* errors* group time skipped timestamp hostname id package file log"
        " url",
        "testsuite properties testcase system-out system-err",
    ),
    "testcase": ("name* time classname group", "skipped error failure system-out system-err"),
    "properties": ("", "property"),
    "property": ("name* value*", ""),
    "failure": ("type message", ""),
    "error": ("type message", ""),
    "skipped": ("type message", ""),
    "system-out": ("", ""),
}
TIME = re.compile(r"\d+\.\d{3}")

# KCIDB's schema v5.0: object -> its keys (those with * are required).
ID, COMMIT = r"[a-z0-9_]+:[^\0]*", r"[0-9a-f]{40}"
KCIDB = {
    "checkouts": "id* origin* tree_name git_commit_hash patchset_hash git_repository_branch comment"
    " start_time valid log_excerpt misc",
    "builds": "id* origin* checkout_id* comment start_time duration architecture compiler"
    " config_name status log_excerpt misc",
    "tests": "id* origin* build_id* environment path comment log_excerpt status start_time"
    " duration misc",
}
SHAPES = {
    "id": ID, "checkout_id": ID, "build_id": ID, "origin": "[a-z0-9_]+", "git_commit_hash": COMMIT,
    "status": "FAIL|ERROR|MISS|PASS|DONE|SKIP", "path": r"[\w-]+(\.[\w-]+)*",
    "patchset_hash": "", "architecture": "[a-z0-9_]*",
    "start_time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "log_excerpt": r"[^\0]{0,16384}",
}  # fmt: skip


def failing():
    """A run in which one case failed, one was skipped and one never came."""
    first = Suite("tc_dock", 1, 2, 1, (
        Case("open", "passed"), Case("close", "failed", "close:FAIL\n\x1b[31mbad\0"),
        Case("lock", "skipped"), Case("gone", "missing"),
    ), "failed", "1 of 4 passed")  # fmt: skip
    return replace(
        record(), outcome="tests-failed", exit_code=1, tests=(first,),
        failure=Failure("1 test failed", "look", "logs/guest.log"),
        guest=Guest("failed", "tcg", 9.0, "x", "tc_dock: 1 of 4"),
    )  # fmt: skip


RECORDS = {
    "passed": record(),
    "sample": PASSED_RUN,
    "failed": failing(),
    "conflicts": STOPPED_RUN,
    "splat": replace(
        record(), outcome="gate-failed", exit_code=4, failure=Failure("splat"),
        guest=Guest("splat", "kvm", 3.0, "x", "WARNING at a.c:1")),
    "config lost": replace(
        record(), outcome="gate-failed", exit_code=4, config=None, build=None, tests=(), guest=None,
        controls=(), failure=Failure("lost"), gates=(Gate("config", "failed", "CONFIG_X lost"),)),
    "refused": RunRecord("dock", "mini", "refused", "2026-01-01T00:00:00Z", "backport run dock", 2,
                         id="1", failure=Failure("no")),
    "running": replace(record(), outcome="running", exit_code=None, finished=""),
}  # fmt: skip


@pytest.fixture(params=RECORDS, ids=[*RECORDS])
def told(request):
    return RECORDS[request.param]


def words(text):
    return {word.rstrip("*"): word.endswith("*") for word in text.split()}


def xml(told):
    return ET.fromstring(render_junit(told))


# -- schemas


def test_junit_holds_to_the_schema_of_jenkins(told):
    root = xml(told)
    assert root.tag == "testsuites"
    for node in root.iter():
        attributes, children = JUNIT[node.tag]
        known = words(attributes)
        assert set(node.attrib) <= set(known), node.tag
        assert {name for name, required in known.items() if required} <= set(node.attrib)
        assert {child.tag for child in node} <= set(children.split())
        assert TIME.fullmatch(node.get("time", "0.000"))


def test_junits_sums_are_those_of_its_cases(told):
    root = xml(told)
    for node in (root, *root):
        for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(node.get(key)) == len(list(node.iter(tag)))
        assert int(node.get("skipped", 0)) == (len(list(node.iter("skipped"))) * (node is not root))


def test_kcidb_holds_to_schema_five(told):
    data = json.loads(render_kcidb(told))
    assert data["version"] == {"major": 5, "minor": 0}
    assert set(data) == {"version", *KCIDB}
    for kind, text in KCIDB.items():
        known = words(text)
        for row in data[kind]:
            assert set(row) <= set(known)
            assert {name for name, required in known.items() if required} <= set(row)
            for key, shape in SHAPES.items():
                assert key not in row or re.fullmatch(shape, row[key]), (key, row[key])
            assert row["id"].startswith(f"{row['origin']}:")
    ids = {kind: [row["id"] for row in data[kind]] for kind in KCIDB}
    assert all(len(found) == len(set(found)) for found in ids.values())
    assert {row["checkout_id"] for row in data["builds"]} <= set(ids["checkouts"])
    assert {row["build_id"] for row in data["tests"]} <= set(ids["builds"])


# -- nothing reads better than it was


def test_only_a_run_that_passed_reads_as_one(told):
    bad = int(xml(told).get("failures")) + int(xml(told).get("errors"))
    assert (bad == 0) is (told.outcome == "passed")


@pytest.mark.parametrize("name", ["failed", "splat"])
def test_a_bad_guest_is_a_bad_status_at_kcidb(name):
    tests = json.loads(render_kcidb(RECORDS[name]))["tests"]
    assert {t["status"] for t in tests if "control" not in t["path"]} - {"PASS", "SKIP"}


def test_each_outcome_has_its_word():
    told = RECORDS["failed"]
    kinds = {
        case.get("name"): [(child.tag, child.get("type")) for child in case]
        for case in xml(told).iter("testcase")
        if case.get("classname").endswith("patched.tc_dock")
    }
    assert kinds == {
        "open": [], "close": [("failure", "failed")], "lock": [("skipped", "skipped")],
        "gone": [("error", "missing")],
    }  # fmt: skip
    tests = json.loads(render_kcidb(told))["tests"]
    found = {t["path"]: t["status"] for t in tests}
    assert {path: found[path] for path in found if path.startswith("tc_dock")} == {
        "tc_dock": "FAIL", "tc_dock.open": "PASS", "tc_dock.close": "FAIL",
        "tc_dock.lock": "SKIP", "tc_dock.gone": "MISS",
    }  # fmt: skip


@pytest.mark.parametrize("cases", [(), (Case("a", "passed"),), (Case("a", "skipped"),)])
def test_a_suite_that_is_not_well_has_a_bad_case(cases):
    """A program that died behind its last case, or one in which nothing ran."""
    passed = sum(case.outcome == "passed" for case in cases)
    bad = Suite("tc_dock", passed, 0, len(cases) - passed, cases, "failed", "exit status 3")
    (group,) = [s for s in xml(replace(record(), tests=(bad,))) if "tc_dock" in s.get("name")
                and "patched" in s.get("name")]  # fmt: skip
    assert group.get("errors") == "1" and "exit status 3" in "".join(group.itertext())
    tests = json.loads(render_kcidb(replace(record(), tests=(bad,))))["tests"]
    assert [t["status"] for t in tests if t["path"] == "tc_dock"] == ["ERROR"]


# -- controls


def groups(told, name):
    return {s.get("name"): s for s in xml(told) if s.get("name").startswith(name)}


def test_what_must_fail_is_told_and_is_no_failure():
    found = groups(record(), "control-base")
    assert set(found) == {"control-base", "control-base.tc_dock", "control-base.port_dock"}
    for group in found.values():
        assert group.get("failures") == group.get("errors") == "0"
        facts = {p.get("name"): p.get("value") for p in group.iter("property")}
        assert facts == {"kernel": "6.1.0-37", "expected": "fail"}
    said = [case.find("system-out").text for case in found["control-base.tc_dock"].iter("testcase")]
    assert said == ["failed", "failed"]
    (verdict,) = found["control-base"].iter("testcase")
    assert verdict.get("name") == "fails, as it must"
    tests = {t["path"]: t for t in json.loads(render_kcidb(record()))["tests"]}
    base = tests["control.base"]
    assert (base["status"], base["comment"]) == ("PASS", "must fail")
    assert base["misc"]["cases"]["tc_dock"] == {"dock_open": "failed", "dock_close": "failed"}


def test_a_control_that_did_not_come_as_expected_fails():
    wrong = (
        Control("base", "6.1", "fail", False, suites(ok=True), detail="expected failed"),
        Control("donor", "6.12", "pass", False, suites(ok=False), detail="expected passed"),
    )
    told = replace(record(), controls=wrong)
    base, donor = groups(told, "control-base"), groups(told, "control-donor")
    assert [s.get("failures") for s in base.values()] == ["1", "0", "0"]
    assert [s.get("failures") for s in donor.values()] == ["1", "2", "1"]
    tests = {t["path"]: t["status"] for t in json.loads(render_kcidb(told))["tests"]}
    assert tests["control.base"] == tests["control.donor"] == "FAIL"


# -- names and texts


def test_every_kernel_is_a_build_of_its_own_and_the_tests_are_on_it():
    data = json.loads(render_kcidb(record(), "acme_ci"))
    assert {row["origin"] for kind in KCIDB for row in data[kind]} == {"acme_ci"}
    builds = {row["id"].rpartition("/")[2]: row["id"] for row in data["builds"]}
    assert {*builds} == {f"acme_ci:{record().id}", "control-base", "control-donor"}
    (patched,) = [row for row in data["checkouts"] if row["id"] == f"acme_ci:{record().id}"]
    assert patched["git_commit_hash"] == record().head and patched["valid"] is True
    by_path = {row["path"]: row["build_id"] for row in data["tests"]}
    assert by_path["control.base"] == builds["control-base"]
    assert by_path["tc_dock.dock_open"] == f"acme_ci:{record().id}"
    for name in ("", "Acme", "a-b", "a:b"):
        with pytest.raises(UsageError, match="no name of a CI system"):
            render_kcidb(record(), name)


def test_what_a_log_holds_breaks_neither_form():
    nasty = "\0\x1b]0;x\x07 <&\"' ]]> \udcff \ufffe é 漢" + "x" * 20_000
    case = Case("a.b/c d", "failed", nasty)
    told = replace(record(), tests=(Suite("tc dock", 0, 1, 0, (case,), "failed", nasty),))
    text = render_junit(told)
    (failure,) = ET.fromstring(text.encode()).iter("failure")
    assert "]]>" in failure.text and "漢" in failure.text and "\0" not in failure.text
    tests = json.loads(render_kcidb(told))["tests"]
    assert "tc_dock.a_b_c_d" in {t["path"] for t in tests}
    render_kcidb(told).encode("ascii")


def test_both_are_written_beside_the_report(tmp_path):
    paths = write_results(record(), tmp_path)
    assert {name: path.name for name, path in paths.items()} == {
        "junit": "junit.xml", "kcidb": "kcidb.json",
    }  # fmt: skip
    assert paths["junit"].read_text("utf-8") == render_junit(record())
    assert json.loads(paths["kcidb"].read_bytes())["checkouts"]
