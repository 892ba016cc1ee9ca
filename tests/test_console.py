"""The terminal: progress that fits where it goes, errors with a next step, the closing screen."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sample_record import PASSED_RUN, STOPPED_RUN, sample, suite, suites

from backport.output.summary import clip, columns, duration, summary
from backport.shell.console import (
    ConsoleRenderer,
    amount,
    can_redraw,
    for_stream,
    render_error,
)
from backport.values import errors
from backport.values.errors import BackportError, ConflictsLeft, ToolMissing
from backport.values.events import Note, Progress, StageFinished, StageStarted
from backport.values.record import Adaptation, Gate, Pick

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def plain(clock, **options):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    return ConsoleRenderer(stream, clock=clock, **options), stream


def said(stream):
    return stream.buffer.getvalue().decode().splitlines()


# -- events where nothing can be redrawn


def test_a_stage_is_one_line_at_its_start_and_one_at_its_end(clock):
    emit, stream = plain(clock)
    with emit:
        emit(StageStarted("base", "linux-source-6.1 from bookworm"))
        clock.now = 88.2
        emit(StageFinished("base", "6.1.192-2", 88.2))
        emit(StageFinished("pick", "14 commits", 0.0, cached=True))
    assert said(stream) == [
        "       0.0 s  base        → linux-source-6.1 from bookworm",
        "  1 min 28 s  base        ✓ 6.1.192-2 (1 min 28 s)",
        "  1 min 28 s  pick        ✓ 14 commits (cached)",
    ]


def test_progress_is_at_most_one_line_in_ten_seconds(clock):
    emit, stream = plain(clock)
    emit(StageStarted("build", "kernel"))
    for tenth in range(1, 251):
        clock.now = tenth / 10
        emit(Progress("build", tenth, 1000, "objects"))
    lines = said(stream)[1:]
    assert [line.split("…")[1] for line in lines] == [
        " 10 %, 100 of 1,000 objects",
        " 20 %, 200 of 1,000 objects",
    ]


def test_progress_without_a_start_is_not_lost_and_does_not_flood(clock):
    emit, stream = plain(clock)
    for second in range(21):
        clock.now = float(second)
        emit(Progress("import", second, 0, "files"))
    assert len(said(stream)) == 2


def test_a_note_is_always_shown(clock):
    emit, stream = plain(clock)
    for text in ("one", "two"):
        emit(Note("guest", text))
    assert [line.split("· ")[1] for line in said(stream)] == ["one", "two"]


def test_quiet_says_nothing(clock):
    emit, stream = plain(clock, quiet=True)
    with emit:
        emit(StageStarted("base", "x"))
        emit(Note("base", "x"))
        emit(StageFinished("base", "x", 1.0))
    assert said(stream) == []


def test_a_stream_without_our_marks_gets_plain_ones(clock):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    emit = ConsoleRenderer(stream, clock=clock)
    emit(StageStarted("base", "Zürich"))
    emit(StageFinished("base", "done", 1.0))
    assert said(stream) == [
        "       0.0 s  base        > Z\\xfcrich",
        "       0.0 s  base        + done (1.0 s)",
    ]


def test_events_of_several_threads_stay_whole_lines(clock):
    emit, stream = plain(clock)

    def work(name):
        for number in range(50):
            emit(Note(name, f"line {number}"))

    threads = [threading.Thread(target=work, args=(f"stage{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said(stream)) == 200
    assert all(re.fullmatch(r" +0\.0 s  stage\d {6}· line \d+", line) for line in said(stream))


# -- events on a terminal


def test_a_terminal_gets_bars_that_vanish_and_lines_that_stay(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    with ConsoleRenderer(terminal, live=True) as emit:
        emit(StageStarted("base", "linux-source-6.1"))
        emit(Progress("base", 50_000_000, 100_000_000, "bytes"))
        emit(Note("base", "a [red]bracket[/red] is text"))
        emit(StageFinished("base", "6.1.192-2", 12.0))
    text = ANSI.sub("", terminal.getvalue())
    assert "✓ base        6.1.192-2 (12 s)" in text
    assert "· base        a [red]bracket[/red] is text" in text


def test_the_first_stage_keeps_one_bar_with_its_label_and_amount():
    emit = ConsoleRenderer(Terminal(), live=True)
    emit(StageStarted("base", "linux-source-6.1"))
    emit(Progress("base", 50_000_000, 100_000_000, "bytes"))
    emit(StageStarted("donor", "linux-source-6.12"))
    emit(StageStarted("base", "linux-source-6.1 again"))
    bars = emit._screen._bars
    assert [task.description for task in bars.tasks] == [
        "linux-source-6.12",
        "linux-source-6.1 again",
    ]
    emit(Progress("donor", 7, 0, "files"))
    assert [task.fields["amount"] for task in bars.tasks] == ["7 files", ""]
    emit(StageFinished("donor", "ok", 1.0))
    emit(StageFinished("base", "ok", 1.0))
    assert bars.tasks == []


@pytest.mark.parametrize(
    ("env", "redraw"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"CI": "true"}, False), ({"TERM": "dumb"}, False)],
)
def test_only_a_terminal_that_may_is_redrawn(env, redraw):
    assert can_redraw(Terminal(), env) is redraw
    assert not can_redraw(io.StringIO(), env)


# -- words


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Progress("b", 62_000_000, 152_000_000, "bytes"), "40 %, 62.0 of 152.0 MB"),
        (Progress("b", 1200, 0, "objects"), "1,200 objects"),
        (Progress("b", 12, 10, "objects"), "100 %, 12 of 10 objects"),
    ],
)
def test_amounts(event, text):
    assert amount(event) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (874.2, "14 min 34 s"),
        (3900, "1 h 05 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_clip_keeps_short_text_and_marks_what_it_cuts():
    assert clip("a\n b", 10) == "a b"
    assert clip("0123456789", 10) == "0123456789"
    assert clip("01234567890", 10) == "012345678…"
    assert clip("anything", 0) == "…"


def test_for_stream_leaves_text_that_fits():
    assert for_stream("✓ fine", Terminal()) == "✓ fine"


# -- errors


def test_an_error_says_what_where_and_what_next():
    err = BackportError("it broke", hint="try this", log=Path("logs/build.log"))
    assert render_error(err) == "internal error: it broke\nlog: logs/build.log\nnext: try this"


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [(ToolMissing, "error"), (ConflictsLeft, "stopped"), (errors.TestsFailed, "failed")],
)
def test_an_error_begins_with_whose_fault_it_is(kind, prefix):
    assert render_error(kind("x")) == f"{prefix}: x"


# -- the closing screen

FOLDER = Path.home() / ".cache/backport/runs/netkit-debian-6.1/20260714T101112.345Z-3f9a"


def test_the_verdict_comes_first_with_its_figures():
    first = summary(PASSED_RUN).splitlines()[0]
    assert first.startswith("PASSED  netkit on debian-6.1: 12 commits, 24 of 24 tests passed")
    assert first.endswith("14 min 34 s")


def test_everything_a_person_looks_for_is_on_the_screen():
    text = summary(PASSED_RUN, FOLDER)
    for part in (
        "6.1.192, linux-source-6.1 6.1.192-2, commit 3f2a9c413f2a",
        "14: 4 resolved, 8 clean, 1 already-applied, 1 dropped",
        "053c8e1f235d  ✓ resolved ",
        "tcx-sch-handle      +12 -9",
        "objects –",
        "objects not-run: only with --bisect",
        "fails, as it must ✓",
        "57 of 57 symbols",
        "backport/netkit/debian-6.1, head 0dab0dab0dab",
        "~/.cache/backport/runs/netkit-debian-6.1/20260714T101112.345Z-3f9a/report.html",
        "2 upstream commits, with reasons",
    ):
        assert part in text
    assert len(text.splitlines()) <= 50


@pytest.mark.parametrize("record", [PASSED_RUN, STOPPED_RUN, sample(gates=PASSED_RUN.gates * 9)])
@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_wider_than_the_screen(record, width):
    assert max(map(len, summary(record, width=width).splitlines())) <= min(width, 100)


def test_without_colour_there_is_no_escape_and_with_it_the_same_text():
    bare = summary(PASSED_RUN, FOLDER)
    colored = summary(PASSED_RUN, FOLDER, color=True)
    assert "\x1b" not in bare
    assert "\x1b[" in colored
    stripped = [line.rstrip() for line in ANSI.sub("", colored).splitlines()]
    assert stripped == bare.splitlines()


def test_a_cached_run_says_so():
    cached = tuple(replace(stage, cached=True) for stage in PASSED_RUN.stages)
    first = summary(sample(stages=cached, seconds=3.21)).splitlines()[0]
    assert first.endswith("3.2 s, all cached")


def test_a_stopped_run_shows_why_and_what_to_type():
    lines = summary(STOPPED_RUN, Path("/runs/x")).splitlines()
    assert lines[0].startswith("CONFLICTS  netkit on debian-6.1: 7 commits")
    assert "2 conflicts that no rule settles" in lines[1]
    assert lines[2:4] == ["  log:  /runs/x/logs/pick.log", "  next: backport continue"]
    assert any("✗ conflict" in line and line.endswith("2 paths") for line in lines)
    assert not any(line.startswith(("tests", "gates", "series")) for line in lines)


def test_failed_cases_and_gates_are_named():
    bad = suite("tc_netkit", ("basic",), "failed", "actual 3 != expected 4")
    gates = (Gate("config", "failed", "CONFIG_NETKIT lost"), Gate("form", "passed", "fine"))
    text = summary(sample(outcome="tests-failed", tests=(bad,), gates=gates))
    assert text.startswith("TESTS FAILED ")
    assert "0 of 1 test passed" in text
    assert "✗ tc_netkit/tc_netkit_basic failed: actual 3 != expected 4" in text
    assert "✗ config failed: CONFIG_NETKIT lost" in text
    assert "must pass ✗" in text
    assert "fine" not in text


def test_a_control_that_did_the_wrong_thing_shows():
    base = replace(PASSED_RUN.controls[0], ok=False, suites=suites())
    assert "must fail ✗" in summary(sample(controls=(base,)))


def test_the_kernels_stand_side_by_side_with_the_patched_one_between():
    order = [column.title for column in columns(sample(controls=PASSED_RUN.controls[::-1]))]
    assert order == ["base", "patched", "donor"]
    assert [column.title for column in columns(sample(tests=()))] == ["base", "donor"]


def test_many_picks_leave_room_for_those_that_needed_work():
    many = tuple(Pick(f"{n:040x}", f"commit {n}", "clean", "c" * 40) for n in range(40))
    odd = replace(many[7], outcome="resolved", rules=("r",))
    text = summary(sample(picks=(*many[:7], odd, *many[8:])))
    assert "    8  000000000000  ✓ resolved" in text
    assert "and 39 picks more in the report" in text
    assert "commit 3 " not in text


def test_a_rule_that_fired_in_several_paths_is_one_line():
    fired = tuple(Adaptation("r1", "why", path, added=2, removed=1) for path in ("a.c", "b.c"))
    text = summary(sample(adaptations=fired))
    assert "1 fired in 2 files" in text
    assert text.count("r1") == 1
    assert "+4 -2" in text


def test_a_run_that_has_only_begun_has_a_screen():
    begun = sample(
        outcome="running", picks=(), tests=(), controls=(), gates=(), adaptations=(), base=None
    )
    assert summary(begun).startswith("RUNNING  netkit on debian-6.1 ")


def test_a_reader_that_goes_away_does_not_stop_the_work():
    class Gone(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    with ConsoleRenderer(Gone(), live=False) as emit:
        emit(StageStarted("import", "trees"))
        emit(StageFinished("import", "done", 1.0))
