"""Picks commits one after the other onto a tree, in core, and only the files that they change."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field

from backport.doors.odb import Odb
from backport.values.gitformat import Change, Entry, kind_of

State = dict[str, Entry | None]
Hard = tuple[str, str]  # a commit and one of its files


@dataclass(frozen=True)
class Onto:
    """A tree to pick onto: files that are otherwise there than in it, and the upstream ids that it
    has in whatever form."""

    tree: str
    has: Container[str] = ()
    instead: Mapping[str, Entry | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Clash:
    """The first commit of some that does not apply, in which files, and what it met there."""

    sha: str
    paths: tuple[str, ...]
    state: State


class Trials:
    """Picks onto one tree; what was merged once is not merged again."""

    def __init__(self, odb: Odb, onto: Onto) -> None:
        self.odb = odb
        self.onto = onto
        self._changes: dict[str, list[Change]] = {}
        self._here: State = dict(onto.instead)
        self._merged: dict[tuple[str, str, str, bool], str | None] = {}

    def entry(self, state: State, path: str) -> Entry | None:
        """A file as the picks so far left it."""
        if path in state:
            return state[path]
        if path not in self._here:
            self._here[path] = self.odb.entry(self.onto.tree, path)
        return self._here[path]

    def changes(self, sha: str) -> Sequence[Change]:
        """What a commit changes."""
        if sha not in self._changes:
            parents = self.odb.parents(sha)
            self._changes[sha] = self.odb.changes(parents[0], sha) if len(parents) == 1 else []
        return self._changes[sha]

    def clash(self, shas: Sequence[str], hard: Collection[Hard] = ()) -> Clash | None:
        """Pick commits in this order up to one that conflicts; None if none does.

        Files that are `hard` are to be adapted by hand: upstream's side is taken there.
        """
        state: State = {}
        for sha in shas:
            before = dict(state)
            paths = self.pick(state, sha, hard)
            if paths:
                return Clash(sha, tuple(paths), before)
        return None

    def paths(self, sha: str) -> list[str]:
        """The files that a commit changes."""
        return [change.path for change in self.changes(sha)]

    def after(self, shas: Sequence[str], hard: Collection[Hard] = ()) -> State:
        """The files after some commits."""
        state: State = {}
        for sha in shas:
            self.pick(state, sha, hard)
        return state

    def size(self, change: Change, state: State) -> tuple[int, int]:
        """How many conflicts one file of a commit makes, and how many lines both sides have there;
        a file that is in conflict as a whole is one."""
        ours = self.entry(state, change.path)
        if change.old and change.new and ours:
            merged = self.odb.merge(change.old.oid, ours.oid, change.new.oid)
            if merged:
                return marked(merged.data)
        if change.old and change.new:
            hunks = self.odb.hunks(change.old.oid, change.new.oid)
            return 1, sum(max(one.a2 - one.a1, one.b2 - one.b1) for one in hunks)
        entry = change.new or change.old
        return 1, self.odb.blob(entry.oid).count(b"\n") if entry else 0

    def pick(
        self,
        state: State,
        sha: str,
        hard: Collection[Hard] = (),
        only: Collection[str] | None = None,
    ) -> list[str]:
        """Put a commit's changes (those to `only` some files) into `state`; the paths in which
        they conflict."""
        clashing = []
        for change in self.changes(sha):
            if only is not None and change.path not in only:
                continue
            forced = (sha, change.path) in hard
            ours = self.entry(state, change.path)
            is_clean, after = self.file(change, ours, force=forced)
            if is_clean:
                state[change.path] = after
            else:
                clashing.append(change.path)
        return clashing

    def file(
        self, change: Change, ours: Entry | None, *, force: bool = False
    ) -> tuple[bool, Entry | None]:
        """One file picked: whether that is clean, and what it becomes."""
        old, new = change.old, change.new
        if ours in {old, new}:
            return True, new
        if old and new and ours and {kind_of(e.mode) for e in (old, new, ours)} == {"blob"}:
            merged = self._merge(old.oid, ours.oid, new.oid, force)
            if merged:
                return True, Entry(new.mode if old.mode == ours.mode else ours.mode, merged)
        if force:  # what the target lacks as a whole stays away; else it is upstream's
            return True, new if ours else None
        return False, ours

    def _merge(self, base: str, ours: str, theirs: str, force: bool) -> str | None:
        key = base, ours, theirs, force
        if key not in self._merged:
            self._merged[key] = self._made(base, ours, theirs, force)
        return self._merged[key]

    def _made(self, base: str, ours: str, theirs: str, force: bool) -> str | None:
        done = self.odb.merge(base, ours, theirs)
        if done and done.clean:
            return self.odb.write(done.data)
        if done and not force:
            return None
        return self.odb.joined(base, ours, theirs, force=force)


def marked(data: bytes) -> tuple[int, int]:
    """The conflicts that git's markers show in a file, and the lines between them."""
    conflicts = lines = 0
    inside = False
    for line in data.split(b"\n"):
        if line.startswith(b"<<<<<<< "):
            conflicts, inside = conflicts + 1, True
        elif line.startswith(b">>>>>>> "):
            inside = False
        elif inside and line.rstrip(b"\r") != b"=======":
            lines += 1
    return conflicts, lines
