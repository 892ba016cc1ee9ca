"""Dialects: what each writes, that it comes back, what it drops, and what its check finds."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from backport.values.commit import Person
from backport.values.dialects import DIALECTS, Holds, Medium, Spot, dialect, dropped, kept
from backport.values.dialects import recognised as recognise
from backport.values.dialects.openwrt import class_of
from backport.values.errors import UsageError
from backport.values.provenance import (
    Adapted,
    Field,
    Letter,
    Provenance,
    person_of,
    raw_date,
    read_entries,
    rfc2822,
    split_message,
)

SHA, OTHER = "35dfaad7188cdc043fde31709c796f5a692ba2bd", "0123456789abcdef0123456789abcdef01234567"
ADA = Person("Zoë Ångström", "zoe@example.org", "1700000000 -0730")
CARRIER = "Mia Maintainer <mia@suse.com>"
BODY = """\
A door that was closed may be opened by another CPU [0], see the log:

  [   12.345678] BUG: kernel NULL pointer dereference
  commit 1234567 is not ours

Note: this is no trailer, it
goes on.

  [0] https://lore.example.org/r/1"""
TRAILERS = (
    'Fixes: 0123456789ab ("dock: Add doors")',
    "Cc: <stable@vger.example.org> # 6.1+",
    "Signed-off-by: Zoë Ångström <zoe@example.org>",
    "[ mia: fixed a typo ]",
    "Signed-off-by: Mia <mia@example.org>",
)
WHY = "the neighbouring door-keepers came in other series, and double-locked ones are absent here: "
FULL = Provenance(
    "dock: Fix the use of a door that was closed",
    BODY,
    TRAILERS,
    ADA,
    (SHA, OTHER),
    "v6.7",
    (Adapted(WHY + "see there", "door-context"), Adapted("resolved by hand: net/dock.c")),
    ("https://issues.redhat.com/browse/RHEL-1", "https://bugs.debian.org/1", "bsc#1220001"),
    ("CVE-2024-26581", "CVE-2023-12345"),
    CARRIER,
    "2026-11-25",
)
CASES = {
    "everything": FULL,
    "one commit, unchanged": replace(FULL, upstream=(SHA,), adapted=()),
    "no trailers": replace(FULL, trailers=()),
    "no body": replace(FULL, body=""),
    "a subject alone": Provenance("dock: Open", author=ADA, upstream=(SHA,)),
    "nobody carries it": replace(FULL, carrier="", bugs=(), cves=()),
    "not upstream": replace(FULL, upstream=(), mainline="", adapted=()),
    "not upstream, alone": Provenance("dock: Open", author=ADA),
    "not in a release": replace(FULL, mainline=""),
    "two subject lines": replace(FULL, subject="dock: Open the door\nand the other"),
    "a release candidate": replace(FULL, mainline="v6.7-rc1"),
    "east of Greenwich": replace(FULL, author=replace(ADA, date="1700000000 +0545")),
}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_read_back(name, case):
    row, p = DIALECTS[name], CASES[case]
    assert row.parse(row.format(p)) == kept(row, p)


@pytest.mark.parametrize("name", DIALECTS)
def test_what_was_read_is_written_the_same_again(name):
    row = DIALECTS[name]
    once = row.format(kept(row, FULL))
    assert row.format(row.parse(once)) == once


@pytest.mark.parametrize("name", DIALECTS)
def test_each_says_what_it_drops_and_drops_no_more(name):
    row = DIALECTS[name]
    lost = {str(h) for h in Holds} - {str(h) for h in row.holds}
    told = set(dropped(row, FULL))
    assert told <= lost | {str(Holds.BUGS)}
    same = {
        f.name for f in fields(FULL) if getattr(kept(row, FULL), f.name) == getattr(FULL, f.name)
    }
    assert {"subject", "body"} <= same


@pytest.mark.parametrize("name", DIALECTS)
def test_each_recognises_its_own_and_nothing_plain(name):
    assert recognise(DIALECTS[name].format(FULL)) is DIALECTS[name]
    assert recognise(Letter((Field("Subject", "dock: Open"),), "Body.\n")) is None


@pytest.mark.parametrize("name", DIALECTS)
def test_a_complete_patch_has_no_findings(name):
    assert list(DIALECTS[name].lint(DIALECTS[name].format(FULL))) == []


