"""A rule that is removed: which gate notices, and that a slice of a pick tells of the whole."""

from __future__ import annotations

import pytest
from kernelish import OTHER_SHA, SHA, change, drop, make_tree, rule
from minikernel import known_world

from backport.advice import mutate
from backport.advice.mutate import Noticed
from backport.doors.git import Git
from backport.gates.uapi import Uapi
from backport.output import ruleview
from backport.picking.ground import Ground
from backport.picking.pick import Outcome, applicable, pick
from backport.values.errors import ConflictsLeft, Exit, GateFailed, Place
from backport.values.events import silent
from backport.values.rule import (
    Additive,
    At,
    Edit,
    Insert,
    Pin,
    Present,
    Question,
    Rewrite,
    Side,
    Substitution,
    Take,
)

pytestmark = pytest.mark.slow

BEFORE = "int a;\nint b;\n\nint dock(void)\n{\n\told_call();\n\treturn 0;\n}\n"
NEWER = BEFORE.replace("int b;\n", "int newer;\n")  # what upstream had there before
UAPI = "enum dock {\n\tDOCK_ONE,\n%s\tDOCK_MAX,\n};\n"
HEADER = "include/uapi/dock.h"
FREE = {"free.c": "int nobody;\n"}
FREED = {"free.c": "int nobody;\nint somebody;\n"}


