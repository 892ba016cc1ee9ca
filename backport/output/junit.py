"""A run as JUnit XML, for what draws tests in a CI: Jenkins, GitLab, GitHub actions.

Every kernel has suites of its own. A control is judged as a whole, by what was expected of it: a
case that fails in the kernel without the feature is told, and is no failure of the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from backport.values.record import PASSED, Case, Control, Gate, Pick, RunRecord, Suite

_UNSAYABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FAILURE, ERROR, SKIPPED = "failure", "error", "skipped"
LEFT = "conflict"
PASS = "pass"


@dataclass(frozen=True)
class _Test:
    """One testcase; `kind` is how it ended, empty when well."""

    name: str
    kind: str = ""
    word: str = ""  # the outcome, as the record has it
    text: str = ""
    said: str = ""  # what it said although it ended well
    seconds: float | None = None


@dataclass(frozen=True)
class _Group:
    """One testsuite."""

    name: str
    tests: tuple[_Test, ...]
    seconds: float = 0.0
    facts: dict[str, str] = field(default_factory=dict)

    def count(self, kind: str) -> int:
        return sum(test.kind == kind for test in self.tests)


def render_junit(record: RunRecord) -> str:
    """The run in the form of Jenkins' junit-10.xsd."""
    groups = [group for group in _groups(record) if group.tests]
    root = ET.Element("testsuites", name=f"backport {record.series} on {record.where}")
    for key, kind in (("failures", FAILURE), ("errors", ERROR)):
        root.set(key, str(sum(group.count(kind) for group in groups)))
    root.set("tests", str(sum(len(group.tests) for group in groups)))
    root.set("time", f"{record.seconds:.3f}")
    for group in groups:
        root.append(_suite(record, group))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


# -- what a run has


def _groups(record: RunRecord) -> Iterator[_Group]:
    yield _Group("run", (_verdict(record),), record.seconds, {"command": record.command})
    yield _Group("picks", tuple(_pick(pick) for pick in record.picks))
    yield _Group("gates", tuple(_gate(gate) for gate in record.gates))
    if record.guest:
        guest = record.guest
        kind = "" if guest.outcome == PASSED else ERROR
        boot = _Test("guest", kind, guest.outcome, guest.detail, seconds=guest.seconds)
        yield _Group("patched", (boot,), guest.seconds, {"accel": guest.accel})
    for suite in record.tests:
        yield _Group(f"patched.{suite.suite}", tuple(_cases(suite)), suite.seconds)
    for control in record.controls:
        yield from _control(control)


def _verdict(record: RunRecord) -> _Test:
    """The run itself: whatever stopped it, no report of it reads as passed."""
    if record.outcome == PASSED:
        return _Test("verdict")
    failure = record.failure
    parts = [failure.message, failure.hint and f"next: {failure.hint}"] if failure else []
    text = "\n".join(filter(None, parts)) or record.outcome
    return _Test("verdict", FAILURE, record.outcome, text)


def _pick(pick: Pick) -> _Test:
    if pick.outcome == LEFT:
        return _Test(pick.subject, FAILURE, pick.outcome, "\n".join(pick.conflicts))
    return _Test(pick.subject, said=f"{pick.outcome}, upstream {pick.sha}")


def _gate(gate: Gate) -> _Test:
    kinds = {PASSED: "", "not-run": SKIPPED}
    kind = kinds.get(gate.outcome, FAILURE)
    return _Test(gate.name, kind, gate.outcome, gate.detail, "" if kind else gate.detail)


def _cases(suite: Suite) -> Iterator[_Test]:
    tests = [_case(case) for case in suite.cases]
    yield from tests
    if not suite.ok and not any(test.kind in {FAILURE, ERROR} for test in tests):
        word = suite.outcome or "no-tests"
        yield _Test("the suite as a whole", ERROR, word, suite.detail or "nothing passed")


def _case(case: Case) -> _Test:
    kinds = {PASSED: "", "skipped": SKIPPED, "missing": ERROR}
    text = case.detail or ("it never ran" if case.outcome == "missing" else "")
    return _Test(case.name, kinds.get(case.outcome, FAILURE), case.outcome, text)


def _control(control: Control) -> Iterator[_Group]:
    """What was expected, and whether it came so; then, suite by suite, what was seen."""
    name = f"control-{control.name}"
    kind, word = ("", "as-expected") if control.ok else (FAILURE, "not-as-expected")
    facts = {"kernel": control.kernel, "expected": control.expected}
    must = f"{control.expected}es" if control.expected.endswith("s") else f"{control.expected}s"
    judged = _Test(f"{must}, as it must", kind, word, control.detail, control.detail)
    yield _Group(name, (judged,), control.seconds, facts)
    for suite in control.suites:
        tests: Iterable[_Test] = _cases(suite)
        if control.expected != PASS:
            tests = (_seen(case) for case in suite.cases)
        yield _Group(f"{name}.{suite.suite}", tuple(tests), suite.seconds, facts)


def _seen(case: Case) -> _Test:
    """A case of a kernel that must fail: what it did is no failure."""
    return _Test(case.name, said="\n".join(filter(None, (case.outcome, case.detail))))


# -- XML


def _suite(record: RunRecord, group: _Group) -> ET.Element:
    counts = {"failures": FAILURE, "errors": ERROR, "skipped": SKIPPED}
    out = ET.Element("testsuite", name=_text(group.name), tests=str(len(group.tests)))
    for key, kind in counts.items():
        out.set(key, str(group.count(kind)))
    out.set("time", f"{group.seconds:.3f}")
    if record.started:
        out.set("timestamp", record.started.removesuffix("Z"))
    if group.facts:
        rows = ET.SubElement(out, "properties")
        for key, value in group.facts.items():
            ET.SubElement(rows, "property", name=key, value=_text(value))
    # A dot would begin a package within the target's name.
    target = record.where.replace(".", "_")
    for test in group.tests:
        out.append(_testcase(f"{record.series}.{target}.{group.name}", test))
    return out


def _testcase(classname: str, test: _Test) -> ET.Element:
    out = ET.Element("testcase", classname=_text(classname), name=_text(test.name))
    if test.seconds is not None:
        out.set("time", f"{test.seconds:.3f}")
    if test.kind:
        text = _text(test.text)
        first = next(iter(text.splitlines()), "")
        ET.SubElement(out, test.kind, type=_text(test.word), message=first).text = text
    elif test.said:
        ET.SubElement(out, "system-out").text = _text(test.said)
    return out


def _text(value: str) -> str:
    """A text with what XML 1.0 cannot say replaced, whatever a log put in it."""
    return _UNSAYABLE.sub("\N{REPLACEMENT CHARACTER}", value)
