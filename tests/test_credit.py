"""What brings a name that the target lacks: a commit of the series, a shim, a rule, or nothing."""

from __future__ import annotations

from collections import Counter

import pytest
from kernelish import make_tree, rule
from minikernel import ADD_LIST, make_world
from minikernel import Step as Commit

from backport.doors.git import Git
from backport.gates.credit import By, Credit, credited, credits_of
from backport.gates.symbols import Request, Step, check
from backport.readers.identifiers import Kind, included_in
from backport.values.errors import Exit
from backport.values.rule import Adaptation, Insert, Rewrite, Shim, Substitution

BASE = {
    "include/linux/dock.h": "int dock_run(void);\n",
    "drivers/net/pier.c": "int pier(void)\n{\n\treturn dock_run();\n}\n",
}
BOAT = "drivers/net/boat.c"


def delta(plus=(), minus=()):
    return Counter({**dict.fromkeys(plus, 1), **dict.fromkeys(minus, -1)})


def fired(action, plus=(), minus=(), path=BOAT, name="the-rule"):
    return Adaptation(rule(action, path, id=name), path, delta(plus, minus))


REWRITE = Rewrite((Substitution("dock_newer", "dock_run"),))
RENAMED = fired(REWRITE, ["\treturn dock_run();\n"], ["\treturn dock_newer(); /* dock_said */\n"])
SHIMMED = fired(
    Shim("dock_newer", "^#include", ("#define dock_newer() dock_run()\n",)),
    ["#define dock_newer() dock_run()\n"],
    name="the-shim",
)


def test_a_rename_drops_the_name_and_defines_none():
    assert credits_of([RENAMED]) == (Credit("the-rule", BOAT, False, (), ("dock_newer",)),)


def test_a_shim_defines_what_it_defines():
    [credit] = credits_of([SHIMMED])
    assert credit.shim and credit.defines == ("dock_newer",) and credit.drops == ()


def test_a_changed_signature_defines_nothing_new():
    both = fired(REWRITE, ["int dock_go(int a)\n"], ["int dock_go(int a, int other)\n"])
    [credit] = credits_of([both])
    assert credit.defines == () and credit.drops == ("other",)


def test_a_dropped_include_is_a_header():
    gone = fired(REWRITE, [], ["#include <net/dock_newer.h>\n"])
    assert credits_of([gone])[0].drops == ("net/dock_newer.h",)
    assert included_in("  #include <net/dock_newer.h>\n") == "net/dock_newer.h"
    assert included_in("/* #include <a.h> */") == ""


def test_a_rule_that_moves_lines_has_no_credit():
    assert credits_of([fired(REWRITE)]) == ()


def test_a_definition_counts_before_a_line_that_went():
    both = credits_of([RENAMED, SHIMMED])
    assert credited("dock_newer", BOAT, both, {}) == (By.SHIM, "the-shim")
    assert credited("dock_newer", BOAT, both[:1], {"dock_newer": "a"}) == (By.COMMIT, "a")
    assert credited("dock_newer", BOAT, both[:1], {}) == (By.RULE, "the-rule")
    # A line that went from another file says nothing of this one.
    assert credited("dock_newer", "drivers/net/other.c", both[:1], {}) is None


# -- as the gate tells it


