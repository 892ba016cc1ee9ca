"""The one form of a bundle's archive: what is packed comes back, and nothing else is taken."""

from __future__ import annotations

import io
import random
import tarfile

import pytest

from backport.evidence.archive import BadBundle, pack, unpack
from backport.values.errors import UsageError

FILES = {"b/two": b"2" * 700, "a": b"", "run.json": b"{}", "b/one": b"1" * 512}


def tar(*infos, form=tarfile.USTAR_FORMAT):
    """An archive as another program might write it: rows of name, bytes and changes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data, changes in infos:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_what_is_packed_comes_back_and_tar_reads_it_too():
    data = pack(FILES)
    assert unpack(data, "x.tar") == FILES
    assert data == pack(dict(reversed(FILES.items())))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert {i.name: archive.extractfile(i).read() for i in archive} == FILES
        assert [i.name for i in archive] == sorted(FILES)
        assert {(i.uid, i.gid, i.mtime, i.uname, i.mode) for i in archive} == {(0, 0, 0, "", 0o644)}
    assert unpack(tar(("a", b"1", {})), "x") == {"a": b"1"}  # the form is tar's own, not ours


def test_every_flipped_bit_of_the_frame_is_caught():
    """Of headers, padding and the end; what is in a member, its hash tells."""
    data = pack(FILES)
    inside, at = set(), 0
    for _, text in sorted(FILES.items()):
        inside |= set(range(at + 512, at + 512 + len(text)))
        at += 512 + -(-len(text) // 512) * 512
    places = [n for n in range(len(data)) if n not in inside]
    for place in random.Random(7).sample(places, 1500):
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        with pytest.raises((BadBundle, UsageError), match=r"is|has|header|between|behind|early"):
            unpack(bytes(changed), "x.tar")


@pytest.mark.parametrize("length", [*range(0, 600, 37), 1024, 1100, 2048, 2500, 3584, 4096, 9000])
def test_every_truncated_archive_is_refused(length):
    data = pack(FILES)
    with pytest.raises((BadBundle, UsageError), match=r"^(ends too early|x: is no bundle)"):
        unpack(data[:length], "x")


WRONG = [
    ([("/etc/passwd", b"x", {})], "an absolute path"),
    ([("a/../../b", b"x", {})], "a path that goes up"),
    ([("./a", b"x", {})], "more than letters"),
    ([("a//b", b"x", {})], "more than letters"),
    ([(".git/config", b"x", {})], "more than letters"),
    ([("-rf", b"x", {})], "more than letters"),
    ([("a\nb", b"x", {})], "more than letters"),
    ([("a\\b", b"x", {})], "more than letters"),
    ([("d/" * 60 + "x", b"x", {})], "more than 100 characters"),
    ([("a", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc"})], "a symbolic link"),
    ([("a", b"", {"type": tarfile.LNKTYPE, "linkname": "b"})], "a hard link"),
    ([("a", b"", {"type": tarfile.DIRTYPE})], "a folder"),
    ([("a", b"", {"type": tarfile.FIFOTYPE})], "a pipe"),
    ([("a", b"", {"type": tarfile.CHRTYPE})], "a device"),
    ([("a", b"x", {}), ("a", b"y", {})], "is in it twice"),
    ([("b", b"x", {}), ("a", b"y", {})], "out of order"),
    ([("a", b"x", {}), ("a.b", b"y", {}), ("a/b/c", b"z", {})], "is below a, which is a file"),
    ([("a", b"x", {"uid": 1000})], "more in it than a name and a size"),
    ([("a", b"x", {"mtime": 1})], "more in it than a name and a size"),
    ([("a", b"x", {"uname": "secret"})], "more in it than a name and a size"),
    ([("a", b"x", {"mode": 0o755})], "more in it than a name and a size"),
]


@pytest.mark.parametrize(("infos", "why"), WRONG, ids=[w for _, w in WRONG])
def test_an_archive_of_another_form_is_refused(infos, why):
    with pytest.raises(BadBundle, match=why):
        unpack(tar(*infos), "x.tar")


def test_a_long_name_of_pax_or_gnu_is_refused():
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with pytest.raises((BadBundle, UsageError)):
            unpack(tar(("a/" * 150, b"x", {}), form=form), "x.tar")


def test_a_size_that_no_bundle_has_is_refused_before_it_is_read():
    info = tarfile.TarInfo("a")
    info.size = 1 << 34  # needs tar's binary numbers
    with pytest.raises(BadBundle, match="says that it has 17179869184 bytes"):
        unpack(info.tobuf(tarfile.GNU_FORMAT) + bytes(10240), "x")


@pytest.mark.parametrize("data", [b"", b"PK\3\4" + bytes(3000), b"text\n" * 900, bytes(20480)])
def test_what_is_no_archive_is_said_to_be_none(data):
    with pytest.raises(UsageError, match=r"x\.zip: is no bundle"):
        unpack(data, "x.zip")


def test_something_behind_the_end_is_refused():
    for more in (b"x", bytes(10240), pack({"z": b"z"})):
        with pytest.raises(BadBundle, match=r"something behind its last member, run\.json"):
            unpack(pack(FILES) + more, "x")


@pytest.mark.parametrize("name", ["/a", "a/../b", "", "a b", "é", "a" * 101])
def test_a_name_that_could_not_be_read_back_is_not_packed(name):
    with pytest.raises(UsageError, match="cannot be in a bundle"):
        pack({name: b""})
