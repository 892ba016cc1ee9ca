"""A series that stopped at a conflict: a worktree for the person, and the state to go on from.

The worktree is a real one of the store, with the unmerged paths in its index, so that git status,
diff and mergetool work there. `take` reads the resolution out of it, where a refusal changes
nothing; work of a person that a later run no longer needs is put aside, never deleted.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backport.doors import files
from backport.doors.git import Entry, Git
from backport.doors.process import ProcessFailed
from backport.doors.rundir import claim
from backport.picking.history import PickedCommit, Request, Stopped, save, shown
from backport.picking.pick import Outcome, Pick, commit_pick
from backport.picking.skeleton import describe
from backport.values.conflict import Kind
from backport.values.errors import ConflictsLeft, UsageError

STATE = "stopped.json"
WORKTREE = "worktree"
_MARKS = (b"<<<<<<< ", b"||||||| ", b">>>>>>> ", b"=======\n")


@dataclass(frozen=True)
class State:
    """What is kept on disk; `options` is the command to go on with after `continue`."""

    series: str
    target: str
    key: str
    onto: str
    worktree: str
    paths: tuple[str, ...]
    options: Mapping[str, Any]
    tree: str = ""  # of the worktree as it was made


def stop(git: Git, folder: Path, state: State, stopped: Stopped) -> ConflictsLeft:
    """Make the worktree and write the state; gives the error that says what is left to do.

    A worktree of this very conflict stays as its person left it, one of another is put aside.
    """
    if _holds(folder, state):
        note = "\n(it was made earlier, and is as you left it)"
    else:
        aside = clear(git, folder)
        note = f"\n(the worktree of an earlier conflict is now {aside})" if aside else ""
        tree = _make_worktree(git, Path(state.worktree), stopped)
        made = asdict(state) | {"tree": tree}
        files.write(folder / STATE, json.dumps(made, indent=1).encode())
    count = len(stopped.result.conflicts)
    return ConflictsLeft(
        f"{count} conflict{'s' if count != 1 else ''} without a rule in"
        f' "{stopped.result.incoming.subject}"\n\n{describe(stopped.result, state.series)}\n\n'
        f"resolve {'them' if count != 1 else 'it'} in {state.worktree}{note}",
        hint="backport learn makes rules of what you did there, backport continue takes it once,"
        " backport abort gives up",
    )


def load(folder: Path) -> State:
    """The state of a stopped series; `UsageError` when nothing is stopped."""
    try:
        data = json.loads((folder / STATE).read_bytes())
        return State(**{**data, "paths": tuple(data["paths"])})
    except FileNotFoundError:
        raise UsageError("nothing is stopped at a conflict here", hint="backport status") from None
    except (ValueError, TypeError, KeyError) as err:
        raise UsageError(
            f"{folder / STATE}: cannot be read as the state of a stopped series ({err})",
            hint="delete that file, then run the series again",
        ) from err


def choose(runs: Path, series: str, target: str) -> State:
    """The stopped series that is meant; `UsageError` when there is none, or several."""
    states = [load(path.parent) for path in sorted(runs.glob(f"*/{STATE}"))]
    fits = [s for s in states if series in {"", s.series} and target in {"", s.target}]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(f"{s.series} on {s.target}" for s in fits or states)
    if fits:
        hint = "name it with --series and --target"
        raise UsageError(f"several series are stopped: {names}", hint=hint)
    if states:
        asked = " on ".join(filter(None, (series, target)))
        raise UsageError(f"{asked} is not stopped at a conflict", hint=f"stopped: {names}")
    raise UsageError("nothing is stopped at a conflict", hint="backport status")


def take(request: Request, folder: Path, result: Pick) -> PickedCommit:
    """Take the person's resolution into the finished picks, and forget the stop.

    `result` is the pick as it stopped, picked again. `UsageError` for paths that are not resolved
    yet or files that git does not know; the worktree and the state then are as they were.
    """
    state = load(folder)
    tree = resolution(request.git, state, result)
    hands = {change.path for change in request.git.changes(result.tree, tree)}
    by_hand = tuple(sorted(hands | set(state.paths)))
    commit = ""
    if tree != request.git.tree_of(state.onto):
        commit = commit_pick(
            request.git, result.incoming, tree, state.onto, result.adaptations, by_hand
        )
    outcome = Outcome.RESOLVED if commit else Outcome.DROPPED
    done = replace(shown(result, outcome, commit), tree=tree, by_hand=by_hand)
    kept = save(request, state.key, done)
    discard(request.git, folder, state)
    return kept


def resolution(git: Git, state: State, result: Pick) -> str:
    """The tree that the person made of the stopped pick; `UsageError` while it is not resolved."""
    root = Path(state.worktree)
    if not (root / ".git").exists():
        raise UsageError(
            f"{root}: the worktree is gone", hint="run the series again: it makes another one"
        )
    _demand_known(root)
    _demand_resolved(git, root, result, state.onto)
    return tree_now(root)


def clear(git: Git, folder: Path) -> str:
    """Forget a stop that is over; a worktree with a person's work is put aside, its name given."""
    if not (folder / STATE).exists():
        return ""
    state = load(folder)
    root, aside = Path(state.worktree), ""
    if root.is_dir() and not _untouched(root, state):
        aside = tempfile.mkdtemp(prefix=f"{WORKTREE}-", dir=folder)
        root.replace(aside)
        (Path(aside) / ".git").unlink(missing_ok=True)  # plain files from here on
    discard(git, folder, state)
    return aside


