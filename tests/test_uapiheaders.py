"""UAPI headers of a tree, as gcc and pahole read them."""

from __future__ import annotations

import pytest
from kernelish import make_tree

from backport.doors.git import Git
from backport.kernel.uapiheaders import read_headers
from backport.readers.preprocessed import defined_in
from backport.values.errors import GateFailed

DOCK = "include/uapi/linux/dock.h"
TYPES = "include/uapi/linux/types.h"

HEADER = """\
#ifndef _UAPI_LINUX_DOCK_H
#define _UAPI_LINUX_DOCK_H
#include <linux/types.h>
#include <linux/compiler.h>
#include <linux/base.h>
#define DOCK_BASE	(1U  << 4) /* a comment */
#define DOCK_OF(x) ((x) + 1)
#define DOCK_LATE DOCK_LATE
#define DOCK_GONE 1
#undef DOCK_GONE
#ifdef DOCK_NOT_THERE
#define DOCK_HIDDEN 1
#endif
#define EACH(FN) FN(one), FN(two),
#define NAMED(x) DOCK_ ## x
enum dock_kind { EACH(NAMED) DOCK_FAR = 1 << 4, DOCK_LATE, };
enum { DOCK_MINUS = -1, DOCK_WIDE = (1ULL << 40), };
struct dock { __u32 id; union { __u64 q; struct { __u8 up:1; } in; }; } __packed;
enum dock_kind dock_of(struct base *base);
#endif
"""
FILES = {
    DOCK: HEADER,
    TYPES: "typedef unsigned int __u32;\ntypedef unsigned long long __u64;\n"
    "typedef unsigned char __u8;\n",
    "include/uapi/linux/base.h": "#define BASE 1\nenum { BASE_A };\nstruct base { int x; };\n",
}


@pytest.fixture
def git(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


def test_a_header_gives_its_macros_its_numbers_and_its_layouts(git):
    found = read_headers(git, make_tree(git, FILES), [DOCK], "x86_64")[DOCK]
    assert found.macros == {
        "DOCK_BASE": "(1U << 4)",
        "DOCK_OF": "(x) ((x) + 1)",
        "EACH": "(FN) FN(one), FN(two),",
        "NAMED": "(x) DOCK_ ## x",
    }
    assert found.enumerators == {
        "DOCK_one": 0, "DOCK_two": 1, "DOCK_FAR": 16, "DOCK_LATE": 17,
        "DOCK_MINUS": -1, "DOCK_WIDE": 1 << 40,
    }  # fmt: skip
    (dock,) = found.layouts.values()
    assert (dock.title, dock.header, dock.size) == ("struct dock", DOCK, 12)
    assert [(one.name, one.offset) for one in dock.members] == [
        ("id", 0), ("q", 4), ("in", 4), ("in.up", 4),
    ]  # fmt: skip


def test_a_header_that_a_tree_does_not_have_is_empty_and_none_at_all_costs_nothing(git):
    tree = make_tree(git, {"README": "x\n"})
    found = read_headers(git, tree, [DOCK], "x86_64")[DOCK]
    assert (found.macros, found.enumerators, found.layouts) == ({}, {}, {})
    assert read_headers(git, tree, [], "x86_64") == {}


def test_a_header_that_does_not_compile_is_named_with_what_gcc_says(git):
    tree = make_tree(git, {**FILES, DOCK: "#include <linux/types.h>\nstruct dock { u32 id; };\n"})
    with pytest.raises(
        GateFailed, match=rf"{DOCK}: does not compile by itself(?s:.*)\ntree/{DOCK}:2:.*u32"
    ):
        read_headers(git, tree, [DOCK], "x86_64")


def test_only_the_headers_own_lines_count():
    text = '# 1 "a.h"\n#define A 1\n# 1 "b.h" 1\n#define B 2\nenum { X };\n# 3 "a.h" 2\nenum{Y};\n'
    found = defined_in(text, "a.h")
    assert (found.macros, found.enumerators) == ({"A": "1"}, ("Y",))
