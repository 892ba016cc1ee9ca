"""Console logs to verdicts: a golden log for each way in which a guest can end."""

from __future__ import annotations

from pathlib import Path

import pytest

from backport.guests.parsers import console, splats
from backport.guests.parsers import test_progs as progs
from backport.guests.parsers.tree import CaseOutcome, Ended, Expected, Line, Outcome, Verdict
from backport.guests.parsers.verdict import judge

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = [
    Expected("tc_netkit", ("tc_netkit_basic", "tc_netkit_device")),
    Expected("tc_opts", ("tc_opts_after", "tc_opts_basic")),
]


def golden(name: str) -> list[str]:
    return (GOLDEN / f"{name}.log").read_bytes().decode().split("\n")


def verdict_of(name: str, ended: Ended = Ended.DONE) -> Verdict:
    return judge(golden(name), ended, EXPECTED)


# -- every way to end: log, how the reading ended, outcome, words of the detail

WAYS = [
    ("passed", Ended.DONE, Outcome.PASSED, "4 passed in 2 suites"),
    ("failed", Ended.DONE, Outcome.FAILED, "failed: tc_netkit_device"),
    ("failed-subtest", Ended.DONE, Outcome.FAILED, "failed: tc_opts_basic"),
    ("skipped", Ended.DONE, Outcome.FAILED, "skipped, which is not passed: tc_netkit_device"),
    ("skipped-in-part", Ended.DONE, Outcome.FAILED, "not passed: tc_opts_basic"),
    ("no-suite", Ended.DONE, Outcome.NO_TESTS, "tc_opts: never ran"),
    ("no-test", Ended.DONE, Outcome.NO_TESTS, "tc_netkit: never ran; tc_opts: never ran"),
    ("missing-case", Ended.DONE, Outcome.NO_TESTS, "never ran: tc_netkit_device"),
    ("summary-lies", Ended.DONE, Outcome.FAILED, "summary says 3 passed and 0 failed"),
    ("crashed-program", Ended.DONE, Outcome.FAILED, "died of signal 11"),
    ("bad-status", Ended.DONE, Outcome.FAILED, "exit status 2"),
    ("cut-in-two", Ended.DONE, Outcome.FAILED, "never ran: tc_netkit_device"),
    ("not-ended", Ended.DONE, Outcome.FAILED, "tc_opts began before tc_netkit ended"),
    ("warning", Ended.DONE, Outcome.SPLAT, "WARNING: CPU: 0 PID: 61 at net/demo/entry.c:123"),
    ("oops", Ended.DONE, Outcome.SPLAT, "BUG: kernel NULL pointer dereference"),
    ("gp-fault", Ended.DONE, Outcome.SPLAT, "general protection fault"),
    ("kasan", Ended.DONE, Outcome.SPLAT, "KASAN: slab-use-after-free in demo_release"),
    ("lockdep", Ended.DONE, Outcome.SPLAT, "possible circular locking"),
    ("device-leak", Ended.DONE, Outcome.SPLAT, "waiting for nk0 to become free"),
    ("panic", Ended.EXITED, Outcome.PANIC, "Fatal exception in interrupt"),
    ("panic", Ended.SILENT, Outcome.PANIC, "during tc_netkit"),
    ("panic-no-root", Ended.EXITED, Outcome.PANIC, "before any test"),
    ("rcu-stall", Ended.SILENT, Outcome.HANG, "self-detected stall"),
    ("hung-task", Ended.DEADLINE, Outcome.HANG, "blocked for more than 120 seconds"),
    ("lost", Ended.SILENT, Outcome.HANG, "the guest fell silent during tc_netkit"),
    ("lost", Ended.DEADLINE, Outcome.HANG, "did not finish in its time during tc_netkit"),
    ("lost", Ended.EXITED, Outcome.LOST, "the machine went away during tc_netkit"),
    ("lost", Ended.DONE, Outcome.LOST, "without the guest's last line"),
    ("lost-at-once", Ended.EXITED, Outcome.LOST, "could not load kernel"),
    ("reset", Ended.DONE, Outcome.LOST, "the machine was reset"),
]


@pytest.mark.parametrize(("name", "ended", "outcome", "says"), WAYS)
def test_every_way_to_end_has_its_own_outcome(name, ended, outcome, says):
    verdict = verdict_of(name, ended)
    assert verdict.outcome is outcome
    assert says in verdict.detail


