"""Definitions found by layout in kernel text, and lines as git counts them."""
# ruff: noqa: E101 (kernel text mixes tabs and blanks)

from __future__ import annotations

import pytest

from backport.values.csource import (
    guarded,
    join_lines,
    laid_out,
    members_laid_out,
    split_lines,
    split_text,
)

HEADER = """\
/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _DOCK_H
#define _DOCK_H

#define DOCK_MAX 4
#define DOCK_EACH(d) \\
	for (; (d); \\
	     (d)++)

enum dock_side {
	DOCK_LEFT,
	DOCK_RIGHT,
};

enum {
	DOCK_ANON_A,
};

struct dock;

struct dock {	/* one berth */
	int a;
	struct {
		int relative;
		union {
			int inner;
		};
	} left;
	struct {
		int relative;
	} right;
} __packed;

typedef struct {
	int x;
} dock_t;

union dock_attr {
	struct {
		union {
			__u32 fd;
		} tcx;
	} link_create;
};

static inline void dock_nop(struct dock *d) { }
static inline int dock_zero(void) { return 0; }

static inline int dock_two(int a,
			   int b)
{ return 2; }

int dock_open(struct dock *d);
#endif
"""

SOURCE = """\
static const struct dock_ops dock_ops = {
	.open = dock_open,
};

static int table[] __read_mostly = {
	1,
};

static int __printf(1, 2)
dock_say(const char *fmt, ...)
{
	if (fmt) {
		return 1;
	}
out:
	return 0;
}
EXPORT_SYMBOL_GPL(dock_say);

/* A comment right above. */
int dock_open(struct dock *d)
	__acquires(d->lock)
{
	return 0;
}

SYSCALL_DEFINE3(dock, int, cmd, union dock_attr __user *, u, unsigned int, size)
{
	return 0;
}

BPF_CALL_2(dock_redirect, u32, ifindex, u64, flags)
{
	return 0;
}

SEC("tc/ingress")
int prog(struct ctx *skb)
{
	return 0;
}
"""

KCONFIG = """\
menu "Docks"

config DOCK
	bool "dock"
	select NET_XGRESS
	help
	  Text.

menuconfig BAY
	bool "bay"

endmenu
"""


def lines(text):
    return split_text(text)


def locate(text, name):
    """What `cparse.locate` does, from layout alone."""
    head, *members = name.split("/")
    spans = [item.span for item in laid_out(text) if item.name == head]
    for member in members:
        spans = [inner for span in spans for inner in members_laid_out(text, span, member)]
    return spans


def text_of(source, name):
    return ["".join(lines(source)[a:b]) for a, b in locate(lines(source), name)]


# -- lines

ODD = [
    b"",
    b"\n",
    b"no end",
    b"a\nb",
    b"a\r\nb\r\n",
    b"a\rb\n",
    b"form\x0cfeed\n\x0b\x1c\x1d\x1e\n",
    "next\u0085line\u2028sep\u2029para\n".encode(),
    b"latin1 \xe9\xff\n\x00binary\n",
]


@pytest.mark.parametrize("data", ODD)
def test_lines_round_trip_and_are_gits_lines(data):
    got = split_lines(data)
    assert join_lines(got) == data
    assert len(got) == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    assert all("\n" not in line[:-1] for line in got)


# -- outline


def test_header_outline():
    found = [(d.kind, d.name) for d in laid_out(lines(HEADER))]
    assert found == [
        ("macro", "_DOCK_H"),
        ("macro", "DOCK_MAX"),
        ("macro", "DOCK_EACH"),
        ("enum", "dock_side"),
        ("enum", "DOCK_ANON_A"),
        ("struct", "dock"),
        ("struct", "dock_t"),
        ("union", "dock_attr"),
        ("function", "dock_nop"),
        ("function", "dock_zero"),
        ("function", "dock_two"),
    ]


def test_source_outline():
    found = [(d.kind, d.name) for d in laid_out(lines(SOURCE))]
    assert found == [
        ("table", "dock_ops"),
        ("table", "table"),
        ("function", "dock_say"),
        ("function", "dock_open"),
        ("function", "dock"),
        ("function", "dock_redirect"),
        ("function", "prog"),
    ]


def test_kconfig_outline():
    got = laid_out(lines(KCONFIG))
    assert [(d.kind, d.name) for d in got] == [("config", "DOCK"), ("config", "BAY")]
    assert text_of(KCONFIG, "BAY") == ['menuconfig BAY\n\tbool "bay"\n\n']


