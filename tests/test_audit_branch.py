"""Audits of release branches: what is found, how it stands there, and whether it was right."""

from __future__ import annotations

import json
import subprocess
from datetime import date

import pytest
from auditkit import Story, fixes, lines
from branchkit import ANCHOR, CORE, NEW, OLD, World, core
from minikernel import snapshot

from backport.audit.audit import Asking, Branch, audit_branch
from backport.output.auditview import audit_json, audit_text
from backport.readers.vulnerabilities import Vulnerability
from backport.values.audit import Choice, Decision, Kind, State
from backport.values.errors import UsageError
from backport.values.events import silent

pytestmark = pytest.mark.slow  # a history of git for each


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    return World(tmp_path_factory.mktemp("begun")).begin()


@pytest.fixture
def world(begun, tmp_path):
    return begun.copy(tmp_path / "world")


# -- what is found


def test_fixes_of_what_the_branch_has_and_fixes_of_those(world):
    one = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    two = world.add("dock: Fix the fix", fixes(one, "dock: Fix the list"), {NEW: "int new;\n"})
    newer = world.add("dock: Add docks", files={"dock/more.c": "int more;\n"})
    world.add("dock: Fix docks", fixes(newer), {"dock/more.c": "long more;\n"})
    found = world.found()
    assert [*found] == [one, two]
    assert [f.finding.depth for f in found.values()] == [1, 2]
    assert [c.sha for c in found[two].finding.causes] == [one]
    assert found[two].standing.needs == (one,)
    assert all(item.undecided and item.finding.kind is Kind.FIX for item in found.values())


@pytest.mark.parametrize("digits", [7, 12, 40])
def test_abbreviated_ids(world, digits):
    fix = world.add("dock: Fix", fixes(world.list, digits=digits), ANCHOR)
    [cause] = world.found()[fix].finding.causes
    assert (cause.sha, cause.how) == (world.list, "id")


def test_a_mirror_names_ids_that_it_does_not_have(world):
    fix = world.add("dock: Fix", 'Fixes: 0123456789ab ("dock: Make a list")', ANCHOR)
    [cause] = world.found()[fix].finding.causes
    assert (cause.sha, cause.how) == (world.list, "subject")


def test_reverts_of_what_the_branch_has(world):
    back = world.add('Revert "dock: Make a list"', f"This reverts commit {world.list}.", ANCHOR)
    assert world.found()[back].finding.kind is Kind.REVERT


def test_what_upstream_took_back_is_not_asked_about(world):
    one = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    two = world.add("dock: Fix the fix", fixes(one), {NEW: "int new;\n"})
    back = world.add("dock: Go back", f"This reverts commit {one}.", {CORE: OLD})
    found = world.found()
    assert [*found] == [one, two]
    assert [f.standing.state for f in found.values()] == [State.TAKEN_BACK] * 2
    assert back[:12] in found[one].standing.why
    assert world.audit().open_items == ()


def test_a_revert_that_was_reverted(world):
    back = world.add('Revert "dock: Make a list"', f"This reverts commit {world.list}.", ANCHOR)
    world.add('Revert "Revert "dock: Make a list""', f"This reverts commit {back}.", {CORE: OLD})
    assert world.state(back)[0] is State.TAKEN_BACK


def test_who_asks_for_stable_trees_without_a_tag(world):
    sha = world.add("dock: Be safe", "Cc: stable@example.org", ANCHOR)
    assert world.found()[sha].finding.kind is Kind.STABLE
    assert world.found(kinds=(Kind.FIX,)) == {}


def test_upstream_as_it_was_on_a_day(world):
    early = world.add("dock: Fix early", fixes(world.list), ANCHOR)
    late = world.add("dock: Fix late", fixes(world.list), {NEW: "int new;\n"}, days=100)
    assert [*world.found()] == [early, late]
    assert [*world.found(until="2023-12-01")] == [early]
    assert [*world.found(until=early)] == [early]
    with pytest.raises(UsageError, match="neither a day nor a commit"):
        world.audit(until="last tuesday, or so")
    with pytest.raises(UsageError, match="begins later"):
        world.audit(until="1999-01-01")


def test_only_what_came_into_the_branch_since(world):
    world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    added = world.add("dock: Add docks", files={NEW: lines("new")})
    fix = world.add("dock: Fix docks", fixes(added), {NEW: lines("newer")})
    world.pick("dock: Add docks", f"[ Upstream commit {added} ]", {NEW: lines("new")})
    branch = Branch(world.story.path, "stable", "v1")
    asking = Asking(str(world.story.path))
    found = audit_branch(asking, branch, world.root / "cache", silent)
    assert [item.finding.sha for item in found.items] == [fix]


