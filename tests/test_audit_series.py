"""Audits of a series on a target: companions, tests, fixes without a tag, what the donor serves."""

from __future__ import annotations

import pytest
from auditkit import Story, fixes, lines
from minikernel import SERIES, TARGET, git, known_world, snapshot

from backport.audit.audit import Asking, Carried, audit_series
from backport.audit.index import open_index
from backport.doors.git import Git
from backport.values.audit import Kind, State
from backport.values.errors import Exit, UsageError
from backport.values.events import silent
from backport.values.series import Role, Series, SeriesCommit
from backport.values.version import Version

CORE, LIB, TEST = "net/dock.c", "tools/lib/dock.c", "tools/testing/selftests/dock/dock.c"
OLD = lines("ropes", "anchor", "engine")
LINK = "Link: https://lore.kernel.org/r/20260101000000.77-{}-ada@example.org"


class World:
    """Upstream with a series of two commits, and a store with a tree that has them."""

    def __init__(self, root):
        self.root = root
        self.up = Story(root / "upstream.git")
        self.add("begin", files={CORE: OLD})
        self.core = self.add("dock: Add lights", LINK.format(1), {CORE: OLD + lines("lights")})
        self.lib = self.add("libdock: Add lights", LINK.format(2), {LIB: lines("lib_lights")})
        self.store = Story(root / "store.git")
        self.tree = {CORE: OLD + lines("lights")}

    def add(self, subject, body="", files=None, **more):
        return self.up.add(subject, body, files, **more)

    def series(self, core=None):
        rows = ((core or self.core, "dock: Add lights", Role.CORE),
                (self.lib, "libdock: Add lights", Role.LIBBPF))  # fmt: skip
        commits = tuple(SeriesCommit(sha, text, Version(6, 7), role) for sha, text, role in rows)
        return Series("dock", "docking", commits)

    def audit(self, *, series=None, stands_for=(), **more):
        self.store.add("target with the series", files=self.tree)
        tree = self.store.git.tree_of("main")
        carried = Carried(series or self.series(), "mini-6.1", self.store.git, tree,
                          Version(6, 1), (self.core, *stands_for))  # fmt: skip
        return audit_series(Asking(str(self.up.path), **more), carried, self.root / "c", silent)

    def found(self, **more):
        return {item.finding.sha: item for item in self.audit(**more).items}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_companions_and_tests_of_the_same_mails(world):
    more = world.add("dock: Paint it", LINK.format(3), {"net/paint.c": "int paint;\n"})
    test = world.add("selftests: Test it", LINK.format(4), {TEST: "int test;\n"})
    other = world.add("dock: Sink it", LINK.format(1).replace("77", "78"), {CORE: OLD})
    found = world.found()
    assert [*found] == [more, test] and other not in found
    assert [f.finding.kind for f in found.values()] == [Kind.COMPANION, Kind.SELFTEST]
    assert {c.how for c in found[more].finding.causes} == {"series"}


def test_companions_without_mails_are_neighbours_of_the_same_hands(world):
    world.up = Story(world.root / "quiet.git")
    world.add("begin", files={CORE: OLD})
    before = world.add("dock: Prepare", days=1, files={"net/prepare.c": "int x;\n"})
    world.core = world.add("dock: Add lights", "", {CORE: OLD + lines("lights")}, days=0.001)
    world.lib = world.add("libdock: Add lights", "", {LIB: lines("lib_lights")}, days=0.001)
    after = world.add("dock: Document", "", {"doc.rst": "dock\n"}, days=0.001)
    world.add("dock: By another", "", {"net/b.c": "int b;\n"}, days=0.001, who="Bo Other")
    world.add("dock: Later", "", {"net/c.c": "int c;\n"}, days=3)
    found = world.found()
    assert [*found] == [before, after]
    assert {c.how for f in found.values() for c in f.finding.causes} == {"neighbour"}


def test_a_test_that_only_speaks_of_a_commit(world):
    body = f'Since commit {world.core[:12]} ("dock: Add lights") there are lights.'
    test = world.add("selftests: Test lights", body, {TEST: "int test;\n"})
    world.add("dock: Count lights", body, {"net/count.c": "int count;\n"})
    found = world.found()
    assert [*found] == [test] and found[test].finding.kind is Kind.SELFTEST