def test_every_golden_log_is_judged():
    assert {path.stem for path in GOLDEN.glob("*.log")} == {way[0] for way in WAYS}


@pytest.mark.parametrize("ended", list(Ended))
def test_no_prefix_of_a_good_log_is_a_pass(ended):
    """However early the console is cut, at any byte, and whatever the runner says about it."""
    whole = (GOLDEN / "passed.log").read_bytes()
    last = whole.rindex(b"@@backport done@@") + len(b"@@backport done@@")
    step = 1 if ended is Ended.DONE else 7
    for size in range(0, last, step):
        lines = whole[:size].decode("utf-8", "replace").split("\n")
        assert judge(lines, ended, EXPECTED).outcome is not Outcome.PASSED, size
    lines = whole[:last].decode().split("\n")
    assert judge(lines, ended, EXPECTED).outcome is Outcome.PASSED


def test_no_good_log_with_a_line_missing_is_a_pass():
    lines = golden("passed")
    vital = [n for n, text in enumerate(lines) if "@@backport" in text or ":OK" in text]
    # What the kernel is called and has is not a test result.
    vital = [n for n in vital if " kernel " not in lines[n] and " has " not in lines[n]]
    vital = [n for n in vital if "/ingress" not in lines[n] and "/egress" not in lines[n]]
    assert len(vital) == 9
    for number in vital:
        cut = lines[:number] + lines[number + 1 :]
        assert judge(cut, Ended.DONE, EXPECTED).outcome is not Outcome.PASSED, lines[number]


def test_nothing_asked_is_nothing_passed():
    assert judge(golden("passed"), Ended.DONE, []).outcome is Outcome.NO_TESTS


@pytest.mark.parametrize(
    "junk", ["", "\x00\xff\ufffd", "@@backport end x rc=0@@", "@@x| y", "#1 a:OK"]
)
def test_junk_is_judged_and_never_passes(junk):
    verdict = judge([junk] * 3, Ended.EXITED, EXPECTED)
    assert verdict.outcome is Outcome.LOST
    assert all(case.outcome is CaseOutcome.MISSING for s in verdict.suites for case in s.cases)


def test_booting_is_a_pass_only_where_it_was_all_that_was_wanted():
    booted = golden("no-test")
    assert judge(booted, Ended.DONE, [], boot_only=True).outcome is Outcome.PASSED
    assert judge(booted, Ended.DONE, EXPECTED, boot_only=True).outcome is Outcome.NO_TESTS
    assert judge(booted[:-2], Ended.EXITED, [], boot_only=True).outcome is Outcome.LOST
    splat = [t for t in golden("warning") if "tc_" not in t]
    assert judge(splat, Ended.DONE, [], boot_only=True).outcome is Outcome.SPLAT


# -- what is read out of them


def test_cases_carry_their_time_and_their_parts():
    netkit, opts = verdict_of("passed").suites
    assert [(c.name, c.seconds) for c in netkit.cases] == [
        ("tc_netkit_basic", 0.95),
        ("tc_netkit_device", 0.6),
    ]
    assert (netkit.passed, netkit.failed, netkit.skipped, netkit.seconds) == (2, 0, 0, 1.8)
    assert [part.name for part in opts.cases[1].subcases] == [
        "tc_opts_basic/ingress",
        "tc_opts_basic/egress",
    ]


def test_a_failed_case_keeps_what_it_printed_once_and_without_its_passed_checks():
    suite = verdict_of("failed").suites[0]
    failed = suite.cases[1]
    assert failed.detail == ("create_netkit:FAIL:talk_rtnetlink unexpected error: -1 (errno 95)",)
    assert (suite.passed, suite.failed) == (1, 1)
    assert len(suite.cases) == 2, "the repetition below `All error logs` is not read again"


def test_a_failed_subtest_keeps_its_own_words():
    part = verdict_of("failed-subtest").suites[1].cases[1].subcases[1]
    assert part.outcome is CaseOutcome.FAILED
    assert "actual 0 != expected 1" in part.detail[0]


def test_skips_are_counted_and_are_no_passes():
    suite = verdict_of("skipped").suites[0]
    assert (suite.passed, suite.skipped, suite.failed) == (1, 1, 0)


