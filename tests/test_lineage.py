"""Which upstream commits made lines what they are, in repositories made by code."""

from __future__ import annotations

import subprocess

import pytest
from minikernel import Step, git, make_repo, snapshot

from backport.advice.lineage import (
    MOST,
    History,
    Place,
    changes_of,
    created,
    introduced,
    known,
    telling,
    window,
)
from backport.values.errors import Exit, UsageError
from backport.values.gitformat import FileDiff, Touched, parse_diffs, parse_hunks

PATH = "drivers/core.c"


def text(*lines):
    return "".join(f"{line}\n" for line in lines)


HEAD = ("int dock_open(void)", "{", "\tint ret;")
TAIL = ("\treturn 0;", "}")
OLD = text(*HEAD, "\tdock_count++;", *TAIL)
ATOMIC = text(*HEAD, "\tatomic_inc(&dock_count);", *TAIL)
TRACED = text(*HEAD, "\tatomic_inc(&dock_count);", "\tdock_trace(ret);", *TAIL)
LIMITED = text(*HEAD, "\tatomic_inc(&dock_count);", "\tdock_trace(ret);", "\tdock_limit();", *TAIL)

STEPS = (
    Step("dock: Count with atomics", {PATH: ATOMIC}),
    Step("dock: Trace", {PATH: TRACED, "include/trace.h": "void dock_trace(int ret);\n"}),
    Step("dock: Limit", {PATH: LIMITED}),
)


@pytest.fixture
def repo(tmp_path):
    """A repository, its commits by subject."""
    shas = make_repo(tmp_path / "upstream", {PATH: OLD}, STEPS)
    git(tmp_path / "upstream", "tag", "v6.1", shas[1])
    git(tmp_path / "upstream", "tag", "v6.2-rc1", shas[2])
    git(tmp_path / "upstream", "tag", "v6.2", shas[3])
    return tmp_path / "upstream", shas


def place(sha="", subject="", lacks=(), extra=(), base=LIMITED):
    ends = [f"{line}\n" for line in lacks], [f"{line}\n" for line in extra]
    return Place(PATH, sha, subject, tuple(base.splitlines(True)), *map(tuple, ends))


ATOMIC_LINE, TRACE_LINE, OLD_LINE = (
    "\tatomic_inc(&dock_count);", "\tdock_trace(ret);", "\tdock_count++;",
)  # fmt: skip


def test_each_line_has_the_commit_that_brought_it_or_took_it_away(repo):
    where, shas = repo
    told = changes_of(
        History(str(where)), place(shas[3], lacks=[ATOMIC_LINE, TRACE_LINE], extra=[OLD_LINE])
    )
    one, two = told.pasts
    assert (one.sha, one.came, one.went) == (shas[1], [f"{ATOMIC_LINE}\n"], [f"{OLD_LINE}\n"])
    assert (two.sha, two.came, two.went) == (shas[2], [f"{TRACE_LINE}\n"], [])
    assert told.untold == ""


def test_facts_have_the_first_release_that_is_no_candidate(repo):
    where, shas = repo
    history = History(str(where))
    told = changes_of(history, place(shas[3], lacks=[ATOMIC_LINE, TRACE_LINE]))
    facts = known(history, [told])
    assert [(facts[sha].subject, facts[sha].release) for sha in shas[1:3]] == [
        ("dock: Count with atomics", "v6.1"), ("dock: Trace", "v6.2"),
    ]  # fmt: skip
    assert facts[shas[1]].date == "2023-11-14"


def test_what_the_version_before_the_commit_lacks_is_looked_for_in_the_newest(repo):
    """A snapshot's context is of a later release than the commit itself."""
    where, shas = repo
    [past] = changes_of(History(str(where)), place(shas[1], lacks=[TRACE_LINE])).pasts
    assert past.sha == shas[2]


@pytest.mark.parametrize("subject", ["dock: Limit", "dock: Never seen"])
def test_a_mirror_has_other_ids(repo, subject):
    where, shas = repo
    history = History(str(where))
    expected = shas[2] if subject == "dock: Limit" else shas[3]
    assert history.start("f" * 40, subject, PATH) == expected
    [past] = changes_of(history, place("f" * 40, subject, lacks=[TRACE_LINE])).pasts
    assert past.sha == shas[2]


