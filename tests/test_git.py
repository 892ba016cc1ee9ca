"""The door to git: objects, trees, merges, refs."""

from __future__ import annotations

import stat

import pytest

from backport.doors.git import Entry, Git, parse_commit
from backport.doors.process import ProcessFailed
from backport.values.commit import Person
from backport.values.errors import BackportError, UsageError

ME = Person("A U Thor", "author@example.org", "1700000000 +0100")
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.fixture
def git(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


def tree(git, files, modes=None):
    """A tree of {path: bytes}."""
    modes = modes or {}
    edits = {p: Entry(modes.get(p, "100644"), git.write_blob(d)) for p, d in files.items()}
    return git.edit_tree("", edits)


def files_of(git, tree_id):
    return {path: git.blob(e.oid) for path, e in git.entries(tree_id).items()}


# -- opening


def test_a_folder_without_git_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="not a git repository"):
        Git(tmp_path)
    with pytest.raises(UsageError, match="not a git repository"):
        Git(tmp_path / "none")


def test_init_bare_opens_what_is_there(tmp_path):
    oid = Git.init_bare(tmp_path / "s").write_blob(b"x")
    assert Git.init_bare(tmp_path / "s").blob(oid) == b"x"


def test_the_users_configuration_changes_nothing(git, tmp_path, monkeypatch):
    config = tmp_path / "gitconfig"
    config.write_text("[merge]\n\tconflictStyle = zdiff3\n[core]\n\tquotePath = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert "zdiff3" not in git.run("config", "--list").text


# -- reading


def test_unknown_objects(git):
    with pytest.raises(BackportError, match="no blob"):
        git.blob("1" * 40)
    with pytest.raises(UsageError, match="no such commit"):
        git.commit("1" * 40)
    with pytest.raises(UsageError, match="names no tree"):
        git.tree_of("1" * 40)
    assert git.resolve("nothing") is None
    assert git.resolve("--all") is None


def test_what_a_command_writes_is_read_as_it_comes(git, tmp_path):
    oids = [git.write_blob(text) for text in (b"one", b"two")]
    feed = tmp_path / "ids"
    feed.write_text("".join(f"{oid}\n" for oid in oids))
    with git.reading("cat-file", "--batch", feed=feed) as out:
        assert out.read() == b"%s blob 3\none\n%s blob 3\ntwo\n" % tuple(o.encode() for o in oids)
    with pytest.raises(ProcessFailed, match="bad object"), git.reading("rev-list", "1" * 40) as out:
        assert out.read() == b""


def test_read_and_entry(git):
    t = tree(git, {"a/b.c": b"x\n", "d": b""})
    assert git.read(t, "a/b.c") == b"x\n"
    assert git.read(t, "d") == b""
    assert git.read(t, "a") is None  # a directory is no blob
    assert git.read(t, "none") is None
    assert git.entry(t, "a/b.c").mode == "100644"
    assert set(git.entries(t, ["a"])) == {"a/b.c"}


def test_blobs_packed_after_opening_are_found(git):
    t = tree(git, {"a": b"packed later"})
    oid = git.entry(t, "a").oid
    git.commit_tree(t, [], "x", ME, ME)
    git.run("update-ref", "refs/heads/x", git.commit_tree(t, [], "x", ME, ME))
    git.run("repack", "-a", "-d", "-q")
    assert git.blob(oid) == b"packed later"


def test_changes(git):
    old = tree(git, {"same": b"1", "edit": b"1", "gone": b"1", "mode": b"m"})
    new = tree(git, {"same": b"1", "edit": b"2", "new": b"1", "mode": b"m"}, {"mode": "100755"})
    changes = {c.path: c for c in git.changes(old, new)}
    assert list(changes) == ["edit", "gone", "mode", "new"]
    assert changes["gone"].new is None
    assert changes["new"].old is None  # a rename shows as delete and add
    assert (changes["mode"].old.mode, changes["mode"].new.mode) == ("100644", "100755")
    assert git.changes(old, old) == []


def test_grep(git):
    t = tree(git, {"a.c": b"int x;\nint y;\n", "d/b.c": b"int x;\n", "c.h": b"int x;\n"})
    assert git.grep(t, r"int x;", ["*.c"]) == [("a.c", 1, "int x;"), ("d/b.c", 1, "int x;")]
    assert git.grep(t, "nothing") == []
    with pytest.raises(ProcessFailed):
        git.grep(t, "(")


# -- trees


def test_edit_tree_sets_removes_and_prunes(git):
    t = tree(git, {"a/b/c": b"1", "a/d": b"2", "e": b"3"})
    blob = Entry("100644", git.write_blob(b"new"))
    edited = git.edit_tree(t, {"a/b/c": None, "a/x/y": blob, "e": blob})
    assert files_of(git, edited) == {"a/d": b"2", "a/x/y": b"new", "e": b"new"}
    assert git.edit_tree(edited, {"a/x/y": None, "a/b/c": git.entry(t, "a/b/c")}) == git.edit_tree(
        t, {"e": blob}
    )
    assert git.edit_tree(t, {}) == t


def test_edit_tree_to_nothing_is_the_empty_tree(git):
    t = tree(git, {"a/b": b"1"})
    assert git.edit_tree(t, {"a/b": None}) == EMPTY_TREE
    assert git.edit_tree("", {}) == EMPTY_TREE
    assert git.edit_tree(EMPTY_TREE, {"a/b": git.entry(t, "a/b")}) == t


def test_edit_tree_swaps_files_and_directories(git):
    blob = Entry("100644", git.write_blob(b"x"))
    as_file, as_dir = tree(git, {"a": b"1"}), tree(git, {"a/b": b"1"})
    assert files_of(git, git.edit_tree(as_file, {"a": None, "a/b": blob})) == {"a/b": b"x"}
    assert files_of(git, git.edit_tree(as_file, {"a/b": blob})) == {"a/b": b"x"}
    assert files_of(git, git.edit_tree(as_dir, {"a/b": None, "a": blob})) == {"a": b"x"}
    assert git.edit_tree(as_file, {"a/none": None}) == as_file
    assert git.edit_tree(as_dir, {"a": None}) == as_dir


def test_edit_tree_keeps_odd_names_and_modes(git):
    odd = b'dir \xff/\xe4 "q"\ttab\nline'.decode("utf-8", "surrogateescape")
    t = tree(git, {odd: b"1", "run.sh": b"#!", "link": b"run.sh"}, {"run.sh": "100755"})
    t = git.edit_tree(t, {"link": Entry("120000", git.entry(t, "link").oid)})
    assert git.entries(t)[odd].mode == "100644"
    assert git.entries(t)["run.sh"].mode == "100755"
    assert git.entries(t)["link"].mode == "120000"
    assert [c.path for c in git.changes(t, git.edit_tree(t, {odd: None}))] == [odd]


def test_a_tree_cannot_name_a_missing_blob(git):
    with pytest.raises(ProcessFailed):
        git.edit_tree("", {"a": Entry("100644", "1" * 40)})


# -- commits


def test_commit_ids_depend_on_the_arguments_only(git, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody else")
    other = Git.init_bare(tmp_path / "other.git")
    ids = {g.commit_tree(tree(g, {"a": b"1"}), [], "s\n\nb\n", ME, ME) for g in (git, other)}
    # What `git commit-tree` gives for the same arguments.
    assert ids == {"a8ee408b761eb5f8e0c67f27adc6b206ab9ad345"}


@pytest.mark.parametrize(
    "name", ["Dot Jr.", '"Quoted"', "Ünïcode", b"Latin\xe9".decode("utf-8", "surrogateescape"), ""]
)
def test_people_survive(git, name):
    who = Person(name, "a@b", "1 -0730")
    info = git.commit(git.commit_tree(git.empty_tree(), [], "s", who, ME))
    assert (info.author, info.committer) == (who, ME)


def test_what_would_break_a_header_is_taken_out(git):
    who = Person("Evil\ntree x <y>", "a>b", "1 +0000")
    info = git.commit(git.commit_tree(git.empty_tree(), [], "s", who, ME))
    assert (info.author.name, info.author.email) == ("Eviltree x y", "ab")


def test_commit_info(git):
    t = tree(git, {"a": b"1"})
    one = git.commit_tree(t, [], "first", ME, ME)
    two = git.commit_tree(t, [one], "subject that\nis folded\n\nbody\n", ME, ME)
    info = git.commit(two)
    assert (info.tree, info.parents) == (t, (one,))
    assert info.subject == "subject that is folded"
    assert info.message == "subject that\nis folded\n\nbody\n"
    assert git.run("log", "-1", "--format=%s", two).text.strip() == info.subject


def test_parse_commit_with_signature_and_encoding():
    raw = (
        b"tree " + b"1" * 40 + b"\nauthor J\xf6rg <j@x> 1 +0000\ncommitter J\xf6rg <j@x> 2 +0000\n"
        b"encoding ISO-8859-1\ngpgsig -----BEGIN\n author fake <f@x> 3 +0000\n -----END\n"
        b"\n\xfcber\n"
    )
    info = parse_commit("2" * 40, raw)
    assert (info.author.name, info.committer.date) == ("Jörg", "2 +0000")
    assert (info.subject, info.parents) == ("über", ())
    unknown = parse_commit("2" * 40, raw.replace(b"ISO-8859-1", b"no-such-code"))
    assert unknown.author.name.startswith("J")


# -- merging

BASE = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n"


def merge(git, base, ours, theirs, modes=({}, {}, {})):
    sides = (base, ours, theirs)
    return git.merge_trees(*(tree(git, f, m) for f, m in zip(sides, modes, strict=True)))


def test_clean_merge_keeps_foreign_files(git):
    """Base and theirs may be slices: what only ours has stays."""
    result = merge(
        git,
        {"f": BASE},
        {"f": BASE.replace(b"1", b"one"), "only/ours": b"x"},
        {"f": BASE.replace(b"9", b"nine"), "new": b"n"},
    )
    assert result.unmerged == ()
    assert files_of(git, result.tree) == {
        "f": BASE.replace(b"1", b"one").replace(b"9", b"nine"),
        "only/ours": b"x",
        "new": b"n",
    }


def test_edits_of_one_line_conflict_with_three_sides(git):
    result = merge(git, {"f": b"a\n"}, {"f": b"b\n"}, {"f": b"c\n"})
    (one,) = result.unmerged
    assert one.path == "f"
    assert [git.blob(e.oid) for e in (one.base, one.ours, one.theirs)] == [b"a\n", b"b\n", b"c\n"]
    assert b"|||||||" in git.read(result.tree, "f")  # markers show the base


def test_add_add_has_no_base(git):
    (one,) = merge(git, {}, {"f": b"b\n"}, {"f": b"c\n"}).unmerged
    assert one.base is None
    assert (one.ours is None, one.theirs is None) == (False, False)
    assert merge(git, {}, {"f": b"b\n"}, {"f": b"b\n"}).unmerged == ()


def test_modify_and_delete(git):
    (one,) = merge(git, {"f": b"a\n"}, {}, {"f": b"b\n"}).unmerged
    assert one.ours is None
    (one,) = merge(git, {"f": b"a\n"}, {"f": b"b\n"}, {}).unmerged
    assert one.theirs is None
    assert merge(git, {"f": b"a\n"}, {}, {}).unmerged == ()


@pytest.mark.parametrize("twin", ["b", "other/a"])
def test_no_side_s_change_goes_into_a_similar_file(git, twin):
    """git looks for renames whatever its configuration says; a pick must not."""
    result = merge(git, {"a": BASE}, {twin: BASE}, {"a": BASE + b"10\n"})
    (one,) = result.unmerged
    assert (one.path, one.ours) == ("a", None)
    assert files_of(git, result.tree) == {twin: BASE, "a": BASE + b"10\n"}
    result = merge(git, {"a": BASE}, {"a": b"0\n" + BASE}, {twin: BASE})
    (one,) = result.unmerged
    assert (one.path, one.theirs) == ("a", None)
    assert files_of(git, result.tree) == {twin: BASE, "a": b"0\n" + BASE}


def test_deletions_that_meet_no_change_are_clean(git):
    both = merge(git, {"a": b"1", "b": b"2", "c": b"3"}, {"b": b"2", "c": b"3"}, {"c": b"3"})
    assert (files_of(git, both.tree), both.unmerged) == ({"c": b"3"}, ())
    gone = merge(git, {"a": b"1"}, {"a": b"1"}, {})
    assert (files_of(git, gone.tree), gone.unmerged) == ({}, ())
    here = merge(git, {"a": b"1", "f": BASE}, {"f": BASE}, {"a": b"1", "f": BASE + b"x\n"})
    assert (files_of(git, here.tree), here.unmerged) == ({"f": BASE + b"x\n"}, ())


def test_a_file_becomes_a_directory(git):
    result = merge(git, {"a": b"1"}, {"a": b"1", "k": b""}, {"a/b": b"2"})
    assert (files_of(git, result.tree), result.unmerged) == ({"a/b": b"2", "k": b""}, ())


def test_binary_conflicts_keep_our_side(git):
    (one,) = merge(git, {"f": b"\0a"}, {"f": b"\0b"}, {"f": b"\0c"}).unmerged
    assert git.blob(one.theirs.oid) == b"\0c"


def test_mode_changes_merge_and_conflict(git):
    sides = {"f": BASE}, {"f": BASE}, {"f": BASE + b"10\n"}
    result = merge(git, *sides, modes=({}, {"f": "100755"}, {}))
    assert git.entry(result.tree, "f").mode == "100755"
    assert git.read(result.tree, "f") == BASE + b"10\n"
    result = merge(git, {"f": b"a\n"}, {"f": b"b\n"}, {"f": b"c\n"}, ({}, {"f": "100755"}, {}))
    assert stat.S_IMODE(int(result.unmerged[0].ours.mode, 8)) == 0o755


def test_conflicts_at_odd_paths(git):
    odd = b'd\xff/"a b"\n.c'.decode("utf-8", "surrogateescape")
    result = merge(git, {odd: b"a\n"}, {odd: b"b\n"}, {odd: b"c\n"})
    assert [u.path for u in result.unmerged] == [odd]


def test_the_same_merge_gives_the_same_tree(git, tmp_path):
    other = Git.init_bare(tmp_path / "other.git")
    args = {"f": b"a\n"}, {"f": b"b\n"}, {"f": b"c\n"}
    assert merge(git, *args) == merge(other, *args)


def test_merging_what_is_not_there_fails_loudly(git):
    some = tree(git, {"a": b"1"})
    for trees in (("1" * 40, some, some), (some, "1" * 40, some), (some, some, "1" * 40)):
        with pytest.raises(BackportError):
            git.merge_trees(*trees)
    with pytest.raises(BackportError, match="no object"):
        git.commit_tree("1" * 40, [], "x", ME, ME)
    with pytest.raises(BackportError, match="no object"):
        git.commit_tree(some, ["1" * 40], "x", ME, ME)


# -- refs


def test_update_ref_moves_only_from_the_expected_value(git):
    one, two = (git.commit_tree(git.empty_tree(), [], m, ME, ME) for m in ("1", "2"))
    name = "refs/heads/x"
    assert git.ref(name) is None
    git.update_ref(name, one, None, "made")
    with pytest.raises(UsageError, match="is not at nothing"):
        git.update_ref(name, two, None, "again")
    with pytest.raises(UsageError, match="left as it is") as caught:
        git.update_ref(name, two, two, "wrong")
    assert caught.value.hint
    assert git.ref(name) == one
    git.update_ref(name, two, one, "moved")
    assert git.ref(name) == two
    git.delete_ref(name)
    assert git.ref(name) is None


def test_objects_are_read_though_a_bare_repository_does_not_say_that_it_is_one(tmp_path):
    git = Git.init_bare(tmp_path / "store.git")
    oid = git.write_blob(b"kept\n")
    git.run("config", "--unset", "core.bare")  # as `git sparse-checkout` in a worktree leaves it
    assert Git(tmp_path / "store.git").blob(oid) == b"kept\n"


def test_a_merge_that_git_could_not_make_is_no_conflict(git, monkeypatch):
    """git ends with 1 for a commit that it does not have, as it does for a conflict."""
    trees = [tree(git, {"a.txt": b"%d\n" % n}) for n in range(3)]
    monkeypatch.setattr(git, "commit_tree", lambda *_: "5" * 40)
    with pytest.raises(ProcessFailed, match="merge-tree"):
        git.merge_trees(*trees)
