"""Where other tools than git prove an export: the files that a series touches, and nothing else.

A kernel has 80,000 files; a series touches some dozens. These are written out as the base has them,
the tool does its work, and what then lies there, put into the base's tree, must give the tree of
the series' head. A file that the tool leaves behind makes it another tree.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.doors.git import Entry, Git
from backport.doors.process import Completed
from backport.output.exporters.cargo import Cargo
from backport.output.exporters.patches import borrower
from backport.values.errors import GateFailed

_LINK = "120000"


@dataclass(frozen=True)
class Bench:
    """A folder for one proof, with the touched files below `tree`."""

    folder: Path
    tree: Path
    scratch: Git
    cargo: Cargo

    def judge(self, dest: Path, done: Completed, ignore: Sequence[str] = ()) -> str:
        """The tree that the tool made; `GateFailed` if it failed or the tree is another one.

        `ignore` are entries at the top that are the tool's own.
        """
        if done.returncode:
            talk = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
            raise GateFailed(f"{dest}: {done.argv[0]} does not apply the series\n{talk}")
        return demand_tree(self.scratch, self.cargo, dest, self._tree_now(ignore))

    def _tree_now(self, ignore: Sequence[str]) -> str:
        edits: dict[str, Entry | None] = dict.fromkeys(self.cargo.paths)
        for path in sorted(self.tree.rglob("*")):
            name = path.relative_to(self.tree).as_posix()
            if name.partition("/")[0] not in ignore and (path.is_symlink() or path.is_file()):
                edits[name] = _entry(self.scratch, path)
        return self.scratch.edit_tree(self.scratch.tree_of(self.cargo.base), edits)


def demand_tree(git: Git, cargo: Cargo, dest: Path, tree: str) -> str:
    """The tree, if it is that of the series; else `GateFailed` names where they differ."""
    if tree != cargo.tree:
        paths = [change.path for change in git.changes(cargo.tree, tree)]
        raise GateFailed(
            f"{dest}: gives tree {tree}, not {cargo.tree}; they differ in {', '.join(paths[:10])}"
        )
    return tree


@contextlib.contextmanager
def bench(cargo: Cargo) -> Iterator[Bench]:
    """The touched files of the base in a throw-away folder."""
    with (
        tempfile.TemporaryDirectory(prefix="backport-bench-") as name,
        borrower(cargo.git) as scratch,
    ):
        folder = Path(name)
        tree = folder / "tree"
        tree.mkdir()
        for path, entry in scratch.entries(cargo.base, cargo.paths).items():
            if path in cargo.paths:
                _write(tree / path, entry, scratch.blob(entry.oid))
        yield Bench(folder, tree, scratch, cargo)


def _write(path: Path, entry: Entry, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.mode == _LINK:
        path.symlink_to(os.fsdecode(data))
    else:
        path.write_bytes(data)
        path.chmod(int(entry.mode[-3:], 8))


def _entry(git: Git, path: Path) -> Entry:
    if path.is_symlink():
        return Entry(_LINK, git.write_blob(os.fsencode(path.readlink())))
    program = path.stat().st_mode & stat.S_IXUSR
    return Entry("100755" if program else "100644", git.write_blob(path.read_bytes()))