def test_the_branch_may_be_in_another_repository(world, tmp_path):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    argv = ["git", "clone", "-q", "--bare", str(world.story.path), str(tmp_path / "upstream.git")]
    subprocess.run(argv, check=True)
    subprocess.run(["git", "-C", argv[-1], "branch", "-q", "-D", "stable"], check=True)
    world.pick("dock: Our own", files={NEW: "int own;\n"})  # a commit that upstream does not have
    before = [snapshot(world.story.path), snapshot(tmp_path / "upstream.git")]
    branch = Branch(world.story.path, "stable")
    found = audit_branch(Asking(argv[-1]), branch, tmp_path / "cache", silent)
    assert [item.finding.sha for item in found.items] == [fix]
    assert [snapshot(world.story.path), snapshot(tmp_path / "upstream.git")] == before


# -- how it stands


@pytest.mark.parametrize(
    "said",
    [
        "[ Upstream commit {} ]",
        "[ upstream commit {} ]",
        "commit {} upstream.",
        "(cherry picked from commit {})",
        "Upstream commit {}",
        "[ backported from commit {} ]",
    ],
)
def test_what_the_branch_says_it_has_is_no_finding(world, said):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    more = world.add("dock: Fix the fix", fixes(fix), {NEW: "int new;\n"})
    world.pick("dock: Another subject", said.format(fix), {NEW: "int adapted;\n"})
    assert [*world.found()] == [more]


def test_a_pick_that_says_nothing_is_known_by_subject_and_author(world):
    world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    world.pick("dock: Fix the list", files={NEW: "int adapted;\n"})
    assert world.found() == {}


def test_a_pick_under_another_subject_is_known_by_its_patch(world):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    mine = world.pick("stable: Ours", files=ANCHOR)
    changed = ANCHOR[CORE].replace(lines("anchor_twice"), lines("anchor_thrice"))
    world.pick("stable: More", files={CORE: changed})
    assert world.state(fix) == (State.PRESENT, f"by patch-id: {mine[:12]}")


def test_a_change_that_came_with_others_is_known_by_content(world):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    world.pick("stable: Much at once", files={**ANCHOR, NEW: "int more;\n"})
    assert world.state(fix) == (State.PRESENT, "by content: picking it changes nothing")


def test_what_the_branch_took_and_took_back(world):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    mine = world.pick("dock: Fix the list", f"[ Upstream commit {fix} ]", ANCHOR)
    back = world.pick('Revert "dock: Fix the list"', f"This reverts commit {mine}.", {CORE: OLD})
    state, why = world.state(fix)
    assert state is State.NOT_APPLICABLE and back[:12] in why
    world.pick("dock: Fix the list", f"[ Upstream commit {fix} ]", ANCHOR)
    assert world.found() == {}


def test_the_same_commit_in_another_tree_of_upstream(world):
    twin = world.add("dock: Fix it for -rc", fixes(world.list), ANCHOR)
    again = world.add("dock: Fix", f"{fixes(world.list)}\n(cherry picked from commit {twin})")
    world.pick("dock: Fix it for -rc", f"[ Upstream commit {twin} ]", ANCHOR)
    state, why = world.state(again)
    assert (state, twin[:12] in why) == (State.PRESENT, True)


def test_what_applies(world):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    world.pick("stable: Elsewhere", files=core(lines("cargo"), lines("cargo", "more")))
    assert world.state(fix) == (State.APPLIES, "applies cleanly")


def test_a_change_of_mode_is_a_change(world):
    fix = world.add("dock: Fix permissions", fixes(world.list), {CORE: OLD}, program=True)
    assert world.state(fix) == (State.APPLIES, "applies cleanly")
    world.pick("stable: Ours", files={CORE: OLD + lines("more")}, program=True)
    assert world.state(fix)[0] is State.PRESENT


def test_what_conflicts_and_who_made_the_lines_that_it_needs(world):
    first = world.add("dock: Two anchors", files=ANCHOR)
    fix = world.add("dock: Fix anchors", fixes(world.list),
                    core(lines("anchor"), lines("anchor_again")))  # fmt: skip
    item = world.found()[fix]
    assert (item.standing.state, item.standing.why) == (State.CONFLICTS, f"in {CORE}")
    assert item.standing.needs == (first,)
    assert world.found(seconds=0.0)[fix].standing.needs == ()


def test_what_is_about_a_file_that_the_branch_lacks(world):
    world.add("dock: Add docks", files={NEW: lines("new", "newer")})
    fix = world.add("dock: Fix both", fixes(world.list), {NEW: lines("new", "newest")})
    assert world.state(fix) == (State.NOT_APPLICABLE, f"{NEW} is not there")


def test_what_conflicts_only_for_a_file_that_the_branch_lacks(world):
    world.add("dock: Release notes", files={NEW: lines("notes", "newer")})
    half = {NEW: lines("notes", "fixed"), **core(lines("cargo"), lines("cargo", "cranes"))}
    fix = world.add("dock: Fix and tell", fixes(world.list), half)
    assert world.state(fix) == (State.CONFLICTS, f"only for {NEW}, which is not there")


