"""What a bundle claims, tried on this machine: its patches, and with `--rebuild` all of its work.

Everything happens in repositories and folders of its own, by the bundle's data files: the runs, the
branches and the build directories that are here stay as they are.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backport import upstreams
from backport.doors import files
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.doors.process import ProcessFailed
from backport.doors.store import Store
from backport.evidence.statement import CONFIG, INPUTS, SERIES
from backport.evidence.verify import FAILED, LISTED, NOT_RUN, PASSED, Opened
from backport.kernel import checkout
from backport.kernel.build import BuildRequest, BuildResult, build
from backport.kernel.configure import ConfigureRequest, ConfigureResult, configure
from backport.ladder.ladder import ladder_of
from backport.output.exporters import verify_patches
from backport.picking import history
from backport.picking.history import Picked
from backport.readers import kconfig, manifest
from backport.readers.rules import read_rules
from backport.upstreams.snapshot import SnapshotUpstream
from backport.values.commit import Incoming
from backport.values.errors import GateFailed, Interrupted, Unavailable, UsageError
from backport.values.events import Emit, StageFinished, StageStarted
from backport.values.record import Base, Build, Gate, RunRecord
from backport.values.series import Series
from backport.values.target import Target, Tree

SHORT = 12


@dataclass(frozen=True)
class _Bench:
    """Where a bundle's work is repeated: a repository that borrows the store's objects."""

    opened: Opened
    store: Store
    cache: Cache
    folder: Path  # goes away
    git: Git
    emit: Emit

    @property
    def record(self) -> RunRecord:
        return self.opened.record

    @property
    def data(self) -> Path:
        """The bundle's data files, written out."""
        return self.folder / "data"


def check_further(
    opened: Opened, cache: Cache, emit: Emit, *, rebuild: bool = False, jobs: int = 0
) -> list[Gate]:
    """The checks that need this machine's store; `rebuild` picks and builds anew."""
    base = opened.record.base
    if base is None or not _is_here(cache, base):
        if rebuild:
            raise _no_base(opened.record)
        return [Gate("patches", NOT_RUN, "the base is not in the store of this machine")]
    store = Store(cache)
    with _stage(emit, "patches", "git am, on the base"):
        gates = [_gate("patches", lambda: _patches(store.git, opened, base))]
    if rebuild:
        with _bench(opened, store, cache, emit) as bench:
            gates += _repeat(bench, base, jobs)
    return gates


@contextmanager
def _stage(emit: Emit, name: str, label: str) -> Iterator[None]:
    """Tell that something is under way, which may take a while, and when it is over."""
    start = time.monotonic()
    emit(StageStarted(name, label))
    yield
    emit(StageFinished(name, "done", time.monotonic() - start))


def _no_base(record: RunRecord) -> Unavailable:
    source = record.base.source if record.base else "none"
    hint = f"import it: backport plan {record.series} --target {record.target}"
    return Unavailable(f"the base is not in the store of this machine: {source}", hint=hint)


def _is_here(cache: Cache, base: Base) -> bool:
    if not (cache.store / "HEAD").is_file():
        return False
    return Git(cache.store).resolve(f"{base.commit}^{{tree}}") == base.tree


def _gate(name: str, check: Callable[[], str]) -> Gate:
    """A check as a gate; what this machine lacks is no word on the bundle, and is raised."""
    try:
        return Gate(name, PASSED, check())
    except (Unavailable, Interrupted):
        raise
    except (GateFailed, UsageError) as err:
        return Gate(name, FAILED, err.message)


def _patches(git: Git, opened: Opened, base: Base) -> str:
    with tempfile.TemporaryDirectory(prefix="backport-verify-") as scratch:
        for name, data in opened.members.items():
            if name.startswith(SERIES):
                _write(Path(scratch) / name.removeprefix(SERIES), data)
        try:
            tree = verify_patches(git, base.commit, Path(scratch), opened.record.tree)
        except ProcessFailed as err:  # the tree that they should give is not here to compare with
            raise GateFailed(f"the patches do not give tree {opened.record.tree}") from err
    return f"git am on the base gives tree {tree[:SHORT]}, the record's"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


# -- repeating


@contextmanager
def _bench(opened: Opened, store: Store, cache: Cache, emit: Emit) -> Iterator[_Bench]:
    with tempfile.TemporaryDirectory(prefix="backport-verify-") as scratch:
        folder = Path(scratch)
        git = Git.init_bare(folder / "repo.git")
        (git.path / "objects/info/alternates").write_text(f"{store.git.path / 'objects'}\n")
        if (store.git.path / "shallow").is_file():
            shutil.copyfile(store.git.path / "shallow", git.path / "shallow")
        bench = _Bench(opened, store, cache, folder, Git(git.path), emit)
        for name, data in opened.members.items():
            if name.startswith(INPUTS):
                _write(bench.data / name.removeprefix(INPUTS), data)
        yield bench


def _repeat(bench: _Bench, base: Base, jobs: int) -> list[Gate]:
    done: list[Picked] = []

    def picks() -> str:
        done.append(_picked(bench, base))
        return _same_commits(bench.record, done[0])

    gates = [_gate("picks", picks)]
    if bench.record.build is None:
        return [*gates, Gate("image", NOT_RUN, "the run built no kernel")]
    if gates[0].outcome == FAILED:
        return [*gates, Gate("image", NOT_RUN, "picks objects")]
    wanted = bench.record.build
    return [*gates, _gate("image", lambda: _same_image(bench, done[0], wanted, jobs))]


