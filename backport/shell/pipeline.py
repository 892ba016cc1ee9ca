"""A run composed of its stages; each stage is typed on its own and records what it did."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from backport.doors.cache import Cache
from backport.doors.rundir import RunDir
from backport.evidence.inputs import gather_inputs, keep_inputs
from backport.kernel.build import BuildResult
from backport.kernel.toolchain import Tool, probe, versions_of
from backport.picking.stopped import State
from backport.readers.manifest import find_data_root, series_path, target_path
from backport.shell import porting, proving
from backport.shell.blame import ending, explained
from backport.shell.crew import crew
from backport.shell.delivery import deliver_report, deliver_series
from backport.shell.porting import Drops, Inputs
from backport.shell.proving import Harness, Packages
from backport.shell.session import Session
from backport.values.errors import BackportError
from backport.values.events import Emit
from backport.values.options import Options, Until
from backport.values.record import RunRecord, outcome_of


@dataclass(frozen=True)
class Ended:
    """A run that is over: its record, saved below `folder` unless the run could not even begin.

    `error` is what ended it, for the caller to raise once the record was shown.
    """

    record: RunRecord
    folder: Path | None = None
    error: BaseException | None = None


def execute(options: Options, cache: Cache, emit: Emit, resumed: State | None = None) -> Ended:
    """Run as far as `options.until` says; `resumed` is the stop whose resolution is taken first.

    Whatever ends it is written into the record; nothing that was finished is lost.
    """
    command = shlex.join(options.argv())
    try:
        data = find_data_root()
        _demand_known(data, options)
        with RunDir.open(cache.runs, options.series, options.target, command) as run:
            return _recorded(options, cache, run, data, emit, resumed)
    except BaseException as err:  # before there was a run, or because its record cannot be written
        code, failure = ending(err)
        record = RunRecord(
            options.series, options.target, outcome_of(code), "", command, code, failure=failure
        )
        return Ended(record, None, explained(err) or err)


def _demand_known(data: Path, options: Options) -> None:
    """A misspelt name leaves no run behind."""
    series_path(data, options.series)
    target_path(data, options.target)


def _recorded(  # noqa: PLR0917 (the parts of a session)
    options: Options, cache: Cache, run: RunDir, data: Path, emit: Emit, resumed: State | None
) -> Ended:
    try:
        session = Session(options, cache, run, data, emit)
    except BaseException as err:
        run.finish(run.record, *ending(err))
        raise
    error = _caught(lambda: _stages(session, resumed))
    _close(session, error)
    if session.record.base is not None:
        unreported = _caught(lambda: deliver_report(session))
        if unreported is not None and error is None:
            error = unreported
            _close(session, error)
    return Ended(session.record, run.path, error)


def _caught(work: Callable[[], None]) -> BaseException | None:
    """What ended a piece of work, None if it came to its end."""
    try:
        work()
    except BaseException as err:
        return explained(err) or err
    return None


def _close(session: Session, error: BaseException | None) -> None:
    code, failure = ending(error)
    if failure and isinstance(error, BackportError) and error.log:
        failure = replace(failure, log=session.run.relative(error.log))
    session.finish(code, failure)


def _stages(session: Session, resumed: State | None) -> None:
    options = session.options
    until = options.until
    inputs = porting.read_inputs(session)
    seen = gather_inputs(session.data, options.series, options.target)
    session.note(tools=_versions(*versions_of("git")))
    drops, packages = _gather(session, inputs)
    commits = porting.read_upstream(session, inputs, drops)
    if until < Until.PICK:
        porting.plan(session, inputs, commits)
        return
    request = porting.request_of(session, inputs, drops, commits)
    if resumed is not None:
        porting.take_resolution(session, request, resumed)
    picked = porting.pick(session, inputs, request, drops.newer)
    session.note(inputs=keep_inputs(session.store.git, seen))  # bad input leaves nothing there
    if until < Until.BUILD:
        return
    guests = versions_of("qemu-system-x86_64") if packages is not None else ()
    session.note(tools=_versions(*versions_of("git"), *probe().tools, *guests))
    built = proving.build_kernel(session, inputs, picked)
    if packages is None:
        proving.compile_steps(session, inputs, picked, built.config)
        return
    with crew(1) as pool:  # a guest keeps one processor busy, the other one compiles
        objects = pool.submit(proving.compile_steps, session, inputs, picked, built.config)
        harness = proving.prepare_harness(session, inputs, drops, packages, picked.tree)
        trouble = _tested(session, inputs, built, harness)
        objects.result()
    if trouble is not None:
        raise trouble
    if until >= Until.RUN:
        deliver_series(session)


def _versions(*tools: Tool) -> dict[str, str]:
    return {tool.name: tool.version for tool in tools}


def _gather(session: Session, inputs: Inputs) -> tuple[Drops, Packages | None]:
    """Import the trees and, for a command that boots, fetch what guests are made of meanwhile."""
    if session.options.until < Until.BOOT:
        return porting.import_trees(session, inputs), None
    with crew(1) as pool:
        packages = pool.submit(proving.fetch_packages, session, inputs)
        drops = porting.import_trees(session, inputs)
        return drops, packages.result()


def _tested(
    session: Session, inputs: Inputs, built: BuildResult, harness: Harness
) -> BackportError | None:
    """Boot and test; what went wrong comes behind what goes wrong beside it."""
    try:
        if session.options.until is Until.BOOT:
            proving.boot_kernel(session, built.image, harness)
        else:
            proving.prove_kernel(session, inputs, built.image, harness)
    except BackportError as err:
        return err
    return None
