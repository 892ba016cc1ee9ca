"""Learning from a resolution: the rules that come out give the person's bytes, and say why."""

from __future__ import annotations

import json
import tomllib

import pytest
from kernelish import SHA, change, drop, make_tree
from minikernel import (
    ADD_LIST,
    BASE,
    CORE,
    DECLARED,
    LIMIT,
    OPEN_NEW,
    OPEN_OLD,
    UPSTREAM,
    Step,
    git,
    make_world,
)

from backport.doors.git import Git
from backport.learning.learn import learn
from backport.learning.learnpath import Taught, texts_of
from backport.picking.pick import Target, pick
from backport.values.conflict import Region
from backport.values.errors import Exit
from backport.values.version import Version

pytestmark = pytest.mark.slow

LEARNED = "90-learned.toml"


def stop(tmp_path, steps=(ADD_LIST, LIMIT), **more):
    world = make_world(tmp_path / "world", steps, **more)
    ran = world.pick()
    assert ran.code == Exit.CONFLICTS, ran.err
    return world


def resolve(world, files):
    for path, text in files.items():
        place = world.worktree / path
        if text is None:
            git(world.worktree, "rm", "-q", "-f", path)
        else:
            place.write_text(text)
            git(world.worktree, "add", path)


def rules_of(world):
    path = world.data / "patches/dock/rules" / LEARNED
    return tomllib.loads(path.read_text())["rule"]


def learned(world, files, *more):
    """The rules of a resolution, after a fresh pick gave the same files by them."""
    resolve(world, files)
    ran = world.run("learn", "--why", "it is so here", *more)
    assert ran.code == Exit.OK, ran.err
    assert world.pick().code == Exit.OK
    for path, text in files.items():
        shown = git(world.base, "show", f"backport/dock/mini-6.1:{path}", check=False)
        assert shown == (text or "").rstrip("\n")
    return rules_of(world)


def test_an_addition_is_learned_without_a_word_of_its_own(tmp_path):
    world = stop(tmp_path)
    text = CORE.format(open=OPEN_OLD + "\tdock_limit(dock);\n")
    [rule] = learned(world, {"drivers/core.c": text})
    assert (rule["additive"], rule["at"], rule["within"]) == ("line", "end", "dock_open")
    assert rule["commits"] == [world.shas[1][:12]] and rule["why"] == "it is so here"
    # What upstream has beside it and the target has nowhere bounds the rule.
    assert rule["when"] == [{"undefined": "atomic_inc", "in": "drivers/core.c"}]


def test_a_rename_is_learned_as_one(tmp_path):
    calls = {"include/calls.h": DECLARED + "void atomic_inc(int *count);\n"}
    world = stop(tmp_path, base={**BASE, **calls}, upstream={**UPSTREAM, **calls})
    text = CORE.format(open=OPEN_NEW + "\tdock_Limit(dock);\n")
    [rule] = learned(world, {"drivers/core.c": text})
    assert rule["take"] == "theirs"
    assert rule["then"] == [{"find": r"\bdock_limit\(", "replace": "dock_Limit("}]


def test_a_function_that_goes_along_is_removed_by_name(tmp_path):
    world = stop(tmp_path)
    text = CORE.format(open=OPEN_OLD).partition("\nint dock_tell")[0]
    found = learned(world, {"drivers/core.c": text})
    assert [rule.get("take") or rule["remove"] for rule in found] == ["ours", "dock_tell"]


def test_a_change_beside_the_conflict_gets_a_rule_of_its_own(tmp_path):
    world = stop(tmp_path)
    text = CORE.format(open=OPEN_OLD).replace("return dock_count;", "return dock_count + 1;")
    found = learned(world, {"drivers/core.c": text})
    assert found[0]["take"] == "ours"
    assert found[1]["within"] == "dock_tell" and "edit" in found[1]


CALL = "\tdock_limit(dock);\n"


