"""Upstream commits out of mails: where they are found, what they carry, what they sit on."""

from __future__ import annotations

import pytest
from gitserver import commit_all, git

from backport.doors.git import Entry, Git
from backport.picking.pick import Target, pick
from backport.upstreams import UPSTREAMS, Request
from backport.upstreams.mail import find_mails, read_patch, upstream_shas
from backport.upstreams.mbox import CONTEXT, MboxUpstream
from backport.values.errors import ManifestError, Place, UsageError
from backport.values.events import Note, silent
from backport.values.series import Role, Series, SeriesCommit
from backport.values.version import Version

ME = ("-c", "user.name=x", "-c", "user.email=x@example.org")
BASE = "".join(f"int line_{i};\n" for i in range(40))
PATH = "net/core/thing.c"


def row(sha, subject, role=Role.CORE):
    return SeriesCommit(sha, subject, Version(6, 6), role, place=Place("series.toml", 9))


@pytest.fixture
def store(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


class Project:
    """An upstream repository with two commits to carry, as patches in a folder."""

    def __init__(self, home):
        self.repo = home / "upstream"
        self.repo.mkdir(parents=True)
        git(self.repo, "init", "-q", "-b", "master")
        self.write(PATH, BASE)
        commit_all(self.repo, "root")
        self.write(PATH, BASE.replace("line_5;", "five;"))
        self.write("net/new.c", "int new;\n")
        self.first = commit_all(self.repo, "net: five\n\nBecause.\n\nSigned-off-by: A <a@b>")
        self.write(PATH, BASE.replace("line_5;", "five;").replace("line_30;", "thirty;"))
        self.second = commit_all(self.repo, "net: thirty")
        self.out = home / "patches"
        git(self.repo, "format-patch", "-q", "-o", str(self.out), "HEAD~2")
        self.patches = sorted(self.out.iterdir())
        self.series = Series(
            "s", "t", (row(self.first, "net: five"), row(self.second, "net: thirty"))
        )

    def write(self, path, text):
        file = self.repo / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def edit(self, old, new, patch=0):
        """Change the only occurrence of some text in a patch file."""
        text = self.patches[patch].read_text()
        assert text.count(old) == 1, text
        self.patches[patch].write_text(text.replace(old, new))


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def base_tree(store, **changed):
    """A target's tree: the file with lines changed, and one that upstream does not have."""
    text = BASE
    for old, new in changed.items():
        text = text.replace(f"{old};", f"{new};")
    files = {PATH: text, "Makefile": "all:\n"}
    return store.edit_tree(
        "", {p: Entry("100644", store.write_blob(t.encode())) for p, t in files.items()}
    )


def take(store, project, *locations, base=""):
    return MboxUpstream(store, [str(x) for x in locations], base).commits(project.series, silent)


def assert_carries_both(store, found, project):
    one, two = found
    assert one.stands_for == (project.first,)
    assert two.stands_for == (project.second,)
    assert store.read(one.parent, PATH) == BASE.encode()
    assert b"five;" in store.read(one.commit, PATH)
    assert set(store.entries(one.commit)) == {PATH, "net/new.c"}
    assert set(store.entries(two.commit)) == {PATH}  # slices: only what it touches
    assert b"five;" in store.read(two.parent, PATH)
    assert b"thirty;" in store.read(two.commit, PATH)


# -- where mails are found


def test_a_folder_of_patches_in_order_of_names(store, tmp_path, project):
    (project.out / "notes.txt").write_text("not a mail")
    found = take(store, project, project.out, base=base_tree(store))
    assert_carries_both(store, found, project)
    assert found[0].message == "net: five\n\nBecause.\n\nSigned-off-by: A <a@b>\n"
    assert (found[0].author.name, found[0].author.email) == ("A U Thor", "author@example.org")
    date = git(project.repo, "log", "-1", "--format=%ad", "--date=raw", project.first)
    assert found[0].author.date == date


def test_an_mbox_single_files_and_a_maildir(store, tmp_path, project):
    base = base_tree(store)
    mbox = tmp_path / "all.mbox"
    mbox.write_bytes(b"".join(p.read_bytes() for p in project.patches))
    by_mbox = take(store, project, mbox, base=base)
    assert_carries_both(store, by_mbox, project)
    by_file = take(store, project, *reversed(project.patches), base=base)  # the series orders them
    for name in ("cur", "new", "tmp"):
        (tmp_path / "maildir" / name).mkdir(parents=True)
    for i, patch in enumerate(project.patches):
        lines = patch.read_bytes().split(b"\n")
        lines[0] = b"X-Upstream-Commit: " + (project.first, project.second)[i].encode()
        (tmp_path / "maildir" / ("cur", "new")[i] / f"{i}.host").write_bytes(b"\n".join(lines))
    by_maildir = take(store, project, tmp_path / "maildir", base=base)
    ids = [[c.commit for c in found] for found in (by_mbox, by_file, by_maildir)]
    assert ids[0] == ids[1] == ids[2]


@pytest.mark.parametrize("kind", ["missing", "file", "folder", "maildir"])
def test_nothing_to_read(store, tmp_path, project, kind):
    place = tmp_path / "place"
    if kind == "file":
        place.write_bytes(b"")
    elif kind != "missing":
        for name in ("cur", "new") if kind == "maildir" else ("",):
            (place / name).mkdir(parents=True)
    with pytest.raises(UsageError, match=r"no such file|has no mails") as caught:
        take(store, project, place)
    assert str(place) in str(caught.value)


def test_no_location_is_refused(store):
    with pytest.raises(UsageError, match="needs a file"):
        UPSTREAMS["mbox"](Request(store, store.path))


# -- what a mail says


SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "line",
    [
        f"commit {SHA} upstream.",
        f"[ Upstream commit {SHA} ]",
        f"[Upstream commit {SHA}]",
        f"(cherry picked from commit {SHA})",
        f"Git-commit: {SHA}",
        f"Upstream-commit: {SHA}",
        f"commit {SHA}",
        f"    Upstream commit: {SHA}",
    ],
)
def test_forms_that_name_the_upstream_commit(line):
    other = "f" * 40
    raw = f"From {other} Mon Sep 17 00:00:00 2001\nSubject: x\n\nbody".encode()
    assert upstream_shas(raw, f"Text.\n\n{line}\n\nMore.\n") == (SHA,)


