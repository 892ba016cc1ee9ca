"""A series cut out of two drops: nested commits, the proof, and everything that it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kernelish import OTHER_SHA, SHA, drop, files_of, make_tree

from backport.doors.git import Git
from backport.readers.snapshot import read_snapshot
from backport.upstreams.snapshot import SnapshotUpstream, cut_key, cut_series
from backport.values.errors import ManifestError
from backport.values.events import silent
from backport.values.series import Role, Series, SeriesCommit
from backport.values.version import Version

OLDER = {
    "net/core.c": "int core(void)\n{\n\treturn old;\n}\n\nint keep(void)\n{\n\treturn 1;\n}\n",
    "net/Makefile": "obj-y += core.o\n",
    "include/core.h": "#define CORE 1\n#define LATER 9\n",
    "README": "nothing\n",
}
NEWER = {
    "net/core.c": (
        "#include <dock.h>\n\n"
        "int core(void)\n{\n\tdock_one();\n\tdock_two();\n\treturn old;\n}\n\n"
        "int other(void)\n{\n\treturn 3;\n}\n\n"
        "int keep(void)\n{\n\treturn 1;\n}\n"
    ),
    "net/Makefile": "obj-y += core.o dock.o\n",
    "net/dock.c": "int dock_one(void)\n{\n}\n\nint dock_two(void)\n{\n\tdock_one();\n}\n",
    "include/core.h": "#define CORE 2\n#define LATER 9\n",
    "README": "nothing\n",
}
HEAD = """\
mentions = '\\bdock(_[a-z]+)?\\b'
search = ["net", "include"]
[older]
package = "old"
suites = ["x"]
[newer]
package = "new"
suites = ["x"]
"""
FIRST = f"""
[[commit]]
id = "one"
subject = "dock: Add the first"
body = \"\"\"A body that
  runs on.\"\"\"
stands_for = ["{SHA}"]
new_files = ["net/dock.c"]

[[commit.cut]]
path = "net/Makefile"
lines = 'dock\\.o'
was = "obj-y += core.o"

[[commit.cut]]
path = "net/core.c"
from = '^#include <dock'
to = '^$'

[[commit.cut]]
path = "net/core.c"
within = "core"
hunk = 'dock_one'
count = 1
"""
SECOND = f"""
[[commit]]
id = "two"
subject = "dock: Add the second"
body = "Because."
stands_for = ["{OTHER_SHA}"]

[[commit.cut]]
path = "net/core.c"
lines = '^\\tdock_two'

