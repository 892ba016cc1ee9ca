"""The history half of a run: base and upstream in, a branch with every line accounted for out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

from backport import upstreams
from backport.doors import files
from backport.kernel.toolchain import arch_named
from backport.ladder.ladder import ladder_of
from backport.picking import branch, history, stopped
from backport.picking.history import Picked
from backport.readers import manifest
from backport.readers.rules import read_rules
from backport.readers.snapshot import read_snapshot
from backport.shell import judging
from backport.shell.crew import crew
from backport.shell.session import Session
from backport.shell.sounding import judge_picks
from backport.sources import obtain, spec_from_path
from backport.upstreams.snapshot import SnapshotUpstream
from backport.values import record
from backport.values.commit import Incoming
from backport.values.errors import UsageError
from backport.values.events import Note
from backport.values.options import Until
from backport.values.rule import Rule
from backport.values.series import Series
from backport.values.target import Flavour, SourceSpec, Target, Tree
from backport.values.version import Version


@dataclass(frozen=True)
class Inputs:
    """What was read before any work: the data files, and where the base comes from."""

    series: Series
    target: Target  # with the flavour's fragments, where one is asked for
    rules: tuple[Rule, ...]
    spec: SourceSpec
    snapshot_file: Path
    flavour: Flavour | None = None

    @property
    def numbers(self) -> Path:
        """What userspace sees of the series; the file need not be there."""
        return self.snapshot_file.with_name("uapi.toml")

    @property
    def srcarch(self) -> str:
        """The target's directory below arch/."""
        return arch_named(self.target.arch).srcarch

    @property
    def build_name(self) -> str:
        """The folder that its kernel is built in: each flavour has one of its own."""
        parts = (self.series.name, self.target.name, self.flavour.name if self.flavour else "")
        return "-".join(filter(None, parts))


@dataclass(frozen=True)
class Drops:
    """Imported trees: the base, and the snapshot's two where it is one."""

    base: Tree
    older: Tree | None = None
    newer: Tree | None = None


def read_inputs(session: Session) -> Inputs:
    """Read and check all data files; `ManifestError` at the first mistake."""
    options, root = session.options, session.data
    if options.rev and not options.base:
        raise UsageError("--rev goes with --base", hint="name the repository with --base")
    branch.check_name(options.branch_name)
    series_file = manifest.series_path(root, options.series)
    target = manifest.read_target(manifest.target_path(root, options.target))
    spec = spec_from_path(Path(options.base), rev=options.rev) if options.base else target.source
    session.note(flavour=options.flavour)
    flavour = manifest.read_flavour(root, options.flavour) if options.flavour else None
    target = target.in_flavour(flavour)
    _check_kind(options.upstream)
    series = manifest.read_series(series_file)
    _check_suites(series, options.suites)
    return Inputs(
        series=series,
        target=target,
        rules=read_rules(series_file.parent / "rules"),
        spec=spec,
        snapshot_file=series_file.parent / "snapshot.toml",
        flavour=flavour,
    )


def _check_suites(series: Series, asked: Sequence[str]) -> None:
    """Refuse a suite that there is not before a kernel is built for it."""
    known = [*series.suites, *series.checks]
    for name in asked:
        if name not in known:
            raise UsageError(f"--suite {name}: no such suite", hint=f"one of: {', '.join(known)}")


def _check_kind(upstream: str) -> None:
    """Refuse an upstream that cannot be before a tree is imported for it."""
    kind, _, where = upstream.partition(":")
    known = ["snapshot", *upstreams.UPSTREAMS]
    if kind and kind not in known:
        raise UsageError(f"--upstream {kind}: no such kind", hint=f"one of: {', '.join(known)}")
    if kind == "snapshot" and where:
        raise UsageError(
            f"--upstream {upstream}: a snapshot is what the series' snapshot.toml names",
            hint="--upstream snapshot",
        )


def import_trees(session: Session, inputs: Inputs) -> Drops:
    """Import the base and, for a snapshot, its two drops, side by side."""
    specs: dict[str, SourceSpec] = {"base": inputs.spec}
    if inputs.snapshot_file.is_file():
        snapshot = read_snapshot(inputs.snapshot_file)
        if upstream_kind(session, inputs) == "snapshot":
            specs["older"] = snapshot.older
        if "older" in specs or session.options.until >= Until.BOOT:
            specs["newer"] = snapshot.newer  # the donor of the selftests, too
    with session.stage("import", f"source trees: {', '.join(sorted(_names(specs)))}") as talk:
        trees = _obtain_all(session, specs)
        talk.detail = ", ".join(dict.fromkeys(tree.label for tree in trees.values()))
        talk.cached = not {"import", "download"} & session.worked
    base = trees["base"]
    _check_version(inputs, base)
    session.note(
        base=record.Base(base.version, base.source, base.sha256, base.commit, base.label, base.tree)
    )
    return Drops(base, trees.get("older"), trees.get("newer"))


