"""The command line: commands, and the one place where an error becomes an exit status."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

import typer
from typer.exceptions import TyperException

from backport.doors import process
from backport.shell.blame import explained
from backport.shell.commands import (
    audit,
    compat,
    deliver,
    evaluate,
    evidence,
    fleet,
    judge,
    learn,
    look,
    mix,
    needs,
    qualify,
    rules,
    work,
)
from backport.shell.console import for_stream, render_error
from backport.values.errors import Exit, Interrupted

app = typer.Typer(
    name="backport",
    help="Carry Linux kernel features to older kernels, and prove that they arrived whole.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": work.run,
    "plan": work.plan,
    "pick": work.pick,
    "build": work.build,
    "boot": work.boot,
    "test": work.test,
    "continue": work.continue_,
    "abort": work.abort,
    "status": look.status,
    "report": look.report,
    "review": look.review,
    "export": deliver.export,
    "checkpatch": deliver.checkpatch,
    "import": deliver.import_,
    "compat": compat.compat,
    "bench": qualify.bench,
    "drill": qualify.drill,
    "rollout": fleet.rollout,
    "interop": mix.interop,
    "observe": mix.observe,
    "soak": mix.soak,
    "qualify": qualify.qualify,
    "bundle": evidence.bundle_,
    "verify": evidence.verify_,
    "learn": learn.learn_,
    "doctor": look.doctor,
    "explain": rules.explain,
    "audit": audit.audit,
    "needs": needs.needs,
    "eval": evaluate.evaluation,
    "judge": judge.judge,
}

GROUPS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "rules": {"list": rules.list_, "check": rules.check, "mutate": rules.mutate_},
}


class _Carried(Exception):
    """An error on its way past typer, which would end the process for it in its own way."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _shielded(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:  # noqa: ANN401 (as typer read them)
        try:
            command(*args, **options)
        except (KeyboardInterrupt, EOFError, OSError) as err:
            raise _Carried(err) from err

    return run


for name, work_of in COMMANDS.items():
    app.command(name)(_shielded(work_of))

for group_name, group in GROUPS.items():
    group_app = typer.Typer(
        name=group_name,
        help=f"Commands about {group_name}.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for name, work_of in group.items():
        group_app.command(name)(_shielded(work_of))
    app.add_typer(group_app)


def main(argv: Sequence[str]) -> int:
    """Run one command; the exit status, with every error told on stderr."""
    try:
        result = app(args=list(argv), standalone_mode=False)
        return result if isinstance(result, int) else int(Exit.OK)
    except _Carried as carried:
        return _ended(carried.error)
    except BaseException as err:
        return _ended(err)


def _ended(err: BaseException) -> int:
    """Tell what ended a command; its exit status."""
    match err:
        case typer.Exit():
            return int(err.exit_code)
        case TyperException():
            where = getattr(getattr(err, "ctx", None), "command_path", "backport")
            _tell(f"error: {err.format_message()}\nnext: {where} --help")
            return int(Exit.USAGE)
        case KeyboardInterrupt() | Interrupted() | typer.Abort():
            _tell("interrupted; what was finished is kept: run the same command again to go on")
            return int(Exit.INTERRUPTED)
    ours = explained(err)
    if ours is not None:
        _tell(render_error(ours))
        return int(ours.exit_code)
    _tell(f"this is a bug in backport:\n{''.join(traceback.format_exception(err))}")
    return int(Exit.INTERNAL)


def entry() -> None:
    """The console script."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    code = main(sys.argv[1:])
    if threading.active_count() == 1:
        sys.exit(code)
    # Threads of a run that failed are still at work: they, and what they started, end here.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    process.end_all()
    os._exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End every child first, so that threads which wait for one can fail in order."""
    process.end_all()
    raise KeyboardInterrupt


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads it
        sys.stderr.write(for_stream(text.rstrip("\n") + "\n", sys.stderr))
        sys.stderr.flush()