@pytest.fixture
def git(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


def boat(*lines):
    return "int boat(void)\n{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


def looked_up(git, theirs, ours, *adaptations, before=()):
    """The gate's result for a commit that adds `theirs` upstream and left `ours`."""
    files = dict(BASE)
    steps = []
    for state in before:
        old, files = files, {**files, **state}
        trees = make_tree(git, files), make_tree(git, old)
        steps.append(Step("an earlier commit", trees[0], *trees))
    old = make_tree(git, files)
    made = make_tree(git, {**files, **ours})
    step = Step(
        "the commit", made, make_tree(git, {**files, **theirs}), old, credits_of(adaptations)
    )
    return check(Request(git, make_tree(git, BASE), (*steps, step)))


def test_a_rewrite_that_leaves_no_use(git):
    result = looked_up(
        git, {BOAT: boat("return dock_newer();")}, {BOAT: boat("return dock_run();")}, RENAMED
    )
    [one] = result.brought
    assert (one.name, one.kind, one.path, one.number) == ("dock_newer", Kind.CALL, BOAT, 3)
    assert (one.by, one.source, one.subject) == (By.RULE, "the-rule", "the commit")
    assert str(one) == f"{BOAT}:3: call dock_newer: rule the-rule"
    assert result.summary == "2 identifiers, all known; brought: 1 by a rule"


def test_a_shim_and_a_definition_by_another_rule(git):
    text = boat("return dock_newer() + dock_other();")
    defined = "#define dock_newer() dock_run()\nint dock_other(void);\n"
    other = fired(Insert("^#", ("int dock_other(void);\n",)), ["int dock_other(void);\n"])
    result = looked_up(git, {BOAT: text}, {BOAT: defined + text}, SHIMMED, other)
    assert [(one.name, one.by) for one in result.brought] == [
        ("dock_newer", By.SHIM), ("dock_other", By.RULE),
    ]  # fmt: skip
    assert result.missing == ()


def test_an_earlier_commit_brings_its_functions_and_its_header(git):
    header = {"include/linux/newer.h": "int dock_newer(void);\n"}
    text = "#include <linux/newer.h>\n" + boat("return dock_newer();")
    result = looked_up(git, {BOAT: text}, {BOAT: text}, before=[header])
    assert [(one.name, one.by, one.source) for one in result.brought] == [
        ("linux/newer.h", By.COMMIT, "an earlier commit"),
        ("dock_newer", By.COMMIT, "an earlier commit"),
    ]


def test_a_member_comes_with_the_commit_whose_struct_has_it(git):
    """Also where a rule takes out one of the lines that use it."""
    header = {"include/linux/newer.h": "struct newer {\n\tint depth;\n};\n"}
    theirs = boat("return newer->depth;", "return 1;")
    drops = fired(REWRITE, ["\treturn 2;\n"], ["\treturn newer->depth;\n"])
    ours = {BOAT: boat("return 2;", "return 1;")}
    result = looked_up(git, {BOAT: theirs}, ours, drops, before=[header])
    assert [(one.name, one.kind, one.by) for one in result.brought] == [
        ("depth", Kind.MEMBER, By.COMMIT),
    ]  # fmt: skip
    alone = looked_up(git, {BOAT: theirs}, ours, drops)
    assert [(one.name, one.by) for one in alone.brought] == [("depth", By.RULE)]


def test_a_variable_of_the_function_needs_nobody(git):
    header = {"include/linux/newer.h": "static inline void x(void)\n{\n\tint inner;\n}\n"}
    text = boat("int inner;", "", "dock_fill(&inner);")
    result = looked_up(git, {BOAT: text}, {BOAT: text}, before=[header])
    assert [one.name for one in result.brought] == []
    assert [one.name for one in result.missing] == ["dock_fill"]


def test_a_file_that_serves_itself_needs_nobody(git):
    text = "static int helper(void)\n{\n\treturn 1;\n}\n\n" + boat("return helper();")
    assert looked_up(git, {BOAT: text}, {BOAT: text}).brought == ()


def test_what_a_rule_writes_and_uses_for_itself_is_no_lack(git):
    lines = ["static int helper(void)\n", "\treturn helper();\n"]
    ours = "static int helper(void)\n{\n}\n" + boat("return helper();")
    result = looked_up(
        git, {BOAT: boat("return 1;")}, {BOAT: ours}, fired(REWRITE, lines, ["\treturn 1;\n"])
    )
    assert result.brought == () and result.missing == ()


def test_a_name_that_nothing_brings_is_missing_and_not_brought(git):
    text = boat("return dock_newer();")
    result = looked_up(git, {BOAT: text}, {BOAT: text})
    assert [one.name for one in result.missing] == ["dock_newer"] and result.brought == ()


def test_what_the_target_has_is_not_brought(git):
    text = boat("return dock_run();")
    drops = fired(REWRITE, ["\treturn 1;\n"], ["\treturn dock_run();\n"])
    assert looked_up(git, {BOAT: text}, {BOAT: boat("return 1;")}, drops).brought == ()


def test_the_run_says_what_brought_its_names(tmp_path):
    text = "int dock_more(void)\n{\n\treturn dock_list() + dock_newer();\n}\n"
    use = Commit("dock: Use the list", {"drivers/more.c": text})
    world = make_world(tmp_path / "world", (ADD_LIST, use))
    find, instead = r" \+ dock_newer\(\)", ""
    world.rules(
        f"""cause = "renames"\n
[[rule]]\nid = "no-newer"\ncommits = ["{world.shas[1][:12]}"]\npath = "drivers/more.c"
rewrite = [{{ find = '{find}', replace = '{instead}' }}]\nwhy = "it is of a later release"\n"""
    )
    ran = world.pick("--json")
    assert ran.code == Exit.OK, ran.err
    [gate] = [gate for gate in ran.json["gates"] if gate["name"] == "symbols"]
    assert gate["detail"].endswith("all known; brought: 1 by a commit, 1 by a rule")
    assert [(b["name"], b["kind"], b["by"], b["source"]) for b in ran.json["brought"]] == [
        ("dock_list", "call", "commit", "dock: Add a list"),
        ("dock_newer", "call", "rule", "no-newer"),
    ]
    # From the cache it is the same.
    assert world.pick("--json").json["brought"] == ran.json["brought"]