def _names(specs: dict[str, SourceSpec]) -> set[str]:
    return {getattr(s, "package", "") or getattr(s, "url", "") or str(getattr(s, "path", ""))
            for s in specs.values()}  # fmt: skip


def _obtain_all(session: Session, specs: dict[str, SourceSpec]) -> dict[str, Tree]:
    def one(spec: SourceSpec) -> Tree:
        return obtain(
            spec, session.store, session.cache, session.emit, refresh=session.options.refresh
        )

    unique = list(dict.fromkeys(specs.values()))
    with crew(len(unique)) as pool:
        jobs: dict[SourceSpec, Future[Tree]] = {spec: pool.submit(one, spec) for spec in unique}
        done = {spec: job.result() for spec, job in jobs.items()}
    return {name: done[spec] for name, spec in specs.items()}


def _check_version(inputs: Inputs, base: Tree) -> None:
    have, want = Version.of_tree(base.version), inputs.target.version
    if (have.major, have.minor) != (want.major, want.minor):
        raise UsageError(
            f"{base.source} is Linux {have}, the target {inputs.target.name} is for {want}",
            hint="choose the target of that version, or another --base",
        )


# -- upstream


def upstream_kind(session: Session, inputs: Inputs) -> str:
    """snapshot, git or mbox: as asked for, else snapshot where the series has one."""
    asked = session.options.upstream.partition(":")[0]
    if asked:
        return asked
    return "snapshot" if inputs.snapshot_file.is_file() else "git"


def open_upstream(session: Session, inputs: Inputs, drops: Drops) -> upstreams.Upstream:
    """The upstream of the chosen kind."""
    kind = upstream_kind(session, inputs)
    where = session.options.upstream.partition(":")[2]
    folder = session.cache.root / "upstream"
    if kind == "snapshot":
        if drops.older is None or drops.newer is None or not inputs.snapshot_file.is_file():
            raise UsageError(f"{inputs.series.name} has no snapshot.toml", hint="--upstream git")
        return SnapshotUpstream(
            session.store.git, folder, inputs.snapshot_file, drops.older, drops.newer
        )
    locations = (where,) if where else ()
    return upstreams.UPSTREAMS[kind](
        upstreams.Request(session.store.git, folder, locations, drops.base.commit)
    )


def read_upstream(session: Session, inputs: Inputs, drops: Drops) -> tuple[Incoming, ...]:
    """The commits to pick, in the store, with what was left out and why."""
    upstream = open_upstream(session, inputs, drops)
    with session.stage("upstream", upstream.describe()) as talk:
        commits = upstream.commits(inputs.series, session.emit)
        talk.detail = f"{len(commits)} commits"
        talk.cached = bool(getattr(upstream, "cached", _seen(session, commits)))
    kind = upstream_kind(session, inputs)
    newer = drops.newer
    session.note(
        upstream=record.Upstream(
            kind,
            upstream.describe().removeprefix(f"{kind}: "),
            newer.version if newer else "",
            newer.sha256 if newer else "",
            commits[-1].commit if commits else "",
        ),
        left_out=tuple(_left_out(inputs, upstream)),
    )
    if isinstance(upstream, SnapshotUpstream):
        detail = (
            f"{len(commits)} commits put back give {upstream.describe().rpartition('> ')[2]} byte"
            f" for byte; {upstream.hunks_kept} other hunks in their files stay"
        )
        session.gate("snapshot", "passed", detail)
    return commits


def _seen(session: Session, commits: Sequence[Incoming]) -> bool:
    """Whether these very commits were read before."""
    ids = " ".join(incoming.commit for incoming in commits)
    mark = session.cache.root / "upstream" / "seen" / hashlib.sha256(ids.encode()).hexdigest()
    if mark.exists():
        return True
    files.write(mark, b"")
    return False


def plan(session: Session, inputs: Inputs, commits: Sequence[Incoming]) -> None:
    """Note what would be picked, each commit with the rules that belong to it."""
    rules = {c.commit: [r for r in inputs.rules if r.belongs_to(c.stands_for)] for c in commits}
    session.note(
        picks=tuple(
            record.Pick(
                sha=c.stands_for[0] if c.stands_for else c.commit,
                subject=c.subject,
                outcome="planned",
                stands_for=c.stands_for,
                rules=tuple(r.id for r in rules[c.commit]),
                incoming=c.commit,
            )
            for c in commits
        )
    )


