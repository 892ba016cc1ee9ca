"""A series as a value: what is picked, and which rows contradict each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backport.values.errors import ManifestError, Place
from backport.values.series import LeftOut, Role, Series, SeriesCommit, check, resolve_fixes
from backport.values.version import Version

A, B, C, D = (digit * 40 for digit in "abcd")


V67 = Version(6, 7)


def row(sha, role=Role.CORE, first_in=V67, fixes=()):
    return SeriesCommit(
        sha, f"subject {sha[0]}", first_in, role, fixes, place=Place("s.toml", ord(sha[0]))
    )


def series(*commits, left_out=(), **kwargs):
    return Series("s", "title", commits, left_out, **kwargs)


def test_picked_and_served_keep_order_and_split_by_role():
    s = series(row(A), row(B, Role.SELFTEST), row(C, Role.FIX), row(D, Role.LIBBPF))
    check(s)
    assert [c.sha for c in s.picked] == [A, C]
    assert [c.sha for c in s.served] == [B, D]


def test_find_takes_full_shas_and_long_prefixes():
    s = series(row(A), row(B))
    assert s.find(A) is s.commits[0]
    assert s.find(B[:12]) is s.commits[1]
    assert s.find(A[:11]) is None
    assert s.find(C) is None


def test_a_fix_of_an_earlier_commit_passes():
    check(series(row(A), row(B, Role.FIX, fixes=(A,))))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (series(), "has no commits"),
        (series(row(A), row(A)), f"s.toml:97: {A} is already at s.toml:97"),
        (series(row(A), left_out=(LeftOut(A, "x", "why"),)), "is already at"),
        (series(row(A, Role.FIX, fixes=(B,)), row(B)), "comes later or is itself"),
        (series(row(A, Role.FIX, fixes=(A,))), "comes later or is itself"),
        (
            series(row(A, Role.FIX, fixes=(B,)), row(B, Role.FIX, fixes=(A,))),
            f"s.toml:97: fixes {B}",
        ),
        (
            series(row(A), row(B, fixes=(C,)), left_out=(LeftOut(C, "x", "why"),)),
            "which is left out",
        ),
        (series(row(A), row(B, first_in=Version(6, 6))), "s.toml:98: first in 6.6, but stands"),
        (series(row(A), pick=()), "role core is in neither list"),
        (series(row(A), donor=(Role.CORE,)), "role core is both picked and served"),
    ],
)
def test_contradictions_are_refused(bad, message):
    with pytest.raises(ManifestError) as caught:
        check(bad)
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_release_candidate_sorts_before_its_release():
    check(series(row(A, first_in=Version(6, 7, rc=2)), row(B)))
    with pytest.raises(ManifestError):
        check(series(row(B), row(A, first_in=Version(6, 7, rc=2))))


def test_fixes_may_be_abbreviated():
    commits = (row(A), row(B, fixes=(A[:12],)))
    assert list(resolve_fixes(commits, (), commits[1])) == [A]


@pytest.mark.parametrize(("text", "word"), [("e" * 12, "not in this series"), ("a" * 12, "ambig")])
def test_fixes_of_the_unknown_and_the_ambiguous_are_refused(text, word):
    twin = row("a" * 39 + "b")
    fix = replace(row(B), fixes=(text,))
    with pytest.raises(ManifestError, match=word) as caught:
        list(resolve_fixes((row(A), twin, fix), (), fix))
    assert caught.value.place.line == ord("b")
