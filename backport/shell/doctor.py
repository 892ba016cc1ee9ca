"""What the machine needs, stage by stage, and the one command that installs what is missing.

A stage calls `check` before it begins: a tool that the tenth minute needs is missed in the first
second.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.doors import process
from backport.readers import elf
from backport.values.errors import BackportError, ToolMissing, UsageError

STAGES = ("git", "archive", "build", "selftests", "guest", "export", "evidence", "eval")
GIT, ARCHIVE, BUILD, SELFTESTS, GUEST, EXPORT, EVIDENCE, EVAL = STAGES
ALL = "all"

OK, MISSING, OLD, BROKEN, LOW, NOTE = "ok", "missing", "too old", "broken", "low", "note"
_BAD = (MISSING, OLD, BROKEN)
DISK_GB = 15  # what a cold run of one target leaves in the cache, with room to breathe
PYTHON = (3, 11)
_VERSION = re.compile(r"\b\d+(?:\.\d+)+")
_ASK_SECONDS = 20.0

INCLUDES = ("usr/local/include", "usr/include", "usr/include/*-linux-gnu*")


@dataclass(frozen=True)
class Need:
    """One row: a program, or the file `path` below an include directory or the root.

    `minimum` is a version of the program; a need that is not `required` makes something better.
    """

    name: str
    why: str
    package: str  # Debian's
    stages: tuple[str, ...]
    kind: str = "program"
    minimum: tuple[int, ...] = ()
    required: bool = True


# The minima are git's for merge-tree --write-tree, and those of Documentation/process/changes.rst
# in the kernels that we build.
NEEDS: tuple[Need, ...] = (
    Need("git", "picks commits in core (merge-tree --write-tree)", "git", (GIT,), minimum=(2, 38)),
    Need("apt-get", "finds and downloads kernel packages", "apt", (ARCHIVE,)),
    Need("dpkg-deb", "unpacks packages", "dpkg", (ARCHIVE,)),
    Need("tar", "unpacks kernel sources", "tar", (ARCHIVE,)),
    Need("xz", "unpacks kernel sources", "xz-utils", (ARCHIVE,)),
    Need("gcc", "compiles the kernel", "gcc", (BUILD, SELFTESTS), minimum=(5, 1)),
    Need("make", "drives the builds", "make", (BUILD, SELFTESTS), minimum=(3, 82)),
    Need("ld", "links the kernel", "binutils", (BUILD, SELFTESTS), minimum=(2, 23)),
    Need("flex", "reads Kconfig", "flex", (BUILD,), minimum=(2, 5, 35)),
    Need("bison", "reads Kconfig", "bison", (BUILD,), minimum=(2, 0)),
    Need("bc", "computes kernel/time constants", "bc", (BUILD,), minimum=(1, 6, 95)),
    Need("perl", "runs scripts of the kernel's build", "perl-base", (BUILD,)),
    Need("stdio.h", "host programs of the builds", "libc6-dev", (BUILD, SELFTESTS), "header"),
    Need(
        "gelf.h", "objtool, resolve_btfids and libbpf", "libelf-dev", (BUILD, SELFTESTS), "header"
    ),
    Need("zlib.h", "libbpf and bpftool", "zlib1g-dev", (SELFTESTS,), "header"),
    Need("openssl/ssl.h", "certificates in the kernel's build", "libssl-dev", (BUILD,), "header"),
    Need("clang", "compiles BPF programs", "clang", (SELFTESTS,)),
    Need("llvm-strip", "strips BPF objects", "llvm", (SELFTESTS,)),
    Need("llvm-objcopy", "links BPF objects", "llvm", (SELFTESTS,)),
    Need("pkg-config", "finds libelf for bpftool", "pkg-config", (SELFTESTS,)),
    Need("rsync", "installs kernel headers for the selftests", "rsync", (SELFTESTS,)),
    Need("python3", "generates BPF helper headers", "python3", (SELFTESTS,)),
    Need("qemu-system-x86_64", "boots the kernels", "qemu-system-x86", (GUEST,)),
    Need("busybox", "is the guest's userland", "busybox-static", (GUEST,), "static"),
    Need("dash", "is the guest's /bin/sh", "dash", (GUEST,)),
    Need("chrt", "lets the guest's soft interrupts run at once", "util-linux", (GUEST,)),
    Need("ip", "its libraries serve the newer ip of the guest", "iproute2", (GUEST,)),
    Need("zstd", "unpacks Debian's 6.12 kernel image", "zstd", (GUEST,)),
    Need("lz4", "unpacks Debian's 6.1 kernel image", "lz4", (GUEST,)),
    Need("quilt", "applies an exported series: --format quilt", "quilt", (EXPORT,), required=False),
    Need("dpkg-source", "applies one: --format debian", "dpkg-dev", (EXPORT,), required=False),
    Need("rpmbuild", "applies one: --format rpm", "rpm", (EXPORT,), required=False),
    Need("ccache", "makes second builds faster", "ccache", (BUILD,), required=False),
    Need(
        "pahole",
        "reads layouts for compat, gives the kernel BTF",
        "dwarves",
        (BUILD,),
        required=False,
    ),
    Need("ssh-keygen", "signs bundles, and checks", "openssh-client", (EVIDENCE,), required=False),
    Need("gpg", "signs bundles with OpenPGP keys", "gnupg", (EVIDENCE,), required=False),
    Need("gpgv", "checks OpenPGP signatures", "gpgv", (EVIDENCE,), required=False),
    Need("patch", "is compared with: eval --peers", "patch", (EVAL,), required=False),
    Need("diff", "makes what patch applies", "diffutils", (EVAL,), required=False),
    Need("wiggle", "is compared with: eval --peers", "wiggle", (EVAL,), required=False),
)


@dataclass(frozen=True)
class Machine:
    """Where to look: the search path of programs, the root of the file system, who asks."""

    path: str
    root: Path = Path("/")
    is_root: bool = False
    python: tuple[int, ...] = sys.version_info[:3]

    @classmethod
    def here(cls) -> Machine:
        """The machine that we run on."""
        return cls(os.environ.get("PATH", os.defpath), is_root=os.geteuid() == 0)

    def program(self, name: str) -> Path | None:
        """Where a program is found."""
        found = shutil.which(name, path=self.path) if self.path else None
        return Path(found) if found else None

    def header(self, name: str) -> Path | None:
        """Where the compiler finds a header."""
        places = (p for pattern in INCLUDES for p in sorted(self.root.glob(pattern)))
        return next((place / name for place in places if (place / name).is_file()), None)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: `state` is ok, missing, too old, broken, low or note."""

    name: str
    state: str
    detail: str
    package: str = ""
    required: bool = True

    @property
    def bad(self) -> bool:
        """Whether it stops a run."""
        return self.required and self.state in _BAD