def test_missing_cases_count_as_failed():
    suite = verdict_of("no-test").suites[1]
    assert (suite.outcome, suite.passed, suite.failed) == (Outcome.NO_TESTS, 0, 2)


def test_suites_before_a_panic_keep_their_results():
    lines = golden("passed")
    end = next(n for n, text in enumerate(lines) if "#22/1" in text)
    lines = [*lines[:end], *[t for t in golden("panic") if "Kernel panic" in t]]
    verdict = judge(lines, Ended.EXITED, EXPECTED)
    assert verdict.outcome is Outcome.PANIC
    assert [suite.outcome for suite in verdict.suites] == [Outcome.PASSED, Outcome.PANIC]


def test_the_guests_own_words_are_kept():
    verdict = verdict_of("no-test")
    assert verdict.kernel == "6.1.0-test"
    assert verdict.links == {"netkit": True}
    assert verdict.notes == ("insmod veth.ko failed",)


def test_terminal_escapes_and_stamps_are_taken_off():
    lines = list(
        console.clean(
            ["\x1bc\x1b[?7l\x1b[2Jhello\r", "[   12.345678] at boot", "<6>[    1.5][    T1] caller"]
        )
    )
    assert lines == [Line("hello"), Line("at boot", 12.345678), Line("caller", 1.5)]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("[    4.700000] @@backport done@@\r", True),
        ("@@backport done@@", True),
        ("@@backport done@", False),
        ("@@tc_opts| @@backport done@@", False),
        ("x @@backport done@@", False),
    ],
)
def test_the_last_line_is_known_and_cannot_be_forged_by_a_test(text, last):
    assert console.is_last(text) is last


def test_output_of_a_suite_that_does_not_run_is_a_problem():
    log = console.read(["@@tc_opts| #1 tc_opts_after:OK"])
    assert log.problems == ["output of tc_opts while it was not running"]


# -- test_progs


def lines_of(text: str) -> list[Line]:
    return [Line(line) for line in text.splitlines()]


def test_a_test_with_two_results_has_failed():
    report = progs.parse(lines_of("#1 a:FAIL\n#1 a:OK\nSummary: 1/0 PASSED, 0 SKIPPED, 0 FAILED\n"))
    assert [case.outcome for case in report.cases] == [CaseOutcome.FAILED]
    assert "a: two results" in report.problems


def test_subtests_without_their_test_are_a_problem():
    report = progs.parse(lines_of("#1/1 a/x:OK\nSummary: 0/1 PASSED, 0 SKIPPED, 0 FAILED\n"))
    assert any("never ended: a/x" in problem for problem in report.problems)


def test_a_passed_test_with_a_failed_subtest_is_not_believed():
    report = progs.parse(lines_of("#1/1 a/x y:z:FAIL\n#1 a:OK\n"))
    assert report.cases[0].outcome is CaseOutcome.FAILED
    assert report.cases[0].subcases[0].name == "a/x y:z"


@pytest.mark.parametrize(
    "text", ["#x a:OK", "# 1 a:OK", "#1 a:GOOD", "#1a:OK", "Summary: 1/0 PASSED"]
)
def test_what_only_looks_like_a_result_is_none(text):
    report = progs.parse(lines_of(text))
    assert (report.cases, report.problems) == ((), ("no summary line",))


def test_a_long_failure_is_kept_in_part():
    text = "".join(f"line {n}\n" for n in range(500)) + "#1 a:FAIL\n"
    detail = progs.parse(lines_of(text)).cases[0].detail
    assert len(detail) == progs.MAX_DETAIL
    assert detail[-1] == "line 499"


# -- splats


def test_a_splat_carries_its_frames_and_the_suite_that_ran():
    (splat,) = verdict_of("warning").splats
    assert (splat.kind, splat.suite) == ("warning", "tc_netkit")
    assert splat.frames == (
        "demo_entry_replace",
        "demo_attach",
        "__sys_demo",
        "do_syscall_64",
    )
    assert "show_regs" not in splat.frames, "guessed frames are not evidence"
    assert splat.lines[-1].startswith("---[ end trace")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("oops", ["oops"]),
        ("panic", ["oops", "panic"]),
        ("panic-no-root", ["panic"]),
        ("kasan", ["kasan"]),
        ("lockdep", ["lockdep"]),
        ("rcu-stall", ["stall"]),
        ("hung-task", ["hung"]),
        ("device-leak", ["leak"]),
        ("gp-fault", ["oops"]),
        ("passed", []),
        ("failed", []),
        ("crashed-program", []),
    ],
)
def test_one_event_is_one_splat(name, kinds):
    assert [splat.kind for splat in verdict_of(name).splats] == kinds


