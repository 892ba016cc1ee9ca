"""Kernel versions: how they are written, ordered, and put into ranges."""

from __future__ import annotations

import pytest

from backport.values.version import Range, Version


@pytest.mark.parametrize(
    ("text", "version", "shown"),
    [
        ("6.1", Version(6, 1), "6.1"),
        ("v5.15.16", Version(5, 15, 16), "5.15.16"),
        ("6.7-rc3", Version(6, 7, 0, 3), "6.7-rc3"),
        ("6.1.192-2", Version(6, 1, 192), "6.1.192"),
        ("6.12.117-1~deb12u1", Version(6, 12, 117), "6.12.117"),
        (" 6.1\n", Version(6, 1), "6.1"),
        ("6.1.0-rc1-dirty", Version(6, 1, 0, 1), "6.1-rc1"),
    ],
)
def test_parse(text, version, shown):
    assert Version.parse(text) == version
    assert str(version) == shown
    assert Version.parse(shown) == version


@pytest.mark.parametrize("text", ["", "6", "six.one", "6.1.x", "6.1 7", "-6.1", "6..1", "1.2.3.4"])
def test_what_is_no_version(text):
    with pytest.raises(ValueError, match="is not a kernel version"):
        Version.parse(text)


def test_order():
    texts = ["5.9", "5.10-rc1", "5.10-rc2", "5.10", "5.10.1", "5.15", "6.1", "6.1.2", "6.1.10"]
    versions = [Version.parse(text) for text in texts]
    assert sorted(reversed(versions)) == versions
    assert Version(6, 1) == Version(6, 1, 0)
    assert len({Version(6, 1), Version(6, 1, 0), Version(6, 1, 1)}) == 2


def test_ranges_are_half_open():
    both = Range(Version(5, 15), Version(6, 1))
    assert Version(5, 15) in both
    assert Version(6, 0, 9) in both
    assert Version(6, 1) not in both
    assert Version(6, 1, 0, 1) in both  # a candidate comes before the release
    assert Version(5, 14, 99) not in both
    assert str(both) == "[5.15, 6.1)"


def test_a_missing_end_is_open():
    assert Version(2, 6) in Range()
    assert Version(2, 6) in Range(until=Version(3, 0))
    assert Version(3, 0) not in Range(until=Version(3, 0))
    assert Version(9, 9) in Range(since=Version(3, 0))
    assert str(Range(until=Version(3, 0))) == "[, 3.0)"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("6.1.7", Version(6, 1, 7)),
        ("6.7.0-rc3", Version(6, 7, 0, 3)),
        ("5.14.0.el9", Version(5, 14)),
        ("5.15.16custom", Version(5, 15, 16)),
        ("6.1.7-rc1-vendor.2+", Version(6, 1, 7, 1)),
    ],
)
def test_a_vendors_suffix_is_no_part_of_a_trees_version(text, version):
    assert Version.of_tree(text) == version
