"""Puts a found set and the commit that needs it onto a branch, in core; the branch moves once."""

from __future__ import annotations

from dataclasses import replace

from backport.doors.git import Git
from backport.needs.answer import Asked, Needed, Question
from backport.needs.trials import State
from backport.picking.branch import move, open_branch
from backport.picking.provenance import COMMITTER, provenance
from backport.values.commit import Incoming, Person
from backport.values.dialects.stable import message
from backport.values.errors import ConflictsLeft, GateFailed, UsageError
from backport.values.target import LocalRepoSource, Tree


def take(asked: Asked, question: Question, name: str, *, force: bool = False) -> tuple[str, ...]:
    """Pick the set in order and the commit onto the target's revision, as a branch of that name;
    the new commits, the oldest first.

    Raises `ConflictsLeft` where a person has to adapt something, `GateFailed` where a name is
    missing, and `UsageError` for a branch that is not ours to move. The repository is as it was
    then.
    """
    needed = asked.needed
    _demand_whole(needed)
    git = asked.git
    onto = str(git.ref(_full(question)))
    base = Tree(onto, git.tree_of(onto), "", question.onto, str(question.repo))
    branch = open_branch(git, LocalRepoSource(question.repo), base, name, force=force)
    made: list[str] = []
    head, tree = onto, base.tree
    state: State = {}
    for sha in (*(one.sha for one in needed.take), needed.sha):
        asked.trials.pick(state, sha)
        paths = asked.trials.paths(sha)
        tree = git.edit_tree(tree, {path: state.get(path) for path in paths})
        head = _committed(git, needed, sha, tree, head)
        made.append(head)
    move(git, branch, head)
    return tuple(made)


def _full(question: Question) -> str:
    """The target's revision, by an id that the desk knows as well."""
    found = Git(question.repo).ref(question.onto)
    if found is None:
        raise UsageError(f"{question.onto}: no commit of {question.repo}")
    return found


def _committed(git: Git, needed: Needed, sha: str, tree: str, onto: str) -> str:
    info = git.commit(sha)
    incoming = Incoming(
        sha, info.parents[0], info.subject, info.message, info.author, info.committer, (sha,), ""
    )
    said = provenance(incoming, (), ())
    if sha != needed.sha:
        dep = f'Stable-dep-of: {needed.sha[:12]} ("{needed.subject}")'
        said = replace(said, trailers=(*said.trailers, dep))
    committer = Person(COMMITTER.name, COMMITTER.email, info.committer.date)
    return git.commit_tree(tree, [onto], message(said), info.author, committer)


def _demand_whole(needed: Needed) -> None:
    if needed.there:
        raise UsageError(f"{needed.sha[:12]}: the target has it already, {needed.there}")
    if needed.untold:
        raise ConflictsLeft(
            f"{needed.sha[:12]} does not apply: {needed.untold}",
            hint="adapt it by hand, or by the rules of a series",
        )
    hard = [(one, cost) for one in needed.take for cost in one.by_hand]
    if hard:
        rows = [
            f"  {one.sha[:12]} {cost.path}: {cost.conflicts} conflicts, {cost.lines} lines"
            for one, cost in hard
        ]
        raise ConflictsLeft(
            "\n".join(["what it needs does not apply as it is:", *rows]),
            hint="pick these by hand first, or adapt the commit itself",
        )
    if needed.lacks:
        rows = [f"  {one.name}, used by {one.of[:12]} in {one.path}" for one in needed.lacks]
        raise GateFailed("\n".join(["nothing brings these names:", *rows]))