def test_a_new_file_of_upstream_is_rewritten_where_it_comes_in(tmp_path):
    """The name is defined upstream in a header where the target does not have it."""
    git_ = Git.init_bare(tmp_path / "store.git")
    header, caller = "include/lim.h", "drivers/new.c"
    new = "int new_one(struct dock *dock)\n{\n" + CALL * 2 + "\treturn 1;\n}\n"
    ours, theirs = {header: "int nothing;\n"}, {header: "void dock_limit(struct dock *dock);\n"}
    incoming = change(
        git_, make_tree(git_, theirs), make_tree(git_, {**theirs, caller: new}), (SHA,)
    )
    base = drop(git_, ours, "6.1.7")
    target = Target(git_, Version(6, 1, 7))
    result = pick(incoming, base.commit, base.tree, [], target)
    mine = make_tree(git_, {**ours, caller: new.replace("dock_limit", "dock_Limit")})
    [draft] = learn(Taught(result, base.commit, base.tree, mine, (), target))
    told = tomllib.loads(draft.toml("so"))["rule"][0]
    assert told["rewrite"] == [{"find": r"\bdock_limit\(", "replace": "dock_Limit("}]
    assert told["count"] == 2
    assert told["when"] == [{"undefined": "dock_limit", "in": header}]


def test_the_same_change_in_two_copies_is_one_rule(tmp_path):
    copy = "tools/core.c"
    world = stop(
        tmp_path,
        (Step("dock: Limit", {**LIMIT.files, copy: LIMIT.files["drivers/core.c"]}),),
        base={**BASE, copy: BASE["drivers/core.c"]},
        upstream={**UPSTREAM, copy: UPSTREAM["drivers/core.c"]},
    )
    text = CORE.format(open=OPEN_OLD)
    resolve(world, {"drivers/core.c": text, copy: text})
    ran = world.run("learn", "--why", "both alike")
    assert ran.code == Exit.OK, ran.err
    [rule] = rules_of(world)
    assert rule["paths"] == ["drivers/core.c", copy] or "path" in rule


def test_a_file_that_the_target_lacks_sends_its_change_elsewhere(tmp_path):
    step = Step("dock: Say more", {"drivers/newer.c": "int newer;\nint more;\n"})
    world = stop(tmp_path, (step,))
    text = BASE["drivers/kept.c"] + "int more;\n"
    found = learned(world, {"drivers/newer.c": None, "drivers/kept.c": text})
    assert {rule.get("absent") for rule in found} == {"drivers/kept.c", None}
    assert any("insert" in rule for rule in found)


def test_a_text_of_its_own_is_recorded_verbatim_and_for_no_other_conflict(tmp_path):
    world = stop(tmp_path)
    text = CORE.format(open="\twhatever(1);\n\tit_takes(2);\n")
    for name in ("whatever", "it_takes"):
        text = text.replace(f"\t{name}(", "\tdock_limit(")
    [rule] = learned(world, {"drivers/core.c": text}, "--verbatim")
    assert rule["verbatim"]["lines"] == "\tdock_limit(1);\n\tdock_limit(2);\n"
    file = world.data / "patches/dock/rules" / LEARNED
    file.write_text(file.read_text().replace(rule["verbatim"]["sides"], "0" * 12))
    ran = world.pick()
    assert ran.code == Exit.USAGE and "was recorded for another conflict" in ran.err


# -- the command


def test_nothing_is_written_for_a_dry_run_and_json_says_what_it_would_be(tmp_path):
    world = stop(tmp_path)
    resolve(world, {"drivers/core.c": CORE.format(open=OPEN_OLD)})
    ran = world.run("learn", "--dry-run", "--json")
    assert ran.code == Exit.OK and ran.json["file"] == ""
    assert [rule["action"] for rule in ran.json["rules"]] == ["take"]
    assert not (world.data / "patches/dock/rules" / LEARNED).exists()


