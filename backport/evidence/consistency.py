"""Whether a run's record says of itself what its parts say: a verdict follows from its gates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from backport.values.errors import Exit
from backport.values.record import PASSED, Case, Control, RunRecord, Suite, outcome_of

_OID = re.compile("[0-9a-f]{40}")

FAILED = "failed"
MISSING = "missing"
PASSES = {"pass": True, "fail": False}  # what a control must do in every suite


def objections(record: RunRecord) -> list[str]:
    """Every contradiction in a record, one line each; none in one that a run wrote."""
    return [
        *_ids(record),
        *_verdict(record),
        *_gates(record),
        *_picks(record),
        *(line for suite in record.tests for line in _suite(suite, "patched")),
        *(line for control in record.controls for line in _control(control)),
    ]


def _ids(record: RunRecord) -> Iterator[str]:
    """Whatever is given to git as an object's name must be one, and no option."""
    base, up = record.base, record.upstream
    ids = {"head": record.head, "tree": record.tree, "inputs": record.inputs}
    ids |= {"base": base.commit, "base's tree": base.tree} if base else {}
    ids |= {"upstream": up.commit} if up else {}
    for pick in record.picks:
        ids |= {f"{pick.subject}: commit": pick.commit, f"{pick.subject}: upstream": pick.sha}
    for what, oid in ids.items():
        if oid and not _OID.fullmatch(oid):
            yield f"{what}: {oid!r} is no object id"


def _verdict(record: RunRecord) -> Iterator[str]:
    if record.exit_code is None or not record.finished:
        yield f"it had not ended: {record.outcome}"
    elif record.outcome != outcome_of(record.exit_code):
        yield f"verdict {record.outcome}, exit status {record.exit_code}"
    if (record.failure is None) != (record.exit_code == Exit.OK):
        yield f"exit status {record.exit_code}, failure {record.failure}"
    if record.outcome != PASSED:
        return
    bad = [gate.name for gate in record.gates if gate.outcome not in {PASSED, "not-run"}]
    if bad:
        yield f"verdict passed, but not so: {', '.join(bad)}"
    bad = [suite.suite for suite in record.tests if not suite.ok]
    if bad:
        yield f"verdict passed, but not in {', '.join(bad)}"
    if record.guest and record.guest.outcome != PASSED:
        yield f"verdict passed, but the guest ended as {record.guest.outcome}"
    if record.config and (record.config.lost or record.config.held != record.config.requested):
        yield f"verdict passed, but {record.config.requested - record.config.held} symbols lost"


def _gates(record: RunRecord) -> Iterator[str]:
    """What a gate says against what it judged."""
    said = {gate.name: gate.outcome for gate in record.gates}
    for name, number in Counter(gate.name for gate in record.gates).items():
        if number > 1:
            yield f"gate {name} is there {number} times"
    tested = bool(record.guest and record.guest.outcome == PASSED)
    if record.tests and (said.get("boot and tests") == PASSED) != (tested and _all_ok(record)):
        yield f"gate boot and tests: {said.get('boot and tests')}, the suites say otherwise"
    for control in record.controls:
        gate = said.get(f"control-{control.name}")
        if gate != (PASSED if control.ok else FAILED):
            yield f"gate control-{control.name}: {gate}, the control says otherwise"
    missing = [name for name in _needed(record) if name not in said]
    if missing:
        yield f"gates that such a run has are missing: {', '.join(missing)}"


def _all_ok(record: RunRecord) -> bool:
    return all(suite.ok for suite in record.tests)


def _needed(record: RunRecord) -> list[str]:
    """The gates without which a passed run could not have come this far."""
    names = ["accounting", "form", "symbols", "uapi"] if record.head else []
    names += ["config", "objects"] if record.build else []
    names += ["boot and tests"] if record.guest else []
    return names if record.outcome == PASSED else []


def _picks(record: RunRecord) -> Iterator[str]:
    made = [pick.commit for pick in record.picks if pick.commit]
    if record.head and made and record.head != made[-1]:
        yield f"its head is {record.head}, its last pick {made[-1]}"
    if record.outcome == PASSED and any(pick.outcome == "conflict" for pick in record.picks):
        yield "verdict passed, but a pick is left in conflict"
    known = {*made, ""}
    strange = [a.rule for a in record.adaptations if a.commit not in known]
    if strange:
        yield f"rules that fired in no pick of it: {', '.join(sorted(set(strange)))}"


def _suite(suite: Suite, kernel: str) -> Iterator[str]:
    counts = _counts(suite.cases)
    if counts != (suite.passed, suite.failed, suite.skipped):
        told = (suite.passed, suite.failed, suite.skipped)
        yield f"{kernel} {suite.suite}: counts {told}, its cases {counts}"
    if suite.outcome == PASSED and not suite.ok:
        yield f"{kernel} {suite.suite}: passed, with cases that did not"


def _counts(cases: Sequence[Case]) -> tuple[int, int, int]:
    by = Counter(case.outcome for case in cases)
    return by[PASSED], by[FAILED] + by[MISSING], by["skipped"]


def _control(control: Control) -> Iterator[str]:
    kernel = f"control-{control.name}"
    for suite in control.suites:
        yield from _suite(suite, kernel)
    wanted = PASSES.get(control.expected)
    if wanted is None:
        yield f"{kernel}: expected {control.expected!r}, want pass or fail"
    elif control.ok and any((suite.outcome == PASSED) is not wanted for suite in control.suites):
        yield f"{kernel}: as expected ({control.expected}), its suites say otherwise"
    elif control.ok and not control.suites:
        yield f"{kernel}: as expected, without a suite"
