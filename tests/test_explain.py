"""Why a series looks as it does: every conflict and adaptation with its sides, rule and reason."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from kernelish import BASE_C, Bench, change, drop, make_tree, rule
from minikernel import known_world

from backport.advice import explain
from backport.advice.answers import Answer
from backport.doors.git import Git
from backport.output import explainview, ruleview
from backport.picking.ground import Ground
from backport.values.errors import Exit, RuleError, UsageError
from backport.values.events import silent
from backport.values.rule import (
    Absent,
    Additive,
    At,
    Edit,
    Insert,
    Pin,
    Remove,
    Rewrite,
    Shim,
    Side,
    Substitution,
    Take,
)

pytestmark = pytest.mark.slow

OURS = BASE_C.replace("#include <linux/newer.h>\n", "#include <linux/older.h>\n").replace(
    "\treturn dock_newer(dock);\n", "\treturn dock_older(dock);\n"
)
THEIRS = BASE_C.replace(
    "#include <linux/newer.h>\n", "#include <linux/newer.h>\n#include <linux/list.h>\n"
).replace("\treturn dock_newer(dock);\n", "\tdock_list(dock);\n\treturn dock_newer(dock);\n")

INCLUDES = rule(Additive(at=At.END), id="includes", has="linux/list")
OPEN = rule(
    Take(Side.OURS, (Substitution(r"^\treturn", "\tdock_note(dock);\n\treturn"),)),
    id="open",
    within="dock_open",
)


@pytest.fixture
def lay(tmp_path):
    """A ground with commits from one state of upstream to the next."""
    git = Git.init_bare(tmp_path / "store.git")

    def make(ours, states, *rules):
        trees = [make_tree(git, files) for files in states]
        incoming = [change(git, old, new) for old, new in pairwise(trees)]
        base = drop(git, ours, "6.1.7")
        return Ground("mini", git, tmp_path, base, tuple(incoming), rules)

    return make


def bare_answers(result):
    """The places without history and ways out, which have their own tests."""
    return [Answer(item) for item in result.items]


def explained(ground):
    """Everything but the names that the target lacks: tests of these are below."""
    result = explain.explain(ground, silent)
    return replace(result, items=tuple(item for item in result.items if item.lack is None))


def test_a_conflict_shows_both_sides_and_its_rule(lay):
    result = explained(lay({"a.c": OURS}, [{"a.c": BASE_C}, {"a.c": THEIRS}], INCLUDES, OPEN))
    first, second = result.items
    assert (first.path, first.symbol, first.kind) == (
        "a.c",
        "",
        "both sides changed the same lines",
    )
    assert first.removed == () and first.added == ("#include <linux/list.h>\n",)
    assert first.has == ("#include <linux/older.h>\n",)
    assert first.lacks == ("#include <linux/newer.h>\n",)
    assert first.settled == explain.Settled(INCLUDES, (), ())
    assert second.symbol == "dock_open" and second.settled.rule == OPEN
    assert second.settled.added == ("\tdock_note(dock);\n",)
    assert second.settled.dropped == ("\tdock_list(dock);\n",)
    assert result.left == 0 and result.objections == ()


def test_each_region_keeps_its_own_rule_around_one_without(lay):
    """The first is left, the second is settled: the rule is not told of the wrong one."""
    ground = lay({"a.c": OURS}, [{"a.c": BASE_C}, {"a.c": THEIRS}, {"a.c": THEIRS}], OPEN)
    result = explained(ground)
    first, second = result.items
    assert first.settled is None and second.settled.rule == OPEN
    assert 'path = "a.c"' in first.skeleton and "[[rule]]" in first.skeleton
    assert second.skeleton == "" and result.left == 1
    text = explainview.explained_text(result, bare_answers(result))
    assert "no rule settles it; one that would:" in text and "    [[rule]]" in text
    assert "1 later commits were not looked at: the series stops here" in text


def test_two_conflicts_in_one_place_share_their_skeleton(lay):
    old = BASE_C.replace(
        "\tint ret;\n", "\tint ret;\n\n\tnewer(1);\n\tkept();\n\tkept();\n\tnewer(2);\n"
    )
    ours = old.replace("newer(", "older(")
    theirs = old.replace("\tnewer(1);\n", "\tnewer(1);\n\tx();\n").replace(
        "\tnewer(2);\n", "\tnewer(2);\n\ty();\n"
    )
    result = explained(lay({"a.c": ours}, [{"a.c": old}, {"a.c": theirs}]))
    one, two = result.items
    assert one.symbol == two.symbol == "dock_run"
    assert one.skeleton == two.skeleton and "count = 2" in one.skeleton


@pytest.mark.parametrize(
    ("action", "symbol", "added", "dropped"),
    [
        (Rewrite((Substitution("dock_list", "dock_ring"),)), "",
         ("\tdock_ring(dock);\n",), ("\tdock_list(dock);\n",)),
        (Edit(Substitution("dock_count;", "dock_total;")), "",
         ("static int dock_total;\n",), ("static int dock_count;\n",)),
        (Insert("^#include <net/dock.h>", ("#include <net/ring.h>\n",)), "",
         ("#include <net/ring.h>\n",), ()),
        (Shim("dock_list", "^static int dock_count;", ("#define dock_list(d)\n",)), "dock_list",
         ("#define dock_list(d)\n",), ()),
    ],
)  # fmt: skip
def test_an_adaptation_without_a_conflict(lay, action, symbol, added, dropped):
    theirs = BASE_C.replace("\tint ret;\n", "\tint ret;\n\n\tdock_list(dock);\n")
    silent_rule = rule(action)
    (item,) = explained(lay({"a.c": BASE_C}, [{"a.c": BASE_C}, {"a.c": theirs}], silent_rule)).items
    assert item.kind == "" and item.symbol == symbol and item.skeleton == ""
    assert item.settled == explain.Settled(silent_rule, added, dropped)


def test_a_removed_definition_and_a_pinned_member(lay):
    old = "enum dock {\n\tDOCK_ONE,\n};\n\nint dock_gone(void)\n{\n\treturn 0;\n}\n"
    theirs = old.replace("\tDOCK_ONE,\n", "\tDOCK_ONE,\n\tDOCK_TWO,\n")
    pin = rule(Pin((("DOCK_TWO", 4),)), id="pin", within="dock")
    gone = rule(Remove("dock_gone"), id="gone")
    first, second = explained(lay({"a.c": old}, [{"a.c": old}, {"a.c": theirs}], pin, gone)).items
    assert (first.symbol, first.settled.added) == ("dock", ("\tDOCK_TWO = 4,\n",))
    assert second.symbol == "dock_gone" and "int dock_gone(void)\n" in second.settled.dropped


def test_a_file_that_the_target_lacks(lay):
    away = rule(Absent("b.c"), "new.c", id="away")
    instead = rule(Insert("^int b;", ("int moved;\n",)), "b.c", id="instead")
    states = [
        {"new.c": "int a;\n", "b.c": "int b;\n"},
        {"new.c": "int a;\nint m;\n", "b.c": "int b;\n"},
    ]
    result = explained(lay({"b.c": "int b;\n"}, states, away, instead))
    whole, other = result.items
    assert whole.kind == "the target does not have the file" and whole.settled.rule == away
    assert whole.settled.dropped == ("int m;\n",)
    assert other.path == "b.c" and other.settled.added == ("int moved;\n",)
    (alone,) = explained(lay({"b.c": "int b;\n"}, states)).items
    assert alone.settled is None and "absent = " in alone.skeleton


def test_what_a_gate_objects_to_is_told(lay):
    twice = BASE_C + "\nint dock_tell(void)\n{\n\treturn 1;\n}\n"
    brings = BASE_C.replace(
        "static int dock_count;\n",
        "static int dock_count;\n\nint dock_tell(void)\n{\n\treturn 2;\n}\n",
    )
    result = explained(lay({"a.c": twice}, [{"a.c": BASE_C}, {"a.c": brings}]))
    assert result.objections == ("a.c: dock_tell is defined twice",)
    assert "a gate objects: a.c: dock_tell" in explainview.explained_text(
        result, bare_answers(result)
    )


def test_a_rule_that_does_not_match_is_an_error(lay):
    idle = rule(Edit(Substitution("x9", "")))
    ground = lay({"a.c": OURS}, [{"a.c": BASE_C}, {"a.c": THEIRS}], INCLUDES, OPEN, idle)
    with pytest.raises(RuleError, match="matches 0 places"):
        explained(ground)


# -- asking about one thing


@pytest.mark.parametrize(
    ("what", "rules"),
    [
        ("", ["includes", "open"]),
        ("drivers/a.c", ["includes", "open"]),
        ("drivers", ["includes", "open"]),
        ("a.c", ["includes", "open"]),
        ("open", ["open"]),
        ("dock_open", ["open"]),
        ("1111111", ["includes", "open"]),
        ("1" * 40, ["includes", "open"]),
        ("dock_list", ["open"]),  # a word of upstream's lines
        ("dock_older", ["open"]),  # a word of the target's
    ],
)
def test_about(lay, what, rules):
    path = "drivers/a.c"
    held = [rule(r.action, path, id=r.id, has=r.has, within=r.within) for r in (INCLUDES, OPEN)]
    ground = lay({path: OURS}, [{path: BASE_C}, {path: THEIRS}], *held)
    found = explain.about(explained(ground).items, what)
    assert [item.settled.rule.id for item in found] == rules


def test_about_nothing_says_what_there_is(lay):
    items = explained(lay({"a.c": OURS}, [{"a.c": BASE_C}, {"a.c": THEIRS}], INCLUDES, OPEN)).items
    with pytest.raises(UsageError, match="dock_nowhere: no conflict") as caught:
        explain.about(items, "dock_nowhere")
    assert "a.c" in caught.value.hint


# -- what is shown


def test_the_text_is_narrow_and_says_how_much_it_leaves_out(lay):
    many = "".join(f"\tdock_list_that_has_a_long_name(dock, {n}, {'x' * 90});\n" for n in range(30))
    theirs = THEIRS.replace("\tdock_list(dock);\n", many)
    long = rule(INCLUDES.action, id="includes", has="linux/list", why="words " * 60)
    result = explained(lay({"a.c": OURS}, [{"a.c": BASE_C}, {"a.c": theirs}], long, OPEN))
    text = explainview.explained_text(result, bare_answers(result))
    assert max(map(len, text.splitlines())) <= ruleview.WIDTH
    assert "+ … 18 more" in text
    assert "mini (linux-6.1.7): 2 conflicts, 0 without a rule" in text
    full = explainview.explained_json(result, bare_answers(result))
    assert len(full["places"][1]["upstream"]["added"]) == 30


def test_bare_asks_for_no_merge_where_there_is_no_conflict(tmp_path):
    bench = Bench(tmp_path)
    clean = bench.pick({"a.c": BASE_C}, {"a.c": BASE_C}, {"a.c": THEIRS})
    assert explain.bare(clean, "", "no such tree", (), None) == ()


# -- names


NAMES = {
    "include/linux/dock.h": "int dock_run(void);\n",
    "drivers/net/pier.c": "int pier(void)\n{\n\treturn dock_run();\n}\n",
}
NEWER = "/* new */\nint dock_newer(int how)\n{\n\treturn how;\n}\n"
BOAT = "drivers/net/boat.c"


def boat(*lines):
    return "int boat(void)\n{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


def names_of(ground):
    return [item for item in explain.explain(ground, silent).items if item.lack]


@pytest.fixture
def newer(lay):
    """A series whose one commit uses what upstream's driver library defines."""

    def make(text, *rules):
        theirs = {**NAMES, "lib/newer.c": NEWER, "Kconfig": ""}
        return lay(NAMES, [theirs, {**theirs, BOAT: text}], *rules)

    return make


