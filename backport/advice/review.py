"""What a reviewer needs of a finished run: each pick's two diffs side by side, with their reasons.

The store has upstream's commit and what it became. A pick with rules or conflicts is done again by
the rules as they are now; it tells which rule did what only if it gives the very same commit, so
that nothing is said that does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backport.advice.explain import bare
from backport.advice.ownership import Known, Owner, Settled, Tie, drift, owners, settled_by
from backport.doors.git import Change, Entry, Git
from backport.ladder.ladder import Ladder
from backport.picking.climbing import PREFIX
from backport.picking.pick import Pick, Target, applicable, pick
from backport.picking.resolve import REGIONAL, WHOLE
from backport.values import record
from backport.values.commit import Incoming
from backport.values.conflict import Conflict
from backport.values.csource import Lines, split_lines
from backport.values.errors import RuleError, UsageError
from backport.values.events import Emit, Progress
from backport.values.gitformat import CommitInfo
from backport.values.record import RunRecord
from backport.values.rule import Adaptation, Climbed, Rule
from backport.values.sidebyside import DiffLine, Row, diff_lines, side_by_side
from backport.values.version import Version

STAGE = "review"
_BINARY = 8000  # bytes that git looks at for a NUL


@dataclass(frozen=True)
class Request:
    """A run's record, and the rules of its series as they are now."""

    git: Git
    record: RunRecord
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Clash:
    """One conflict as it was, and the rule that settled it ('' if none did)."""

    conflict: Conflict
    rule: str


@dataclass(frozen=True)
class FileReview:
    """One path of a pick: upstream's change and the backport's in rows, each with its reason."""

    path: str
    rows: tuple[Row, ...]
    owners: tuple[Owner, ...]
    clashes: tuple[Clash, ...] = ()
    notes: tuple[str, ...] = ()  # what is not a matter of lines: modes, binary files


@dataclass(frozen=True)
class CommitReview:
    """One pick; `untold` is why its differences cannot be tied to rules, '' if they are."""

    pick: record.Pick
    incoming: CommitInfo | None
    commit: CommitInfo | None
    files: tuple[FileReview, ...]
    untold: str = ""
    by_hand: tuple[str, ...] = ()


@dataclass(frozen=True)
class Review:
    """A run to review; `uapi` is what the whole series changes in what userspace includes."""

    record: RunRecord
    commits: tuple[CommitReview, ...]
    uapi: tuple[tuple[str, tuple[DiffLine, ...]], ...] = ()


def review(request: Request, emit: Emit) -> Review:
    """Read every pick of a run from the store; `UsageError` if it is not there any more."""
    picks = request.record.picks
    commits: list[CommitReview] = []
    onto = request.record.base.commit if request.record.base else ""
    _demand(request, onto)
    for number, one in enumerate(picks):
        emit(Progress(STAGE, number, len(picks), "commits"))
        commits.append(_Commit(request, one, onto).review())
        onto = one.commit or onto
    emit(Progress(STAGE, len(picks), len(picks), "commits"))
    return Review(request.record, tuple(commits), tuple(_uapi(request)))


def _demand(request: Request, base: str) -> None:
    """Refuse a run whose commits the store has lost, before anything is shown of it."""
    wanted = [base, *(sha for p in request.record.picks for sha in (p.incoming, p.commit))]
    text = "".join(f"{sha}\n" for sha in dict.fromkeys(wanted) if sha).encode()
    told = request.git.run("cat-file", "--batch-check", stdin=text).text
    lost = [line.split()[0] for line in told.splitlines() if line.endswith(" missing")]
    if lost:
        raise UsageError(
            f"{request.git.path}: no commit {lost[0]}, which the run names",
            hint=f"make it again: {request.record.command}",
        )


