"""Builds two trees with symbol versions and debug information, and reads what modules see of each.

The newer tree says how both are configured: the base gets the same configuration, less what it does
not know. One directory serves both, one after the other; what was read is kept, so that neither is
built again before its tree, its configuration or a tool changes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from backport.doors import files, process
from backport.doors.git import Git
from backport.kernel import debugdata
from backport.kernel.build import BuildRequest, build
from backport.kernel.checkout import checkout
from backport.kernel.configure import (
    ConfigureRequest,
    configure,
    configure_like,
    read_fragments,
)
from backport.kernel.toolchain import arch_named, probe, version_of
from backport.readers import kconfig, symvers
from backport.values.errors import GateFailed
from backport.values.events import Emit, Note, StageFinished, StageStarted, silent
from backport.values.surface import Export, Layout, Surface

STAGE = "surface"
RECIPE = 1  # part of every key: raise it when the same inputs give another result
SYMTYPES = {"KBUILD_SYMTYPES": "1"}  # leave beside each object what its CRCs are computed from


@dataclass(frozen=True)
class Request:
    """`base` and `head` are trees in `git`; `head` must hold what the `fragments` ask for.

    `source` and `out` are directories of this stage's own; `kept` holds what was read.
    """

    git: Git
    base: str
    head: str
    fragments: tuple[Path, ...]
    source: Path
    out: Path
    kept: Path
    log: Path
    arch: str = "x86_64"
    variables: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 0
    emit: Emit = silent


@dataclass(frozen=True)
class Pair:
    """What modules see before and after."""

    base: Surface
    head: Surface
    cached: bool


@dataclass(frozen=True)
class _Kept:
    """What was read of one tree, with its whole configuration."""

    config: str
    surface: Surface


def measure(request: Request) -> Pair:
    """Read both surfaces.

    Raises `ToolMissing` without pahole, `ConfigLost` when the newer tree refuses the fragments,
    `BuildFailed` when a tree does not build, `Unavailable` when the disk is full.
    """
    process.require(debugdata.TOOLS)
    wanted = kconfig.render(kconfig.merge(read_fragments(request.fragments)).wanted)
    with files.locked(request.out.with_name(f"{request.out.name}.lock")):
        head, after = _read(request, "patched", request.head, wanted)
        base, before = _read(request, "base", request.base, head.config)
    return Pair(base.surface, head.surface, after and before)


def _read(request: Request, which: str, tree: str, wanted: str) -> tuple[_Kept, bool]:
    """One tree's surface, and whether it was known."""
    place = request.kept / f"{_key(request, tree, wanted)}.json"
    known = _known(place)
    if known is not None:
        request.emit(StageStarted(STAGE, f"{which} kernel"))
        request.emit(StageFinished(STAGE, _told(which, known.surface), 0.0, cached=True))
        return known, True
    request.emit(Note(STAGE, f"the {which} kernel is built with symbol versions and debug data"))
    checkout(request.git, tree, request.source, request.emit)
    if tree == request.head:
        _configure(request, tree)
    else:
        _configure_like(request, tree, wanted)
    built = build(_build_request(request, tree))
    start = time.monotonic()
    request.emit(StageStarted(STAGE, f"{which} kernel"))
    found = _Kept(built.config.read_text("utf-8"), _surface(request, built.vmlinux))
    kept = {"config": found.config, "surface": found.surface.to_json()}
    files.write(place, json.dumps(kept).encode())
    seconds = time.monotonic() - start
    request.emit(StageFinished(STAGE, _told(which, found.surface), seconds, cached=False))
    return found, False


def _told(which: str, surface: Surface) -> str:
    return f"{which}: {len(surface.exports)} exported symbols, {len(surface.layouts)} structs"


def _key(request: Request, tree: str, wanted: str) -> str:
    parts = {
        "recipe": RECIPE,
        "tree": request.git.tree_of(tree),
        "wanted": wanted,
        "arch": asdict(arch_named(request.arch)),
        "toolchain": probe().identity,
        "pahole": version_of("pahole"),
        "variables": dict(request.variables),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _known(place: Path) -> _Kept | None:
    try:
        data = json.loads(place.read_bytes())
        return _Kept(str(data["config"]), Surface.from_json(data["surface"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


# -- building


def _variables(request: Request) -> dict[str, str]:
    return {**request.variables, **SYMTYPES}


def _build_request(request: Request, tree: str) -> BuildRequest:
    return BuildRequest(
        request.source,
        request.out,
        request.log,
        tree,
        request.arch,
        _variables(request),
        request.jobs,
        emit=request.emit,
    )


def _configure(request: Request, tree: str) -> None:
    configure(_configure_request(request, tree))


def _configure_like(request: Request, tree: str, config: str) -> None:
    request.out.mkdir(parents=True, exist_ok=True)
    configure_like(_configure_request(request, tree), config)


def _configure_request(request: Request, tree: str) -> ConfigureRequest:
    return ConfigureRequest(
        request.source,
        request.out,
        request.fragments,
        request.log,
        tree,
        request.arch,
        _variables(request),
        request.emit,
    )


# -- reading


def _surface(request: Request, vmlinux: Path) -> Surface:
    config = (request.out / ".config").read_text("utf-8")
    try:
        exports = _exports(request.out)
        types = symvers.gather(_symtypes(request))
    except symvers.Malformed as err:
        raise GateFailed(str(err), hint="remove the build directory, and build again") from err
    layouts = _layouts(request, vmlinux)
    return Surface(kconfig.parse_config(config), exports, types, layouts)


def _exports(out: Path) -> dict[str, Export]:
    """The kernel's own file of versions; one with modules beside it is a part of the other."""
    file = out / "vmlinux.symvers"
    if not file.is_file():
        raise GateFailed(
            f"{file}: the build left no symbol versions",
            hint="CONFIG_MODULES and CONFIG_MODVERSIONS make it: see kconfig/compat.config",
        )
    return symvers.parse_symvers(file.read_text("utf-8"), str(file))


def _symtypes(request: Request) -> Iterator[tuple[str, dict[str, str]]]:
    """Each object with what genksyms says of it.

    The file of an object that only an earlier tree had lies there still: its source does not.
    """
    for path in sorted(request.out.rglob("*.symtypes")):
        name = str(path.relative_to(request.out).with_suffix(""))
        if any((request.source / f"{name}{end}").is_file() for end in (".c", ".S")):
            yield name, symvers.parse_symtypes(path.read_text("utf-8"), str(path))


def _layouts(request: Request, vmlinux: Path) -> dict[str, Layout]:
    """Structs and unions that headers declare; those of a .c file are no module's business."""
    found = debugdata.read_layouts(vmlinux, request.source.resolve())
    return {one.title: one for one in found if is_module_header(one.header)}


def is_module_header(path: str) -> bool:
    """Whether a header is one that modules include."""
    parts = path.split("/")
    return parts[0] == "include" or (parts[0] == "arch" and parts[2:3] == ["include"])
