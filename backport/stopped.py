"""A series that stopped at a conflict: a worktree for the person, and the state to go on from.

The worktree is a real one of the store, with the unmerged paths in its index, so that git status,
diff and mergetool work there. `finish` takes the resolution into the cache of finished picks, where
the same command finds it; `abort` forgets everything but what was finished.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backport import files
from backport.conflict import Conflict
from backport.errors import ConflictsLeft, UsageError
from backport.git import Entry, Git
from backport.history import PickedCommit, Request, Stopped, save, shown
from backport.pick import Pick, commit_pick

STATE = "stopped.json"
_MARKS = (b"<<<<<<< ", b"||||||| ", b">>>>>>> ")


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


def stop(git: Git, folder: Path, state: State, stopped: Stopped) -> ConflictsLeft:
    """Make the worktree and write the state; gives the error that says what is left to do."""
    _make_worktree(git, Path(state.worktree), stopped)
    files.write(folder / STATE, json.dumps(asdict(state), indent=1).encode())
    shown_ = "\n\n".join(describe(c, stopped.result) for c in stopped.result.conflicts)
    count = len(stopped.result.conflicts)
    return ConflictsLeft(
        f"{count} conflict{'s' if count != 1 else ''} without a rule in"
        f' "{stopped.result.incoming.subject}"\n\n{shown_}\n\nresolve them in {state.worktree}',
        hint="backport continue (or write the rule above and run again; backport abort gives up)",
    )


def load(folder: Path) -> State:
    """The state of a stopped series; `UsageError` when nothing is stopped."""
    try:
        data = json.loads((folder / STATE).read_bytes())
        return State(**{**data, "paths": tuple(data["paths"])})
    except FileNotFoundError:
        raise UsageError("nothing is stopped at a conflict here", hint="backport status") from None


def only(folders: Sequence[Path]) -> State:
    """The one stopped series among workspaces; `UsageError` when there are none or several."""
    if len(folders) == 1:
        return load(folders[0])
    names = ", ".join(folder.name for folder in folders)
    raise UsageError(
        f"several series are stopped: {names}" if folders else "nothing is stopped at a conflict",
        hint="name it with --series and --target" if folders else "backport status",
    )


def finish(request: Request, folder: Path, result: Pick) -> PickedCommit:
    """Take the person's resolution; refuses paths that still hold markers.

    `result` is the pick as it stopped, picked again.
    """
    state = load(folder)
    edits = {path: _resolved(request.git, Path(state.worktree), path) for path in state.paths}
    tree = request.git.edit_tree(result.tree, edits)
    commit = commit_pick(
        request.git, result.incoming, tree, state.onto, result.adaptations, state.paths
    )
    done = shown(result, commit, state.paths)
    kept = PickedCommit(done.pick, done.adaptations, tree, state.paths)
    save(request, state.key, kept)
    discard(request.git, folder, state)
    return kept


def discard(git: Git, folder: Path, state: State) -> None:
    """Forget the stop: its worktree, then its state."""
    shutil.rmtree(state.worktree, ignore_errors=True)
    git.run("worktree", "prune", check=False)
    (folder / STATE).unlink(missing_ok=True)


def describe(conflict: Conflict, result: Pick) -> str:
    """A conflict for a person: where, the three sides, and the rule that would settle it."""
    place = f"{conflict.path}" + (f", in {conflict.symbol}" if conflict.symbol else "")
    lines = [f"--- {place}: {conflict.kind}"]
    if conflict.region is not None:
        for title, side in (
            ("upstream before", conflict.region.base),
            ("target", conflict.region.ours),
            ("upstream after", conflict.region.theirs),
        ):
            lines += [f"  {title}:", *(f"    | {line.rstrip()}" for line in side[:40])]
            lines += [f"    | … {len(side) - 40} more lines"] if len(side) > 40 else []
    return "\n".join([*lines, "  rule that would settle it:", skeleton(conflict, result)])


def skeleton(conflict: Conflict, result: Pick) -> str:
    """A rule for this conflict, to be completed and put below patches/<series>/rules/."""
    sha = (result.incoming.stands_for or (result.incoming.commit,))[0][:12]
    name = conflict.symbol or Path(conflict.path).stem
    rows = [
        "[[rule]]",
        f'id = "{name.strip("_")}-FIXME"',
        f'commits = ["{sha}"]',
        f'path = "{conflict.path}"',
        *([f'within = "{conflict.symbol}"'] if conflict.symbol else []),
        'additive = "line"  # or take = "ours" / "theirs" with then = [{ find, replace }]',
        'why = "FIXME: what the target has instead of upstream\'s neighbours"',
    ]
    return "\n".join(f"    {row}" for row in rows)


def _make_worktree(git: Git, path: Path, stopped: Stopped) -> None:
    if path.exists():
        shutil.rmtree(path)
    git.run("worktree", "prune", check=False)
    paths = sorted({c.path for c in stopped.result.conflicts})
    folders = sorted({str(Path(p).parent) for p in _touched(git, stopped)} - {"."})
    git.run("worktree", "add", "--detach", "--no-checkout", "-f", path, stopped.onto)
    git.in_worktree(path, "sparse-checkout", "set", "--cone", *folders)
    git.in_worktree(path, "read-tree", "--reset", "-u", stopped.result.tree)
    _mark_unmerged(git, path, paths, stopped)


def _touched(git: Git, stopped: Stopped) -> list[str]:
    incoming = stopped.result.incoming
    old, new = git.tree_of(incoming.parent), git.tree_of(incoming.commit)
    return [change.path for change in git.changes(old, new)]


def _mark_unmerged(git: Git, root: Path, paths: list[str], stopped: Stopped) -> None:
    """Put the three stages of each conflicting path into the worktree's index."""
    incoming = stopped.result.incoming
    sides = [git.tree_of(incoming.parent), git.tree_of(stopped.onto), git.tree_of(incoming.commit)]
    rows = []
    for path in paths:
        rows.append(f"0 {'0' * 40}\t{path}")
        for stage, tree in enumerate(sides, 1):
            entry = git.entry(tree, path)
            rows += [f"{entry.mode} {entry.oid} {stage}\t{path}"] if entry else []
    data = "".join(f"{row}\n" for row in rows).encode()
    git.in_worktree(root, "update-index", "--index-info", stdin=data)


def _resolved(git: Git, worktree: Path, path: str) -> Entry | None:
    file = worktree / path
    if not file.exists():
        return None
    data = file.read_bytes()
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.startswith(_MARKS):
            raise UsageError(
                f"{file}:{number}: still holds a conflict marker",
                hint="finish the resolution, then `backport continue` again",
            )
    mode = "100755" if file.stat().st_mode & 0o100 else "100644"
    return Entry(mode, git.write_blob(data))