def abort(git: Git, folder: Path, state: State) -> None:
    """Give up; `UsageError` while a run is at work there."""
    lock = claim(folder, f"{state.series} on {state.target}")
    try:
        discard(git, folder, state)
    finally:
        lock.release()


def discard(git: Git, folder: Path, state: State) -> None:
    """Forget the stop: its worktree, then its state."""
    shutil.rmtree(state.worktree, ignore_errors=True)
    git.run("worktree", "prune", check=False)
    (folder / STATE).unlink(missing_ok=True)


# -- the worktree as it is now


def tree_now(root: Path) -> str:
    """The tree of what git knows in the worktree, taken without a change to its index."""
    index = Git.in_worktree(root, "rev-parse", "--path-format=absolute", "--git-path", "index")
    with tempfile.TemporaryDirectory(prefix="backport-index-") as folder:
        copy = shutil.copyfile(index.text.strip(), Path(folder) / "index")
        env = {"GIT_INDEX_FILE": str(copy)}
        Git.in_worktree(root, "add", "-u", env=env)
        return Git.in_worktree(root, "write-tree", env=env).text.strip()


def _holds(folder: Path, state: State) -> bool:
    """Whether the folder already has the stop that `state` is, worktree included."""
    if not (folder / STATE).exists():
        return False
    old = load(folder)
    return (old.key, old.onto) == (state.key, state.onto) and (Path(old.worktree) / ".git").exists()


def _untouched(root: Path, state: State) -> bool:
    try:
        return not _unknown(root) and tree_now(root) == state.tree
    except (ProcessFailed, OSError):  # no longer a worktree: whatever it is, keep it
        return False


def _unknown(root: Path) -> list[str]:
    done = Git.in_worktree(root, "ls-files", "-z", "--others", "--exclude-standard")
    return [name for name in done.text.split("\0") if name]


def _unmerged(root: Path) -> set[str]:
    done = Git.in_worktree(root, "ls-files", "-z", "--unmerged")
    return {row.partition("\t")[2] for row in done.text.split("\0") if row}


def _demand_known(root: Path) -> None:
    unknown = _unknown(root)
    if unknown:
        raise UsageError(
            f"{root}: git does not know {', '.join(unknown[:8])}",
            hint="`git add` what belongs to the resolution there, remove the rest",
        )


