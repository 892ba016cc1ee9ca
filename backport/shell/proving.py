"""The kernel half of a run: a picked tree in, a kernel built, booted and tested out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backport.doors import files
from backport.gates.uapi import read_uapi
from backport.guests import controls, guest, packaged
from backport.guests.checks import Checks, ChecksRequest, build_checks
from backport.guests.guest import GuestRequest
from backport.guests.initramfs import build_initramfs
from backport.guests.packaged import PackagedKernel
from backport.guests.parsers.tree import Outcome, SuiteResult
from backport.guests.selftests import SUITES, SelftestsRequest, SelftestsResult, build_selftests
from backport.kernel import bisect, kernelimage
from backport.kernel.build import BuildRequest, BuildResult, build
from backport.kernel.checkout import checkout
from backport.kernel.configure import ConfigLost, ConfigureRequest, ConfigureResult, configure
from backport.picking.history import Picked
from backport.readers.manifest import fragment_files
from backport.readers.warnings import per_file
from backport.shell.crew import crew
from backport.shell.porting import Drops, Inputs
from backport.shell.session import Session
from backport.sources.archive import Archive
from backport.values import record
from backport.values.errors import UsageError
from backport.values.events import StageFinished, StageStarted
from backport.values.options import Until
from backport.values.target import ControlKernel, Flavour


@dataclass(frozen=True)
class Packages:
    """Unpacked packages: the guest's iproute2, and the control kernels by name."""

    iproute2: Path
    kernels: Mapping[str, PackagedKernel]


@dataclass(frozen=True)
class Harness:
    """What tests a kernel: the program, and the packages that guests are made of."""

    selftests: SelftestsResult
    packages: Packages
    checks: tuple[Checks, ...] = ()
    flavour: Flavour | None = None


# -- configure and build


def build_kernel(session: Session, inputs: Inputs, picked: Picked) -> BuildResult:
    """Check the tree out, configure it, prove the configuration, build the image."""
    source = session.cache.trees / f"{inputs.series.name}-{inputs.target.name}"
    checkout(session.store.git, picked.tree, source, session.emit)
    out = session.cache.build / inputs.build_name
    _note_config(session, inputs, _configure(session, inputs, picked, source, out))
    result = build(
        BuildRequest(
            source,
            out,
            session.run.log("build"),
            picked.tree,
            inputs.target.arch,
            inputs.target.make_variables,
            session.options.jobs,
            emit=session.emit,
        )
    )
    _note_build(session, inputs, result)
    return result


def compile_steps(session: Session, inputs: Inputs, picked: Picked, config: Path) -> None:
    """Whether the series bisects: each commit's objects, in directories beside the kernel's."""
    name = f"{inputs.build_name}-objects"
    steps = tuple(
        bisect.Step(done.pick.subject, done.pick.commit, done.tree)
        for done in picked.commits
        if done.pick.commit
    )
    request = bisect.Request(
        session.store.git,
        picked.base.tree,
        steps,
        config,
        session.cache.trees / name,
        session.cache.build / name,
        session.cache.build / "bisected",
        session.run.log("objects"),
        inputs.target.arch,
        inputs.target.make_variables,
        session.options.jobs,
        session.emit,
        tuple(
            bisect.Variant(variant.name, fragment_files(session.data, variant.fragments))
            for variant in inputs.series.variants
        ),
    )
    try:
        result = bisect.compile_steps(request)
    except (bisect.ObjectsFailed, ConfigLost) as err:
        session.gate("objects", "failed", err.message.splitlines()[0])
        raise
    detail = f"{len(steps)} commits compile by themselves, {result.built} objects"
    if result.varied:
        detail += f", {result.varied} more {' and '.join(v.name for v in inputs.series.variants)}"
    session.gate("objects", "passed", detail)


def _configure(
    session: Session, inputs: Inputs, picked: Picked, source: Path, out: Path
) -> ConfigureResult:
    request = ConfigureRequest(
        source,
        out,
        fragment_files(session.data, inputs.target.fragments),
        session.run.log("configure"),
        picked.tree,
        inputs.target.arch,
        inputs.target.make_variables,
        session.emit,
    )
    try:
        return configure(request)
    except ConfigLost as err:
        session.gate("config", "failed", str(err.losses[0]))
        raise


