"""Series out: the files are stable, `git am` gives the tree back, nobody's files are lost."""

from __future__ import annotations

import contextlib
import copy
import email
import errno
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sample_record import PASSED_RUN, sample

from backport.doors.git import FILE_MODE, Entry, Git
from backport.output import exporters
from backport.output.exporters import EXPORTERS, Cover, cover_of, pack, verify_patches
from backport.output.exporters import folder as folders
from backport.output.exporters.cover import fold
from backport.output.exporters.patches import am_options, rfc2822
from backport.values.commit import Person
from backport.values.dialects.stable import STABLE
from backport.values.errors import GateFailed, Unavailable, UsageError
from backport.values.record import Adaptation

WHO = Person("Jörg Müller", "jm@example.org", "1700000000 +0200")
BASE_FILES = {
    "Makefile": b"VERSION = 6\nPATCHLEVEL = 1\n",
    "net/core/dev.c": b"".join(b"int line%d;\n" % n for n in range(40)),
    "net/core/old.c": b"int old;\n",
    "drivers/latin.c": b"/* caf\xe9 */\nint a;\nint b;\n",
    "drivers/dos.inf": b"one\r\ntwo\r\n",
    "docs/never-touched.txt": b"same\n",
}


class Repo:
    """A small kernel-like repository with a line of commits on a base."""

    def __init__(self, path: Path):
        self.git = Git.init_bare(path)
        self.tree = self.git.edit_tree("", self._entries(BASE_FILES))
        self.base = self.head = self.git.commit_tree(self.tree, [], "base", WHO, WHO)

    def _entries(self, files):
        return {
            path: None if data is None else Entry(FILE_MODE, self.git.write_blob(data))
            for path, data in files.items()
        }

    def commit(self, message, files, parents=()):
        self.tree = self.git.edit_tree(self.tree, self._entries(files))
        parents = parents or [self.head]
        self.head = self.git.commit_tree(self.tree, parents, message, WHO, WHO)
        return self.head

    def export(self, dest, cover=None):
        base = replace(PASSED_RUN.base, commit=self.base)
        record = replace(PASSED_RUN, base=base, head=self.head, tree=self.tree)
        cargo = replace(pack(self.git, record, STABLE), cover=cover or COVER)
        files = EXPORTERS["patches"].write(cargo, dest)
        options = am_options([dest / name for name in files])
        return SimpleNamespace(
            path=dest, files=files, base=cargo.base, head=cargo.head, am_options=options
        )


COVER = cover_of(PASSED_RUN)


def grow(repo):
    """Four commits: text, bytes that are no UTF-8, a new and a removed file, a binary."""
    dev = BASE_FILES["net/core/dev.c"].replace(b"line20;", b"line20 = 1;")
    repo.commit("net: set line 20\n\nWhy: it was not set.\n", {"net/core/dev.c": dev})
    repo.commit(
        "drivers: übersetzen\n\nBody\n", {"drivers/latin.c": b"/* caf\xe9 */\nint \xfc;\nint b;\n"}
    )
    repo.commit(
        "net: move old to new\n",
        {"net/core/old.c": None, "net/core/new.c": b"int old;\n", "net/x.bin": bytes(range(256))},
    )
    repo.commit("net: new once more\n", {"net/core/new.c": b"int old;\nint more;\n"})
    return repo


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """The repository that most tests start from; they get copies."""
    return grow(Repo(tmp_path_factory.mktemp("grown") / "store.git"))


@pytest.fixture
def repo(tmp_path, grown):
    shutil.copytree(grown.git.path, tmp_path / "store.git")
    mine = copy.copy(grown)
    mine.git = Git(tmp_path / "store.git")
    return mine


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_one_numbered_file_a_commit_and_a_letter_first(repo, tmp_path):
    done = repo.export(tmp_path / "out")
    assert done.files == (
        "0000-cover-letter.patch",
        "0001-net-set-line-20.patch",
        "0002-drivers-bersetzen.patch",
        "0003-net-move-old-to-new.patch",
        "0004-net-new-once-more.patch",
    )
    assert set(done.files) == set(contents(tmp_path / "out"))
    assert (done.base, done.head, done.am_options) == (repo.base, repo.head, ())


