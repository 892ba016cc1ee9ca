"""The store: imports happen once, whole, and under the same id everywhere."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from treekit import KERNEL, git, tree_by_git, write_tree

from backport.doors import process
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.doors.store import Origin, Store
from backport.readers.intake import SourceFile
from backport.values.errors import Unavailable, UsageError
from backport.values.events import Note, Progress, silent

ORIGIN = Origin("test-1", "a test", "small 1-2", "ab" * 32)


def make(tmp_path: Path, name: str = "cache") -> Store:
    return Store(Cache(tmp_path / name))


def leftovers(store: Store) -> list[str]:
    """What an import must not leave: folders in the inbox, temporary packs."""
    path = store.git.path
    found = [p for p in (path / "inbox").glob("*") if p.is_dir()]
    return [p.name for p in (*found, *path.glob("objects/pack/tmp_*"))]


def refs(store: Store) -> str:
    return store.git.run("for-each-ref").text


def test_an_import_is_the_tree_that_git_makes(tmp_path):
    store = make(tmp_path)
    tree = store.import_files(ORIGIN, KERNEL, silent)
    assert tree.tree == tree_by_git(write_tree(tmp_path / "plain"))
    assert (tree.version, tree.label, tree.source) == ("6.1.7", "small 1-2", "a test")
    store.git.run("fsck", "--full", "--strict")
    assert not leftovers(store)


def test_the_same_tree_has_the_same_commit_in_any_cache(tmp_path):
    one = make(tmp_path, "one").import_files(ORIGIN, KERNEL, silent)
    other = make(tmp_path / "deep", "other").import_files(
        Origin("test-2", "elsewhere", ORIGIN.label, ORIGIN.sha256), KERNEL[::-1], silent
    )
    assert one.commit == other.commit


def test_the_commit_says_what_it_is_and_not_where(tmp_path):
    store = make(tmp_path)
    info = store.git.commit(store.import_files(ORIGIN, KERNEL, silent).commit)
    assert info.subject == "small 1-2"
    assert f"Archive-SHA256: {ORIGIN.sha256}" in info.message
    assert str(tmp_path) not in info.message
    assert info.parents == ()
    assert info.committer.date == "946684800 +0000"


def test_a_tree_without_a_label_is_named_by_its_version(tmp_path):
    store = make(tmp_path)
    tree = store.import_files(Origin("dir-1", "/some/where"), KERNEL, silent)
    assert tree.label == "linux-6.1.7"
    assert store.git.commit(tree.commit).subject == "linux-6.1.7"


def test_a_second_use_reads_nothing(tmp_path):
    tree = make(tmp_path).import_files(ORIGIN, KERNEL, silent)

    def untouched():
        raise AssertionError("read again")
        yield

    assert make(tmp_path).import_files(ORIGIN, untouched(), silent) == tree
    assert make(tmp_path).find(ORIGIN) == tree
    assert make(tmp_path).find(Origin("test-9", "")) is None


def packed(store: Store) -> int:
    return sum(p.stat().st_size for p in store.git.path.glob("objects/pack/*.pack"))


def test_a_tree_like_an_earlier_one_brings_only_what_is_new(tmp_path):
    noise = SourceFile("noise", "100644", hashlib.shake_256(b"x").digest(100_000))
    store = make(tmp_path)
    store.import_files(ORIGIN, (*KERNEL, noise), silent)
    before = packed(store)
    extra = SourceFile("extra", "100644", b"new")
    tree = store.import_files(Origin("test-2", ""), (*KERNEL, noise, extra), silent)
    assert packed(store) - before < 1000
    assert tree.tree == tree_by_git(write_tree(tmp_path / "plain", (*KERNEL, noise, extra)))
    store.git.run("fsck", "--full", "--strict")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"commit": 1}'])
def test_a_damaged_record_is_an_import_that_is_not_there(tmp_path, text):
    store = make(tmp_path)
    tree = store.import_files(ORIGIN, KERNEL, silent)
    (store.git.path / "backport" / "test-1.json").write_text(text)
    assert store.find(ORIGIN) is None
    assert store.import_files(ORIGIN, KERNEL, silent) == tree


def test_a_record_without_its_ref_does_not_count(tmp_path):
    store = make(tmp_path)
    store.import_files(ORIGIN, KERNEL, silent)
    store.git.delete_ref("refs/backport/base/test-1")
    assert store.find(ORIGIN) is None


def test_names_that_git_would_quote(tmp_path):
    names = ["a b", 'a"b', '"q', "a\nb", "tab\there", "back\\slash", "\udcff\udcfe", '"x\n\\']
    odd = tuple(SourceFile(name, "100644", name.encode("utf-8", "replace")) for name in names)
    store = make(tmp_path)
    tree = store.import_files(ORIGIN, (*KERNEL, *odd), silent)
    assert set(store.git.entries(tree.tree)) == {f.path for f in (*KERNEL, *odd)}


def test_a_hard_link_becomes_a_file_of_its_own(tmp_path):
    store = make(tmp_path)
    twin = SourceFile("net/twin.c", "100755", same_as="net/core/dev.c")
    tree = store.import_files(ORIGIN, (*KERNEL, twin), silent)
    assert store.git.read(tree.tree, "net/twin.c") == b"int dev;\n"
    assert store.git.entries(tree.tree)["net/twin.c"].mode == "100755"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ((SourceFile("../evil", "100644", b""),), "leads out"),
        ((SourceFile("x", "120000", b"/etc/passwd"),), "not inside the tree"),
        ((SourceFile("Makefile", "100644", b""),), "twice"),
        ((SourceFile(".git/hooks/x", "100755", b""),), "inside a .git"),
    ],
)
def test_a_refused_tree_leaves_nothing(tmp_path, bad, why):
    store = make(tmp_path)
    with pytest.raises(UsageError, match=why):
        store.import_files(ORIGIN, (*KERNEL, *bad), silent)
    assert not leftovers(store)
    assert refs(store) == ""
    assert not list((store.git.path / "objects" / "pack").glob("*.pack"))


def test_what_is_no_kernel_leaves_nothing(tmp_path):
    store = make(tmp_path)
    with pytest.raises(UsageError, match="a test is not a kernel tree: it has no Kconfig"):
        store.import_files(ORIGIN, (KERNEL[0], KERNEL[3]), silent)
    assert refs(store) == ""
    assert not list((store.git.path / "objects" / "pack").glob("*.pack"))


def test_progress_counts_files(tmp_path):
    many = tuple(SourceFile(f"lib/{n}.c", "100644", b"%d" % n) for n in range(1000))
    events: list[object] = []
    make(tmp_path).import_files(ORIGIN, (*KERNEL, *many), events.append, total=1007)
    assert events[0] == Progress("import", 400, 1007, "files")
    assert events[-1] == Progress("import", 1007, 1007, "files")


def test_a_full_disk_is_the_machines_fault(tmp_path):
    def full():
        yield from KERNEL
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Unavailable, match="no room left") as caught:
        make(tmp_path).import_files(ORIGIN, full(), silent)
    assert "BACKPORT_CACHE" in caught.value.hint


def test_git_meeting_a_full_disk_is_told_the_same_way(tmp_path):
    def fill(inbox: Git) -> str:
        process.run(["sh", "-c", "echo 'fatal: x: No space left on device' >&2; exit 128"])
        return ""

    with pytest.raises(Unavailable, match="no room left"):
        make(tmp_path).import_commit(ORIGIN, fill, silent)


def test_git_dying_under_an_import_is_told(tmp_path):
    def endless():
        yield from KERNEL
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        for n in range(100000):
            yield SourceFile(f"x/{n}", "100644", b"x" * 1000)

    store = make(tmp_path)
    with pytest.raises(process.ProcessFailed, match=r"fast-import.*killed by SIGKILL"):
        store.import_files(ORIGIN, endless(), silent)
    assert refs(store) == ""


def children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()]


SLOW_IMPORT = """
import select, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from treekit import KERNEL
from backport.doors.cache import Cache
from backport.values.events import silent
from backport.doors.store import Origin, Store

