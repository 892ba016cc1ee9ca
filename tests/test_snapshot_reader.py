"""The reader of snapshot.toml: selectors as values, every mistake at its file, line and key."""

from __future__ import annotations

import pytest

from backport.readers.snapshot import Elsewhere, LeftOutPaths, read_snapshot
from backport.values.errors import ManifestError
from backport.values.target import DebianSource

GOOD = """\
mentions = '\\bdock(er)?_[a-z]+'
search = ["net", "include"]
[older]
package = "linux-source-6.1"
suites = ["bookworm"]
[newer]
package = "linux-source-6.12"
suites = ["bookworm", "bookworm-security"]

[[commit]]
id = "first"
subject = "dock: Open the door"
body = "Because."
stands_for = ["1111111111111111111111111111111111111111"]
new_files = ["net/dock.c"]

[[commit.cut]]
path = "net/Makefile"
lines = 'dock\\.o$'

[[left_out]]
paths = ["net/bay"]
reason = "another feature"
"""


def read(folder, text):
    (folder / "snapshot.toml").write_text(text)
    return read_snapshot(folder / "snapshot.toml")


def cut(folder, text):
    got = read(folder, GOOD.replace("lines = 'dock\\.o$'\n", text + "\n"))
    return got.commits[0].cuts[0]


# -- what is read


def test_a_snapshot(tmp_path):
    got = read(tmp_path, GOOD)
    assert got.older == DebianSource("linux-source-6.1", ("bookworm",))
    assert got.newer.suites == ("bookworm", "bookworm-security")
    assert (got.mentions, got.search) == (r"\bdock(er)?_[a-z]+", ("net", "include"))
    assert (got.place.line, got.place.key) == (1, "mentions")
    assert got.left_out == (LeftOutPaths(("net/bay",), "another feature"),)
    (commit,) = got.commits
    assert (commit.id, commit.subject, commit.body) == ("first", "dock: Open the door", "Because.")
    assert commit.stands_for == ("1" * 40,)
    assert commit.paths == ("net/Makefile", "net/dock.c")
    assert commit.place.line == 10


def test_commits_that_no_cut_carries(tmp_path):
    more = f'[[elsewhere]]\ncommits = ["{"2" * 40}"]\nreason = "tests only"\n'
    assert read(tmp_path, GOOD + more).elsewhere == (Elsewhere(("2" * 40,), "tests only"),)


def test_selectors(tmp_path):
    got = cut(tmp_path, "lines = 'a'")
    assert (got.path, got.lines, got.count, got.was, got.within) == ("net/Makefile", "a", 1, (), "")
    assert (got.place.line, got.place.key) == (17, "commit[0].cut[0]")
    assert cut(tmp_path, "hunk = 'a'").count == 0
    assert cut(tmp_path, "hunk = 'a'\ncount = 3").count == 3
    got = cut(tmp_path, "symbol = 'f'\nwithin = 'g'")
    assert (got.symbol, got.within) == ("f", "g")
    got = cut(tmp_path, "from = 'a'\nto = 'b'\ncount = 0")
    assert (got.start, got.end, got.count) == ("a", "b", 0)


@pytest.mark.parametrize("was", ['"""\n\tb\n\n"""', '"\\tb\\n\\n"'])
def test_what_was_there(tmp_path, was):
    assert cut(tmp_path, f"lines = 'a'\nwas = {was}").was == ("\tb\n", "\n")


def test_what_was_there_always_ends_its_line(tmp_path):
    assert cut(tmp_path, "lines = 'a'\nwas = 'b'").was == ("b\n",)
    assert cut(tmp_path, "lines = 'a'\nwas = ''").was == ()


def test_one_selector_for_several_paths(tmp_path):
    text = GOOD.replace('path = "net/Makefile"', 'path = "a"\nalso = ["tools/a", "b"]')
    assert [c.path for c in read(tmp_path, text).commits[0].cuts] == ["a", "tools/a", "b"]