def test_a_line_that_is_gone_again_is_found_by_its_text(tmp_path):
    steps = (*STEPS[:2], Step("dock: Revert", {PATH: ATOMIC}))
    shas = make_repo(tmp_path / "upstream", {PATH: OLD}, steps)
    [past] = changes_of(
        History(str(tmp_path / "upstream")), place(lacks=[TRACE_LINE], base=TRACED)
    ).pasts
    assert past.sha == shas[2]


def test_the_same_line_in_another_place_is_not_told_of(tmp_path):
    other = text("int other(void)", "{", *["\tother(1);"] * 40, TRACE_LINE, "}")
    steps = (Step("other: Trace", {PATH: OLD + other}), Step("dock: Trace", {PATH: TRACED + other}))
    shas = make_repo(tmp_path / "upstream", {PATH: OLD}, steps)
    [past] = changes_of(
        History(str(tmp_path / "upstream")), place(lacks=[TRACE_LINE], base=TRACED)
    ).pasts
    assert past.sha == shas[2]


def test_lines_that_say_nothing_are_not_asked_about(repo):
    where, _ = repo
    assert changes_of(History(str(where)), place(lacks=["\treturn 0;", "}", ""])).pasts == ()
    assert not telling("\t\tbreak;\n") and not telling("}\n") and telling("\tdock_trace(ret);\n")


def test_nobody_brought_a_line_that_history_never_had(repo):
    where, _ = repo
    told = changes_of(History(str(where)), place(lacks=["\tnever_seen(ret);"]))
    assert told.pasts == () and "no commit of this history" in told.untold


def test_a_file_that_history_does_not_have(repo):
    where, _ = repo
    told = changes_of(History(str(where)), Place("no/such.c", "", "", ("x\n",), ("word\n",), ()))
    assert told.untold == f"{where} has no no/such.c"


def test_characters_of_patterns_are_taken_as_they_are(tmp_path):
    odd = '\tpr_info("[%s] (a|b)* {1}.^$ \\\\ + ?\\n");'
    steps = (Step("odd", {PATH: OLD + odd + "\n"}), Step("gone", {PATH: OLD}))
    shas = make_repo(tmp_path / "upstream", {PATH: OLD}, steps)
    [past] = changes_of(History(str(tmp_path / "upstream")), place(lacks=[odd], base=OLD)).pasts
    assert past.sha == shas[1]


def test_of_many_commits_the_newest_are_told(tmp_path):
    lines = [f"\tdock_step_{n}();" for n in range(MOST + 3)]
    bodies = [text(*HEAD, *lines[: n + 1], *TAIL) for n in range(len(lines))]
    steps = [Step(f"dock: Step {n}", {PATH: body}) for n, body in enumerate(bodies)]
    shas = make_repo(tmp_path / "upstream", {PATH: OLD}, steps)
    told = changes_of(History(str(tmp_path / "upstream")), place(lacks=lines, base=bodies[-1]))
    assert [past.sha for past in told.pasts] == shas[-MOST:]
    assert told.untold == "3 older commits more"


# -- names and files


def test_the_commit_that_introduced_a_name_is_the_first(repo):
    where, shas = repo
    history = History(str(where))
    [past] = introduced(history, "dock_trace", "include/trace.h").pasts
    assert past.sha == shas[2]
    assert introduced(history, "dock", PATH).untold == f"{where} has it nowhere"
    [past] = created(history, "include/trace.h").pasts
    assert past.sha == shas[2]


# -- clones that lack something


def clone(where, to, *options):
    git(where, "config", "uploadpack.allowFilter", "true")
    git(where.parent, "clone", "-q", "--bare", *options, f"file://{where}", str(to))
    return to


def test_a_shallow_clone_says_where_it_ends_and_what_to_do(repo, tmp_path):
    where, shas = repo
    shallow = clone(where, tmp_path / "shallow.git", "--depth=2")
    before = snapshot(shallow)
    told = changes_of(
        History(str(shallow)), place(shas[3], lacks=[ATOMIC_LINE, TRACE_LINE], extra=[OLD_LINE])
    )
    assert told.pasts == ()
    assert f"git -C {shallow} fetch --unshallow" in told.untold
    deeper = clone(where, tmp_path / "deeper.git", "--depth=3")
    told = changes_of(History(str(deeper)), place(shas[3], lacks=[ATOMIC_LINE, TRACE_LINE]))
    assert [past.sha for past in told.pasts] == [shas[2]] and "shallow" in told.untold
    assert snapshot(shallow) == before


