"""Makes questions whose answer is known: a branch without earlier backports that a pick needed.

All backports that changed a pick's files before it are taken away from the branch, in core: its
files are made again from where it left upstream, out of its other commits. Then as few as possible
are put back for the pick to apply: these are what the branch really had, and the pick needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.needs.past import Left, Past
from backport.needs.trials import Onto, State, Trials
from backport.replay.pairs import Pair


@dataclass(frozen=True)
class Case:
    """A pick that does not apply to a tree, and upstream's ids of those with which it did."""

    pair: Pair
    fork: str
    onto: Onto
    truth: tuple[str, ...]


@dataclass(frozen=True)
class Branches:
    """The repository and what it has: upstream's id of each backport."""

    git: Git
    odb: Odb  # may be written to
    upstream_of: Mapping[str, str]


NO_FORK = "the branch and upstream have no common commit"
CONFLICTS = "it conflicts on the branch as it was"
ALONE = "it applies without others"
LOST = "the branch cannot be made again"
LATER = "it leans on what is later upstream"


def case_of(branches: Branches, pair: Pair, left: Left) -> Case | str:
    """The question that a backport makes, or why it makes none."""
    odb, git = branches.odb, branches.git
    before, target = odb.parents(pair.upstream)[0], odb.parents(pair.backport)[0]
    fork = git.run("merge-base", before, target, check=False).text.strip()
    if not fork:
        return NO_FORK
    whole = Trials(odb, Onto(target))
    if whole.clash([pair.upstream]):
        return CONFLICTS
    branch = Past(git, odb, fork, target, left)
    stripped = _Stripped(branches, branch, whole.paths(pair.upstream))
    gone = stripped.backports
    if not gone or stripped.applies(pair.upstream, gone):
        return ALONE
    kept = _fewest(stripped, pair.upstream, gone)
    if kept is None:
        return LOST
    truth = tuple(branches.upstream_of[sha] for sha in kept)
    order = Past(git, odb, fork, before, left).order
    if not all(sha in order for sha in truth):
        return LATER
    has = frozenset(_has(branches, branch, gone))
    return Case(pair, fork, Onto(target, has, stripped.files(gone)), truth)


def _has(branches: Branches, branch: Past, gone: Collection[str]) -> Iterator[str]:
    for sha in branch.order:
        if sha in branches.upstream_of and sha not in gone:
            yield branches.upstream_of[sha]


class _Stripped:
    """The files of a pick on a branch, made again without some of its commits."""

    def __init__(self, branches: Branches, branch: Past, paths: Collection[str]) -> None:
        self._branch = branch
        self._trials = Trials(branches.odb, Onto(branch.fork))
        self._paths = frozenset(paths)
        self._touching = self._commits(self._paths)
        self.backports = [sha for sha in self._touching if sha in branches.upstream_of]

    def applies(self, sha: str, gone: Collection[str]) -> bool:
        """Whether a commit applies to the branch without these, and the backports that stay do."""
        state: State = {}
        for one in self._touching:
            lost = one not in gone and self._trials.pick(state, one, only=self._paths)
            if lost and one in self.backports:
                return False
        return not self._trials.pick(state, sha)

    def files(self, gone: Collection[str]) -> State:
        """All files that those which go touch, and the pick's, after the other commits, each as
        far as it applies."""
        paths = self._paths.union(*(self._trials.paths(sha) for sha in gone))
        state: State = {path: self._trials.entry({}, path) for path in paths}
        for sha in self._commits(paths):
            if sha not in gone:
                self._trials.pick(state, sha, only=paths)
        return state

    def _commits(self, paths: Collection[str]) -> list[str]:
        """The branch's commits to some files, the oldest first."""
        found = {step.sha for path in paths for step in self._branch.steps(path)}
        return sorted(found, key=lambda sha: self._branch.order[sha], reverse=True)


def _fewest(stripped: _Stripped, sha: str, every: Sequence[str]) -> list[str] | None:
    """Backports of which none can be taken away from the rest, the oldest first; None if the pick
    does not apply even with all of them."""
    kept = list(every)

    def fits(some: Sequence[str]) -> bool:
        return stripped.applies(sha, frozenset(every) - set(some))

    if not fits(kept):
        return None
    size = len(kept)
    while size:
        before = len(kept)
        for end in range(len(kept), 0, -size):
            fewer = kept[: max(0, end - size)] + kept[end:]
            if fits(fewer):
                kept = fewer
        size = size // 2 if size > 1 else int(len(kept) < before)
    return kept
