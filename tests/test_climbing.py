"""Picks that ask the ladder about what their rules leave: what it may settle, and who is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from kernelish import AUTHOR, BASE_C, SHA, Bench, change, drop, files_of, make_tree, rule
from minikernel import BRANCH, git, known_world

from backport.doors.git import Git
from backport.ladder.ladder import Ladder
from backport.picking import history
from backport.picking.climbing import GitTrees
from backport.picking.pick import Outcome, Target, pick
from backport.values.events import silent
from backport.values.filecase import Resolution, Side
from backport.values.rule import Absent, Additive, At, Climbed, Edit, Substitution, Take
from backport.values.rule import Side as Taken

# Both sides change neighbouring lines: git's merge stops, and the ladder keeps both.
OURS_C = BASE_C.replace("\treturn dock_newer(dock);\n", "\treturn 0;\n")
THEIRS_C = BASE_C.replace("\tdock_count++;\n", "\tdock_count++;\n\tdock_door(dock);\n")
BOTH_C = OURS_C.replace("\tdock_count++;\n", "\tdock_count++;\n\tdock_door(dock);\n")
# Both put something else at one place: nobody knows without being told.
CLASH = ("int a;\nint z;\n", "int a;\nint ours;\nint z;\n", "int a;\nint theirs;\nint z;\n")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


def climbed(bench, sides, *rules, resolver=None, message="dock: Open\n"):
    """The pick of a change between texts by path, with the ladder behind the rules."""
    git = bench.git
    base, ours, theirs = (make_tree(git, side) for side in sides)
    onto = git.commit_tree(ours, [], "target\n", AUTHOR, AUTHOR)
    incoming = change(git, base, theirs, message=message)
    target = Target(git, bench.version)
    return pick(incoming, onto, ours, rules, target, resolver=resolver or Ladder())


def test_what_no_rule_settles_is_resolved_and_the_step_is_named(bench):
    got = climbed(bench, [{"a.c": text} for text in (BASE_C, OURS_C, THEIRS_C)])
    assert got.outcome is Outcome.RESOLVED
    assert files_of(bench.git, got.tree)["a.c"].decode() == BOTH_C
    assert [(a.rule.id, a.path, a.rule.action) for a in got.adaptations] == [
        ("ladder-lines", "a.c", Climbed("lines"))
    ]
    assert (got.unaccounted, got.misshapen, got.conflicts) == ((), (), ())
    assert got.merged_conflicts == ("a.c: dock_open",)
    note = bench.git.commit(got.commit).message
    assert "  ladder-lines: a.c: " in note


def test_what_it_leaves_is_a_conflict_as_before(bench):
    sides = [{"a.c": BASE_C, "b.c": CLASH[0]}, {"a.c": OURS_C, "b.c": CLASH[1]},
             {"a.c": THEIRS_C, "b.c": CLASH[2]}]  # fmt: skip
    got = climbed(bench, sides)
    assert got.outcome is Outcome.CONFLICT and not got.commit
    assert [c.path for c in got.conflicts] == ["b.c"]
    assert files_of(bench.git, got.tree)["a.c"].decode() == BOTH_C
    assert b"<<<<<<<" in files_of(bench.git, got.tree)["b.c"]


def test_rules_come_first_and_what_they_settled_stands(bench):
    tail = "\n/* 1 */\n/* 2 */\n/* 3 */\n/* 4 */\n"
    sides = [
        {"a.c": code + tail + clash}
        for code, clash in zip((BASE_C, OURS_C, THEIRS_C), CLASH, strict=True)
    ]
    the_rule = rule(Take(Taken.THEIRS), has="theirs")
    got = climbed(bench, sides, the_rule)
    assert files_of(bench.git, got.tree)["a.c"].decode() == BOTH_C + tail + CLASH[2]
    assert [a.rule.id for a in got.adaptations] == ["the-rule", "ladder-lines"]
    assert got.unaccounted == ()


def test_rules_on_the_merged_text_follow_it(bench):
    after = rule(Edit(Substitution("dock_door", "dock_gate")))
    got = climbed(bench, [{"a.c": text} for text in (BASE_C, OURS_C, THEIRS_C)], after)
    assert files_of(bench.git, got.tree)["a.c"].decode() == BOTH_C.replace("_door", "_gate")
    assert got.unaccounted == ()


def test_each_file_is_said_of_in_the_commit_also_where_one_step_did_them_all(bench):
    sides = [dict.fromkeys(("a.c", "b.c"), text) for text in (BASE_C, OURS_C, THEIRS_C)]
    got = climbed(bench, sides)
    note = bench.git.commit(got.commit).message
    assert "ladder-lines: a.c: " in note and "ladder-lines: b.c: " in note


class Invents:
    """A resolver that gives whatever it was made with."""

    name = "invents"

    def __init__(self, text, path="a.c"):
        self.given = Resolution(path, text.encode(), "guess", "told so")

    def resolve(self, case, around):
        assert (case.path, around.read(Side.OURS, "a.c")) == ("a.c", OURS_C.encode())
        return self.given


def test_the_gates_are_asked_about_what_a_resolver_gives(bench):
    sides = [{"a.c": text} for text in (BASE_C, OURS_C, THEIRS_C)]
    twice = BOTH_C + BOTH_C[BOTH_C.index("int dock_run") :]
    got = climbed(bench, sides, resolver=Invents(twice))
    assert got.misshapen == ("a.c: dock_run is defined twice",)


def test_what_differs_from_upstreams_change_is_the_steps(bench):
    sides = [{"a.c": text} for text in (BASE_C, OURS_C, THEIRS_C)]
    (fired,) = climbed(bench, sides, resolver=Invents(BOTH_C + "int more;\n")).adaptations
    assert (fired.rule.id, fired.added, fired.removed) == ("ladder-guess", 1, 0)
    assert fired.rule.why == "a.c: told so"


def test_a_resolution_of_another_path_is_not_taken(bench):
    sides = [{"a.c": text} for text in (BASE_C, OURS_C, THEIRS_C)]
    got = climbed(bench, sides, resolver=Invents(BOTH_C, path="b.c"))
    assert got.outcome is Outcome.CONFLICT


def test_a_change_that_only_the_ladder_finds_here_is_applied_already_and_not_dropped(bench):
    ours = OURS_C.replace("\tdock_count++;\n", "\tdock_count++;\n\tdock_door(dock);\n")
    got = climbed(bench, [{"a.c": text} for text in (BASE_C, ours, THEIRS_C)])
    assert (got.outcome, got.commit) == (Outcome.ALREADY, "")
    assert [a.rule.id for a in got.adaptations] == ["ladder-applied"]


def moved(bench, ours, *rules, there="old/a.c"):
    """The pick of a change of new/a.c onto a target that has no such file, but another."""
    sides = [{"new/a.c": BASE_C}, {there: ours, "b.c": "int b;\n"}, {"new/a.c": THEIRS_C}]
    return climbed(bench, sides, *rules)


def test_a_file_that_the_target_has_at_another_path_is_changed_there(bench):
    got = moved(bench, OURS_C)
    assert got.outcome is Outcome.RESOLVED
    assert {path: text.decode() for path, text in files_of(bench.git, got.tree).items()} == {
        "old/a.c": BOTH_C,
        "b.c": "int b;\n",
    }
    assert (got.unaccounted, got.misshapen, got.conflicts) == ((), (), ())
    assert got.merged_conflicts == ("new/a.c",)
    (told,) = got.adaptations
    assert (told.rule.id, told.path) == ("ladder-lines", "old/a.c")
    assert "new/a.c is old/a.c here" in bench.git.commit(got.commit).message


def test_what_a_moved_file_has_otherwise_than_upstreams_change_is_the_steps(bench):
    """The accounting holds the other path against upstream's change of this one."""
    (told,) = moved(bench, BASE_C).adaptations
    assert not told.delta