def _picked(bench: _Bench, base: Base) -> Picked:
    """The series, picked by the bundle's rules, without a finished pick of this machine."""
    file = manifest.series_path(bench.data, bench.record.series)
    series = manifest.read_series(file)
    tree = Tree(base.commit, base.tree, base.version, base.label, base.source, base.sha256)
    with _stage(bench.emit, "upstream", "the commits, as they came"):
        incoming = _incoming(bench, series, file.with_name("snapshot.toml"), tree)
    rules = read_rules(file.parent / "rules")
    resolver = ladder_of(shlex.split(bench.record.command))
    request = history.Request(bench.git, bench.folder / "picks", tree, incoming, rules, resolver)
    with _stage(bench.emit, history.STAGE, f"{len(incoming)} commits, by the bundle's rules"):
        picked = history.pick_series(request, bench.emit)
    if picked.stopped is not None:
        subject = picked.stopped.result.incoming.subject
        raise GateFailed(f"the bundle's rules leave a conflict: {subject}")
    return picked


def _incoming(bench: _Bench, series: Series, snapshot: Path, base: Tree) -> tuple[Incoming, ...]:
    upstream = bench.record.upstream
    kind = upstream.kind if upstream else ""
    folder = bench.folder / "upstream"
    if kind == "snapshot":
        older, newer = _drops(bench)
        return SnapshotUpstream(bench.git, folder, snapshot, older, newer).commits(
            series, bench.emit
        )
    if kind not in upstreams.UPSTREAMS:
        raise UsageError(f"upstream {kind!r}: no such kind")
    where = _option(bench.record.command, "--upstream").partition(":")[2]
    asked = upstreams.Request(bench.git, folder, (where,) if where else (), base.commit)
    return upstreams.UPSTREAMS[kind](asked).commits(series, bench.emit)


def _option(command: str, flag: str) -> str:
    words = shlex.split(command)
    return words[words.index(flag) + 1] if flag in words[:-1] else ""


def _drops(bench: _Bench) -> tuple[Tree, Tree]:
    """The two trees that the commits were cut out of, by the record's labels and hash."""
    upstream = bench.record.upstream
    assert upstream is not None
    labels = upstream.text.split(" -> ")
    known = bench.store.known()
    older = [tree for tree in known if tree.label == labels[0]]
    newer = [t for t in known if t.label == labels[-1] and t.sha256 == upstream.sha256]
    if not older or not newer:
        raise Unavailable(
            f"upstream's trees are not in the store of this machine: {upstream.text}",
            hint=f"import them: backport plan {bench.record.series} --target {bench.record.target}",
        )
    return older[0], newer[0]


def _same_commits(record: RunRecord, picked: Picked) -> str:
    for told, done in zip(record.picks, picked.commits, strict=False):
        if told.commit != done.pick.commit:
            raise GateFailed(f'"{told.subject}" is {done.pick.commit} now, was {told.commit}')
    if (len(record.picks), record.head) != (len(picked.commits), picked.head):
        raise GateFailed(f"head is {picked.head} now, was {record.head}")
    return f"{len(picked.commits)} picked again by the bundle's rules, the same commit ids"


def _same_image(bench: _Bench, picked: Picked, wanted: Build, jobs: int) -> str:
    record = bench.record
    target = _target(bench)
    name = f"{record.series}-{record.target}-verify"  # both were found as names of data files
    source, out = bench.cache.trees / name, bench.cache.build / name
    with files.locked(out.with_name(f"{name}.lock")):
        shutil.rmtree(out, ignore_errors=True)  # nothing of an earlier one is taken for built
        made, configured = _build(bench, picked, target, source, out, jobs)
        if record.config and configured.resolved != record.config.values:
            raise GateFailed("configuration: the bundle's fragments ask for other values")
        others = _differences(bench.opened.members.get(CONFIG, b""), configured.config)
        if made.image_sha256 != wanted.sha256:
            told = f"{made.image} has {made.image_sha256}, was {wanted.sha256}{others}"
            compilers = f"; by {made.compiler}, was by {wanted.compiler}"
            raise GateFailed(told + (compilers if made.compiler != wanted.compiler else ""))
        shutil.rmtree(out)
        checkout.discard(source)
    return f"built again in {made.seconds:.0f} s, the same image: {wanted.sha256[:SHORT]}{others}"


def _differences(before: bytes, now: Path) -> str:
    """Symbols that nobody asked for and that are others here: the versions of tools, most of all.

    Kconfig writes down which pahole it found, whether or not the image depends on it.
    """
    old = kconfig.parse_config(before.decode("utf-8", "replace"))
    new = kconfig.parse_config(now.read_text("utf-8", "replace"))
    names = sorted(n for n in {*old, *new} if old.get(n) != new.get(n))
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    shown = ", ".join(f"CONFIG_{name}" for name in names[:LISTED])
    return f"; in its configuration another {shown}{more}" if names else ""


def _target(bench: _Bench) -> Target:
    record = bench.record
    target = manifest.read_target(manifest.target_path(bench.data, record.target))
    flavour = manifest.read_flavour(bench.data, record.flavour) if record.flavour else None
    return target.in_flavour(flavour)


def _build(  # noqa: PLR0917 (what is built, where)
    bench: _Bench, picked: Picked, target: Target, source: Path, out: Path, jobs: int
) -> tuple[BuildResult, ConfigureResult]:
    log = out.with_name(f"{out.name}.log")
    log.unlink(missing_ok=True)
    checkout.checkout(bench.git, picked.tree, source, bench.emit)
    fragments = manifest.fragment_files(bench.data, target.fragments)
    arch, variables, emit = target.arch, target.make_variables, bench.emit
    wish = ConfigureRequest(source, out, fragments, log, picked.tree, arch, variables, emit)
    configured = configure(wish)
    order = BuildRequest(source, out, log, picked.tree, arch, variables, jobs, emit=emit)
    return build(order), configured