# -- what is refused, and where

CUT = "lines = 'dock\\.o$'"
BAD = [
    # replaced, by, line, key, message
    ("mentions = ", "mention = ", 1, "mention", "the key `mentions` is missing"),
    ("'\\bdock(er)?_[a-z]+'", "''", 1, "mentions", "is empty"),
    ("'\\bdock(er)?_[a-z]+'", "'('", 1, "mentions", "not a regular expression"),
    ("'\\bdock(er)?_[a-z]+'", "'(?:a)'", 1, "mentions", "git does not know '(?'"),
    ("'\\bdock(er)?_[a-z]+'", "'a\\d'", 1, "mentions", "git does not know '\\\\d'"),
    ("[older]", "[old]", 3, "old", "the key `older` is missing"),
    ('["bookworm"]', "[]", 5, "older.suites", "is empty"),
    ('["bookworm"]', '"bookworm"', 5, "older.suites", "must be an array"),
    ('id = "first"\n', "", 10, "commit[0]", "the key `id` is missing"),
    ('["111', '["11', 14, "commit[0].stands_for[0]", "is not a full commit id"),
    (f'["{"1" * 40}"]', "[]", 14, "commit[0].stands_for", "is empty"),
    ("new_files = [", "new_file = [", 15, "commit[0].new_file", "unknown key"),
    ("net/Makefile", "net/dock.c", 17, "commit[0].cut[0]", "is new in this commit"),
    ('path = "net/Makefile"\n', "", 17, "commit[0].cut[0]", "the key `path` is missing"),
    (CUT, "", 17, "commit[0].cut[0]", "exactly one of `hunk`, `lines`, `symbol` and `from`"),
    (CUT, f"{CUT}\nhunk = 'a'", 17, "commit[0].cut[0]", "exactly one of"),
    (CUT, "lines = ''", 19, "commit[0].cut[0].lines", "is empty"),
    (CUT, "hunk = '['", 19, "commit[0].cut[0].hunk", "not a regular expression"),
    (CUT, "hunk = 'a'\nwas = 'b'", 20, "commit[0].cut[0].was", "says nothing with `hunk`"),
    (CUT, "from = 'a'", 19, "commit[0].cut[0].from", "go together"),
    (CUT, "lines = 'a'\nto = 'b'", 17, "commit[0].cut[0].from", "go together"),
    (CUT, "symbol = ''", 19, "commit[0].cut[0].symbol", "is empty"),
    (CUT, f"{CUT}\ncount = -1", 20, "commit[0].cut[0].count", "no number of places"),
    (CUT, f"{CUT}\ncuont = 1", 20, "commit[0].cut[0].cuont", "unknown key"),
    ('["net/bay"]', "[]", 22, "left_out[0].paths", "is empty"),
    ('reason = "another feature"\n', "", 21, "left_out[0]", "the key `reason` is missing"),
]


@pytest.mark.parametrize("case", BAD)
def test_refused(tmp_path, case):
    old, new, line, key, message = case
    assert old in GOOD
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    err = caught.value
    assert (err.place.line, err.place.key) == (line, key)
    assert err.place.file == str(tmp_path / "snapshot.toml")
    assert message in err.message


def test_a_commit_that_touches_nothing(tmp_path):
    text = GOOD.replace('new_files = ["net/dock.c"]\n', "").replace("[[commit.cut]]", "[[other]]")
    with pytest.raises(ManifestError, match=r"snapshot\.toml:10: commit\[0\]: .*touches nothing"):
        read(tmp_path, text)


def test_a_doubled_commit(tmp_path):
    second = GOOD[GOOD.index("[[commit]]") : GOOD.index("[[commit.cut]]")]
    with pytest.raises(ManifestError, match=r":26: commit\[1\]: commit first is already at .*:10"):
        read(tmp_path, GOOD + "\n\n" + second)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ManifestError, match=r"none\.toml: cannot be read"):
        read_snapshot(tmp_path / "none.toml")
