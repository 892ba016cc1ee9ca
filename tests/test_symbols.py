"""The symbols gate: names that incoming code uses and nothing defines, found without a compiler."""

from __future__ import annotations

import pytest
from kernelish import make_tree
from minikernel import RULE, make_world

from backport.doors.git import Git
from backport.gates.symbols import Request, Step, check
from backport.readers.identifiers import Kind, blanked, defined_in, fields_in, uses
from backport.values.errors import Exit

BASE = {
    "include/linux/dock.h": """\
#ifndef _DOCK_H
#define _DOCK_H
#define DOCK_MAX 4
enum dock_state {
	DOCK_OPEN,
	DOCK_SHUT = 7,	/* for good */
};
struct dock {
	int count;
};
int dock_run(struct dock *dock);
static inline int dock_idle(struct dock *dock)
{
	return !dock->count;
}
#endif
""",
    "drivers/net/pier.c": """\
#include <linux/dock.h>
static int pier_private(void)
{
	return 0;
}

int pier_open(struct dock *dock)
{
	return dock_run(dock);
}
""",
    "tools/include/dock.h": "int dock_of_tools(void);\n",
    "fs/far.c": "#include <made/by_build.h>\nint far(void)\n{\n\treturn far_pasted(1);\n}\n",
}
NEW = "drivers/net/boat.c"
HEAD = "#include <linux/dock.h>\n\n"