def test_only_messages_have_nothing_but_a_mails_fields():
    for row in DIALECTS.values():
        names = {f.name for f in row.format(FULL).fields}
        is_message = row.medium in {Medium.MESSAGE, Medium.FILE}
        assert (names <= {"From", "Date", "Subject"}) == is_message


# -- what each looks like, as its own documents show it


def text(name, p=FULL):
    letter = DIALECTS[name].format(p)
    head = "".join(f"{f.name}: {f.value}\n" for f in letter.fields)
    return f"{head}\n{letter.text}"


def test_stable():
    assert f"\n\n[ Upstream commits\n  {SHA}\n  {OTHER}\n]\n\nA door" in text("stable")
    assert f"\n\n[ Upstream commit {SHA} ]\n\nA door" in text(
        "stable", CASES["one commit, unchanged"]
    )
    assert "\n[ backport: adapted:\n  door-context: the neighbouring" in text("stable")
    assert text("stable").endswith(f"\nBackport-rule: door-context\nSigned-off-by: {CARRIER}\n")


def test_cherry_pick():
    end = [f"(cherry picked from commit {sha})" for sha in (SHA, OTHER)]
    shown = text("cherry-pick").splitlines()
    assert shown[-4:] == [TRAILERS[-1], *end, f"Signed-off-by: {CARRIER}"]


def test_ubuntu():
    shown = text("ubuntu")
    assert "\n\nBugLink: https://issues.redhat.com/browse/RHEL-1\nBugLink: https://bugs" in shown
    assert "\nCVE-2024-26581\nCVE-2023-12345\n\nA door" in shown
    assert f"\n(backported from commit {SHA})\n" in shown
    assert "\n[backport: door-context: the neighbouring" in shown
    assert f"(cherry picked from commit {SHA})" in text("ubuntu", CASES["one commit, unchanged"])


def test_suse():
    head = text("suse").split("\n\n")[0].splitlines()
    assert head == [
        "From: Zoë Ångström <zoe@example.org>",
        "Date: Tue, 14 Nov 2023 14:43:20 -0730",
        f"Subject: {FULL.subject}",
        f"Git-commit: {SHA}",
        f"Git-commit: {OTHER}",
        "Patch-mainline: v6.7",
        "References: https://issues.redhat.com/browse/RHEL-1 https://bugs.debian.org/1 bsc#1220001"
        " CVE-2024-26581 CVE-2023-12345",
    ]
    assert "\nPatch-mainline: Queued in subsystem" in text("suse", CASES["not in a release"])
    assert "\nPatch-mainline: Not yet, " in text("suse", CASES["not upstream"])


def test_rhel():
    parts = text("rhel").split("\n\n")
    assert parts[0].splitlines()[0] == f"From: {CARRIER}"
    tags = parts[1].splitlines()
    assert tags[:2] == ["JIRA: https://issues.redhat.com/browse/RHEL-1",
                        "Bugzilla: https://bugs.debian.org/1"]  # fmt: skip
    assert tags[2:4] == ["CVE: CVE-2024-26581", "CVE: CVE-2023-12345"]
    assert (
        tags[4].startswith("Upstream Status: https://git.kernel.org/") and tags[5] == "Conflicts:"
    )
    assert tags[6].startswith("  door-context: ") and tags[7].startswith("    ")
    assert parts[2].splitlines() == [
        f"commit {SHA}",
        f"commit {OTHER}",
        "Author: Zoë Ångström <zoe@example.org>",
        "Date:   Tue Nov 14 14:43:20 2023 -0730",
    ]
    assert parts[3] == f"    {FULL.subject}"
    assert parts[-1] == f"Signed-off-by: {CARRIER}\n"
    assert "Upstream Status: RHEL-only" in text("rhel", CASES["not upstream"])


def test_dep3():
    shown = text("dep3").rstrip("\n").splitlines()
    assert shown[0] == f"Description: {FULL.subject}"
    assert shown[1].startswith(" A door") and " ." in shown
    assert shown[-9:] == [
        "Author: Zoë Ångström <zoe@example.org>",
        f"Origin: backport, https://git.kernel.org/linus/{SHA}, https://git.kernel.org/linus/{OTHER}",
        "Bug: https://issues.redhat.com/browse/RHEL-1",
        "Bug-Debian: https://bugs.debian.org/1",
        "Bug-Debian-Security: https://security-tracker.debian.org/tracker/CVE-2024-26581",
        "Bug-Debian-Security: https://security-tracker.debian.org/tracker/CVE-2023-12345",
        "Forwarded: not-needed",
        f"Applied-Upstream: 6.7, https://git.kernel.org/linus/{SHA}",
        "Last-Update: 2026-11-25",
    ]
    assert "\nOrigin: upstream, " in text("dep3", CASES["one commit, unchanged"])
    assert "\nOrigin: other\nForwarded: no\n" in text(
        "dep3", replace(FULL, upstream=(), bugs=(), cves=())
    )