@pytest.mark.parametrize("there", ["old/b.c", "old/a.h"])
def test_a_file_of_another_name_is_no_moved_one(bench, there):
    got = moved(bench, OURS_C, there=there)
    assert got.outcome is Outcome.CONFLICT
    assert [c.path for c in got.conflicts] == ["new/a.c"]


def test_a_rule_that_leaves_the_file_out_comes_first(bench):
    text = BASE_C.replace("dock_count++", "dock_count--")
    absent = rule(Absent("b.c"), paths=("new/a.c",), id="gone")
    edit = rule(Edit(Substitution("int b;", "int c;")), paths=("b.c",), id="b")
    got = moved(bench, text, absent, edit)
    assert [(a.rule.id, a.path) for a in got.adaptations] == [("b", "b.c"), ("gone", "new/a.c")]
    assert files_of(bench.git, got.tree)["old/a.c"].decode() == text


def test_the_trees_answer_whole_words_of_sources_alone(bench):
    tree = make_tree(bench.git, {"net/a.c": "int dock_open;\n", "b.txt": "dock_shut\n"})
    trees = GitTrees(bench.git, tree, tree, tree)
    assert trees.known(Side.OURS, ["dock_open", "dock", "dock_shut"]) == {"dock_open"}
    assert trees.known(Side.OURS, []) == frozenset()
    assert sorted(trees.paths(Side.BASE)) == ["b.txt", "net/a.c"]


