"""The peer of a pick in core: git's own merge of whole trees, one process for each pick."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from backport.doors import files
from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.doors.process import ProcessFailed
from backport.replay.pairs import Pair

_AT_MOST = 40  # picks that it is timed on, evenly spread


def whole_merges(source: Git, odb: Odb, pairs: Sequence[Pair]) -> tuple[float, ...]:
    """Milliseconds of `git merge-tree` for picks of these pairs, renames looked for as git does.

    The repository is not written to: what the merges make goes to one that is thrown away.
    """
    step = max(1, len(pairs) // _AT_MOST)
    with tempfile.TemporaryDirectory(prefix="backport-merges-") as folder:
        git = Git.init_bare(Path(folder))
        objects = source.path.absolute() / "objects"
        files.write(git.path / "objects/info/alternates", f"{objects}\n".encode())
        return tuple(_timed(git, odb, pair) for pair in pairs[::step][:_AT_MOST])


def _timed(git: Git, odb: Odb, pair: Pair) -> float:
    before, target = (odb.parents(sha)[0] for sha in (pair.upstream, pair.backport))
    sides = git.merge_sides(*(odb.tree(sha) for sha in (before, target, pair.upstream)))
    config = ("-c", "merge.renames=true")
    start = time.perf_counter()
    argv = ("merge-tree", "--write-tree", "--no-messages", *sides)
    done = git.run(*config, *argv, check=False)
    took = (time.perf_counter() - start) * 1e3
    if not done.stdout:  # a commit it does not know ends with 1, as a conflict does
        raise ProcessFailed(done)
    return took