def test_fingerprints_are_the_same_in_another_boot():
    def moved(text: str) -> str:
        return (
            text.replace("PID: 61", "PID: 77")
            .replace("CPU: 0", "CPU: 1")
            .replace("0000000000000010", "0000000000000f18")
        )

    for name in ("warning", "oops", "panic", "kasan"):
        first = verdict_of(name).splats
        again = judge([moved(text) for text in golden(name)], Ended.EXITED, EXPECTED).splats
        assert [s.fingerprint for s in first] == [s.fingerprint for s in again]
    assert (
        len({verdict_of(name).splats[0].fingerprint for name in ("warning", "oops", "kasan")}) == 3
    )


@pytest.mark.parametrize(
    "text",
    [
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible",
        "traps: test_progs[77] general protection fault ip:55d0 sp:7ffc error:0",
        "test_progs[77]: segfault at 0 ip 000055d0 sp 00007ffc error 4 in test_progs",
        "rcu: \tRCU CPU stall detection is enabled",
        "rcu: Preemptible hierarchical RCU implementation.",
        "MDS CPU bug present and SMT on, data leak possible.",
        "debug: unmapping init memory",
        "Command line: console=ttyS0 panic=-1",
        "** trace_printk() being used. Allocating extra memory.  **",
        "PM: Warnings: none",
        "NMI watchdog: Perf NMI watchdog permanently disabled",
        "watchdog: Delayed init of the lockup detector failed: -19",
    ],
)
def test_harmless_lines_are_no_splats(text):
    assert splats.kind_of(text) == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("WARNING: suspicious RCU usage", "lockdep"),
        ("WARNING: bad unlock balance detected!", "lockdep"),
        ("WARNING: inconsistent lock state", "lockdep"),
        ("WARNING: net/core/dev.c:7001 at demo+0x1/0x2, CPU#1: ip/9", "warning"),
        ("kernel BUG at mm/slub.c:435!", "bug"),
        ("BUG: sleeping function called from invalid context at x.c:1", "sleeping"),
        ("BUG: unable to handle page fault for address: ffffffffc0001000", "oops"),
        ("BUG: Bad page state in process ip  pfn:01234", "bug"),
        ("watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [ip:9]", "lockup"),
        ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "stall"),
        ("rcu: INFO: rcu_sched self-detected stall on CPU", "stall"),
        ("UBSAN: array-index-out-of-bounds in x.c:1:2", "ubsan"),
        ("BUG: KFENCE: use-after-free read in demo+0x1/0x2", "kasan"),
        ("invalid opcode: 0000 [#1] SMP", "oops"),
        ("divide error: 0000 [#1] SMP", "oops"),
        ("Oops: general protection fault, probably for non-canonical address", "oops"),
        ("INFO: task ip:9 blocked for more than 120 seconds.", "hung"),
        ("ip: page allocation failure: order:5, mode:0x40cc0", "memory"),
        ("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", "panic"),
    ],
)
def test_complaints_are_recognised(text, kind):
    assert splats.kind_of(text) == kind


def test_a_call_trace_that_nothing_announced_is_a_splat():
    lines = [("", Line(text)) for text in ("odd things", "Call Trace:", " demo+0x1/0x2")]
    (splat,) = splats.find(lines)
    assert (splat.kind, splat.frames) == ("trace", ("demo",))


def test_two_warnings_are_two_splats():
    once = [t for t in golden("warning") if "@@" not in t and "Linux version" not in t]
    found = splats.find(("", line) for line in console.clean([*once, *once]))
    assert len(found) == 2
    assert found[0].fingerprint == found[1].fingerprint


def test_what_a_test_prints_is_no_kernel_splat():
    lines = golden("passed")
    at = next(n for n, text in enumerate(lines) if "#15 " in text)
    lines.insert(at, "[    2.0] @@tc_netkit| WARNING: CPU: 0 PID: 1 at x.c:1 y+0x1/0x2")
    assert judge(lines, Ended.DONE, EXPECTED).outcome is Outcome.PASSED
