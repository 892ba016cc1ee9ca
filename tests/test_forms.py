"""Every form of a series is applied by the tool it is for, and a form that lies is caught."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from exportkit import EXTRA, ONE, WHO, WORDS, Shop

from backport.doors.git import Git
from backport.output.exporters import EXPORTERS, pack
from backport.output.exporters.cargo import reworded
from backport.output.exporters.patches import borrower
from backport.readers.patchfile import read_patch, split_mbox
from backport.values.dialects import DIALECTS, kept
from backport.values.errors import GateFailed, ToolMissing, UsageError

pytestmark = pytest.mark.slow

FOLDERS = [name for name in EXPORTERS if name != "git"]
PATCHED = [name for name in FOLDERS if name != "bundle"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Shop(tmp_path_factory.mktemp("shop") / "store.git")


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize("name", FOLDERS)
def test_each_form_gives_the_tree_by_its_own_tool(shop, tmp_path, name):
    row = EXPORTERS[name]
    before = contents(shop.git.path)
    cargo = shop.cargo(row.dialect)
    files = row.write(cargo, tmp_path / "out")
    assert set(files) == set(contents(tmp_path / "out"))
    letter = next(p for p in files if "cover-letter" in p)
    told = (tmp_path / "out" / letter).read_text().split("Apply it with\n  ")[1].split("\n")[0]
    assert row.tool.split()[0] in told
    assert row.prove(cargo, tmp_path / "out") == shop.record.tree
    assert contents(shop.git.path) == before, "the store was touched"


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_each_form_gives_the_tree_in_every_dialect_that_it_carries(shop, tmp_path, name):
    row = EXPORTERS[name]
    for speech in (d for d in DIALECTS.values() if d.medium in row.carries):
        cargo = shop.cargo(speech.name, EXTRA)
        row.write(cargo, tmp_path / "out")
        assert row.prove(cargo, tmp_path / "out") == shop.record.tree


@pytest.mark.parametrize("name", DIALECTS)
def test_each_dialect_is_read_back_from_its_files(shop, tmp_path, name):
    cargo = shop.cargo(name, EXTRA)
    EXPORTERS["quilt"].write(cargo, tmp_path / "out")
    folder = tmp_path / "out/patches"
    names = (folder / "series").read_text().split()
    row = DIALECTS[name]
    for p, file in zip(cargo.patches, names, strict=True):
        found = read_patch((folder / file).read_bytes(), file, file)
        assert row.recognise(found.letter), file
        assert row.parse(found.letter) == kept(row, p)
        assert {f.text for f in row.lint(found.letter)} == {
            o.text for o in row.lint(cargo.letter(names.index(file) + 1))
        }


def test_provenance_comes_from_the_record_and_the_commits(shop):
    first, second, *_ = shop.cargo("stable", EXTRA).patches
    assert first == replace(
        WORDS[0], author=WHO, mainline="v6.7", bugs=EXTRA.bugs, cves=EXTRA.cves,
        carrier=EXTRA.carrier, updated="2026-07-14",
    )  # fmt: skip
    assert second.subject == "drivers: übersetzen"
    bare = pack(shop.git, replace(shop.record, picks=()), DIALECTS["stable"])
    assert bare.patches[0].upstream == WORDS[0].upstream


@pytest.mark.parametrize("name", ["patches", "mbox"])
def test_fields_among_a_mails_are_a_mail(shop, tmp_path, name):
    cargo = shop.cargo("suse", EXTRA)
    EXPORTERS[name].write(cargo, tmp_path / "out")
    assert EXPORTERS[name].prove(cargo, tmp_path / "out") == shop.record.tree
    texts = b"".join(contents(tmp_path / "out").values())
    assert b"\nPatch-mainline: v6.7\n" in texts and f"Git-commit: {ONE}\n".encode() in texts


def test_in_the_branchs_own_words_the_commits_are_the_same(shop):
    with borrower(shop.git) as clean:
        assert reworded(clean, shop.cargo()) == shop.record.head
        assert reworded(clean, shop.cargo(extra=EXTRA)) != shop.record.head


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_another_machine_writes_the_same_bytes(shop, tmp_path, name):
    other = Shop(tmp_path / "elsewhere" / "other.git")
    row = EXPORTERS[name]
    row.write(shop.cargo(row.dialect), tmp_path / "one")
    row.write(other.cargo(row.dialect), tmp_path / "two")
    row.write(shop.cargo(row.dialect), tmp_path / "two")  # over an earlier one
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    for data in contents(tmp_path / "one").values():
        assert str(tmp_path).encode() not in data


def test_openwrts_files_have_its_names_and_upstreams_ids(shop, tmp_path):
    EXPORTERS["quilt"].write(shop.cargo("openwrt"), tmp_path / "out")
    first = tmp_path / "out/patches/600-01-v6.7-net-set-line-20.patch"
    assert first.read_text().startswith(f"From {ONE} Mon Sep 17 00:00:00 2001\n")


def test_a_spec_file_gets_tags_and_lines(shop, tmp_path):
    EXPORTERS["rpm"].write(shop.cargo(), tmp_path / "out")
    tags = (tmp_path / "out/patches.inc").read_text().splitlines()[1:]
    assert tags[0] == "Patch1001: 0001-net-set-line-20.patch" and len(tags) == 4
    prep = (tmp_path / "out/prep.inc").read_text().splitlines()[1:]
    assert prep == [f"%patch -P {n} -p1" for n in range(1001, 1005)]


# -- a form that lies is caught


def spoil(folder, old, new):
    """Change what the files say; there must be something to change."""
    hit = 0
    for path in (p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if old in data and not path.name.endswith(".txt"):
            path.write_bytes(data.replace(old, new))
            hit += 1
    assert hit


@pytest.mark.parametrize("name", ["mbox", "rpm"])
def test_another_line_is_another_tree(shop, tmp_path, name):
    row = EXPORTERS[name]
    cargo = shop.cargo(row.dialect)
    row.write(cargo, tmp_path / "out")
    spoil(tmp_path / "out", b"+int more;", b"+int less;")
    with pytest.raises(GateFailed, match=r"differ in net/core/new\.c"):
        row.prove(cargo, tmp_path / "out")


@pytest.mark.parametrize("name", PATCHED)
def test_a_hunk_that_does_not_fit_is_not_forced(shop, tmp_path, name):
    row = EXPORTERS[name]
    cargo = shop.cargo(row.dialect)
    row.write(cargo, tmp_path / "out")
    spoil(tmp_path / "out", b" int line19;\n", b" int line91;\n")
    with pytest.raises(GateFailed, match="does not apply") as err:
        row.prove(cargo, tmp_path / "out")
    assert "dev.c" in err.value.message


@pytest.mark.parametrize("name", ["quilt"])
def test_a_patch_that_the_series_forgets_is_missed(shop, tmp_path, name):
    row = EXPORTERS[name]
    cargo = shop.cargo(row.dialect)
    row.write(cargo, tmp_path / "out")
    (series,) = (tmp_path / "out").rglob("series")
    series.write_text("".join(line for line in series.open() if "0002" not in line))
    with pytest.raises(GateFailed, match=r"differ in drivers/latin\.c"):
        row.prove(cargo, tmp_path / "out")


def test_a_file_left_behind_is_another_tree(shop, tmp_path):
    row = EXPORTERS["quilt"]
    cargo = shop.cargo()
    row.write(cargo, tmp_path / "out")
    more = b"--- /dev/null\n+++ b/net/left\n@@ -0,0 +1 @@\n+x\n"
    last = tmp_path / "out/patches/0004-net-new-once-more.patch"
    last.write_bytes(last.read_bytes() + more)
    with pytest.raises(GateFailed, match="differ in net/left"):
        row.prove(cargo, tmp_path / "out")


def test_a_bundle_that_is_cut_short_or_of_another_head_is_caught(shop, tmp_path):
    row = EXPORTERS["bundle"]
    cargo = shop.cargo()
    row.write(cargo, tmp_path / "out")
    (bundle,) = (tmp_path / "out").glob("*.bundle")
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-200])
    with pytest.raises(GateFailed, match="cannot fetch"):
        row.prove(cargo, tmp_path / "out")
    bundle.write_bytes(whole)
    with pytest.raises(GateFailed, match=r"differ in net/core/new\.c"):
        row.prove(replace(cargo, tree=cargo.commits[2].tree), tmp_path / "out")


def test_a_bundle_lacks_nothing_that_the_base_has_not(shop, tmp_path):
    """What the proof stands on: objects that only our store has are no help."""
    row = EXPORTERS["bundle"]
    cargo = shop.cargo()
    row.write(cargo, tmp_path / "out")
    (bundle,) = (tmp_path / "out").glob("*.bundle")
    ref = f"refs/heads/{cargo.branch}"
    middle = cargo.commits[1].oid
    shop.git.update_ref(ref, cargo.head, None, "test")
    shop.git.run("bundle", "create", bundle, ref, f"^{middle}")
    shop.git.delete_ref(ref)
    with pytest.raises(GateFailed, match="cannot fetch"):
        row.prove(cargo, tmp_path / "out")


# -- what is refused


@pytest.mark.parametrize("name", ["quilt", "debian", "rpm"])
def test_a_binary_file_is_refused_where_patch_would_drop_it(tmp_path, name):
    shop = Shop(tmp_path / "s.git", ({"net/x.bin": bytes(range(256))},))
    with pytest.raises(UsageError, match=r"net/x\.bin, a binary file") as err:
        EXPORTERS[name].write(shop.cargo(), tmp_path / "out")
    assert "bundle" in err.value.hint and not (tmp_path / "out").exists()
    for good in ("mbox", "bundle"):
        EXPORTERS[good].write(shop.cargo(), tmp_path / good)
        assert EXPORTERS[good].prove(shop.cargo(), tmp_path / good) == shop.record.tree


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_others_is_left_alone(shop, tmp_path, name):
    theirs = tmp_path / "out/sub/notes.md"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    with pytest.raises(UsageError, match="left alone"):
        EXPORTERS[name].write(shop.cargo(), tmp_path / "out")
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [theirs]


@pytest.mark.parametrize(
    ("name", "tool"), [("quilt", "quilt"), ("debian", "dpkg-dev"), ("rpm", "rpm")]
)
def test_a_missing_tool_is_named_with_its_package(shop, tmp_path, monkeypatch, name, tool):
    EXPORTERS[name].write(shop.cargo(), tmp_path / "out")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ToolMissing) as err:
        EXPORTERS[name].prove(shop.cargo(), tmp_path / "out")
    assert tool in err.value.hint and "apt-get install" in err.value.hint


# -- a branch


@pytest.fixture
def home(shop, tmp_path):
    """A repository of a person's that has the base."""
    there = Git.init_bare(tmp_path / "home.git")
    there.run("fetch", "-q", shop.git.path, f"{shop.base}:refs/heads/main")
    return Git(there.path)