def test_git_am_of_the_files_gives_the_same_tree(repo, tmp_path):
    repo.export(tmp_path / "out")
    before = contents_of_repo(repo.git.path)
    assert verify_patches(repo.git, repo.base, tmp_path / "out", repo.tree) == repo.tree
    assert contents_of_repo(repo.git.path) == before, "the user's repository was touched"


def contents_of_repo(path):
    return {str(p): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_the_command_in_the_letter_works_in_a_plain_clone(repo, tmp_path):
    dos = {"drivers/dos.inf": b"one\r\ntwo and a half\r\n"}
    repo.commit("drivers: a file with carriage returns\n", dos)
    done = repo.export(tmp_path / "out")
    assert done.am_options == ("--keep-cr",)
    letter = (tmp_path / "out" / done.files[0]).read_text()
    command = next(line.strip() for line in letter.splitlines() if "git am" in line)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", repo.git.path, clone], check=True, capture_output=True)
    git = ["git", "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "checkout", "-q", "-b", "x", repo.base], check=True)
    shell = command.replace("git am", " ".join(git[:1]) + " am", 1).replace("*", f"{done.path}/*")
    env = {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c", "PATH": "/usr/bin:/bin"}
    subprocess.run(shell, shell=True, cwd=clone, env=env, check=True, capture_output=True)
    assert Git(clone).tree_of("HEAD") == repo.tree
    assert verify_patches(repo.git, repo.base, done.path, repo.tree) == repo.tree


def test_another_machine_writes_the_same_bytes(repo, tmp_path):
    other = grow(Repo(tmp_path / "elsewhere" / "deep" / "other.git"))
    settings = {
        "format.signature": "mine",
        "diff.noprefix": "true",
        "diff.context": "9",
        "format.subjectPrefix": "RFC",
        "core.abbrev": "7",
    }
    for key, value in settings.items():
        other.git.run("config", key, value)
    repo.export(tmp_path / "one")
    other.export(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_patches_name_no_machine_and_no_moment(repo, tmp_path):
    repo.export(tmp_path / "out")
    for name, data in contents(tmp_path / "out").items():
        assert str(tmp_path).encode() not in data, name
        assert data.startswith(b"From " + b"0" * 40 + b" Mon Sep 17 00:00:00 2001\n"), name
        assert b"\n2." not in data.rpartition(b"\n-- \n")[2], name
    second = contents(tmp_path / "out")["0002-drivers-bersetzen.patch"]
    assert b"-int a;\n+int \xfc;\n" in second
    third = contents(tmp_path / "out")["0003-net-move-old-to-new.patch"]
    assert b"deleted file mode 100644" in third
    assert b"rename from" not in third


# -- the letter


def test_the_letter_is_a_mail_with_everything_in_it(repo, tmp_path):
    repo.export(tmp_path / "out")
    mail = email.message_from_bytes((tmp_path / "out/0000-cover-letter.patch").read_bytes())
    assert mail["Subject"] == "[PATCH 0/4] netkit: backport to 6.1.192"
    assert mail["Date"] == "Wed, 15 Nov 2023 00:13:20 +0200"
    sender = email.header.make_header(email.header.decode_header(mail["From"]))
    assert str(sender) == "Jörg Müller <jm@example.org>"
    body = mail.get_payload(decode=True).decode()
    for part in (
        "  commit " + PASSED_RUN.base.commit,
        "053c8e1f235dc3f69d13375b32f4209228e1cb96 resolved",
        "    with 117211aa739a926e6555cfea883be84bee6f1695",
        "tcx-sch-handle (net/core/dev.c, +12 -9)",
        "sch_handle_ingress() still takes `struct packet_type **` & returns",
        "tc_netkit: 7 passed, 0 failed, 0 skipped",
        "why: needs v6.19",
        "Jörg Müller (4):\n  net: set line 20\n  drivers: übersetzen\n",
        " net/core/dev.c  |   2 +-\n",
        "delete mode 100644 net/core/old.c",
    ):
        assert part in body
    assert max(map(len, body.splitlines())) <= 76


def test_a_letter_without_rules_or_tests_says_so(repo, tmp_path):
    repo.export(tmp_path / "out", Cover("netkit", "debian-6.1", PASSED_RUN.base))
    text = (tmp_path / "out/0000-cover-letter.patch").read_text()
    assert "Adaptations: none" in text
    assert "Tests: none were run." in text
    assert "Left out" not in text


def test_text_in_the_letter_cannot_pass_for_a_patch(repo, tmp_path):
    evil = "diff --git a/x b/x --- a/x +++ b/x @@ -0,0 +1 @@ +owned"
    fired = (Adaptation("r", f"{evil}\n--- a/net/core/dev.c\n+++ b\n@@ -1 +1 @@\n", "x.c"),)
    cover = replace(COVER, adaptations=fired, series="a\nBcc: x@example.org")
    repo.export(tmp_path / "out", cover)
    lines = (tmp_path / "out/0000-cover-letter.patch").read_text().splitlines()
    assert not [line for line in lines if line.startswith(("diff -", "--- ", "Index:", "Bcc:"))]
    assert verify_patches(repo.git, repo.base, tmp_path / "out", repo.tree) == repo.tree


def test_a_name_that_is_no_utf_8_does_not_stop_an_export(tmp_path):
    repo = Repo(tmp_path / "store.git")
    tree = repo.git.edit_tree(repo.tree, {"Makefile": None})
    raw = (
        f"tree {tree}\nparent {repo.base}\n".encode()
        + b"author J\xf6rg <j@x> 1700000000 +0000\ncommitter J\xf6rg <j@x> 1700000000 +0000\n"
        + b"\ndrop it\n"
    )
    done = repo.git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
    repo.head = done.text.strip()
    repo.export(tmp_path / "out")
    assert b"From: J?rg <j@x>" in (tmp_path / "out/0000-cover-letter.patch").read_bytes()
    assert verify_patches(repo.git, repo.base, tmp_path / "out", tree) == tree


# -- what is refused


@pytest.mark.parametrize("extra", ["notes.txt", "sub/x", "0001-mine.patch"])
def test_a_folder_of_others_is_left_alone(repo, tmp_path, extra):
    theirs = tmp_path / "out" / extra
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    with pytest.raises(UsageError, match="left alone"):
        repo.export(tmp_path / "out")
    assert theirs.read_text() == "mine"
    assert not list(tmp_path.glob(".out.*"))


def test_a_file_or_a_link_in_the_way_is_left_alone(repo, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="is not a folder"):
            repo.export(tmp_path / name)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("exchange", [True, False])
def test_an_earlier_export_is_replaced_whole(repo, tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(folders, "_exchange", lambda _one, _other: False)
    (tmp_path / "out").mkdir()
    repo.export(tmp_path / "out")
    first = contents(tmp_path / "out")
    repo.head = repo.git.resolve(f"{repo.head}~2")
    again = repo.export(tmp_path / "out")
    assert len(first) == 5
    assert set(contents(tmp_path / "out")) == set(again.files)
    assert len(again.files) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"store.git", "out"}


def test_an_export_that_fails_keeps_the_earlier_one(repo, tmp_path, monkeypatch):
    repo.export(tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(UsageError, match="changes nothing"):
        repo.commit("nothing at all\n", {})
        repo.export(tmp_path / "out")

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    repo.head = repo.git.resolve(f"{repo.head}~1")
    with pytest.raises(Unavailable, match="no room left"):
        repo.export(tmp_path / "out")
    monkeypatch.undo()
    assert contents(tmp_path / "out") == before
    assert not list(tmp_path.glob(".out.*"))


def test_an_interrupt_leaves_no_half_series(tmp_path):
    with (
        contextlib.suppress(KeyboardInterrupt),
        folders.replace_folder(tmp_path / "out", lambda _path: True) as half,
    ):
        (half / "0001-x.patch").write_text("x")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_commits_that_are_no_line_are_refused(repo, tmp_path):
    side = repo.git.commit_tree(repo.tree, [], "a root of its own", WHO, WHO)
    repo.commit("merge\n", {}, parents=[repo.head, side])
    with pytest.raises(UsageError, match="is not one commit after"):
        repo.export(tmp_path / "out")
    repo.head = side
    with pytest.raises(UsageError, match="parents are none"):
        repo.export(tmp_path / "out")


def test_nothing_to_export_and_unknown_revisions_are_refused(repo, tmp_path):
    with pytest.raises(UsageError, match="no commits to export"):
        repo.base = repo.head
        repo.export(tmp_path / "out")
    with pytest.raises(UsageError, match="names no commit"):
        repo.base = "nowhere"
        repo.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


# -- the proof can fail


def test_a_patch_that_does_not_apply_fails_the_proof(repo, tmp_path):
    repo.export(tmp_path / "out")
    first = tmp_path / "out/0001-net-set-line-20.patch"
    first.write_bytes(first.read_bytes().replace(b" int line19;", b" int line91;"))
    with pytest.raises(GateFailed, match="git am does not apply") as err:
        verify_patches(repo.git, repo.base, tmp_path / "out", repo.tree)
    assert "net/core/dev.c" in err.value.message


def test_a_patch_that_gives_another_tree_fails_the_proof(repo, tmp_path):
    repo.export(tmp_path / "out")
    last = tmp_path / "out/0004-net-new-once-more.patch"
    last.write_bytes(last.read_bytes().replace(b"+int more;", b"+int less;"))
    with pytest.raises(GateFailed, match=r"differ in net/core/new\.c"):
        verify_patches(repo.git, repo.base, tmp_path / "out", repo.tree)


def test_a_missing_patch_fails_the_proof(repo, tmp_path):
    repo.export(tmp_path / "out")
    (tmp_path / "out/0002-drivers-bersetzen.patch").unlink()
    with pytest.raises(GateFailed, match=r"differ in drivers/latin\.c"):
        verify_patches(repo.git, repo.base, tmp_path / "out", repo.tree)


def test_a_folder_without_patches_proves_nothing(repo, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no patches"):
        verify_patches(repo.git, repo.base, tmp_path / "empty", repo.tree)


# -- the rest


def test_formats_are_looked_up_by_name():
    assert exporters.exporter("patches") is exporters.EXPORTERS["patches"]
    with pytest.raises(UsageError, match="no such format") as err:
        exporters.exporter("quilts")
    assert all(name in err.value.hint for name in exporters.EXPORTERS)


def test_a_record_becomes_a_letter():
    cover = cover_of(sample(tests=()))
    assert cover.base is PASSED_RUN.base
    assert cover.tests == ()
    assert cover.left_out == PASSED_RUN.left_out


@pytest.mark.parametrize(
    ("seconds", "zone", "text"),
    [
        (0, "+0000", "Thu, 01 Jan 1970 00:00:00 +0000"),
        (1700000000, "-0730", "Tue, 14 Nov 2023 14:43:20 -0730"),
    ],
)
def test_dates_keep_their_zone(seconds, zone, text):
    assert rfc2822(seconds, zone) == text


def test_folded_text_is_indented_on_every_line():
    lines = fold("word " * 40 + "\n--- a/file", 4).splitlines()
    assert len(lines) > 2
    assert all(line.startswith("    ") and len(line) <= 72 for line in lines)
