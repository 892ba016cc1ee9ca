"""Objects and merges inside the process give what git gives."""

from __future__ import annotations

import pytest
from auditkit import Story

from backport.doors.odb import Odb
from backport.values.errors import UsageError
from backport.values.gitformat import Entry
from backport.values.linediff import Delta

TEXT = "".join(f"line {n}\n" for n in range(30))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    made = Story(tmp_path_factory.mktemp("odb") / "a.git")
    made.first = made.add("first", files={"d/a.c": TEXT, "b.txt": "b\n"})
    made.branch("side", made.first)
    made.second = made.add("second", files={"d/a.c": TEXT.replace("line 3\n", "three\n")})
    made.third = made.add("third", files={"b.txt": None, "c.c": "c\n"})
    made.side = made.add("side", files={"d/a.c": TEXT.replace("line 25\n", "far\n")}, branch="side")
    made.near = made.add("near", files={"d/a.c": TEXT.replace("line 3\n", "drei\n")}, branch="side")
    return made


@pytest.fixture(scope="module")
def odb(story):
    return Odb(story.path)


def test_a_folder_that_is_no_repository_is_told(tmp_path):
    with pytest.raises(UsageError, match="not a git repository"):
        Odb(tmp_path)


def test_commits_are_found_by_short_ids_and_others_are_not(story, odb):
    assert odb.commit(story.second[:12]) == (story.second, (story.first,))
    assert odb.commit("5" * 40) is None
    assert odb.commit(odb.tree(story.first)) is None
    assert odb.commit("no id") is None
    assert odb.parents(story.second) == (story.first,)


def test_changes_are_those_that_git_tells(story, odb):
    for old, new in ((story.first, story.third), (story.second, story.third)):
        assert odb.changes(old, new) == story.git.changes(old, new)
    assert [c.path for c in odb.changes(story.first, story.third, (".c",))] == ["c.c", "d/a.c"]
    assert odb.distance(story.first, story.third) == 3


def test_files_are_read_and_folders_are_not(story, odb):
    assert odb.read(story.first, "d/a.c") == TEXT.encode()
    assert odb.entry(story.first, "d") is None
    assert odb.read(story.first, "none.c") is None
    assert dict(odb.files(story.third)) == story.git.entries(odb.tree(story.third))


def blobs(odb, *commits):
    return [odb.entry(commit, "d/a.c").oid for commit in commits]


def test_a_merge_gives_what_git_gives(story, odb):
    merged = odb.merge(*blobs(odb, story.first, story.side, story.second))
    trees = [odb.tree(sha) for sha in (story.first, story.side, story.second)]
    by_git = story.git.merge_trees(*trees)
    assert merged.clean
    assert merged.data == story.git.read(by_git.tree, "d/a.c")


def test_a_conflict_is_not_clean_and_what_is_no_text_is_none(story, odb):
    assert not odb.merge(*blobs(odb, story.first, story.near, story.second)).clean
    oids = [story.git.write_blob(data) for data in (b"\0a", b"\0b", b"\0c")]
    assert Odb(story.path).merge(*oids) is None
    latin = [
        story.git.write_blob(data) for data in (b"a\nb\nc\n", b"a\nb\nc\xe9\n", b"\xe4\nb\nc\n")
    ]
    assert Odb(story.path).merge(*latin) is None


def test_entries_have_gits_modes(story, odb):
    assert odb.entry(story.first, "b.txt") == Entry(
        "100644", story.git.entry(story.first, "b.txt").oid
    )


# -- chains of merges


def test_where_two_conflict_theirs_can_be_made_to_win(story):
    odb = Odb(story.path)
    base, ours, theirs = (
        odb.entry(sha, "d/a.c").oid for sha in (story.first, story.second, story.near)
    )
    assert not odb.merge(base, ours, theirs).clean
    assert odb.joined(base, ours, theirs) is None
    assert odb.joined(base, ours, theirs, force=True) == theirs
    far = odb.entry(story.side, "d/a.c").oid
    assert odb.blob(odb.joined(base, ours, far)) == odb.merge(base, ours, far).data


def test_what_changed_between_two_files_is_told_by_lines(story, odb):
    oids = [odb.write("".join(text).encode()) for text in (
        ("a\n", "b\n", "c\n", "d\n"), ("x\n", "a\n", "B\n", "c\n"),
    )]  # fmt: skip
    assert odb.hunks(*oids) == [Delta(0, 0, 0, 1), Delta(1, 2, 2, 3), Delta(3, 4, 4, 4)]
    assert odb.hunks(oids[0], oids[0]) == []
