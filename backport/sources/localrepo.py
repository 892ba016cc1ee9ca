"""A revision of a repository on this machine; the repository is only read."""

from __future__ import annotations

from pathlib import Path

from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.doors.process import ProcessFailed
from backport.doors.store import STAGE, Origin, Store
from backport.sources.gitfetch import fetcher, trouble, user_config
from backport.values.errors import UsageError
from backport.values.events import Emit, Note
from backport.values.target import LocalRepoSource, Tree


def obtain(spec: LocalRepoSource, store: Store, cache: Cache, emit: Emit, refresh: bool) -> Tree:
    """The commit that a revision names, under its own id; uncommitted changes stay out."""
    top = repository(spec.path)
    if top is None:
        raise UsageError(f"{spec.path}: not in a git repository", hint="git init, or name a folder")
    theirs = Git(top)
    sha = _resolved(theirs, top, spec.rev)
    if _dirty(theirs, top):
        emit(Note(STAGE, f"{top}: has uncommitted changes; {spec.rev} ({sha[:12]}) is used"))
    origin = Origin(f"commit-{sha}", f"{top} {spec.rev} ({sha})", f"{spec.rev} {sha[:12]}")
    return store.import_commit(origin, fetcher(str(top), sha, str(top), emit), emit)


def repository(path: Path) -> Path | None:
    """The top of the worktree that holds `path`, or the bare repository that it is."""
    here = path.absolute()
    if is_bare(here):
        return here
    return next((top for top in (here, *here.parents) if (top / ".git").exists()), None)


def is_bare(path: Path) -> bool:
    """Whether a folder is itself git's."""
    return (path / "HEAD").is_file() and all((path / p).is_dir() for p in ("objects", "refs"))


def _resolved(theirs: Git, top: Path, rev: str) -> str:
    argv = ("rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}")
    try:
        return theirs.run(*argv, env=user_config()).text.split()[-1]
    except ProcessFailed as err:
        if b"dubious ownership" in err.done.stderr:
            raise trouble(err, str(top)) from err
        raise UsageError(
            f"{top}: has no commit {rev!r}", hint=f"git -C {top} log --oneline -3 {rev}"
        ) from err


def _dirty(theirs: Git, top: Path) -> bool:
    """Whether tracked files differ from HEAD; asked so that not even the index is refreshed."""
    if is_bare(top):
        return False
    options = ("--no-optional-locks", "-c", "core.fsmonitor=false", "--work-tree", top)
    done = theirs.run(*options, "status", "--porcelain", "-uno", env=user_config(), check=False)
    return bool(done.stdout)
