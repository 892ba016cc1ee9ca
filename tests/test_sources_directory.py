"""Plain directories: everything in them, unchanged ones for a walk."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from treekit import KERNEL, same_tree, tar_bytes, tree_by_git, write_tree

from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.readers.intake import SourceFile
from backport.sources import directory, obtain
from backport.values.errors import UsageError
from backport.values.events import Progress, silent
from backport.values.target import DirectorySource, TarballSource, Tree


def take(tmp_path: Path, top: Path, emit=silent) -> Tree:
    cache = Cache(tmp_path / "cache")
    return obtain(DirectorySource(top), Store(cache), cache, emit)


def test_a_directory_is_its_tree_with_what_gitignore_names(tmp_path):
    top = write_tree(tmp_path / "linux")
    tree = take(tmp_path, top)
    store = Store(Cache(tmp_path / "cache"))
    assert "net/core/left.o" in store.git.entries(tree.tree)
    assert str(tmp_path) not in store.git.commit(tree.commit).message
    assert (tree.version, tree.label, tree.source) == ("6.1.7", "linux-6.1.7", str(top))
    assert tree.tree == tree_by_git(top)


def test_a_copy_elsewhere_has_the_same_commit(tmp_path):
    one = take(tmp_path, write_tree(tmp_path / "one"))
    other = take(tmp_path, write_tree(tmp_path / "deeper" / "other"))
    assert one.commit == other.commit


def test_a_directory_and_a_tarball_of_it_have_the_same_tree(tmp_path):
    (tmp_path / "x.tar").write_bytes(tar_bytes())
    cache = Cache(tmp_path / "cache")
    packed = obtain(TarballSource(tmp_path / "x.tar"), Store(cache), cache, silent)
    assert same_tree(packed, take(tmp_path, write_tree(tmp_path / "x")))


def test_an_unchanged_directory_is_not_read_again(tmp_path):
    top = write_tree(tmp_path / "linux")
    take(tmp_path, top)
    events: list[object] = []
    take(tmp_path, top, events.append)
    assert not [e for e in events if isinstance(e, Progress)]


@pytest.mark.parametrize("change", ["edit", "mode", "link", "new", "gone"])
def test_any_change_is_seen(tmp_path, change):
    top = write_tree(tmp_path / "linux")
    before = take(tmp_path, top)
    dev = top / "net/core/dev.c"
    if change == "edit":  # same size, same modification time: the change time tells
        times = dev.stat()
        dev.write_bytes(b"INT DEV;\n")
        os.utime(dev, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "mode":
        dev.chmod(0o755)
    elif change == "link":
        (top / "include/link.h").unlink()
        (top / "include/link.h").symlink_to("../net/core/left.o")
    elif change == "new":
        (top / "net/new.c").write_text("")
    else:
        dev.unlink()
        (top / "include/link.h").unlink()
    after = take(tmp_path, top)
    assert after.tree != before.tree
    assert after.tree == tree_by_git(top)


def test_a_directory_that_changes_under_the_reading_is_refused(tmp_path):
    many = tuple(SourceFile(f"lib/{n}.c", "100644", b"%d" % n) for n in range(500))
    top = write_tree(tmp_path / "linux", (*KERNEL, *many))

    def emit(event: object) -> None:
        if isinstance(event, Progress) and event.done == 400:
            (top / "Makefile").write_text("other\n")

    with pytest.raises(UsageError, match="changed while it was read"):
        take(tmp_path, top, emit)
    assert Store(Cache(tmp_path / "cache")).git.run("for-each-ref").text == ""


def test_a_file_that_goes_away_under_the_reading_is_refused(tmp_path):
    many = tuple(SourceFile(f"lib/{n}.c", "100644", b"%d" % n) for n in range(500))
    top = write_tree(tmp_path / "linux", (*KERNEL, *many))

    def emit(event: object) -> None:
        if isinstance(event, Progress) and event.done == 400:
            (top / "scripts/run.sh").unlink()

    with pytest.raises(UsageError, match="changed while it was read"):
        take(tmp_path, top, emit)


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_fifos_and_sockets_are_refused_without_hanging(tmp_path, kind, monkeypatch):
    top = write_tree(tmp_path / "linux")
    if kind == "fifo":
        os.mkfifo(top / "odd")
    else:
        monkeypatch.chdir(top)  # a socket's name may only be short
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind("odd")
    with pytest.raises(UsageError, match="odd: is a device, a fifo or a socket"):
        take(tmp_path, top)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "."])
def test_links_are_kept_inside(tmp_path, target):
    top = write_tree(tmp_path / "linux")
    (top / "link").symlink_to(target)
    if target == ".":
        assert take(tmp_path, top).version == "6.1.7"
        return
    with pytest.raises(UsageError, match="symlink"):
        take(tmp_path, top)


def test_what_is_no_kernel_is_said_before_anything_is_read(tmp_path, monkeypatch):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x").write_text("x")
    monkeypatch.setattr(directory, "walked", lambda top: pytest.fail("walked"))
    with pytest.raises(UsageError, match="notes is not a kernel tree: it has no Makefile"):
        take(tmp_path, tmp_path / "notes")
    with pytest.raises(UsageError, match="no such directory"):
        take(tmp_path, tmp_path / "none")


def test_a_repository_is_to_be_named_as_one(tmp_path):
    top = write_tree(tmp_path / "linux")
    tree_by_git(top)
    with pytest.raises(UsageError, match="is a git repository"):
        take(tmp_path, top)