def test_yocto():
    assert text("yocto").endswith(
        "\n\nCVE: CVE-2024-26581 CVE-2023-12345\n"
        f"Upstream-Status: Backport [https://git.kernel.org/linus/{SHA}"
        f" https://git.kernel.org/linus/{OTHER}]\nSigned-off-by: {CARRIER}\n"
    )
    assert "\nUpstream-Status: Pending\n" in text("yocto", CASES["not upstream"])


def test_openwrt():
    row = DIALECTS["openwrt"]
    assert row.format(FULL).commit == SHA
    paths = ("net/core/dev.c", "net/Kconfig", "include/linux/a.h", "include/linux/b.h")
    named = row.file_name(FULL, Spot(3, 5, paths))
    assert named == "600-03-v6.7-dock-fix-the-use-of-a-door-that-was-closed.patch"
    assert row.file_name(FULL, Spot(1, 1, paths)).startswith("600-v6.7-dock-")


@pytest.mark.parametrize(
    ("paths", "number"),
    [
        (("Kconfig",), 200),
        (("include/linux/a.h", "arch/arm/a.c"), 300),
        (("drivers/mtd/a.c", "drivers/net/a.c", "drivers/mtd/b.c"), 400),
        (("fs/a.c",), 500),
        (("drivers/net/a.c", "net/a.c", "drivers/net/b.c"), 700),
        (("drivers/usb/a.c",), 800),
        (("kernel/bpf/a.c", "mm/a.c"), 900),
        ((), 900),
    ],
)
def test_the_class_of_a_series_is_that_of_most_of_its_files(paths, number):
    assert class_of(paths) == number


# -- what others write

OTHERS = {
    f"commit {SHA} upstream.\n\nBody.\n": ("stable", (SHA,)),
    f"[ Upstream commit {SHA} ]\n\nBody.\n": ("stable", (SHA,)),
    f"[Upstream commit {SHA[:12]}]\n\nBody.\n": ("stable", (SHA[:12],)),
    f"Upstream commit {SHA}.\n\nBody.\n": ("stable", (SHA,)),
    f"Body.\n\nCc: A <a@b>\n(cherry picked from commit {SHA})\n": ("cherry-pick", (SHA,)),
    f"Body.\n\n(cherry-picked from commit {SHA} linux-next)\n": ("cherry-pick", (SHA,)),
    f"CVE-2024-26581\n\nBody.\n\n(cherry picked from commit {SHA})\n": ("ubuntu", (SHA,)),
    f"Body.\n\n(backported from commit {SHA})\n[a: context]\n": ("ubuntu", (SHA,)),
    f"Bugzilla: https://bugzilla.redhat.com/1\n\ncommit {SHA}\nAuthor: A <a@b>\n"
    "Date:   Fri Jun 3 10:00:00 2022 +0200\n\n    s\n    \n    Body.\n": ("rhel", (SHA,)),
    f"Body.\n\nUpstream-Status: Backport [https://git.kernel.org/pub/scm/linux/kernel/git/"
    f"torvalds/linux.git/commit/?id={SHA}]\n": ("yocto", (SHA,)),
    f"Body.\n\nUpstream-Status: Backport [{SHA[:12]}]\n": ("yocto", (SHA[:12],)),
    f"Body.\n\nUpstream-Status: Backport [https://g.org/a/commit/{SHA[:7]}]\n": (
        "yocto", (SHA[:7],)),
    f"Body.\n\nUpstream-Status: Backport [https://g.org/?p=a.git;a=commit;h={SHA}]\n": (
        "yocto", (SHA,)),
}  # fmt: skip


@pytest.mark.parametrize("words", OTHERS)
def test_forms_of_others_are_read(words):
    name, shas = OTHERS[words]
    letter = Letter((Field("From", "A <a@b>"), Field("Subject", "[PATCH 5.15 1/2] s")), words)
    row = recognise(letter)
    assert row is DIALECTS[name]
    found = row.parse(letter)
    assert (found.subject, found.body.strip(), found.upstream) == ("s", "Body.", shas)


