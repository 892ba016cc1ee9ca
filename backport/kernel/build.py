"""Builds a configured kernel in its O= directory.

Make decides what is out of date; a stamp in the O= directory says which tree, configuration and
tools its image was finished for. Whatever is killed leaves a directory that make goes on from.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from backport.doors import files
from backport.doors.process import Completed
from backport.kernel import kbuild, toolchain
from backport.readers.warnings import (
    BuildWarning,
    Delta,
    Ledger,
    compare,
    compiled,
    is_error,
)
from backport.values.errors import BuildFailed, ToolMissing, Unavailable, UsageError
from backport.values.events import Emit, Progress, StageFinished, StageStarted, silent

STAGE = "build"
STAMP = ".backport-build.json"
JOURNAL = ".backport-journal"
SHOWN_ERRORS = 8
# Objects of the fragments in kconfig/ on 6.1, until an O= directory knows its own number.
FIRST_ESTIMATE = 860
# Headers that the build's own tools include, and the Debian packages that bring them.
HOST_HEADERS: Mapping[str, str] = {
    "gelf.h": "libelf-dev",
    "libelf.h": "libelf-dev",
    "openssl/": "libssl-dev",
    "zlib.h": "zlib1g-dev",
}


@dataclass(frozen=True)
class BuildRequest:
    """What to build; `out` is configured already.

    `tree` is the id of what `source` holds; without one make looks at every file each time.
    `baseline` is the stamp (`BuildResult.stamp`) of an unpatched build to compare warnings with.
    `jobs` 0 is one for each CPU that we may use.
    """

    source: Path
    out: Path
    log: Path
    tree: str = ""
    arch: str = "x86_64"
    variables: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 0
    baseline: Path | None = None
    emit: Emit = silent
    gently: bool = False  # as in `kbuild.Make`


@dataclass(frozen=True)
class BuildResult:
    """A finished kernel; of its `total_objects`, `objects` were compiled in this run."""

    image: Path
    image_sha256: str
    vmlinux: Path
    system_map: Path
    config: Path
    stamp: Path
    log: Path
    seconds: float
    objects: int
    total_objects: int
    warnings: tuple[BuildWarning, ...]
    delta: Delta | None
    compiler: str
    command: tuple[str, ...]
    cached: bool


def build(request: BuildRequest) -> BuildResult:
    """Bring the image up to date.

    Raises `BuildFailed` with the first real errors, `UsageError` for a directory that is not
    configured, `Unavailable` when the disk is full.
    """
    start = time.monotonic()
    make = make_of(request)
    request.emit(StageStarted(STAGE, f"build: {make.arch.target}"))
    with kbuild.locked(request.out, STAGE, request.emit) as lock:
        stamp = kbuild.read_stamp(request.out / STAMP)
        cached = _fresh(request, make, stamp)
        objects = 0
        if not cached:
            objects = _run(request, make, stamp, lock)
            stamp = kbuild.read_stamp(request.out / STAMP)
    result = _result(request, make, stamp, objects)
    result = replace(result, seconds=time.monotonic() - start, cached=cached)
    detail = f"{result.objects} of {result.total_objects} objects compiled"
    detail += f", {len(result.warnings)} warnings" if result.warnings else ", no warnings"
    request.emit(StageFinished(STAGE, detail, result.seconds, cached))
    return result


def make_of(request: BuildRequest) -> kbuild.Make:
    """How make is called for a request; checks that there is a tree and a configuration."""
    toolchain.kernel_version(request.source)
    if not (request.out / ".config").is_file():
        raise UsageError(
            f"{request.out}: not configured (no .config)", hint="run the configure stage first"
        )
    arch = toolchain.arch_named(request.arch)
    variables, tools = dict(request.variables), toolchain.probe()
    return kbuild.Make(request.source, request.out, arch, tools, variables, request.gently)


def _inputs(request: BuildRequest, make: kbuild.Make) -> str:
    parts = {
        "tree": request.tree,
        "config": kbuild.sha256_file(request.out / ".config"),
        "arch": asdict(make.arch),
        "toolchain": make.toolchain.identity,
        "variables": make.effective(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _products(request: BuildRequest, make: kbuild.Make) -> dict[str, Path]:
    names = {"image": make.arch.image, "vmlinux": "vmlinux", "system_map": "System.map"}
    return {key: request.out / name for key, name in names.items()}


def _fresh(request: BuildRequest, make: kbuild.Make, stamp: Mapping[str, Any]) -> bool:
    """Whether the stamp is of these inputs and its products are still as it says."""
    if not request.tree or stamp.get("inputs") != _inputs(request, make):
        return False
    hashes = {key: kbuild.sha256_file(path) for key, path in _products(request, make).items()}
    return stamp.get("products") == hashes


def _run(request: BuildRequest, make: kbuild.Make, stamp: Mapping[str, Any], lock: int) -> int:
    """Run make and stamp what came out; the number of objects that it compiled."""
    inputs = _inputs(request, make)
    ledger = _remembered(request, stamp)
    with (request.out / JOURNAL).open("a", encoding="utf-8") as journal:
        watch = _Watch(request, ledger, journal, bool(stamp))
        done = make.run(
            make.arch.target,
            log=request.log,
            on_line=watch.line,
            jobs=jobs_of(request),
            check=False,
            lock=lock,
        )
    if done.returncode:
        raise _failure(done, watch, request)
    hashes = {key: kbuild.sha256_file(path) for key, path in _products(request, make).items()}
    _write_stamp(request, ledger, inputs, hashes)
    return len(watch.seen)


def jobs_of(request: BuildRequest) -> int:
    """How many compilers may run at a time."""
    return request.jobs or len(os.sched_getaffinity(0))


def roots_of(request: BuildRequest) -> list[str]:
    """The directories that paths in compiler output are shortened by."""
    return [str(request.source.absolute()), str(request.out.absolute())]


def _remembered(request: BuildRequest, stamp: Mapping[str, Any]) -> Ledger:
    """What earlier runs said about objects that make will not compile again."""
    ledger = Ledger(roots_of(request))
    for name, found in stamp.get("steps", {}).items():
        ledger.steps[name] = [BuildWarning(*one) for one in found]
    ledger.objects |= set(stamp.get("objects", ()))
    journal = request.out / JOURNAL
    if journal.is_file():
        for line in journal.read_text("utf-8", "replace").splitlines():
            ledger.feed(line)
    return ledger


def _write_stamp(
    request: BuildRequest, ledger: Ledger, inputs: str, products: Mapping[str, str]
) -> None:
    stamp = {
        "inputs": inputs,
        "products": products,
        "objects": sorted(name for name in ledger.objects if (request.out / name).is_file()),
        "steps": {
            name: [_row(one) for one in found]
            for name, found in sorted(ledger.steps.items())
            if found and (name not in ledger.objects or (request.out / name).is_file())
        },
    }
    files.write(request.out / STAMP, json.dumps(stamp, indent=1).encode())
    # Only now: a kill in between makes the next run read the same lines twice, which is harmless.
    (request.out / JOURNAL).unlink(missing_ok=True)


def _row(one: BuildWarning) -> list[str | int]:
    return [one.file, one.line, one.kind, one.text]


class _Watch:
    """Listens to make: counts objects, keeps what a later run must know, notes errors."""

    def __init__(
        self, request: BuildRequest, ledger: Ledger, journal: TextIO, built_before: bool
    ) -> None:
        self.emit = request.emit
        self.ledger = ledger
        self.journal = journal
        self.seen: set[str] = set()
        self.errors: list[str] = []
        self.no_room = False
        # A first build that goes on counts from where it stood. How much of a finished one is out
        # of date nobody knows before make has looked.
        self.counted = self.seen if built_before else ledger.objects
        self.total = 0 if built_before else FIRST_ESTIMATE

    def line(self, line: str) -> None:
        """Take one line of make's output."""
        if self.ledger.feed(line):
            self.journal.write(f"{line}\n")
            self.journal.flush()
        if compiled(line):
            self.seen.add(compiled(line))
            done = len(self.counted)
            total = max(self.total, done) if self.total else 0
            self.emit(Progress(STAGE, done, total, "objects"))
        if is_error(line) and len(self.errors) < SHOWN_ERRORS:
            self.errors.append(line)
        self.no_room = self.no_room or "No space left on device" in line


