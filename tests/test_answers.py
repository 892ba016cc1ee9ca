"""Ways out of conflicts and gaps: their history, their costs, and which one is the cheapest."""

from __future__ import annotations

import shutil

import pytest
from minikernel import (
    BASE,
    CORE,
    DECLARED,
    LIMIT,
    OPEN_NEW,
    RULE,
    TARGET,
    Step,
    git,
    known_world,
    make_world,
    snapshot,
)

from backport.values.errors import Exit

pytestmark = pytest.mark.slow

CALLS = "include/calls.h"
ATOMIC = {CALLS: DECLARED + "void atomic_inc(int *count);\n"}
COUNT = Step(
    "dock: Count with atomics", {"drivers/core.c": CORE.format(open=OPEN_NEW)}, picked=False
)


def conflicting(tmp_path, steps=(COUNT, LIMIT), **files):
    """A world whose one conflict an earlier commit of upstream explains."""
    base = {**BASE, **ATOMIC, **files}
    return make_world(tmp_path / "world", steps, base=base, upstream=base)


def places(world, *argv, **more):
    ran = world.run(*world.argv("explain", "--json", *argv, **more))
    assert ran.code == Exit.OK, ran.err
    return ran.json["places"]


def remedy(place, means):
    return next(one for one in place["remedies"] if one["means"] == means)


# -- a conflict


def test_the_commit_before_is_named_and_taking_it_settles_the_conflict(tmp_path):
    world = conflicting(tmp_path)
    git(world.upstream, "tag", "v6.5", "main~1")
    [place] = places(world)
    [commit] = place["history"]["commits"]
    assert (commit["subject"], commit["release"]) == ("dock: Count with atomics", "v6.5")
    assert commit["brought"] == OPEN_NEW.splitlines(True)
    assert commit["took"] == ["\tdock_count++;\n"]
    assert (commit["target_has_it"], commit["known_by"]) == ("no", "by content")
    take = remedy(place, "take")
    assert take["cost"] == {"commits": 1, "files": 1, "lines": 3, "conflicts": 0, "leans_on": 0}
    assert take["passes"] and take["why"] == "it applies cleanly, and no conflict is left here"
    assert place["advice"]["means"] == "take"
    assert place["advice"]["reason"].startswith("3 lines, it applies cleanly")


def test_the_text_has_it_too(tmp_path):
    world = conflicting(tmp_path)
    ran = world.run(*world.argv("explain"))
    sha = git(world.upstream, "rev-parse", "main~1")[:12]
    assert f"    {sha} 2023-11-14 dock: Count with atomics\n" in ran.out
    assert (
        "brought 2 of these lines and took away 1 of these lines; the target has it: no" in ran.out
    )
    assert "      take  1 commit, 1 file, 3 lines; passes: it applies cleanly" in ran.out
    assert "  cheapest: take; 3 lines" in ran.out


def test_a_rule_that_is_there_is_marked_and_the_cheapest(tmp_path):
    world = conflicting(tmp_path)
    world.rules(RULE.format(sha=world.shas[0][:12]))
    [place] = [p for p in places(world) if p["kind"] == "conflict"]
    adapt = remedy(place, "adapt")
    assert adapt["chosen"] and adapt["passes"] and adapt["cost"] == {"lines": 0}
    assert place["advice"]["means"] == "adapt"
    assert "    * adapt 0 lines; passes: rule open-limit" in world.run(*world.argv("explain")).out


def test_a_commit_that_uses_what_the_target_lacks_does_not_pass(tmp_path):
    world = conflicting(tmp_path, **{CALLS: DECLARED})
    [place] = places(world)
    take = remedy(place, "take")
    assert take["passes"] is False and take["why"] == "the target lacks atomic_inc"
    assert place["advice"]["means"] is None