def examine(
    scope: str = ALL, machine: Machine | None = None, cache: Path | None = None
) -> list[Finding]:
    """Look at everything that a stage (or, with "all", a whole run) needs.

    `cache` is the cache folder, which need not exist yet; with it the disk is looked at too.
    """
    machine = machine or Machine.here()
    findings = [_examine(need, machine) for need in needs(scope)]
    if scope == ALL:
        findings = [python(machine), *findings, kvm(machine)]
    return findings + ([disk(cache)] if cache is not None else [])


def needs(scope: str) -> list[Need]:
    """The rows of a stage, or all of them; an unknown stage is a `UsageError`."""
    if scope != ALL and scope not in STAGES:
        raise UsageError(f"{scope}: no such stage", hint=f"one of: {', '.join((*STAGES, ALL))}")
    return [need for need in NEEDS if scope == ALL or scope in need.stages]


def check(*stages: str, machine: Machine | None = None) -> None:
    """Raise `ToolMissing` if a stage cannot run here; all that is missing is named at once."""
    machine = machine or Machine.here()
    rows = dict.fromkeys(need for stage in stages for need in needs(stage) if need.required)
    require([_examine(need, machine) for need in rows], machine)


def require(findings: Iterable[Finding], machine: Machine | None = None) -> None:
    """Raise `ToolMissing` if a finding stops a run; the hint installs everything."""
    bad = [finding for finding in findings if finding.bad]
    if bad:
        text = "\n".join(f"  {f.name}: {f.state} ({f.detail})" for f in bad)
        raise ToolMissing(
            f"{len(bad)} of the things that this needs are not here:\n{text}",
            hint=install_command(bad, machine or Machine.here()),
        )


