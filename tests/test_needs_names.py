"""Names that a pick uses: who brings those that the target lacks."""

from __future__ import annotations

import pytest
from needskit import Tale, asked

from backport.needs.names import Lack
from backport.needs.search import Why

BERTH = "int berth(int room)\n{{\n\t{}\n}}\n"
PORT_H = "int port;\n"
DOCK_H = "int dock(int room);\n"


@pytest.fixture(scope="module")
def tale(tmp_path_factory):
    """The last commit applies as it is, and calls what came between into a header."""
    made = Tale(tmp_path_factory.mktemp("names") / "r")
    headers = {"include/port.h": PORT_H, "include/dock.h": DOCK_H}
    start = made.add("start", files={"a.c": BERTH.format("return 0;"), **headers})
    made.branch("old", start)
    made.sha = {}
    for name, files in {
        "moor": {"include/port.h": f"{PORT_H}int moor(int room);\n"},
        "other": {"b.c": BERTH.format("return 2;").replace("berth", "pier")},
        "quay": {"include/quay.h": "int quay(void);\n"},
        "last": {"a.c": BERTH.format("return moor(room);")},
        "more": {"a.c": "#include <quay.h>\n\n" + BERTH.format("return moor(room) + dock(room);")},
        "own": {"a.c": BERTH.format("return sail(room);"), "c.h": "int sail(int room);\n"},
        "far": {"b.c": BERTH.format("return getpid();").replace("berth", "pier")},
    }.items():
        made.sha[name] = made.add(name, files=files)
    return made


def test_a_name_is_brought_by_the_commit_that_made_it(tale):
    found = asked(tale, tale.sha["last"], named=True)
    assert found.take == (tale.sha["moor"],)
    assert found.why == {tale.sha["moor"]: Why(tale.sha["last"], "a.c", "moor")}


def test_without_asking_after_names_what_applies_needs_nothing(tale):
    assert asked(tale, tale.sha["last"]).take == ()


def test_a_header_is_brought_by_the_commit_that_made_it(tale):
    found = asked(tale, tale.sha["more"], named=True)
    assert set(found.take) == {tale.sha[name] for name in ("last", "moor", "quay")}
    assert found.why[tale.sha["quay"]] == Why(tale.sha["more"], "a.c", "quay.h")


def test_what_a_commit_brings_itself_is_not_looked_for(tale):
    story = asked(tale, tale.sha["own"], named=True)
    assert not {one.name for one in story.lacks} & {"sail"}


def test_what_upstream_does_not_define_either_is_somebody_elses(tale):
    found = asked(tale, tale.sha["far"], named=True)
    assert found.take == (tale.sha["other"],)
    assert found.lacks == ()


def test_a_name_that_the_target_took_out_is_told_and_has_no_bringer(tale):
    """It was there where the target left upstream, so no commit since then brings it."""
    tale.branch("bare", tale.tip("old"))
    tale.add("drop dock", files={"include/dock.h": "int nothing;\n"}, branch="bare")
    found = asked(tale, tale.sha["more"], onto="bare", named=True)
    assert Lack("dock", tale.sha["more"], "a.c") in found.lacks
