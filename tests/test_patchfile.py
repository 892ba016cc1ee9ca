"""Patch files: what is read of each kind, at which lines, and which paths are refused."""

from __future__ import annotations

import base64

import pytest

from backport.readers.patchfile import PatchFile, paths_in, read_patch, split_mbox
from backport.values.errors import ManifestError
from backport.values.provenance import Letter, author_of, subject_of

SHA = "35dfaad7188cdc043fde31709c796f5a692ba2bd"
DIFF = """\
diff --git a/net/dock.c b/net/dock.c
index 1111111..2222222 100644
--- a/net/dock.c
+++ b/net/dock.c
@@ -1,3 +1,3 @@
 int a;
--- not/a/header
+++ nor/this
 int c;
"""
MAIL = f"""\
From {SHA} Mon Sep 17 00:00:00 2001
From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>
Date: Tue, 14 Nov 2023 14:43:20 -0730
Subject: [PATCH 6.1 2/3] dock: Fix the use of
 a door
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8

Body: as it is.

Cc: a@b
---
 net/dock.c | 2 +-

{DIFF}-- \n2.39.5
"""


def read(text, name="0001-x.patch", first=1):
    return read_patch(text.encode(), f"dir/{name}", name, first)


def test_a_mail():
    patch = read(MAIL)
    assert subject_of(patch.letter) == "dock: Fix the use of a door"
    who = author_of(patch.letter)
    assert (who.name, who.email, who.date) == ("Zoë", "zoe@example.org", "1700000000 -0730")
    assert patch.letter.text == "Body: as it is.\n\nCc: a@b\n"
    assert (patch.letter.commit, patch.letter.name) == (SHA, "0001-x.patch")
    assert (patch.letter.line, patch.letter.line_of("Subject")) == (9, 4)
    assert patch.diff.startswith("diff --git") and patch.diff_line == 15
    assert MAIL.splitlines()[patch.diff_line - 1].startswith("diff --git")
    assert paths_in(patch) == ("net/dock.c",)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("base64", base64.encodebytes),
        ("quoted-printable", lambda data: data.replace(b"=", b"=3D").replace(b"\xc3", b"=C3")),
        ("8bit", lambda data: data),
    ],
)
def test_encodings_of_mail_are_undone(encoding, encode):
    head = f"From: A <a@b>\nSubject: s\nContent-Transfer-Encoding: {encoding}\n\n".encode()
    patch = read_patch(head + encode(f"B\u00f6dy = x\n---\n{DIFF}".encode()), "m", "m")
    assert patch.letter.text == "B\u00f6dy = x\n"
    assert patch.diff == DIFF


def test_a_charset_and_several_parts():
    head = b"From: A <a@b>\nSubject: s\nContent-Type: text/plain; charset=iso-8859-1\n\n"
    assert read_patch(head + b"B\xf6dy\n", "m").letter.text == "B\u00f6dy\n"
    head = b'From: A <a@b>\nSubject: s\nContent-Type: multipart/mixed; boundary="X"\n\n'
    parts = b"--X\nContent-Type: text/plain\n\nBody\n--X\nContent-Type: text/x-patch\n\n%s\n--X--\n"
    patch = read_patch(head + parts % DIFF.encode(), "m")
    assert patch.letter.text == "Body\n" and paths_in(patch) == ("net/dock.c",)


def test_a_header_in_the_body_counts():
    patch = read("From: Bot <bot@b>\nSubject: s\n\nFrom: A <a@b>\nDate: x\n\nBody\n---\n" + DIFF)
    assert author_of(patch.letter).email == "a@b" and patch.letter.text == "Body\n"
    assert patch.letter.line == 7


def test_fields_without_a_mail():
    text = (
        f"Description: Fix it\n More of it.\n .\n End.\nOrigin: backport, commit:{SHA}\n---\n{DIFF}"
    )
    patch = read("\n" + text)
    assert patch.letter.get("description") == "Fix it\n More of it.\n .\n End."
    assert patch.letter.line_of("Origin") == 6 and patch.letter.text == ""
    assert paths_in(patch) == ("net/dock.c",)


@pytest.mark.parametrize("sep", ["", "---\n", "---\n net/dock.c | 2\n\n"])
def test_free_text_has_a_subject(sep):
    patch = read(f"net: dock: Fix it\n\nBody.\n{sep}{DIFF}")
    assert subject_of(patch.letter) == "net: dock: Fix it"
    assert patch.letter.text == "Body.\n" and patch.letter.line == 3


def test_a_tag_is_no_subject():
    patch = read(f"Upstream-Status: Pending\n\nBody.\n{DIFF}")
    assert patch.letter.fields == () and patch.letter.text.startswith("Upstream-Status: Pending\n")


def test_slashes_in_a_row_are_one():
    assert paths_in(read("--- a.orig//net/x.c\n+++ a//net/x.c\n")) == ("net/x.c",)


def test_a_bare_diff_and_no_diff():
    assert read(DIFF).letter == Letter(name="0001-x.patch")
    assert paths_in(read("--- linux.orig/net/dock.c\t2020\n+++ linux/net/dock.c\t2021\n")) == (
        "net/dock.c",
    )
    patch = read("From: A <a@b>\nSubject: [PATCH 0/2] cover\n\nText\n--- a rule\n")
    assert patch.diff == "" and patch.diff_line == 0


def test_an_mbox_is_split_at_its_lines():
    box = (MAIL + MAIL).encode()
    (one, first), (two, second) = split_mbox(box)
    assert (one, two) == (1, len(MAIL.splitlines()) + 1) and first == second == MAIL.encode()
    assert split_mbox(b"Subject: s\n\nFrom here on it is text.\n")[0][0] == 1
    assert split_mbox(b"") == []
    assert read(MAIL, first=two).diff_line == two + 14


BAD = {
    "--- a/../evil.c\n+++ b/../evil.c\n": (3, "leads out of the tree"),
    "--- a/x.c\n+++ b/a/../../x.c\n": (4, "leads out of the tree"),
    "--- ../x.c\n+++ ../x.c\n": (3, "leads out of the tree"),
    "--- a/.git/config\n+++ b/.git/config\n": (3, "inside a .git"),
    "--- a/sub/.GIT/hooks/x\n+++ b/sub/.GIT/hooks/x\n": (3, "inside a .git"),
    "--- /dev/null\n+++ /etc/passwd\n": (4, "absolute"),
    "diff --git a/x b/../y\nrename from x\nrename to ../y\n": (3, "leads out"),
    "diff --git a/x b/y\nrename from x\nrename to .git/y\n": (5, "inside a .git"),
    'diff --git "a/\\056git/x" "b/\\056git/x"\n': (3, "inside a .git"),
    "--- a/./x.c\n+++ b/x/.\n": (4, "not a plain path"),
}


@pytest.mark.parametrize("diff", BAD)
def test_paths_outside_the_tree_are_refused_with_their_line(diff):
    line, why = BAD[diff]
    with pytest.raises(ManifestError, match=why) as err:
        paths_in(read(f"Subject: s\n\n{diff}"))
    assert str(err.value.place) == f"dir/0001-x.patch:{line}"


def test_a_line_that_looks_like_a_name_in_a_hunk_is_none():
    hunk = "--- a/x.c\n+++ b/x.c\n@@ -1,2 +1 @@\n--- a/../evil\n int b;\n"
    assert paths_in(read(hunk)) == ("x.c",)


def test_a_level_to_strip():
    assert paths_in(read("--- net/x.c\n+++ net/x.c\n"), 0) == ("net/x.c",)
    assert PatchFile("f", 4, Letter()).place(0).line == 4
