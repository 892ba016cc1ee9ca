"""Builds upstream's own BPF selftests from a slice of the donor tree, with the Makefile unpatched.

Only what the wanted suites need is written out (15 MB of a whole tree), and the Makefile is
steered by variables on its command line, which beat its own assignments.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from backport.doors import files, process
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.readers import elf
from backport.values.errors import BuildFailed, UsageError
from backport.values.events import Emit, Note, Progress, StageFinished, StageStarted

STAGE = "selftests"
BPF = "tools/testing/selftests/bpf"
RECIPE = 2  # part of the cache key: raise it when the slice or the make line changes


@dataclass(frozen=True)
class Suite:
    """A group of upstream tests: `files` below the BPF selftests hold them.

    A suite's cases are the `test_<name>_*` functions of those files; fewer than `wants` means that
    the donor is not the tree that we think it is.
    """

    name: str
    files: tuple[str, ...]
    wants: int


SUITES = (
    Suite("tc_netkit", ("prog_tests/tc_netkit.c", "progs/test_tc_link.c"), 6),
    Suite("tc_links", ("prog_tests/tc_links.c", "progs/test_tc_link.c"), 14),
    Suite("tc_opts", ("prog_tests/tc_opts.c", "progs/test_tc_link.c"), 20),
)

SLICE = (
    "include/uapi/linux",
    "kernel/bpf/disasm.c",
    "kernel/bpf/disasm.h",
    "scripts/bpf_doc.py",
    "tools/arch/x86/include",
    "tools/bpf/Makefile",
    "tools/bpf/bpftool",
    "tools/bpf/resolve_btfids",
    "tools/build",
    "tools/include",
    "tools/lib",
    "tools/scripts",
    "tools/testing/selftests/lib.mk",
    BPF,
)
# Every test and program goes; the wanted ones come back one by one.
LEFT_OUT = ("prog_tests/*.c", "progs/*.c", "verifier/*", "map_tests/*", "benchs/*")

MAKE_VARIABLES = {
    # Lists of skeletons and helper modules that only other tests use.
    "SKEL_BLACKLIST": "",
    "LINKED_SKELS": "",
    "LSKELS": "",
    "LSKELS_EXTRA": "",
    "TRUNNER_EXTRA_FILES": "",
    "feature-llvm": "0",  # the JIT disassembler would pull in all of LLVM
}

# An outer make, or a user who builds kernels by hand, exports these.
NEUTRAL = {
    "MAKEFLAGS": "",
    "MFLAGS": "",
    "GNUMAKEFLAGS": "",
    "MAKELEVEL": "0",
    "ARCH": "x86",
    "CC": "gcc",
    "CLANG": "clang",
    "BPF_GCC": "",
    **dict.fromkeys(("CFLAGS", "EXTRA_CFLAGS", "LDFLAGS", "LDLIBS", "SAN_CFLAGS", "RELEASE"), ""),
    **dict.fromkeys(("CROSS_COMPILE", "LLVM", "O", "KBUILD_OUTPUT", "V", "DESTDIR"), ""),
}

TOOLS = (
    ("make", "make"),
    ("gcc", "gcc"),
    ("clang", "clang"),
    ("llvm-objcopy", "llvm"),
    ("llvm-strip", "llvm"),
    ("pkg-config", "pkg-config"),
    ("rsync", "rsync"),
    ("python3", "python3"),
)  # program, Debian package

COMPILERS = ("gcc", "clang")  # whose versions are part of the cache key

# The same pattern by which upstream's Makefile lists its tests.
_TEST = re.compile(r"^void (?:serial_)?test_([a-zA-Z0-9_]+)\((?:void)?\)", re.MULTILINE)
_STEP = re.compile(r"^ {2}([A-Z][A-Z-]+) +(\S.*)$")


@dataclass(frozen=True)
class SelftestsRequest:
    """`tree` is a tree id in `git`; `vmlinux` is the donor kernel's ELF file, with BTF."""

    git: Git
    tree: str
    vmlinux: Path
    cache: Cache
    suites: tuple[Suite, ...] = SUITES
    jobs: int = 2


@dataclass(frozen=True)
class SelftestsResult:
    """`program` is test_progs; `cases` names every test of every suite, by suite."""

    program: Path
    sha256: str
    cases: Mapping[str, tuple[str, ...]]
    log: Path
    seconds: float
    cached: bool


def build_selftests(request: SelftestsRequest, emit: Emit) -> SelftestsResult:
    """Build test_progs for the wanted suites, or find it in the cache.

    Raises `ToolMissing`, `UsageError` (the donor lacks a suite), `BuildFailed` (with the log).
    """
    start = time.monotonic()
    emit(StageStarted(STAGE, "selftests from the donor tree"))
    process.require(TOOLS)
    home = request.cache.donor / cache_key(request)
    with files.locked(home.with_suffix(".lock")) as lock:
        result = _finished(home) or _build(request, home, lock, emit)
    detail = f"{sum(map(len, result.cases.values()))} cases in {len(result.cases)} suites"
    emit(StageFinished(STAGE, detail, time.monotonic() - start, cached=result.cached))
    return result