def _failure(done: Completed, watch: _Watch, request: BuildRequest) -> BuildFailed | Unavailable:
    if watch.no_room:
        return Unavailable(
            f"{request.out}: no room left on the disk while building",
            hint="free about 1 GB, then run it again: the build goes on where it stopped",
            log=request.log,
        )
    packages = {
        p for name, p in HOST_HEADERS.items() for e in watch.errors if f"error: {name}" in e
    }
    if packages:
        return ToolMissing(
            "\n".join(["the kernel's own tools do not build", *watch.errors]),
            hint=f"apt-get install {' '.join(sorted(packages))}",
            log=request.log,
        )
    told = watch.errors or done.text.splitlines()[-SHOWN_ERRORS:]
    return BuildFailed(
        "\n".join(["the kernel does not build", *told]),
        hint="correct the first error; the next run compiles only what is left",
        log=request.log,
    )


def _result(
    request: BuildRequest, make: kbuild.Make, stamp: Mapping[str, Any], objects: int
) -> BuildResult:
    warnings = _stamped_warnings(stamp)
    products = _products(request, make)
    return BuildResult(
        image=products["image"],
        image_sha256=stamp["products"]["image"],
        vmlinux=products["vmlinux"],
        system_map=products["system_map"],
        config=request.out / ".config",
        stamp=request.out / STAMP,
        log=request.log,
        seconds=0.0,
        objects=objects,
        total_objects=len(stamp["objects"]),
        warnings=warnings,
        delta=_delta(request, warnings),
        compiler=make.toolchain.compiler,
        command=tuple(make.argv(make.arch.target, jobs=jobs_of(request))),
        cached=False,
    )


def _stamped_warnings(stamp: Mapping[str, Any]) -> tuple[BuildWarning, ...]:
    found = {BuildWarning(*one) for rows in stamp.get("steps", {}).values() for one in rows}
    return tuple(sorted(found))


def _delta(request: BuildRequest, warnings: Sequence[BuildWarning]) -> Delta | None:
    if request.baseline is None:
        return None
    stamp = kbuild.read_stamp(request.baseline)
    if "inputs" not in stamp:
        raise UsageError(
            f"{request.baseline}: not the stamp of a finished build",
            hint=f"a build leaves it as {STAMP} in its O= directory",
        )
    return compare(warnings, _stamped_warnings(stamp))