def _uapi(request: Request) -> Iterator[tuple[str, tuple[DiffLine, ...]]]:
    """The series' own difference below include/uapi/, header by header."""
    done = request.record
    if done.base is None or not done.picks or not any(p.commit for p in done.picks):
        return
    head = next(p.commit for p in reversed(done.picks) if p.commit)
    reader = _Reader(request.git)
    for change in reader.changes(done.base.commit, head):
        if change.path.startswith("include/uapi/") and not reader.is_binary(change):
            yield change.path, tuple(diff_lines(reader.lines(change.old), reader.lines(change.new)))


class _Reader:
    """Files of commits as lines."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def changes(self, old: str, new: str) -> list[Change]:
        """The paths that a commit changes."""
        return self._git.changes(self._git.tree_of(old), self._git.tree_of(new))

    def lines(self, entry: Entry | None) -> list[str]:
        """A file's lines, none of a file that is not there or not of text."""
        data = b"" if entry is None or entry.mode == "160000" else self._git.blob(entry.oid)
        return [] if b"\0" in data[:_BINARY] else split_lines(data)

    def is_binary(self, change: Change) -> bool:
        """Whether a side of a change is no text."""
        sides = [e for e in (change.old, change.new) if e is not None]
        return any(e.mode == "160000" or b"\0" in self._git.blob(e.oid)[:_BINARY] for e in sides)


