"""Upstream as patch mails: a file, a folder, a maildir or an mbox.

A patch needs a tree to sit on. If the store has the very blobs that its `index` lines name, it sits
on these, and a pick merges as if upstream's commit had been fetched. Otherwise it has to apply
exactly, without fuzz, to the target's base with the patches before it; then it is its own proof.
Patches are applied to private indexes: no work tree, no file of the user is touched.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.commit import Incoming, Person
from backport.errors import ManifestError, UsageError
from backport.events import Emit, Note
from backport.git import Git
from backport.process import Completed
from backport.series import Series, SeriesCommit
from backport.upstreams.mail import Patch, find_mails, read_patch

STAGE = "upstream"

# The same for everyone, so that the ids are the same on every machine.
CONTEXT = Person("backport upstream", "backport@localhost", "946684800 +0000")

_FAILED_AT = re.compile(r"^error: patch failed: (.*):(\d+)$", re.M)


@dataclass(frozen=True)
class _Wanted:
    """A patch and the rows of the series that it carries."""

    patch: Patch
    rows: tuple[SeriesCommit, ...]


class MboxUpstream:
    """The picked commits of a series out of mails; `base` is a tree-ish of the store, or ''."""

    def __init__(self, store: Git, locations: Sequence[str], base: str = "") -> None:
        if not locations:
            hint = "--upstream mbox:PATH"
            raise UsageError("an mbox upstream needs a file, a folder or a maildir", hint=hint)
        self._store = store
        self._locations = tuple(locations)
        self._base = base

    def describe(self) -> str:
        """The locations, for a person."""
        return "mbox: " + ", ".join(self._locations)

    def commits(self, series: Series, emit: Emit) -> tuple[Incoming, ...]:
        """The picked commits of a series, in its order; one patch may stand for several.

        Raises `UsageError` for a mail that is no patch, names no upstream commit, is there twice,
        does not apply or leaves the tree, `ManifestError` at the row that no mail carries.
        """
        mails = [mail for location in self._locations for mail in find_mails(self._store, location)]
        patches = [read_patch(self._store, mail) for mail in mails]
        wanted = self._wanted(series, [p for p in patches if p.diff], emit)
        with tempfile.TemporaryDirectory(prefix="backport-index-") as folder:
            bench = _Bench(self._store, Path(folder), self._base)
            return tuple(bench.put(item, self.describe()) for item in wanted)

    def _wanted(self, series: Series, patches: Sequence[Patch], emit: Emit) -> list[_Wanted]:
        """The patches that carry picked rows, in the order of the series."""
        carried: dict[str, Patch] = {}
        wanted = []
        for patch in patches:
            rows = _rows_of(series, patch)
            if not rows:
                emit(Note(STAGE, f"{patch.origin}: not of this series ({patch.subject})"))
                continue
            _check_twice(carried, patch, rows)
            carried |= dict.fromkeys((row.sha for row in rows), patch)
            wanted.append(_Wanted(patch, rows))
        self._check_complete(series, carried)
        order = {row.sha: i for i, row in enumerate(series.picked)}
        return sorted(wanted, key=lambda item: order[item.rows[0].sha])

    def _check_complete(self, series: Series, carried: Mapping[str, Patch]) -> None:
        for row in series.picked:
            if row.sha not in carried:
                raise ManifestError(
                    row.place,
                    f'{row.sha} ("{row.subject}") is in no mail of {", ".join(self._locations)}',
                    hint="add its patch, or take the row out of the series",
                )


def _rows_of(series: Series, patch: Patch) -> tuple[SeriesCommit, ...]:
    if not patch.upstream:
        raise UsageError(
            f"{patch.origin}: names no upstream commit",
            hint="add a line `[ Upstream commit <sha> ]` below its subject",
        )
    found = [series.find(sha) for sha in patch.upstream]
    rows = tuple(row for row in found if row is not None and row.role in series.pick)
    if rows and patch.subject not in {row.subject for row in rows}:
        raise UsageError(
            f'{patch.origin}: says it is {rows[0].sha}, whose subject is "{rows[0].subject}", '
            f'but its own subject is "{patch.subject}"',
            hint="correct the SHA or the subject",
        )
    return rows


def _check_twice(carried: Mapping[str, Patch], patch: Patch, rows: Sequence[SeriesCommit]) -> None:
    for row in rows:
        if row.sha in carried:
            raise UsageError(
                f"{patch.origin}: carries {row.sha}, as does {carried[row.sha].origin}",
                hint="keep one of the two",
            )


class _Bench:
    """Private indexes to apply patches to; `state` is the base with all patches that fit it."""

    def __init__(self, store: Git, folder: Path, base: str) -> None:
        self._store = store
        self._folder = folder
        self._state = folder / "state"
        self._tree = ""
        if base:
            self._tree = store.tree_of(base)
            self._git(self._state, "read-tree", self._tree)

    def put(self, item: _Wanted, origin: str) -> Incoming:
        """Make a commit of a patch, and its parent, in the store."""
        diff = self._folder / "diff"
        diff.write_bytes(item.patch.diff)
        before_state = self._tree
        trouble = self._advance(diff)
        trees = self._on_its_own_blobs(diff)
        if trees is None and trouble is None:
            trees = self._slices(before_state, self._tree)
        if trees is None:
            raise _does_not_apply(item.patch, trouble, bool(self._tree))
        return self._commit(item, trees, origin)

    def _on_its_own_blobs(self, diff: Path) -> tuple[str, str] | None:
        """Trees of just the touched files, if the store has the blobs the patch was made from."""
        index = self._folder / "ancestor"
        index.unlink(missing_ok=True)
        done = self._git(index, "apply", f"--build-fake-ancestor={index}", diff, check=False)
        if done.returncode:
            return None
        before = self._git(index, "write-tree").text.strip()
        if self._apply(index, diff).returncode:
            return None
        return before, self._git(index, "write-tree").text.strip()

    def _advance(self, diff: Path) -> Completed | None:
        """Put the patch onto the state; gives the failed command if it does not fit."""
        if self._tree:
            done = self._apply(self._state, diff)
            if done.returncode:
                return done
            self._tree = self._git(self._state, "write-tree").text.strip()
            return None
        return self._store.run("apply", "--numstat", diff, check=False)

    def _slices(self, before: str, after: str) -> tuple[str, str]:
        changes = self._store.changes(before, after)
        return (
            self._store.edit_tree("", {c.path: c.old for c in changes if c.old}),
            self._store.edit_tree("", {c.path: c.new for c in changes if c.new}),
        )

    def _commit(self, item: _Wanted, trees: tuple[str, str], origin: str) -> Incoming:
        patch = item.patch
        note = f"Context of {item.rows[0].sha}\n"
        parent = self._store.commit_tree(trees[0], [], note, CONTEXT, CONTEXT)
        commit = self._store.commit_tree(
            trees[1], [parent], patch.message, patch.author, patch.author
        )
        return Incoming(
            commit=commit,
            parent=parent,
            subject=patch.subject,
            message=patch.message,
            author=patch.author,
            committer=patch.author,
            stands_for=tuple(row.sha for row in item.rows),
            origin=f"{origin}: {patch.origin}",
        )

    def _apply(self, index: Path, diff: Path) -> Completed:
        return self._git(index, "apply", "--cached", "--whitespace=nowarn", diff, check=False)

    def _git(self, index: Path, *args: str | Path, check: bool = True) -> Completed:
        return self._store.run(*args, env={"GIT_INDEX_FILE": str(index)}, check=check)


def _does_not_apply(patch: Patch, trouble: Completed | None, has_base: bool) -> UsageError:
    text = trouble.stderr.decode("utf-8", "replace") if trouble else ""
    errors = [line.removeprefix("error: ") for line in text.splitlines() if "error: " in line]
    at = [f"{path}, hunk at line {line}" for path, line in _FAILED_AT.findall(text)]
    if not at and errors:
        return UsageError(f"{patch.origin}: cannot be applied: {'; '.join(errors)}")
    if not has_base:
        hint = "give the tree it applies to (--base), or a git upstream"
        return UsageError(f"{patch.origin}: its base is not in the store", hint=hint)
    return UsageError(
        f"{patch.origin}: does not apply to the target's base: {'; '.join(at) or 'no reason'}",
        hint="rebase the patch onto the target, or take the commit from a git upstream, "
        "whose conflicts the rules can settle",
    )