def test_a_commit_that_needs_another_leans_on_it(tmp_path):
    """The lines beside the conflict are of the second, which changes what the first made."""
    told = "\treturn dock_count;\n"
    first = CORE.format(open="\tdock_count++;\n").replace(told, f"\tstep_c(0);\n{told}")
    second = CORE.format(open=OPEN_NEW).replace(told, f"\tstep_c(1);\n{told}")
    third = second.replace("\tdock_trace(dock);\n", "\tdock_trace(dock);\n\tdock_limit(dock);\n")
    steps = (
        Step("dock: First", {"drivers/core.c": first}, picked=False),
        Step("dock: Second", {"drivers/core.c": second}, picked=False),
        Step("dock: Third", {"drivers/core.c": third}),
    )
    world = conflicting(tmp_path, steps)
    place = next(p for p in places(world) if p["symbol"] == "dock_open")
    assert [c["subject"] for c in place["history"]["commits"]] == ["dock: Second"]
    take = remedy(place, "take")
    assert take["cost"] == {"commits": 1, "files": 1, "lines": 5, "conflicts": 1, "leans_on": 1}
    below = git(world.upstream, "rev-parse", "main~2")[:12]
    assert take["passes"] is False
    assert take["why"] == f"it does not apply cleanly; it leans on {below}"


def test_several_commits_are_taken_the_oldest_first(tmp_path):
    first = CORE.format(open="\tdock_Limit(dock);\n")
    second = CORE.format(open="\tdock_Limit(dock);\n\tstep_c(dock);\n").replace(
        "\tdock_Limit(dock);\n", "\tdock_Limit(dock); /* twice */\n"
    )
    third = second.replace("\tstep_c(dock);\n", "\tstep_c(dock);\n\tdock_limit(dock);\n")
    steps = (
        Step("dock: First", {"drivers/core.c": first}, picked=False),
        Step("dock: Second", {"drivers/core.c": second}, picked=False),
        Step("dock: Third", {"drivers/core.c": third}),
    )
    world = conflicting(tmp_path, steps)
    [place] = places(world)
    assert [c["subject"] for c in place["history"]["commits"]] == ["dock: First", "dock: Second"]
    take = remedy(place, "take")
    assert (take["cost"]["commits"], take["cost"]["conflicts"], take["passes"]) == (2, 0, True)


def test_what_the_target_has_is_not_taken(tmp_path):
    """A stable tree cites the commit, and has since changed the lines for itself."""
    world = conflicting(tmp_path)
    sha = git(world.upstream, "rev-parse", "main~1")
    (world.base / "drivers/core.c").write_text(
        CORE.format(open="\tdock_count++;\n").replace("return 0;", "return 0; /* zero */")
    )
    message = f"dock: Count\n\n[ Upstream commit {sha} ]"
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    git(world.base, *who, "commit", "-q", "-a", "-m", message)
    [place] = places(world)
    [commit] = place["history"]["commits"]
    assert (commit["target_has_it"], commit["known_by"]) == (
        "yes",
        "a commit of the target cites it",
    )
    take = remedy(place, "take")
    assert take["cost"] == {} and "the target has the commits" in take["why"]


def test_dropping_costs_what_later_commits_and_lines_need(tmp_path):
    more = LIMIT.files["drivers/core.c"].replace("dock_limit(dock)", "dock_Limit(dock)")
    again = Step("dock: Limit again", {"drivers/core.c": more})
    world = conflicting(tmp_path, (COUNT, LIMIT, again))
    [place] = places(world)
    drop = remedy(place, "drop")
    assert drop["cost"] == {"lines": 1, "later": 1, "used": 0} and drop["passes"] is False
    assert "later commits of the series change these lines" in drop["why"]


def test_what_the_series_uses_cannot_be_dropped(tmp_path):
    core = LIMIT.files["drivers/core.c"].replace(
        "int dock_tell(void)", "int dock_more(void)\n{\n\treturn 1;\n}\n\nint dock_tell(void)"
    )
    edge = CORE.format(open=OPEN_NEW).replace("int dock_tell(void)", "int dock_new_tell(void)")
    moved = core.replace("int dock_tell(void)", "int dock_new_tell(void)")
    steps = (
        Step("dock: Rename", {"drivers/core.c": edge}, picked=False),
        Step("dock: More", {"drivers/core.c": moved}),
        Step("dock: Use more", {"drivers/use.c": "int use(void)\n{\n\treturn dock_more();\n}\n"}),
    )
    world = conflicting(tmp_path, steps)
    place = next(p for p in places(world) if any("dock_more" in x for x in p["upstream"]["added"]))
    drop = remedy(place, "drop")
    assert drop["cost"]["used"] == 1 and drop["passes"] is False
    assert drop["why"] == "the series uses what they define: dock_more"