def test_headers_and_the_from_line_name_it_too():
    header = f"Subject: x\r\nX-Upstream-Commit: {SHA}\r\n\r\nbody".encode()
    assert upstream_shas(header, "body") == (SHA,)
    line = f"From {SHA} Mon Sep 17 00:00:00 2001\nSubject: x\n\nbody".encode()
    assert upstream_shas(line, "body") == (SHA,)


@pytest.mark.parametrize(
    "body",
    [
        f"This reverts commit {SHA}.",
        "since\ncommit 0123456789ab\nit fails",
        f"Fixes: {SHA[:12]} (x)",
    ],
)
def test_prose_names_no_upstream_commit(body):
    zeros = f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nSubject: x\n\n".encode()
    assert upstream_shas(zeros, body) == ()


def test_a_squash_stands_for_several(store, project):
    both = f"commit {project.first} upstream.\ncommit {project.second} upstream.\n\nBecause."
    project.edit("\nBecause.", f"\n{both}")
    (one,) = take(store, project, project.patches[0], base=base_tree(store))
    assert one.stands_for == (project.first, project.second)


def test_the_marker_line_goes_and_the_rest_of_the_message_stays(store, project):
    project.edit("\nBecause.", f"\n[ Upstream commit {project.first} ]\n\nBecause.")
    one, _ = take(store, project, project.out, base=base_tree(store))
    assert one.message == "net: five\n\nBecause.\n\nSigned-off-by: A <a@b>\n"


def mail(store, raw):
    path = store.path / "one.eml"
    path.write_bytes(raw)
    return find_mails(store, str(path))[0]


DIFF = b"---\n a | 2 +-\n\ndiff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-x\n+y\n-- \n2.39\n"


