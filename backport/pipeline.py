"""A run composed of its stages; each stage is typed on its own and records what it did."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from backport import history, porting, proving, stopped
from backport.build import BuildResult
from backport.cache import Cache
from backport.delivery import deliver_report, deliver_series
from backport.errors import BackportError, Exit
from backport.events import Emit, Note
from backport.manifest import find_data_root
from backport.options import Options, Until
from backport.porting import Drops, Inputs
from backport.proving import Harness, Packages
from backport.record import Failure, RunRecord
from backport.rundir import RunDir
from backport.session import Session
from backport.stopped import State
from backport.toolchain import probe


def execute(options: Options, cache: Cache, emit: Emit) -> RunRecord:
    """Run as far as `options.until` says and give the finished record.

    An error is written into the record before it is raised; nothing that was finished is lost.
    """
    data = find_data_root()
    command = " ".join(options.argv())
    with RunDir.open(cache.runs, options.series, options.target, command) as run:
        session = Session(options, cache, run, data, emit)
        try:
            _stages(session)
        except BackportError as err:
            log = run.relative(err.log) if err.log else ""
            _finish(session, err.exit_code, Failure(err.message, err.hint, log))
            raise
        except KeyboardInterrupt:
            _finish(session, Exit.INTERRUPTED, Failure("interrupted"))
            raise
        except BaseException as err:
            _finish(session, Exit.INTERNAL, Failure(f"{type(err).__name__}: {err}"))
            raise
        _finish(session, Exit.OK, None)
        return session.record


def go_on(state: State, cache: Cache, emit: Emit) -> Options:
    """Take the resolution of a stopped series into the picks; gives the command to run again.

    Raises `UsageError` when a path still holds markers, and leaves everything as it is.
    """
    options = Options.from_json(state.options)
    with RunDir.open(cache.runs, options.series, options.target, "backport continue") as run:
        session = Session(options, cache, run, find_data_root(), emit)
        inputs = porting.read_inputs(session)
        drops = porting.import_trees(session, inputs)
        commits = porting.read_upstream(session, inputs, drops)
        request = porting.request_of(session, inputs, drops, commits)
        picked = history.pick_series(request, emit)
        folder = run.path.parent
        if picked.stopped is None or picked.stopped.key != state.key:
            stopped.discard(session.store.git, folder, state)
            emit(Note("pick", "the rules or the base changed meanwhile; picking anew"))
        else:
            stopped.finish(request, folder, picked.stopped.result)
        run.finish(session.record, Exit.OK)
    return options


def _finish(session: Session, code: Exit, failure: Failure | None) -> None:
    session.run.finish(session.record, code, failure)
    if session.record.base is not None:
        deliver_report(session)


def _stages(session: Session) -> None:
    until = session.options.until
    inputs = porting.read_inputs(session)
    drops, packages = _gather(session, inputs)
    commits = porting.read_upstream(session, inputs, drops)
    if until < Until.PICK:
        return
    request = porting.request_of(session, inputs, drops, commits)
    picked = porting.pick(session, inputs, request)
    if until < Until.BUILD:
        return
    session.note(tools={t.name: t.version for t in probe().tools})
    built = proving.build_kernel(session, inputs, picked)
    if packages is not None:
        harness = proving.prepare_harness(session, inputs, drops, packages)
        _test(session, inputs, built, harness)
    if until >= Until.RUN:
        deliver_series(session)


def _gather(session: Session, inputs: Inputs) -> tuple[Drops, Packages | None]:
    """Import the trees and, for a command that boots, fetch what guests are made of meanwhile."""
    if session.options.until < Until.BOOT:
        return porting.import_trees(session, inputs), None
    with ThreadPoolExecutor(max_workers=1) as pool:
        packages = pool.submit(proving.fetch_packages, session, inputs)
        drops = porting.import_trees(session, inputs)
        return drops, packages.result()


def _test(session: Session, inputs: Inputs, built: BuildResult, harness: Harness) -> None:
    if session.options.until is Until.BOOT:
        proving.boot_kernel(session, built.image, harness)
    else:
        proving.prove_kernel(session, inputs, built.image, harness)
