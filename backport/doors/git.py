"""The one door to git: objects through GitPython, merging through git's plumbing.

Everything happens in a bare object store: no worktree, no index, no checkout. All ids are full
40-digit hex strings; all contents are bytes.
"""

from __future__ import annotations

import binascii
import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import gitdb.exc
from git import Repo as PyRepo
from git.exc import InvalidGitRepositoryError, NoSuchPathError

from backport.doors import process
from backport.values.commit import Person
from backport.values.errors import BackportError, UsageError
from backport.values.gitformat import (
    FILE_MODE,
    MARKER_SIZE,
    TREE_MODE,
    ZERO,
    Change,
    CommitInfo,
    Entry,
    MergeResult,
    Unmerged,
    format_commit,
    kind_of,
    parse_change,
    parse_commit,
    parse_grep_line,
    parse_tree_line,
    parse_unmerged,
)

__all__ = [
    "FILE_MODE",
    "HERMETIC",
    "TREE_MODE",
    "Change",
    "CommitInfo",
    "Entry",
    "Git",
    "MergeResult",
    "Unmerged",
    "parse_commit",
]

# Neither the user's nor the machine's git configuration may change a result.
HERMETIC = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}

_CONFIG = (
    *("-c", "core.attributesFile=/dev/null", "-c", "merge.renames=false"),
    *("-c", "merge.conflictStyle=diff3", "-c", "diff.algorithm=histogram"),
)
_NAMES_AT_ONCE = 400  # in one pattern