def test_a_branch_in_a_persons_repository(shop, home, monkeypatch):
    row, cargo = EXPORTERS["git"], shop.cargo("rhel", EXTRA)
    assert row.write(cargo, home.path) == ("backport/x/mini",)
    assert row.prove(cargo, home.path) == shop.record.tree
    log = home.run(
        "log", "--format=%an|%cn|%s", "backport/x/mini", f"^{shop.base}"
    ).text.splitlines()
    assert log[-1] == "Mia Maintainer|Mia Maintainer|net: set line 20"
    assert f"\ncommit {ONE}\n" in home.run("log", "-1", "--format=%B", "backport/x/mini~3").text
    assert home.ref("refs/heads/main") == shop.base
    plain = shop.cargo(extra=replace(EXTRA, carrier="", branch="mine"))
    row.write(plain, home.path)
    assert home.ref("refs/heads/mine") == shop.record.head


def test_a_branch_of_others_is_left_alone_without_force(shop, home):
    row, cargo = EXPORTERS["git"], shop.cargo()
    theirs = home.commit_tree(home.empty_tree(), [], "mine", WHO, WHO)
    home.update_ref("refs/heads/backport/x/mini", theirs, None, "test")
    with pytest.raises(UsageError, match="no run of this tool made"):
        row.write(cargo, home.path)
    with pytest.raises(GateFailed):
        row.prove(cargo, home.path)
    assert home.ref("refs/heads/backport/x/mini") == theirs
    row.write(replace(cargo, extra=replace(cargo.extra, force=True)), home.path)
    assert row.prove(cargo, home.path) == shop.record.tree