[[commit.cut]]
path = "net/dock.c"
symbol = "dock_two"
"""


@pytest.fixture(scope="module")
def git(tmp_path_factory):
    return Git.init_bare(tmp_path_factory.mktemp("cut") / "s")


@pytest.fixture(scope="module")
def plain(git, tmp_path_factory):
    """The two commits, cut out of the two drops."""
    return cut(git, tmp_path_factory.mktemp("plain"), HEAD + FIRST + SECOND)


def cut(git, folder, text, older=OLDER, newer=NEWER):
    (folder / "snapshot.toml").write_text(text)
    snapshot = read_snapshot(folder / "snapshot.toml")
    return cut_series(git, snapshot, drop(git, older, "6.1"), drop(git, newer, "6.12"))


def test_the_commits_stand_on_the_newer_drop_without_the_series(git, plain):
    got = plain
    bare = files_of(git, git.tree_of(got.base))
    assert set(bare) == set(NEWER) - {"net/dock.c"}
    assert b"dock" not in b"".join(bare.values())
    assert b"int other" in bare["net/core.c"]  # another feature's text stays
    assert bare["include/core.h"] == NEWER["include/core.h"].encode()
    assert bare["net/Makefile"] == OLDER["net/Makefile"].encode()
    assert got.hunks_kept == 1


def test_put_back_they_give_the_newer_drop_byte_for_byte(git, plain):
    first, second = plain.commits
    assert second.parent == first.commit
    between = files_of(git, git.tree_of(first.commit))
    assert between["net/dock.c"] == b"int dock_one(void)\n{\n}\n"
    assert b"dock_one" in between["net/core.c"] and b"dock_two" not in between["net/core.c"]
    assert files_of(git, git.tree_of(second.commit)) == {k: v.encode() for k, v in NEWER.items()}


def test_what_the_commits_say(git, plain):
    first, second = plain.commits
    assert (first.subject, first.stands_for, second.stands_for) == (
        "dock: Add the first", (SHA,), (OTHER_SHA,),
    )  # fmt: skip
    info = git.commit(first.commit)
    assert info.message == first.message
    assert "\n\nA body that runs on.\n\nCut out of linux-6.12, which holds" in info.message


def test_bytes_of_every_kind_come_back(git, tmp_path):
    odd = "\x0c/* caf\u00e9 \u2028 */\r\n"
    newer = {**NEWER, "net/core.c": NEWER["net/core.c"] + odd + "no feed"}
    newer["net/dock.c"] = b"/* \xe9\xff */\n" + NEWER["net/dock.c"].encode()
    older = {**OLDER, "net/core.c": OLDER["net/core.c"] + odd}
    got = cut(git, tmp_path, HEAD + FIRST + SECOND, older, newer)
    last = files_of(git, git.tree_of(got.commits[-1].commit))
    assert last["net/core.c"] == newer["net/core.c"].encode()
    assert last["net/dock.c"] == newer["net/dock.c"]
    bare = files_of(git, git.tree_of(got.base))
    assert bare["net/core.c"].endswith(odd.encode() + b"no feed")


def test_the_same_ids_in_another_store(plain, tmp_path):
    two = cut(Git.init_bare(tmp_path / "s"), tmp_path, HEAD + FIRST + SECOND)
    assert (plain.base, plain.commits) == (two.base, two.commits)


def test_the_key_depends_on_wording_and_drops(git):
    older, newer = drop(git, OLDER, "6.1"), drop(git, NEWER, "6.12")
    keys = {
        cut_key(b"a", older, newer),
        cut_key(b"b", older, newer),
        cut_key(b"a", newer, older),
        cut_key(b"a", older, replace(newer, label="another revision")),  # stands in the messages
        cut_key(b"a", older, replace(newer, sha256="1" * 64)),
        cut_key(b"a", older, newer),
    }
    assert len(keys) == 5


# -- what is left out


def test_what_mentions_the_feature_and_stays_is_listed_with_its_reason(git, tmp_path):
    newer = {**NEWER, "include/bay.h": "/* like dock */\n", "Documentation/x": "dock\n"}
    text = HEAD + FIRST + SECOND + '[[left_out]]\npaths = ["include/b"]\nreason = "a bay"\n'
    got = cut(git, tmp_path, text, OLDER, newer)
    assert got.left_out == {"include/bay.h": "a bay"}


def test_an_unclaimed_mention_is_an_error(git, tmp_path):
    newer = {**NEWER, "include/bay.h": "int a;\n/* like dock */\n"}
    refused(
        git, tmp_path, FIRST + SECOND, ":1: mentions", "no commit: include/bay.h:2", newer=newer
    )


def test_a_mention_left_in_a_file_that_is_cut_is_an_error(git, tmp_path):
    newer = {**NEWER, "net/core.c": NEWER["net/core.c"] + "int dock_three;\n"}
    refused(git, tmp_path, FIRST + SECOND, ":1: mentions", "no commit: net/core.c:15", newer=newer)


def test_a_mention_in_a_line_that_is_no_text_for_splitlines(git, tmp_path):
    newer = {**NEWER, "net/odd.c": "a\x0cdock\u2028b\r\n"}
    refused(git, tmp_path, FIRST + SECOND, ":1: mentions", "net/odd.c:1", newer=newer)


# -- what the proof catches


def refused(git, folder, text, place, message, *, newer=NEWER):
    with pytest.raises(ManifestError) as caught:
        cut(git, folder, HEAD + text, OLDER, newer)
    assert f"snapshot.toml{place}" in str(caught.value)
    assert message in caught.value.message
    assert caught.value.place.line


def test_a_selector_without_a_match(git, tmp_path):
    text = SECOND.replace("dock_two'", "dock_three'")
    refused(git, tmp_path, FIRST + text, ":40: commit[1].cut[0]", "matches 0 places in net/core.c")


def test_two_selectors_that_overlap(git, tmp_path):
    more = "\n[[commit.cut]]\npath = 'net/core.c'\nfrom = 'dock_one'\nto = 'dock_two'\n"
    refused(git, tmp_path, FIRST + SECOND + more, ":48: commit[1].cut[2]", "two selectors claim")


@pytest.mark.parametrize(
    "selector",
    ["symbol = 'keep'", "lines = '^\\treturn 1;$'", "from = 'dock_two'\nto = 'return old'"],
)
def test_a_selector_that_takes_what_the_older_drop_has(git, tmp_path, selector):
    text = SECOND.replace("lines = '^\\tdock_two'", selector)
    assert selector in text
    refused(git, tmp_path, FIRST + text, ":40: commit[1].cut[0]", "the older drop has as well")


def test_what_the_older_drop_has_may_be_put_back(git, plain, tmp_path):
    text = SECOND.replace(
        "lines = '^\\tdock_two'", "from = 'dock_two'\nto = 'return old'\nwas = '\treturn old;'"
    )
    assert cut(git, tmp_path, HEAD + FIRST + text).commits == plain.commits


def test_a_cut_that_changes_nothing(git, tmp_path):
    text = SECOND.replace("path = \"net/core.c\"\nlines = '^\\tdock_two'", "NOTHING").replace(
        "NOTHING", "path = \"include/core.h\"\nlines = 'CORE'\nwas = '#define CORE 2'"
    )
    with pytest.raises(Exception, match=r"commit two: touches or misses include/core\.h"):
        cut(git, tmp_path, HEAD + FIRST + text + "\n[[left_out]]\npaths=['net']\nreason='x'\n")


@pytest.mark.parametrize("path", ["net/none.c", "net/core.c"])
def test_a_new_file_that_is_not_new(git, tmp_path, path):
    text = FIRST.split("[[commit.cut]]", 1)[0].replace("net/dock.c", path)
    refused(git, tmp_path, text, ":10: commit[0]", f"{path} is not new in the newer drop")


def test_a_cut_in_a_file_that_is_not_there(git, tmp_path):
    text = SECOND.replace("net/dock.c", "net/none.c")
    refused(git, tmp_path, FIRST + text, ":44: commit[1].cut[1]", "has no net/none.c")


def test_file_modes_come_back(git, tmp_path):
    (tmp_path / "snapshot.toml").write_text(HEAD + FIRST + SECOND)
    modes = {"net/dock.c": "100755", "net/Makefile": "100755"}
    newer = drop(git, NEWER, "6.12")
    newer = replace(newer, tree=make_tree(git, NEWER, modes))
    got = cut_series(git, read_snapshot(tmp_path / "snapshot.toml"), drop(git, OLDER, "6.1"), newer)
    for commit in got.commits:
        tree = git.tree_of(commit.commit)
        assert {p for p, e in git.entries(tree).items() if e.mode == "100755"} == set(modes)


# -- as an upstream, kept between runs


def row(sha):
    return SeriesCommit(sha, "subject", Version(6, 7), Role.CORE)


def series(*shas):
    return Series("dock", "docks", tuple(map(row, shas)))


@pytest.fixture
def upstream(git, tmp_path):
    (tmp_path / "snapshot.toml").write_text(HEAD + FIRST + SECOND)

    def make(store=git):
        drops = drop(store, OLDER, "6.1"), drop(store, NEWER, "6.12")
        return SnapshotUpstream(store, tmp_path / "cache", tmp_path / "snapshot.toml", *drops)

    return make


def test_the_second_use_finds_the_first(upstream, plain, tmp_path):
    store = Git.init_bare(tmp_path / "fresh")
    notes = []
    first, second = upstream(store), upstream(store)
    assert first.commits(series(SHA, OTHER_SHA), notes.append) == plain.commits
    assert second.commits(series(SHA, OTHER_SHA), notes.append) == plain.commits
    assert (first.cached, second.cached, len(notes)) == (False, True, 1)
    assert (second.left_out, second.hunks_kept) == (first.left_out, first.hunks_kept)
    assert second.describe() == "snapshot: linux-6.1 -> linux-6.12"


@pytest.mark.parametrize("lost", ["record", "ref"])
def test_half_of_what_was_kept_is_no_cutting(upstream, plain, tmp_path, lost):
    store = Git.init_bare(tmp_path / "fresh")
    upstream(store).commits(series(SHA, OTHER_SHA), silent)
    if lost == "record":
        for path in (tmp_path / "cache").iterdir():
            path.unlink()
    else:
        for name in store.run("for-each-ref", "--format=%(refname)").text.split():
            store.delete_ref(name)
    again = upstream(store)
    assert again.commits(series(SHA, OTHER_SHA), silent) == plain.commits
    assert not again.cached


@pytest.mark.parametrize(
    "shas,message",
    [
        ((SHA,), "which the series does not have"),
        ((SHA, OTHER_SHA, "3" * 40), "which no cut carries"),
    ],
)
def test_the_cut_and_the_series_must_agree(upstream, shas, message):
    with pytest.raises(ManifestError, match=message) as caught:
        upstream().commits(series(*shas), silent)
    assert "snapshot.toml" in str(caught.value)


def test_a_commit_named_twice(upstream, tmp_path):
    text = (tmp_path / "snapshot.toml").read_text().replace(OTHER_SHA, SHA)
    (tmp_path / "snapshot.toml").write_text(text)
    with pytest.raises(ManifestError, match="which is named twice"):
        upstream().commits(series(SHA), silent)
