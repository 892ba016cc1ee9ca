"""Picking a series: what is remembered, what a change undoes, and what a damaged memory costs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from kernelish import Bench, change, make_tree, rule

from backport.picking import history
from backport.picking.history import Picked, PickRefused, Request, pick_key, pick_series
from backport.values.errors import Exit, Place
from backport.values.events import Progress, silent
from backport.values.rule import Additive, At, Edit, Rewrite, Substitution
from backport.values.target import Tree
from backport.values.version import Version

pytestmark = pytest.mark.slow  # a series picked for each
SHAS = tuple(str(n) * 40 for n in range(1, 4))


class Line:
    """A series of three commits, each adding a file, with the picks counted as they happen."""

    def __init__(self, folder, monkeypatch, version="6.1.7"):
        self.bench = Bench(folder)
        git = self.bench.git
        files = {"a.c": "int a;\n", "Makefile": "obj-y += a.o\n"}
        tree = make_tree(git, files)
        self.base = Tree(
            git.commit_tree(tree, [], "base\n", change(git, tree, tree).author,
                            change(git, tree, tree).author),
            tree, version, "linux", "a test",
        )  # fmt: skip
        self.incoming = []
        for number, sha in enumerate(SHAS):
            after = {**files, f"new{number}.c": f"int new{number};\n"}
            made = change(
                git, make_tree(git, files), make_tree(git, after), (sha,), f"step {number}\n"
            )
            self.incoming.append(made)
            files = after
        self.cache = folder / "picks"
        self.picked = []
        real = history.pick

        def counted(incoming, *rest, **more):
            self.picked.append(incoming.subject)
            return real(incoming, *rest, **more)

        monkeypatch.setattr(history, "pick", counted)

    def request(self, *rules):
        return Request(self.bench.git, self.cache, self.base, tuple(self.incoming), rules)

    def run(self, *rules):
        """Pick all; gives the result and which commits were really picked."""
        self.picked.clear()
        done = pick_series(self.request(*rules), silent)
        return done, list(self.picked)

    def entry(self, number):
        """The cache file of a commit, of the newest series."""
        return next(
            path
            for path in self.cache.glob("*.json")
            if json.loads(path.read_text())["pick"]["sha"] == SHAS[number]
        )


@pytest.fixture
def line(tmp_path, monkeypatch):
    return Line(tmp_path, monkeypatch)


ALL = ["step 0", "step 1", "step 2"]


def rename(sha, name="other", **more):
    """A rule on the commit of `sha` that renames what it adds."""
    number = SHAS.index(sha)
    action = Rewrite((Substitution(f"new{number}", name),))
    return rule(action, f"new{number}.c", id=f"rename-{number}", commits=(sha[:12],), **more)


def test_everything_is_picked_once(line):
    first, picked = line.run()
    assert picked == ALL and not first.cached and first.stopped is None
    again, picked = line.run()
    assert picked == [] and again.cached
    assert replace(first, cached=True) == again
    assert len(list(line.cache.glob("*.json"))) == 3


def test_progress_is_told_from_none_to_all(line):
    told = []
    pick_series(line.request(), told.append)
    assert told == [Progress("pick", n, 3, "commits") for n in range(4)]


def test_the_series_is_a_line_of_commits_on_the_base(line):
    done, _ = line.run()
    git, parents = line.bench.git, [line.base.commit]
    for item in done.commits:
        assert git.commit(item.pick.commit).parents == (parents[-1],)
        assert git.tree_of(item.pick.commit) == item.tree
        parents.append(item.pick.commit)
    assert (done.head, done.tree) == (parents[-1], done.commits[-1].tree)


def test_a_rule_repicks_from_the_commit_it_belongs_to(line):
    before, _ = line.run()
    after, picked = line.run(rename(SHAS[2]))
    assert picked == ALL[2:]
    assert [c.pick.commit for c in after.commits[:2]] == [c.pick.commit for c in before.commits[:2]]
    assert after.head != before.head
    assert after.commits[2].pick.rules == ("rename-2",)
    assert line.run() == (replace(before, cached=True), [])  # and the old picks are still known


def test_a_changed_rule_repicks_too_and_its_place_in_the_file_does_not_matter(line):
    line.run(rename(SHAS[1]))
    assert line.run(rename(SHAS[1], "another"))[1] == ALL[1:]
    assert line.run(rename(SHAS[1], place=Place("moved.toml", 99)))[1] == []
    assert line.run(rename(SHAS[1], why="for a better reason"))[1] == ALL[1:]
    stranger = rule(Edit(Substitution("x", "y")), "z.c", commits=("f" * 12,), id="stranger")
    assert line.run(rename(SHAS[1]), stranger)[1] == []


def test_another_base_or_version_repicks_everything(line):
    line.run()
    line.base = replace(line.base, version="6.1.8")
    assert line.run()[1] == ALL
    git = line.bench.git
    other = git.commit_tree(line.base.tree, [], "other\n", line.incoming[0].author,
                            line.incoming[0].author)  # fmt: skip
    line.base = replace(line.base, commit=other)
    assert line.run()[1] == ALL


def test_where_upstream_was_read_from_does_not_matter(line):
    line.run()
    line.incoming = [replace(item, origin="another clone") for item in line.incoming]
    assert line.run()[1] == []


def test_an_unknown_suffix_of_the_version_is_no_trouble(tmp_path, monkeypatch):
    line = Line(tmp_path, monkeypatch, version="6.1.7.el9_x")
    assert line.run()[1] == ALL


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"pick": 3}',
        b'{"pick": {}, "adaptations": [], "tree": "", "by_hand": []}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_entry_is_picked_again(line, damage):
    before, _ = line.run()
    line.entry(1).write_bytes(damage)
    after, picked = line.run()
    assert picked == ["step 1"]  # what stands on it is still right
    assert (after.head, after.tree) == (before.head, before.tree)
    assert line.run()[1] == []


@pytest.mark.parametrize("key", ["pick", "adaptations", "by_hand", "credits"])
def test_an_entry_without_a_key_is_picked_again(line, key):
    line.run()
    path = line.entry(2)
    data = json.loads(path.read_text())
    del data[key]
    path.write_text(json.dumps(data))
    assert line.run()[1] == ["step 2"]


def test_what_a_person_resolved_is_kept_from_before_there_were_credits(line):
    line.run()
    path = line.entry(2)
    data = json.loads(path.read_text())
    del data["credits"]
    path.write_text(json.dumps({**data, "by_hand": ["a.c"]}))
    done, picked = line.run()
    assert picked == [] and done.commits[2].by_hand == ("a.c",)


def test_an_entry_cannot_lie_about_its_tree_or_commit(line):
    before, _ = line.run()
    path = line.entry(2)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "tree": "0" * 40}))
    assert line.run()[0].tree == before.tree
    data["pick"]["commit"] = line.base.commit
    path.write_text(json.dumps(data))
    done, picked = line.run()
    assert picked == ["step 2"] and done.head == before.head


def test_an_entry_whose_commit_the_store_lost_is_picked_again(line):
    before, _ = line.run()
    git = line.bench.git
    for path in line.cache.glob("*.json"):
        git.delete_ref(f"{history.KEEP}/{path.stem}")
    assert line.run()[1] == ALL
    assert line.run() == (replace(before, cached=True), [])


def test_a_lost_entry_is_picked_again(line):
    line.run()
    line.entry(0).unlink()
    done, picked = line.run()
    assert picked == ["step 0"] and not done.cached


def test_a_commit_that_is_there_already_moves_nothing(line):
    line.incoming.insert(1, line.incoming[0])
    done, _ = line.run()
    assert [c.pick.outcome for c in done.commits[:3]] == ["clean", "already-applied", "clean"]
    assert done.commits[1].pick.commit == "" and done.commits[1].tree == done.commits[0].tree
    assert line.run()[1] == []


def test_a_conflict_stops_where_it_is_and_keeps_what_came_before(line):
    git = line.bench.git
    theirs = make_tree(git, {"a.c": "int b;\n"})
    wrong = change(git, make_tree(git, {"a.c": "int x;\n"}), theirs, ("9" * 40,), "wrong\n")
    line.incoming.insert(2, wrong)
    done, picked = line.run()
    assert picked == ["step 0", "step 1", "wrong"]
    assert isinstance(done, Picked) and done.stopped is not None
    assert [c.pick.subject for c in done.commits] == ALL[:2]
    assert (done.stopped.onto, done.head) == (done.head, done.commits[-1].pick.commit)
    assert [c.path for c in done.stopped.result.conflicts] == ["a.c"]
    assert line.run()[1] == ["wrong"]
    settled = rule(Additive(at=At.END), "a.c", commits=("9" * 12,), id="end")
    assert done.stopped.key != pick_key(wrong, done.head, (settled,), Version(6, 1, 7))


def test_a_gate_that_objects_is_named_and_nothing_is_kept(line):
    broken = rename(SHAS[1], "x;\n<<<<<<< y\nint z")
    with pytest.raises(PickRefused) as caught:
        line.run(broken)
    assert (caught.value.gate, caught.value.exit_code) == ("form", Exit.GATE)
    assert caught.value.message.startswith('form: "step 1":\n  new1.c:2: a conflict marker')
    assert len(list(line.cache.glob("*.json"))) == 1
    assert line.run()[1] == ALL[1:]


def test_a_long_list_of_objections_is_cut():
    err = PickRefused("form", "x", [f"line {n}" for n in range(30)], "look")
    assert err.message.endswith("  line 19\n  and 10 more")
