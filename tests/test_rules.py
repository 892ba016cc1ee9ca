"""The reader of rule files: every action as a value, every mistake at its file, line and key."""

from __future__ import annotations

import pytest

from backport.readers.rules import read_rules
from backport.values.errors import Exit, ManifestError, RuleError
from backport.values.rule import (
    Additive,
    At,
    Edit,
    Grain,
    Insert,
    Pin,
    Present,
    Question,
    Remove,
    Rewrite,
    Shim,
    Side,
    Substitution,
    Take,
)
from backport.values.version import Range, Version

GOOD = """\
cause = "context drift"

[[rule]]
id = "one"
commits = ["0123456789ab"]
path = "net/dock.c"
additive = "line"
why = "the neighbours are absent"
"""
ACTION = 'additive = "line"\n'  # stands on line 7


def read(folder, text, name="10-x.toml"):
    (folder / name).write_text(text)
    return read_rules(folder)


def with_action(action):
    return GOOD.replace(ACTION, action + "\n")


# -- what is read


@pytest.mark.parametrize(
    "text,action",
    [
        ('additive = "line"', Additive()),
        ('additive = "word"\nat = "end"', Additive(Grain.WORD, At.END)),
        ('take = "ours"', Take(Side.OURS)),
        (
            "take = \"theirs\"\nthen = [{ find = '^(a)$', replace = '\\1b' }]",
            Take(Side.THEIRS, (Substitution("^(a)$", r"\1b"),)),
        ),
        (
            "rewrite = [{ find = 'a', replace = 'b' }, { find = 'c\\n' }]",
            Rewrite((Substitution("a", "b"), Substitution(r"c\n", ""))),
        ),
        ("pin = { A = 46, B = 0x10 }", Pin((("A", 46), ("B", 16)))),
        ("edit = { find = 'a', replace = '' }", Edit(Substitution("a", ""))),
        ("insert = { after = '^a$', lines = 'b' }", Insert("^a$", ("b\n",))),
        (
            'insert = { before = "a", lines = """\n\tb\n\f\n""" }'.replace("\f", "c\\f"),
            Insert("a", ("\tb\n", "c\x0c\n"), before=True),
        ),
        ('remove = "dock_open"', Remove("dock_open")),
        ('present = "dock_open"', Present("dock_open")),
        (
            "shim = { symbol = 'f', after = 'x', lines = 'int f;\\nint g;' }".replace("'", '"'),
            Shim("f", "x", ("int f;\n", "int g;\n")),
        ),
    ],
)
def test_actions(tmp_path, text, action):
    (rule,) = read(tmp_path, with_action(text))
    assert rule.action == action


def test_the_rest_of_a_rule(tmp_path):
    text = GOOD.replace('path = "net/dock.c"', 'paths = ["a.h", "tools/a.h"]').replace(
        "the neighbours are absent", "a long\\n   reason"
    )
    more = """\
within = "dock_attr/link"
has = '^BAY'
count = 2
since = "5.10"
until = "6.2-rc1"
when = [{ defined = "bay", in = "a.h" }, { undefined = "pier", upstream = "b.h" }]
"""
    (rule,) = read(tmp_path, text + more)
    assert (rule.id, rule.cause, rule.why) == ("one", "context drift", "a long reason")
    assert (rule.commits, rule.paths) == (("0123456789ab",), ("a.h", "tools/a.h"))
    assert (rule.within, rule.has, rule.count) == ("dock_attr/link", "^BAY", 2)
    assert rule.targets == Range(Version(5, 10), Version(6, 2, rc=1))
    assert rule.when == (Question("bay", "a.h", True), Question("pier", "b.h", False, True))
    assert rule.asks_target == ("a.h",)
    assert (rule.place.file, rule.place.line) == (str(tmp_path / "10-x.toml"), 3)


def test_defaults(tmp_path):
    (rule,) = read(tmp_path, GOOD)
    assert (rule.within, rule.has, rule.count, rule.when) == ("", "", 1, ())
    assert Version(2, 6) in rule.targets and Version(9, 0) in rule.targets


def test_files_in_name_order_and_rules_in_file_order(tmp_path):
    def two(a, b):
        return GOOD.replace('"one"', f'"{a}"') + GOOD.split("\n\n")[1].replace('"one"', f'"{b}"')

    (tmp_path / "README.md").write_text("no rules")
    (tmp_path / "20-b.toml").write_text(two("c", "d"))
    assert [r.id for r in read(tmp_path, two("b", "a"))] == ["b", "a", "c", "d"]