def _note_config(session: Session, inputs: Inputs, result: ConfigureResult) -> None:
    session.note(
        config=record.Config(
            path=session.run.relative(result.config),
            sha256=result.sha256,
            requested=result.requested,
            held=result.held,
            values=result.resolved,
            fragments=inputs.target.fragments,
        )
    )
    session.gate("config", "passed", f"{result.held} of {result.requested} symbols hold")


def _note_build(session: Session, inputs: Inputs, result: BuildResult) -> None:
    session.note(
        build=record.Build(
            image=session.run.relative(result.image),
            sha256=result.image_sha256,
            seconds=round(result.seconds, 3),
            warnings=len(result.warnings),
            compiler=result.compiler,
            cached=result.cached,
            warning_files=per_file(result.warnings),
            arch=inputs.target.arch,
        )
    )
    session.artifact("image", result.image)
    session.artifact("config", result.config)


# -- what tests it


def fetch_packages(session: Session, inputs: Inputs) -> Packages:
    """iproute2 and the control kernels, downloaded and unpacked once."""
    archive = Archive(session.cache)
    with session.stage("packages", "iproute2 and control kernels") as talk:
        tools = packaged.iproute2(archive, session.cache, session.emit)
        kernels = {
            c.name: packaged.kernel(archive, c.package, c.suites, session.cache, session.emit)
            for c in inputs.target.controls
        }
        talk.detail = ", ".join(k.package.name for k in kernels.values())
        talk.cached = "download" not in session.worked
    return Packages(tools, kernels)


def prepare_harness(
    session: Session, inputs: Inputs, drops: Drops, packages: Packages, tree: str
) -> Harness:
    """Build the selftests from the donor tree, and our own checks for the picked one."""
    if drops.newer is None or "donor" not in packages.kernels:
        raise UsageError(
            f"{inputs.target.name}: nothing to build the selftests from",
            hint="the series needs a snapshot.toml with a newer drop, the target a donor control",
        )
    suites = tuple(s for s in SUITES if s.name in inputs.series.suites)
    vmlinux = kernelimage.vmlinux_of(packages.kernels["donor"].image, session.cache)
    tests = build_selftests(
        SelftestsRequest(session.store.git, drops.newer.tree, vmlinux, session.cache, suites),
        session.emit,
    )
    checks = _build_checks(session, inputs, tree)
    if asked := session.options.suites:
        tests = replace(tests, cases={n: c for n, c in tests.cases.items() if n in asked})
        checks = tuple(one for one in checks if one.name in asked)
    return Harness(tests, packages, checks, inputs.flavour)


def _build_checks(session: Session, inputs: Inputs, tree: str) -> tuple[Checks, ...]:
    file = inputs.numbers
    headers = read_uapi(file).headers if file.is_file() else ()
    git, folder = session.store.git, session.data / "qemu"
    return tuple(
        build_checks(
            ChecksRequest(git, tree, headers, folder / f"{name}.c", session.cache), session.emit
        )
        for name in inputs.series.checks
    )


# -- boot and test


def boot_kernel(session: Session, image: Path, harness: Harness) -> None:
    """Boot to init and off again."""
    test_kernel(session, image, harness, {}, boot_only=True)


def prove_kernel(session: Session, inputs: Inputs, image: Path, harness: Harness) -> None:
    """Test the built kernel and, for a whole run, its controls beside it.

    Raises what the patched guest amounts to; before that, `GateFailed` for a control that did not
    come as expected, because then no verdict can be trusted.
    """
    wanted = inputs.target.controls if session.options.until >= Until.RUN else ()
    with crew(2) as pool:
        patched = pool.submit(test_kernel, session, image, harness, harness.selftests.cases)
        jobs = [pool.submit(_control, session, control, harness) for control in wanted]
        results = [job.result() for job in jobs]
        trouble = patched.exception()
    for result in results:
        controls.check(result)
    if trouble is not None:
        raise trouble


