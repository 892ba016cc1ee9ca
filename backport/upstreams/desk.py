"""Several repositories read as one, with a place of its own for objects that nobody keeps.

Merges are tried here: the clones that are looked at stay as they are, to the byte.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from backport.doors.git import Git
from backport.upstreams.objects import NO_LAZY_FETCH


@contextlib.contextmanager
def desk(lenders: Sequence[Git]) -> Iterator[Git]:
    """A repository that has the objects of all these, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="backport-desk-") as folder:
        bare = Path(folder) / "desk.git"
        Git.init_bare(bare)
        stores = dict.fromkeys(str(objects_of(git)) for git in lenders)
        (bare / "objects" / "info" / "alternates").write_text("".join(f"{s}\n" for s in stores))
        yield Git(bare, env=NO_LAZY_FETCH)


def objects_of(git: Git) -> Path:
    """The folder of a repository's objects; a linked worktree has its clone's."""
    path = Path(git.run("rev-parse", "--git-path", "objects").text.strip())
    return (path if path.is_absolute() else git.path / path.name).resolve()


def borrowing(git: Git, lender: Git) -> Git:
    """A repository that also finds the objects of another one."""
    if objects_of(git) == objects_of(lender):
        return git
    return Git(git.path, env={**NO_LAZY_FETCH, "GIT_ALTERNATE_OBJECT_DIRECTORIES":
                              str(objects_of(lender))})  # fmt: skip
