"""Upstream without history: a series' commits cut out of the newer of two source drops.

The commits sit on the newer drop with the series taken out, so their context is upstream's and a
pick of them onto an old tree meets real conflicts. The cut is proven before anyone uses it.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backport.doors import files
from backport.doors.git import FILE_MODE, Entry, Git
from backport.readers.cut import Edit, Hunk, apply_edits, demand_modest, edits_of, parse_hunks
from backport.readers.snapshot import Snapshot, SnapshotCommit, read_snapshot
from backport.values.commit import Incoming, Person
from backport.values.csource import join_lines, split_lines
from backport.values.errors import GateFailed, ManifestError, Place
from backport.values.events import Emit, Note
from backport.values.series import Series
from backport.values.target import Tree

# The same for everyone, so that the ids are the same on every machine.
CUTTER = Person("backport snapshot", "backport@localhost", "946684800 +0000")


@dataclass(frozen=True)
class Cutting:
    """The proven result: commits in order, and what mentions the feature but stayed out."""

    base: str  # commit: the newer drop with the series taken out
    commits: tuple[Incoming, ...]
    left_out: Mapping[str, str]  # path -> reason
    hunks_kept: int  # hunks between the drops, in the files touched, that are not of the series


class SnapshotUpstream:
    """The `Upstream` of a snapshot: cuts once for each pair of drops and wording of the selectors.

    `file` is the series' snapshot.toml; `older` and `newer` are its drops, imported. The cutting is
    kept under a ref of the store with its record in `cache`; a second use costs milliseconds.
    """

    def __init__(self, store: Git, cache: Path, file: Path, older: Tree, newer: Tree) -> None:
        self._store = store
        self._file = file
        self._older, self._newer = older, newer
        key = cut_key(file.read_bytes(), older, newer)
        self._ref = f"refs/backport/snapshot/{key}"
        self._record = cache / f"{key}.json"
        self.cached = False  # whether `commits` found its work done
        self.left_out: Mapping[str, str] = {}  # path -> reason
        self.elsewhere: Mapping[str, str] = {}  # SHA -> reason
        self.hunks_kept = 0

    def describe(self) -> str:
        """The two drops, for a person."""
        return f"snapshot: {self._older.label} -> {self._newer.label}"

    def commits(self, series: Series, emit: Emit) -> tuple[Incoming, ...]:
        """The cut commits, in their order; each stands only for commits that `series` picks.

        Raises `ManifestError` for a selector that does not hold or a SHA that the series does not
        have, `GateFailed` if the proof fails.
        """
        snapshot = read_snapshot(self._file)
        _check_shas(self._file, snapshot, series)
        self.elsewhere = {sha: row.reason for row in snapshot.elsewhere for sha in row.commits}
        kept = self._kept(snapshot)
        if kept is None:
            emit(Note("upstream", f"cutting {len(snapshot.commits)} commits out of the drops"))
            cutting = cut_series(self._store, snapshot, self._older, self._newer)
            self._keep(cutting)
            kept = cutting.commits
        return kept

    def _kept(self, snapshot: Snapshot) -> tuple[Incoming, ...] | None:
        tip = self._store.ref(self._ref)
        if tip is None or not self._record.is_file():
            return None
        record = json.loads(self._record.read_text("utf-8"))
        self.left_out, self.hunks_kept = record["left_out"], record["hunks_kept"]
        self.cached = True
        return tuple(
            _incoming(commit, oid, parent, _message(commit, self._newer), self._newer)
            for commit, (oid, parent) in zip(snapshot.commits, record["commits"], strict=True)
        )

    def _keep(self, cutting: Cutting) -> None:
        self.left_out, self.hunks_kept = cutting.left_out, cutting.hunks_kept
        pairs = [(c.commit, c.parent) for c in cutting.commits]
        data = {**asdict(cutting), "commits": pairs}
        tip = cutting.commits[-1].commit
        self._store.update_ref(self._ref, tip, self._store.ref(self._ref), "snapshot")
        files.write(self._record, json.dumps(data, indent=1).encode())


Texts = dict[str, bytes | None]  # None: the path is not there


def cut_series(git: Git, snapshot: Snapshot, older: Tree, newer: Tree) -> Cutting:
    """Cut the commits of `snapshot` out of `newer`, newest first, and prove the result.

    Raises `ManifestError` for a selector that does not hold, `GateFailed` if the proof fails.
    """
    states = _take_out(git, snapshot, older, newer)
    trees = [_tree_with(git, newer.tree, state) for state in states]
    base = git.commit_tree(trees[0], [], _base_message(newer), CUTTER, CUTTER)
    commits = _chain(git, snapshot, trees, base, newer)
    _prove(git, snapshot, trees, newer)
    left_out = _left_out(git, snapshot, trees[0])
    return Cutting(base, commits, left_out, _hunks_kept(git, snapshot, older, trees[0]))


def cut_key(snapshot_text: bytes, older: Tree, newer: Tree) -> str:
    """What a cutting depends on, as a short hash."""
    words = (older.tree, newer.tree, newer.label, newer.sha256)  # the messages hold the last two
    text = b"\0".join([snapshot_text, *(word.encode() for word in words)])
    return hashlib.sha256(text).hexdigest()[:20]


def _take_out(git: Git, snapshot: Snapshot, older: Tree, newer: Tree) -> list[Texts]:
    """The touched paths' texts before the series, after its first commit, … after its last."""
    paths = sorted({p for commit in snapshot.commits for p in commit.paths})
    now: Texts = {path: git.read(newer.tree, path) for path in paths}
    past: Texts = {path: git.read(older.tree, path) for path in paths}
    states = [now]
    for commit in reversed(snapshot.commits):
        now = {**now, **_without(git, commit, now, past)}
        states.append(now)
    return states[::-1]


