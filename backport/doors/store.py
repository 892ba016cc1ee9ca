"""The bare object store: every source tree is imported once, under an id that depends on it alone.

An import happens in an inbox of its own (a repository beside the store) under a lock; when it is
whole and holds a kernel, its pack moves into the store, then its ref, then its record. So a killed
import leaves nothing that could be taken for a finished one, and the next import sweeps its inbox.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backport.doors import files, process
from backport.doors.cache import Cache
from backport.doors.git import HERMETIC, Git
from backport.readers.intake import Listing, SourceFile, kernel_version
from backport.values.commit import Person
from backport.values.errors import BackportError, Unavailable
from backport.values.events import Emit, Note, Progress
from backport.values.target import Tree

STAGE = "import"
STEP = 400  # files between two progress events
REFS = "refs/backport/base"
DEAD = "dead-"  # folders of the inbox that are being removed
PERSON = Person("backport", "backport@localhost", "946684800 +0000")

# Deltas against the file before cost half of the time and save 0.3 % of the room.
FAST_IMPORT = (
    *("-c", "core.compression=1", "-c", "pack.compression=1", "-c", "fastimport.unpackLimit=0"),
    *("fast-import", "--quiet", "--done", "--depth=0", "--date-format=raw"),
)


@dataclass(frozen=True)
class Origin:
    """What is imported: `key` is its identity and a file name, the rest is for people.

    An empty `label` becomes `linux-<version>`; `label` and `sha256` go into the commit.
    """

    key: str
    source: str
    label: str = ""
    sha256: str = ""


class Store:
    """The store of a cache; safe to use from several processes at once."""

    def __init__(self, cache: Cache) -> None:
        with files.locked(cache.root / "store.lock"):
            self.git = Git.init_bare(cache.store)
        self._records = self.git.path / "backport"
        self._inbox = self.git.path / "inbox"

    def find(self, origin: Origin) -> Tree | None:
        """The finished import of `origin`, or None; its `source` is what `origin` says."""
        try:
            record = json.loads((self._records / f"{origin.key}.json").read_bytes())
            told = {"source": origin.source, "label": origin.label or record["label"]}
            tree = Tree(**{**record, **told})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
        return tree if self.git.ref(_ref(origin)) == tree.commit else None

    def known(self) -> list[Tree]:
        """Every finished import, the newest first, each with the source it was imported from."""
        files_ = sorted(self._records.glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
        found = []
        for file in files_:
            with contextlib.suppress(OSError, ValueError, TypeError):
                tree = Tree(**json.loads(file.read_bytes()))
                if self.git.ref(f"{REFS}/{file.stem}") == tree.commit:
                    found.append(tree)
        return found

    def import_files(
        self,
        origin: Origin,
        source: Iterable[SourceFile],
        emit: Emit,
        *,
        total: int = 0,
        strip: bool = False,
    ) -> Tree:
        """Import files as one commit without parents; `source` is read once, and only if needed.

        `strip` takes off the one directory that all files are in. Raises `UsageError` on unsafe
        or foreign contents, `Unavailable` on a full disk; nothing is left in the store then.
        """

        def fill(inbox: Git) -> str:
            listing = Listing(origin.source)
            _borrow(inbox, self.git)
            argv = ("git", "--git-dir", str(inbox.path), *FAST_IMPORT)
            with process.fed(argv, env=HERMETIC) as out:
                _send_blobs(out, listing, _counted(source, emit, total))
                _send_tree(out, listing.finished(strip=strip))
            return inbox.tree_of("refs/heads/import")

        def commit(tree: Tree) -> str:
            return self.git.commit_tree(tree.tree, [], _message(tree), PERSON, PERSON)

        return self._once(origin, fill, commit, emit)

    def import_commit(self, origin: Origin, fetch: Callable[[Git], str], emit: Emit) -> Tree:
        """Import a commit that `fetch` brings into an empty repository; gives its id."""
        return self._once(origin, fetch, lambda tree: tree.commit, emit)

    def _once(
        self,
        origin: Origin,
        fill: Callable[[Git], str],
        commit: Callable[[Tree], str],
        emit: Emit,
    ) -> Tree:
        # Of an import that is done, too: a kill may have met it at clearing up.
        self._sweep()
        found = self.find(origin)
        if found:
            return found
        with _explained(self.git.path), self._claimed(origin, emit) as inbox:
            found = self.find(origin)  # by the process that we waited for
            if found:
                return found
            tree = _identify(inbox, origin, fill(inbox))
            return self._adopt(inbox, origin, tree, commit)

    @contextlib.contextmanager
    def _claimed(self, origin: Origin, emit: Emit) -> Iterator[Git]:
        """An empty repository for one import; one process at a time has it."""
        home = self._inbox / origin.key
        self._inbox.mkdir(exist_ok=True)
        with home.with_suffix(".lock").open("a") as lock:
            if not _try_lock(lock):
                emit(Note(STAGE, f"another process imports {origin.source}; waiting for it"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            _empty(home)
            home.mkdir()
            try:
                # A new name each time: orphans of a killed import write where nobody looks.
                yield Git.init_bare(Path(tempfile.mkdtemp(dir=home)))
            finally:
                _empty(home)

    def _sweep(self) -> None:
        """Remove what killed imports left; those that run hold their lock."""
        for dead in self._inbox.glob(f"{DEAD}*"):
            shutil.rmtree(dead, ignore_errors=True)
        for lock_path in self._inbox.glob("*.lock"):
            home = lock_path.with_suffix("")
            if home.is_dir():
                with lock_path.open("a") as lock:
                    if _try_lock(lock):
                        _empty(home)

    def _adopt(
        self, inbox: Git, origin: Origin, found: Tree, commit: Callable[[Tree], str]
    ) -> Tree:
        """Move an import into the store: objects first, then the ref, then the record."""
        with files.locked(self.git.path / "adopt.lock"):
            home = self.git.path / "objects" / "pack"
            for suffix in (".pack", ".rev", ".idx"):  # git finds a pack by its index
                for path in sorted((inbox.path / "objects" / "pack").glob(f"*{suffix}")):
                    path.replace(home / path.name)
            self._add_shallow(inbox)
            tree = dataclasses.replace(found, commit=commit(found))
            name = _ref(origin)
            self.git.update_ref(name, tree.commit, self.git.ref(name), "import")
        record = json.dumps(dataclasses.asdict(tree), indent=1)
        files.write(self._records / f"{origin.key}.json", record.encode())
        return tree

    def _add_shallow(self, inbox: Git) -> None:
        """Tell the store which commits came without their parents."""
        cut = _lines(inbox.path / "shallow")
        known = _lines(self.git.path / "shallow")
        if not cut <= known:
            text = "".join(f"{oid}\n" for oid in sorted(cut | known))
            files.write(self.git.path / "shallow", text.encode())


def _ref(origin: Origin) -> str:
    return f"{REFS}/{origin.key}"


def _borrow(inbox: Git, store: Git) -> None:
    """Let an import skip the files that the store has: most, for a tree like an earlier one."""
    (inbox.path / "objects" / "info" / "alternates").write_text(f"{store.path / 'objects'}\n")


def _identify(inbox: Git, origin: Origin, commit: str) -> Tree:
    tree = inbox.tree_of(commit)
    top = inbox.entries(tree, ["Makefile", "Kconfig"])
    makefile = inbox.blob(top["Makefile"].oid) if "Makefile" in top else None
    version = kernel_version(makefile, "Kconfig" in top, origin.source)
    label = origin.label or f"linux-{version}"
    return Tree(commit, tree, version, label, origin.source, origin.sha256)


# -- git fast-import's language


def _counted(source: Iterable[SourceFile], emit: Emit, total: int) -> Iterator[SourceFile]:
    done = 0
    for done, file in enumerate(source, 1):
        yield file
        if done % STEP == 0:
            emit(Progress(STAGE, done, total, "files"))
    emit(Progress(STAGE, done, done, "files"))


def _send_blobs(out: IO[bytes], listing: Listing, source: Iterable[SourceFile]) -> None:
    for mark, file in enumerate(source, 1):
        if file.same_as:
            listing.add(file, listing.mark_of(file))
            continue
        listing.add(file, mark)
        out.write(b"blob\nmark :%d\ndata %d\n" % (mark, len(file.data)))
        out.write(file.data)
        out.write(b"\n")


def _send_tree(out: IO[bytes], listing: dict[str, tuple[str, int]]) -> None:
    """A commit only to carry the tree: the real one names the version, which the tree tells."""
    out.write(b"commit refs/heads/import\ncommitter import <> 0 +0000\ndata 0\n")
    for path, (mode, mark) in listing.items():
        out.write(b"M %s :%d %s\n" % (mode.encode(), mark, _quoted(path)))
    out.write(b"\ndone\n")


def _message(tree: Tree) -> str:
    text = f"{tree.label}\n\nThe source tree as it was published.\n"
    return f"{text}\nArchive-SHA256: {tree.sha256}\n" if tree.sha256 else text


def _quoted(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    if raw.startswith(b'"') or b"\n" in raw:
        escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        return b'"%s"' % escaped
    return raw


# -- small helpers


@contextlib.contextmanager
def _explained(store: Path) -> Iterator[None]:
    """A full disk as what it is, whoever met it."""
    try:
        yield
    except process.ProcessFailed as err:
        if b"No space left on device" in err.done.stderr + err.done.stdout:
            raise _full(store) from err
        raise
    except OSError as err:
        raise files.trouble(err, store) from err


def _full(store: Path) -> BackportError:
    return Unavailable(
        f"{store}: no room left on the disk; nothing was imported",
        hint="free some space, or set BACKPORT_CACHE to a larger disk, then run it again",
    )


def _try_lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _empty(home: Path) -> None:
    """Remove a folder that the last children of a killed import may still write to by its name."""
    with contextlib.suppress(FileNotFoundError):
        dead = home.rename(home.with_name(f"{DEAD}{secrets.token_hex(8)}"))
        shutil.rmtree(dead, ignore_errors=True)


def _lines(path: Path) -> set[str]:
    return set(path.read_text().split()) if path.is_file() else set()
