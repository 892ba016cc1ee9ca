"""Where a finished series goes: one branch, moved once, with its expected old value.

For an imported tree the branch lives in the store. For a local repository it goes into that
repository, which is not touched in any other way; a branch that is checked out, or that holds work
that no run of ours made, is refused before anything is picked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backport.doors import process
from backport.doors.git import HERMETIC, Git
from backport.picking.history import KEEP
from backport.picking.provenance import COMMITTER
from backport.sources.gitfetch import user_config
from backport.sources.localrepo import repository
from backport.values.errors import UsageError
from backport.values.target import LocalRepoSource, SourceSpec, Tree

# What git would do in the user's repository besides moving the branch.
_RECEIVE = "git -c receive.autogc=false -c core.hooksPath=/dev/null receive-pack"


@dataclass(frozen=True)
class Branch:
    """A branch to move: its repository (None: the store), full ref, and its value at the start."""

    repo: Path | None
    ref: str
    expected: str | None

    @property
    def name(self) -> str:
        """The branch as a person writes it."""
        return self.ref.removeprefix("refs/heads/")


def check_name(name: str) -> None:
    """Refuse what git does not take as a branch name; costs no repository."""
    done = process.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False)
    if done.returncode or name.startswith("-") or name == "HEAD":
        raise UsageError(f"{name!r}: not a branch name", hint="give another one with --branch")


def open_branch(store: Git, spec: SourceSpec, base: Tree, name: str, *, force: bool) -> Branch:
    """Look at the branch before the work: a value that is not ours to replace is refused.

    Raises `UsageError` for a bad name, a checked-out branch, or foreign work without `force`.
    """
    check_name(name)
    repo = repository(spec.path) if isinstance(spec, LocalRepoSource) else None
    ref = f"refs/heads/{name}"
    home = store if repo is None else Git(repo)
    old = home.ref(ref)
    if repo is not None:
        _refuse_checked_out(home, ref)
    _refuse_crowded(home, ref)
    if old is not None and not force and old != base.commit and not _is_ours(store, home, old):
        raise UsageError(
            f"branch {name} in {home.path} is at {old[:12]}, which no run of this tool made",
            hint="keep it and give another name with --branch, or replace it with --force",
        )
    return Branch(repo, ref, old)


def move(store: Git, branch: Branch, head: str) -> bool:
    """Point the branch at `head`, if it still is where it was; whether it moved.

    Raises `UsageError` and leaves it when someone else moved it meanwhile.
    """
    if branch.expected == head:
        return False
    if branch.repo is None:
        store.update_ref(branch.ref, head, branch.expected, "backport run")
    else:
        _push(store, branch, head)
    return True


def _is_ours(store: Git, home: Git, commit: str) -> bool:
    """Whether a pick made it: one of this store, or, by its committer, of another one.

    A person who amends, rebases or adds a commit becomes its committer.
    """
    if store.run("for-each-ref", "--count=1", f"--points-at={commit}", KEEP, check=False).stdout:
        return True
    committer = home.commit(commit).committer
    return (committer.name, committer.email) == (COMMITTER.name, COMMITTER.email)


def _push(store: Git, branch: Branch, head: str) -> None:
    lease = f"--force-with-lease={branch.ref}:{branch.expected or ''}"
    argv = ("push", "--quiet", f"--receive-pack={_RECEIVE}", lease, str(branch.repo))
    done = store.run(*argv, f"{head}:{branch.ref}", env=user_config(), check=False)
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


def _refuse_crowded(home: Git, ref: str) -> None:
    """`a` and `a/b` cannot both be branches: say so before the work, not after it."""
    parts = ref.split("/")
    above = ["/".join(parts[:n]) for n in range(3, len(parts))]
    done = home.run("for-each-ref", "--format=%(refname)", f"{ref}/", *above)
    taken = [name for name in done.text.splitlines() if name in above or name.startswith(f"{ref}/")]
    if taken:
        raise UsageError(
            f"{ref.removeprefix('refs/heads/')}: cannot be a branch of {home.path} beside"
            f" {taken[0].removeprefix('refs/heads/')}",
            hint="give another name with --branch",
        )
