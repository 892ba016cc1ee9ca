"""KTAP and TAP, nested by blanks and by kselftest's `# `."""

from __future__ import annotations

import pytest

from backport.guests.parsers import PARSERS, ktap
from backport.guests.parsers.tree import CaseOutcome, Ended, Expected, Line, Outcome
from backport.guests.parsers.verdict import judge

P, F, S, M = CaseOutcome.PASSED, CaseOutcome.FAILED, CaseOutcome.SKIPPED, CaseOutcome.MISSING


def parse(text: str):
    return ktap.parse([Line(line) for line in text.splitlines()])


def outcomes(text: str):
    return [case.outcome for case in parse(text).cases]


NESTED = """\
KTAP version 1
1..2
  KTAP version 1
  1..2
    KTAP version 1
    1..1
    # inner: value is 3
    not ok 1 inner
  # outer talk
  not ok 1 middle
  ok 2 other
not ok 1 first
ok 2 second
"""


def test_nesting_by_blanks():
    first, second = parse(NESTED).cases
    assert (first.name, first.outcome) == ("first", F)
    assert [part.name for part in first.subcases] == ["middle", "other"]
    inner = first.subcases[0].subcases[0]
    assert (inner.name, inner.outcome, inner.detail) == ("inner", F, ("# inner: value is 3",))
    assert (second.outcome, second.subcases) == (P, ())


KSELFTEST = """\
TAP version 13
1..4
# timeout set to 45
# selftests: net: a.sh
# TAP version 13
# 1..3
# ok 1 one
# # talk of two
# not ok 2 two # SKIP no such device
# ok 3 three # XFAIL known
# # Totals: pass:1 fail:0 xfail:1 skip:1
ok 1 selftests: net: a.sh
# selftests: net: b.sh
not ok 2 selftests: net: b.sh # TIMEOUT 45 seconds
# selftests: net: c.sh
not ok 3 selftests: net: c.sh # exit=1
# selftests: net: d.sh
ok 4 selftests: net: d.sh # SKIP needs root
"""


def test_nesting_by_kselftests_hash():
    report = parse(KSELFTEST)
    assert report.problems == ()
    assert [case.outcome for case in report.cases] == [P, F, F, S]
    assert [part.outcome for part in report.cases[0].subcases] == [P, S, P]
    assert report.cases[1].detail[0] == "TIMEOUT 45 seconds"
    assert report.cases[2].detail[0] == "exit status 1"
    assert report.cases[0].name == "selftests: net: a.sh"


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("ok 1 a", P),
        ("ok 1 - a", P),
        ("ok", P),
        ("not ok 1 a", F),
        ("ok 1 a # SKIP why", S),
        ("ok 1 a # skip why", S),
        ("not ok 1 a # SKIP why", S),
        ("not ok 1 a # XFAIL expected", P),
        ("not ok 1 a # TODO later", P),
        ("ok 1 a # XPASS surprise", F),
        ("not ok 1 a # TIMEOUT 45 seconds", F),
        ("ok 1 a # TIMEOUT 45 seconds", F),
        ("ok 1 a # ERROR", F),
        ("not ok 1 a # exit=4", F),
        ("ok 1 a # exit=4", F),
        ("not ok 1 a # exit=0", F),
        (r"ok 1 uses \# SKIP in its name", P),
        ("ok 1 skipped-things # of all kinds", P),
    ],
)
def test_directives(line, outcome):
    assert outcomes(f"1..1\n{line}\n") == [outcome]


@pytest.mark.parametrize("text", ["", "hello\n", "okay then\n", "KTAP version 1\n", "1..0\n"])
def test_no_result_is_no_pass(text):
    report = parse(text)
    assert report.problems or not report.cases
    assert P not in [case.outcome for case in report.cases]


def test_planned_results_that_never_came_are_missing():
    assert outcomes("1..3\nok 1 a\n") == [P, M, M]


def test_a_missing_part_fails_its_test():
    report = parse("1..1\n  1..2\n  ok 1 x\nok 1 a\n")
    assert [case.outcome for case in report.cases] == [F]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1..1\nok 1 a\nok 2 b\n", "2 results, 1 planned"),
        ("ok 1 a\n", "no plan"),
        ("1..2\nok 1 a\nok 3 b\n", "result 3 where 2 should be"),
        ("1..2\nok 1 a\nBail out! no memory\n", "bailed out: no memory"),
        ("1..1\nok 1 a\n# 1..2\n# ok 1 x\n", "never ended"),
    ],
)
def test_contradictions_are_problems(text, says):
    assert any(says in problem for problem in parse(text).problems)


def test_bailing_out_inside_fails_the_test_around_it():
    assert outcomes("1..1\n# 1..1\n# Bail out! broken\nok 1 a\n") == [F]


def test_a_skipped_plan_is_no_pass():
    report = parse("1..0 # SKIP no device\n")
    assert (report.cases, report.problems) == ((), ())


def test_deep_nesting_does_not_break_the_reader():
    deep = "# " * 3000 + "ok 1 x\n"
    assert outcomes(f"1..1\n{deep}ok 1 a\n") == [P]


def test_seconds_come_from_the_guests_clock():
    lines = [Line("1..2", 1.0), Line("ok 1 a", 1.5), Line("ok 2 b", 4.0)]
    assert [case.seconds for case in ktap.parse(lines).cases] == [0.5, 2.5]


def test_no_prefix_of_a_good_output_reads_as_complete():
    lines = ["TAP version 13", "1..2", "# 1..1", "# ok 1 x", "ok 1 a", "ok 2 b"]
    for size in range(len(lines)):
        report = parse("\n".join(lines[:size]))
        assert report.problems or [c.outcome for c in report.cases] != [P, P], lines[:size]


def test_a_suite_may_speak_ktap():
    lines = [
        "@@backport begin net@@",
        "@@net| 1..1",
        "@@net| ok 1 a.sh",
        "@@backport end net rc=0@@",
    ]
    wants = [Expected("net", ("a.sh",), parser="ktap")]
    assert judge([*lines, "@@backport done@@"], Ended.DONE, wants).outcome is Outcome.PASSED
    assert set(PARSERS) == {"test_progs", "ktap"}
