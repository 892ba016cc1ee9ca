"""What builds a kernel: architectures as rows, the tools that are here, and what old kernels need.

Adding an architecture adds a row to `ARCHES`; a kernel that does not build with this machine's
tools gets a row in `QUIRKS`, never a branch.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backport.doors import process
from backport.values.errors import UsageError
from backport.values.version import Range, Version


@dataclass(frozen=True)
class Arch:
    """One architecture: what make calls it, where its Kconfig is, what to build for a boot."""

    name: str
    make: str
    srcarch: str
    target: str
    image: str  # below the O= directory


ARCHES: Mapping[str, Arch] = {
    "x86_64": Arch("x86_64", "x86_64", "x86", "bzImage", "arch/x86/boot/bzImage"),
}


def arch_named(name: str) -> Arch:
    """The row of an architecture; an unknown name is a `UsageError`."""
    if name not in ARCHES:
        raise UsageError(f"{name}: unknown architecture", hint=f"known: {', '.join(ARCHES)}")
    return ARCHES[name]


@dataclass(frozen=True)
class Quirk:
    """What a range of kernels needs from us on today's tools, and why."""

    name: str
    kernels: Range
    # Ask the tree, stable branches get fixes without a new number: (path, text found there).
    evidence: tuple[str, str]
    variables: Mapping[str, str]
    reason: str


QUIRKS: tuple[Quirk, ...] = (
    Quirk(
        name="subcmd-use-after-free",
        kernels=Range(None, Version(5, 19)),
        evidence=("tools/lib/subcmd/subcmd-util.h", "realloc(ptr, 1)"),
        variables={"WERROR": "0"},
        reason="gcc 12 calls the second realloc in libsubcmd a use after free, and objtool and "
        "resolve_btfids are built with -Werror: measured with gcc 12.2 on 5.15.16",
    ),
)


@dataclass(frozen=True)
class Tool:
    """A program and the first line of its version, for the record."""

    name: str
    version: str


@dataclass(frozen=True)
class Toolchain:
    """The tools of one build; `cc` is make's CC, `compiler` the compiler's own version line."""

    cc: str
    compiler: str
    tools: tuple[Tool, ...] = field(default=())

    @property
    def identity(self) -> str:
        """What decides whether objects of an earlier build may stay."""
        return f"{self.cc}: {self.compiler}"


_RECORDED = ("make", "ld", "ccache", "pahole", "clang", "bison", "flex", "bc")
_REQUIRED = (
    ("make", "make"),
    ("ld", "binutils"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
)


def probe(compiler: str = "gcc") -> Toolchain:
    """Look at the tools that are here; raises `ToolMissing` for one that every build needs."""
    process.require([(compiler, compiler), *_REQUIRED])
    tools = tuple(versions_of(*_RECORDED))
    cc = f"ccache {compiler}" if shutil.which("ccache") else compiler
    return Toolchain(cc, version_of(compiler), tools)


def versions_of(*programs: str) -> Iterator[Tool]:
    """Those of some programs that are here."""
    return (Tool(name, version_of(name)) for name in programs if shutil.which(name))


def version_of(program: str) -> str:
    """The first line that `--version` prints."""
    done = process.run([program, "--version"], check=False)
    return next(iter(done.text.splitlines()), "")


_VERSION_LINE = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL)\s*=\s*(\d+)\s*$", re.MULTILINE)


def kernel_version(source: Path) -> Version:
    """The version in a tree's Makefile; a directory that is no kernel tree is a `UsageError`."""
    try:
        text = (source / "Makefile").read_text("utf-8", "replace")
    except OSError as err:
        raise _not_a_kernel(source) from err
    found = dict(_VERSION_LINE.findall(text))
    if not {"VERSION", "PATCHLEVEL"} <= found.keys() or not (source / "Kconfig").is_file():
        raise _not_a_kernel(source)
    return Version(int(found["VERSION"]), int(found["PATCHLEVEL"]), int(found.get("SUBLEVEL", 0)))


def _not_a_kernel(source: Path) -> UsageError:
    return UsageError(
        f"{source}: not a kernel tree (no Makefile with VERSION and PATCHLEVEL, or no Kconfig)",
        hint="give the top directory of a kernel source tree",
    )


def quirks(source: Path) -> tuple[Quirk, ...]:
    """The rows that hold for a tree: its version is in the range and the evidence is there."""
    version = kernel_version(source)
    return tuple(q for q in QUIRKS if version in q.kernels and _evident(source, q))


def _evident(source: Path, quirk: Quirk) -> bool:
    path, text = quirk.evidence
    try:
        return text in (source / path).read_text("utf-8", "replace")
    except OSError:
        return False
