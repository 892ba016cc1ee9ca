"""What a guest is given to be a node of a cluster: the agent, a Python for it, CNI's plugins."""

from __future__ import annotations

import importlib.util
import io
import marshal
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from backport.doors import process
from backport.guests import packaged
from backport.guests.initramfs import Payload
from backport.readers.fleetfile import read_fleet
from backport.readers.manifest import find_data_root, series_path
from backport.shell import qualifying
from backport.shell.qualifying import Ground
from backport.sources.archive import Archive
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.fleet import FleetFile

SUITES = ("bookworm",)
PYTHON = "python3.11"
PYTHON_PACKAGES = (f"{PYTHON}-minimal", f"lib{PYTHON}-minimal", f"lib{PYTHON}-stdlib")
PLUGINS_PACKAGE = "containernetworking-plugins"
PLUGINS = ("host-local", "loopback", "ptp")
# Of the standard library, what the agent imports: modules that are files, and these packages.
LIBRARY = ("encodings", "json", "re", "collections", "importlib", "urllib")
# Of the host, by the package that has it: more than busybox's applets can.
PROGRAMS = (
    ("nsenter", "util-linux"),
    ("sed", "sed"),
    ("grep", "grep"),
    *((name, "coreutils") for name in ("head", "cut", "mkdir", "chmod", "mv")),
)


def fleet_file(series: str) -> FleetFile:
    """The series' traffic and bounds."""
    file = series_path(find_data_root(), series).parent / "fleet.toml"
    if not file.is_file():
        hint = "state its traffic and bounds there, as patches/netkit/fleet.toml does"
        raise UsageError(f"{series}: has no {file.name}", hint=hint)
    return read_fleet(file)


def node_payload(
    ground: Ground, commands: Mapping[str, str], files: Mapping[str, bytes], emit: Emit
) -> Payload:
    """A node that runs these commands, with these files beside its own.

    Its programs are the host's `PROGRAMS`, CNI's, and those of qemu/.
    """
    process.require(PROGRAMS)
    archive = Archive(ground.cache)

    def get(name: str) -> Path:
        return packaged.unpacked(archive, name, SUITES, ground.cache, emit)

    plugins = get(PLUGINS_PACKAGE) / "usr" / "lib" / "cni"
    homes = [get(name) for name in PYTHON_PACKAGES]
    series = ground.run.record.series
    agent = ground.data / "qemu" / f"{series}_agent.py"
    ours = [qualifying.program(ground, name, emit) for name in (f"{series}_link", "fleet_flow")]
    return Payload(
        commands,
        {
            **{f"bin/{name}": _of_the_host(name) for name, _ in PROGRAMS},
            "bin/python3": homes[0] / "usr" / "bin" / PYTHON,
            **{f"bin/{one.name}": one.program for one in ours},
            **{f"bin/{name}": plugins / name for name in PLUGINS},
        },
        {
            f"bin/{agent.name}": agent.read_bytes(),
            "usr/lib/python311.zip": library(home / "usr" / "lib" / PYTHON for home in homes[1:]),
            **files,
        },
    )


def _of_the_host(name: str) -> Path:
    found = shutil.which(name)
    assert found is not None  # `require` looked for all of them
    return Path(found)


def library(folders: Iterable[Path]) -> bytes:
    """What the agent needs of the standard library, as a zip that Python imports from.

    Compiled, because the guest is slow; beside the source, which Python takes where the
    compiler was another version of it. The same folders give the same bytes.
    """
    found: dict[str, bytes] = {}
    for folder in folders:
        below = [p for name in LIBRARY for p in (folder / name).rglob("*.py")]
        # A file may be a link into a package that is not here.
        for path in filter(Path.is_file, [*folder.glob("*.py"), *below]):
            found[str(path.relative_to(folder))] = path.read_bytes()
    if "encodings/__init__.py" not in found or "json/__init__.py" not in found:
        raise UsageError("the packages of Python in the archive have no standard library")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, source in sorted(found.items()):
            archive.writestr(zipfile.ZipInfo(f"{name}c"), _compiled(name, source))
            archive.writestr(zipfile.ZipInfo(name), source)
    return packed.getvalue()


def _compiled(name: str, source: bytes) -> bytes:
    code = compile(source, name, "exec", dont_inherit=True)
    magic = importlib.util.MAGIC_NUMBER
    # Flags 1: the file has the source's hash, and nobody is to check it.
    return (
        magic + (1).to_bytes(4, "little") + importlib.util.source_hash(source) + marshal.dumps(code)
    )
