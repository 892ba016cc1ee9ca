"""Compiles the checks of our own that a guest runs beside upstream's selftests.

One C file of qemu/ is one suite. It is compiled with the UAPI headers of the kernel under test over
the C library's, and linked statically, so that the guest needs nothing else for it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backport.doors import files, process
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.gates.uapi import PREFIX
from backport.values.errors import BuildFailed, UsageError
from backport.values.events import Emit, StageFinished, StageStarted

STAGE = "checks"
PARSER = "ktap"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static")
TOOLS = (("gcc", "gcc"),)
# What programs of qemu/ share; a header does not include another one of ours.
_OURS = re.compile(r'^#include "([\w.-]+)"$', re.M)


@dataclass(frozen=True)
class Checks:
    """A suite of our own: `program` runs the cases that its argument names, joined by commas."""

    name: str
    program: Path
    sha256: str
    cases: tuple[str, ...]


@dataclass(frozen=True)
class ChecksRequest:
    """`tree` is the kernel under test, of which `headers` are taken; `source` is the C file."""

    git: Git
    tree: str
    headers: tuple[str, ...]
    source: Path
    cache: Cache


def build_checks(request: ChecksRequest, emit: Emit) -> Checks:
    """Compile a suite, or find it in the cache.

    Raises `UsageError` without its source, `ToolMissing`, and `BuildFailed` with what the compiler
    says: a number of the result that is not upstream's, too.
    """
    start = time.monotonic()
    name = request.source.stem
    emit(StageStarted(STAGE, f"{name}, with the headers of the result"))
    process.require(TOOLS)
    parts = _parts(request)
    home = request.cache.donor / f"{name}-{_key(parts)}"
    with files.locked(home.with_suffix(".lock")):
        done = _finished(home, name)
        checks = done or _compile(home, name, parts)
    detail = f"{len(checks.cases)} cases"
    emit(StageFinished(STAGE, detail, time.monotonic() - start, cached=done is not None))
    return checks


def _parts(request: ChecksRequest) -> dict[str, bytes]:
    """Everything that the compiler is given, by path below the folder that it works in."""
    if not request.source.is_file():
        raise UsageError(
            f"{request.source}: no such file",
            hint="`checks` of the series' series.toml names C files of qemu/, without the ending",
        )
    parts = {request.source.name: request.source.read_bytes()}
    for name in _OURS.findall(parts[request.source.name].decode("utf-8", "replace")):
        beside = request.source.with_name(name)
        if not beside.is_file():
            raise UsageError(f"{request.source}: includes {name}, which is not beside it")
        parts[name] = beside.read_bytes()
    for path in request.headers:
        data = request.git.read(request.tree, path)
        if data is not None:
            parts[f"include/{path.removeprefix(PREFIX)}"] = data
    return parts


def _key(parts: Mapping[str, bytes]) -> str:
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(parts.items())}
    facts = [FLAGS, process.run(["gcc", "--version"]).text, digests]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _finished(home: Path, name: str) -> Checks | None:
    try:
        facts = json.loads((home / "done.json").read_bytes())
        program = home / name
        if hashlib.sha256(program.read_bytes()).hexdigest() == facts["sha256"]:
            return Checks(name, program, facts["sha256"], tuple(facts["cases"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _compile(home: Path, name: str, parts: Mapping[str, bytes]) -> Checks:
    for path, data in parts.items():
        files.write(home / path, data)
    source, program = home / f"{name}.c", home / name
    argv: list[str | Path] = ["gcc", *FLAGS, "-I", home / "include", "-o", program, source]
    done = process.run(argv, check=False, timeout=120)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").replace(f"{home}/", "")
        raise BuildFailed(f"{name}.c does not compile with the headers of the result:\n{said}")
    cases = tuple(process.run([program, "--list"], timeout=20).text.split())
    sha256 = hashlib.sha256(program.read_bytes()).hexdigest()
    files.write(home / "done.json", json.dumps({"sha256": sha256, "cases": cases}).encode())
    return Checks(name, program, sha256, cases)
