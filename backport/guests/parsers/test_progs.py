"""Reads the text that upstream's `test_progs` prints.

    #12/3    tc_links_basic/sub:OK        a subtest, before its test
    #12      tc_links_basic:FAIL          a test: OK, FAIL, SKIP or "OK (SKIP: 1/3)"
    All error logs:                       everything that failed, once more
    Summary: 1/0 PASSED, 0 SKIPPED, 13 FAILED

What a failed test printed stands above its own line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from backport.guests.parsers.tree import Case, CaseOutcome, Line, Report

MAX_DETAIL = 60  # lines of a failed test that are kept; the log has them all

_RESULT = re.compile(r"^#(\d+)(?:/(\d+))?\s+(\S.*?):(OK|FAIL|SKIP)(?: \(SKIP: (\d+)/(\d+)\))?\s*$")
_SUMMARY = re.compile(r"^Summary: (\d+)/(\d+) PASSED, (\d+) SKIPPED, (\d+) FAILED\s*$")
_LOGS = re.compile(r"^All error logs:\s*$")
_CHECK_PASSED = re.compile(r"^\S+:PASS:.* nsec\s*$")
_SIGNAL = re.compile(r"^Caught signal #(\d+)!")

_OUTCOMES = {"OK": CaseOutcome.PASSED, "FAIL": CaseOutcome.FAILED, "SKIP": CaseOutcome.SKIPPED}


@dataclass
class _State:
    cases: dict[str, Case] = field(default_factory=dict)
    subcases: list[Case] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    last: float | None = None
    repeating: bool = False
    summary: tuple[int, ...] | None = None


def parse(lines: Iterable[Line]) -> Report:
    """Read one run of test_progs; a contradiction or a missing summary is a problem."""
    state = _State()
    for line in lines:
        if state.last is None:
            state.last = line.time
        _line(state, line)
    cases = tuple(state.cases.values())
    if state.subcases:
        state.problems.append(f"subtests of a test that never ended: {state.subcases[0].name}")
    return Report(cases, (*state.problems, *_check_summary(state, cases)))


def _line(state: _State, line: Line) -> None:
    if state.summary is not None:
        return
    result, summary = _RESULT.match(line.text), _SUMMARY.match(line.text)
    if summary:
        state.summary = tuple(int(group) for group in summary.groups())
    elif _LOGS.match(line.text):
        state.repeating = True
    elif result and not state.repeating:
        _result(state, result, line.time)
    elif not state.repeating:
        _printed(state, line.text)


def _printed(state: _State, text: str) -> None:
    caught = _SIGNAL.match(text)
    if caught:
        state.problems.append(f"test_progs died of signal {caught[1]}")
    if text.strip() and not _CHECK_PASSED.match(text):
        state.printed = [*state.printed[-MAX_DETAIL + 1 :], text.rstrip()]


def _result(state: _State, found: re.Match[str], time: float | None) -> None:
    _, sub, name, word, skipped, total = found.groups()
    outcome = _OUTCOMES[word]
    detail = tuple(state.printed) if outcome is not CaseOutcome.PASSED else ()
    if skipped and outcome is CaseOutcome.PASSED:
        # Some of it did not run: that is not a pass.
        outcome, detail = CaseOutcome.SKIPPED, (f"{skipped} of {total} subtests were skipped",)
    if sub is not None:
        state.subcases.append(Case(name, outcome, _since(state.last, time), detail))
    else:
        if name in state.cases:
            state.problems.append(f"{name}: two results")
            outcome = CaseOutcome.FAILED
        parts = tuple(state.subcases)
        outcome = _with_parts(outcome, parts)
        state.cases[name] = Case(name, outcome, _since(state.last, time), detail, parts)
        state.subcases = []
        state.last = time
    state.printed = []


def _with_parts(outcome: CaseOutcome, parts: tuple[Case, ...]) -> CaseOutcome:
    failed = any(part.outcome is CaseOutcome.FAILED for part in parts)
    return CaseOutcome.FAILED if failed else outcome


def _since(last: float | None, time: float | None) -> float | None:
    return None if last is None or time is None else round(time - last, 3)


def _check_summary(state: _State, cases: tuple[Case, ...]) -> tuple[str, ...]:
    if state.summary is None:
        return ("no summary line",)
    passed, _, _, failed = state.summary
    seen_failed = sum(case.outcome is CaseOutcome.FAILED for case in cases)
    # What was skipped counts as passed there.
    seen_passed = len(cases) - seen_failed
    if (passed, failed) != (seen_passed, seen_failed):
        return (
            f"the summary says {passed} passed and {failed} failed, "
            f"but {seen_passed} and {seen_failed} were seen",
        )
    return ()
