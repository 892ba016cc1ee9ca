"""What messages say of other commits, in the forms that people really write."""

from __future__ import annotations

import pytest

from backport.readers.citations import (
    Citation,
    Sort,
    read_message,
    stands_for,
    subject_key,
)

A = "35dfaad7188cdc043fde31709c796f5a692ba2bd"
B = "053c8e1f235dc3f69d13375b32f4209228e1cb96"
SUBJECT = "dock: Make it a list"


def said(body, sort=None, subject="dock: Something"):
    found = read_message(f"{subject}\n\n{body}\n").citations
    return [c for c in found if sort is None or c.sort is sort]


@pytest.mark.parametrize(
    ("line", "sha", "subject"),
    [
        (f'Fixes: {A[:12]} ("{SUBJECT}")', A[:12], SUBJECT),
        (f'Fixes: {A} ("{SUBJECT}")', A, SUBJECT),
        (f"Fixes: {A[:7]}", A[:7], ""),
        (f'fixes: commit {A[:12]} ("{SUBJECT}")', A[:12], SUBJECT),
        (f"Fixes: {A[:12]} (“{SUBJECT}“)", A[:12], SUBJECT),
        (f"Fixes: {A[:12]} ({SUBJECT})", A[:12], SUBJECT),
        (f"Fixes: {A[:12]}: {SUBJECT}", A[:12], SUBJECT),
        (f'Fixes: {A[:12].upper()} ("{SUBJECT}").', A[:12], SUBJECT),
        (f'  Fixes: {A[:12]} ("Revert "{SUBJECT}"")', A[:12], f'Revert "{SUBJECT}"'),
        (f'Fixes: {A[:12]} ("dock: Make\n  it a list")', A[:12], SUBJECT),
        (f'Fixes: ("{SUBJECT}")', "", SUBJECT),
    ],
)
def test_a_fixes_tag_in_all_its_forms(line, sha, subject):
    body = f"Because.\n\n{line}\nSigned-off-by: A <a@b>"
    assert said(body, Sort.FIXES) == [Citation(Sort.FIXES, sha, subject)]


@pytest.mark.parametrize("line", ["Fixes: the hang of testpmd", "This fixes 3 bugs.", "Fixes: #12"])
def test_what_is_no_fixes_tag(line):
    assert said(line, Sort.FIXES) == []


def test_several_fixes_tags_and_the_trailer_behind_one():
    body = f'Fixes: {A[:12]} ("one"\nFixes: {B[:12]} ("two")\nCc: stable@vger.kernel.org'
    assert [c.sha for c in said(body, Sort.FIXES)] == [A[:12], B[:12]]


@pytest.mark.parametrize(
    "text",
    [
        f"[ Upstream commit {A} ]",
        f"[ upstream commit {A} ]",
        f"[ upsteram commit {A} ]",
        f"    [ Upstream commit {A} ]",
        f"commit {A} upstream.",
        f"commit {A} upstream",
        f"Upstream commit {A}",
        f"Upstream commit {A}.",
        f"(cherry picked from commit {A})",
        f"[ backported from commit {A} ]",
        f"[ backported from upstream commit {A} ]",
        f"(backported from commit {A})",
        f"Git-commit: {A}",
        f"Upstream-commit: {A}",
        f"commit {A}",
        f"[ Upstream commits\n  {A}\n]",
    ],
)
def test_what_a_pick_says_in_every_dialect(text):
    assert stands_for(f"dock: Fix\n\n{text}\n\nBecause.\n") == [Citation(Sort.STANDS_FOR, A)]


def test_a_pick_of_several():
    text = f"dock: Fix\n\n[ Upstream commits\n  {A}\n  {B}\n]\n"
    assert [c.sha for c in stands_for(text)] == [A, B]


@pytest.mark.parametrize(
    "text",
    [
        f'commit {A[:12]} ("{SUBJECT}") made it worse.',
        f"commit {A[:12]} made it worse.",
        f"since commit {A[:12]}",
        f'Upstream commit {A[:12]} ("{SUBJECT}") made it worse.',
    ],
)
def test_prose_about_a_commit_is_no_claim_to_be_a_pick(text):
    assert stands_for(f"dock: Fix\n\nThis is slow\n{text}\n") == []


def test_a_mention_needs_a_subject_and_is_none_of_what_is_named_otherwise():
    body = f'Since commit {A[:12]} ("dock: Make\nit a list") it hangs.\n\nFixes: {B[:12]} ("two")\n'
    body += f'commit {B[:12]} ("two") was wrong, and commit {A[:10]} says nothing'
    assert said(body, Sort.MENTIONS) == [Citation(Sort.MENTIONS, A[:12], SUBJECT)]


@pytest.mark.parametrize(
    ("subject", "body", "found"),
    [
        (f'Revert "{SUBJECT}"', f"This reverts commit {A}.", [(A, SUBJECT)]),
        (f'Revert "{SUBJECT}"', "It hangs.", [("", SUBJECT)]),
        ("dock: Fix", f"This partially reverts commit {A[:12]}.", [(A[:12], "")]),
        ("dock: Go back", f"This reverts commits {A},\n{B}.", [(A, ""), (B, "")]),
        ("dock: Back", f"This reverts commit {A[:12]} and {B[:9]}.", [(A[:12], ""), (B[:9], "")]),
        ("dock: Go back", "This reverts to the old way.", []),
    ],
)  # fmt: skip
def test_reverts(subject, body, found):
    assert [(c.sha, c.subject) for c in said(body, Sort.REVERTS, subject)] == found


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            "https://lore.kernel.org/r/20230719140858.13224-3-ada@example.org",
            "https://lore.kernel.org/bpf/20230719140858.13224-4-ada@example.org",
        ),
        (
            "https://patch.msgid.link/20240705-dock-list-v3-1-9dbc4a6f5b0a@example.org",
            "https://lore.kernel.org/all/20240705-dock-list-v3-2-9dbc4a6f5b0a@example.org",
        ),
        (
            "https://lore.kernel.org/r/0a1b2c3d4e.1690000000.git.ada@example.org",
            "https://lore.kernel.org/r/9f8e7d6c5b.1690000000.git.ada@example.org",
        ),
    ],
)
def test_mails_of_one_series_have_one_key(one, two):
    keys = [read_message(f"dock: X\n\nLink: {link}\n").series for link in (one, two)]
    assert keys[0] == keys[1] != ()


def test_a_link_to_elsewhere_and_a_mail_on_its_own_are_no_series():
    for link in ("https://example.org/bug?id=3", "https://lore.kernel.org/r/87abc@example.org"):
        assert read_message(f"dock: X\n\nLink: {link}\n").series == ()


def test_who_asks_for_stable_trees():
    assert read_message("x\n\nCc: stable@vger.kernel.org # 5.10+\n").stable
    assert read_message("x\n\nCc: <stable@dpdk.org>\n").stable
    assert not read_message("x\n\nstable@vger.kernel.org was not told\n").stable


def test_subjects_are_alike_however_they_are_written():
    assert subject_key("dock: Make it  a list") == subject_key("Dock: make it a list.")
    assert subject_key("dock: Make it a list") != subject_key("dock: Make it a tree")
    assert subject_key("") == subject_key(" ") == 0