def test_what_the_branch_has_some_lines_of(world):
    world.pick("stable: Ours", files=core(lines("anchor"), lines("one", "ours")))
    fix = world.add("dock: Fix", fixes(world.list), core(lines("anchor"), lines("one", "two")))
    why = f"in {CORE}; 1 of the 2 lines that it adds are there"
    assert world.state(fix) == (State.CONFLICTS, why)


def test_what_is_about_lines_that_the_branch_lacks(world):
    other = lines(*(f"other_{n}" for n in range(9)))
    world.pick("stable: Rewritten", files={CORE: other})
    world.add("dock: Rewritten", files={CORE: lines(*(f"third_{n}" for n in range(9)))})
    fix = world.add("dock: Fix", fixes(world.list), {CORE: lines(*(f"it_{n}" for n in range(9)))})
    state, why = world.state(fix)
    assert state is State.NOT_APPLICABLE and why.startswith("none of the 9 lines")


def test_what_upstream_has_in_a_file_of_another_name(world):
    world.add("dock: Move", files={CORE: None, "docks/core.c": OLD})
    moved = ANCHOR[CORE]
    fix = world.add("dock: Fix", fixes(world.list), {"docks/core.c": moved})
    assert world.state(fix) == (State.APPLIES, f"applies cleanly, in {CORE}")


def test_what_upstream_has_in_a_file_of_its_own_now(world):
    world.add("dock: Split", files={"dock/part.c": lines("lights", "crew", "radio", "flags")})
    fixed = lines("lights", "crew_of_two", "radio_of_two", "flags")
    fix = world.add("dock: Fix", fixes(world.list), {"dock/part.c": fixed})
    state, why = world.state(fix)
    assert state is State.CONFLICTS and why.endswith(f"2 of its 2 lines are in {CORE}")


def test_a_merge_cannot_be_told(world):
    world.story.branch("topic", world.first)
    side = world.add("dock: Side", files={NEW: "int side;\n"}, branch="topic")
    merge = world.add("Merge branch 'topic'", fixes(world.list), extra=side)
    assert world.state(merge) == (State.UNKNOWN, "it has no change of its own")


def test_a_clone_without_the_contents_of_files(world, tmp_path):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    world.story.git.run("config", "uploadpack.allowFilter", "true")
    source, partial = f"file://{world.story.path}", str(tmp_path / "partial.git")
    argv = ["git", "clone", "-q", "--bare", "--filter=blob:none", source, partial]
    subprocess.run(argv, check=True)
    own = Story(tmp_path / "own.git")
    sha = own.add("a branch of our own", f"[ Upstream commit {world.list} ]", {CORE: OLD + "x;\n"})
    branch = Branch(own.path, sha)
    found = audit_branch(Asking(partial), branch, tmp_path / "cache", silent)
    [item] = found.items
    assert (item.finding.sha, item.standing.state) == (fix, State.UNKNOWN)
    assert "--refetch" in item.standing.why and item.undecided


# -- decisions and vulnerabilities


def test_decisions_settle_until_they_expire(world):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    later = Decision(fix[:12], Choice.LATER, "after the freeze", date(2026, 3, 1))
    none = Decision("f" * 40, Choice.LEAVE, "gone")
    for today, open_ in ((date(2026, 3, 1), 0), (date(2026, 3, 2), 1)):
        audit = world.audit(decisions=(later, none), today=today)
        assert len(audit.open_items) == open_
        assert audit.items[0].expired == bool(open_)
        assert audit.unused == (none,)


def test_vulnerabilities_name_fixes_that_have_no_tag(world):
    one = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    two = world.add("dock: Check more", "", {NEW: "int new;\n"})
    other = world.add("dock: Add docks", files={"dock/more.c": "int more;\n"})
    three = world.add("dock: Check docks", "", {"dock/more.c": "int docks;\n"})
    known = (
        Vulnerability("CVE-2026-0001", ((world.list, one),)),
        Vulnerability("CVE-2026-0002", ((world.first, two), ("", "f" * 40))),
        Vulnerability("CVE-2026-0003", ((other, three),)),
    )
    found = world.found(vulnerabilities=known)
    assert {sha: item.finding.cves for sha, item in found.items()} == {
        one: ("CVE-2026-0001",), two: ("CVE-2026-0002",),
    }  # fmt: skip
    assert {c.how for c in found[two].finding.causes} == {"cve"}


def test_json_is_json(world):
    fix = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    audit = world.audit()
    found = json.loads(json.dumps(audit_json(audit)))
    assert (found["undecided"], found["findings"][0]["sha"]) == (1, fix)
    assert all(len(line) <= 100 for line in audit_text(audit).splitlines())