def test_encodings_survive(store):
    head = (
        b"From: =?ISO-8859-1?Q?J=F6rg?= <j@x>\nDate: Fri, 1 Sep 2023 10:00:00 -0330\n"
        b"Subject: [PATCH net-next v2 1/8] net: [x] =?UTF-8?B?w7xiZXI=?=\n"
    )
    latin = head + b"Content-Type: text/plain; charset=ISO-8859-1\n\nb\xf6dy\n" + DIFF
    patch = read_patch(store, mail(store, latin))
    assert patch.subject == "net: [x] über"
    assert (patch.author.name, patch.author.date) == ("Jörg", "1693575000 -0330")
    assert patch.message == "net: [x] über\n\nbödy\n"
    quoted = head + b"Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: "
    quoted += b"quoted-printable\n\nb=C3=B6dy\n" + DIFF.replace(b"=", b"=3D")
    assert read_patch(store, mail(store, quoted)).message == patch.message
    undeclared = head.replace(b"=?ISO-8859-1?Q?J=F6rg?=", b"J\xf6rg") + b"\nb\xf6dy\n" + DIFF
    assert "rg" in read_patch(store, mail(store, undeclared)).author.name
    crlf = latin.replace(b"\n", b"\r\n")
    assert read_patch(store, mail(store, crlf)).diff == patch.diff


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-x\n+y\n", "is no patch mail"),
        (b"From: x <x@y>\nDate: Fri, 1 Sep 2023 10:00:00 +0000\n\nbody\n" + DIFF, "no Subject"),
        (b"From: x <x@y>\nSubject: s\n\nbody\n" + DIFF, "its date cannot be read"),
        (b"From: x <x@y>\nSubject: s\nDate: soon\n\nbody\n" + DIFF, "its date cannot be read"),
        (b"\0\1\2", "is no patch mail"),
    ],
)
def test_what_is_no_patch_mail(store, raw, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_patch(store, mail(store, raw))
    assert "one.eml" in str(caught.value)
    assert "format-patch" in caught.value.hint


# -- which mails are wanted


def test_cover_letters_and_foreign_patches_are_passed_over(store, project):
    git(project.repo, "checkout", "-q", "-b", "other", "HEAD~2")
    project.write("other.c", "int x;\n")
    commit_all(project.repo, "other: thing")
    args = ("-q", "--cover-letter", "--start-number=9", "-o", str(project.out), "HEAD~1")
    git(project.repo, *ME, "format-patch", *args)
    notes = []
    source = MboxUpstream(store, [str(project.out)], base_tree(store))
    assert len(source.commits(project.series, notes.append)) == 2
    (note,) = [n.text for n in notes if isinstance(n, Note)]
    assert "not of this series (other: thing)" in note


def test_a_row_that_no_mail_carries(store, project):
    with pytest.raises(ManifestError, match=r'series\.toml:9: .*"net: thirty".* is in no mail'):
        take(store, project, project.patches[0], base=base_tree(store))


def test_a_mail_twice(store, tmp_path, project):
    copy = tmp_path / "copy.patch"
    copy.write_bytes(project.patches[0].read_bytes())
    with pytest.raises(UsageError, match=r"copy\.patch: carries .*, as does .*0001-net-five"):
        take(store, project, project.out, copy, base=base_tree(store))


def test_another_subject(store, project):
    project.edit("[PATCH 1/2] net: five", "[PATCH 1/2] net: six")
    with pytest.raises(UsageError, match='whose subject is "net: five", but its own'):
        take(store, project, project.out, base=base_tree(store))


def test_no_upstream_commit(store, project):
    project.edit(f"From {project.first}", f"From {'0' * 40}")
    with pytest.raises(UsageError, match="names no upstream commit") as caught:
        take(store, project, project.out, base=base_tree(store))
    assert "[ Upstream commit <sha> ]" in caught.value.hint


# -- what a patch sits on


def test_an_exact_base_moves_lines(store, project):
    longer = base_tree(store, line_0="int a;\nint line_0")
    found = take(store, project, project.out, base=longer)
    assert [one.whole for one in found] == [True, True]
    assert store.read(found[1].parent, PATH).startswith(b"int int a;\nint line_0;")


def test_a_patch_for_another_kernel_is_put_into_the_target_s_file(store, project):
    """Its context is upstream's on both sides, so that a pick sees what the target has instead."""
    ours = base_tree(store, line_31="other", line_3="three")
    notes = []
    source = MboxUpstream(store, [str(project.out)], ours)
    one, two = source.commits(project.series, notes.append)
    assert (one.whole, two.whole) == (False, False)
    text = BASE.replace("line_31;", "other;").replace("line_3;", "three;")
    assert store.read(one.parent, PATH).decode() == text.replace("three;", "line_3;")
    assert "five;" in store.read(one.commit, PATH).decode()
    assert set(store.entries(one.commit)) == {PATH, "net/new.c"}
    assert store.read(two.parent, PATH).decode() == text.replace("line_5;", "five;").replace(
        "other;", "line_31;"
    )
    said = [n.text for n in notes if isinstance(n, Note)]
    assert ["1 of its 1 hunks have a place" in line for line in said] == [True, True]


@pytest.mark.parametrize(
    "changed",
    [
        {"line_31": "other"},
        {"line_30": "thirsty"},
        {"line_29": "nine", "line_31": "eleven"},
        {"line_3": "three", "line_28": "eight"},
        {"line_5": "five"},
        {"line_20": "int a;\nint b", "line_30": "int c;\nint line_30"},
    ],
)
@pytest.mark.slow
def test_picks_of_a_patch_and_of_the_commit_land_the_same(tmp_path, project, changed):
    """Be they clean, in conflict or there already."""
    landed = []
    for name in ("mbox", "git"):
        store = Git.init_bare(tmp_path / name)
        tree = base_tree(store, **changed)
        head = store.commit_tree(tree, [], "base", CONTEXT, CONTEXT)
        where = project.out if name == "mbox" else project.repo
        request = Request(store, tmp_path / f"{name}-cache", (str(where),), head)
        picks = []
        for incoming in UPSTREAMS[name](request).commits(project.series, silent):
            done = pick(incoming, head, tree, [], Target(store, Version(6, 1)))
            picks.append((done.outcome, done.tree, done.conflicts, done.unaccounted))
            head, tree = done.commit or head, done.tree
        landed.append(picks)
    assert landed[0] == landed[1]


def test_files_that_the_target_lacks_or_has_already(store, project):
    """What a pick then finds is a file deleted here, and one that both sides add."""
    files = {"net/new.c": "int mine;\n"}
    base = store.edit_tree(
        "", {p: Entry("100644", store.write_blob(t.encode())) for p, t in files.items()}
    )
    one, two = take(store, project, project.out, base=base)
    assert (
        store.read(one.parent, PATH)
        == BASE[BASE.index("int line_2;") : BASE.index("int line_9;")].encode()
    )
    assert store.read(one.parent, "net/new.c") is None
    assert store.read(one.commit, "net/new.c") == b"int new;\n"
    assert b"thirty;" in store.read(two.commit, PATH)


def test_a_deleted_file_that_reads_otherwise(store, project):
    git(project.repo, "rm", "-q", PATH)
    sha = commit_all(project.repo, "net: gone")
    git(project.repo, "format-patch", "-q", "--start-number=3", "-o", str(project.out), "HEAD~1")
    series = Series("s", "t", (*project.series.commits, row(sha, "net: gone")))
    source = MboxUpstream(store, [str(project.out)], base_tree(store, line_20="other"))
    last = source.commits(series, silent)[-1]
    assert b"line_20;" in store.read(last.parent, PATH)
    assert store.entries(last.commit) == {}


def test_a_rename_needs_the_very_file(store, project):
    """What is not said by lines cannot be put into another text."""
    git(project.repo, "mv", PATH, "net/core/moved.c")
    text = (project.repo / "net/core/moved.c").read_text()
    project.write("net/core/moved.c", text.replace("line_20;", "twenty;"))
    sha = commit_all(project.repo, "net: moved")
    args = ("-q", "-M", "--start-number=3", "-o", str(project.out), "HEAD~1")
    git(project.repo, "format-patch", *args)
    series = Series("s", "t", (*project.series.commits, row(sha, "net: moved")))
    source = MboxUpstream(store, [str(project.out)], base_tree(store, line_21="other"))
    with pytest.raises(UsageError, match=r"0003-net-moved.*thing\.c, hunk at line 18") as caught:
        source.commits(series, silent)
    assert "git upstream" in caught.value.hint


def test_known_blobs_are_the_context_even_if_the_base_differs(store, project):
    """With the blobs of the `index` lines, the patch sits on upstream's own files."""
    for text in (BASE, BASE.replace("line_5;", "five;")):
        store.write_blob(text.encode())
    found = take(store, project, project.out, base=base_tree(store, line_6="other"))
    assert_carries_both(store, found, project)


def test_known_blobs_need_no_base(store, project):
    store.write_blob(BASE.encode())
    found = take(store, project, project.out)  # the second's blob is the first's result
    assert_carries_both(store, found, project)


def test_neither_blobs_nor_base(store, project):
    with pytest.raises(UsageError, match="its base is not in the store") as caught:
        take(store, project, project.out)
    assert "--base" in caught.value.hint


def test_a_git_and_an_mbox_upstream_agree(store, tmp_path, project):
    """The same change, the same context: picks of either land the same."""
    store.write_blob(BASE.encode())
    by_mail = take(store, project, project.out)
    opened = UPSTREAMS["git"](Request(store, tmp_path, (str(project.repo),)))
    by_git = opened.commits(project.series, silent)
    for one, two in zip(by_mail, by_git, strict=True):
        assert store.tree_of(one.commit) == store.tree_of(two.commit)
        assert store.tree_of(one.parent) == store.tree_of(two.parent)
        assert (one.message, one.author) == (two.message, two.author)


@pytest.mark.parametrize("path", ["../evil.c", ".git/config", "a/.git/hooks/x", "/etc/passwd"])
def test_paths_outside_the_tree_are_refused(store, tmp_path, project, path):
    text = project.patches[0].read_text()
    project.patches[0].write_text(text.replace("net/new.c", path))
    with pytest.raises(UsageError, match=r"0001-net-five.* cannot be applied: invalid path"):
        take(store, project, project.out, base=base_tree(store))
    with pytest.raises(UsageError):
        take(store, project, project.out)
    assert not (tmp_path / "evil.c").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("+int five;\n", "", "corrupt patch"),
        ("@@ -0,0 +1 @@", "@@ -x +1 @@", "cannot be applied"),
    ],
)
def test_damaged_patches(store, project, old, new, words):
    project.edit(old, new)
    with pytest.raises(UsageError, match=words):
        take(store, project, project.out, base=base_tree(store))


