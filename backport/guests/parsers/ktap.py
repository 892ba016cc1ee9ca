"""Reads KTAP (the kernel's Documentation/dev-tools/ktap.rst) and TAP, with kselftest's nesting.

    KTAP version 1                         TAP version 13
    1..2                                   1..1
      KTAP version 1                       # TAP version 13
      1..1                                 # 1..1
      ok 1 sub                             # not ok 1 sub
    ok 1 test                              not ok 1 selftests: net: x.sh # exit=1
    not ok 2 other # TIMEOUT 45 seconds

A test's parts and talk stand above its own line, one step to the right (two or four blanks, or
`# `). What the plan promised and never came is missing; a test with a failed part has failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from backport.guests.parsers.tree import Case, CaseOutcome, Line, Report

MAX_DETAIL = 60
MAX_DEPTH = 12  # deeper nesting is somebody's log text, not tests

_VERSION = re.compile(r"^K?TAP version \d+\s*$")
_PLAN = re.compile(r"^1\.\.(\d+)(?:\s*# *SKIP\b *(.*))?\s*$", re.IGNORECASE)
_RESULT = re.compile(r"^(ok|not ok)\b(?: +(\d+))?(?: +- | +)?(.*)$")
_BAIL = re.compile(r"^Bail out!\s*(.*)$")
_DIRECTIVE = re.compile(
    r"^(?P<name>.*?)\s*(?<!\\)# *(?:(?P<word>SKIP|TODO|XFAIL|XPASS|TIMEOUT|ERROR)\b[: ]*"
    r"(?P<why>.*)|exit=(?P<exit>\d+).*)$",
    re.IGNORECASE,
)

_BLANKS = re.compile(r"^ *")
_HASH = "# "

# (what the line says, its directive) to an outcome; anything else follows ok and not ok.
# XFAIL is a failure that its author expects; TIMEOUT and ERROR are failures whatever the line says.
_BY_DIRECTIVE = {
    ("ok", "SKIP"): CaseOutcome.SKIPPED,
    ("not ok", "SKIP"): CaseOutcome.SKIPPED,
    ("ok", "XFAIL"): CaseOutcome.PASSED,
    ("not ok", "XFAIL"): CaseOutcome.PASSED,
    ("not ok", "TODO"): CaseOutcome.PASSED,
    ("ok", "XPASS"): CaseOutcome.FAILED,
    ("ok", "TIMEOUT"): CaseOutcome.FAILED,
    ("ok", "ERROR"): CaseOutcome.FAILED,
}
_PLAIN = {"ok": CaseOutcome.PASSED, "not ok": CaseOutcome.FAILED}


@dataclass
class _Level:
    """One level of nesting while it is read."""

    cases: list[Case] = field(default_factory=list)
    pending: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    plan: int | None = None
    skip_all: str | None = None
    last: float | None = None


def parse(lines: Iterable[Line]) -> Report:
    """Read a whole KTAP or TAP output."""
    level = _read(list(lines), 0)
    if not level.cases and level.skip_all is None:
        level.problems.append("no test result")
    return Report(tuple(level.cases), tuple(level.problems))


def _read(lines: Sequence[Line], depth: int) -> _Level:
    level = _Level()
    for line in lines:
        if level.last is None:
            level.last = line.time
        _line(level, line, depth)
    _finish(level, depth)
    return level


def _line(level: _Level, line: Line, depth: int) -> None:
    text = line.text.rstrip()
    result, plan, bail = _RESULT.match(text), _PLAN.match(text), _BAIL.match(text)
    if result:
        _result(level, result, line.time, depth)
    elif plan:
        level.plan = int(plan[1])
        level.skip_all = plan[2] if level.plan == 0 or plan[2] is not None else None
    elif bail:
        level.problems.append(f"bailed out: {bail[1] or 'no reason given'}")
    elif not _VERSION.match(text):
        level.pending.append(line)


def _result(level: _Level, found: re.Match[str], time: float | None, depth: int) -> None:
    word, number, rest = found.groups()
    _check_number(level, number)
    name, outcome, why = _judge(word, rest)
    parts = _parts(level.pending, depth)
    if any(part.outcome in (CaseOutcome.FAILED, CaseOutcome.MISSING) for part in parts.cases):
        outcome = CaseOutcome.FAILED
    if parts.problems and outcome is CaseOutcome.PASSED:
        outcome = CaseOutcome.FAILED
    detail: tuple[str, ...] = ()
    if outcome is not CaseOutcome.PASSED:
        talk = [line.text.strip() for line in parts.pending if line.text.strip(" #")]
        detail = (*([why] if why else []), *parts.problems, *talk[-MAX_DETAIL:])
    seconds = None if time is None or level.last is None else round(time - level.last, 3)
    level.cases.append(Case(name or f"test {number}", outcome, seconds, detail, tuple(parts.cases)))
    level.pending, level.last = [], time


def _check_number(level: _Level, number: str | None) -> None:
    want = len(level.cases) + 1
    if number is not None and int(number) != want:
        level.problems.append(f"result {number} where {want} should be")


def _judge(word: str, rest: str) -> tuple[str, CaseOutcome, str]:
    """A result line's name, outcome and reason."""
    found = _DIRECTIVE.match(rest)
    if not found:
        return rest.strip(), _PLAIN[word], ""
    if found["exit"] is not None:
        failed = word == "not ok" or found["exit"] != "0"
        outcome = CaseOutcome.FAILED if failed else CaseOutcome.PASSED
        return found["name"], outcome, f"exit status {found['exit']}"
    directive = found["word"].upper()
    why = f"{directive} {found['why']}".strip()
    return found["name"], _BY_DIRECTIVE.get((word, directive), _PLAIN[word]), why


def _parts(pending: Sequence[Line], depth: int) -> _Level:
    """The parts of a test, and its talk, from what stood above its line."""
    step = _step(pending)
    inner = [_outdent(line, step) for line in pending]
    if not step or depth >= MAX_DEPTH:
        return _Level(pending=list(inner))
    return _read(inner, depth + 1)


def _step(pending: Sequence[Line]) -> str:
    """By what the parts of a test are set off from it; empty if it has no parts."""
    if any(_is_result(_outdent(line, _HASH).text.lstrip()) for line in pending if _hashed(line)):
        return _HASH
    blanks = [_BLANKS.match(line.text) for line in pending]
    depths = [len(m[0]) for m in blanks if m and m[0] and _is_result(m.string[m.end() :])]
    return " " * min(depths, default=0)


def _hashed(line: Line) -> bool:
    return line.text.startswith("#")


def _outdent(line: Line, step: str) -> Line:
    if step == _HASH and _hashed(line):
        return Line(line.text[1:].removeprefix(" "), line.time)
    return Line(line.text.removeprefix(step), line.time)


def _is_result(text: str) -> bool:
    return bool(_RESULT.match(text) or _PLAN.match(text) or _VERSION.match(text))


def _finish(level: _Level, depth: int) -> None:
    """What was promised and never came, at the end of a level."""
    if depth == 0 and _step(level.pending):
        level.problems.append("parts of a test that never ended")
    if level.plan is None:
        if level.cases:
            level.problems.append("no plan: how many tests there should be is not known")
        return
    if len(level.cases) > level.plan:
        level.problems.append(f"{len(level.cases)} results, {level.plan} planned")
    for number in range(len(level.cases) + 1, level.plan + 1):
        level.cases.append(Case(f"test {number}", CaseOutcome.MISSING))
