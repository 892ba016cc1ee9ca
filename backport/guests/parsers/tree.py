"""What a console log becomes: cases in suites, splats, and one outcome for the guest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ended(StrEnum):
    """How a runner's reading of the console came to its end."""

    DONE = "done"  # the guest printed its last line
    EXITED = "exited"  # the machine went away before that
    SILENT = "silent"  # nothing was printed for too long
    DEADLINE = "deadline"  # it talked on past the time that it was given


class CaseOutcome(StrEnum):
    """How one test case ended; `missing` is an expected one of which nothing was heard."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    MISSING = "missing"


class Outcome(StrEnum):
    """How a suite, or a guest with all its suites, ended; only `passed` is good."""

    PASSED = "passed"
    FAILED = "failed"
    SPLAT = "splat"  # tests may have passed, but the kernel complained
    NO_TESTS = "no-tests"  # an expected suite or case never ran
    PANIC = "panic"
    HANG = "hang"
    LOST = "lost"  # the machine went away without a result


@dataclass(frozen=True)
class Line:
    """One console line without its prefix; `time` is the guest's, in seconds, None if unsaid."""

    text: str
    time: float | None = None


@dataclass(frozen=True)
class Case:
    """One test; `detail` is what it printed when it did not pass, `subcases` its parts."""

    name: str
    outcome: CaseOutcome
    seconds: float | None = None
    detail: tuple[str, ...] = ()
    subcases: tuple[Case, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a parser read out of one suite's output; `problems` are contradictions in it."""

    cases: tuple[Case, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class SuiteResult:
    """One suite: all its cases, the expected ones that are missing included."""

    name: str
    outcome: Outcome
    cases: tuple[Case, ...]
    detail: str = ""
    seconds: float | None = None

    def count(self, outcome: CaseOutcome) -> int:
        """How many cases ended this way."""
        return sum(case.outcome is outcome for case in self.cases)

    @property
    def passed(self) -> int:
        return self.count(CaseOutcome.PASSED)

    @property
    def skipped(self) -> int:
        return self.count(CaseOutcome.SKIPPED)

    @property
    def failed(self) -> int:
        """Cases that failed, and expected ones that never ran."""
        return self.count(CaseOutcome.FAILED) + self.count(CaseOutcome.MISSING)


@dataclass(frozen=True)
class Splat:
    """One complaint of the kernel; `suite` ran when it came (empty: before or after the tests).

    `fingerprint` is the same for the same complaint in another boot: no addresses, times or ids.
    """

    kind: str
    headline: str
    frames: tuple[str, ...]
    suite: str
    lines: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class Expected:
    """A suite that the guest was told to run, and every case of it."""

    name: str
    cases: tuple[str, ...]
    parser: str = "test_progs"


@dataclass(frozen=True)
class Verdict:
    """A judged console log; `links` says which kinds of device the kernel has."""

    outcome: Outcome
    detail: str
    suites: tuple[SuiteResult, ...]
    splats: tuple[Splat, ...]
    kernel: str
    links: dict[str, bool]
    notes: tuple[str, ...] = ()
