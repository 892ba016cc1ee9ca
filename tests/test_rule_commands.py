"""`rules list` and `rules check`: what each rule did where, and all that is wrong with them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from kernelish import rule
from minikernel import SERIES, TARGET, known_world

from backport.advice import rulecheck
from backport.picking.ground import Absence
from backport.values.errors import Exit, Place
from backport.values.rule import Additive, Edit, Question, Substitution
from backport.values.series import Role, Series, SeriesCommit
from backport.values.version import Range, Version

pytestmark = pytest.mark.slow

SHA = "1" * 40
SERVED = "3" * 40

MORE = """\
cause = "another cause"

[[rule]]
id = "{id}"
commits = ["{sha}"]
path = "{path}"
{rest}
why = "for a test"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = known_world(tmp_path_factory.mktemp("rules") / "world")
    made.settle()
    return made


@pytest.fixture
def more(world):
    """Adds a rule file to the world, for one test."""
    files = []

    def add(id_="more", sha="", path="include/dock.h", rest="", name="20-more.toml"):
        text = MORE.format(id=id_, sha=sha or world.shas[2][:12], path=path, rest=rest)
        files.append(world.rules(text, name))

    yield add
    for file in files:
        file.unlink()


def ask(world, command, *args):
    return world.run("rules", command, SERIES, "--upstream", f"git:{world.upstream}", *args)


# -- list


def test_list_tells_where_each_rule_fired(world, more):
    more(rest="edit = { find = 'x', replace = 'y' }\nsince = \"6.2\"")
    ran = ask(world, "list", "--json")
    assert ran.code == Exit.OK, ran.err
    (target,) = ran.json["targets"]
    assert target["name"] == TARGET and target["stopped"] == "" and target["looked_at"]
    fired, idle = ran.json["rules"]
    assert fired["id"] == "open-limit" and fired["action"] == "take"
    assert fired["file"] == "10-all.toml" and fired["cause"] == "context drift"
    assert fired["targets"][TARGET] == {
        "holds": True,
        "fired": [
            {"commit": world.shas[1][:12], "path": "drivers/core.c", "added": 0, "removed": 0}
        ],
    }
    assert idle["since"] == "6.2" and idle["targets"][TARGET] == {"holds": False, "fired": []}


def test_list_for_a_person(world, more):
    asks = (
        "when = [{ undefined = 'dock', in = 'include/dock.h' },\n"
        "{ defined = 'bay', upstream = 'b.h' }]"
    )
    more(rest=f"edit = {{ find = 'x', replace = 'y' }}\n{asks}")
    out = ask(world, "list").out
    assert "open-limit: take, context drift, 10-all.toml:3" in out
    assert re.search(rf"drivers/core.c, in dock_open\n    {TARGET}: \+0 -0 in \w{{12}}\n", out)
    assert "  where: dock not in include/dock.h, bay in upstream's b.h\n  why: for a test\n" in out
    assert f"  include/dock.h\n  not on {TARGET}\n" in out
    assert "2 rules: 1 context drift, 1 another cause" in out
    assert max(map(len, out.splitlines())) <= 100


def test_list_without_what_it_could_be_tried_on(world):
    """Without a snapshot and an upstream nothing is asked for over the network."""
    ran = world.run("rules", "list", SERIES)
    assert ran.code == Exit.OK and "the series has no snapshot" in ran.out
    ran = world.run("rules", "list", SERIES, "--json")
    assert ran.json["targets"] == [] and ran.json["not_looked_at"][0]["name"] == TARGET
    assert [r["id"] for r in ran.json["rules"]] == ["open-limit"]


def test_list_goes_on_past_a_series_that_stops(tmp_path):
    world = known_world(tmp_path / "world")
    rest = "edit = { find = 'int number', replace = 'long number' }"
    sha = world.shas[0][:12]
    world.rules(MORE.format(id="flag", sha=sha, path="include/dock.h", rest=rest))
    ran = ask(world, "list", "--json")
    (target,) = ran.json["targets"]
    assert "no rule settles" in target["stopped"]
    assert target["stopped"].endswith("drivers/core.c: dock_open")
    assert not target["looked_at"]
    assert ran.json["rules"][0]["targets"][TARGET]["fired"][0]["added"] == 1
    assert "stopped: no rule settles" in ask(world, "list").out


def test_a_base_that_is_not_there_is_told(tmp_path):
    world = known_world(tmp_path / "world")
    (world.root / "base").rename(world.root / "elsewhere")
    ran = ask(world, "list")
    assert ran.code == Exit.OK
    assert f"{TARGET}: not looked at: its base is not in the cache" in ran.out


# -- check


def test_check_finds_nothing_wrong(world):
    ran = ask(world, "check", "--json")
    assert ran.code == Exit.OK, ran.err
    assert ran.json == {"rules": 1, "targets": [TARGET], "not_looked_at": {}, "problems": []}


def test_check_lists_everything_at_its_place(world, more):
    more("unknown", sha="f" * 12, rest="edit = { find = 'x', replace = 'y' }", name="20-a.toml")
    more("twice", rest="edit = { find = 'nowhere', replace = 'y' }", name="20-b.toml")
    more("again", rest="edit = { find = 'nowhere', replace = 'y' }", name="20-c.toml")
    more("late", rest="edit = { find = 'z', replace = 'y' }\nsince = \"6.9\"", name="20-d.toml")
    ran = ask(world, "check", "--target", TARGET)
    assert ran.code == Exit.USAGE
    lines = [line for line in ran.err.splitlines() if "20-" in line]
    text = "\n".join(lines)
    assert re.search(r"20-a.toml:3.*: unknown: f{12} is not in series.toml", text)
    assert re.search(r"20-c.toml:3.*: again does the same as twice at .*20-b.toml:3", text)
    assert re.search(r"20-d.toml:3.*: late: no target is in \[6.9, \) \(they are 6.1.7\)", text)
    for name in ("20-b", "20-c"):  # both are tried, one after the other
        assert re.search(rf"{name}.toml:3.*: on {TARGET}: rule \w+ matches 0 places", text)


