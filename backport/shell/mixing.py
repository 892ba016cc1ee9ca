"""Mixtures of devices on a target: its kernel, the donor's beside it, and two programs of ours."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from backport.doors import files
from backport.output.interopview import interop_markdown
from backport.qualify import interop
from backport.qualify.interop import InteropRequest, InteropResult
from backport.readers.interop import read_interop
from backport.readers.manifest import find_data_root, series_path
from backport.shell import qualifying
from backport.shell.qualifying import Ground
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.mixture import Plan


def plan_of(series: str) -> Plan:
    """What must come of the mixtures of a series."""
    file = series_path(find_data_root(), series).parent / "interop.toml"
    if not file.is_file():
        hint = "name what must come of each mixture there, as patches/netkit/interop.toml does"
        raise UsageError(f"{series}: has no {file.name}", hint=hint)
    return read_interop(file)


def mix_on(ground: Ground, plan: Plan, emit: Emit, *, quick: bool = False) -> InteropResult:
    """Mix, ask, judge; leaves `interop.json` in the run's folder."""
    series = ground.options.series
    request = InteropRequest(
        (ground.kernel, ground.control),
        plan,
        qualifying.program(ground, f"interop_{series}", emit),
        qualifying.program(ground, f"probe_{series}", emit),
        ground.iproute2,
        ground.cache,
        ground.folder / "logs",
        quick,
    )
    result = interop.run_interop(request, emit)
    ground.keep(interop.STAGE, asdict(result))
    return result


def document(ground: Ground, path: Path, result: InteropResult, plan: Plan) -> None:
    """Give a document the target's section, or renew it."""
    options = ground.options
    # The name of the tree is enough: where it lies on this machine is nobody's business.
    base = f" --base {Path(options.base).name}" if options.base else ""
    command = f"backport interop {options.series} --target {options.target}{base}"
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    after = interop_markdown(
        before, result, plan, options.target, f"{command} --markdown docs/{path.name}"
    )
    files.write(path, after.encode())