def _without(git: Git, commit: SnapshotCommit, now: Texts, past: Texts) -> Texts:
    before: Texts = {}
    for path in commit.new_files:
        if now[path] is None or past[path] is not None:
            hint = "the older drop must not have it, and the newer one must"
            raise ManifestError(commit.place, f"{path} is not new in the newer drop", hint=hint)
        before[path] = None
    for path in {cut.path for cut in commit.cuts}:
        before[path] = _cut_file(git, commit, path, now[path], past[path] or b"")
    return before


def _cut_file(git: Git, commit: SnapshotCommit, path: str, now: bytes | None, past: bytes) -> bytes:
    cuts = [cut for cut in commit.cuts if cut.path == path]
    if now is None:
        raise ManifestError(cuts[0].place, f"the newer drop has no {path}")
    newer, older = split_lines(now), split_lines(past)
    hunks: list[Hunk] = []

    def lazily() -> Sequence[Hunk]:
        if not hunks:
            hunks.extend(_hunks(git, past, now))
        return hunks

    edits: list[Edit] = []
    for cut in cuts:
        edits += [e for e in edits_of(cut, newer, older, lazily) if e not in edits]
    demand_modest(edits, newer, older, lazily)
    return join_lines(apply_edits(newer, edits))


def _hunks(git: Git, old: bytes, new: bytes) -> list[Hunk]:
    diff = git.diff(git.write_blob(old), git.write_blob(new), "-U0", "--diff-algorithm=histogram")
    return parse_hunks(diff.decode("utf-8", "surrogateescape"))


def _tree_with(git: Git, tree: str, texts: Texts) -> str:
    modes = {path: entry.mode for path, entry in git.entries(tree, sorted(texts)).items()}
    edits = {
        path: None if data is None else Entry(modes.get(path, FILE_MODE), git.write_blob(data))
        for path, data in texts.items()
    }
    return git.edit_tree(tree, edits)


