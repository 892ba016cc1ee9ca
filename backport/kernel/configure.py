"""Makes a kernel's configuration from fragments, and proves that every wish was granted.

tinyconfig, the fragments over it, olddefconfig; then each requested symbol is looked up in what
came out. A wish that was lost stops here, with the reason, not in a guest that lacks the feature.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from backport.doors import files
from backport.doors.process import ProcessFailed
from backport.kernel import kbuild, toolchain
from backport.readers import kconfig
from backport.readers.kconfig import Fragment, Lost, Merged, Wanted
from backport.readers.kconfig_tree import definitions
from backport.readers.kconfig_why import reason
from backport.values.errors import BuildFailed, GateFailed, UsageError
from backport.values.events import Emit, Note, StageFinished, StageStarted, silent

STAGE = "configure"
STAMP = ".backport-config.json"


@dataclass(frozen=True)
class ConfigureRequest:
    """What to configure; `tree` is the id of what `source` holds, empty if nobody knows.

    Without a `tree` nothing is taken from an earlier run.
    """

    source: Path
    out: Path
    fragments: tuple[Path, ...]
    log: Path
    tree: str = ""
    arch: str = "x86_64"
    variables: Mapping[str, str] = field(default_factory=dict)
    emit: Emit = silent


@dataclass(frozen=True)
class ConfigureResult:
    """A configuration that holds every wish; `resolved` are the values of the requested symbols."""

    config: Path
    sha256: str
    requested: int
    held: int
    resolved: Mapping[str, str]
    overrides: tuple[str, ...]  # "NET: guest.config:3 y, then net.config:7 n"
    seconds: float
    cached: bool


@dataclass(frozen=True)
class Loss:
    """A lost wish with its reason, ready to show."""

    lost: Lost
    why: str

    def __str__(self) -> str:
        got = self.lost.got or "absent"
        return (
            f"{self.lost.wanted.place}: CONFIG_{self.lost.symbol}"
            f" wanted {self.lost.wanted.value}, got {got}: {self.why}"
        )


class ConfigLost(GateFailed):
    """The configuration lacks something that a fragment asks for; `losses` say what and why."""

    def __init__(self, losses: Sequence[Loss], *, log: Path | None = None) -> None:
        super().__init__(
            "\n".join([f"{_count(len(losses))} lost in the configuration", *map(str, losses)]),
            hint="correct the fragment at the place shown, or the series that brings the symbol",
            log=log,
        )
        self.losses = tuple(losses)


def configure(request: ConfigureRequest) -> ConfigureResult:
    """Write `out/.config`; raises `ConfigLost`, `ManifestError`, `UsageError` or `BuildFailed`."""
    start = time.monotonic()
    make = _make(request)
    merged = kconfig.merge(read_fragments(request.fragments))
    request.emit(StageStarted(STAGE, f"configure: {len(merged.wanted)} symbols over tinyconfig"))
    for override in merged.overrides:
        request.emit(Note(STAGE, _override(override)))
    with kbuild.locked(request.out, STAGE, request.emit) as lock:
        cached = _fresh(request, make, merged)
        if not cached:
            _generate(request, make, merged, lock)
        text = (request.out / ".config").read_text("utf-8")
        file = request.out / ".config"
        prove(request.source, request.arch, merged.wanted, file, request.log)
        if not cached:
            _stamp(request, make, merged, text)
    return _finish(request, merged, text, time.monotonic() - start, cached)


def configure_like(request: ConfigureRequest, config: str) -> None:
    """Write another tree's configuration to `out/.config`, less what this tree does not know.

    What is lost that way is no loss: the fragments are not asked for. Raises `BuildFailed`.
    """
    with kbuild.locked(request.out, STAGE, request.emit) as lock:
        files.write(request.out / ".config", config.encode())
        _run(_make(request), "olddefconfig", request.log, lock)


def read_fragments(paths: Sequence[Path]) -> list[Fragment]:
    """Read fragments in order; one that cannot be read is a `UsageError`."""
    return [kconfig.parse_fragment(_fragment_text(path), path.name) for path in paths]


def _fragment_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(
            f"{path}: cannot read this fragment ({err})", hint="the fragments are in kconfig/"
        ) from err


def _make(request: ConfigureRequest) -> kbuild.Make:
    toolchain.kernel_version(request.source)
    arch = toolchain.arch_named(request.arch)
    return kbuild.Make(
        request.source, request.out, arch, toolchain.probe(), dict(request.variables)
    )


def _generate(request: ConfigureRequest, make: kbuild.Make, merged: Merged, lock: int) -> None:
    config = request.out / ".config"
    (request.out / STAMP).unlink(missing_ok=True)
    _run(make, "tinyconfig", request.log, lock)
    text = kconfig.lay_over(config.read_text("utf-8"), merged.wanted)
    files.write(config, text.encode())
    _run(make, "olddefconfig", request.log, lock)


def _run(make: kbuild.Make, target: str, log: Path, lock: int) -> None:
    try:
        make.run(target, log=log, lock=lock)
    except ProcessFailed as err:
        raise BuildFailed(f"make {target} failed\n{err.message}", log=log) from err


def prove(source: Path, arch: str, wanted: Mapping[str, Wanted], file: Path, log: Path) -> None:
    """Raise `ConfigLost` for each wish that the `.config` file of a tree does not hold."""
    config = kconfig.parse_config(file.read_text("utf-8"))
    lost = kconfig.lost(wanted, config)
    if not lost:
        return
    srcarch = toolchain.arch_named(arch).srcarch
    variables = {"SRCARCH": srcarch, "HEADER_ARCH": srcarch}
    tree = definitions(lambda path: _kconfig_text(source / path), variables)
    raise ConfigLost([Loss(one, reason(one, tree, config)) for one in lost], log=log)


def _kconfig_text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


def _inputs(request: ConfigureRequest, make: kbuild.Make, merged: Merged) -> str:
    """One hash over all that decides the outcome."""
    parts = {
        "tree": request.tree,
        "arch": asdict(make.arch),
        "toolchain": make.toolchain.identity,
        "variables": make.effective(),
        "wanted": kconfig.render(merged.wanted),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _fresh(request: ConfigureRequest, make: kbuild.Make, merged: Merged) -> bool:
    stamp = kbuild.read_stamp(request.out / STAMP)
    return bool(
        request.tree
        and stamp.get("inputs") == _inputs(request, make, merged)
        and stamp.get("config") == kbuild.sha256_file(request.out / ".config")
    )


def _stamp(request: ConfigureRequest, make: kbuild.Make, merged: Merged, text: str) -> None:
    stamp = {"inputs": _inputs(request, make, merged), "config": _sha256(text)}
    files.write(request.out / STAMP, json.dumps(stamp).encode())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _count(losses: int) -> str:
    return "1 requested symbol was" if losses == 1 else f"{losses} requested symbols were"


def _override(override: kconfig.Override) -> str:
    old, new = override.old, override.new
    return f"{override.symbol}: {old.place} {old.value}, then {new.place} {new.value}"


def _finish(
    request: ConfigureRequest, merged: Merged, text: str, seconds: float, cached: bool
) -> ConfigureResult:
    config = kconfig.parse_config(text)
    result = ConfigureResult(
        config=request.out / ".config",
        sha256=_sha256(text),
        requested=len(merged.wanted),
        held=len(merged.wanted),
        resolved={symbol: config.get(symbol, kconfig.NOT_SET) for symbol in merged.wanted},
        overrides=tuple(map(_override, merged.overrides)),
        seconds=seconds,
        cached=cached,
    )
    detail = f"{result.held} of {result.requested} requested symbols have their value"
    request.emit(StageFinished(STAGE, detail, seconds, cached))
    return result