def test_no_files_no_rules(tmp_path):
    assert read_rules(tmp_path) == ()
    assert read_rules(tmp_path / "none") == ()


def test_a_rule_belongs_to_full_shas(tmp_path):
    (rule,) = read(tmp_path, GOOD)
    full = "0123456789ab" + "c" * 28
    assert rule.belongs_to(("f" * 40, full))
    assert not rule.belongs_to(("0123456789aa" + "c" * 28,))
    assert not rule.belongs_to(())


# -- what is refused, and where

BAD = [
    # replaced, by, line, key, message
    ('cause = "context drift"', "", 0, "", "the key `cause` is missing"),
    ('id = "one"\n', "", 3, "rule[0]", "the key `id` is missing"),
    ('id = "one"', 'id = "one two"', 4, "rule[0].id", "is not one word"),
    ('["0123456789ab"]', "[]", 5, "rule[0].commits", "is empty"),
    ('["0123456789ab"]', '"0123456789ab"', 5, "rule[0].commits", "must be an array"),
    ('["0123456789ab"]', '["0123"]', 5, "rule[0].commits[0]", "no commit id"),
    (
        '["0123456789ab"]',
        '[\n"0123456789ab",\n"HEAD"]',
        7,
        "rule[0].commits[1]",
        "'HEAD' is no commit id",
    ),
    ('path = "net/dock.c"\n', "", 3, "rule[0].path", "wants one of `path` and `paths`"),
    ('path = "net/dock.c"', 'path = ""', 6, "rule[0].path", "is empty"),
    ('path = "net/dock.c"', "paths = []", 6, "rule[0].paths", "is empty"),
    ('path = "net/dock.c"', 'paths = ["a", ""]', 6, "rule[0].paths", "is empty"),
    ('path = "n', 'paths = ["a"]\npath = "n', 7, "rule[0].path", "wants one of"),
    ('why = "the neighbours are absent"\n', "", 3, "rule[0]", "the key `why` is missing"),
    ('why = "the', 'why = ""\nwhynot = "the', 8, "rule[0].why", "is empty"),
    ('why = "', 'reason = "x"\nwhy = "', 8, "rule[0].reason", "unknown key"),
    ("[[rule]]", "[[rules]]", 3, "rules", "the key `rule` is missing"),
    ("[[rule]]", "[[rule]", 3, "", "Expected"),
]
BAD_ACTIONS = [
    # instead of the action on line 7, line, key below rule[0], message
    ("", 3, "", "exactly one action, this has 0"),
    ('additive = "line"\ntake = "ours"', 3, "", "exactly one action, this has 2"),
    ('additive = "letter"', 7, ".additive", "'letter' is not known"),
    ('additive = "line"\nat = "top"', 8, ".at", "'top' is not known"),
    ('take = "mine"', 7, ".take", "'mine' is not known"),
    ("take = \"ours\"\nthen = [{ replace = 'x' }]", 8, ".then[0]", "key `find` is missing"),
    ('take = "ours"\nimports = 1', 8, ".imports", "says nothing with"),
    ('take = "theirs"\nimports = -1', 8, ".imports", "-1 is no number"),
    ('take = "ours"\nat = "end"', 8, ".at", "unknown key"),
    ("rewrite = []", 7, ".rewrite", "names no substitution"),
    ("rewrite = { find = 'a' }", 7, ".rewrite", "must be an array"),
    ("rewrite = [{ find = '' }]", 7, ".rewrite[0].find", "is empty"),
    ("rewrite = [{ find = '(' }]", 7, ".rewrite[0].find", "not a regular expression"),
    (
        "rewrite = [{ find = 'a' },\n{ find = '(b)', replace = '\\2' }]",
        8,
        ".rewrite[1].replace",
        "does not fit `find`",
    ),
    ("edit = { find = 'a', replace = '\\q' }", 7, ".edit.replace", "does not fit `find`"),
    ("edit = { find = 'a', by = 'b' }", 7, ".edit.by", "unknown key"),
    ("verbatim = {}", 7, ".verbatim", "key `sides` is missing"),
    ("verbatim = { sides = 'abc', lines = 'a' }", 7, ".verbatim.sides", "'abc' is no digest"),
    ("verbatim = { sides = '0123456789ab' }\ncount = 2", 8, ".count", "says nothing with"),
    ("pin = {}", 7, ".pin", "names no member"),
    ('pin = { A = "46" }', 7, ".pin.A", "must be an integer"),
    ("insert = { lines = 'a' }", 7, ".insert", "wants one of `after` and `before`"),
    ("insert = { after = 'a', before = 'b', lines = 'c' }", 7, ".insert", "wants one of"),
    ("insert = { after = '', lines = 'c' }", 7, ".insert.after", "is empty"),
    ("insert = { after = '[', lines = 'c' }", 7, ".insert.after", "not a regular"),
    ("insert = { after = 'a' }", 7, ".insert", "key `lines` is missing"),
    ("shim = { symbol = 'a', lines = 'c' }", 7, ".shim", "key `after` is missing"),
    ("remove = 3", 7, ".remove", "must be a string"),
    ('remove = "a"\nwithin = "b"', 8, ".within", "says nothing with `remove`"),
    ("shim = { symbol = 'a', after = 'b', lines = 'c' }\nwithin = 'b'", 8, ".within", "nothing"),
    ("edit = { find = 'a' }\nhas = 'b'", 8, ".has", "says nothing with `edit`"),
    ("pin = { A = 1 }\ncount = 2", 8, ".count", "says nothing with `pin`"),
    ('take = "ours"\nhas = "["', 8, ".has", "not a regular expression"),
    ('take = "ours"\nhas = ""', 8, ".has", "is empty"),
    ('take = "ours"\nwithin = ""', 8, ".within", "is empty"),
    ('take = "ours"\ncount = -1', 8, ".count", "-1 is no number of places"),
    ('take = "ours"\ncount = true', 8, ".count", "must be an integer"),
    ('take = "ours"\nsince = "six"', 8, ".since", "not a kernel version"),
    ('take = "ours"\nsince = 6.1', 8, ".since", "must be a string"),
    ('take = "ours"\nsince = "6.1"\nuntil = "6.1"', 9, ".until", "6.1 is not after 6.1"),
    ('take = "ours"\nwhen = [{ in = "a.h" }]', 8, ".when[0]", "one of `defined` and `undefined`"),
    ('take = "ours"\nwhen = [{ defined = "a" }]', 8, ".when[0]", "one of `in` and `upstream`"),
    (
        'take = "ours"\nwhen = [{ defined = "a", in = "b.h", upstream = "b.h" }]',
        8,
        ".when[0]",
        "one of `in` and `upstream`",
    ),
    ('present = "a b"', 7, ".present", "'a b' is not one word"),
    ('present = "a"\ncount = 2', 8, ".count", "says nothing with `present`"),
    ('present = "a"\nwithin = "b"', 8, ".within", "says nothing with `present`"),
    (
        'take = "ours"\nwhen = [{ defined = "a b", in = "a.h" }]',
        8,
        ".when[0].defined",
        "'a b' is not one word",
    ),
    ('take = "ours"\nwhen = { defined = "a", in = "b" }', 8, ".when", "must be an array"),
]