@pytest.fixture
def git(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


@pytest.fixture
def lay(git, tmp_path):
    """A ground: the target's files, then upstream's states, each a commit over the one before."""

    def make(ours, states, *rules, numbers=None):
        trees = [make_tree(git, files) for files in states]
        shas = [(SHA,), (OTHER_SHA,)]
        incoming = [
            change(git, old, new, sha)
            for old, new, sha in zip(trees, trees[1:], shas, strict=False)
        ]
        base = drop(git, ours, "6.1.7")
        return Ground("mini", git, tmp_path, base, tuple(incoming), rules, numbers)

    return make


def noticed(ground, *more):
    return {m.rule.id: (m.notice.by, m.notice.where) for m in mutate.mutate(ground, silent, more)}


def adding(text, line):
    return text.replace("int a;\n", f"int a;\n{line}\n")


def test_a_conflict_is_left(lay):
    theirs = NEWER.replace("int newer;\n", "int newer;\nint added;\n")
    held = rule(Additive(at=At.END), id="context")
    ground = lay({"a.c": BEFORE}, [{"a.c": NEWER}, {"a.c": theirs}], held)
    assert noticed(ground) == {"context": (Noticed.CONFLICT, "a.c")}


def test_another_rule_no_longer_matches(lay):
    first = rule(Rewrite((Substitution("new_call", "old_call2"),)), id="first")
    there = Place("rules.toml", 9, "rule[1]")
    second = rule(Edit(Substitution("old_call2", "older")), id="second", place=there)
    theirs = BEFORE.replace("\treturn", "\tnew_call();\n\treturn")
    ground = lay({"a.c": BEFORE}, [{"a.c": BEFORE}, {"a.c": theirs}], first, second)
    assert noticed(ground)["first"] == (Noticed.RULE, "second no longer matches")
    assert noticed(ground)["second"] == (Noticed.SYMBOLS, "call old_call2 in a.c")


def test_a_definition_comes_twice(lay):
    own = BEFORE + "\nint dock_tell(void)\n{\n\treturn 1;\n}\n"
    theirs = "int dock_tell(void)\n{\n\treturn 2;\n}\n\n" + BEFORE
    drops = Rewrite((Substitution(r"int dock_tell\(void\)\n(.*\n)+?\}\n", ""),))
    ground = lay({"a.c": own}, [{"a.c": BEFORE}, {"a.c": theirs}], rule(drops, id="double"))
    assert noticed(ground) == {"double": (Noticed.FORM, "a.c: dock_tell is defined twice")}


def test_a_line_lands_in_another_function(lay):
    """The target has it under another name, and another one under that name."""
    old = "int one(void)\n{\n\tstart();\n\tgo();\n\tend();\n}\n"
    theirs = old.replace("\tend();\n", "\tmiddle();\n\tend();\n")
    ours = old.replace("one", "other") + "\nint one(void)\n{\n\treturn other();\n}\n"
    drops = rule(Rewrite((Substitution(r"\tmiddle\(\);\n", ""),)), id="drops")
    ground = lay({"a.c": ours, **FREE}, [{"a.c": old, **FREE}, {"a.c": theirs, **FREED}], drops)
    assert noticed(ground) == {"drops": (Noticed.ACCOUNTING, "a.c: 1 line")}


def test_a_name_is_missing(lay):
    """Names that are missing with all rules, too, say nothing of this one."""
    theirs = BEFORE.replace("\treturn", "\tnewer_call();\n\tstrange();\n\treturn")
    held = rule(Rewrite((Substitution("newer_call", "old_call"),)), id="renames")
    more = rule(Edit(Substitution("return 0", "return 1")), id="value")
    ground = lay({"a.c": BEFORE}, [{"a.c": BEFORE}, {"a.c": theirs}], held, more)
    assert noticed(ground) == {
        "renames": (Noticed.SYMBOLS, "call newer_call in a.c"),
        "value": (Noticed.NONE, "a.c"),
    }


def test_userspace_sees_another_number(lay):
    numbers = Uapi((HEADER,), ("DOCK_TWO",), ())
    base, upstream = UAPI % "", UAPI % "\tDOCK_OTHER,\n"
    theirs = upstream.replace("\tDOCK_MAX", "\tDOCK_TWO,\n\tDOCK_MAX")
    context = rule(Additive(), HEADER, id="context")
    pin = rule(Pin((("DOCK_TWO", 2),)), HEADER, id="pin")
    ground = lay({HEADER: base}, [{HEADER: upstream}, {HEADER: theirs}], context, pin,
                 numbers=numbers)  # fmt: skip
    assert noticed(ground) == {
        "context": (Noticed.CONFLICT, f"{HEADER}: dock"),
        "pin": (Noticed.UAPI, "DOCK_TWO is 1, upstream has 2"),
    }


def test_a_later_commit_conflicts(lay):
    """What the rule did in the first commit is what the second one's context is."""
    one = BEFORE.replace("\told_call();\n", "\tnew_call();\n\told_call();\n")
    two = one.replace("\tnew_call();\n", "\tnew_call(1);\n")
    ours = BEFORE
    rename = rule(Rewrite((Substitution("new_call", "vendor_call"),)), id="rename")
    follow = rule(
        Take(Side.OURS, (Substitution(r"vendor_call\(\)", "vendor_call(1)"),)),
        id="follow",
        commits=(OTHER_SHA[:12],),
    )
    ground = lay({"a.c": ours}, [{"a.c": BEFORE}, {"a.c": one}, {"a.c": two}], rename, follow)
    found = noticed(ground)
    assert found["rename"][0] is Noticed.RULE
    assert found["follow"] == (Noticed.CONFLICT, "a.c: dock")


def test_a_later_rule_asks_about_what_is_gone(lay):
    """In a path that the first rule never touches, by a question alone."""
    insert = rule(Insert("^int a;$", ("int dock_flag;\n",)), id="flag")
    asks = rule(
        Rewrite((Substitution("new_call", "flag_call"),)),
        "b.c",
        id="asks",
        commits=(OTHER_SHA[:12],),
        when=(Question("dock_flag", "a.c", True),),
    )
    more, called = BEFORE + "int more;\n", BEFORE.replace("\treturn", "\tnew_call();\n\treturn")
    states = [
        {"a.c": BEFORE, "b.c": BEFORE},
        {"a.c": more, "b.c": BEFORE},
        {"a.c": more, "b.c": called},
    ]
    ground = lay(states[0], states, insert, asks)
    assert noticed(ground)["flag"] == (Noticed.SYMBOLS, "call new_call in b.c")


def test_nothing_notices_and_nothing_changes_are_told_apart(lay):
    theirs = adding(BEFORE, "int added;")
    works = rule(Rewrite((Substitution("added", "brought"),)), id="works")
    idles = rule(Edit(Substitution("old_call", "old_call")), id="idles")
    ground = lay({"a.c": BEFORE}, [{"a.c": BEFORE}, {"a.c": theirs}], works, idles)
    found = {m.rule.id: m for m in mutate.mutate(ground, silent)}
    assert found["works"].notice.by is Noticed.NONE and not found["works"].idle
    assert found["idles"].notice.by is Noticed.NONE and found["idles"].idle


def test_gates_of_the_caller_are_asked_last_and_only_about_what_changes(lay):
    theirs = BEFORE.replace("\treturn", "\tnewer_call();\n\treturn")
    renames = rule(Rewrite((Substitution("newer_call", "old_call"),)), id="renames")
    value = rule(Edit(Substitution("return 0", "return 1")), id="value")
    idles = rule(Edit(Substitution("int b", "int b")), id="idles")
    ground = lay({"a.c": BEFORE}, [{"a.c": BEFORE}, {"a.c": theirs}], renames, value, idles)
    asked = []

    def passes(outlook):
        asked.append(sorted(outlook.paths))
        return ""

    found = noticed(ground, (Noticed.CONFIG, passes), (Noticed.OBJECTS, lambda _: "b.c"))
    assert found["value"] == (Noticed.OBJECTS, "b.c") and asked == [["a.c"]]
    assert found["renames"][0] is Noticed.SYMBOLS and found["idles"][0] is Noticed.NONE


def test_a_rule_that_does_not_hold_is_not_removed(lay):
    theirs = adding(BEFORE, "int added;")
    other = rule(Rewrite((Substitution("added", "x"),)), when=(Question("absent", "a.c", True),))
    assert noticed(lay({"a.c": BEFORE}, [{"a.c": BEFORE}, {"a.c": theirs}], other)) == {}


def test_a_rule_that_keeps_a_whole_commit_out(lay):
    """Without it, paths of the commit that the rule does not name come too."""
    there = rule(Present("old_call"), "a.c", id="there")
    both = {"a.c": adding(BEFORE, "int added;"), **FREED}
    ground = lay({"a.c": BEFORE, "free.c": ""}, [{"a.c": BEFORE, **FREE}, both], there)
    assert noticed(ground)["there"] == (Noticed.CONFLICT, "free.c")


def test_a_rule_that_asks_for_upstreams_form(lay):
    """A slice of the commit still has the file that the question is about."""
    theirs = {"a.c": BEFORE.replace("\treturn", "\tnew_call();\n\treturn"), **FREED}
    asks = rule(
        Rewrite((Substitution("new_call", "old_call"),)),
        id="asks",
        when=(Question("somebody", "free.c", True, upstream=True),),
    )
    more = rule(Edit(Substitution("int b;", "int bb;")), id="more")
    base = {"a.c": BEFORE, **FREE}
    found = noticed(lay(base, [base, theirs], asks, more))
    assert found == {
        "asks": (Noticed.SYMBOLS, "call new_call in a.c"),
        "more": (Noticed.NONE, "a.c"),
    }


def test_a_rule_for_another_form_stays_out_of_a_slice(lay):
    """It asks for a file of the commit that the slice does not have, and must not hold there."""
    theirs = {"a.c": BEFORE.replace("\treturn", "\tnew_call();\n\treturn"), **FREED}
    held = rule(Rewrite((Substitution("new_call", "old_call"),)), id="held")
    other = rule(
        Edit(Substitution("not there", "")),
        id="other",
        when=(Question("somebody", "free.c", False, upstream=True),),
    )
    base = {"a.c": BEFORE, "b.c": "", **FREE}
    found = noticed(lay(base, [base, {**theirs, "b.c": "int b;\n"}], held, other))
    assert found == {"held": (Noticed.SYMBOLS, "call new_call in a.c")}


def test_a_series_that_does_not_hold_is_no_ground(lay):
    theirs = NEWER.replace("int newer;\n", "int newer;\nint added;\n")
    with pytest.raises(ConflictsLeft, match=r"does not pick with all rules: conflict, a\.c"):
        mutate.mutate(lay({"a.c": BEFORE}, [{"a.c": NEWER}, {"a.c": theirs}]), silent)
    twice = BEFORE + "\nint dock_tell(void)\n{\n\treturn 1;\n}\n"
    brings = "int dock_tell(void)\n{\n\treturn 2;\n}\n\n" + BEFORE
    with pytest.raises(GateFailed, match=r"form, a\.c: dock_tell is defined twice"):
        mutate.mutate(lay({"a.c": twice}, [{"a.c": BEFORE}, {"a.c": brings}]), silent)


def test_what_is_there_in_the_slice_is_not_there_in_the_whole(lay):
    """Upstream's change of a.c is on the target; that of free.c, which no rule is about, is not."""
    theirs = adding(BEFORE, "int added;")
    edit = rule(Edit(Substitution("old_call", "vendor_call")), id="edit")
    extra = rule(Insert("^int b;$", ("int c;\n",)), id="extra")
    ground = lay(
        {"a.c": theirs, **FREE},
        [{"a.c": BEFORE, **FREE}, {"a.c": theirs, **FREED}],
        edit,
        extra,
    )
    assert noticed(ground) == {"edit": (Noticed.NONE, "a.c"), "extra": (Noticed.NONE, "a.c")}


@pytest.mark.parametrize("removed", ["rename", "call", "context"])
def test_a_slice_gives_what_the_whole_pick_gives(lay, git, removed):
    base = {"a.c": NEWER, "b.c": BEFORE, **FREE}
    theirs = {
        "a.c": NEWER.replace("int newer;\n", "int newer;\nint added;\n"),
        "b.c": BEFORE.replace("\treturn", "\tnew_call();\n\treturn"),
        **FREED,
    }
    rules = (
        rule(Additive(at=At.END), id="context"),
        rule(Rewrite((Substitution("new_call", "call"),)), "b.c", id="rename"),
        rule(Edit(Substitution("old_call", "older")), "b.c", id="call"),
    )
    ground = lay({"a.c": BEFORE, "b.c": BEFORE, **FREE}, [base, theirs], *rules)
    course = mutate.lay_course(ground, silent)
    mutation = mutate.without(course, next(r for r in rules if r.id == removed))
    left = [r for r in rules if r.id != removed]
    whole = pick(ground.incoming[0], ground.base.commit, ground.base.tree, left, ground.target)
    assert (whole.outcome is Outcome.CONFLICT) == (mutation.notice.by is Noticed.CONFLICT)
    if whole.outcome is not Outcome.CONFLICT:
        changed = git.changes(course.steps[0].after, whole.tree)
        assert mutation.notice.where.endswith(changed[0].path) and len(changed) == 1
        assert mutation.notice.by is (Noticed.SYMBOLS if removed == "rename" else Noticed.NONE)
    assert applicable(rules, ground.incoming[0], ground.base.tree, ground.target) == list(rules)


# -- the table


def test_a_section_is_written_anew_and_others_stay(lay):
    theirs = adding(BEFORE, "int added;")
    works = rule(Rewrite((Substitution("added", "brought"),)), id="works")
    ground = lay({"a.c": BEFORE}, [{"a.c": BEFORE}, {"a.c": theirs}], works)
    found = mutate.mutate(ground, silent)
    first = ruleview.mutations_markdown("", ground, "backport one", found)
    assert "| works | rewrite | 111111111111 | UNNOTICED | a.c |" in first
    older = first.replace("## mini", "## another").replace("backport one", "backport two")
    both = ruleview.mutations_markdown(older, ground, "backport one", found)
    assert both.index("## another") < both.index("## mini")
    assert "```\nbackport two\nbackport one\n```" in both
    assert ruleview.mutations_markdown(both, ground, "backport one", found) == both
    assert "1 UNNOTICED" in ruleview.mutations_text(ground, found)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = known_world(tmp_path_factory.mktemp("mutate") / "world")
    made.settle()
    return made


def argv(world, *more):
    command, *rest = world.argv("rules", *more)
    return [command, "mutate", *rest]


def test_the_command_ends_well_when_every_rule_is_missed(world):
    ran = world.run(*argv(world, "--json"))
    assert ran.code == Exit.OK, ran.err
    (row,) = ran.json["mutations"]
    assert row["rule"] == "open-limit" and row["noticed_by"] == "conflict"
    assert row["commit"] == world.shas[1][:12] and ran.json["counts"] == {"conflict": 1}


IDLE = """\
cause = "nothing"

[[rule]]
id = "idle"
commits = ["{sha}"]
path = "include/dock.h"
edit = {{ find = 'int number', replace = 'int number' }}
why = "to be found out"

[[rule]]
id = "number"
commits = ["{sha}"]
path = "include/dock.h"
edit = {{ find = 'int number', replace = 'long number' }}
why = "to be found out as well"
"""


def test_the_command_names_what_nobody_misses(world, tmp_path):
    file = world.rules(IDLE.format(sha=world.shas[2][:12]), "20-idle.toml")
    table = tmp_path / "mutations.md"
    try:
        ran = world.run(*argv(world, "--quick", "--markdown", str(table)))
        assert ran.code == Exit.GATE
        assert "without any effect: idle" in ran.err and "another result: number" in ran.err
        assert "| idle | edit |" in table.read_text() and str(tmp_path) not in table.read_text()
    finally:
        file.unlink()


def test_a_series_that_stops_says_where_to_look(tmp_path):
    ran = (made := known_world(tmp_path / "w")).run(*argv(made))
    assert ran.code == Exit.CONFLICTS and "backport pick" in ran.err
