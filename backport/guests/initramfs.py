"""Builds the guest's root file system: our init, the selftests, and what those call.

Every program comes from the host or from an extracted package, with the libraries it names; the
same pieces give the same bytes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backport.doors import files
from backport.doors.cache import Cache
from backport.guests.checks import Checks
from backport.kernel import kernelimage
from backport.readers import cpio, elf, manifest
from backport.values.errors import ToolMissing, UsageError

# Under their own names only: a busybox `sh`, `ip` or `tc` would get in the way of the real ones.
APPLETS = ("cat", "insmod", "ls", "mount", "ping", "reboot", "rm", "sleep", "umount", "uname")
IPROUTE2 = ("ip", "tc")
LIBRARY_DIRS = (
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "lib64",
    "usr/lib64",
    "lib",
    "usr/lib",
)
STDBUF = ("usr/libexec/coreutils/libstdbuf.so", "usr/lib/coreutils/libstdbuf.so")
EMPTY_DIRS = ("dev", "proc", "root", "run", "sys", "tmp", "etc/iproute2")
TEXTS = {
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
}
MODULE_ENDINGS = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")


@dataclass(frozen=True)
class Payload:
    """What a laboratory's guest is given beside init, a shell, busybox's applets, `ip` and `tc`.

    `commands` run as suites in their order, by name; their words must need no quotes. `programs`
    (executable, with the libraries that they name) and `files` are by their path in the guest.
    """

    commands: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class InitramfsRequest:
    """What the guest shall run.

    `suites` maps a suite's name to the exact names of its cases. `iproute2` is a folder into which
    that package was extracted (the host's, `/`, is too old for netkit on Debian 12). `modules` are
    loaded before the suites, with what they depend on, from `module_root` (`…/lib/modules/<ver>`).
    `links` are kinds of device of which the guest says whether the kernel has them, `checks` are
    suites of our own that run behind the others. `payload` is what a laboratory brings along.
    """

    program: Path | None
    suites: Mapping[str, tuple[str, ...]]
    iproute2: Path
    cache: Cache
    modules: tuple[str, ...] = ()
    module_root: Path | None = None
    links: tuple[str, ...] = ()
    host: Path = Path("/")
    checks: tuple[Checks, ...] = ()
    payload: Payload = field(default_factory=Payload)


@dataclass(frozen=True)
class InitramfsResult:
    """A newc archive, not compressed: unpacking costs an emulated guest more than it saves."""

    path: Path
    sha256: str
    size: int
    seconds: float


def build_initramfs(request: InitramfsRequest) -> InitramfsResult:
    """Build the image; it is named by its own hash, so an unchanged one is written once.

    Raises `ToolMissing` for a program or library that the host lacks, `UsageError` for a module
    that the kernel package does not have.
    """
    start = time.monotonic()
    data = cpio.pack(_nodes(request))
    sha256 = hashlib.sha256(data).hexdigest()
    path = request.cache.guest / "initramfs" / f"{sha256[:24]}.cpio"
    if not path.is_file() or path.stat().st_size != len(data):
        files.write(path, data)
    return InitramfsResult(path, sha256, len(data), time.monotonic() - start)


def init_script() -> Path:
    """The guest's first process, among the data files."""
    return manifest.find_data_root() / "qemu" / "init"


def _nodes(request: InitramfsRequest) -> Iterator[cpio.Node]:
    yield cpio.regular("init", init_script().read_bytes(), executable=True)
    yield cpio.device("dev/console", 5, 1)
    yield cpio.device("dev/null", 1, 3)
    yield from (cpio.directory(path) for path in EMPTY_DIRS)
    yield cpio.symlink("var/run", "/run")
    yield from (cpio.regular(path, text.encode()) for path, text in TEXTS.items())
    yield cpio.regular("etc/backport/suites", _suites_text(request).encode())
    links = "".join(f"{kind}\n" for kind in request.links)
    yield cpio.regular("etc/backport/links", links.encode())
    yield from _programs(request)
    yield from _modules(request)


def _suites_text(request: InitramfsRequest) -> str:
    """One line a suite: its name and the command that runs its cases, joined by commas."""
    rows = [(name, "test_progs -a", cases) for name, cases in request.suites.items()]
    rows += [(checks.name, checks.name, checks.cases) for checks in request.checks]
    for name, _, cases in rows:
        bad = [word for word in (name, *cases) if not word.replace("_", "").isalnum()]
        if bad or not cases:
            raise UsageError(
                f"suite {name!r}: {'no cases' if not cases else f'bad name {bad[0]!r}'}"
            )
    ours = request.payload.commands.items()
    for name, command in ours:
        # init splits at blanks, and the parser knows a suite by its name.
        if not name.replace("_", "").isalnum() or not command.split() or "\n" in command:
            raise UsageError(f"suite {name!r}: bad name or command {command!r}")
    text = "".join(f"{name} {command} {','.join(cases)}\n" for name, command, cases in rows)
    return text + "".join(f"{name} {command}\n" for name, command in ours)


# -- programs and libraries


def _programs(request: InitramfsRequest) -> Iterator[cpio.Node]:
    busybox = static_busybox(request.host)
    dash = _find(request.host, ("usr/bin/dash", "bin/dash"), "dash", "dash")
    chrt = _find(request.host, ("usr/bin/chrt", "bin/chrt"), "chrt", "util-linux")
    stdbuf = _find(request.host, STDBUF, "libstdbuf.so", "coreutils")
    tools = {name: _iproute2(request.iproute2, name) for name in IPROUTE2}
    yield cpio.regular("bin/busybox", busybox.read_bytes(), executable=True)
    yield from (cpio.symlink(f"bin/{name}", "busybox") for name in APPLETS)
    yield cpio.regular("bin/sh", dash.read_bytes(), executable=True)
    if request.program is not None:
        yield cpio.regular("bin/test_progs", request.program.read_bytes(), executable=True)
    for checks in request.checks:
        yield cpio.regular(f"bin/{checks.name}", checks.program.read_bytes(), executable=True)
    yield cpio.regular("bin/chrt", chrt.read_bytes(), executable=True)
    yield cpio.regular("lib/libstdbuf.so", stdbuf.read_bytes())
    for name, path in tools.items():
        yield cpio.regular(f"sbin/{name}", path.read_bytes(), executable=True)
    payload = request.payload
    for where, path in payload.programs.items():
        yield cpio.regular(where, path.read_bytes(), executable=True)
    yield from (cpio.regular(where, data) for where, data in payload.files.items())
    tested = () if request.program is None else (request.program,)
    dynamic = (dash, chrt, stdbuf, *tested, *tools.values(), *payload.programs.values())
    for where, path in libraries(dynamic, request.host).items():
        yield cpio.regular(where, path.read_bytes(), executable=True)


def static_busybox(host: Path) -> Path:
    """The host's busybox, which must run without any library."""
    found = _find(host, ("usr/bin/busybox", "bin/busybox"), "busybox", "busybox-static")
    if elf.parse(found.read_bytes()).interpreter:
        raise ToolMissing(
            f"{found}: is not static, it would not run in the guest",
            hint="apt-get install busybox-static",
        )
    return found


def _find(root: Path, places: Iterable[str], what: str, package: str) -> Path:
    for place in places:
        if (root / place).is_file():
            return root / place
    raise ToolMissing(f"{what}: not found", hint=f"apt-get install {package}")


def _iproute2(root: Path, name: str) -> Path:
    for place in ("sbin", "usr/sbin", "bin", "usr/bin"):
        path = root / place / name
        if path.is_file():
            return path
    raise UsageError(f"{root}: holds no {name}", hint="extract Debian's iproute2 package there")


def libraries(programs: Iterable[Path], host: Path) -> dict[str, Path]:
    """The shared libraries that `programs` need, and those need in turn: guest path to host path.

    The dynamic linker keeps the path that the programs name it by; all others go to lib/, one of
    the directories that it searches.
    """
    found: dict[str, Path] = {}
    todo = list(programs)
    while todo:
        path = todo.pop()
        read = elf.parse(path.read_bytes())
        if read.interpreter:
            found.setdefault(read.interpreter.lstrip("/"), host / read.interpreter.lstrip("/"))
        linker = Path(read.interpreter).name
        for name in read.needed:
            if f"lib/{name}" in found or name == linker or name.startswith("ld-linux"):
                continue
            library = _library(name, read.machine, path, host)
            found[f"lib/{name}"] = library
            todo.append(library)
    return found


def _library(name: str, machine: int, user: Path, host: Path) -> Path:
    for place in LIBRARY_DIRS:
        path = host / place / name
        if path.is_file() and elf.parse(path.read_bytes()).machine == machine:
            return path
    # Debian's iproute2 of the host pulls in every library that the newer one needs.
    hint = "apt-get install iproute2 libelf1 zlib1g"
    raise ToolMissing(f"{name}: not found, and {user.name} needs it", hint=hint)


# -- kernel modules


def _modules(request: InitramfsRequest) -> Iterator[cpio.Node]:
    order: list[str] = []
    if request.modules:
        if request.module_root is None:
            raise UsageError("modules are wanted but no folder of modules is given")
        for name, data in load_order(request.modules, request.module_root).items():
            order.append(f"{name}.ko")
            yield cpio.regular(f"lib/modules/{name}.ko", data)
    text = "".join(f"{name}\n" for name in order)
    yield cpio.regular("etc/backport/modules", text.encode())


def load_order(wanted: Iterable[str], root: Path) -> dict[str, bytes]:
    """Modules in the order in which they load, dependencies first: name to plain ELF contents.

    What is built into the kernel needs no loading and is left out. The packages hold no
    modules.dep (their postinst makes it), so the dependencies come from the modules themselves.
    """
    where = {_module_name(path): path for path in root.rglob("*.ko*") if _module_name(path)}
    builtin = _builtin(root)
    order: dict[str, bytes] = {}

    def add(name: str, user: str) -> None:
        if name in order or name in builtin:
            return
        if name not in where:
            raise UsageError(f"{root}: has no module {name}, which {user} needs")
        data = kernelimage.unpack(where[name].read_bytes())
        for needed in elf.modinfo(elf.parse(data)).get("depends", "").split(","):
            if needed:
                add(_plain(needed), name)
        order[name] = data

    for name in wanted:
        add(_plain(name), "the suite")
    return order


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _module_name(path: Path) -> str:
    for ending in MODULE_ENDINGS:
        if path.name.endswith(ending):
            return _plain(path.name.removesuffix(ending))
    return ""


def _builtin(root: Path) -> frozenset[str]:
    listing = root / "modules.builtin"
    lines = listing.read_text().split() if listing.is_file() else []
    return frozenset(_module_name(Path(line)) for line in lines)
