"""Tarballs: unpacked safely, in every compression, known by their hash."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import subprocess
import tarfile
from pathlib import Path

import pytest
from treekit import KERNEL, same_tree, tar_bytes, tree_by_git, write_tree

from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.readers.intake import SourceFile
from backport.sources import obtain, tarball
from backport.values.errors import UsageError
from backport.values.events import silent
from backport.values.target import TarballSource, Tree


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


PACKERS = {
    "linux.tar": bytes,
    "linux.tar.gz": gzip.compress,
    "linux.tgz": gzip.compress,
    "linux.tar.bz2": bz2.compress,
    "linux.tar.xz": lzma.compress,
    "linux.tar.zst": zstd,
}


def take(tmp_path: Path, spec: TarballSource) -> Tree:
    cache = Cache(tmp_path / "cache")
    return obtain(spec, Store(cache), cache, silent)


def saved(tmp_path: Path, data: bytes, name: str = "linux.tar") -> TarballSource:
    (tmp_path / name).write_bytes(data)
    return TarballSource(tmp_path / name)


@pytest.mark.parametrize("name", PACKERS)
def test_every_compression_gives_the_same_tree(tmp_path, name):
    spec = saved(tmp_path, PACKERS[name](tar_bytes()), name)
    tree = take(tmp_path, spec)
    assert tree.tree == tree_by_git(write_tree(tmp_path / "plain"))
    assert tree.sha256 == hashlib.sha256(spec.path.read_bytes()).hexdigest()
    assert (tree.label, tree.source) == ("linux-6.1.7", str(spec.path))


@pytest.mark.parametrize("top", ["linux-6.1.7/", "./linux/", "./", ""])
def test_the_top_directory_does_not_matter(tmp_path, top):
    one = take(tmp_path, saved(tmp_path, tar_bytes(top=top)))
    other = take(tmp_path, saved(tmp_path, tar_bytes(), "other.tar"))
    assert same_tree(one, other)


def test_the_same_tarball_elsewhere_is_the_same_commit_imported_once(tmp_path):
    one = take(tmp_path, saved(tmp_path, tar_bytes()))
    (tmp_path / "elsewhere").mkdir()
    spec = saved(tmp_path / "elsewhere", tar_bytes(), "renamed.tar")
    cache = Cache(tmp_path / "cache")
    other = obtain(spec, Store(cache), cache, silent)
    assert (one.commit, other.source) == (other.commit, str(spec.path))
    assert len(list((cache.store / "backport").glob("*.json"))) == 1


def test_the_right_hash_passes_in_either_case(tmp_path):
    spec = saved(tmp_path, tar_bytes())
    sha256 = hashlib.sha256(spec.path.read_bytes()).hexdigest()
    for given in (sha256, sha256.upper()):
        assert take(tmp_path, TarballSource(spec.path, given)).sha256 == sha256


def test_a_wrong_hash_names_both(tmp_path):
    spec = saved(tmp_path, tar_bytes())
    sha256 = hashlib.sha256(spec.path.read_bytes()).hexdigest()
    with pytest.raises(UsageError, match=f"its sha256 is {sha256}, not {'0' * 64}"):
        take(tmp_path, TarballSource(spec.path, "0" * 64))


def test_a_replaced_file_is_hashed_anew(tmp_path):
    spec = saved(tmp_path, tar_bytes())
    first = take(tmp_path, spec)
    saved(tmp_path, tar_bytes((*KERNEL, SourceFile("new", "100644", b"new"))))
    assert take(tmp_path, spec).tree != first.tree


@pytest.mark.parametrize("name", ["linux.tar", "linux.tar.gz", "linux.tar.xz"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.9])
def test_a_cut_off_tarball_is_refused_whole(tmp_path, name, keep):
    noise = bytes((n * n * 31 + n // 7) % 251 for n in range(60000))
    whole = PACKERS[name](tar_bytes((*KERNEL, SourceFile("noise", "100644", noise))))
    spec = saved(tmp_path, whole[: int(len(whole) * keep)], name)
    with pytest.raises(UsageError):
        take(tmp_path, spec)
    assert not list((tmp_path / "cache/store.git/objects/pack").glob("*.pack"))


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path):
    data = bytearray(gzip.compress(tar_bytes()))
    data[-6] ^= 1  # in gzip's CRC: the tar itself is whole
    with pytest.raises(UsageError, match="damaged or cut off"):
        take(tmp_path, saved(tmp_path, bytes(data), "linux.tar.gz"))


def test_what_is_no_tarball_says_which_are_known(tmp_path):
    with pytest.raises(UsageError, match="not a tarball") as caught:
        take(tmp_path, saved(tmp_path, b"x", "linux.zip"))
    assert ".tar.xz" in caught.value.hint
    with pytest.raises(UsageError, match="no such file"):
        take(tmp_path, TarballSource(tmp_path / "none.tar"))


def special(kind: bytes, name: str = "linux-6.1.7/dev") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_fifos_are_refused(tmp_path, kind):
    with pytest.raises(UsageError, match="is a device, a fifo"):
        take(tmp_path, saved(tmp_path, tar_bytes(extra=(special(kind),))))


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "linux-6.1.7/../../evil", "linux-6.1.7/.git/x"]
)
def test_paths_that_leave_are_refused_and_nothing_is_written(tmp_path, name):
    spec = saved(tmp_path, tar_bytes(extra=(special(tarfile.REGTYPE, name),)))
    with pytest.raises(UsageError, match="nothing was imported"):
        take(tmp_path, spec)
    assert not list(tmp_path.rglob("evil"))


def test_a_file_through_a_link_is_refused(tmp_path):
    evil = (SourceFile("d", "120000", b"net"), SourceFile("d/x", "100644", b"x"))
    with pytest.raises(UsageError, match="other paths run through it"):
        take(tmp_path, saved(tmp_path, tar_bytes((*KERNEL, *evil))))


def test_hard_links_are_kept_as_files(tmp_path):
    twin = SourceFile("net/twin.c", "100644", same_as="net/core/dev.c")
    cache = Cache(tmp_path / "cache")
    store = Store(cache)
    tree = obtain(saved(tmp_path, tar_bytes((*KERNEL, twin))), store, cache, silent)
    assert store.git.read(tree.tree, "net/twin.c") == b"int dev;\n"


def test_long_names_and_old_headers_are_read(tmp_path):
    deep = SourceFile("/".join(["directory" * 3] * 12) + "/f.c", "100644", b"deep")
    tree = take(tmp_path, saved(tmp_path, tar_bytes((*KERNEL, deep))))
    assert tree.tree == tree_by_git(write_tree(tmp_path / "plain", (*KERNEL, deep)))


def test_every_unpacker_is_tested():
    assert {name.removeprefix("linux") for name in PACKERS} == set(tarball.UNPACKERS)
