"""Reads objects and merges files inside this process, thousands of times a second.

libgit2 reads git's packs and has git's own xdiff, so a merge of one file gives what git's gives,
without a process for each. Only what says so writes objects; give that a repository for it. Paths
are text, ids are 40-digit hex strings; undecodable bytes of a path are kept as surrogates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, MergeFavor, MergeFlag, ObjectType

from backport.values.errors import UsageError
from backport.values.gitformat import Change, Entry, kind_of
from backport.values.linediff import Delta

_ALONE = "file"  # the name of a file of which only the content matters
# libgit2 keeps no tree above 4 KiB, so that each look for a file in a folder such as the kernel's
# include/linux inflated and parsed that folder again.
_TREE = 1 << 17  # bytes of one tree
_KEPT = 1 << 26  # bytes of all objects that are kept


@dataclass(frozen=True)
class Merged:
    """One file merged. `data` has git's usual markers where it is not clean."""

    clean: bool
    data: bytes


class Odb:
    """The objects of one repository, with those of its alternates, and of `others` beside it."""

    def __init__(self, path: Path, others: Sequence[Path] = ()) -> None:
        self._repo = _opened(path)
        for other in others:  # for this process only: nothing of it is written down
            self._repo.odb.add_disk_alternate(str(Path(_opened(other).path) / "objects"))

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

    def patch_id(self, commit: str) -> str:
        """What a commit does, wherever and between whatever lines; '' for a merge and a root."""
        parents = self.parents(commit)
        if len(parents) != 1:
            return ""
        return str(self._tree(parents[0]).diff_to_tree(self._tree(commit)).patchid)

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

    # -- chains of merges, whose results are written

    def write(self, data: bytes) -> str:
        """The blob of these bytes, written."""
        return str(self._repo.create_blob(data))

    def joined(self, base: str, ours: str, theirs: str, *, force: bool = False) -> str | None:
        """The blob of three blobs merged, whatever they hold, written; None where they conflict.
        With `force` theirs wins there."""
        root, left, right = (self._alone(oid) for oid in (base, ours, theirs))
        favor = MergeFavor.THEIRS if force else MergeFavor.NORMAL
        index = self._repo.merge_trees(root, left, right, favor=favor, flags=MergeFlag(0))
        return None if index.conflicts else str(index[_ALONE].id)

    def hunks(self, old: str, new: str) -> list[Delta]:
        """What changed from one blob to another, by lines; nothing is said of binary ones."""
        if old == new:
            return []
        blob, other = self._repo[old], self._repo[new]
        assert isinstance(blob, pygit2.Blob)
        assert isinstance(other, pygit2.Blob)
        patch = pygit2.Patch.create_from(blob, other, context_lines=0, interhunk_lines=0)
        return [_delta(hunk) for hunk in patch.hunks]

    def _alone(self, oid: str) -> pygit2.Oid:
        """A tree with one file."""
        builder = self._repo.TreeBuilder()
        builder.insert(_ALONE, pygit2.Oid(hex=oid), FileMode.BLOB)
        return builder.write()

    def _commit(self, sha: str) -> pygit2.Commit:
        found = self._repo[sha]
        assert isinstance(found, pygit2.Commit)
        return found

    def _tree(self, rev: str) -> pygit2.Tree:
        found = self._repo[rev]
        tree = found.tree if isinstance(found, pygit2.Commit) else found
        assert isinstance(tree, pygit2.Tree)
        return tree


def _opened(path: Path) -> pygit2.Repository:
    pygit2.settings.cache_object_limit(ObjectType.TREE, _TREE)
    pygit2.settings.cache_max_size(_KEPT)
    try:
        return pygit2.Repository(str(path))
    except pygit2.GitError as err:
        raise UsageError(f"{path}: not a git repository") from err


def _side(oid: str) -> pygit2.IndexEntry:
    return pygit2.IndexEntry(_ALONE, pygit2.Oid(hex=oid), FileMode.BLOB)


def _entry(mode: int, oid: pygit2.Oid) -> Entry:
    return Entry(f"{mode:06o}", str(oid))


def _delta(hunk: pygit2.DiffHunk) -> Delta:
    """Git numbers lines from 1, and a side without lines by the line before it."""
    a = hunk.old_start - (1 if hunk.old_lines else 0)
    b = hunk.new_start - (1 if hunk.new_lines else 0)
    return Delta(a, a + hunk.old_lines, b, b + hunk.new_lines)


def _change(delta: pygit2.DiffDelta) -> Change:
    old, new = delta.old_file, delta.new_file
    before = _entry(old.mode, old.id) if delta.status_char() != "A" else None
    after = _entry(new.mode, new.id) if delta.status_char() != "D" else None
    return Change(new.path or old.path, before, after)