def cache_key(request: SelftestsRequest) -> str:
    """What the built program depends on: sources, suites, the donor's BTF and the compilers."""
    listing = request.git.entries(request.tree, SLICE)
    facts = {
        "recipe": RECIPE,
        "sources": {path: entry.oid for path, entry in sorted(listing.items())},
        "suites": [asdict(suite) for suite in request.suites],
        "make": MAKE_VARIABLES,
        "btf": hashlib.sha256(_btf(request.vmlinux)).hexdigest(),
        "tools": [process.run([tool, "--version"]).text for tool in COMPILERS],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def _btf(vmlinux: Path) -> bytes:
    try:
        found = elf.parse(vmlinux.read_bytes()).sections.get(".BTF", b"")
    except (OSError, elf.BadElf) as err:
        raise UsageError(f"{vmlinux}: not a vmlinux: {err}") from err
    if not found:
        raise UsageError(
            f"{vmlinux}: has no BTF", hint="the donor kernel needs CONFIG_DEBUG_INFO_BTF=y"
        )
    return found


def list_cases(source: str) -> tuple[str, ...]:
    """The names under which test_progs runs the tests of one source file, sorted."""
    return tuple(sorted(_TEST.findall(source)))


def _finished(home: Path) -> SelftestsResult | None:
    try:
        facts = json.loads((home / "done.json").read_bytes())
        program = home / "test_progs"
        if hashlib.sha256(program.read_bytes()).hexdigest() != facts["sha256"]:
            return None
    except (FileNotFoundError, ValueError, KeyError):
        return None
    cases = {name: tuple(tests) for name, tests in facts["cases"].items()}
    log = home / "build.log"
    return SelftestsResult(program, facts["sha256"], cases, log, facts["seconds"], cached=True)


def _build(request: SelftestsRequest, home: Path, lock: int, emit: Emit) -> SelftestsResult:
    start = time.monotonic()
    shutil.rmtree(home, ignore_errors=True)  # what a killed build left
    source, out, log = home / "src", home / "out", home / "build.log"
    emit(Note(STAGE, "slicing the donor tree"))
    write_slice(request.git, request.tree, request.suites, source)
    cases = {suite.name: _cases_of(suite, source) for suite in request.suites}
    run_make(STAGE, _command(request, source, out), log, lock, emit)
    if not (out / "test_progs").is_file():
        raise BuildFailed("make succeeded but left no test_progs", log=log)
    program = (out / "test_progs").read_bytes()
    sha256 = hashlib.sha256(program).hexdigest()
    files.write(home / "test_progs", program)
    (home / "test_progs").chmod(0o755)
    seconds = round(time.monotonic() - start, 3)
    stamp = {"sha256": sha256, "cases": cases, "seconds": seconds, "tree": request.tree}
    files.write(home / "done.json", json.dumps(stamp, indent=1).encode())
    for scratch in (source, out):
        shutil.rmtree(scratch, ignore_errors=True)
    return SelftestsResult(home / "test_progs", sha256, cases, log, seconds, cached=False)


def write_slice(git: Git, tree: str, suites: tuple[Suite, ...], dest: Path) -> None:
    """Write the slice of `tree` that `suites` need below `dest`."""
    wanted = sorted({f"{BPF}/{name}" for suite in suites for name in suite.files})
    there = git.entries(tree, [*SLICE, *wanted])
    missing = [path for path in wanted if path not in there]
    if missing:
        raise UsageError(
            f"the donor tree has no {', '.join(missing)}",
            hint="netkit's selftests came with Linux 6.7: take the donor from there or later",
        )
    out = [f":(exclude,glob){BPF}/{pattern}" for pattern in LEFT_OUT]
    present = [path for path in SLICE if any(p == path or p.startswith(f"{path}/") for p in there)]
    for paths in ([*present, *out], wanted):
        unpack(git.run("archive", "--format=tar", tree, "--", *paths).stdout, dest)


def unpack(tar: bytes, dest: Path) -> None:
    """Write a tar archive's files below a folder."""
    # By the program: Python 3.11.2, Debian 12's own, warns of nothing and filters nothing.
    dest.mkdir(parents=True, exist_ok=True)
    done = process.run(["tar", "-x", "-C", dest], stdin=tar, check=False)
    if b"No space left" in done.stderr:
        raise files.trouble(OSError(errno.ENOSPC, ""), dest)
    if done.returncode:
        raise process.ProcessFailed(done)


def _cases_of(suite: Suite, source: Path) -> tuple[str, ...]:
    tests = [name for name in suite.files if name.startswith("prog_tests/")]
    found = [case for name in tests for case in list_cases((source / BPF / name).read_text())]
    if len(found) < suite.wants:
        raise UsageError(
            f"{suite.name}: the donor has {len(found)} tests, at least {suite.wants} are wanted"
        )
    return tuple(found)


def _command(request: SelftestsRequest, source: Path, out: Path) -> list[str]:
    out.mkdir(parents=True)
    variables = {
        **MAKE_VARIABLES,
        "OUTPUT": str(out),
        # Without it the Makefile takes the running host's BTF and says nothing.
        "VMLINUX_BTF": str(request.vmlinux.resolve()),
    }
    jobs = request.jobs or os.cpu_count() or 1
    pairs = [f"{key}={value}" for key, value in variables.items()]
    return ["make", "-C", str(source / BPF), f"-j{jobs}", *pairs, f"{out}/test_progs"]


def run_make(stage: str, command: list[str], log: Path, lock: int, emit: Emit) -> None:
    """Run a make of the slice; raises `BuildFailed`. `lock` is held by its compilers, too."""
    steps = 0

    def on_line(line: str) -> None:
        nonlocal steps
        if _STEP.match(line):
            steps += 1
            emit(Progress(stage, steps, 0, "steps"))

    try:
        # The compilers of a killed run hold the lock until they are gone: the next run, which
        # clears the folder first, waits for them.
        process.stream(command, on_line, log=log, env=NEUTRAL, pass_fds=(lock,))
    except process.ProcessFailed as err:
        if "No space left on device" in err.message:
            raise files.trouble(OSError(errno.ENOSPC, ""), log.parent) from err
        raise BuildFailed(f"{stage} did not build:\n{err.message}", log=log) from err
