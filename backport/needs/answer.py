"""Answers one question of a person: what does this commit need first, to be picked onto that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backport.advice.lineage import History
from backport.doors.git import CommitInfo, Git
from backport.doors.odb import Odb
from backport.needs.has import Has
from backport.needs.names import Lack, Names
from backport.needs.past import Over, Past
from backport.needs.search import Budget, Deadline, Found, Search, Why
from backport.needs.trials import Onto, Trials
from backport.upstreams.desk import desk
from backport.values.errors import UsageError

_NONE = "no earlier commit of the lines that conflict makes it apply"
_READING = 600.0  # seconds for what the branch has, which no search can do without


@dataclass(frozen=True)
class Question:
    """A commit of upstream, to be picked onto a revision of a repository.

    `history` is a clone of upstream, '' for the repository itself; `since` is where the target left
    upstream, '' for their common commit.
    """

    commit: str
    onto: str
    repo: Path
    history: str = ""
    since: str = ""
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True)
class Cost:
    """What a person would have to look at in one file: conflicts and their lines, both sides'."""

    path: str
    conflicts: int
    lines: int


@dataclass(frozen=True)
class Member:
    """A commit of the set, why it is in, and the files of it that have to be adapted by hand."""

    sha: str
    subject: str
    why: Why
    by_hand: tuple[Cost, ...] = ()


@dataclass(frozen=True)
class Needed:
    """The answer. `adapting` is what it costs to take nothing, empty where the commit applies;
    `untold` is why there is no set, '' where there is one."""

    sha: str
    subject: str
    onto: str
    fork: str
    between: int = 0  # commits of upstream since the fork, 0 where there was no time to count
    take: tuple[Member, ...] = ()
    adapting: tuple[Cost, ...] = ()
    lacks: tuple[Lack, ...] = ()
    untold: str = ""
    there: str = ""  # how the target has the commit already, '' if it does not

    @property
    def is_whole(self) -> bool:
        """Whether all of it can be picked as it is."""
        hard = any(one.by_hand for one in self.take)
        return not (self.untold or self.lacks or hard or self.there)


@dataclass(frozen=True)
class Asked:
    """A question on the desk, where the objects of both sides are, with its answer."""

    git: Git
    trials: Trials
    needed: Needed


@contextlib.contextmanager
def asked(question: Question) -> Iterator[Asked]:
    """Answer a question; the desk is there for the time of the block.

    Raises `UsageError` for revisions that are not there, and where nothing tells what upstream did
    between the target and the commit.
    """
    home = Git(question.repo)
    lender = History(question.history).git if question.history else home
    with desk([lender, home]) as git:
        odb = Odb(git.path)
        commit = _commit(question, lender)
        onto = _demand(home, question.onto)
        fork = _fork(question, git, lender, commit, onto)
        branch = Past(git, odb, fork, onto, Deadline(_READING))
        paths = [change.path for change in odb.changes(commit.parents[0], commit.oid)]
        trials = Trials(odb, Onto(onto, Has(git, odb, branch, paths)))
        past = Past(git, odb, fork, commit.parents[0], Deadline(question.budget.seconds))
        yield Asked(git, trials, _answered(question, commit, trials, past, git))


def _commit(question: Question, git: Git) -> CommitInfo:
    sha = git.ref(question.commit)
    if sha is None:
        hint = "--history CLONE names a clone of upstream that has it; a snapshot has no history"
        raise UsageError(f"{question.commit}: no commit of {git.path}", hint=hint)
    info = git.commit(sha)
    if len(info.parents) != 1:
        what = "a merge; ask about its commits" if info.parents else "the first of its history"
        raise UsageError(f"{question.commit}: it is {what}")
    return info


def _demand(git: Git, rev: str) -> str:
    found = git.ref(rev)
    if found is None:
        raise UsageError(f"{rev}: no commit of {git.path}", hint=f"git -C {git.path} log -1 {rev}")
    return found


def _fork(question: Question, git: Git, lender: Git, commit: CommitInfo, onto: str) -> str:
    if question.since:
        return _demand(lender, question.since)
    done = git.run("merge-base", commit.parents[0], onto, check=False)
    if done.returncode or not done.text.strip():
        raise UsageError(
            f"{question.onto} and {commit.oid[:12]} have no common commit: nothing tells what"
            " upstream did between them",
            hint="--history CLONE names a clone of upstream, --since TAG where the target left it",
        )
    return done.text.split()[0]


def _answered(
    question: Question, commit: CommitInfo, trials: Trials, past: Past, git: Git
) -> Needed:
    there = "by what a commit of it says or does" if commit.oid in trials.onto.has else ""
    if not there and _changes_nothing(trials, commit.oid):
        there = "by content: picking it changes nothing"
    answer = Needed(commit.oid, commit.subject, question.onto, past.fork, there=there)
    if there:
        return answer
    answer = replace(answer, adapting=costs(trials, [], commit.oid))
    search = Search(trials, past, question.budget, past.left, Names(git, trials, past))
    try:
        answer = replace(answer, between=len(past.order))
        found = search.run(commit.oid)
    except Over as err:
        return replace(answer, untold=str(err))
    if found is None:
        return replace(answer, untold=_NONE)
    return replace(answer, take=tuple(_members(git, trials, found)), lacks=found.lacks)


def _changes_nothing(trials: Trials, sha: str) -> bool:
    changes = trials.changes(sha)
    landed = [trials.file(one, trials.entry({}, one.path)) for one in changes]
    return all(
        clean and after == trials.entry({}, one.path)
        for one, (clean, after) in zip(changes, landed, strict=True)
    )


def _members(git: Git, trials: Trials, found: Found) -> Iterator[Member]:
    for n, sha in enumerate(found.take):
        hard = {path for who, path in found.hard if who == sha}
        by_hand = costs(trials, found.take[:n], sha, found) if hard else ()
        subject = git.commit(sha).subject
        yield Member(sha, subject, found.why[sha], by_hand)


def costs(
    trials: Trials, first: Sequence[str], sha: str, found: Found | None = None
) -> tuple[Cost, ...]:
    """What conflicts when a commit is picked after some others, file by file."""
    state = trials.after(first, found.hard if found else ())
    clashing = set(trials.pick(dict(state), sha))
    return tuple(
        Cost(change.path, *trials.size(change, state))
        for change in trials.changes(sha)
        if change.path in clashing
    )