def test_a_fix_that_says_nothing_of_what_it_fixes(world):
    fixed = world.add("dock: Fix the lights", "", {CORE: OLD + lines("lights_at_night")})
    world.add("dock: Rename", "", {CORE: OLD + lines("lamps")})
    world.add("dock: Fix the anchor", "", {CORE: OLD.replace("anchor", "anchors")})
    found = world.found()
    assert [*found] == [fixed]
    [cause] = found[fixed].finding.causes
    assert (cause.sha, cause.how) == (world.core, "lines")
    assert found[fixed].standing.state is State.APPLIES


def test_fixes_without_a_tag_are_a_matter_of_time(world):
    world.add("dock: Fix the lights", "", {CORE: OLD + lines("lights_at_night")})
    assert world.found(seconds=0.0) == {}
    audit = world.audit(seconds=1e-9)
    assert audit.items == () and "not looked for: the time for history is over" in audit.notes[0]


def test_a_tag_says_more_than_lines(world):
    fix = world.add("dock: Fix", fixes(world.core), {CORE: OLD + lines("lights_at_night")})
    [cause] = world.found()[fix].finding.causes
    assert cause.how == "id"


def test_what_the_donor_serves_needs_no_pick(world):
    fix = world.add("libdock: Fix", fixes(world.lib), {LIB: lines("lib_lights_2")})
    both = world.add("all: Fix", f"{fixes(world.lib)}\n{fixes(world.core)}", {"net/x.c": "int;\n"})
    found = world.found()
    assert found[fix].standing.state is State.SERVED
    assert found[both].standing.state is State.APPLIES


def test_what_a_pick_stands_for_is_there(world):
    fix = world.add("dock: Fix", fixes(world.core), {CORE: OLD + lines("lights_at_night")})
    more = world.add("dock: Fix it again", fixes(fix), {CORE: OLD + lines("lights_at_noon")})
    assert [*world.found(stands_for=[fix])] == [more]


def test_what_the_release_had_is_there(world):
    fix = world.add("dock: Fix", fixes(world.core), {"net/x.c": "int x;\n", "Makefile":
                    "VERSION = 6\nPATCHLEVEL = 1\n"})  # fmt: skip
    after = world.add("dock: Fix more", fixes(world.core), {"net/y.c": "int y;\n"})
    assert [*world.found()] == [fix, after]
    world.up.tag("v6.1", fix)
    assert [*world.found()] == [after]


def test_a_mirror_has_the_series_under_other_ids(world):
    fix = world.add("dock: Fix", f'Fixes: {"e" * 12} ("dock: Add lights")', {"net/x.c": "int;\n"})
    found = world.found(series=world.series(core="e" * 40))
    assert found[fix].finding.causes[0].sha == world.core


def test_rows_that_history_lacks_are_told_and_none_at_all_is_an_error(world):
    rows = world.series(core="e" * 40)
    lost = SeriesCommit("d" * 40, "dock: Never seen", Version(6, 7), Role.CORE)
    audit = world.audit(series=Series("dock", "docking", (*rows.commits, lost)))
    assert dict(audit.absent) == {"d" * 40: "dock: Never seen"}
    with pytest.raises(UsageError, match="has none of its 1 commits"):
        world.audit(series=Series("dock", "docking", (lost,)))


# -- the command


@pytest.fixture(scope="module")
def picked(tmp_path_factory):
    """A world whose series is picked; upstream has a fix since, and a branch of its own."""
    made = known_world(tmp_path_factory.mktemp("audit") / "world")
    made.settle()
    assert made.pick().code == 0
    core = made.upstream / "drivers/list.c"
    core.write_text(core.read_text().replace("return 0", "return 1"))
    git(made.upstream, "add", "-A")
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    message = f'dock: Fix the list\n\nFixes: {made.shas[0][:12]} ("dock: Add a list")\n'
    git(made.upstream, *who, "commit", "-q", "-m", message)
    git(made.upstream, "branch", "stable", made.shas[-1])
    return made