def test_a_reason_is_asked_for_and_nothing_is_written_without_one(tmp_path):
    world = stop(tmp_path)
    resolve(world, {"drivers/core.c": CORE.format(open=OPEN_OLD)})
    ran = world.run("learn")
    assert ran.code == Exit.USAGE
    assert "why is this right on the target?" in ran.err and "--why" in ran.err
    assert 'take = "ours"' in ran.err
    assert not (world.data / "patches/dock/rules" / LEARNED).exists()


def test_reasons_go_to_the_rules_that_they_name(tmp_path):
    world = stop(tmp_path)
    text = CORE.format(open=OPEN_OLD).replace("return dock_count;", "return dock_count + 1;")
    resolve(world, {"drivers/core.c": text})
    ids = [r["id"] for r in world.run("learn", "--dry-run", "--json").json["rules"]]
    ran = world.run("learn", "--why", f"{ids[1]}=one more", "--why", "the rest")
    assert ran.code == Exit.OK, ran.err
    assert {rule["id"]: rule["why"] for rule in rules_of(world)} == {
        ids[0]: "the rest",
        ids[1]: "one more",
    }


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: None, "still holds a conflict marker"),
        (lambda w: w.settle(), "the rules or the base changed since it stopped"),
        (lambda w: (w.workspace / "stopped.json").unlink(), "nothing is stopped at a conflict"),
    ],
)
def test_what_is_not_resolved_teaches_nothing(tmp_path, spoil, said):
    world = stop(tmp_path)
    spoil(world)
    ran = world.run("learn", "--why", "x")
    assert ran.code == Exit.USAGE and said in ran.err


def test_a_file_outside_of_the_rules_folder_is_refused(tmp_path):
    world = stop(tmp_path)
    ran = world.run("learn", "--file", "../x.toml", "--why", "x")
    assert ran.code == Exit.USAGE and "is no file of the rules folder" in ran.err


def test_a_binary_conflict_cannot_be_learned_and_says_what_takes_it(tmp_path):
    step = Step("dock: New firmware", {"drivers/firmware.bin": b"\0\1newer\0"})
    world = stop(tmp_path, (step,))
    (world.worktree / "drivers/firmware.bin").write_bytes(b"\0\1ours\0")
    git(world.worktree, "add", "drivers/firmware.bin")
    ran = world.run("learn", "--why", "x")
    assert ran.code == Exit.USAGE and "no rule can be learned" in ran.err
    assert "backport continue" in ran.err


def test_later_lessons_stand_below_earlier_ones(tmp_path):
    again = OPEN_NEW + "\tstep_c(dock);\n" + CALL
    more = Step("dock: Limit again", {"drivers/core.c": CORE.format(open=again)})
    world = stop(tmp_path, (ADD_LIST, LIMIT, more))
    resolve(world, {"drivers/core.c": CORE.format(open=OPEN_OLD + CALL)})
    assert world.run("learn", "--why", "first").code == Exit.OK
    assert world.pick().code == Exit.CONFLICTS
    resolve(world, {"drivers/core.c": CORE.format(open=OPEN_OLD + "\tstep_c(dock);\n" + CALL)})
    ran = world.run("learn", "--why", "second", "--json")
    assert ran.code == Exit.OK, ran.err
    assert [rule["why"] for rule in rules_of(world)] == ["first", "second"]
    assert world.pick().code == Exit.OK
    assert json.loads(ran.out)["rules"][0]["within"] == "dock_open"


# -- where a region's text is in the person's file


def test_the_text_of_each_region_stands_between_what_is_settled():
    one, two = Region(("a\n",), ("b\n",), ("c\n",)), Region((), ("x\n",), ("y\n",))
    segments = [("top\n",), one, ("middle\n",), two, ("end\n",)]
    wanted = ["top\n", "b\n", "c\n", "middle\n", "end\n"]
    assert texts_of(segments, wanted) == [("b\n", "c\n"), ()]


def test_with_settled_lines_gone_the_likeliest_side_stands_in():
    one = Region(("a\n",), ("b\n",), ("c\n",))
    segments = [("top\n", "gone\n"), one, ("end\n",)]
    assert texts_of(segments, ["top\n", "c\n", "end\n"]) == [("c\n",)]
