"""The command line itself: every exit status, what goes to stdout and stderr, and every option."""

from __future__ import annotations

import errno
import io
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
from minikernel import BACKPORT, SERIES, TARGET, Step, make_world

from backport.doors.cache import Cache
from backport.doors.process import Completed, ProcessFailed
from backport.shell import blame, cli, pipeline
from backport.shell.commands import common
from backport.values import errors, options
from backport.values.errors import Exit, Place
from backport.values.options import Accel, Options, Until
from backport.values.record import OUTCOMES, RunRecord


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A world that no test of this module changes but for its runs."""
    return make_world(tmp_path_factory.mktemp("cli") / "world", (Step("dock: Nothing", {}),))


# -- exit statuses

LOG = Path("/somewhere/build.log")
ENDINGS = [
    (errors.TestsFailed("1 test failed"), Exit.TESTS_FAILED, "failed: 1 test failed"),
    (errors.UsageError("no"), Exit.USAGE, "error: no"),
    (errors.ManifestError(Place("a.toml", 3, "k"), "no"), Exit.USAGE, "error: a.toml:3: k: no"),
    (errors.RuleError(Place("r.toml", 4), "no"), Exit.USAGE, "error: r.toml:4: no"),
    (errors.ConflictsLeft("2 conflicts"), Exit.CONFLICTS, "stopped: 2 conflicts"),
    (errors.GateFailed("uapi"), Exit.GATE, "error: uapi"),
    (errors.BuildFailed("cc", log=LOG), Exit.GATE, f"error: cc\nlog: {LOG}"),
    (errors.GuestLost("panic", hint="look"), Exit.GUEST, "error: panic\nnext: look"),
    (errors.Unavailable("no network"), Exit.UNAVAILABLE, "error: no network"),
    (errors.ToolMissing("no cc"), Exit.UNAVAILABLE, "error: no cc"),
    (OSError(errno.ENOSPC, "full", "/x"), Exit.UNAVAILABLE, "error: /x: no room left"),
    (OSError(errno.EROFS, "read-only", "/x"), Exit.UNAVAILABLE, "error: /x: read-only"),
    (errors.BackportError("lost"), Exit.INTERNAL, "internal error: lost"),
    (RuntimeError("oops"), Exit.INTERNAL, "this is a bug in backport:\nTraceback"),
    (OSError(errno.ENOENT, "none", "/x"), Exit.INTERNAL, "this is a bug in backport:\nTraceback"),
    (BrokenPipeError(errno.EPIPE, "gone"), Exit.INTERNAL, "this is a bug in backport:\nTraceback"),
    (EOFError(), Exit.INTERNAL, "this is a bug in backport:\nTraceback"),
    (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted; what was finished is kept"),
]


@pytest.mark.parametrize(
    ("error", "code", "text"), ENDINGS, ids=[type(row[0]).__name__ for row in ENDINGS]
)
def test_whatever_ends_a_run_is_told_recorded_and_its_exit_status(
    shared, monkeypatch, error, code, text
):
    def stages(*_):
        raise error

    monkeypatch.setattr(pipeline, "_stages", stages)
    ran = shared.run("run", SERIES, "--target", TARGET, "--json", "--quiet")
    assert ran.code == code
    assert ran.err.startswith(text)
    record = RunRecord.from_json(ran.json)
    assert (record.outcome, record.exit_code) == (OUTCOMES[code], int(code))
    assert record.failure is not None and record.failure.message
    assert shared.run("status", "--json").json == ran.json


def test_every_exit_status_is_reached_by_an_ending_and_has_a_word():
    assert {code for _, code, _ in ENDINGS} | {Exit.OK} == set(Exit) == set(OUTCOMES)
    assert [int(code) for code in Exit] == [0, 1, 2, 3, 4, 5, 69, 70, 130]


def test_the_readme_documents_every_exit_status():
    text = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    told = {int(number) for number in re.findall(r"^\| *`?(\d+)`? *\|", text, re.M)}
    assert {int(code) for code in Exit} <= told


def test_an_error_in_a_command_that_is_no_run_is_told_too(shared, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "input/output error", "/x/runs")

    monkeypatch.setattr(common, "latest", broken)
    ran = shared.run("status")
    assert (ran.code, ran.out) == (Exit.UNAVAILABLE, "")
    assert ran.err.startswith("error: /x/runs: input/output error\nnext: ")


def test_a_report_that_cannot_be_written_fails_a_run_that_passed(shared, monkeypatch):
    def full(*_):
        raise errors.Unavailable("no room left")

    monkeypatch.setattr(pipeline, "deliver_report", full)
    ran = shared.run(*shared.argv("plan", "--json"))
    assert ran.code == Exit.UNAVAILABLE and ran.json["outcome"] == "unavailable"
    monkeypatch.setattr(pipeline, "_stages", _gate_after_base)
    ran = shared.run(*shared.argv("plan", "--json"))
    assert ran.code == Exit.GATE and ran.json["failure"]["message"] == "the gate"


def _gate_after_base(session, _):
    session.note(base=pipeline.porting.record.Base("6.1", "x", "", "c"))
    raise errors.GateFailed("the gate")


def test_failures_of_git_are_the_machines_where_the_disk_is_full():
    done = Completed(("git",), 128, b"", b"fatal: No space left on device\n", 0.1)
    assert isinstance(blame.explained(ProcessFailed(done)), errors.Unavailable)
    other = ProcessFailed(Completed(("git",), 128, b"", b"fatal: bad\n", 0.1))
    assert blame.explained(other) is other
    assert blame.explained(KeyError("x")) is None and blame.explained(KeyboardInterrupt()) is None


# -- stdout and stderr


def test_a_closed_stdout_is_no_error(monkeypatch):
    class Closed(io.StringIO):
        def flush(self):
            raise BrokenPipeError

        def fileno(self):
            raise io.UnsupportedOperation

    monkeypatch.setattr(sys, "stdout", Closed())
    common.say("data")


@pytest.mark.parametrize("broken", [OSError, ValueError])
def test_a_closed_stderr_changes_no_exit_status(monkeypatch, broken):
    class Closed(io.StringIO):
        def write(self, _):
            raise broken

    monkeypatch.setattr(sys, "stderr", Closed())
    assert cli.main(["pick", "--nonsense"]) == Exit.USAGE


def test_what_the_stream_cannot_show_is_replaced(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    common.say("✓ done — é\udcff")
    common.say_json({"name": "é\udcff"})
    out.flush()
    assert (
        out.buffer.getvalue() == b'+ done \\u2014 \\xe9\\udcff\n{\n "name": "\\u00e9\\udcff"\n}\n'
    )


# -- help


def test_help_lists_every_command_and_option(shared):
    whole = shared.run("--help")
    assert whole.code == 0
    for name, command in typer.main.get_command(cli.app).commands.items():
        assert re.search(rf"^  {name} +\S", whole.out, re.M)
        ran = shared.run(name, "--help")
        assert ran.code == 0, name
        for param in command.params:
            told = param.opts[0] if param.param_type_name == "option" else param.name
            assert told.lower() in ran.out.lower(), (name, told)
            assert param.help, f"{name} {told}: an option says what it is for"


def test_no_arguments_show_the_help(shared):
    ran = shared.run()
    assert ran.code in {Exit.OK, Exit.USAGE} and "Usage:" in ran.out + ran.err


def test_the_installed_command_is_this_one(shared):
    process = shared.start("status", "--json")
    out, err = process.communicate()
    assert BACKPORT.is_file()
    if shared.workspace.exists():
        assert process.returncode == 0 and json.loads(out)["series"] == SERIES
    else:
        assert process.returncode == 2 and "no runs yet" in err


def test_doctor_reads_as_json(shared):
    ran = shared.run("doctor", "--json")
    assert ran.code in {Exit.OK, Exit.UNAVAILABLE}
    assert all("name" in row or "tool" in row for row in ran.json) and len(ran.json) > 5


# -- options as values


def test_options_survive_a_state_file_and_give_their_command():
    full = Options(
        "dock", "mini", Until.TEST, "/a b", "v6.1", "mbox:/x y", "f/x", True, Accel.TCG, 3,
        flavour="debug", suites=("dock", "port_dock"), ladder=True, sure_steps=True,
    )  # fmt: skip
    again = Options.from_json(json.loads(json.dumps(full.to_json())))
    assert again == full and isinstance(again.accel, Accel) and isinstance(again.until, Until)
    assert shlex.join(full.argv()) == (
        "backport test dock --target mini --base '/a b' --rev v6.1 --upstream 'mbox:/x y'"
        " --branch f/x --flavour debug --suite dock --suite port_dock"
        " --ladder --sure-steps --force --accel tcg --jobs 3"
    )
    assert Options("a", "b").branch_name == "backport/a/b" and full.branch_name == "f/x"
    assert Options("a", "b").argv() == ["backport", "run", "a", "--target", "b"]


@pytest.mark.parametrize(
    ("base", "upstream", "want"),
    [
        ("", "", ("", "")),
        ("x", "snapshot", ("{}/x", "snapshot")),
        ("~/x", "git", ("{home}/x", "git")),
        ("/x", "git:there", ("/x", "git:{}/there")),
        ("/x", "git:https://example.org/x.git", ("/x", "git:https://example.org/x.git")),
        ("/x", "git:me@example.org:x.git", ("/x", "git:me@example.org:x.git")),
        ("/x", "mbox:not/yet", ("/x", "mbox:{}/not/yet")),
    ],
)
def test_paths_become_whole_and_urls_stay(tmp_path, monkeypatch, base, upstream, want):
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    found = common.located(Options("a", "b", base=base, upstream=upstream))
    texts = [text.format(tmp_path, home=tmp_path / "me") for text in want]
    assert [found.base, found.upstream] == texts


def test_the_cache_is_where_it_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BACKPORT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert Cache.default().root == tmp_path / ".cache" / "backport"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Cache.default().root == tmp_path / "xdg" / "backport"
    monkeypatch.setenv("BACKPORT_CACHE", str(tmp_path / "mine"))
    assert Cache.default().root == tmp_path / "mine"
    assert options.Accel("tcg") is Accel.TCG