def test_extents_hold_the_whole_definition():
    (say,) = text_of(SOURCE, "dock_say")
    assert say.startswith("static int __printf(1, 2)\n")
    assert say.endswith("out:\n\treturn 0;\n}\n")
    (opened,) = text_of(SOURCE, "dock_open")
    assert opened.startswith("int dock_open(") and opened.count("\n") == 5
    (each,) = text_of(HEADER, "DOCK_EACH")
    assert each.count("\n") == 3


@pytest.mark.parametrize("above", ["#if A || \\\n    B\n", "#define A(b) \\\n\tf(b)\n"])
def test_the_end_of_a_directive_is_no_head(above):
    head = "static int f(int a,\n\t     int b)\n"
    assert text_of(f"{above}{head}{{\n}}\n", "f") == [f"{head}{{\n}}\n"]


def test_a_function_closed_on_its_brace_line_ends_there():
    source = "static int f(void)\n{ return 1; }\n\nint g(void)\n{\n\treturn 2;\n}\n"
    assert text_of(source, "f") == ["static int f(void)\n{ return 1; }\n"]
    assert text_of(source, "g") == ["int g(void)\n{\n\treturn 2;\n}\n"]


@pytest.mark.parametrize(
    "text",
    [
        "int x[] = { 1, 2 };\n",
        "struct dock *d;\n",
        "int dock_open(struct dock *d);\n",
        "typedef int (*fn)(int);\n",
        "	if (a) { b(); }\n",
        " * text (with) { braces }\n",
        "EXPORT_SYMBOL(f);\n",
        "struct dock d = { .a = f(1) };\n",
    ],
)
def test_what_is_no_definition(text):
    assert laid_out(lines(text)) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("enum {\n\t/* the first */\n\tDOCK_A,\n};\n", "DOCK_A"),
        ("enum {\n#define ID(x) ID_##x,\n\tDOCK_A,\n};\n", "DOCK_A"),
        ("typedef struct {\n\tint a;\n} __attribute__((packed)) dock_t;\n", "dock_t"),
        ("typedef struct {\n\tint a;\n} __kernel_dock;\n", "__kernel_dock"),
        ("struct {\n\tint a;\n} docks[DOCK_MAX];\n", "docks"),
    ],
)
def test_what_has_no_tag_goes_by_what_is_its_own(text, name):
    assert [d.name for d in laid_out(lines(text))] == [name]


def test_an_enum_of_included_members_alone_has_no_name():
    assert laid_out(lines('enum {\n#include "members.h"\n};\n')) == []


def test_a_macro_with_crlf_runs_on():
    assert laid_out(lines("#define A \\\r\n\t1\r\nint x;\r\n"))[0].span == (0, 2)


def test_an_unclosed_definition_ends_with_the_file():
    assert locate(lines("struct a {\n\tint b;\n"), "a") == [(0, 2)]
    assert laid_out([]) == []


# -- names


def test_nested_members():
    (left,) = text_of(HEADER, "dock/left")
    assert left.startswith("\tstruct {\n\t\tint relative;\n") and left.endswith("} left;\n")
    assert "right" not in left
    (tcx,) = text_of(HEADER, "dock_attr/link_create/tcx")
    assert tcx == "\t\tunion {\n\t\t\t__u32 fd;\n\t\t} tcx;\n"
    assert text_of(HEADER, "dock/none") == []
    assert text_of(HEADER, "none/left") == []


def test_a_name_defined_twice_has_two_extents():
    source = "#ifdef A\nint f(void)\n{\n}\n#else\nint f(void)\n{\n}\n#endif\n"
    assert locate(lines(source), "f") == [(1, 4), (5, 8)]


# -- guards

GUARD = "int a;\n\n#ifdef CONFIG_X\n\nint f(void)\n{\n}\n\n#endif\nint b;\n"


def test_a_guard_that_holds_nothing_else_goes_along():
    text = lines(GUARD)
    assert guarded(text, locate(text, "f")[0]) == (2, 9)


@pytest.mark.parametrize(
    "old,new",
    [("int f(void)", "int c;\nint f(void)"), ("#endif", "#else"), ("#endif", "int d;\n#endif")],
)
def test_a_guard_that_holds_more_stays(old, new):
    text = lines(GUARD.replace(old, new))
    span = locate(text, "f")[0]
    assert guarded(text, span) == span


def test_a_definition_at_the_ends_of_the_file():
    text = lines("int f(void)\n{\n}\n")
    assert guarded(text, (0, 3)) == (0, 3)
