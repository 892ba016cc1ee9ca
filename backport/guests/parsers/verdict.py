"""Judges a console log: crashed until proven, and what was expected and never came has failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backport.guests.parsers import PARSERS, console, splats
from backport.guests.parsers.console import Console, SuiteLog
from backport.guests.parsers.tree import (
    Case,
    CaseOutcome,
    Ended,
    Expected,
    Outcome,
    SuiteResult,
    Verdict,
)

# How a guest that never said it was done is called, by how the reading ended.
_UNFINISHED = {
    Ended.DONE: (Outcome.LOST, "the console ends without the guest's last line"),
    Ended.EXITED: (Outcome.LOST, "the machine went away"),
    Ended.SILENT: (Outcome.HANG, "the guest fell silent"),
    Ended.DEADLINE: (Outcome.HANG, "the guest did not finish in its time"),
}


def judge(
    raw: Iterable[str], ended: Ended, expected: Sequence[Expected], *, boot_only: bool = False
) -> Verdict:
    """Judge the raw console lines of a guest that was told to run `expected`.

    Nothing expected is nothing passed, unless booting was all that it was for (`boot_only`). The
    worst wins: panic, hang or lost, splat, failed, no-tests; passed is what is left.
    """
    log = console.read(raw)
    found = splats.find(log.kernel_lines)
    dead = _dead(log, ended, any(splat.kind == "panic" for splat in found))
    suites = tuple(_suite(want, log, dead[0] if dead else None) for want in expected)
    outcome, detail = dead or _finished(log, suites, boot_only)
    if found and not dead:
        outcome, detail = Outcome.SPLAT, _more(found[0].headline, len(found), detail)
    elif found:
        detail = _more(found[-1].headline, len(found), detail)
    return Verdict(outcome, detail, suites, found, log.kernel, dict(log.links), tuple(log.notes))


def _more(headline: str, count: int, detail: str) -> str:
    others = f" (and {count - 1} more)" if count > 1 else ""
    return f"{headline}{others}; {detail}" if detail else f"{headline}{others}"


def _dead(log: Console, ended: Ended, panicked: bool) -> tuple[Outcome, str] | None:
    running = next((name for name, suite in log.suites.items() if suite.status is None), "")
    where = f" during {running}" if running else ("" if log.suites else " before any test")
    if panicked:
        return Outcome.PANIC, f"the kernel panicked{where}"
    if log.banners > 1:
        return Outcome.LOST, f"the machine was reset{where}"
    if not log.done:
        outcome, what = _UNFINISHED[ended]
        return outcome, f"{what}{where}; its last words: {log.last or 'none'}"
    return None


def _finished(log: Console, suites: Sequence[SuiteResult], boot_only: bool) -> tuple[Outcome, str]:
    """The outcome of a guest that got to its end."""
    if log.problems:
        return Outcome.FAILED, log.problems[0]
    if not suites and boot_only:
        return Outcome.PASSED, "booted; no test was asked for"
    if not suites:
        return Outcome.NO_TESTS, "no suite was asked for"
    bad = [suite for suite in suites if suite.outcome is not Outcome.PASSED]
    if bad:
        failed = any(suite.outcome is Outcome.FAILED for suite in bad)
        details = "; ".join(f"{suite.name}: {suite.detail}" for suite in bad)
        return (Outcome.FAILED if failed else Outcome.NO_TESTS), details
    passed = sum(suite.passed for suite in suites)
    return Outcome.PASSED, f"{passed} passed in {len(suites)} suites"


# -- one suite


@dataclass(frozen=True)
class _Heard:
    """What one suite said, with the expected cases that it did not mention."""

    cases: tuple[Case, ...]
    problems: tuple[str, ...]

    def names(self, outcome: CaseOutcome) -> list[str]:
        return [case.name for case in self.cases if case.outcome is outcome]


def _suite(want: Expected, log: Console, dead: Outcome | None) -> SuiteResult:
    heard_log = log.suites.get(want.name)
    if heard_log is None:
        missing = tuple(Case(name, CaseOutcome.MISSING) for name in want.cases)
        return SuiteResult(want.name, Outcome.NO_TESTS, missing, "never ran")
    heard = _hear(want, heard_log)
    outcome, detail = _suite_outcome(heard_log, heard, dead)
    return SuiteResult(want.name, outcome, heard.cases, detail, _seconds(heard_log))


def _hear(want: Expected, log: SuiteLog) -> _Heard:
    report = PARSERS[want.parser](log.lines)
    seen = {case.name for case in report.cases}
    missing = (Case(name, CaseOutcome.MISSING) for name in want.cases if name not in seen)
    return _Heard((*report.cases, *missing), report.problems)


def _suite_outcome(log: SuiteLog, heard: _Heard, dead: Outcome | None) -> tuple[Outcome, str]:
    if log.status is None:
        return dead or Outcome.LOST, _counts(heard, "never ended")
    failed, missing = heard.names(CaseOutcome.FAILED), heard.names(CaseOutcome.MISSING)
    skipped, passed = heard.names(CaseOutcome.SKIPPED), heard.names(CaseOutcome.PASSED)
    faults = [
        (Outcome.FAILED, f"failed: {_some(failed)}" if failed else ""),
        (Outcome.FAILED, "; ".join(heard.problems)),
        (Outcome.NO_TESTS, f"never ran: {_some(missing)}" if missing else ""),
        (Outcome.FAILED, f"skipped, which is not passed: {_some(skipped)}" if skipped else ""),
        (Outcome.NO_TESTS, "" if passed or failed or skipped else "nothing ran"),
        (Outcome.FAILED, f"exit status {log.status}" if log.status and not failed else ""),
    ]
    found = [(outcome, text) for outcome, text in faults if text]
    if not found:
        return Outcome.PASSED, ""
    return found[0][0], _counts(heard, "; ".join(text for _, text in found))


def _counts(heard: _Heard, what: str) -> str:
    passed = len(heard.names(CaseOutcome.PASSED))
    return f"{passed} of {len(heard.cases)} passed; {what}"


def _some(names: Sequence[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _seconds(log: SuiteLog) -> float | None:
    if log.began is None or log.ended is None:
        return None
    return round(log.ended - log.began, 3)