def _control(session: Session, control: ControlKernel, harness: Harness) -> controls.ControlResult:
    request = controls.ControlRequest(
        control,
        harness.packages.kernels[control.name],
        harness.selftests.program,
        harness.selftests.cases,
        harness.packages.iproute2,
        session.cache,
        session.options.accel,
        checks=harness.checks,
    )
    result = controls.run_control(request, session.emit)
    noted = record.Control(
        control.name,
        result.package,
        result.expected,
        result.ok,
        tuple(suite_of(s) for s in result.suites),
        result.seconds,
        result.detail,
    )
    session.artifact(f"console-{control.name}", result.log)
    with session.lock:
        others = tuple(c for c in session.record.controls if c.name != control.name)
        session.note(controls=tuple(sorted((*others, noted), key=lambda c: c.name)))
    session.gate(f"control-{control.name}", "passed" if result.ok else "failed", result.detail)
    return result


def test_kernel(
    session: Session,
    image: Path,
    harness: Harness,
    cases: Mapping[str, tuple[str, ...]],
    *,
    boot_only: bool = False,
) -> None:
    """Boot the image with the suites; a passed result of the same image and guest is kept."""
    request = _with_room(
        GuestRequest(
            image,
            harness.selftests.program,
            cases,
            harness.packages.iproute2,
            session.cache,
            session.run.log("guest"),
            accel=session.options.accel,
            boot_only=boot_only,
            checks=() if boot_only else harness.checks,
        ),
        harness.flavour,
    )
    place = _kept(session, request)
    if _reuse(session, place):
        return
    result = guest.boot(request, session.emit)
    tests = tuple(suite_of(s) for s in result.suites)
    log = session.run.relative(result.log)
    noted = record.Guest(result.outcome, result.accel, result.seconds, log, result.detail)
    session.note(tests=tests, guest=noted)
    session.artifact("console", result.log)
    passed = result.outcome is Outcome.PASSED
    session.gate("boot and tests", "passed" if passed else "failed", _asked(session, result.detail))
    trouble = guest.failure(result)
    if trouble is not None:
        raise trouble
    keep = {"tests": [asdict(t) for t in tests], "guest": asdict(noted), "log": str(result.log)}
    files.write(place, json.dumps(keep).encode())


def _asked(session: Session, detail: str) -> str:
    """What a gate says of tests, with the suites that alone were asked for."""
    suites = session.options.suites
    return f"{detail}; only {', '.join(suites)}" if suites else detail


def _with_room(request: GuestRequest, flavour: Flavour | None) -> GuestRequest:
    """The same guest with the memory and the time that a flavour's kernel needs."""
    if flavour is None:
        return request
    return replace(
        request,
        memory=flavour.memory,
        deadline=request.deadline * flavour.patience,
        silence=request.silence * flavour.patience,
    )


def _kept(session: Session, request: GuestRequest) -> Path:
    initramfs = build_initramfs(guest.initramfs_request(request))
    image = hashlib.sha256(request.kernel.read_bytes()).hexdigest()
    told = [image, initramfs.sha256, request.accel, request.boot_only]
    facts = json.dumps([*told, *sorted((name, *cases) for name, cases in request.cases.items())])
    key = hashlib.sha256(facts.encode()).hexdigest()[:24]
    return session.cache.guest / "passed" / f"{key}.json"


def _reuse(session: Session, place: Path) -> bool:
    try:
        data = json.loads(place.read_bytes())
        tests = tuple(record.decode(record.Suite, item) for item in data["tests"])
        noted = record.decode(record.Guest, data["guest"])
        log = Path(data["log"])
    except (OSError, ValueError, KeyError, TypeError, record.RecordError):
        return False
    session.emit(StageStarted(guest.STAGE, "boot and selftests"))
    session.note(tests=tests, guest=replace(noted, log=session.run.relative(log)))
    if log.is_file():
        session.artifact("console", log)
    session.gate("boot and tests", "passed", _asked(session, noted.detail))
    session.emit(StageFinished(guest.STAGE, f"{noted.outcome}: {noted.detail}", 0.0, cached=True))
    return True


def suite_of(suite: SuiteResult) -> record.Suite:
    """A suite as the record has it."""
    cases = tuple(record.Case(c.name, c.outcome, "\n".join(c.detail)) for c in suite.cases)
    return record.Suite(
        suite.name,
        suite.passed,
        suite.failed,
        suite.skipped,
        cases,
        suite.outcome,
        suite.detail,
        suite.seconds or 0.0,
    )