def test_a_gap_shows_its_use_and_upstreams_definition(newer):
    (item,) = names_of(newer(boat("return dock_newer(1);")))
    assert item.sort is explain.Sort.GAP and item.sha == "1" * 12
    lack = item.lack
    assert (lack.name, lack.kind, lack.path, lack.number) == ("dock_newer", "call", BOAT, 3)
    assert lack.by is None and lack.line == "\treturn dock_newer(1);\n"
    assert (lack.nearest.place, len(lack.nearest.lines)) == ("lib/newer.c:2", 4)


def test_the_text_says_what_would_bridge_a_gap(newer):
    result = explain.explain(newer(boat("return dock_newer(1);", "return dock_gone();")), silent)
    text = explainview.explained_text(result, bare_answers(result))
    assert f"{BOAT}:3, call dock_newer\n" in text
    assert "  upstream defines it in lib/newer.c:2, 4 lines\n" in text
    assert "  gap: nothing brings it; what would: a shim that defines it" in text
    assert "no line of upstream's looks like its definition" in text
    assert "0 adaptations without a conflict; 2 gaps, 0 names bridged" in " ".join(text.split())
    places = explainview.explained_json(result, bare_answers(result))["places"]
    assert [(p["kind"], p["name"]["name"], p["name"]["by"]) for p in places] == [
        ("gap", "dock_newer", None), ("gap", "dock_gone", None),
    ]  # fmt: skip
    assert places[0]["name"]["upstream"]["whole"] and places[1]["name"]["upstream"] is None