def _demand_resolved(git: Git, root: Path, result: Pick, onto: str) -> None:
    open_ = _unmerged(root)
    sides = (result.incoming.parent, onto, result.incoming.commit)
    for path in sorted({c.path for c in result.conflicts}):
        number = _marker(git, root, path, sides)
        if number:
            raise UsageError(
                f"{root / path}:{number}: still holds a conflict marker",
                hint="finish the resolution, then `backport continue` again",
            )
    for conflict in result.conflicts:
        if conflict.region is None and conflict.path in open_:
            raise UsageError(
                f"{root / conflict.path}: {conflict.kind}; not resolved yet",
                hint=f"there: `git add {conflict.path}` to keep the file as it is now, or `git rm`",
            )


def _marker(git: Git, root: Path, path: str, sides: Sequence[str]) -> int:
    """The first line, from 1, that is a marker; a side's own line that looks like one is not."""
    file = root / path
    if file.is_symlink() or not file.is_file():
        return 0
    lines = file.read_bytes().splitlines(keepends=True)
    marks = [n for n, line in enumerate(lines, 1) if line.startswith(_MARKS)]
    if not marks:
        return 0
    texts = [git.read(git.tree_of(rev), path) or b"" for rev in sides]
    own = {line for text in texts for line in text.splitlines(keepends=True)}
    return next((n for n in marks if lines[n - 1] not in own), 0)


# -- making it


def _make_worktree(git: Git, path: Path, stopped: Stopped) -> str:
    """Files of the folders that are touched, and of the top; everything else stays away."""
    if path.exists():
        shutil.rmtree(path)
    git.run("worktree", "prune", check=False)
    git.run("worktree", "add", "--detach", "--no-checkout", "-f", path, stopped.onto)
    _make_sparse(path, {str(Path(p).parent) for p in _touched(git, stopped)} - {"."})
    Git.in_worktree(
        path, *("-c", "core.sparseCheckout=true", "-c", "core.sparseCheckoutCone=true"),
        "read-tree", "--reset", "-u", stopped.result.tree,
    )  # fmt: skip
    _mark_unmerged(git, path, stopped)
    return tree_now(path)


def _make_sparse(root: Path, folders: set[str]) -> None:
    """Write the patterns by hand: `git sparse-checkout` would change the store's own config."""
    above = {str(p) for f in folders for p in Path(f).parents if str(p) != "."}
    lines = ["/*", "!/*/"]
    for folder in sorted(folders | above):
        name = folder.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
        lines.append(f"/{name.replace('[', chr(92) + '[')}/")
        if folder not in folders:
            lines.append(f"!/{name}/*/")
    done = Git.in_worktree(
        root, "rev-parse", "--path-format=absolute", "--git-path", "info/sparse-checkout"
    )
    file = Path(done.text.strip())
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8", "surrogateescape")


def _touched(git: Git, stopped: Stopped) -> list[str]:
    incoming = stopped.result.incoming
    old, new = git.tree_of(incoming.parent), git.tree_of(incoming.commit)
    return [change.path for change in git.changes(old, new)]


def _mark_unmerged(git: Git, root: Path, stopped: Stopped) -> None:
    """Put the three sides of each conflicting path into the worktree's index.

    A file that the target does not have lies there as upstream has it, as git itself leaves it.
    """
    incoming = stopped.result.incoming
    sides = [git.tree_of(incoming.parent), git.tree_of(stopped.onto), git.tree_of(incoming.commit)]
    rows = []
    for conflict in {c.path: c for c in stopped.result.conflicts}.values():
        path = conflict.path
        entries = [git.entry(tree, path) for tree in sides]
        rows.append(f"0 {'0' * 40}\t{path}")
        rows += [_row(e, stage, path) for stage, e in enumerate(entries, 1) if e]
        theirs = entries[2]
        if conflict.kind is Kind.DELETED_HERE and theirs:
            files.write(root / path, git.blob(theirs.oid))
    data = "".join(f"{row}\0" for row in rows).encode("utf-8", "surrogateescape")
    Git.in_worktree(root, "update-index", "-z", "--index-info", stdin=data)


def _row(entry: Entry, stage: int, path: str) -> str:
    return f"{entry.mode} {entry.oid} {stage}\t{path}"