def test_a_branch_needs_a_repository_and_a_name(shop, tmp_path, home):
    with pytest.raises(UsageError, match="in no git repository"):
        EXPORTERS["git"].write(shop.cargo(), tmp_path / "nowhere")
    with pytest.raises(GateFailed, match="has no branch"):
        EXPORTERS["git"].prove(shop.cargo(), home.path)
    for name in ("git", "bundle"):
        where = home.path if name == "git" else tmp_path / "out"
        with pytest.raises(UsageError, match="not a branch name"):
            EXPORTERS[name].write(shop.cargo(extra=replace(EXTRA, branch="a..b")), where)


def test_a_mbox_is_one_file_of_all_mails(shop, tmp_path):
    EXPORTERS["mbox"].write(shop.cargo(), tmp_path / "out")
    (box,) = (tmp_path / "out").glob("*.mbox")
    assert len(split_mbox(box.read_bytes())) == len(WORDS)


def test_carriage_returns_survive_an_mbox_by_the_command_in_its_letter(tmp_path):
    shop = Shop(tmp_path / "s.git", ({"drivers/dos.inf": b"one\r\ntwo\r\n"},))
    EXPORTERS["mbox"].write(shop.cargo(), tmp_path / "out")
    assert EXPORTERS["mbox"].prove(shop.cargo(), tmp_path / "out") == shop.record.tree
    letter = (tmp_path / "out/cover-letter.txt").read_text()
    assert "\n  git am --keep-cr netkit-debian-6.1.mbox\n" in letter