def test_check_refuses_what_the_reader_refuses(world, more):
    more(rest="edit = { find = '(', replace = 'y' }")
    ran = ask(world, "check")
    assert ran.code == Exit.USAGE and "is not a regular expression" in ran.err


def test_a_dead_rule_is_told_once_all_targets_were_looked_at(world, more):
    more("dead", rest="edit = { find = 'x', replace = 'y' }\n"
                      "when = [{ defined = 'absent_word', in = 'include/dock.h' }]")  # fmt: skip
    ran = ask(world, "check")
    assert ran.code == Exit.USAGE and f"dead is dead: it holds on none of {TARGET}" in ran.err
    known = world.data / "patches" / "targets" / f"{TARGET}.toml"
    other = known.with_name("other-6.1.toml")
    other.write_text(known.read_text().replace("../../../base", "../../../gone"))
    try:
        ran = ask(world, "check")
        assert ran.code == Exit.OK and "other-6.1: not looked at, its base" in ran.out
        ran = ask(world, "check", "--target", TARGET, "--json")
        assert ran.json["not_looked_at"] == {"other-6.1": "not asked for"}
    finally:
        other.unlink()


def test_a_rule_for_another_form_of_upstream_is_not_dead(world, more):
    edit = "edit = { find = 'x', replace = 'y' }\nwhen = ["
    more("form", rest=edit + "{ defined = 'absent_word', upstream = 'include/dock.h' }]")
    assert ask(world, "check").code == Exit.OK
    more("both", rest=edit + "{ defined = 'absent_word', upstream = 'include/dock.h' },\n"
                             "{ defined = 'absent_word', in = 'include/dock.h' }]",
         name="20-both.toml")  # fmt: skip
    ran = ask(world, "check")
    assert ran.code == Exit.USAGE and "both is dead" in ran.err and "form is" not in ran.err


def test_a_conflict_without_a_rule_is_wrong(tmp_path):
    ran = ask(known_world(tmp_path / "world"), "check")
    assert ran.code == Exit.USAGE
    assert (
        f'{TARGET}: no rule settles, in "dock: Limit how many can dock": drivers/core.c' in ran.err
    )


def test_what_a_gate_refuses_is_wrong(tmp_path):
    """Commits before it are still looked at."""
    world = known_world(tmp_path / "world")
    world.settle()
    lines = "int dock_open(void)\\n{\\n}"
    double = f"insert = {{ after = '^static int dock_count', lines = \"{lines}\" }}"
    text = MORE.format(id="double", sha=world.shas[1][:12], path="drivers/core.c", rest=double)
    world.rules(text, "20-double.toml")
    ran = ask(world, "check", "--json")
    assert ran.code == Exit.USAGE and "form:" in ran.err
    assert "dock_open is defined twice" in ran.err


# -- the checks by themselves


def series():
    row = SeriesCommit(SHA, "dock: Open", Version(6, 6), Role.CORE)
    served = SeriesCommit(SERVED, "libdock: Open", Version(6, 6), Role.LIBBPF)
    return Series("dock", "docking", (row, served))


def found(*rules, versions=((6, 1),)):
    absent = [Absence(f"t{n}", Version(*version), "") for n, version in enumerate(versions)]
    return [problem.text for problem in rulecheck.problems(series(), rules, [], absent)]


def test_a_commit_that_is_served_is_not_picked():
    assert found(rule(Additive(), commits=(SERVED[:12],))) == [
        f"the-rule: {SERVED[:12]} is not picked, it is libbpf"
    ]


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        ({}, True),
        ({"paths": ("a.c", "b.c")}, True),
        ({"paths": ("b.c",)}, False),
        ({"commits": (SHA[:13],), "paths": ("b.c",)}, False),
        ({"within": "dock"}, False),
        ({"has": "dock"}, False),
        ({"targets": Range(Version(6, 0), None)}, False),
        ({"when": (Question("dock", "a.c", True),)}, False),
        ({"action": Edit(Substitution("a", "c"))}, False),
        ({"why": "another reason", "cause": "another", "count": 2}, True),
    ],
)
def test_alike(change, alike):
    one = rule(Edit(Substitution("a", "b")), id="one")
    other = replace(one, id="other", place=Place("rules.toml", 9), **change)
    expected = ["other does the same as one at rules.toml:7: rule[0]"] if alike else []
    assert found(one, other) == expected


@pytest.mark.parametrize(
    ("span", "falls"),
    [
        (Range(), True),
        (Range(Version(5, 15), Version(6, 1)), True),
        (Range(Version(5, 15, 10), Version(5, 15, 20)), True),  # a base may be any 5.15.y
        (Range(Version(6, 2), None), False),
        (Range(None, Version(5, 15)), False),
        (Range(None, Version(5, 15, 3)), True),
    ],
)
def test_ranges(span, falls):
    texts = found(rule(Additive(), targets=span), versions=((5, 15), (6, 1)))
    assert (texts == []) is falls
    assert falls or "(they are 5.15, 6.1)" in texts[0]
