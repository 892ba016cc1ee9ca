"""Debian's archive, in small: signed, served on loopback, resolved with a state of our own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path

import pytest
from debkit import Key, Mirror, deb_bytes, kernel_package, served
from treekit import tree_by_git, write_tree

from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.sources import apt, obtain
from backport.sources.archive import Archive, Package, newest
from backport.values.errors import ToolMissing, Unavailable, UsageError
from backport.values.events import Note, Progress, silent
from backport.values.target import DebianSource

pytestmark = pytest.mark.slow

SUITES = ("bookworm", "bookworm-security")


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    made = Key.make(tmp_path_factory.mktemp("gpg") / "k")
    yield made
    made.close()


@pytest.fixture
def mirror(tmp_path, key, monkeypatch):
    """A mirror with one package in each suite; no retries, so that failures fail fast."""
    made = Mirror(tmp_path / "www" / "debian", key)
    made.add("bookworm", "tiny", "1.0-1")
    made.add("bookworm-security", "tiny", "1.0-1+deb12u1")
    monkeypatch.setenv(apt.KEYRING, str(key.ring))
    monkeypatch.setattr(apt, "_CONFIG", apt._CONFIG + 'Acquire::Retries "0";\n')
    use(monkeypatch, made.root)
    return made


def use(monkeypatch: pytest.MonkeyPatch, where: Path | str) -> None:
    address = f"file:{where}" if isinstance(where, Path) else where
    monkeypatch.setenv(apt.MIRROR, address)
    monkeypatch.setenv(apt.SECURITY_MIRROR, address)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


# -- resolving


def test_the_newest_version_of_all_suites_wins(mirror, cache):
    package = Archive(cache).resolve("tiny", SUITES)
    assert (package.version, package.suite) == ("1.0-1+deb12u1", "bookworm-security")
    deb = mirror.root / package.filename
    assert package.sha256 == hashlib.sha256(deb.read_bytes()).hexdigest()
    assert package.size == deb.stat().st_size
    assert Archive(cache).resolve("tiny", ("bookworm",)).version == "1.0-1"


def test_debian_orders_versions_not_python(mirror):
    def package(version: str) -> Package:
        return Package("x", version, "", 0, "", "")

    versions = ["6.1.9-1", "6.1.10-1~bpo12+1", "6.1.10-1", "6.1.10~rc1-1"]
    assert newest([package(v) for v in versions]).version == "6.1.10-1"
    assert newest([package(v) for v in reversed(versions)]).version == "6.1.10-1"


def test_a_recorded_answer_needs_no_network(mirror, cache, monkeypatch):
    first = Archive(cache).resolve("tiny", SUITES)
    monkeypatch.setattr(apt.process, "run", lambda *a, **k: pytest.fail(f"ran {a}"))
    start = time.monotonic()
    assert Archive(cache).resolve("tiny", SUITES) == first
    assert time.monotonic() - start < 0.05


def age(cache: Cache, seconds: float) -> None:
    path = cache.archive / "resolved.json"
    records = json.loads(path.read_text())
    for record in records.values():
        record["time"] -= seconds
    path.write_text(json.dumps(records))
    for stamp in cache.archive.glob("apt/*/updated"):
        os.utime(stamp, (time.time() - seconds, time.time() - seconds))


def test_an_answer_serves_for_a_day_unless_refreshed(mirror, cache):
    Archive(cache).resolve("tiny", SUITES)
    mirror.add("bookworm-security", "tiny", "2.0-1")
    assert Archive(cache).resolve("tiny", SUITES).version == "1.0-1+deb12u1"
    age(cache, 25 * 3600)
    assert Archive(cache).resolve("tiny", SUITES).version == "2.0-1"
    mirror.add("bookworm-security", "tiny", "3.0-1")
    assert Archive(cache).resolve("tiny", SUITES, refresh=True).version == "3.0-1"


def test_a_package_is_not_taken_for_one_whose_name_it_begins(mirror, cache):
    mirror.add("bookworm", "tiny-more", "9")
    mirror.add("bookworm", "more-tiny", "9")
    assert Archive(cache).resolve("tiny", ("bookworm",)).version == "1.0-1"


@pytest.mark.parametrize("name", ["nope", "tin", "Tiny", "../x", "tiny\n", ""])
def test_an_unknown_package_is_the_callers_fault(mirror, cache, name):
    with pytest.raises(UsageError, match=r"no package \S+ in bookworm|not the name of a package"):
        Archive(cache).resolve(name, ("bookworm",))


@pytest.mark.parametrize("suite", ["../x", "book worm", "", "Bookworm\n"])
def test_a_suite_is_a_name(mirror, cache, suite):
    with pytest.raises(UsageError, match="not the name of a suite"):
        Archive(cache).resolve("tiny", (suite,))


def test_without_network_an_older_answer_serves_with_a_note(mirror, cache, monkeypatch):
    first = Archive(cache).resolve("tiny", SUITES)
    age(cache, 50 * 3600)
    use(monkeypatch, "http://127.0.0.1:1/debian")
    events: list[object] = []
    assert Archive(cache).resolve("tiny", SUITES, emit=events.append) == first
    assert [e for e in events if isinstance(e, Note) and "looked up 2 days ago" in e.text]


def test_without_network_and_answer_it_says_what_to_do(mirror, cache, monkeypatch):
    use(monkeypatch, "http://127.0.0.1:1/debian")
    with pytest.raises(Unavailable, match="suite bookworm: cannot be fetched") as caught:
        Archive(cache).resolve("tiny", SUITES)
    assert "check the network" in caught.value.hint


def test_a_suite_that_is_not_there(mirror, cache):
    with pytest.raises(apt.Gone, match="suite nosuch: the archive does not have it"):
        Archive(cache).resolve("tiny", ("nosuch",))


def test_an_index_signed_by_another_key_is_refused(mirror, cache, tmp_path):
    other = Key.make(tmp_path / "other")
    mirror.publish("bookworm", key=other)
    other.close()
    with pytest.raises(apt.Untrusted, match="not signed by a key"):
        Archive(cache).resolve("tiny", ("bookworm",))


def test_an_older_answer_does_not_excuse_a_bad_signature(mirror, cache, tmp_path):
    Archive(cache).resolve("tiny", ("bookworm",))
    other = Key.make(tmp_path / "other")
    mirror.publish("bookworm", key=other)
    other.close()
    with pytest.raises(apt.Untrusted):
        Archive(cache).resolve("tiny", ("bookworm",), refresh=True)


def test_an_index_that_was_tampered_with_is_refused(mirror, cache):
    index = mirror.root / "dists/bookworm/main/binary-amd64/Packages"
    index.write_text(index.read_text().replace("1.0-1", "6.6-6"))
    with pytest.raises(Unavailable):
        Archive(cache).resolve("tiny", ("bookworm",))


def test_without_keys_nothing_is_trusted(mirror, cache, monkeypatch):
    monkeypatch.setenv(apt.KEYRING, "/nonexistent/ring.gpg")
    with pytest.raises(ToolMissing) as caught:
        Archive(cache).resolve("tiny", SUITES)
    assert "debian-archive-keyring" in caught.value.hint


def test_another_mirror_is_asked_at_once(mirror, cache, monkeypatch, tmp_path):
    Archive(cache).resolve("tiny", ("bookworm",))
    other = Mirror(tmp_path / "www" / "other", mirror.key)
    other.add("bookworm", "tiny", "7.0")
    other.add("bookworm", "only-there", "1")
    use(monkeypatch, other.root)
    assert Archive(cache).resolve("only-there", ("bookworm",)).version == "1"


# -- mirrors


def test_the_hosts_mirrors_are_found_among_its_sources(monkeypatch):
    lines = """\
        https://apt.example/debian-tools tools main
        https://a.example/debian-security/ bookworm-security main
        https://a.example/debian/ bookworm main
        https://b.example/debian bookworm-updates main
    """
    found = apt.choose_mirrors(lines)
    assert found.of("bookworm-backports") == "https://a.example/debian/"
    assert found.of("bullseye-security") == "https://a.example/debian-security/"


def test_the_security_archive_is_the_sibling_unless_named(monkeypatch):
    assert apt.choose_mirrors("http://a.example/debian x main").security.endswith(
        "/debian-security"
    )
    monkeypatch.setenv(apt.MIRROR, "http://b.example/debian/")
    monkeypatch.delenv(apt.SECURITY_MIRROR, raising=False)
    assert apt.mirrors() == apt.Mirrors(
        "http://b.example/debian", "http://b.example/debian-security"
    )


def test_a_host_without_a_mirror_is_told_what_to_set():
    with pytest.raises(Unavailable, match="names no mirror") as caught:
        apt.choose_mirrors("http://a.example/ubuntu jammy main\n")
    assert apt.MIRROR in caught.value.hint


# -- meta packages


def test_a_meta_package_is_followed_to_the_image_of_its_version(mirror, cache):
    image = "linux-image-6.1.0-9-cloud-amd64"
    mirror.add("bookworm", image, "6.1.9-2", depends="kmod, initramfs-tools | linux-initramfs-tool")
    mirror.add("bookworm", image, "6.1.9-1")
    mirror.add("bookworm", "linux-image-6.1-cloud-amd64", "6.1.9-1", depends=f"{image} (= 6.1.9-1)")
    mirror.add(
        "bookworm",
        "linux-image-cloud-amd64",
        "6.1.9-1",
        depends="x, linux-image-6.1-cloud-amd64 (= 6.1.9-1)",
    )
    archive = Archive(cache)
    found = archive.resolve_image("linux-image-cloud-amd64", ("bookworm",))
    assert (found.name, found.version) == (image, "6.1.9-1")
    direct = archive.resolve_image(image, ("bookworm",))
    assert direct.version == "6.1.9-2"
    assert archive.follow(direct) == direct


def test_a_meta_package_whose_image_is_missing(mirror, cache):
    mirror.add("bookworm", "linux-image-x", "1", depends="linux-image-6.1.0-9 (= 1)")
    with pytest.raises(UsageError, match=r"no package linux-image-6\.1\.0-9 1 in bookworm"):
        Archive(cache).resolve_image("linux-image-x", ("bookworm",))


# -- downloading


def test_a_download_is_verified_and_kept(mirror, cache):
    archive = Archive(cache)
    package = archive.resolve("tiny", SUITES)
    events: list[object] = []
    deb = archive.download(package, events.append)
    assert hashlib.sha256(deb.read_bytes()).hexdigest() == package.sha256
    assert not deb.is_symlink()
    assert events[-1] == Progress("download", package.size, package.size, "bytes")
    (mirror.root / package.filename).unlink()
    assert archive.download(package) == deb


def test_a_cut_off_download_goes_on_where_it_ended(mirror, cache, monkeypatch):
    noise = hashlib.shake_256(b"x").digest(300_000)
    mirror.add("bookworm", "big", "1", files={"usr/share/big": noise})
    archive = Archive(cache)
    with served(mirror.root.parent) as server:
        use(monkeypatch, server.url)
        package = archive.resolve("big", ("bookworm",))
        server.cut["big_1_amd64.deb"] = 200_000
        with pytest.raises(Unavailable):
            archive.download(package)
        server.cut.clear()
        server.asked.clear()
        deb = archive.download(package)
    assert [span for _path, span in server.asked] == ["bytes=200000-"]
    assert hashlib.sha256(deb.read_bytes()).hexdigest() == package.sha256


def test_wrong_contents_are_removed_and_fetched_anew(mirror, cache, monkeypatch):
    archive = Archive(cache)
    with served(mirror.root.parent) as server:
        use(monkeypatch, server.url)
        package = archive.resolve("tiny", ("bookworm",))
        deb = mirror.root / package.filename
        good = deb.read_bytes()
        deb.write_bytes(good[:-1] + b"?")
        with pytest.raises(apt.Untrusted, match="hash") as caught:
            archive.download(package)
        assert package.sha256 in caught.value.message
        left = [p.name for p in (cache.archive / "debs" / package.sha256).iterdir()]
        assert left == ["lock"]
        deb.write_bytes(good)
        assert archive.download(package).read_bytes() == good


def test_a_version_that_the_archive_dropped_is_looked_up_again(mirror, cache):
    archive = Archive(cache)
    old = archive.resolve("tiny", ("bookworm",))
    (mirror.root / old.filename).unlink()
    with pytest.raises(apt.Gone):
        archive.download(old)
    mirror.suites["bookworm"].clear()
    mirror.add("bookworm", "tiny", "2.0")
    package, deb = Archive(cache).get("tiny", ("bookworm",))
    assert package.version == "2.0"
    assert deb.is_file()


def test_a_version_that_is_gone_for_good_is_an_error_not_a_loop(mirror, cache):
    package = Archive(cache).resolve("tiny", ("bookworm",))
    (mirror.root / package.filename).unlink()
    with pytest.raises(apt.Gone, match="does not have it"):
        Archive(cache).get("tiny", ("bookworm",))


# -- unpacking


def test_a_package_is_unpacked_whole_or_not_at_all(mirror, cache, tmp_path):
    archive = Archive(cache)
    deb = archive.download(archive.resolve("tiny", ("bookworm",)))
    dest = tmp_path / "out" / "tiny"
    archive.extract(deb, dest)
    assert (dest / "usr/share/tiny").read_text() == "1.0-1"
    archive.extract(tmp_path / "not-even-there.deb", dest)  # is there already
    bad = tmp_path / "bad.deb"
    bad.write_bytes(deb.read_bytes()[:-100])
    with pytest.raises(Unavailable, match=r"bad\.deb: cannot be unpacked"):
        archive.extract(bad, tmp_path / "out" / "bad")
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_dir()) == ["tiny"]


# -- a kernel source package as a base


def test_a_source_package_becomes_a_tree(mirror, cache, tmp_path):
    mirror.add("bookworm", "linux-source-6.1", "6.1.7-1", files=kernel_package())
    spec = DebianSource("linux-source-6.1", SUITES)
    tree = obtain(spec, Store(cache), cache, silent)
    assert tree.tree == tree_by_git(write_tree(tmp_path / "plain"))
    assert (tree.version, tree.label) == ("6.1.7", "linux-source-6.1 6.1.7-1")
    assert tree.source == "Debian package linux-source-6.1 6.1.7-1 (bookworm)"
    deb = next(cache.archive.glob("debs/*/*.deb"))
    assert tree.sha256 == hashlib.sha256(deb.read_bytes()).hexdigest()


def test_the_second_time_neither_package_nor_mirror_is_needed(mirror, cache, monkeypatch):
    deb = mirror.add("bookworm", "linux-source-6.1", "6.1.7-1", files=kernel_package())
    spec = DebianSource("linux-source-6.1", SUITES)
    first = obtain(spec, Store(cache), cache, silent)
    deb.unlink()
    for kept in cache.archive.glob("debs/*/*.deb"):
        kept.unlink()
    use(monkeypatch, "http://127.0.0.1:1/debian")
    assert obtain(spec, Store(cache), cache, silent) == first


def test_a_package_without_kernel_sources_is_told(mirror, cache):
    mirror.add("bookworm", "linux-source-6.1", "6.1.7-1", files={"usr/src/other": b""})
    with pytest.raises(UsageError, match=r"linux-source-6\.1 6\.1\.7-1 holds no"):
        obtain(DebianSource("linux-source-6.1", SUITES), Store(cache), cache, silent)
    with pytest.raises(UsageError, match="holds no"):
        obtain(DebianSource("tiny", SUITES), Store(cache), cache, silent)


def test_deb_bytes_is_what_dpkg_reads(tmp_path):
    (tmp_path / "x.deb").write_bytes(deb_bytes("Package: x\n", {"a/b": b"c"}))
    Archive(Cache(tmp_path)).extract(tmp_path / "x.deb", tmp_path / "x")
    assert (tmp_path / "x/a/b").read_bytes() == b"c"


# -- the real archive

WANTED = (
    ("linux-source-6.1", ("bookworm", "bookworm-security"), r"6\.1\.\d+-\d"),
    ("linux-source-6.12", ("bookworm-security",), r"6\.12\.\d+-1~deb12"),
    ("linux-source-5.10", ("bullseye", "bullseye-security"), r"5\.10\.\d+-\d"),
    ("iproute2", ("bookworm-backports",), r"6\.\d+\.\d+-1~bpo12"),
)
IMAGES = (
    (
        "linux-image-cloud-amd64",
        ("bookworm", "bookworm-security"),
        r"linux-image-6\.1\.0-\d+-cloud",
    ),
    (
        "linux-image-6.12-cloud-amd64",
        ("bookworm-security",),
        r"linux-image-6\.12\.\d+.*-cloud-amd64",
    ),
)


def state_of(*folders: str) -> dict[str, tuple[int, int]]:
    """Every file of folders with its size and modification time."""
    found = {}
    for folder in folders:
        for path in (Path(folder), *Path(folder).rglob("*")):
            info = path.lstat()
            found[str(path)] = (info.st_size, info.st_mtime_ns)
    return found


@pytest.mark.network
def test_the_real_archive_without_touching_the_host(tmp_path):
    before = state_of("/etc/apt", "/var/lib/apt", "/var/lib/dpkg", "/var/cache/apt")
    archive = Archive(Cache(tmp_path))
    for name, suites, version in WANTED:
        assert re.match(version, archive.resolve(name, suites).version)
    for name, suites, image in IMAGES:
        assert re.match(image, archive.resolve_image(name, suites).name)
    package, deb = archive.get("hostname", ("bookworm",))
    assert hashlib.sha256(deb.read_bytes()).hexdigest() == package.sha256
    archive.extract(deb, tmp_path / "out")
    assert (tmp_path / "out/bin/hostname").is_file()
    assert state_of("/etc/apt", "/var/lib/apt", "/var/lib/dpkg", "/var/cache/apt") == before
