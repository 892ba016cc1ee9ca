"""Reads objects and merges files inside this process, thousands of times a second.

libgit2 reads git's packs and has git's own xdiff, so a merge of one file gives what git's gives,
without a process for each. Nothing is written: what comes out are bytes. Paths are text, ids are
40-digit hex strings; undecodable bytes of a path are kept as surrogates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, ObjectType

from backport.values.errors import UsageError
from backport.values.gitformat import Change, Entry, kind_of


@dataclass(frozen=True)
class Merged:
    """One file merged. `data` has git's usual markers where it is not clean."""

    clean: bool
    data: bytes


class Odb:
    """The objects of one repository, with those of its alternates."""

    def __init__(self, path: Path) -> None:
        try:
            self._repo = pygit2.Repository(str(path))
        except pygit2.GitError as err:
            raise UsageError(f"{path}: not a git repository") from err

    def commit(self, sha: str) -> tuple[str, tuple[str, ...]] | None:
        """The full id and the parents of a commit, by full or short id; None if it is no commit,
        or not here."""
        try:
            found = self._repo.get(sha)
        except ValueError:  # ambiguous, or no id
            return None
        if not isinstance(found, pygit2.Commit):
            return None
        return str(found.id), tuple(str(oid) for oid in found.parent_ids)

    def parents(self, commit: str) -> tuple[str, ...]:
        """The parents of a commit that is here."""
        return tuple(str(oid) for oid in self._commit(commit).parent_ids)

    def tree(self, commit: str) -> str:
        """The tree of a commit."""
        return str(self._commit(commit).tree_id)

    def changes(self, old: str, new: str, endings: tuple[str, ...] = ("",)) -> list[Change]:
        """The files that differ between two commits or trees, renames as delete and add.

        With `endings` only those whose paths end so.
        """
        deltas = self._tree(old).diff_to_tree(self._tree(new)).deltas
        return [_change(d) for d in deltas if d.new_file.path.endswith(endings)]

    def distance(self, old: str, new: str) -> int:
        """How many files differ between two commits or trees."""
        return len(self._tree(old).diff_to_tree(self._tree(new)))

    def entry(self, rev: str, path: str) -> Entry | None:
        """A file of a commit or tree, None where it has none."""
        try:
            found = self._tree(rev)[path]
        except KeyError:
            return None
        return None if found.type == ObjectType.TREE else _entry(found.filemode, found.id)

    def blob(self, oid: str) -> bytes:
        """The content of a file."""
        found = self._repo[oid]
        assert isinstance(found, pygit2.Blob)
        return found.data

    def holds(self, oid: str) -> bool:
        """Whether an object is here; a partial clone lacks some that its trees name."""
        return oid in self._repo

    def read(self, rev: str, path: str) -> bytes | None:
        """The content of a file of a commit or tree; None where it has none."""
        entry = self.entry(rev, path)
        is_file = entry is not None and kind_of(entry.mode) == "blob"
        return self.blob(entry.oid) if entry and is_file else None

    def files(self, rev: str) -> Iterator[tuple[str, Entry]]:
        """Every file of a commit or tree, by path."""
        yield from self._files(self._tree(rev), "")

    def _files(self, tree: pygit2.Tree, prefix: str) -> Iterator[tuple[str, Entry]]:
        for item in tree:
            path = f"{prefix}{item.name}"
            if isinstance(item, pygit2.Tree):
                yield from self._files(item, f"{path}/")
            else:
                yield path, _entry(item.filemode, item.id)

    def merge(self, base: str, ours: str, theirs: str) -> Merged | None:
        """Three blobs merged by lines; None for what does not merge by lines."""
        try:
            done = self._repo.merge_file_from_index(_side(base), _side(ours), _side(theirs))
        except (pygit2.GitError, RuntimeError, UnicodeDecodeError):
            return None  # binary (there is no text then), or no text that pygit2 can hold
        return Merged(done.automergeable, done.contents.encode())

    def _commit(self, sha: str) -> pygit2.Commit:
        found = self._repo[sha]
        assert isinstance(found, pygit2.Commit)
        return found

    def _tree(self, rev: str) -> pygit2.Tree:
        found = self._repo[rev]
        tree = found.tree if isinstance(found, pygit2.Commit) else found
        assert isinstance(tree, pygit2.Tree)
        return tree


def _side(oid: str) -> pygit2.IndexEntry:
    return pygit2.IndexEntry("file", pygit2.Oid(hex=oid), FileMode.BLOB)


def _entry(mode: int, oid: pygit2.Oid) -> Entry:
    return Entry(f"{mode:06o}", str(oid))


def _change(delta: pygit2.DiffDelta) -> Change:
    old, new = delta.old_file, delta.new_file
    before = _entry(old.mode, old.id) if delta.status_char() != "A" else None
    after = _entry(new.mode, new.id) if delta.status_char() != "D" else None
    return Change(new.path or old.path, before, after)
