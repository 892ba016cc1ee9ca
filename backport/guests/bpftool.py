"""Builds bpftool from a slice of the donor tree: one that knows the feature's links and devices."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from backport.doors import files, process
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.guests.selftests import run_make, unpack
from backport.values.errors import BuildFailed, UsageError
from backport.values.events import Emit, StageFinished, StageStarted

STAGE = "bpftool"
HOME = "tools/bpf/bpftool"
SLICE = (
    "include/uapi/linux",
    "kernel/bpf/disasm.c",
    "kernel/bpf/disasm.h",
    "scripts/bpf_doc.py",
    "tools/arch/x86/include",
    HOME,
    "tools/build",
    "tools/include",
    "tools/lib/bpf",
    "tools/scripts",
)
# Without what only other commands of it use: disassemblers, and programs of its own that profile.
MAKE_VARIABLES = {
    "feature-llvm": "0",
    "feature-libbfd": "0",
    "feature-libcap": "0",
    "feature-clang-bpf-co-re": "0",
}
TOOLS = (("make", "make"), ("gcc", "gcc"), ("python3", "python3"))


@dataclass(frozen=True)
class BpftoolRequest:
    """`tree` is the donor's tree in `git`."""

    git: Git
    tree: str
    cache: Cache
    jobs: int = 2


def build_bpftool(request: BpftoolRequest, emit: Emit) -> Path:
    """The program, built once for each slice and compiler.

    Raises `ToolMissing`, `UsageError` for a donor without it, `BuildFailed` with the log.
    """
    start = time.monotonic()
    emit(StageStarted(STAGE, "bpftool from the donor tree"))
    process.require(TOOLS)
    listing = request.git.entries(request.tree, SLICE)
    if f"{HOME}/Makefile" not in listing:
        raise UsageError(f"the donor tree has no {HOME}", hint="take the donor from 4.15 or later")
    facts = {
        "sources": {path: entry.oid for path, entry in sorted(listing.items())},
        "make": MAKE_VARIABLES,
        "gcc": process.run(["gcc", "--version"]).text,
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    home = request.cache.donor / f"bpftool-{key}"
    with files.locked(home.with_suffix(".lock")) as lock:
        cached = _whole(home)
        if not cached:
            _build(request, home, lock, emit)
    emit(StageFinished(STAGE, HOME, time.monotonic() - start, cached=cached))
    return home / "bpftool"


def _whole(home: Path) -> bool:
    try:
        told = (home / "sha256").read_text()
        return hashlib.sha256((home / "bpftool").read_bytes()).hexdigest() == told
    except OSError:
        return False


def _build(request: BpftoolRequest, home: Path, lock: int, emit: Emit) -> None:
    shutil.rmtree(home, ignore_errors=True)  # what a killed build left
    source, out, log = home / "src", home / "out", home / "build.log"
    there = request.git.entries(request.tree, SLICE)
    paths = [path for path in SLICE if any(p == path or p.startswith(f"{path}/") for p in there)]
    tar = request.git.run("archive", "--format=tar", request.tree, "--", *paths).stdout
    unpack(tar, source)
    out.mkdir(parents=True)
    pairs = [f"{key}={value}" for key, value in {**MAKE_VARIABLES, "OUTPUT": f"{out}/"}.items()]
    command = ["make", "-C", str(source / HOME), f"-j{request.jobs}", *pairs, f"{out}/bpftool"]
    run_make(STAGE, command, log, lock, emit)
    if not (out / "bpftool").is_file():
        raise BuildFailed("make succeeded but left no bpftool", log=log)
    program = (out / "bpftool").read_bytes()
    files.write(home / "bpftool", program)
    (home / "bpftool").chmod(0o755)
    files.write(home / "sha256", hashlib.sha256(program).hexdigest().encode())
    for scratch in (source, out):
        shutil.rmtree(scratch, ignore_errors=True)