class Git:
    """One repository, opened for reading and for adding objects; each command gets `env`."""

    def __init__(self, path: Path, env: Mapping[str, str] | None = None) -> None:
        try:
            self._repo = PyRepo(path)
        except (InvalidGitRepositoryError, NoSuchPathError) as err:
            raise UsageError(f"{path}: not a git repository") from err
        self.path = Path(self._repo.git_dir)
        self._env = {**HERMETIC, **(env or {})}
        # GitPython guesses a bare repository's kind from its config, and asks git in its parent
        # folder if that does not say `bare` (after `git sparse-checkout` in a worktree of it).
        self._repo.git.update_environment(GIT_DIR=str(self.path.absolute()), **HERMETIC)

    @classmethod
    def init_bare(cls, path: Path) -> Git:
        """Create an empty bare repository, or open the one that is there."""
        if not (path / "HEAD").is_file():
            path.mkdir(parents=True, exist_ok=True)
            process.run(["git", "init", "-q", "--bare", path], env=HERMETIC)
            config = {"core.compression": "1", "gc.auto": "0", "core.logAllRefUpdates": "true"}
            for key, value in config.items():
                process.run(["git", "--git-dir", path, "config", key, value], env=HERMETIC)
        return cls(path)

    def run(
        self,
        *args: str | Path,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float | None = None,
    ) -> process.Completed:
        """Run a git command on this repository."""
        argv = ["git", "--git-dir", self.path, *_CONFIG, *args]
        return process.run(
            argv, stdin=stdin, env={**self._env, **(env or {})}, check=check, timeout=timeout
        )

    @contextlib.contextmanager
    def reading(self, *args: str | Path, feed: Path | None = None) -> Iterator[IO[bytes]]:
        """What a git command writes, read as it comes; `feed` is a file that it reads."""
        source: list[Sequence[str | Path]] = [("cat", "--", feed)] if feed else []
        git = ("git", "--git-dir", self.path, *_CONFIG, *args)
        with process.pipeline(*source, git, env=self._env) as out:
            yield out

    @staticmethod
    def in_worktree(
        root: Path,
        *args: str | Path,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> process.Completed:
        """Run a git command in a worktree that we made, with its own index."""
        argv = ["git", "-C", root, *args]
        return process.run(argv, stdin=stdin, env={**HERMETIC, **(env or {})}, check=check)

    def stream(
        self,
        *args: str | Path,
        on_line: Callable[[str], None],
        log: Path,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> process.Completed:
        """Run a git command that lasts; its talk goes to `log` and line by line to `on_line`."""
        argv = ["git", "--git-dir", str(self.path), *args]
        return process.stream(
            argv, on_line, log=log, env={**HERMETIC, **(env or {})}, pass_fds=pass_fds
        )

    # -- reading

    def resolve(self, rev: str) -> str | None:
        """The id that `rev` names, peeled to a commit or tree as written; None if there is none."""
        done = self.run("rev-parse", "--verify", "-q", "--end-of-options", rev, check=False)
        return done.text.strip() if done.returncode == 0 else None

    def blob(self, oid: str) -> bytes:
        """The bytes of a blob."""
        try:
            data: bytes = self._repo.odb.stream(binascii.unhexlify(oid)).read()
        except (gitdb.exc.BadObject, ValueError) as err:
            # gitdb reads packs it knew when it opened; git itself knows the newest.
            done = self.run("cat-file", "blob", oid, check=False)
            if done.returncode:
                raise BackportError(f"{self.path}: no blob {oid}") from err
            return done.stdout
        return data

    def commit(self, oid: str) -> CommitInfo:
        """Read one commit; an unknown id is a `UsageError`."""
        done = self.run("cat-file", "commit", oid, check=False)
        if done.returncode:
            raise UsageError(f"{oid}: no such commit in {self.path}")
        return parse_commit(oid, done.stdout)

    def tree_of(self, rev: str) -> str:
        """The tree of a commit-ish or tree-ish."""
        found = self.resolve(f"{rev}^{{tree}}")
        if found is None:
            raise UsageError(f"{rev}: names no tree in {self.path}")
        return found

    def entries(self, tree: str, paths: Sequence[str] = ()) -> dict[str, Entry]:
        """The blobs below `paths` (everything without any) of a tree, by path."""
        args = ["ls-tree", "-r", "-z", "--full-tree", tree]
        done = self.run(*args, *(["--", *paths] if paths else []))
        return dict(parse_tree_line(line) for line in done.text.split("\0") if line)

    def entry(self, tree: str, path: str) -> Entry | None:
        """One blob of a tree."""
        return self.entries(tree, [path]).get(path)

    def read(self, tree: str, path: str) -> bytes | None:
        """The contents of a path in a tree, None if it is not there."""
        found = self.entry(tree, path)
        return None if found is None else self.blob(found.oid)

    def changes(self, old: str, new: str) -> list[Change]:
        """The paths that differ between two trees, in path order, renames as delete and add."""
        done = self.run("diff-tree", "-r", "-z", "--no-renames", old, new)
        fields = done.text.split("\0")
        return [parse_change(fields[i], fields[i + 1]) for i in range(0, len(fields) - 1, 2)]

    def diff(self, old: str, new: str, *args: str) -> bytes:
        """The textual difference of two trees or blobs."""
        return self.run(
            "diff", "--no-color", "--no-renames", "--no-ext-diff", *args, old, new
        ).stdout

    def grep(
        self, tree: str, pattern: str, paths: Sequence[str] = ()
    ) -> list[tuple[str, int, str]]:
        """Lines of a tree that match a basic extended regex: (path, line from 1, text)."""
        argv = ["grep", "-I", "-n", "-z", "-E", "-e", pattern, tree, "--", *paths]
        # Matching bytes, not UTF-8, is ten times faster, and the names of C are ASCII.
        done = self.run(*argv, env={"LC_ALL": "C"}, check=False)
        if done.returncode > 1:
            raise process.ProcessFailed(done)
        return [parse_grep_line(line, tree) for line in done.text.split("\n") if line]

    def words(self, tree: str, names: Sequence[str], paths: Sequence[str] = ()) -> set[str]:
        """Those of `names`, identifiers, that stand as whole words in text files of a tree."""
        found: set[str] = set()
        for start in range(0, len(names), _NAMES_AT_ONCE):
            some = "|".join(names[start : start + _NAMES_AT_ONCE])
            argv = ["grep", "-I", "-h", "-o", "-w", "-E", "-e", f"({some})", tree, "--", *paths]
            done = self.run(*argv, env={"LC_ALL": "C"}, check=False)
            if done.returncode > 1:
                raise process.ProcessFailed(done)
            found.update(done.text.split("\n"))
        return found - {""}

    # -- writing objects

    def write_blob(self, data: bytes) -> str:
        """Store bytes, give their id."""
        return self.run("hash-object", "-w", "--stdin", stdin=data).text.strip()

    def empty_tree(self) -> str:
        """The id of the tree without entries, stored."""
        return self.run("mktree", stdin=b"").text.strip()

    def edit_tree(self, tree: str, edits: Mapping[str, Entry | None]) -> str:
        """A tree with some files set (`Entry`) or removed (None); an empty `tree` starts anew.

        A file in the way of a directory gives way, and so does a directory that becomes empty.
        None at a directory, or where nothing is, changes nothing.
        """
        return (self._edited(tree, edits) if edits else tree) or self.empty_tree()

    def _edited(self, tree: str, edits: Mapping[str, Entry | None]) -> str:
        here: dict[str, Entry | None] = {}
        below: dict[str, dict[str, Entry | None]] = {}
        for path, entry in edits.items():
            head, _, rest = path.partition("/")
            if rest:
                below.setdefault(head, {})[rest] = entry
            else:
                here[head] = entry
        listing = self._listing(tree) if tree else {}
        for name, sub in below.items():
            old = listing.get(name)
            is_tree = old is not None and old.mode == TREE_MODE
            new = self._edited(old.oid if old and is_tree else "", sub)
            if new:
                here[name] = Entry(TREE_MODE, new)
            elif is_tree:  # emptied; a file may take its place
                del listing[name]
        for name, entry in here.items():
            if entry is not None:
                listing[name] = entry
            elif name in listing and listing[name].mode != TREE_MODE:
                del listing[name]
        return self._mktree(listing)

    def commit_tree(
        self,
        tree: str,
        parents: Iterable[str],
        message: str,
        author: Person,
        committer: Person,
    ) -> str:
        """Store a commit; the same arguments give the same id everywhere."""
        parents = list(parents)
        self._demand(tree, *parents)
        data = format_commit(tree, parents, message, author, committer)
        return self.write_object("commit", data)

    def write_object(self, kind: str, data: bytes) -> str:
        """Store an object as it is, give its id; git refuses one that is malformed."""
        return self.run("hash-object", "-t", kind, "-w", "--stdin", stdin=data).text.strip()

    def merge_trees(self, base: str, ours: str, theirs: str) -> MergeResult:
        """Three-way merge of trees in core, as a cherry-pick of `theirs` (on `base`) onto `ours`.

        `base` and `theirs` may be slices: what they do not name stays as `ours` has it. A path that
        one side deleted is settled here, because git before 2.50 cannot be told not to look for
        renames and would put the other side's change into any similar file.
        """
        aside = self._one_sided(base, ours, theirs)
        gone = dict.fromkeys((u.path for u in aside), None)
        base, ours, theirs = (self.edit_tree(tree, gone) for tree in (base, ours, theirs))
        merged = self._merge(base, ours, theirs)
        back = {u.path: u.ours or u.theirs for u in aside if not _agreed(u)}
        left = [u for u in aside if u.path in back]
        return MergeResult(
            self.edit_tree(merged.tree, back),
            tuple(sorted([*merged.unmerged, *left], key=lambda u: u.path)),
        )

    def _one_sided(self, base: str, ours: str, theirs: str) -> list[Unmerged]:
        """The paths of base that upstream touches and one side, or both, have deleted."""
        changes = [c for c in self.changes(base, theirs) if c.old]
        here = self.entries(ours, [c.path for c in changes]) if changes else {}
        sides = [Unmerged(c.path, c.old, here.get(c.path), c.new) for c in changes]
        return [u for u in sides if u.ours is None or u.theirs is None]

    def merge_sides(self, base: str, ours: str, theirs: str) -> tuple[str, str]:
        """Two throw-away commits whose merge base has the tree `base`.

        That is how `git merge-tree` is told of it: git 2.39 has no --merge-base.
        """
        who = Person("merge", "merge@localhost", "0 +0000")
        root = self.commit_tree(base, [], "base", who, who)
        left = self.commit_tree(ours, [root], "ours", who, who)
        return left, self.commit_tree(theirs, [root], "theirs", who, who)

    def _merge(self, base: str, ours: str, theirs: str) -> MergeResult:
        """Merge whole trees.

        The markers are longer than any line of text that looks like one, such as a heading's.
        """
        left, right = self.merge_sides(base, ours, theirs)
        with tempfile.NamedTemporaryFile("w", prefix="backport-attributes-") as attributes:
            attributes.write(f"* conflict-marker-size={MARKER_SIZE}\n")
            attributes.flush()
            config = ["-c", f"core.attributesFile={attributes.name}"]
            argv = ["merge-tree", "--write-tree", "-z", "--no-messages", left, right]
            done = self.run(*config, *argv, check=False)
        if done.returncode not in {0, 1} or not done.stdout:
            raise process.ProcessFailed(done)  # it ends with 1 for an object it lacks, too
        tree, *rest = done.text.split("\0")
        return MergeResult(tree, parse_unmerged(rest))

    # -- refs

    def ref(self, name: str) -> str | None:
        """What a full ref name points at."""
        return self.resolve(f"{name}^{{commit}}")

    def update_ref(self, name: str, new: str, expected: str | None, reason: str) -> None:
        """Move a ref once, only if it is still at `expected` (None: it must not exist)."""
        done = self.run("update-ref", "-m", reason, name, new, expected or ZERO, check=False)
        if done.returncode:
            raise UsageError(
                f"{name}: is not at {expected or 'nothing'} any more; the branch was left as it is",
                hint="look at it with `git log`, then run the same command again",
            )

    def delete_ref(self, name: str) -> None:
        """Drop a ref of our own."""
        self.run("update-ref", "-d", name)

    def _demand(self, *oids: str) -> None:
        """Refuse to build upon objects that are not there; git itself would not notice."""
        text = "".join(f"{oid}\n" for oid in oids).encode()
        done = self.run("cat-file", "--batch-check", stdin=text)
        lost = [line.split()[0] for line in done.text.splitlines() if line.endswith(" missing")]
        if lost:
            raise BackportError(f"{self.path}: no object {', '.join(lost)}")

    # -- trees, one directory at a time

    def _listing(self, tree: str) -> dict[str, Entry]:
        done = self.run("ls-tree", "-z", "--full-tree", tree)
        return dict(parse_tree_line(line) for line in done.text.split("\0") if line)

    def _mktree(self, listing: Mapping[str, Entry]) -> str:
        if not listing:
            return ""
        lines = [f"{e.mode} {kind_of(e.mode)} {e.oid}\t{name}\0" for name, e in listing.items()]
        text = "".join(lines).encode("utf-8", "surrogateescape")
        return self.run("mktree", "-z", stdin=text).text.strip()


def _agreed(sides: Unmerged) -> bool:
    """Whether a deletion on one side meets no change on the other."""
    return sides.base in {sides.ours, sides.theirs} or sides.ours == sides.theirs
