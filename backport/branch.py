"""Where a finished series goes: one branch, moved once, with its expected old value.

For an imported tree the branch lives in the store. For a local repository it goes into that
repository, which is not touched in any other way; a branch that is checked out, or that holds work
that no run of ours made, is refused before anything is picked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backport import process
from backport.errors import UsageError
from backport.git import HERMETIC, Git
from backport.target import LocalRepoSource, SourceSpec, Tree

OURS = "refs/backport/heads"  # in the store: what we last left on a branch


@dataclass(frozen=True)
class Branch:
    """A branch to move: its repository (None: the store), full ref, and its value at the start."""

    repo: Path | None
    ref: str
    expected: str | None
    key: str

    @property
    def name(self) -> str:
        """The branch as a person writes it."""
        return self.ref.removeprefix("refs/heads/")


def open_branch(store: Git, spec: SourceSpec, base: Tree, name: str, *, force: bool) -> Branch:
    """Look at the branch before the work: a value that is not ours to replace is refused.

    Raises `UsageError` for a bad name, a checked-out branch, or foreign work without `force`.
    """
    done = store.run("check-ref-format", "--branch", name, check=False)
    if done.returncode:
        raise UsageError(f"{name!r}: not a branch name", hint="give another one with --branch")
    repo = spec.path if isinstance(spec, LocalRepoSource) else None
    ref = f"refs/heads/{name}"
    key = f"{OURS}/{'store' if repo is None else 'repo'}/{name}"
    home = store if repo is None else Git(repo)
    old = home.ref(ref)
    if repo is not None:
        _refuse_checked_out(home, ref)
    if old is not None and not force and old not in {base.commit, store.ref(key)}:
        raise UsageError(
            f"branch {name} in {home.path} is at {old[:12]}, which no run of this series made",
            hint="keep it and give another name with --branch, or replace it with --force",
        )
    return Branch(repo, ref, old, key)


def move(store: Git, branch: Branch, head: str) -> bool:
    """Point the branch at `head`, if it still is where it was; whether it moved.

    Raises `UsageError` and leaves it when someone else moved it meanwhile.
    """
    if branch.expected == head:
        return False
    store.update_ref(branch.key, head, store.ref(branch.key), "run")
    if branch.repo is None:
        store.update_ref(branch.ref, head, branch.expected, "backport run")
    else:
        _push(store, branch, head)
    return True


def _push(store: Git, branch: Branch, head: str) -> None:
    lease = f"--force-with-lease={branch.ref}:{branch.expected or ''}"
    argv = ("push", "--quiet", lease, str(branch.repo), f"{head}:{branch.ref}")
    done = store.run(*argv, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise UsageError(
            f"branch {branch.name} in {branch.repo} was left as it is: it could not be moved\n"
            f"{said}",
            hint="look at it with `git log`, then run the same command again",
        )


def _refuse_checked_out(home: Git, ref: str) -> None:
    done = process.run(
        ["git", "--git-dir", home.path, "worktree", "list", "--porcelain"], env=HERMETIC
    )
    if f"branch {ref}" in done.text.splitlines():
        raise UsageError(
            f"{ref.removeprefix('refs/heads/')} is checked out in a worktree of {home.path}",
            hint="check out another branch there, or give another name with --branch",
        )
