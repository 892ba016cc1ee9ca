"""The objects gate: every commit's touched objects compile, so that the series bisects.

The whole result compiles in each variant of the configuration that the series names, too: code
between #ifdefs is seen by the compiler only where they let it.

Each commit's tree is written into a source directory of its own and compiled in an O= directory of
its own: in the kernel's, the headers' new times would have make build half of it again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from backport.doors import files
from backport.doors.git import Git
from backport.doors.process import ProcessFailed
from backport.kernel import kbuild
from backport.kernel.build import BuildRequest, make_of
from backport.kernel.checkout import checkout
from backport.kernel.configure import prove, read_fragments
from backport.kernel.objects import ObjectOutcome, ObjectResult, objects
from backport.kernel.toolchain import arch_named, probe
from backport.readers import kconfig
from backport.readers.kconfig import Wanted
from backport.values.errors import BuildFailed, GateFailed
from backport.values.events import Emit, Note, Progress, StageFinished, StageStarted, silent

STAGE = "objects"
RECIPE = 1  # part of every key: raise it when the same inputs give another result
SHOWN = 8  # failed objects that an error shows


@dataclass(frozen=True)
class Step:
    """One picked commit, and the tree after it."""

    subject: str
    commit: str
    tree: str


@dataclass(frozen=True)
class Variant:
    """Another configuration to compile the last step in: fragments over the final one."""

    name: str
    fragments: tuple[Path, ...]


@dataclass(frozen=True)
class Request:
    """`base` is the tree before the first step, `config` the final kernel's configuration.

    `source` and `out` are directories of this gate's own; `cache` keeps what passed.
    """

    git: Git
    base: str
    steps: tuple[Step, ...]
    config: Path
    source: Path
    out: Path
    cache: Path
    log: Path
    arch: str = "x86_64"
    variables: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 0
    emit: Emit = silent
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True)
class Result:
    """Every step passed; `built` objects of them compiled, `left_out` paths are not configured.

    `varied` objects were compiled in the variants.
    """

    built: int
    varied: int
    left_out: tuple[str, ...]
    seconds: float
    cached: bool


@dataclass(frozen=True)
class _Job:
    """One thing to compile: files of a step, in the final configuration or in a variant of it."""

    step: Step
    paths: tuple[str, ...]
    variant: Variant | None = None


class ObjectsFailed(GateFailed):
    """A commit of the series does not compile by itself."""

    def __init__(self, job: _Job, failed: Sequence[ObjectResult], log: Path) -> None:
        step, how = job.step, "by itself"
        if job.variant:
            how = f"{job.variant.name} ({', '.join(path.name for path in job.variant.fragments)})"
        lines = [f'objects: "{step.subject}" ({step.commit[:12]}) does not compile {how}:']
        for one in failed[:SHOWN]:
            lines += [f"  {one.path}", *(f"    {line}" for line in one.errors)]
        lines += [f"  and {len(failed) - SHOWN} more"] if len(failed) > SHOWN else []
        hint = "bind what is missing to this commit with a rule, or change the order of the series"
        super().__init__("\n".join(lines), hint=hint, log=log)
        self.step = step
        self.failed = tuple(failed)
        self.where = failed[0].path + (f", {job.variant.name}" if job.variant else "")


def compile_steps(request: Request) -> Result:
    """Compile what each step touches, in order; a step that passed before is not done again.

    Raises `ObjectsFailed` at the first step that does not compile, `ConfigLost` for a variant that
    the last step's tree does not allow, `BuildFailed` when a configuration cannot be made,
    `Unavailable` when the disk is full.
    """
    start = time.monotonic()
    jobs = _jobs(request)
    request.emit(StageStarted(STAGE, f"objects of {len(request.steps)} commits"))
    built, left_out, cached = {True: 0, False: 0}, set[str](), True
    for number, job in enumerate(jobs):
        key = request.cache / f"{_key(request, job)}.json"
        kept = kbuild.read_stamp(key)
        if not kept:
            cached = False
            request.emit(Progress(STAGE, number, len(jobs), "steps"))
            kept = _compile(request, job)
            files.write(key, json.dumps(kept).encode())
        built[job.variant is not None] += len(kept["built"])
        left_out |= set() if job.variant else set(kept["left_out"])
    seconds = time.monotonic() - start
    detail = f"{len(request.steps)} commits, {built[False]} objects"
    detail += f", {built[True]} in {len(request.variants)} variants" if request.variants else ""
    request.emit(StageFinished(STAGE, detail, seconds, cached))
    return Result(built[False], built[True], tuple(sorted(left_out)), seconds, cached)


def _jobs(request: Request) -> list[_Job]:
    steps = touched(request)
    jobs = [_Job(step, paths) for step, paths in steps]
    if steps:
        every = tuple(sorted({path for _, paths in steps for path in paths}))
        jobs += [_Job(steps[-1][0], every, variant) for variant in request.variants]
    return jobs


def touched(request: Request) -> list[tuple[Step, tuple[str, ...]]]:
    """Each step with the source files to compile after it.

    A header counts for the source files that the series touches: for those it was changed.
    """
    changes = []
    before = request.base
    for step in request.steps:
        changes.append(request.git.changes(before, step.tree))
        before = step.tree
    every = sorted({c.path for some in changes for c in some if c.path.endswith(".c")})
    rows = []
    for step, some in zip(request.steps, changes, strict=True):
        own = {c.path for c in some if c.new and c.path.endswith(".c")}
        if any(c.path.endswith(".h") for c in some):
            own |= request.git.entries(step.tree, every).keys() if every else set()
        rows.append((step, tuple(sorted(own))))
    return rows


def _key(request: Request, job: _Job) -> str:
    parts = {
        "recipe": RECIPE,
        "tree": job.step.tree,
        "paths": list(job.paths),
        "config": kbuild.sha256_file(request.config),
        "variant": kconfig.render(_wanted(job)),
        "arch": asdict(arch_named(request.arch)),
        "toolchain": probe().identity,
        "variables": dict(request.variables),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _wanted(job: _Job) -> Mapping[str, Wanted]:
    """What a variant asks for; nothing for the final configuration."""
    fragments = job.variant.fragments if job.variant else ()
    return kconfig.merge(read_fragments(fragments)).wanted


def _compile(request: Request, job: _Job) -> dict[str, list[str]]:
    """Compile one job; the paths that were built, and those that the configuration leaves out."""
    if not job.paths:
        return {"built": [], "left_out": []}
    step, how = job.step, f" {job.variant.name}" if job.variant else ""
    request.emit(Note(STAGE, f"{step.commit[:12]} {step.subject}: {len(job.paths)} files{how}"))
    checkout(request.git, step.tree, request.source)
    build = BuildRequest(
        request.source,
        request.out,
        request.log,
        step.tree,
        request.arch,
        request.variables,
        request.jobs,
        gently=True,  # a guest that must wait for its processor fails tests that do not wait
    )
    _configure(request, build, _wanted(job))
    results = objects(build, job.paths)
    failed = [one for one in results if one.outcome is ObjectOutcome.FAILED]
    if failed:
        raise ObjectsFailed(job, failed, request.log)
    done = [one.path for one in results if one.outcome is ObjectOutcome.BUILT]
    return {"built": done, "left_out": sorted(set(job.paths) - set(done))}


def _configure(request: Request, build: BuildRequest, wanted: Mapping[str, Wanted]) -> None:
    """The final configuration, less what this step does not know yet: that is no loss.

    A variant's wishes lie over it, and must hold.
    """
    config = request.out / ".config"
    with kbuild.locked(request.out, STAGE, request.emit) as lock:
        text = kconfig.lay_over(request.config.read_text("utf-8"), wanted)
        files.write(config, text.encode())
        try:
            make_of(build).run("olddefconfig", log=request.log, lock=lock)
        except ProcessFailed as err:
            text = f"make olddefconfig failed\n{err.message}"
            raise BuildFailed(text, log=request.log) from err
        prove(request.source, request.arch, wanted, config, request.log)