def test_conflicts_of_others_are_read():
    words = (
        f"JIRA: https://issues.redhat.com/browse/RHEL-2\nCVE: CVE-2024-26581\n"
        "Conflicts: - context, as there is no commit 123\n  - net/dock.c: there is no\n"
        f"    such door\n\ncommit {SHA}\nAuthor: A <a@b>\nDate:   Fri Jun 3 10:00:00 2022 +0200\n\n"
        "    s\n\n    Body.\n\n    Signed-off-by: A <a@b>\n\nSigned-off-by: C <c@d>\n"
    )
    found = DIALECTS["rhel"].parse(Letter((Field("Subject", "s"),), words))
    assert [str(a) for a in found.adapted] == [
        "- context, as there is no commit 123",
        "- net/dock.c: there is no such door",
    ]
    assert found.author == Person("A", "a@b", "1654243200 +0200")
    assert (found.carrier, found.trailers) == ("C <c@d>", ("Signed-off-by: A <a@b>",))


def test_dep3_with_a_mails_fields_and_a_commit_id():
    letter = Letter(
        (Field("From", "A <a@b>"), Field("Subject", "[PATCH] s"),
         Field("Origin", f"backport, commit:{SHA}"), Field("Bug-Debian", "https://bugs.debian.org/2")),
        "Body.\n",
    )  # fmt: skip
    found = DIALECTS["dep3"].parse(letter)
    assert recognise(letter) is DIALECTS["dep3"]
    assert (found.subject, found.body, found.upstream) == ("s", "Body.", (SHA,))
    assert found.bugs == ("https://bugs.debian.org/2",)


# -- checks

SIGNED = "Signed-off-by: A <a@b>\n"
LINTS = [
    ("stable", "[ Upstream commit 35dfaad7188c ]\n\nBody.\n\n" + SIGNED, 1, "abbreviated"),
    ("stable", f"Body.\n\n[ Upstream commit {SHA} ]\n\n" + SIGNED, 3, "not named first"),
    ("stable", f"[ Upstream commit {SHA} ]\n\nBody.\n", 3, "nobody signed"),
    ("stable", f"commit {SHA} upstream.\n\ncommit {SHA} upstream.\n\n" + SIGNED, 1, "twice"),
    ("stable", "Body.\n\n" + SIGNED, 1, "names no upstream commit"),
    ("cherry-pick", "Body.\n\n(cherry picked from commit 35dfaad7188c)\n", 3, "abbreviated"),
    ("ubuntu", f"Body.\n\n(cherry picked from commit {SHA})\n" + SIGNED, 1, "names no bug"),
    (
        "ubuntu",
        f"CVE-2024-26581\n\nSigned-off-by: A <a@b>\n(cherry picked from commit {SHA})\n",
        4,
        "below",
    ),
    ("ubuntu", f"CVE-2024-26581\n\n(backported from commit {SHA})\n" + SIGNED, 3, "what was"),
    ("rhel", f"commit {SHA}\nAuthor: A <a@b>\n\n    s\n\n" + SIGNED, 1, "names no ticket"),
    ("rhel", "JIRA: https://x\n\nBody.\n\n" + SIGNED, 1, "names no upstream commit"),
    (
        "rhel",
        f"JIRA: https://x\n\ncommit {SHA}\nAuthor: A <a@b>\n\n    t\n\n" + SIGNED,
        1,
        "subject",
    ),
    ("yocto", "Upstream-Status: Accepted\n\n" + SIGNED, 1, "none of its values"),
    ("yocto", "Upstream-Status: Backport\n" + SIGNED, 1, "which commit"),
    ("yocto", "Upstream-Status: Denied\n" + SIGNED, 1, "no reason"),
    ("yocto", f"CVE: 2024-1\nUpstream-Status: Backport [{SHA}]\n" + SIGNED, 1, "no list of CVE"),
    ("openwrt", SIGNED, 1, "names no upstream commit"),
]


@pytest.mark.parametrize(("name", "words", "line", "says"), LINTS)
def test_what_is_wrong_is_found_at_its_line(name, words, line, says):
    letter = Letter((Field("Subject", "s", 1),), words, name="600-v6.7-s.patch")
    found = list(DIALECTS[name].lint(letter))
    assert [(f.line, says in f.text) for f in found] == [(line, True)]
    assert all(f.fix for f in found)


