"""Qualification of a target: its kernel built as ever, then the scenarios of `qualify/` on it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from backport.doors import files, rundir
from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.gates.uapi import read_uapi
from backport.guests import packaged
from backport.guests.checks import Checks, ChecksRequest, build_checks
from backport.guests.lab import LabKernel
from backport.output.benchview import bench_page
from backport.qualify import bench
from backport.qualify.baseline import DEFAULT_BOUND, baseline_of, read_baseline, regressions
from backport.qualify.bench import BenchRequest, BenchResult
from backport.readers.benchplan import read_benchplan
from backport.readers.manifest import find_data_root, read_target, series_path, target_path
from backport.shell.pipeline import Ended, execute
from backport.sources.archive import Archive
from backport.values.benchplan import Expected
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.options import Options

CONTROL = "donor"
# Of the control's modules, what the scenarios need that the ported kernel has built in.
CONTROL_MODULES = ("veth", "dummy", "virtio_net", "8021q", "sch_ingress", "cls_bpf")


@dataclass(frozen=True)
class Ground:
    """What every scenario stands on: `folder` is the run's, `kernel` the one that was built."""

    options: Options
    run: Ended
    folder: Path
    kernel: LabKernel
    control: LabKernel
    iproute2: Path
    cache: Cache
    data: Path

    def keep(
        self, scenario: str, result: Mapping[str, object], page: str = "", plan: str = ""
    ) -> None:
        """Write what came of a scenario into the run's folder: `<scenario>.json`, `.html`, `.md`.

        The run's record lists them as artifacts, so that its bundle has them.
        """
        text = json.dumps(result, indent=1, ensure_ascii=False)
        kept = {scenario: (f"{scenario}.json", f"{text}\n")}
        if page:
            kept[f"{scenario}-page"] = (f"{scenario}.html", page)
        if plan:
            kept[f"{scenario}-plan"] = (f"{scenario}.md", plan)
        for name, content in kept.values():
            files.write(self.folder / name, content.encode())
        record = rundir.load(self.folder).record
        names = {key: name for key, (name, _) in kept.items()}
        record = replace(record, artifacts={**record.artifacts, **names})
        rundir.write_record(self.folder, record)


@dataclass(frozen=True)
class BenchOrder:
    """A bench as a person asks for it: `baseline` has costs by block, `save` is a file."""

    options: Options
    quick: bool = False
    baseline: Mapping[str, float] = field(default_factory=dict)
    save: Path | None = None
    bound: float = DEFAULT_BOUND


def prepare(options: Options, cache: Cache, emit: Emit) -> Ground:
    """Build the target's kernel, by the pipeline and its caches, and fetch what stands beside it.

    Raises whatever ends the build.
    """
    data = find_data_root()
    run = execute(options, cache, emit)
    if run.error is not None:
        raise run.error
    assert run.folder is not None
    assert run.record.build is not None
    target = read_target(target_path(data, options.target))
    controls = [c for c in target.controls if c.name == CONTROL]
    if not controls:
        raise UsageError(f"{target.name}: has no control {CONTROL!r} to measure beside it")
    archive = Archive(cache)
    tools = packaged.iproute2(archive, cache, emit)
    found = packaged.kernel(archive, controls[0].package, controls[0].suites, cache, emit)
    return Ground(
        options,
        run,
        run.folder,
        LabKernel(options.target, (run.folder / run.record.build.image).resolve()),
        LabKernel(CONTROL, found.image, CONTROL_MODULES, found.module_root),
        tools,
        cache,
        data,
    )


def program(ground: Ground, name: str, emit: Emit) -> Checks:
    """A program of qemu/, compiled with the headers of the kernel that was built."""
    record, store = ground.run.record, Store(ground.cache)
    series = series_path(ground.data, record.series)
    file = series.parent / "uapi.toml"
    headers = read_uapi(file).headers if file.is_file() else ()
    tree = store.git.tree_of(record.head)
    source = ground.data / "qemu" / f"{name}.c"
    return build_checks(ChecksRequest(store.git, tree, headers, source, ground.cache), emit)


def expected(ground: Ground) -> Expected:
    """What the series' bench.toml expects of the tree that was built.

    Raises `ManifestError` for a mistake in it or a series without it.
    """
    record, git = ground.run.record, Store(ground.cache).git
    plan = read_benchplan(series_path(ground.data, record.series).parent / "bench.toml")
    tree = git.tree_of(record.head)
    losses = {
        block: known
        for known in plan.known
        if all(q.holds_in(git.read(tree, q.path) or b"") for q in known.when)
        for block in known.blocks
    }
    return Expected(plan, losses)


def run_bench(order: BenchOrder, cache: Cache, emit: Emit) -> BenchResult:
    """Build and measure."""
    return measure(order, prepare(order.options, cache, emit), emit)


def measure(order: BenchOrder, ground: Ground, emit: Emit) -> BenchResult:
    """Measure; leaves `bench.json` and `bench.html` in the run's folder."""
    request = BenchRequest(
        (ground.kernel, ground.control),
        expected(ground),
        program(ground, f"bench_{order.options.series}", emit),
        program(ground, f"wire_{order.options.series}", emit),
        ground.iproute2,
        ground.cache,
        ground.folder / "logs",
        boots=1 if order.quick else 2,
        quick=order.quick,
    )
    start = time.monotonic()
    result = bench.run_bench(request, emit)
    if order.baseline:
        now = baseline_of(result.rows, ground.kernel.label)
        more = regressions(now, order.baseline, order.bound)
        result = replace(result, failures=(*result.failures, *more))
    result = replace(result, seconds=round(time.monotonic() - start, 1))
    emit(bench.finished(result, result.seconds))
    ground.keep(bench.STAGE, asdict(result), bench_page(result))
    if order.save is not None:
        kept = baseline_of(result.rows, ground.kernel.label)
        files.write(order.save, json.dumps(kept, indent=1).encode() + b"\n")
    return result


def baseline_in(file: Path) -> Mapping[str, float]:
    """The figures in a file that a bench has saved; raises `UsageError` for anything else."""
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError) as err:
        raise UsageError(
            f"{file}: {err}", hint="--baseline wants a file of --save-baseline"
        ) from err
    return read_baseline(data, str(file))