class _Commit:
    """The working state of one pick's review."""

    def __init__(self, request: Request, one: record.Pick, onto: str) -> None:
        self._request = request
        self._git = request.git
        self._pick = one
        self._reader = _Reader(request.git)
        self._incoming = request.git.commit(one.incoming) if one.incoming else None
        self._commit = request.git.commit(one.commit) if one.commit else None
        self._onto = self._commit.parents[0] if self._commit and self._commit.parents else onto
        self._again: Pick | None = None
        self._bare: tuple[Conflict, ...] = ()
        self._untold = ""

    def review(self) -> CommitReview:
        """Both diffs of each path, and why they differ."""
        if self._incoming is None or not self._incoming.parents:
            return CommitReview(self._pick, self._incoming, self._commit, ())
        self._pick_again(self._incoming)
        theirs = self._changes(self._incoming.parents[0], self._incoming.oid)
        result = self._changes(self._onto, self._commit.oid) if self._commit else {}
        base = self._git.entries(self._onto, sorted(theirs)) if theirs and self._onto else {}
        files = [
            self._file(path, theirs.get(path), result.get(path), base.get(path))
            for path in sorted({*theirs, *result, *(c.path for c in self._bare)})
        ]
        return CommitReview(
            self._pick, self._incoming, self._commit, tuple(files), self._untold,
            tuple(sorted(self._by_hand)),
        )  # fmt: skip

    def _changes(self, old: str, new: str) -> dict[str, Change]:
        return {change.path: change for change in self._reader.changes(old, new)}

    # -- picking again

    def _pick_again(self, info: CommitInfo) -> None:
        one = self._pick
        if self._request.record.base is None or not (one.rules or one.conflicts):
            return  # a plain merge: no rule has a part in it
        if one.outcome == "planned":
            return
        incoming = Incoming(
            info.oid, info.parents[0], info.subject, info.message, info.author, info.committer,
            one.stands_for, "",
        )  # fmt: skip
        target = Target(self._git, Version.of_tree(self._request.record.base.version))
        tree = self._git.tree_of(self._onto)
        try:
            rules = applicable(self._request.rules, incoming, tree, target)
            climbs = any(rule.startswith(PREFIX) for rule in one.rules)
            again = pick(
                incoming, self._onto, tree, rules, target, judged=False,
                resolver=Ladder() if climbs else None,
            )  # fmt: skip
            conflicts = bare(again, self._onto, tree, rules, target)
        except RuleError as err:
            self._untold = f"the rules have changed since the run: {err.message}"
            return
        self._untold = self._differs(again)
        if not self._untold:
            self._again, self._bare = again, conflicts

    def _differs(self, again: Pick) -> str:
        """Why the pick that was done again is not the run's, '' if it is."""
        if {a.rule.id for a in again.adaptations} != set(self._pick.rules):
            return "the rules have changed since the run: others fire now"
        if self._commit is None:
            now = again.outcome
            return "" if now == self._pick.outcome else f"since the run it has become {now}"
        changes = self._reader.changes(again.tree, self._commit.oid)
        if {change.path for change in changes} - {c.path for c in again.conflicts}:
            return "the rules have changed since the run: they give another result now"
        return ""

    @property
    def _by_hand(self) -> set[str]:
        """Paths that no rule settles, of a pick that has a commit all the same."""
        return {c.path for c in self._again.conflicts} if self._again and self._commit else set()

    # -- one path

    def _file(
        self, path: str, theirs: Change | None, result: Change | None, ours: Entry | None
    ) -> FileReview:
        if any(change and self._reader.is_binary(change) for change in (theirs, result)):
            return FileReview(path, (), (), notes=tuple(_whole(theirs, result)))
        lines = self._reader.lines
        left = diff_lines(lines(theirs.old), lines(theirs.new)) if theirs else []
        right = diff_lines(lines(result.old), lines(result.new)) if result else []
        rows = side_by_side(left, right)
        clashes = tuple(self._clashes(path))
        known = self._known(path, clashes, lines(theirs.old if theirs else None), lines(ours))
        modes = tuple(_modes(theirs, result))
        return FileReview(path, tuple(rows), tuple(owners(rows, known)), clashes, modes)

    def _known(self, path: str, clashes: Sequence[Clash], base: Lines, ours: Lines) -> Known:
        if self._commit is None and self._pick.outcome in {"planned", "conflict"}:
            return Known(instead=Tie.UNMADE)
        if path in self._by_hand:
            return Known(instead=Tie.HAND)
        if self._untold:
            return Known(instead=Tie.UNTOLD)
        fired = tuple(a for a in self._fired if a.path == path)
        settled: list[Settled] = []
        for clash in clashes:
            if clash.rule and clash.conflict.region:
                region = clash.conflict.region
                settled.append(settled_by(clash.rule, region.base, region.theirs))
        return Known(fired, tuple(settled), drift(base, ours))

    @property
    def _fired(self) -> tuple[Adaptation, ...]:
        return self._again.adaptations if self._again else ()

    def _clashes(self, path: str) -> Iterator[Clash]:
        """The conflicts of the merge; rules settle those of a path from top to bottom."""
        left = [(c.path, c.region) for c in self._again.conflicts] if self._again else []
        settling = iter(
            a
            for a in self._fired
            if a.path == path and isinstance(a.rule.action, (*REGIONAL, *WHOLE))
        )
        mine = (a for a in self._fired if a.path == path)
        climbed = next((a for a in mine if isinstance(a.rule.action, Climbed)), None)
        for conflict in (c for c in self._bare if c.path == path):
            by = None if (path, conflict.region) in left else next(settling, climbed)
            yield Clash(conflict, by.rule.id if by else "")


def _whole(theirs: Change | None, result: Change | None) -> Iterator[str]:
    """What both sides do to a file that is not of text."""
    for who, change in (("upstream", theirs), ("the backport", result)):
        if change is None:
            yield f"{who} leaves it alone"
        else:
            yield f"{who}: binary, {_oid(change.old)} becomes {_oid(change.new)}"
    if theirs and result and theirs.new == result.new:
        yield "both give the same file"


def _oid(entry: Entry | None) -> str:
    return entry.oid[:12] if entry else "nothing"


def _modes(theirs: Change | None, result: Change | None) -> Iterator[str]:
    for who, change in (("upstream", theirs), ("the backport", result)):
        if change is None or change.old == change.new:
            continue
        if change.old is None and change.new is not None and change.new.mode != "100644":
            yield f"{who} adds it with mode {change.new.mode}"
        elif change.new is None:
            yield f"{who} deletes it"
        elif change.old is not None and change.old.mode != change.new.mode:
            yield f"{who} changes its mode from {change.old.mode} to {change.new.mode}"
