"""What a source tree may hold."""

from __future__ import annotations

import pytest

from backport.readers.intake import Listing, SourceFile, check_link, clean_path, kernel_version
from backport.values.errors import UsageError


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("a/b", "a/b"),
        ("./a/b", "a/b"),
        (".//etc", "etc"),  # as every tar reads it
        (".config", ".config"),
        ("a/..b", "a/..b"),
        (".gitx", ".gitx"),
    ],
)
def test_plain_paths_pass(path, clean):
    assert clean_path(path) == clean


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "..",
        ".git/config",
        "a/.GIT/x",
        "a//b",
        "a/./b",
        "",
        ".",
        "./",
        "a/",
        "a\0b",
    ],
)
def test_unsafe_paths_are_refused(path):
    with pytest.raises(UsageError, match="nothing was imported"):
        clean_path(path)


def listing(*files: SourceFile) -> Listing:
    found = Listing("x.tar")
    for mark, file in enumerate(files, 1):
        found.add(file, mark)
    return found


def link(path: str, target: str) -> SourceFile:
    return SourceFile(path, "120000", target.encode())


def plain(path: str) -> SourceFile:
    return SourceFile(path, "100644", b"")


def test_a_path_twice_is_refused_however_it_is_spelled():
    with pytest.raises(UsageError, match=r"x\.tar twice"):
        listing(plain("a/b"), plain("./a/b"))


@pytest.mark.parametrize("above", [link("a", "b"), plain("a")])
@pytest.mark.parametrize("below", ["a/x", "a/x/y/z"])
def test_a_path_through_a_link_or_file_is_refused_in_either_order(above, below):
    for files in ((above, plain(below)), (plain(below), above)):
        with pytest.raises(UsageError, match="'a' is a file or a link"):
            listing(*files).finished(strip=False)


def test_the_one_top_directory_is_stripped():
    files = listing(plain("linux/a"), plain("linux/b/c")).finished(strip=True)
    assert sorted(files) == ["a", "b/c"]


@pytest.mark.parametrize("paths", [("x/a", "y/a"), ("x/a", "x"), ("x/a", "top")])
def test_nothing_is_stripped_without_one_top_directory(paths):
    found = listing(*(plain(path) for path in paths))
    if "x" in paths:
        with pytest.raises(UsageError):
            found.finished(strip=True)
    else:
        assert sorted(found.finished(strip=True)) == sorted(paths)


def test_a_link_to_above_the_stripped_directory_is_refused():
    with pytest.raises(UsageError, match="leads out of the tree"):
        listing(plain("linux/a"), link("linux/b", "../linux/a")).finished(strip=True)


@pytest.mark.parametrize(
    "target", ["a", "../a", "../../a", "../x/../y", "./a", "../.config", "c/d"]
)
def test_links_inside_the_tree_pass(target):
    check_link("x/y/link", target, {})


@pytest.mark.parametrize(
    "target", ["", "/etc", "../../..", "../../../a", "a/../../../../b", "a\0b"]
)
def test_links_out_of_the_tree_are_refused(target):
    with pytest.raises(UsageError):
        check_link("x/y/link", target, {})


def test_a_link_that_climbs_after_another_link_is_refused():
    # t is the root itself, so t/.. is above it although it reads as if it were the root
    with pytest.raises(UsageError, match="leads out"):
        listing(link("t", "."), link("s", "t/..")).finished(strip=False)


def test_a_hard_link_needs_an_earlier_file():
    found = listing(plain("a"), link("l", "a"))
    assert found.mark_of(SourceFile("b", "100644", same_as="a")) == 1
    for target in ("later", "l"):
        with pytest.raises(UsageError, match="hard link"):
            found.mark_of(SourceFile("b", "100644", same_as=target))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\nNAME = x\n", "6.1.192"),
        (b"# c\nVERSION = 6\nPATCHLEVEL = 7\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", "6.7.0-rc3"),
        (b"VERSION=5\nPATCHLEVEL:=15\nSUBLEVEL =16 \n", "5.15.16"),
    ],
)
def test_the_version_is_what_the_makefile_says(text, version):
    assert kernel_version(text, True, "x") == version


@pytest.mark.parametrize(
    ("makefile", "kconfig", "why"),
    [
        (None, True, "no Makefile"),
        (b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\n", False, "no Kconfig"),
        (b"VERSION = 6\nSUBLEVEL = 1\n", True, "does not set PATCHLEVEL"),
        (b"VERSION = $(X)\nPATCHLEVEL = 1\nSUBLEVEL = 1\n", True, "does not set VERSION"),
    ],
)
def test_what_is_no_kernel_is_named(makefile, kconfig, why):
    with pytest.raises(UsageError, match=f"drop is not a kernel tree: .*{why}") as caught:
        kernel_version(makefile, kconfig, "drop")
    assert "top of a kernel source tree" in caught.value.hint