def test_a_blobless_clone_tells_of_files_and_fetches_nothing(repo, tmp_path):
    where, shas = repo
    partial = clone(where, tmp_path / "partial.git", "--filter=blob:none")
    before = snapshot(partial)
    history = History(str(partial))
    told = changes_of(history, place(shas[3], lacks=[TRACE_LINE]))
    assert [past.sha for past in told.pasts] == shas[:3]
    assert f"git -C {partial} fetch --refetch --no-filter" in told.untold
    assert known(history, [told])[shas[2]].subject == "dock: Trace"
    assert "partial clone" in introduced(history, "dock_trace", "include/trace.h").untold
    assert snapshot(partial) == before


def test_a_clone_without_trees_is_refused(repo, tmp_path):
    where, _ = repo
    treeless = clone(where, tmp_path / "treeless.git", "--filter=tree:0")
    before = snapshot(treeless)
    with pytest.raises(UsageError, match="lacks the trees of its newest commit") as caught:
        History(str(treeless))
    assert "fetch --refetch --no-filter" in caught.value.hint
    assert snapshot(treeless) == before


def test_no_time_left_is_said(repo):
    where, shas = repo
    told = changes_of(History(str(where), seconds=0), place(shas[3], lacks=[TRACE_LINE]))
    assert told.pasts == () and "--history-seconds" in told.untold
    assert known(History(str(where), seconds=0), [told]) == {}
    late = introduced(History(str(where), seconds=0), "dock_trace", "include/trace.h")
    assert late.pasts == () and "--history-seconds" in late.untold


def test_a_search_that_takes_too_long_is_ended(repo, monkeypatch):
    where, shas = repo
    history = History(str(where))

    def slow(*args, **more):
        raise subprocess.TimeoutExpired(args, more["timeout"])

    monkeypatch.setattr(history.git, "run", slow)
    told = introduced(history, "dock_trace", PATH)
    assert told.pasts == () and "--history-seconds" in told.untold
    assert history.has("HEAD", shas[1]) is False


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("https://example.org/linux.git", "read from a clone on this machine"),
        ("nowhere", "not a git repository"),
        ("plain", "not a git repository"),
        ("empty.git", "a repository without commits"),
    ],
)
def test_what_is_no_history_is_refused(tmp_path, monkeypatch, where, message):
    (tmp_path / "plain").mkdir()
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match=message) as caught:
        History(where)
    assert caught.value.exit_code == Exit.USAGE and caught.value.hint


def test_a_bare_clone_without_head_is_read_from_its_newest_branch(repo, tmp_path):
    where, shas = repo
    bare = clone(where, tmp_path / "bare.git")
    git(bare, "symbolic-ref", "HEAD", "refs/heads/gone")
    assert History(str(bare)).tip == shas[3]


# -- small parts


def test_the_window_is_where_most_of_the_region_is():
    lines = ["a", "x", *"." * 50, "a", "b", "c", "y"]
    assert window(lines, ["a", "b", "c"]) == (52, 55)
    assert window(lines, ["nowhere"]) is None


def test_hunks_by_path():
    diff = (
        "diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@ f\n kept\n-gone\n+--- new\n"
        "diff --git a/y.c b/y.c\nnew file\n--- /dev/null\n+++ b/y.c\n@@ -0,0 +1 @@\n+y\n"
    )
    assert parse_hunks(diff) == {
        "x.c": Touched(("kept\n", "gone\n"), ("--- new\n",)),
        "y.c": Touched((), ("y\n",)),
    }


def test_what_commits_do_file_by_file():
    diff = (
        f"\0{'a' * 40}\n\n"
        "diff --git a/one b/one\nindex 1..2 100644\n--- a/one\n+++ b/one\n"
        "@@ -1,3 +1,3 @@ here()\n kept\n--- gone\n+++ come\n\\ No newline at end of file\n"
        "diff --git a/two b/two\nnew file mode 100644\n--- /dev/null\n+++ b/two\n"
        "@@ -0,0 +1 @@\n+diff --git a/x b/x\n"
        "diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-last\n"
        "diff --git a/bin b/bin\nBinary files a/bin and b/bin differ\n"
        f"\0{'b' * 40}\n"
    )
    assert parse_diffs(diff) == {
        "a" * 40: {
            "one": FileDiff(("kept\n",), ("-- gone\n",), ("++ come\n",), False),
            "two": FileDiff((), (), ("diff --git a/x b/x\n",), True),
            "gone": FileDiff((), ("last\n",), (), False),
        },
        "b" * 40: {},
    }
