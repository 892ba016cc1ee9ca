"""Where a tree defines names: whole definitions, declarations, members and headers."""

from __future__ import annotations

import pytest
from kernelish import make_tree

from backport.doors.git import Git
from backport.gates.definitions import definitions, headers

FILES = {
    "include/linux/dock.h": """\
#define DOCK_MAX(x) \\
	((x) + 1)
enum dock_state {
	DOCK_OPEN,
};
struct dock {
	int count;
};
int dock_run(struct dock *dock);
static inline int dock_idle(struct dock *dock)
{
	return !dock->count;
}
""",
    "kernel/dock.c": "int dock_run(struct dock *dock)\n{\n\treturn dock_far(dock);\n}\n",
    "drivers/net/boat.c": "int boat_go(void)\n{\n\treturn 1;\n}\n",
    "include/uapi/linux/dock_api.h": "int a;\nint b;\n",
}


@pytest.fixture
def found(tmp_path):
    git = Git.init_bare(tmp_path / "store.git")
    tree = make_tree(git, FILES)
    return lambda *names, near=(): definitions(git, tree, set(names), near=near)


@pytest.mark.parametrize(
    ("name", "place", "lines", "whole"),
    [
        ("DOCK_MAX", "include/linux/dock.h:1", 2, True),
        ("DOCK_OPEN", "include/linux/dock.h:4", 1, False),
        ("dock_idle", "include/linux/dock.h:10", 4, True),
        ("dock", "include/linux/dock.h:6", 3, True),
        ("dock_run", "kernel/dock.c:1", 4, True),  # the header only declares it
    ],
)
def test_a_definition_is_found_whole_where_there_is_one(found, name, place, lines, whole):
    one = found(name)[name]
    assert (one.place, len(one.lines), one.whole) == (place, lines, whole)


def test_a_member_is_found_where_a_struct_declares_it(tmp_path):
    git = Git.init_bare(tmp_path / "store.git")
    tree = make_tree(git, FILES)
    found = definitions(git, tree, set(), members={"count", "dock_idle"})
    assert [(one.place, one.whole) for one in found.values()] == [("include/linux/dock.h:7", False)]


def test_the_folders_of_users_are_searched_too(found):
    assert found("boat_go") == {}
    assert found("boat_go", near=["drivers/net/pier.c"])["boat_go"].place == "drivers/net/boat.c:1"


def test_a_name_that_is_only_used_has_no_definition(found):
    assert found("dock_far") == {} and found() == {}


def test_a_header_is_its_own_definition(tmp_path):
    git = Git.init_bare(tmp_path / "store.git")
    tree = make_tree(git, FILES)
    found = headers(git, tree, {"linux/dock_api.h", "linux/gone.h"})
    assert list(found) == ["linux/dock_api.h"]
    assert found["linux/dock_api.h"].place == "include/uapi/linux/dock_api.h:1"
    assert len(found["linux/dock_api.h"].lines) == 2