def _left_out(inputs: Inputs, upstream: upstreams.Upstream) -> list[record.LeftOut]:
    series = inputs.series
    rows = [record.LeftOut(r.sha, r.subject, r.reason) for r in series.left_out]
    rows += [record.LeftOut(r.sha, r.subject, series.donor_reason) for r in series.served]
    if isinstance(upstream, SnapshotUpstream):
        rows += [
            record.LeftOut(row.sha, row.subject, upstream.elsewhere[row.sha])
            for row in series.picked
            if row.sha in upstream.elsewhere
        ]
        rows += [record.LeftOut("", path, why) for path, why in upstream.left_out.items()]
    return rows


# -- pick and apply


def request_of(
    session: Session, inputs: Inputs, drops: Drops, incoming: tuple[Incoming, ...]
) -> history.Request:
    """The pick stage's request."""
    folder = session.cache.root / "picks"
    resolver = ladder_of(session.options.argv())
    return history.Request(session.store.git, folder, drops.base, incoming, inputs.rules, resolver)


def pick(
    session: Session, inputs: Inputs, request: history.Request, newer: Tree | None = None
) -> Picked:
    """Pick the series and move its branch; `newer` is a kernel that has the feature.

    Raises `ConflictsLeft` after it made a worktree for what no rule settles.
    """
    goal = branch.open_branch(
        session.store.git,
        inputs.spec,
        request.base,
        session.options.branch_name,
        force=session.options.force,
    )
    with session.stage(
        "pick", f"{len(request.incoming)} commits onto {request.base.label}"
    ) as talk:
        picked = _pick_all(session, request)
        if picked.stopped is not None:
            raise _stop(session, picked.stopped)
        talk.detail, talk.cached = _pick_detail(picked), picked.cached
        case = judging.Case(request, picked, inputs.numbers, inputs.srcarch, newer)
        judging.judge(session, case)
        judge_picks(session, request, picked)
        branch.move(session.store.git, goal, picked.head)
    picks = _dated(session.record.picks, inputs)
    session.note(branch=goal.name, head=picked.head, tree=picked.tree, picks=picks)
    aside = stopped.clear(session.store.git, session.run.path.parent)
    if aside:
        session.emit(Note(history.STAGE, f"the worktree of an earlier conflict is now {aside}"))
    return picked


def _dated(picks: Sequence[record.Pick], inputs: Inputs) -> tuple[record.Pick, ...]:
    """The picks with the mainline release that has each first, as the series says."""
    rows = [inputs.series.find(pick.sha) for pick in picks]
    return tuple(
        replace(pick, first_in=str(row.first_in)) if row else pick
        for pick, row in zip(picks, rows, strict=True)
    )


def take_resolution(session: Session, request: history.Request, state: stopped.State) -> None:
    """Take what a person resolved into the finished picks; refuses what is not resolved yet."""
    picked = _pick_all(session, request)
    if picked.stopped is not None and picked.stopped.key == state.key:
        stopped.take(request, session.run.path.parent, picked.stopped.result)
    else:
        text = "the rules or the base changed since it stopped; the worktree is not used"
        session.emit(Note(history.STAGE, text))


def _pick_all(session: Session, request: history.Request) -> Picked:
    try:
        picked = history.pick_series(request, session.emit)
    except history.PickRefused as err:
        session.gate(err.gate, "failed", err.message)
        raise
    _note_picks(session, picked)
    return picked


def _note_picks(session: Session, picked: Picked) -> None:
    left = picked.stopped.result if picked.stopped else None
    tail = (history.shown(left, left.outcome, "").pick,) if left else ()
    session.note(
        picks=(*(done.pick for done in picked.commits), *tail),
        adaptations=tuple(a for done in picked.commits for a in done.adaptations),
    )


def _pick_detail(picked: Picked) -> str:
    conflicts = sum(len(done.pick.conflicts) for done in picked.commits)
    rules = {a.rule for done in picked.commits for a in done.adaptations}
    return f"{len(picked.commits)} picked, {conflicts} conflicts settled, {len(rules)} rules fired"


def _stop(session: Session, where: history.Stopped) -> Exception:
    options = session.options
    folder = session.run.path.parent
    state = stopped.State(
        options.series,
        options.target,
        where.key,
        where.onto,
        str(folder / stopped.WORKTREE),
        tuple(sorted({c.path for c in where.result.conflicts})),
        replace(options, refresh=False).to_json(),
    )
    return stopped.stop(session.store.git, folder, state, where)