def _chain(
    git: Git, snapshot: Snapshot, trees: Sequence[str], base: str, newer: Tree
) -> tuple[Incoming, ...]:
    commits = []
    parent = base
    for commit, tree in zip(snapshot.commits, trees[1:], strict=True):
        message = _message(commit, newer)
        oid = git.commit_tree(tree, [parent], message, CUTTER, CUTTER)
        commits.append(_incoming(commit, oid, parent, message, newer))
        parent = oid
    return tuple(commits)


def _incoming(commit: SnapshotCommit, oid: str, parent: str, message: str, newer: Tree) -> Incoming:
    return Incoming(
        oid,
        parent,
        commit.subject,
        message,
        CUTTER,
        CUTTER,
        commit.stands_for,
        f"{newer.label}, cut {commit.id}",
    )


def _check_shas(file: Path, snapshot: Snapshot, series: Series) -> None:
    """Every commit that the series picks is carried by one cut, or named with a reason."""
    carried = [sha for commit in snapshot.commits for sha in commit.stands_for]
    named = [*carried, *(sha for row in snapshot.elsewhere for sha in row.commits)]
    picked = [row.sha for row in series.picked]
    complaints = {
        "which the series does not have": [s for s in named if series.find(s) is None],
        "which is named twice": [s for s in set(named) if named.count(s) > 1],
        "which no cut carries": [s for s in picked if s not in named],
    }
    for complaint, shas in complaints.items():
        if shas:
            raise ManifestError(
                Place(str(file), key="stands_for"),
                f"commit {shas[0]}, {complaint}",
                hint="name it in one commit's `stands_for`, or in an [[elsewhere]] with its reason",
            )


def _base_message(newer: Tree) -> str:
    return f"{newer.label} with the series taken out\n\nsha256 {newer.sha256 or newer.tree}\n"


def _message(commit: SnapshotCommit, newer: Tree) -> str:
    body = textwrap.fill(" ".join(commit.body.split()), 75)
    return f"{commit.subject}\n\n{body}\n\nCut out of {newer.label}, which holds its end state.\n"


def _prove(git: Git, snapshot: Snapshot, trees: Sequence[str], newer: Tree) -> None:
    if trees[-1] != newer.tree:
        raise GateFailed("snapshot: the commits put back do not give the newer drop")
    for commit, before, after in zip(snapshot.commits, trees, trees[1:], strict=False):
        touched = {change.path for change in git.changes(before, after)}
        if touched != set(commit.paths):
            odd = ", ".join(sorted(touched ^ set(commit.paths)))
            raise GateFailed(f"snapshot commit {commit.id}: touches or misses {odd}")


def _left_out(git: Git, snapshot: Snapshot, bare: str) -> dict[str, str]:
    """Files that mention the feature still when it is out; one without a reason is an error."""
    found = git.grep(bare, snapshot.mentions, snapshot.search)
    reasons = {path: _reason(snapshot, path) for path in sorted({path for path, _, _ in found})}
    unclaimed = [f"{path}:{n}" for path, n, _ in found if not reasons[path]]
    if unclaimed:
        more = f" and {len(unclaimed) - 20} more" if len(unclaimed) > 20 else ""
        raise ManifestError(
            snapshot.place,
            "lines mention the feature and belong to no commit: "
            + ", ".join(unclaimed[:20])
            + more,
            hint="name each in a commit, or in a [[left_out]] with its reason",
        )
    return reasons


def _reason(snapshot: Snapshot, path: str) -> str:
    for row in snapshot.left_out:
        if any(path.startswith(prefix) for prefix in row.paths):
            return row.reason
    return ""


def _hunks_kept(git: Git, snapshot: Snapshot, older: Tree, bare: str) -> int:
    paths = {cut.path for commit in snapshot.commits for cut in commit.cuts}
    total = 0
    for path in sorted(paths):
        total += len(_hunks(git, git.read(older.tree, path) or b"", git.read(bare, path) or b""))
    return total