def test_a_bridged_name_has_its_rule(newer):
    renamed = rule(Rewrite((Substitution(r"dock_newer\(1\)", "dock_run()"),)), BOAT, id="renamed")
    ground = newer(boat("return dock_newer(1);"), renamed)
    (item,) = names_of(ground)
    assert item.sort is explain.Sort.BRIDGED
    assert (item.lack.by, item.lack.source) == ("rule", "renamed")
    result = explain.explain(ground, silent)
    text = explainview.explained_text(result, bare_answers(result))
    assert "the target lacks it; rule renamed bridges it" in text
    # Asked for by its name, the rule's own place comes along.
    assert [i.sort for i in explain.about(result.items, "dock_newer")] == ["adaptation", "bridged"]


def test_a_shim_bridges_what_it_defines(newer):
    shim = rule(
        Shim("dock_newer", "^int boat", ("#define dock_newer(x) dock_run()\n",)), BOAT, id="shim"
    )
    (item,) = names_of(newer(boat("return dock_newer(1);"), shim))
    assert (item.lack.by, item.lack.source) == ("shim", "shim")


def test_what_the_series_brings_is_told_in_one_line(lay):
    made = {**NAMES, "drivers/net/newer.c": NEWER}
    used = {**made, BOAT: boat("return dock_newer(1);")}
    result = explain.explain(lay(NAMES, [NAMES, made, used]), silent)
    (item,) = [item for item in result.items if item.lack]
    assert (item.lack.by, item.lack.source, item.leg) == ("commit", "1" * 12, 1)
    text = explainview.explained_text(result, bare_answers(result))
    assert "names that 111111111111 of the series brings: dock_newer" in text


def test_names_behind_a_conflict_are_not_looked_at(lay):
    theirs = {"a.c": THEIRS}
    result = explain.explain(lay({"a.c": OURS}, [{"a.c": BASE_C}, theirs]), silent)
    assert [item for item in result.items if item.lack] == []
    assert result.legs[0].after == ""


def test_the_command(tmp_path):
    world = known_world(tmp_path / "world")
    unsettled = world.run(*world.argv("explain", "--json"))
    assert unsettled.code == Exit.OK
    (place,) = unsettled.json["places"]
    assert place["rule"] is None and "[[rule]]" in place["skeleton"]
    world.settle()
    ran = world.run(*world.argv("explain", "dock_open"))
    assert ran.code == Exit.OK, ran.err
    assert "drivers/core.c, in dock_open" in ran.out and "rule open-limit: take" in ran.out
    assert "why: the target counts without atomics" in ran.out
    assert world.run(*world.argv("explain", "nowhere.c")).code == Exit.USAGE
    assert not (world.cache / "runs").exists()