def test_a_rule_that_leaves_the_change_out_is_a_drop(tmp_path):
    world = conflicting(tmp_path)
    world.rules(
        f"""cause = "structure"\n
[[rule]]\nid = "no-limit"\ncommits = ["{world.shas[0][:12]}"]\npath = "drivers/core.c"
within = "dock_open"\ntake = "ours"\nwhy = "nobody docks here"\n"""
    )
    [place] = places(world)
    drop, adapt = remedy(place, "drop"), remedy(place, "adapt")
    assert drop["chosen"] and drop["passes"] and drop["cost"]["lines"] == 1
    assert not adapt["chosen"] and adapt["passes"] is None


def test_without_history_taking_says_so(tmp_path):
    world = known_world(tmp_path / "world")
    argv = ("explain", "dock", "--target", TARGET, "--base", str(world.base), "--upstream")
    patches = tmp_path / "patches"
    git(world.upstream, "format-patch", "-q", "-o", str(patches), "-3", "main")
    ran = world.run(*argv, f"mbox:{patches}")
    assert ran.code == Exit.OK, ran.err
    assert "no history at hand; --history names a clone of upstream" in ran.out
    [place] = world.run(*argv, f"mbox:{patches}", "--json").json["places"]
    take = remedy(place, "take")
    assert take["cost"] == {} and take["passes"] is None


# -- a name


NEWER = DECLARED + "static inline int dock_newer(int how)\n{\n\treturn how;\n}\n"
USER = "int dock_use(void)\n{\n\treturn dock_newer(1);\n}\n"
ADD = Step("dock: Add dock_newer", {CALLS: NEWER}, picked=False)
USE = Step("dock: Use it", {"drivers/user.c": USER})


def test_a_gap_has_the_commit_that_brought_the_name_and_its_costs(tmp_path):
    world = make_world(tmp_path / "world", (ADD, USE), upstream=BASE)
    [place] = places(world)
    assert place["kind"] == "gap" and place["name"]["name"] == "dock_newer"
    assert place["name"]["upstream"]["place"] == f"{CALLS}:5"
    [commit] = place["history"]["commits"]
    assert commit["subject"] == "dock: Add dock_newer" and commit["target_has_it"] == "no"
    assert remedy(place, "take")["passes"] and remedy(place, "take")["cost"]["lines"] == 4
    assert remedy(place, "shim") == {
        "means": "shim", "cost": {"lines": 4, "needs": 0}, "passes": True, "chosen": False,
        "why": "upstream's definition uses no name and no member that the target lacks",
    }  # fmt: skip
    assert remedy(place, "adapt")["cost"] == {"at_most": 1}
    assert remedy(place, "adapt")["passes"] is None
    # Both have four lines; to define one function touches less than to take a commit.
    assert place["advice"]["means"] == "shim"


@pytest.mark.parametrize(
    ("body", "lacking"),
    [
        ("return dock_newest(how);", "dock_newest"),
        ("return current->newest_dock;", ".newest_dock"),
    ],
)
def test_a_shim_that_needs_more_does_not_pass(tmp_path, body, lacking):
    add = Step(ADD.subject, {CALLS: NEWER.replace("return how;", body)}, picked=False)
    world = make_world(tmp_path / "world", (add, USE), upstream=BASE)
    [place] = places(world)
    shim = remedy(place, "shim")
    assert shim["cost"] == {"lines": 4, "needs": 1} and shim["passes"] is False
    assert shim["why"] == f"the target lacks {lacking} as well"