def source():
    yield from KERNEL
    print("reading", flush=True)
    select.select([sys.stdin], [], [], float(sys.argv[3]))

origin = Origin("test-1", "a test", "small 1-2", "ab" * 32)
print(Store(Cache(Path(sys.argv[1]))).import_files(origin, source(), silent).commit, flush=True)
"""


def slow_import(tmp_path: Path, seconds: float) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", SLOW_IMPORT, tmp_path / "cache", Path(__file__).parent]
    proc = subprocess.Popen(
        [*map(str, argv), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert proc.stdout is not None
    assert proc.stdout.readline() == "reading\n"
    return proc


def wait_for_orphans(tmp_path: Path) -> None:
    """git ends by itself when its input does, a moment after the process that fed it."""
    end, mark = time.monotonic() + 10, str(tmp_path / "cache").encode()

    def works(path: Path) -> bool:
        with contextlib.suppress(OSError):
            return mark in path.read_bytes()
        return False

    while any(works(path) for path in Path("/proc").glob("[0-9]*/cmdline")):
        assert time.monotonic() < end, "an orphan works on"
        time.sleep(0.01)


def test_what_a_kill_left_of_a_finished_import_goes_with_the_next_look(tmp_path):
    store = make(tmp_path)
    store.import_files(ORIGIN, KERNEL, silent)
    (store.git.path / "inbox" / "dead-0123" / "objects").mkdir(parents=True)
    assert leftovers(store) == ["dead-0123"]
    store.import_files(ORIGIN, KERNEL, silent)
    assert not leftovers(store)


def test_a_killed_import_leaves_no_ref_and_the_next_one_sweeps(tmp_path):
    proc = slow_import(tmp_path, 60)
    proc.kill()
    proc.communicate()
    wait_for_orphans(tmp_path)
    store = make(tmp_path)
    assert leftovers(store) == ["test-1"]
    assert store.find(ORIGIN) is None
    other = store.import_files(Origin("test-2", "another"), KERNEL, silent)
    assert not leftovers(store)
    again = store.import_files(ORIGIN, KERNEL, silent)
    assert again.commit != other.commit
    assert again == make(tmp_path).find(ORIGIN)
    store.git.run("fsck", "--full", "--strict")


def test_a_second_process_waits_and_takes_the_first_ones_import(tmp_path):
    proc = slow_import(tmp_path, 0.5)
    events: list[object] = []

    def untouched():
        raise AssertionError("imported twice")
        yield

    tree = make(tmp_path).import_files(ORIGIN, untouched(), events.append)
    assert proc.communicate()[0].strip() == tree.commit
    assert [e for e in events if isinstance(e, Note) and "waiting" in e.text]


def test_a_sweep_leaves_a_running_import_alone(tmp_path):
    proc = slow_import(tmp_path, 60)
    store = make(tmp_path)
    store.import_files(Origin("test-2", "another"), KERNEL, silent)
    assert leftovers(store) == ["test-1"]
    commit = proc.communicate("go on\n")[0].strip()
    assert proc.returncode == 0
    found = store.find(ORIGIN)
    assert found is not None
    assert found.commit == commit


def test_two_imports_at_once_do_not_harm_each_other(tmp_path):
    procs = [slow_import(tmp_path, 0.2)]
    store = make(tmp_path)
    for n in range(3):
        extra = SourceFile(f"n{n}", "100644", b"%d" % n)
        store.import_files(Origin(f"more-{n}", "x"), (*KERNEL, extra), silent)
    assert [proc.wait() for proc in procs] == [0]
    for proc in procs:
        assert proc.stdout is not None
        proc.stdout.close()
    assert len(refs(store).splitlines()) == 4
    store.git.run("fsck", "--full", "--strict")


def test_a_second_use_costs_milliseconds(tmp_path):
    store = make(tmp_path)
    store.import_files(ORIGIN, KERNEL, silent)
    best = 1.0
    for _ in range(5):
        start = time.monotonic()
        assert store.find(ORIGIN)
        best = min(best, time.monotonic() - start)
    assert best < 0.05


def test_commits_without_their_parents_are_known_as_such(tmp_path):
    repo = write_tree(tmp_path / "repo")
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", "-A", "-f")
    git(repo, "commit", "-q", "-m", "one")
    git(repo, "commit", "-q", "--allow-empty", "-m", "two")
    sha = git(repo, "rev-parse", "HEAD")

    def fetch(inbox: Git) -> str:
        inbox.run(
            "-c", "fetch.unpackLimit=1", "fetch", "-q", "--depth=1", repo, f"{sha}:refs/heads/x"
        )
        return sha

    store = make(tmp_path)
    tree = store.import_commit(Origin(f"commit-{sha}", "repo"), fetch, silent)
    assert tree.commit == sha
    assert store.git.run("rev-list", sha).text.split() == [sha]
    store.git.run("fsck", "--full")
