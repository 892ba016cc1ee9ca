"""What an operator sees of a target: its kernel with probes, the donor's beside it, and bpftool."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from backport.doors.store import Store
from backport.guests.bpftool import BpftoolRequest, build_bpftool
from backport.output.observeview import observe_page
from backport.qualify import observe
from backport.qualify.observe import Defect, ObserveRequest, ObserveResult
from backport.readers.manifest import find_data_root, series_path
from backport.readers.snapshot import read_snapshot
from backport.readers.views import read_views
from backport.shell import qualifying
from backport.shell.qualifying import Ground
from backport.sources import obtain
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.view import View

# The kernel has to have what it is watched with: a ground is prepared in this flavour.
FLAVOUR = "observe"


def views_of(series: str) -> tuple[View, ...]:
    """What is to be seen of a series."""
    file = series_path(find_data_root(), series).parent / "observe.toml"
    if not file.is_file():
        hint = "say what an operator types and sees there, as patches/netkit/observe.toml does"
        raise UsageError(f"{series}: has no {file.name}", hint=hint)
    return read_views(file)


def observe_on(
    ground: Ground, views: tuple[View, ...], emit: Emit, defect: Defect = Defect.NONE
) -> ObserveResult:
    """Look and judge; leaves `observe.json` and `observe.html` in the run's folder."""
    if ground.options.flavour != FLAVOUR:
        raise AssertionError(f"the kernel is of flavour {ground.options.flavour or 'none'}")
    series = ground.options.series
    link = qualifying.program(ground, f"{series}_link", emit)
    request = ObserveRequest(
        (ground.kernel, ground.control),
        views,
        (ground.data / "qemu" / "observe").read_bytes(),
        {"bin/bpftool": _bpftool(ground, emit), f"bin/{link.name}": link.program},
        ground.iproute2,
        ground.cache,
        ground.folder / "logs",
        defect,
    )
    result = observe.run_observe(request, emit)
    ground.keep(observe.STAGE, asdict(result), observe_page(result))
    return result


def _bpftool(ground: Ground, emit: Emit) -> Path:
    file = series_path(ground.data, ground.options.series).parent / "snapshot.toml"
    if not file.is_file():
        raise UsageError(
            f"{ground.options.series}: nothing to build bpftool from",
            hint="the series needs a snapshot.toml with a newer drop",
        )
    store = Store(ground.cache)
    donor = obtain(read_snapshot(file).newer, store, ground.cache, emit)
    return build_bpftool(BpftoolRequest(store.git, donor.tree, ground.cache), emit)
