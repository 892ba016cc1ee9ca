"""Upstream as patch mails: a file, a folder, a maildir or an mbox.

A patch needs a tree to sit on. If the store has the very blobs that its `index` lines name, it sits
on these, and a pick merges as if upstream's commit had been fetched. If it applies exactly, without
fuzz, to the target's base with the patches before it, it is its own proof. Otherwise it was made
for another kernel: its context is all that is known of upstream's file, so its hunks are put into
the target's, each at its place, and what differs there meets the rules as a conflict.
Patches are applied to private indexes: no work tree, no file of the user is touched.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backport.doors.git import Entry, Git
from backport.doors.process import Completed
from backport.readers.hunks import FileDiff, read_diff
from backport.readers.placing import place, rebuilt
from backport.upstreams.mail import Patch, find_mails, read_patch
from backport.values.commit import Incoming, Person
from backport.values.csource import join_lines, split_lines
from backport.values.errors import ManifestError, UsageError
from backport.values.events import Emit, Note
from backport.values.series import Series, SeriesCommit

STAGE = "upstream"

# The same for everyone, so that the ids are the same on every machine.
CONTEXT = Person("backport upstream", "backport@localhost", "946684800 +0000")

_FAILED_AT = re.compile(r"^error: patch failed: (.*):(\d+)$", re.M)
# What git says of a patch that is in order but was made for other files.
_MISFIT = re.compile(
    r"error: (?:patch failed: .*"
    r"|.*: (?:patch does not apply|does not exist in index|already exists in index))"
)


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
        cannot be applied or leaves the tree, `ManifestError` at the row that no mail carries.
        """
        mails = [mail for location in self._locations for mail in find_mails(self._store, location)]
        patches = [read_patch(self._store, mail) for mail in mails]
        wanted = self._wanted(series, [p for p in patches if p.diff], emit)
        with tempfile.TemporaryDirectory(prefix="backport-index-") as folder:
            bench = _Bench(self._store, Path(folder), self._base, emit)
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


_Side = dict[str, Entry | None]  # files of a tree


@dataclass(frozen=True)
class _Placed:
    """Trees of a patch's files before and after, put into the target's; and how well it went."""

    before: str
    after: str
    said: str


class _Bench:
    """Private indexes to apply patches to; `state` is the base with the patches so far."""

    def __init__(self, store: Git, folder: Path, base: str, emit: Emit) -> None:
        self._store = store
        self._folder = folder
        self._emit = emit
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
        placed = None if trouble is None else self._by_context(item.patch, trouble)
        trees = self._on_its_own_blobs(diff)
        if trees is None and trouble is None:
            trees = self._slices(before_state, self._tree)
        if trees is not None:
            return self._commit(item, trees, origin)
        if placed is None:
            raise _does_not_apply(item.patch, trouble, bool(self._tree))
        self._emit(Note(STAGE, f"{item.patch.origin}: {placed.said}"))
        return replace(self._commit(item, (placed.before, placed.after), origin), whole=False)

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

    def _by_context(self, patch: Patch, trouble: Completed) -> _Placed | None:
        """The touched files as the state has them, with the hunks as upstream has them.

        The state goes on with the hunks' changes. None for a patch that says more than lines, or
        that nothing could be applied with.
        """
        files = read_diff(patch.diff) if self._tree and _is_misfit(trouble) else None
        if files is None:
            return None
        sides: tuple[_Side, _Side, _Side] = ({}, {}, {})
        sure = total = 0
        for file in files:
            found, *texts = self._place(file)
            for side, entry in zip(sides, texts, strict=True):
                side[file.old or file.new] = entry
            sure, total = sure + found, total + (len(file.hunks) if file.old else 0)
        before, after = (self._store.edit_tree("", side) for side in sides[:2])
        self._tree = self._store.edit_tree(self._tree, sides[2])
        self._git(self._state, "read-tree", self._tree)
        said = f"made for another kernel; {sure} of its {total} hunks have a place in the target"
        return _Placed(before, after, said)

    def _place(self, file: FileDiff) -> tuple[int, Entry | None, Entry | None, Entry | None]:
        """How many hunks have a certain place; the file before, after, and to go on with."""
        here = self._store.entry(self._tree, file.old) if file.old and file.new else None
        lines = split_lines(self._store.blob(here.oid)) if here else []
        spots = place(lines, file.hunks)
        texts = rebuilt(lines, spots)
        before, after, onward = (
            Entry(here.mode if here else file.mode, self._store.write_blob(join_lines(text)))
            for text in (texts.before, texts.after, texts.onward)
        )
        found = sum(spot.sure for spot in spots) if here else 0
        if not file.new:
            return found, before, None, None
        return found, before if file.old else None, after, onward

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


def _is_misfit(trouble: Completed) -> bool:
    """Whether nothing is wrong with a patch but that it was made for other files."""
    text = trouble.stderr.decode("utf-8", "replace")
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    return bool(errors) and all(_MISFIT.fullmatch(line) for line in errors)


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