# -- a series: nothing changes unless it is asked for


def request(folder, resolver=None):
    bench = Bench(folder)
    store = bench.git
    trees = [make_tree(store, {"a.c": text}) for text in (BASE_C, THEIRS_C)]
    incoming = change(store, *trees, (SHA,))
    base = drop(store, {"a.c": OURS_C}, "6.1.7")
    return history.Request(store, folder / "picks", base, (incoming,), (), resolver)


def test_without_it_the_key_is_what_it_was_and_with_it_another(tmp_path):
    asked = request(tmp_path)
    plain, asking, other = (
        history.pick_key(asked.incoming[0], asked.base.commit, (), Bench(tmp_path).version, r)
        for r in (None, Ladder(), Ladder("ladder of tomorrow"))
    )
    assert plain == history.pick_key(
        asked.incoming[0], asked.base.commit, (), Bench(tmp_path).version
    )
    assert len({plain, asking, other}) == 3


def test_a_series_is_picked_by_it_and_kept(tmp_path):
    asked = request(tmp_path, Ladder())
    assert history.pick_series(replace(asked, resolver=None), silent).stopped is not None
    done = history.pick_series(asked, silent)
    assert done.stopped is None and not done.cached
    assert done.commits[0].pick.rules == ("ladder-lines",)
    assert done.commits[0].adaptations[0].path == "a.c"
    again = history.pick_series(asked, silent)
    assert again.cached and again.head == done.head


@pytest.mark.slow
def test_the_command_names_the_step_and_gives_itself_again(tmp_path):
    """The mini kernel's second commit adds a line at one end of what the target has otherwise."""
    world = known_world(tmp_path / "world")
    ours = (world.base / "drivers/core.c").read_text()
    text = ours.replace("\tdock_count++;\n", "\tatomic_inc(&dock_count);\n\tdock_note(dock);\n")
    (world.base / "drivers/core.c").write_text(text)
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    git(world.base, *who, "commit", "-qam", "the target traces otherwise")
    assert world.pick().code == 3
    assert world.pick("--sure-steps").code == 3  # words is none of them
    ran = world.pick("--ladder", "--json")
    assert ran.code == 0, ran.err
    assert "--ladder" in ran.json["command"]
    (fired,) = [a for a in ran.json["adaptations"] if a["rule"].startswith("ladder-")]
    assert (fired["path"], fired["rule"]) == ("drivers/core.c", "ladder-words")
    assert "dock_limit(dock);" in git(world.base, "show", f"{BRANCH}:drivers/core.c")
    assert json.dumps(ran.json["picks"]).count("ladder-") == 1
    page = tmp_path / "review.html"
    assert world.run("review", "--output", str(page)).code == 0
    assert fired["rule"] in page.read_text() and "have changed since" not in page.read_text()


def test_the_door_finds_words_of_more_names_than_one_pattern_holds(tmp_path):
    store = Git.init_bare(tmp_path / "store.git")
    tree = make_tree(store, {"a.c": "int n7; int n700;\n"})
    assert store.words(tree, [f"n{i}" for i in range(900)]) == {"n7", "n700"}


def test_additive_rules_and_the_ladder_share_a_file(bench):
    """A rule that places by hand owns its lines still; the ladder sees its place as settled."""
    sides = [
        {"a.c": code + "\nint gap;\nint more;\nint gaps;\n" + clash}
        for code, clash in zip((BASE_C, OURS_C, THEIRS_C), CLASH, strict=True)
    ]
    got = climbed(bench, sides, rule(Additive(at=At.END), has="theirs"))
    assert got.outcome is Outcome.RESOLVED and got.unaccounted == ()
    assert {a.rule.id for a in got.adaptations} == {"the-rule", "ladder-lines"}
