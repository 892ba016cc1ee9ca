"""`backport compat` on a run of a fake kernel: the report, what is allowed, and what is not."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace

import pytest
from fake_kernel import write_fragment
from kernelish import AUTHOR, make_tree
from test_surface import DEV, DEV_H, Bench

from backport.doors.cache import Cache
from backport.doors.rundir import RunDir
from backport.doors.store import Store
from backport.shell import cli
from backport.values.errors import Exit
from backport.values.record import Base

pytestmark = pytest.mark.slow

UAPI = "include/uapi/linux/dock.h"
TYPES = "include/uapi/linux/types.h"
TARGET = """\
version = "6.1"
fragments = ["wanted"]

[source]
kind = "directory"
path = "none"
"""
ALLOWED = """\
[[allow]]
type = "struct dock"
members = ["port"]
reason = "a port is what it is about"

[[allow]]
uapi = "__DOCK_MAX"
reason = "counts the kinds"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("compat"))


@pytest.fixture
def allow(world):
    """Writes the series' compat.toml, for one test."""
    file = world.data / "patches/dock/compat.toml"
    yield file.write_text
    file.unlink(missing_ok=True)


class World:
    """Data files, a cache with two commits in its store, and a run from one to the other."""

    def __init__(self, folder):
        self.data, self.cache = folder / "data", Cache(folder / "cache")
        for name in ("patches/targets", "patches/dock", "kconfig", "qemu"):
            (self.data / name).mkdir(parents=True)
        write_fragment(self.data / "kconfig/wanted.config", "CONFIG_NET=y\nCONFIG_LATER=y\n")
        write_fragment(self.data / "kconfig/compat.config", "CONFIG_BPF=y\n")
        (self.data / "patches/dock/series.toml").write_text("")
        for target in ("mini", "other"):
            (self.data / f"patches/targets/{target}.toml").write_text(TARGET)
        self.git = Store(self.cache).git
        bench = Bench(folder)
        header = {TYPES: "typedef int __u32;\n", UAPI: "enum { DOCK_A, __DOCK_MAX };\n"}
        self.base = self.commit({**bench.base, **header})
        header[UAPI] = "enum { DOCK_A, DOCK_B, __DOCK_MAX };\n"
        self.files = {**bench.head, **header}
        self.head = self.commit(self.files)
        self.run = self.begin(self.head)

    def commit(self, files):
        return self.git.commit_tree(make_tree(self.git, files), [], "x\n", AUTHOR, AUTHOR)

    def begin(self, head, target="mini", base=None):
        with RunDir.open(self.cache.runs, "dock", target, f"backport pick dock on {target}") as run:
            at = Base("6.1.7", "x", "", base or self.base)
            run.save(replace(run.record, base=at if head else None, head=head))
            run.finish(run.record, 0)
        return run.path

    def compat(self, monkeypatch, *args):
        monkeypatch.setenv("BACKPORT_DATA", str(self.data))
        monkeypatch.setenv("BACKPORT_CACHE", str(self.cache.root))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(["compat", "--quiet", *map(str, args)])
        return code, out.getvalue(), err.getvalue()


def test_everything_is_allowed_with_a_reason(world, monkeypatch, allow):
    allow(ALLOWED)
    code, out, err = world.compat(monkeypatch, world.run, "--json")
    assert (code, err) == (Exit.OK, "")
    found = json.loads(out)
    assert found == json.loads((world.run / "compat.json").read_text())
    assert found["symbols"] == {
        "before": 1, "added": [], "removed": [],
        "changed": [{
            "name": "dock", "old": "0x00000001", "new": "0x00000002", "because": ["struct dock"],
        }],
    }  # fmt: skip
    assert found["structs"] == [{
        "name": "struct dock", "header": "include/linux/dock.h", "old_size": 4, "new_size": 8,
        "changes": ["added int port, 4 bytes at byte 4"],
    }]  # fmt: skip
    assert [(one["kind"], one["name"], one["value"], one["change"]) for one in found["uapi"]] == [
        ("enumerator", "DOCK_B", "1", "added"), ("enumerator", "__DOCK_MAX", "2", "changed"),
    ]  # fmt: skip
    assert [(one["name"], one["allowed"], one["reason"]) for one in found["notices"]] == [
        ("struct dock", True, "a port is what it is about"),
        ("__DOCK_MAX", True, "counts the kinds"),
    ]
    assert (found["config"], found["unmatched"]) == (["LATER: absent -> y"], [])


