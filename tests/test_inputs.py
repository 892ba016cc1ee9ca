"""What a run read is kept: the tree that its record names holds those very files."""

from __future__ import annotations

import pytest
from minikernel import RULE, SERIES, TARGET, known_world

from backport.doors.git import FILE_MODE, Entry, Git
from backport.evidence.inputs import KEEP, gather_inputs, keep_inputs, read_inputs, tree_id


@pytest.fixture
def world(tmp_path):
    made = known_world(tmp_path / "world")
    made.settle()
    return made


def test_a_run_names_the_files_that_it_read(world):
    world.pick()
    kept = read_inputs(Git(world.store), world.record()["inputs"])
    names = {
        f"patches/{SERIES}/series.toml",
        f"patches/{SERIES}/rules/10-all.toml",
        f"patches/targets/{TARGET}.toml",
    }
    assert kept == {name: (world.data / name).read_bytes() for name in names}
    assert tree_id(kept) == world.record()["inputs"]


def test_a_changed_rule_is_another_tree_and_the_old_one_stays(world):
    world.pick()
    first = world.record()["inputs"]
    before = read_inputs(Git(world.store), first)
    world.rules(RULE.format(sha=world.shas[1][:12]) + "# more\n")
    world.pick()
    second = world.record()["inputs"]
    assert second != first and read_inputs(Git(world.store), first) == before
    refs = Git(world.store).run("for-each-ref", "--format=%(objectname)", KEEP).text.split()
    assert {first, second} <= set(refs)


def test_a_run_that_picks_nothing_keeps_nothing(world):
    before = Git(world.store).run("for-each-ref", "--format=%(objectname)", KEEP).text
    world.run(*world.argv("plan"))
    assert world.record()["inputs"] == ""
    assert Git(world.store).run("for-each-ref", "--format=%(objectname)", KEEP).text == before


def test_the_same_files_cost_one_look_and_other_files_are_left_alone(world, monkeypatch):
    git = Git(world.store)
    (world.data / "kconfig" / "net.config").write_text("CONFIG_NET=y\n")
    (world.data / "kconfig" / ".net.config.swp").write_text("x")
    (world.data / "patches" / SERIES / "notes.txt").write_text("x")
    (world.data / "patches" / "targets" / "other.toml").write_text("x")
    tree = keep_inputs(git, gather_inputs(world.data, SERIES, TARGET))
    assert "kconfig/net.config" in read_inputs(git, tree)
    assert not {n for n in read_inputs(git, tree) if n.endswith((".swp", ".txt", "other.toml"))}
    monkeypatch.setattr(git, "write_blob", None)
    assert keep_inputs(git, gather_inputs(world.data, SERIES, TARGET)) == tree


@pytest.mark.parametrize("names", [(), ("a",), ("a/b", "a.b", "a-b", "ab", "a0/c/d", "a/c")])
def test_a_trees_id_is_gits(tmp_path, names):
    git = Git.init_bare(tmp_path / "store.git")
    files = {name: name.encode() * n for n, name in enumerate(names)}
    entries = {name: Entry(FILE_MODE, git.write_blob(data)) for name, data in files.items()}
    assert tree_id(files) == git.edit_tree("", entries)