def test_a_bridged_name_has_its_rule_as_the_choice(tmp_path):
    world = make_world(tmp_path / "world", (ADD, USE), upstream=BASE)
    world.rules(
        f"""cause = "renames"\n
[[rule]]\nid = "older"\ncommits = ["{world.shas[0][:12]}"]\npath = "drivers/user.c"
rewrite = [{{ find = 'dock_newer\\(1\\)', replace = '1' }}]\nwhy = "it only gives it back"\n"""
    )
    [place] = places(world, "dock_newer")[1:]
    assert place["kind"] == "bridged" and place["name"]["source"] == "older"
    adapt = remedy(place, "adapt")
    assert adapt["chosen"] and adapt["cost"] == {"lines": 1, "names": 1}
    assert place["advice"]["means"] == "adapt"


def test_what_the_series_brings_is_a_take(tmp_path):
    add = Step(ADD.subject, {CALLS: NEWER})
    world = make_world(tmp_path / "world", (add, USE), upstream=BASE)
    [place] = places(world, "dock_newer")
    [way] = place["remedies"]
    assert (way["means"], way["chosen"], place["advice"]["means"]) == ("take", True, "take")
    assert way["why"] == f"{world.shas[0][:12]} of the series brings it"


def test_a_rule_that_defines_the_name_elsewhere_is_a_shim(tmp_path):
    world = make_world(tmp_path / "world", (ADD, USE), upstream=BASE)
    world.rules(
        f"""cause = "renames"\n
[[rule]]\nid = "defined"\ncommits = ["{world.shas[0][:12]}"]\npath = "{CALLS}"
insert = {{ after = '^void step_c', lines = "int dock_newer(int how);" }}\nwhy = "here too"\n"""
    )
    place = next(p for p in places(world, "dock_newer") if p["kind"] == "bridged")
    shim = remedy(place, "shim")
    assert shim["chosen"] and shim["cost"] == {"lines": 1}
    assert not remedy(place, "adapt")["chosen"]


# -- a file


def test_a_file_that_the_target_lacks_has_the_commit_that_added_it(tmp_path):
    steps = (
        Step("dock: Add a file", {"drivers/more.c": "int more;\n"}, picked=False),
        Step("dock: Change it", {"drivers/more.c": "int more;\nint most;\n"}),
    )
    world = conflicting(tmp_path, steps)
    [place] = places(world)
    assert place["conflict"] == "the target does not have the file"
    assert [c["subject"] for c in place["history"]["commits"]] == ["dock: Add a file"]
    take = remedy(place, "take")
    assert take["passes"] and take["cost"]["lines"] == 1
    assert place["advice"]["means"] == "take"


# -- what cannot be asked


@pytest.mark.parametrize("where", ["nowhere", "https://example.org/linux.git"])
def test_no_history_is_an_error_before_anything_is_done(tmp_path, where):
    world = known_world(tmp_path / "world")
    before = snapshot(world.root)
    ran = world.run(*world.argv("explain", "--history", where))
    assert ran.code == Exit.USAGE and "git clone --bare URL" in ran.err
    assert snapshot(world.root) == before


def test_a_clone_too_shallow_for_any_place_is_an_error(tmp_path):
    world = conflicting(tmp_path)
    shallow = tmp_path / "shallow.git"
    git(tmp_path, "clone", "-q", "--bare", "--depth=2", f"file://{world.upstream}", str(shallow))
    ran = world.run(*world.argv("explain", "--history", str(shallow)))
    assert ran.code == Exit.USAGE, ran.out
    assert f"git -C {shallow} fetch --unshallow" in ran.err
    assert not (world.cache / "runs").exists()


def test_no_time_is_said_at_each_place(tmp_path):
    world = conflicting(tmp_path)
    [place] = places(world, "--history-seconds", "0")
    assert place["history"]["commits"] == []
    assert "--history-seconds" in place["history"]["untold"]
    assert remedy(place, "take")["passes"] is None


def test_the_clone_and_the_base_stay_as_they_are(tmp_path):
    world = conflicting(tmp_path)
    shutil.rmtree(world.cache, ignore_errors=True)
    before = snapshot(world.upstream), snapshot(world.base)
    places(world)
    assert (snapshot(world.upstream), snapshot(world.base)) == before