@pytest.fixture
def git(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


def run(git, *states, upstream=None, base=None):
    """Check a series whose commits leave these files over the base's."""
    files = dict(base or BASE)
    first = make_tree(git, files)
    theirs = make_tree(git, upstream) if upstream else first
    steps = []
    for number, state in enumerate(states):
        files |= state
        steps.append(Step(f"commit {number}", make_tree(git, files), theirs))
    return check(Request(git, first, tuple(steps)))


def body(*lines):
    return HEAD + "int boat(struct dock *dock)\n{\n" + "".join(f"\t{x}\n" for x in lines) + "}\n"


def missing(result):
    return [(m.name, str(m.kind), m.path, m.number) for m in result.missing]


def test_what_the_target_defines_is_known(git):
    text = body("if (dock_idle(dock))", "\treturn DOCK_MAX + DOCK_OPEN + DOCK_SHUT;",
                "return dock_run(dock);")  # fmt: skip
    result = run(git, {NEW: text})
    assert result.missing == () and result.mentioned == ()
    # Two functions and boat() itself, three constants, a type, a header.
    assert result.total == 8


@pytest.mark.parametrize(
    ("line", "name", "kind"),
    [
        ("return dock_newer(dock);", "dock_newer", "call"),
        ("return DOCK_NEWER;", "DOCK_NEWER", "constant"),
        ("struct dock_newer newer;", "dock_newer", "type"),
        ("#include <linux/dock_newer.h>", "linux/dock_newer.h", "header"),
        ("return pier_private();", "pier_private", "call"),  # static in another source file
        ("return dock_of_tools();", "dock_of_tools", "call"),  # tools are no kernel
        ("dock->newer = 1;", "newer", "member"),
        ("return docks[0].newer + 1.5;", "newer", "member"),
        (".newer = boat,", "newer", "member"),
        ("return count(&dock_newer);", "dock_newer", "object"),
    ],
)
def test_what_is_nowhere_is_named_with_its_place(git, line, name, kind):
    result = run(git, {NEW: body(line)})
    assert missing(result) == [(name, kind, NEW, 5)]
    [one] = result.missing
    assert one.subject == "commit 0" and line in str(one)


@pytest.mark.parametrize(
    "line",
    [
        "/* dock_newer(dock); DOCK_NEWER */",
        'pr_info("dock_newer(%d) DOCK_NEWER\\n", 1);',
        "return dock->count + docks[0].count;",
        "return count & dock_newer && dock_run(dock)&newer;",
        "#ifdef DOCK_NEWER",
        "return sizeof(int) + __builtin_clz(1) + IS_ENABLED(CONFIG_DOCK_NEWER);",
        "int (*newer)(void) = pick_one; newer();",
    ],
)
def test_what_is_no_use_raises_no_alarm(git, line):
    base = {**BASE, "include/linux/base.h": "#define IS_ENABLED(x) x\nint pr_info(char *, ...);\n"}
    assert run(git, {NEW: body(line)}, base=base).missing == ()


def test_an_earlier_commit_or_the_same_brings_a_name_and_a_later_one_does_not(git):
    header = BASE["include/linux/dock.h"].replace(
        "int dock_run", "int dock_newer(void);\nint dock_run"
    )
    use, brought = {NEW: body("return dock_newer();")}, {"include/linux/dock.h": header}
    assert run(git, brought, use).missing == ()
    assert run(git, {**brought, **use}).missing == ()
    late = run(git, use, brought)
    assert [m.subject for m in late.missing] == ["commit 0"]


def test_only_what_the_series_adds_is_looked_at(git):
    base = {**BASE, NEW: body("return old_and_unknown(dock);")}
    changed = body("return old_and_unknown(dock);", "return dock_newer(dock);")
    assert [m.name for m in run(git, {NEW: changed}, base=base).missing] == ["dock_newer"]


def test_a_name_that_macros_make_is_known_by_its_mention(git):
    result = run(git, {NEW: body("return far_pasted(2);", "#include <made/by_build.h>")})
    assert result.missing == () and result.mentioned == ("far_pasted",)


def test_upstreams_definition_is_shown_and_the_header_comes_first(git):
    newer = {
        "drivers/net/a.c": "int dock_newer(struct dock *dock)\n{\n}\n",
        "include/linux/dock.h": "\n\nint dock_newer(struct dock *dock);\n",
    }
    [one] = run(git, {NEW: body("return dock_newer(dock);")}, upstream=newer).missing
    assert one.upstream == "include/linux/dock.h:3"
    assert "include/linux/dock.h:3" in str(one) and "shim" in str(one)


@pytest.mark.parametrize("include", ["<asm/odd.h>", '"near.h"', '"../up.h"', "<uapi/linux/u.h>"])
def test_headers_are_looked_for_where_the_compiler_does(git, include):
    places = ("include/asm-generic/odd.h", "drivers/net/near.h", "drivers/up.h")
    base = {**BASE, **dict.fromkeys((*places, "include/uapi/linux/u.h"), "\n")}
    assert run(git, {NEW: f"#include {include}\n"}, base=base).missing == ()
    assert len(run(git, {NEW: f"#include {include}\n"}).missing) == 1


def test_a_header_outside_of_the_tree_is_missing_and_no_failure_of_gits(git):
    assert len(run(git, {NEW: '#include "../../../../lib/out.h"\n'}).missing) == 1


def test_a_function_of_the_same_file_is_known_and_a_removed_file_is_no_matter(git):
    text = (
        HEAD
        + "static int helper(void)\n{\n\treturn 1;\n}\n"
        + "int boat(void) { return helper(); }\n"
    )
    assert run(git, {NEW: text}).missing == ()
    assert run(git).total == 0


def test_blanking_keeps_the_lines():
    text = 'a /* b\nc */ d "e // f" g // h\ni'
    assert [line.split() for line in blanked(text).split("\n")] == [["a"], ["d", "g"], ["i"]]


def test_macro_parameters_and_pasted_halves_are_not_uses():
    text = "#define EACH(FN, DOCK_X) \\\n\tFN(dock_##FN, DOCK_X) real(DOCK_Y)\n"
    found = {(use.name, use.kind) for use in uses(text, {1, 2})}
    assert found >= {("real", Kind.CALL), ("DOCK_Y", Kind.CONSTANT)}
    assert not {name for name, _ in found} & {"FN", "DOCK_X", "dock_"}


@pytest.mark.parametrize(
    ("line", "yes"),
    [
        ("#define NAME(x) x", True),
        ("int NAME(void);", True),
        ("EXPORT_SYMBOL_GPL(NAME);", True),
        ("\tNAME = 3,", True),
        ("\tNAME\t/* last */", True),
        ("struct NAME {", True),
        ("static inline int NAME(int x)", True),
        ("static int NAME(int x)", False),
        ("\t\t\tNAME, 3);", False),
        ("\treturn NAME(3);", False),
        ("\tstruct NAME *x;", False),
        ("#define OTHER NAME", False),
    ],
)
def test_what_a_line_defines(line, yes):
    assert list(defined_in(line, {"NAME"})) == (["NAME"] if yes else [])


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("\tstruct dock __rcu *NAME;", ["NAME"]),
        ("\t__u64 NAME[DOCK_MAX];", ["NAME"]),
        ("\tunsigned int NAME:1;", ["NAME"]),
        ("\tint (*NAME)(struct dock *dock);", ["NAME"]),
        ("\t} NAME;", ["NAME"]),
        ("\treturn NAME;", []),
        ("\tgoto NAME;", []),
        ("\tdock->NAME = 1;", []),
        ("\tNAME = 1;", []),
        ("\t/* int NAME; */", []),
    ],
)
def test_which_member_a_line_declares(line, names):
    assert list(fields_in(line)) == names


def test_a_member_that_the_series_adds_is_known(git):
    header = BASE["include/linux/dock.h"].replace("int count;", "int count;\n\tint newer;")
    use, brought = {NEW: body("dock->newer = 1;")}, {"include/linux/dock.h": header}
    assert run(git, {**brought, **use}).missing == ()
    assert run(git, brought, use).missing == ()
    assert [m.name for m in run(git, use, brought).missing] == ["newer"]


def test_the_command_line_stops_before_the_branch_and_says_what_would_bridge_it(tmp_path):
    world = make_world(tmp_path / "world")
    rules = RULE.format(sha=world.shas[1][:12])
    world.rules(rules.replace("\\1\\tdock_limit", "\\1\\tdock_newer"))
    ran = world.pick("--json")
    gates = {gate["name"]: gate for gate in ran.json["gates"]}
    assert (ran.code, gates["symbols"]["outcome"]) == (Exit.GATE, "failed")
    assert gates["symbols"]["detail"] == "dock_newer"
    assert "drivers/core.c:11: call dock_newer: 'dock_newer(dock);'" in ran.err
    assert "what bridges it: a shim" in ran.err
    assert world.head() == ""
