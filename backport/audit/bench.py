"""A target to try commits on, all of them at once, in core.

Each file that a commit changes is one entry of three flat trees: as it was before the commit, as it
is on the target, and as the commit leaves it. One merge of these tells for every commit whether it
applies, and no tree of 80,000 files is walked. A file that the target has in another place, as
upstream had before it moved it, is merged there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from backport.doors.git import Change, Entry, Git
from backport.doors.process import ProcessFailed
from backport.upstreams.objects import read_objects
from backport.values.csource import split_lines
from backport.values.gitformat import parse_change


@dataclass(frozen=True)
class Trial:
    """What picking a commit would do; `moved` are files that have another name on the target."""

    outcome: str  # same, clean, conflict, or why it could not be tried
    paths: tuple[str, ...] = ()  # in conflict, by upstream's names
    moved: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    """One file of one commit: what it was, is here, and becomes; `here` is its name here."""

    sha: str
    change: Change
    here: str
    ours: Entry | None


class Bench:
    """The tree of a target, in a repository that has upstream's objects, too."""

    def __init__(self, git: Git, tree: str) -> None:
        self.git = git
        self.tree = tree
        self._listing: dict[str, Entry] | None = None
        self._names: defaultdict[str, list[str]] = defaultdict(list)
        self._lines: dict[str, frozenset[str]] = {}

    # -- looking

    @property
    def listing(self) -> Mapping[str, Entry]:
        """Every file of the target."""
        if self._listing is None:
            self._listing = self.git.entries(self.tree)
            for path in self._listing:
                self._names[path.rpartition("/")[2]].append(path)
        return self._listing

    def has(self, path: str) -> bool:
        """Whether the target has a file."""
        return path in self.listing

    def lines(self, path: str) -> frozenset[str]:
        """The lines of a file of the target, none if it is not there."""
        if path not in self._lines:
            entry = self.listing.get(path)
            raw = read_objects(self.git, [entry.oid]).get(entry.oid) if entry else None
            self._lines[path] = frozenset(split_lines(raw.data if raw else b""))
        return self._lines[path]

    def place(self, path: str) -> str:
        """Where the target has a file of upstream's: there, or in the only place it may have moved
        from; '' if nowhere."""
        if self.has(path):
            return path
        same = self._names.get(path.rpartition("/")[2], [])
        ranked = sorted(((_alike(path, other), other) for other in same), reverse=True)
        if not ranked or ranked[0][0] == 0 or [r for r, _ in ranked].count(ranked[0][0]) > 1:
            return ""
        return ranked[0][1]

    # -- trying

    def try_all(self, shas: Sequence[str]) -> dict[str, Trial]:
        """What picking each of these commits would do, each on its own."""
        changes = changes_of(self.git, shas)
        files = [
            _File(sha, c, here, self.listing.get(here))
            for sha, some in changes.items()
            for c in some
            for here in [self.place(c.path) if c.old else c.path]
        ]
        merged = self._merged([f for f in files if f.change.old and f.change.new and f.ours])
        found: dict[str, list[tuple[_File, str]]] = {sha: [] for sha in changes}
        for file in files:
            found[file.sha].append((file, merged.get((file.sha, file.change.path)) or _plain(file)))
        tried = {sha: _trial(some) for sha, some in found.items()}
        return {sha: tried.get(sha) or Trial("it has no change of its own") for sha in shas}

    def _merged(self, files: Sequence[_File]) -> dict[tuple[str, str], str]:
        """The outcome for files that both sides have."""
        open_ = [f for f in files if f.ours not in {f.change.old, f.change.new}]
        if not open_:
            return {}
        try:
            sides = [
                self.git.edit_tree("", {str(n): entry for n, entry in enumerate(column)})
                for column in zip(
                    *((f.change.old, f.ours, f.change.new) for f in open_), strict=True
                )
            ]
            result = self.git.merge_trees(*sides)
        except ProcessFailed:
            return {(f.sha, f.change.path): "unknown" for f in open_}
        after = self.git.entries(result.tree)
        clashing = {one.path for one in result.unmerged}
        return {
            (f.sha, f.change.path): "conflict"
            if str(n) in clashing
            else "same"
            if after[str(n)] == f.ours
            else "clean"
            for n, f in enumerate(open_)
        }

    # -- searching

    def grep(self, lines: Iterable[str]) -> dict[str, set[str]]:
        """The files of the target that have any of these lines, by line."""
        wanted = {line.strip(): line for line in lines}
        if not wanted:
            return {}
        text = "".join(f"{line}\n" for line in wanted).encode("utf-8", "surrogateescape")
        argv = ("grep", "-I", "-z", "-F", "-f", "-", self.tree)
        done = self.git.run(*argv, stdin=text, env={"LC_ALL": "C"}, check=False)
        found: dict[str, set[str]] = {}
        for row in done.text.split("\n"):
            name, _, line = row.partition("\0")
            if line.strip() in wanted:
                path = name.removeprefix(f"{self.tree}:")
                found.setdefault(wanted[line.strip()], set()).add(path)
        return found


def _alike(path: str, other: str) -> int:
    """How much of two paths' folders are the same; names that contain each other count, too."""
    one, two = (p.split("/")[:-1] for p in (path, other))
    score = sum(a == b for a, b in zip(one, two, strict=False))
    return 2 * score + sum(a != b and (a in b or b in a) for a, b in zip(one, two, strict=False))


def _plain(file: _File) -> str:
    """The outcome where no lines have to be merged."""
    old, ours, new = file.change.old, file.ours, file.change.new
    if ours == new:
        return "same"
    return "clean" if ours == old else "conflict"


def _trial(files: Sequence[tuple[_File, str]]) -> Trial:
    outcomes = {outcome for _, outcome in files}
    paths = tuple(f.change.path for f, outcome in files if outcome == "conflict")
    moved = {f.change.path: f.here for f, _ in files if f.here not in {"", f.change.path}}
    if "unknown" in outcomes:
        return Trial("a clone lacks the contents of files; git fetch --refetch --no-filter")
    word = next((w for w in ("conflict", "clean", "same") if w in outcomes), "it changes no file")
    return Trial(word, paths, moved)


def changes_of(git: Git, shas: Sequence[str]) -> dict[str, list[Change]]:
    """The files that commits change; a merge changes none."""
    text = "".join(f"{sha}\n" for sha in shas).encode()
    argv = ("diff-tree", "--stdin", "-r", "--root", "--no-renames", "-z")
    found: dict[str, list[Change]] = {}
    fields = _fields(git.run(*argv, stdin=text).text)
    changes: list[Change] = []
    for field_ in fields:
        if field_.startswith(":"):
            changes.append(parse_change(field_, next(fields)))
        else:
            changes = found.setdefault(field_.strip(), [])
    return found


def _fields(text: str) -> Iterator[str]:
    """The fields of `diff-tree -z --stdin`; an id ends with a NUL there, as all else does."""
    return (one for one in text.split("\0") if one.strip())