def refused(folder, text, line, key, message):
    with pytest.raises(ManifestError) as caught:
        read(folder, text)
    err = caught.value
    assert (err.place.file, err.place.line) == (str(folder / "10-x.toml"), line)
    assert err.place.key == key
    assert message in err.message
    assert err.exit_code is Exit.USAGE


@pytest.mark.parametrize("case", BAD)
def test_refused(tmp_path, case):
    old, new, line, key, message = case
    assert old in GOOD
    refused(tmp_path, GOOD.replace(old, new), line, key, message)


@pytest.mark.parametrize("action,line,key,message", BAD_ACTIONS)
def test_refused_actions(tmp_path, action, line, key, message):
    refused(tmp_path, with_action(action), line, f"rule[0]{key}", message)


def test_a_doubled_id_names_both_places(tmp_path):
    read(tmp_path, GOOD)
    with pytest.raises(RuleError) as caught:
        read(tmp_path, GOOD, "20-y.toml")
    assert (caught.value.place.file, caught.value.place.line) == (str(tmp_path / "20-y.toml"), 3)
    assert f"rule one is already at {tmp_path / '10-x.toml'}:3" in str(caught.value)


def test_a_second_rule_is_named_by_its_own_lines(tmp_path):
    second = GOOD.split("\n\n")[1].replace('"one"', '"two"').replace('"line"', '"lines"')
    refused(tmp_path, GOOD + "\n" + second, 14, "rule[1].additive", "not known")


def test_what_is_no_utf8(tmp_path):
    (tmp_path / "x.toml").write_bytes(b'cause = "a"\n# \xe9\n')
    with pytest.raises(ManifestError, match=r"x\.toml:2: is not UTF-8"):
        read_rules(tmp_path)
