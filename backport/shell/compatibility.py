"""The compatibility report of a run: its base and its result, each built, read and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backport.doors import files, process
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.doors.rundir import Found
from backport.doors.store import Store
from backport.gates import noticing, surfaces
from backport.kernel import debugdata, surface, uapiheaders
from backport.readers import manifest
from backport.readers.allowances import read_allowances
from backport.values import record
from backport.values.compat import Allowance, Compat, Notice
from backport.values.errors import GateFailed, UsageError
from backport.values.events import Emit
from backport.values.findings import COMPAT
from backport.values.record import RunRecord
from backport.values.surface import Header, Surface

FRAGMENT = "compat"  # over those that the run was built with
SHOWN = 8  # things that an error lists


@dataclass(frozen=True)
class Request:
    """Which run to report about; `data` holds the series, the targets and the fragments."""

    run: Found
    data: Path
    cache: Cache
    jobs: int = 0


def compare(request: Request, emit: Emit) -> Compat:
    """Build what is not known yet, compare, and leave `compat.json` in the run's folder."""
    run = request.run.record
    process.require(debugdata.TOOLS)
    allowances = read_allowances(allow_file(request))
    git = Store(request.cache).git
    base, head = _trees(git, run)
    headers = _headers(request, git, base, head)  # a second; the kernels may take many minutes
    pair = surface.measure(_measure_request(request, git, (base, head), emit))
    report = _report(request, (pair.base, pair.head), headers)
    report = _judged(report, allowances, list(_others(request)))
    text = json.dumps(asdict(report), indent=1, ensure_ascii=False)
    files.write(request.run.path / COMPAT, text.encode() + b"\n")
    return report


def allow_file(request: Request) -> Path:
    """Where the series says what it allows; the file need not be there."""
    return request.data / "patches" / request.run.record.series / "compat.toml"


def demand_allowed(report: Compat, file: Path) -> None:
    """Raise `GateFailed` for what no entry allows."""
    refused = report.refused
    if refused:
        count = f"{len(refused)} things" if len(refused) > 1 else "1 thing"
        lines = [f"compat: {count} would be noticed outside the tree, and nobody allowed it"]
        lines += [f"  {one.text}" for one in refused[:SHOWN]]
        lines += [f"  and {len(refused) - SHOWN} more"] if len(refused) > SHOWN else []
        hint = f"avoid it, or allow it in {file} with the reason why it is right"
        raise GateFailed("\n".join(lines), hint=hint)


# -- what is compared


def _trees(git: Git, run: RunRecord) -> tuple[str, str]:
    """The trees before and after; both must be in the store still."""
    if run.base is None or not run.head:
        raise UsageError(
            f"{run.id}: this run picked nothing, so there is nothing to compare",
            hint=f"backport pick {run.series} --target {run.target}",
        )
    for commit in (run.base.commit, run.head):
        if git.resolve(f"{commit}^{{tree}}") is None:
            raise UsageError(
                f"{run.id}: its commit {commit[:12]} is no longer in {git.path}",
                hint=f"{run.command} makes it again",
            )
    return git.tree_of(run.base.commit), git.tree_of(run.head)


def _measure_request(
    request: Request, git: Git, trees: tuple[str, str], emit: Emit
) -> surface.Request:
    run, cache = request.run.record, request.cache
    target = manifest.read_target(manifest.target_path(request.data, run.target))
    flavour = manifest.read_flavour(request.data, run.flavour) if run.flavour else None
    fragments = (*target.in_flavour(flavour).fragments, FRAGMENT)
    name = "-".join(filter(None, (run.series, run.target, run.flavour, FRAGMENT)))
    return surface.Request(
        git,
        *trees,
        manifest.fragment_files(request.data, fragments),
        cache.trees / name,
        cache.build / name,
        cache.root / "surfaces",
        request.run.path / "logs" / "compat.log",
        target.arch,
        target.make_variables,
        request.jobs,
        emit,
    )


@dataclass(frozen=True)
class _Headers:
    """UAPI headers before and after, by path."""

    base: dict[str, Header]
    head: dict[str, Header]


def _headers(request: Request, git: Git, base: str, head: str) -> _Headers:
    """Those that differ between the trees."""
    target = manifest.read_target(manifest.target_path(request.data, request.run.record.target))
    roots = tuple(f"{folder}/" for folder in uapiheaders.folders(target.arch))
    paths = [c.path for c in git.changes(base, head) if c.path.startswith(roots)]
    headers = [path for path in paths if path.endswith(".h")]
    return _Headers(
        uapiheaders.read_headers(git, base, headers, target.arch),
        uapiheaders.read_headers(git, head, headers, target.arch),
    )


def _report(request: Request, sides: tuple[Surface, Surface], headers: _Headers) -> Compat:
    run, (base, head) = request.run.record, sides
    assert run.base is not None
    traced = surfaces.trace(base, head)
    layouts = list(surfaces.relaid(base.layouts, head.layouts))
    uapi = surfaces.compare_headers(headers.base, headers.head)
    return Compat(
        run.series,
        run.target,
        run.base.commit,
        run.head,
        tuple(_config(base, head)),
        traced.symbols,
        tuple(noticing.struct_change(old, new) for old, new in layouts),
        uapi,
        tuple(noticing.notices(traced, (base.exports, head.exports), layouts, uapi)),
    )


def _config(base: Surface, head: Surface) -> Iterator[str]:
    for name in sorted(base.config.keys() | head.config.keys()):
        old, new = base.config.get(name, "absent"), head.config.get(name, "absent")
        if old != new:
            yield f"{name}: {old} -> {new}"


# -- what is allowed


def _judged(
    report: Compat, allowances: tuple[Allowance, ...], others: list[tuple[Notice, ...]]
) -> Compat:
    idle = noticing.unmatched(allowances, [report.notices, *others])
    return replace(report, notices=noticing.judged(report.notices, allowances), unmatched=idle)


def _others(request: Request) -> Iterator[tuple[Notice, ...]]:
    """What the newest reports of the series on other targets notice."""
    run, newest = request.run.record, dict[str, Path]()
    for path in sorted(request.cache.runs.glob(f"*/*/{COMPAT}"), key=lambda path: path.parent.name):
        newest[path.parent.parent.name] = path
    for path in newest.values():
        try:
            other = record.decode(Compat, json.loads(path.read_bytes()), str(path))
        except (OSError, ValueError, record.RecordError):
            continue
        if other.series == run.series and other.target != run.target:
            yield other.notices