def test_a_person_reads_the_same(world, monkeypatch, allow):
    allow(ALLOWED)
    code, out, _ = world.compat(monkeypatch, world.run)
    assert code == Exit.OK
    assert out.startswith("dock on mini: 2 things that modules and programs would notice, 2 allow")
    for line in (
        "symbols    1 exported before, 0 added, 0 removed, 1 with another CRC",
        "                 1 by struct dock",
        "           struct dock, include/linux/dock.h: 4 -> 8 bytes",
        "uapi       1 added, 1 changed, 0 removed",
        "           include/uapi/linux/dock.h: DOCK_B=1",
        "+ struct dock: 4 to 8 bytes; added port; 1 exported symbol with another CRC",
        "    allowed: a port is what it is about",
        "+ uapi __DOCK_MAX: is 2, was 1 in include/uapi/linux/dock.h",
    ):
        assert line in out.splitlines()


def test_what_nobody_allows_is_named_and_fails(world, monkeypatch):
    code, out, err = world.compat(monkeypatch, world.run)
    assert code == Exit.GATE
    assert "x struct dock: 4 to 8 bytes; added port" in out
    assert "compat: 2 things would be noticed outside the tree, and nobody allowed it" in err
    assert "struct dock: 4 to 8 bytes; added port; 1 exported symbol with another CRC" in err
    assert f"allow it in {world.data}/patches/dock/compat.toml" in err


def test_a_member_in_the_middle_is_noticed_though_another_is_allowed(world, monkeypatch, allow):
    allow(ALLOWED)
    wide = "struct dock { int seeded; int id; int port; };\n"
    text = f"s#dock {DEV.replace('{', '{ int seeded ;')[:-1]}int port ; }} \n"
    files = {**world.files, "include/linux/dock.h": wide}
    files["symtypes/dev"] = f"{text}dock int dock ( s#dock * ) \n"
    run = world.begin(world.commit(files))
    code, _, err = world.compat(monkeypatch, run)
    assert code == Exit.GATE
    assert "compat: 1 thing would be noticed" in err
    assert "members lie elsewhere; added seeded, port" in err
    assert "(compat.toml:2 allows some members, not seeded)" in err
    changes = json.loads((run / "compat.json").read_text())["structs"][0]["changes"]
    assert "moved id, by +4 bytes" in changes


def test_an_entry_that_no_target_needs_is_told(world, monkeypatch, allow):
    extra = '[[allow]]\ntype = "struct bay"\nreason = "long gone"\n'
    allow(ALLOWED.replace('"port"', '"port", "lock"') + extra)
    code, out, _ = world.compat(monkeypatch, world.run)
    assert code == Exit.OK
    assert out.splitlines()[-3:] == [
        "entries of compat.toml that match nothing, on any target that was looked at",
        "  compat.toml:2: struct dock, member lock",
        "  compat.toml:10: struct bay",
    ]
    other = {**world.files, "include/linux/dock.h": DEV_H.replace("id;", "id; int lock;")}
    assert world.compat(monkeypatch, world.begin(world.commit(other), "other"))[0] == Exit.OK
    _, out, _ = world.compat(monkeypatch, world.run)
    assert "lock" not in out and "  compat.toml:10: struct bay" in out


# -- bad input


def test_a_run_that_picked_nothing_has_nothing_to_compare(world, monkeypatch):
    code, _, err = world.compat(monkeypatch, world.begin(""))
    assert code == Exit.USAGE
    assert "this run picked nothing" in err and "next: backport pick dock --target mini" in err


def test_a_run_whose_commits_are_gone_says_how_to_make_them_again(world, monkeypatch):
    code, _, err = world.compat(monkeypatch, world.begin("1" * 40))
    assert code == Exit.USAGE
    assert "its commit 111111111111 is no longer in" in err
    assert "next: backport pick dock on mini makes it again" in err


def test_a_broken_list_stops_it_before_any_build(world, monkeypatch, allow):
    allow("[[allow]]\ntype = 'struct dock'\n")
    code, out, err = world.compat(monkeypatch, world.run)
    assert (code, out) == (Exit.USAGE, "")
    assert "compat.toml:1: allow[0]: the key `reason` is missing" in err


def test_no_such_run(world, monkeypatch):
    code, _, err = world.compat(monkeypatch, "none-of-that-name")
    assert code == Exit.USAGE and "no such run" in err