def install_command(findings: Iterable[Finding], machine: Machine) -> str:
    """The one command that installs what is missing; empty when no package would help."""
    packages = sorted({f.package for f in findings if f.state in _BAD and f.package})
    if not packages:
        return ""
    if machine.program("apt-get") is None:
        return f"install what Debian calls {' '.join(packages)}"
    sudo = "" if machine.is_root else "sudo "
    return f"{sudo}apt-get install -y {' '.join(packages)}"


def render(findings: Sequence[Finding], machine: Machine | None = None) -> str:
    """The findings as a table for a person, with the command to type last."""
    marks = {OK: "✓", NOTE: "·", LOW: "!"}
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for found in findings:
        mark = marks.get(found.state, "✗" if found.bad else "–")
        state = "" if found.state in marks else f"{found.state}{_optional(found)}: "
        lines.append(f"{mark} {found.name.ljust(width)}  {state}{found.detail}")
    command = install_command([f for f in findings if f.bad], machine or Machine.here())
    return "\n".join([*lines, "", f"next: {command}"] if command else lines)


def _optional(found: Finding) -> str:
    return "" if found.required else ", optional"


# -- looking


def _examine(need: Need, machine: Machine) -> Finding:
    state, detail = _LOOK[need.kind](need, machine)
    return Finding(need.name, state, detail, need.package, need.required)


def _program(need: Need, machine: Machine) -> tuple[str, str]:
    path = machine.program(need.name)
    if path is None:
        return MISSING, need.why
    if not need.minimum:
        return OK, str(path)
    version = version_of(path)
    if version is None:
        return BROKEN, f"{path} does not tell its version"
    found = ".".join(map(str, version))
    if version < need.minimum:
        wanted = ".".join(map(str, need.minimum))
        return OLD, f"{path} is {found}, {need.why} needs {wanted}"
    return OK, f"{path} {found}"


def _static(need: Need, machine: Machine) -> tuple[str, str]:
    path = machine.program(need.name)
    if path is None:
        return MISSING, need.why
    try:
        interpreter = elf.parse(path.read_bytes()).interpreter
    except (elf.BadElf, OSError) as err:
        return BROKEN, f"{path}: {err}"
    if interpreter:
        return BROKEN, f"{path} is not static, it would not run in the guest"
    return OK, f"{path}, static"


def _header(need: Need, machine: Machine) -> tuple[str, str]:
    path = machine.header(need.name)
    return (MISSING, need.why) if path is None else (OK, str(path))


_LOOK: Mapping[str, Callable[[Need, Machine], tuple[str, str]]] = {
    "program": _program,
    "static": _static,
    "header": _header,
}


def version_of(program: Path) -> tuple[int, ...] | None:
    """The first dotted number that `--version` prints, None if there is none to be had."""
    try:
        done = process.run([program, "--version"], check=False, timeout=_ASK_SECONDS)
    except (BackportError, OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.text) if done.returncode == 0 else None
    return tuple(int(part) for part in found.group().split(".")) if found else None


# -- what no package installs


def python(machine: Machine) -> Finding:
    """Whether Python is new enough."""
    text = ".".join(map(str, machine.python))
    wanted = ".".join(map(str, PYTHON))
    if machine.python < PYTHON:
        return Finding("python", OLD, f"{text}, backport needs {wanted}", "python3")
    return Finding("python", OK, text)


def disk(cache: Path) -> Finding:
    """How much room there is where the cache is, or will be."""
    place = next(p for p in (cache, *cache.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free / 1e9
    text = f"{free:.0f} GB free at {cache}"
    if free < DISK_GB:
        more = f"a cold run needs about {DISK_GB}: point BACKPORT_CACHE at a larger disk"
        return Finding("disk", LOW, f"{text}, {more}")
    return Finding("disk", OK, text)


def kvm(machine: Machine) -> Finding:
    """Whether guests may be fast; nothing is proven before a small one has booted."""
    device = machine.root / "dev/kvm"
    if os.access(device, os.R_OK | os.W_OK):
        return Finding("kvm", NOTE, f"{device} is there; a small guest proves it before it is used")
    why = "not yours to open" if device.exists() else "not there"
    return Finding("kvm", NOTE, f"{device} is {why}: guests run under TCG, which takes longer")