HEADERS = [
    ("suse", {"References": "bsc#1"}, ["has no Patch-mainline"]),
    ("suse", {"Patch-mainline": "v6.7", "References": "bsc#1"}, ["has no Git-commit"]),
    ("suse", {"Patch-mainline": "v6.7", "Git-commit": SHA}, ["has no References"]),
    ("suse", {"Patch-mainline": "soon", "References": "bsc#1"}, ["none of its values"]),
    ("suse", {"Patch-mainline": "Never", "References": "bsc#1"}, ["gives no reason"]),
    ("suse", {"Patch-mainline": "Queued", "Git-commit": SHA, "References": "b#1"}, ["repository"]),
    (
        "suse",
        {"Patch-mainline": "v6.7", "Git-commit": SHA[:12], "References": "b#1"},
        ["abbreviated"],
    ),
    ("dep3", {"Origin": "backport", "Forwarded": "no"}, ["names no upstream commit"]),
    ("dep3", {"Origin": "me", "Forwarded": "no"}, ["none of its values"]),
    ("dep3", {"Origin": "vendor"}, ["forwarded"]),
    ("dep3", {"Forwarded": "no"}, ["neither Origin nor Author"]),
    ("dep3", {"Origin": "other", "Forwarded": "no", "Last-Update": "today"}, ["is no date"]),
]


@pytest.mark.parametrize(("name", "given", "says"), HEADERS)
def test_fields_that_are_wrong_are_found(name, given, says):
    rows = [("Subject", "s"), *given.items()]
    letter = Letter(
        tuple(Field(key, value, n) for n, (key, value) in enumerate(rows, 1)),
        "Body.\n\nAcked-by: A <a@suse.de>\n",
        line=9,
    )
    found = list(DIALECTS[name].lint(letter))
    assert len(found) == 1 and says[0] in found[0].text and found[0].line <= 5 and found[0].fix


def test_somebody_at_suse_answers():
    letter = DIALECTS["suse"].format(replace(FULL, carrier=""))
    (found,) = DIALECTS["suse"].lint(letter)
    assert "nobody at SUSE" in found.text


def test_names_of_openwrt_are_checked():
    row = DIALECTS["openwrt"]
    for name, says in (
        ("0001-dock.patch", "not one of a backport"),
        ("600-v6.7-Dock.patch", "capitals"),
    ):
        (found,) = row.lint(replace(row.format(FULL), name=name))
        assert says in found.text
    old = replace(row.format(FULL), name="600-v6.7-03-dock.patch")
    assert list(row.lint(old)) == [] and row.parse(old).mainline == "v6.7"


# -- the rest


def test_dialects_are_looked_up_by_name():
    assert dialect("suse") is DIALECTS["suse"]
    with pytest.raises(UsageError, match="no such dialect") as err:
        dialect("gentoo")
    assert all(name in err.value.hint for name in DIALECTS)


@pytest.mark.parametrize("date", ["0 +0000", "1700000000 -0730", "1700000000 +0545"])
def test_dates_come_back(date):
    assert raw_date(rfc2822(date)) == date


def test_people_and_dates_in_odd_forms():
    assert person_of('"Dev, Peter X." <p@x>') == Person("Dev, Peter X.", "p@x", "")
    assert person_of("p@x") == Person("", "p@x", "")
    assert person_of("Peter") == Person("Peter", "", "")
    assert raw_date("yesterday") == ""


def test_entries_go_on_at_a_greater_indent():
    assert [str(a) for a in read_entries(["  a-b: one", "    two", "", "  three/x: y"])] == [
        "a-b: one two", "three/x: y",
    ]  # fmt: skip
    assert read_entries(["  a-b: one"])[0].rule == "a-b"


def test_an_indented_paragraph_without_a_trailer_is_prose():
    assert split_message("Body.\n\n  [0] https://x\n") == ("Body.\n\n  [0] https://x", ())
    assert split_message("Body.\n\nCc: A <a@b>\n  # 6.1+\n")[1] == ("Cc: A <a@b>", "  # 6.1+")


@pytest.mark.parametrize("status", ["Backport", "Backport [https://g.org/a/pull/2]"])
def test_a_backport_that_names_no_commit_has_the_one_of_its_first_line(status):
    letter = Letter((Field("Subject", "s"),), f"Upstream-Status: {status}\n", commit=SHA)
    assert DIALECTS["yocto"].parse(letter).upstream == (SHA,)
    assert DIALECTS["yocto"].parse(replace(letter, commit="")).upstream == ()