def test_modes_deletions_renames_and_binaries(store, project):
    git(project.repo, "rm", "-q", "net/new.c")
    git(project.repo, "mv", PATH, "net/core/moved.c")
    (project.repo / "tool.sh").write_text("#!/bin/sh\n")
    (project.repo / "tool.sh").chmod(0o755)
    (project.repo / "blob.bin").write_bytes(bytes(range(256)))
    sha = commit_all(project.repo, "net: everything")
    args = ("-q", "-M", "--binary", "--start-number=3", "-o", str(project.out), "HEAD~1")
    git(project.repo, "format-patch", *args)
    series = Series("s", "t", (*project.series.commits, row(sha, "net: everything")))
    source = MboxUpstream(store, [str(project.out)], base_tree(store))
    one = source.commits(series, silent)[-1]
    changes = {c.path: c for c in store.changes(one.parent, one.commit)}
    assert set(changes) == {"net/new.c", PATH, "net/core/moved.c", "tool.sh", "blob.bin"}
    assert changes["net/new.c"].new is None
    assert changes["tool.sh"].new.mode == "100755"
    assert store.read(one.commit, "blob.bin") == bytes(range(256))


def test_the_base_itself_is_left_as_it_was(store, project):
    base = base_tree(store)
    store.run("update-ref", "refs/heads/x", take(store, project, project.out, base=base)[0].commit)
    refs = store.run("for-each-ref").text
    take(store, project, project.out, base=base)
    assert store.run("for-each-ref").text == refs
    assert not (store.path / "index").exists()