def ask(world, *more, subject=(SERIES, "--target", TARGET)):
    return world.run("audit", *subject, "--history", str(world.upstream), "--quiet", *more)


def decide(world, text):
    path = world.data / "patches" / SERIES / "audit.toml"
    path.write_text(text)
    return path


@pytest.mark.slow
def test_the_command_on_a_series(picked):
    before = snapshot(picked.upstream)
    ran = ask(picked, "--json")
    fix = git(picked.upstream, "rev-parse", "main")
    assert ran.code == Exit.GATE
    assert [row["sha"] for row in ran.json["findings"]] == [fix]
    assert ran.json["findings"][0]["state"] == "applies"
    assert "undecided: 1 commit\n" in ran.err and f"patches/{SERIES}/audit.toml" in ran.err
    assert snapshot(picked.upstream) == before
    text = ask(picked).out
    assert "undecided: 1" in text and fix[:12] in text and "applies cleanly" in text

    row = f'[[decision]]\nsha = "{fix}"\nreason = "returns nothing"\n'
    path = decide(picked, f'{row}decision = "leave"\n')
    ran = ask(picked)
    assert ran.code == 0 and "leave: returns nothing" in ran.out
    decide(picked, f'{row}decision = "later"\nexpires = 2020-01-01\n')
    ran = ask(picked)
    assert ran.code == Exit.GATE and "later until 2020-01-01, which is over" in ran.out
    decide(picked, f'{row}decision = "perhaps"\n')
    ran = ask(picked)
    assert ran.code == Exit.USAGE and f"{path}:4: decision[0].decision" in ran.err
    path.unlink()


@pytest.mark.slow
def test_the_command_on_a_branch(picked):
    on = ("--branch", "stable")
    ran = ask(picked, "--json", subject=on)
    assert ran.code == Exit.GATE and ran.json["undecided"] == 1
    assert ask(picked, "--kind", "revert", subject=on).code == 0
    ran = ask(picked, "--compare", "main", subject=on)
    assert ran.code == 0 and ran.out.splitlines()[1].split()[:2] == ["stable", "main"]
    assert ask(picked, "--compare", "main", "--json", subject=on).json[0]["recall"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "neither a series nor a branch"),
        ((SERIES, "--branch", "stable"), "both a series and a branch"),
        ((SERIES, "--since", "v1"), "--compare and --since go with --branch"),
        (("--branch", "nothing"), "nothing: names nothing in"),
        (("--branch", "main^{tree}"), "main^{tree}: is no commit in"),
        (("--branch", "stable", "--tip", "nothing"), "nothing: names nothing in"),
        (("--branch", "stable", "--repo", "/nowhere"), "/nowhere: not a git repository"),
        (("--branch", "stable", "--osv", "/nowhere"), "/nowhere: cannot be read"),
        (("--branch", "stable", "--vulns", "/nowhere"), "no list of the kernel's CNA"),
        (("nothing",), "nothing: no such series"),
        ((SERIES, "--target", "nothing"), "nothing: no such target"),
    ],
)
def test_what_cannot_be_audited(picked, argv, said):
    ran = ask(picked, subject=argv)
    assert (ran.code, ran.out) == (Exit.USAGE, "") and said in ran.err


@pytest.mark.slow
def test_no_history_no_clone_and_a_series_that_nobody_picked(picked, tmp_path):
    ran = picked.run("audit", SERIES, "--target", TARGET)
    assert ran.code == Exit.USAGE and "no history of upstream is named" in ran.err
    ran = picked.run("audit", SERIES, "--target", TARGET, "--history", str(tmp_path))
    assert ran.code == Exit.USAGE and "not a git repository" in ran.err
    fresh = known_world(tmp_path / "fresh")
    ran = ask(fresh)
    assert ran.code == Exit.USAGE and f"backport pick {SERIES} --target {TARGET}" in ran.err


def test_an_index_is_one_for_each_clone(world):
    paths = {open_index(Git(p), world.root).path for p in (world.up.path, world.store.path)}
    assert len(paths) == 2
