"""The strict TOML reader: types, lines, unknown keys."""

from __future__ import annotations

from enum import StrEnum

import pytest

from backport.readers.tomlfile import Table, load, loads
from backport.values.errors import ManifestError
from backport.values.version import Version

SAMPLE = '''# a comment with [brackets] and = signs
title = "a # b"
"quoted key" = 1
a.b = true

text = """
[not.a.table]
x = 1
"""
raw = \'\'\'
it\'s "raw" ]]\'\'\'

[server]  # comment
names = [
    "one",  # first ]
    # only a comment
    "two",
]
inline = { x = 1, y = [2,
  3] }

[[row]]
id = 1
[[row.sub]]
deep = "v"
[row.leaf]
k = 1

[[row]]
id = 2
[[row.sub]]
deep = "w"
[[row.sub]]
deep = 3
'''


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def sample() -> Table:
    return loads(SAMPLE, "f.toml")


def line_of(text: str) -> int:
    """The line of the only occurrence of `text` in the sample."""
    assert SAMPLE.count(text) == 1
    return SAMPLE[: SAMPLE.index(text)].count("\n") + 1


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("title", "title ="),
        ("quoted key", '"quoted key"'),
        ("text", "text ="),
        ("raw", "raw ="),
        ("server", "[server]"),
    ],
)
def test_line_of_a_key(key, text):
    assert sample().place(key).line == line_of(text)


def test_lines_below_headers_arrays_and_inline_tables():
    root = sample()
    server = root.table("server")
    assert server.place("names").line == line_of("names =")
    assert server.place("names", 1).line == line_of('"two"')
    assert server.table("inline").place("y", 1).line == line_of("  3]")
    assert root.table("a").place("b").line == line_of("a.b =")
    rows = root.tables("row")
    assert [r.place("id").line for r in rows] == [line_of("id = 1"), line_of("id = 2")]
    assert rows[0].table("leaf").place("k").line == line_of("k = 1")
    subs = rows[1].tables("sub")
    assert [s.place("deep").line for s in subs] == [line_of('"w"'), line_of("deep = 3")]


def test_values():
    root = sample()
    assert root.string("title") == "a # b"
    assert root.integer("quoted key") == 1
    assert root.table("a").boolean("b") is True
    assert root.table("server").strings("names") == ("one", "two")
    assert root.string("absent", "") == ""
    assert root.strings("absent", ()) == ()
    assert root.tables("absent") == ()
    assert root.string_map("absent") == {}
    assert loads('[m]\nA = "1"', "f").string_map("m") == {"A": "1"}
    assert loads('v = "6.1"', "f").version("v") == Version(6, 1)
    assert loads('c = "red"', "f").choice("c", Colour) is Colour.RED


@pytest.mark.parametrize(
    ("text", "read", "want"),
    [
        ("k = 1", lambda t: t.string("k"), "f.toml:1: k: must be a string, is an integer"),
        ("k = true", lambda t: t.integer("k"), "f.toml:1: k: must be an integer, is true or false"),
        ("k = 1", lambda t: t.boolean("k"), "k: must be true or false, is an integer"),
        ("k = 1979-05-27", lambda t: t.string("k"), "k: must be a string, is a date or time"),
        ('k = "x"', lambda t: t.strings("k"), "k: must be an array, is a string"),
        ('k = [\n"a",\n1]', lambda t: t.strings("k"), "f.toml:3: k[1]: must be a string"),
        ('\nk = "  "', lambda t: t.string("k"), "f.toml:2: k: is empty"),
        ("", lambda t: t.string("k"), "f.toml: the key `k` is missing"),
        ("[s]\nx=1", lambda t: t.table("s").string("k"), "f.toml:1: s: the key `k` is missing"),
        ("", lambda t: t.tables("k", required=True), "the key `k` is missing"),
        ("[k]", lambda t: t.tables("k"), "k: must be an array, is a table"),
        ("k = [1]", lambda t: t.tables("k"), "k[0]: must be a table, is an integer"),
        ('k = "six"', lambda t: t.version("k"), "k: 'six' is not a kernel version"),
        ('k = "rd"', lambda t: t.choice("k", Colour), "k: 'rd' is not known"),
        ('k = ["red", "x"]', lambda t: t.choices("k", Colour), "k[1]: 'x' is not known"),
        ("[m]\nA = 1", lambda t: t.string_map("m"), "f.toml:2: m.A: must be a string"),
    ],
)
def test_bad_values_name_file_line_and_key(text, read, want):
    with pytest.raises(ManifestError) as caught:
        read(loads(text, "f.toml"))
    assert want in str(caught.value)
    assert caught.value.exit_code == 2


def test_done_refuses_a_key_nobody_read_and_suggests():
    root = loads('title = "x"\n\ntitel = "y"\n', "f.toml")
    root.string("title")
    with pytest.raises(ManifestError, match=r"f\.toml:3: titel: unknown key") as caught:
        root.done()
    assert "title" in caught.value.hint


def test_done_looks_into_child_tables():
    root = loads("[[row]]\nid = 1\n[[row]]\nid = 2\nxx = 3\n", "f.toml")
    for row in root.tables("row"):
        row.integer("id")
    with pytest.raises(ManifestError, match=r"f\.toml:5: row\[1\]\.xx: unknown key"):
        root.done()


def test_done_passes_when_all_was_read():
    root = loads('a = 1\n[t]\nb = "x"\n', "f.toml")
    root.integer("a")
    root.table("t").string("b")
    root.done()


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ('a = 1\nb = "x', 2)]
)
def test_syntax_errors_carry_the_line(text, line):
    with pytest.raises(ManifestError) as caught:
        loads(text, "f.toml")
    assert caught.value.place.line == line
    assert "(at line" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        load(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ManifestError, match=r"bad\.toml:2: is not UTF-8"):
        load(bad)


def test_crlf_files_read_the_same(tmp_path):
    crlf = tmp_path / "crlf.toml"
    crlf.write_bytes(b"a = 1\r\nb = 2\r\n")
    assert load(crlf).place("b").line == 2


def test_a_missing_key_points_at_one_that_looks_like_it():
    table = loads('other = 1\ntitel = "x"\n', "a.toml")
    with pytest.raises(ManifestError) as caught:
        table.string("title")
    assert str(caught.value) == "a.toml:2: titel: the key `title` is missing"
    assert caught.value.hint == "add `title = ...` (a string), or did you mean it by `titel`?"
