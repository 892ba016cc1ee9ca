"""C read from a parser's tree: any style, and from layout where the kernel's macros break it."""

from __future__ import annotations

import re

import pytest
from test_csource import HEADER, KCONFIG, SOURCE
from test_csource import locate as locate_by_layout

from backport.readers.cparse import enclosing, errors, holders, locate, outline, plain
from backport.values.csource import laid_out, split_text

# Nothing in here is laid out as the kernel does it.
ODD_STYLE = """\
#if DOCK
  #  define DOCK_MAX 4
static void brace_on_line(int a) {
    if (a) {
        return;
}
    }
#else
    int indented(void)
    { return 1; }
#endif
int old_style(a, b)
int a;
char *b;
{ return a; }
struct one_line { int a; };
struct
brace_below
{
	int a;
	struct { int b; } inner[2], *other;
	};
static struct tagged {
	int a;
} variable = {
	.a = 1 };
typedef struct { int x; } plain_t, *plain_p;
enum { FIRST = 1, SECOND };
union u { int a; char b; } __attribute__((packed));
static const int primes[] = { 2, 3 };
static const struct ops ops =
{
	.run = brace_on_line,
};
int (*chooser(int a))(int) { return 0; }
extern "C" {
int in_block(void) { return 0; }
}
"""

ODD_NAMES = [
    ("macro", "DOCK_MAX", 1),
    ("function", "brace_on_line", 5),
    ("function", "indented", 2),
    ("function", "old_style", 4),
    ("struct", "one_line", 1),
    ("struct", "brace_below", 6),
    ("struct", "tagged", 4),
    ("struct", "plain_t", 1),
    ("enum", "FIRST", 1),
    ("union", "u", 1),
    ("table", "primes", 1),
    ("table", "ops", 4),
    ("function", "chooser", 1),
    ("function", "in_block", 1),
]

# A word that the parser does not know, in a place where it loses its way.
NAMED_IN_CASES = """\
const char *dock_name(int cmd)
{
#define N(val) case DOCK_##val: return "DOCK_" __stringify(val);
	switch (cmd) {
	N(UP) N(DOWN) N(REBOOT)
	}
#undef N
	return "?";
}
"""
UNBALANCED = """\
int dock_both(int a)
{
#ifdef CONFIG_DOCK
	if (a) {
#else
	if (!a) {
#endif
		return 1;
	}
	return 0;
}
"""
BROKEN = [NAMED_IN_CASES, UNBALANCED]
SOUND = "static int dock_next(void) {\n	return 2;\n}\n"


def lines(text):
    return split_text(text)


def text_of(source, name):
    return ["".join(lines(source)[a:b]) for a, b in locate(lines(source), name)]


# -- any style


def test_code_in_no_kernel_style_is_found_whole():
    found = [(d.kind, d.name, d.span[1] - d.span[0]) for d in outline(lines(ODD_STYLE))]
    assert found == ODD_NAMES


def test_layout_alone_finds_little_of_it():
    told = {(d.kind, d.name, d.span[1] - d.span[0]) for d in laid_out(lines(ODD_STYLE))}
    assert len(told & set(ODD_NAMES)) < len(ODD_NAMES) / 2


@pytest.mark.parametrize("source", [HEADER, SOURCE, KCONFIG])
def test_in_kernel_style_both_readers_tell_the_same(source):
    assert outline(lines(source)) == laid_out(lines(source)) != []


def test_comments_above_stay_out_and_heads_come_along():
    head = (
        "static noinline struct dock *\ndock_of(const struct berth *b, /* the berth */\n\tint n)\n"
    )
    source = f"/* About it. */\n{head}{{\n}}\n"
    assert text_of(source, "dock_of") == [f"{head}{{\n}}\n"]


@pytest.mark.parametrize("word", ["noinline", "__init", "static __always_inline"])
def test_a_line_of_annotations_belongs_to_the_head_below(word):
    source = f"int a;\n{word}\nint dock_run(void)\n{{\n}}\n"
    assert locate(lines(source), "dock_run") == [(1, 5)]


def test_a_gap_above_the_brace_is_no_end():
    source = "int dock_run(struct dock *d,\n\t     int a)\n\n{\n\treturn a;\n}\n"
    assert text_of(source, "dock_run") == [source]


@pytest.mark.parametrize("name", ["dock_for_each", "for_each_dock", "__init_dock"])
def test_names_are_read_whole_even_where_they_look_like_loops(name):
    source = (
        f"#define {name}(d) \\\n\tfor (;;)\nint {name}_from(int a)\n{{\n\t{name}(a) {{ }}\n}}\n"
    )
    assert [(d.kind, d.name) for d in outline(lines(source))] == [
        ("macro", name),
        ("function", f"{name}_from"),
    ]


def test_a_macro_runs_on_behind_a_slash_and_has_no_head():
    source = "#define HALF (WHOLE /\\\n\t2)\n#define COLD __section(x) \\\n\t__cold\n#define B 1\n"
    assert [(d.name, d.span) for d in outline(lines(source))] == [
        ("HALF", (0, 2)),
        ("COLD", (2, 4)),
        ("B", (4, 5)),
    ]


def test_code_in_a_comment_is_none():
    source = "/*\n#define GONE 1\nint gone(void)\n{\n}\n*/\nint here(void)\n{\n}\n"
    assert [d.name for d in outline(lines(source))] == ["here"]


def test_macros_end_with_their_last_line():
    source = "#define A \\\n\t1\n#define B 2 /* as\n\t\twide */\n#define C \n#define D\nint x;\n"
    assert [(d.name, d.span) for d in outline(lines(source))] == [
        ("A", (0, 2)),
        ("B", (2, 4)),
        ("C", (4, 5)),
        ("D", (5, 6)),
    ]


@pytest.mark.parametrize(
    "body", ["/* the first */\n\tFIRST,", "#ifdef X\n\tFIRST,\n#else\n\tOTHER,\n#endif"]
)
def test_an_enum_without_a_name_goes_by_its_first_member(body):
    assert text_of(f"enum {{\n{body}\n}};\n", "FIRST") == [f"enum {{\n{body}\n}};\n"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "struct dock *d;\n",
        "int dock_open(struct dock *d);\n",
        "typedef int (*fn)(int);\n",
        " * text (with) { braces }\n",
        "EXPORT_SYMBOL(f);\n",
        "static int count = 1, other;\n",
        "enum dock_side side(void);\n",
    ],
)
def test_what_is_no_definition(text):
    assert outline(lines(text)) == []


# -- what does not parse


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("before", ["", SOUND, NAMED_IN_CASES.replace("dock_name", "dock_old")])
def test_what_follows_a_broken_function_is_still_read_from_the_tree(before, broken):
    source = f"{before}{broken}\n{SOUND.replace('next', 'last')}"
    assert errors(lines(source))
    name = "dock_name" if broken is NAMED_IN_CASES else "dock_both"
    assert text_of(source, name) == [broken]
    assert text_of(source, "dock_last") == [SOUND.replace("next", "last")]
    assert "dock_last" not in [d.name for d in laid_out(lines(source))]
    assert "N" not in [d.name for d in outline(lines(source))]


def test_a_wreck_shows_nothing_of_its_inside():
    inside = "\tstatic const int steps[] = { 1, 2 };\n\n\tdock_go(steps);\n"
    source = f"DOCK_CALL(dock_x, struct dock *, d, unsigned int, n)\n{{\n{inside}}}\n{SOUND}"
    assert [(d.name, d.span) for d in outline(lines(source))] == [
        ("DOCK_CALL", (0, 6)),
        ("dock_next", (6, 9)),
    ]


@pytest.mark.parametrize(
    "head",
    [
        'SEC("tc/ingress")\nint prog(struct ctx *skb)\n',
        "static int __printf(1, 2)\nprog(const char *fmt, ...)\n",
        "static DOCK_ATTR(a, 1) struct dock *prog(int a)\n",
        "int prog(struct dock *d)\n\t__acquires(d->lock)\n",
        "SYSCALL_DEFINE2(prog, union attr __user *, u, unsigned int, size)\n",
        "SYSCALL_DEFINE0(prog)\n",
    ],
)
def test_a_head_that_does_not_parse_keeps_its_function(head):
    source = f"int before(void)\n{{\n}}\n\n{head}{{\n\tint ret;\n\n\tgo(ret);\n}}\nint after;\n"
    size = head.count("\n") + 5
    assert locate(lines(source), "prog") == [(4, 4 + size)]
    assert [d.name for d in outline(lines(source))] == ["before", "prog"]


def test_an_error_in_a_body_leaves_the_function_to_the_tree():
    source = "static void walk(struct q *q) {\n\tq_walk(q, item) {\n\t\tgo(item);\n\t}\n}\n"
    assert errors(lines(source))
    assert laid_out(lines(source)) == []
    assert locate(lines(source), "walk") == [(0, 5)]


LOST_HEAD = """\
static int dock_saystruct dock *d, const char *fmt, ...)
{
	static const int steps[] = { 1, 2 };
	struct local { int a; } l;

	if (d) {
		go(d, steps);
	}
	return 0;
}
"""


def test_nothing_inside_of_a_function_without_a_head_is_a_definition():
    source = f"{LOST_HEAD}\n{SOUND}"
    assert [(d.name, d.span) for d in outline(lines(source))] == [("dock_next", (11, 14))]


OPEN_BRACE = """\
static int dock_go(struct dock *d)
{
	static const int steps[] = { "s"1, 2 };
	int ret = 0;

	if (d) {{
		ret = go(d, steps);
	} else {
		return 1;
	}
	switch (ret) {
	case 1:
		break->;
	}
	return ret;
}
"""
EARLY_BRACE = """\
static int dock_go(int d)
{
	int a;
	}
	if (d) {
		go(d);
	}
	return 1;
}
"""


@pytest.mark.parametrize("wrong", [OPEN_BRACE, EARLY_BRACE])
def test_a_body_with_a_brace_too_many_ends_where_layout_ends_it(wrong):
    after = "int after(void)\n{\n\treturn 2;\n}\n"
    source = f"{wrong}\n{after}"
    assert [d.name for d in outline(lines(source))] == ["dock_go", "after"]
    assert text_of(source, "dock_go") == [wrong]


def test_a_stray_brace_hides_no_function():
    body = "\tint b = 0;\n\n\tswitch (,b) {\n\tcase 1:\n\t\tbreak;\n\t}\n\treturn b;\n"
    end = "\treturn 1;\n}\n\n"
    one, two, three = "int one(void\n", "static int two(int a)\n", "int three(void)\n"
    source = f"{one}{{\n{end}}}\n\n{two}{{\n{body}}}\n\n{three}{{\n{end}"
    assert [d.name for d in outline(lines(source))] == ["one", "two", "three"]
    assert text_of(source, "two") == [f"{two}{{\n{body}}}\n"]


def test_what_is_torn_is_read_as_one_from_layout():
    typed = "typedef struct {\n\tint a;\n} ODD(4) dock_t;\n"
    assert [(d.kind, d.name, d.span) for d in outline(lines(typed))] == [
        ("struct", "dock_t", (0, 3))
    ]
    listed = "enum op {\n#define A_A 1\n#define A_B 2\n#define A_C 3\n\tA = 0,\n\tB,\n\tC,\n};\n"
    assert errors(lines(listed))
    assert [(d.name, d.span) for d in outline(lines(listed + SOUND))] == [
        ("op", (0, 8)),
        ("dock_next", (8, 11)),
    ]


def test_layout_is_asked_for_nothing_but_what_does_not_parse():
    wide = "#define DOCK_B 2 /* as\n\t\twide */\n"
    source = f"DOCK_ODD(a ->);\n\n{wide}\n{SOUND}"
    assert text_of(source, "DOCK_B") == [wide]


def test_a_head_that_is_broken_below_its_first_line_is_whole():
    head = (
        "DOCK_CALL(dock_seek, unsigned int, a, unsigned long, b,\n\tunsigned long, c, char *, d,\n"
    )
    source = f"#if A || \\\n\tB\n{head}\tunsigned int, e)\n{{\n\tint f;\n\n\tgo(f);\n}}\n#endif\n"
    assert [(d.name, d.span) for d in outline(lines(source))] == [("DOCK_CALL", (2, 10))]


def test_a_macro_that_makes_a_function_names_it():
    source = f"DEFINE_DOCK(run)\n{{\n\treturn 1;\n}}\n{SOUND}"
    assert errors(lines(source)) == 0
    assert next((d.name, d.span) for d in outline(lines(source))) == ("DEFINE_DOCK", (0, 4))


def test_a_path_with_stars_in_kconfig_opens_no_comment():
    berth = "config BERTH\n\tbool\n\thelp\n\t  See /dev/*.\n\n"
    source = berth + berth.replace("BERTH", "BAY") + "config PIER\n\thelp\n\t  See /proc/*/maps.\n"
    assert [d.name for d in outline(lines(source))] == ["BERTH", "BAY", "PIER"]


def test_a_definition_made_of_included_text_ends_where_layout_ends_it():
    source = 'enum {\n#define ID(x) ID_##x,\n#include "ids.h"\n#undef ID\n\tID_MAX,\n};\n' + SOUND
    assert [(d.name, d.span) for d in outline(lines(source))] == [
        ("ID_MAX", (0, 6)),
        ("dock_next", (6, 9)),
    ]


def test_a_line_that_does_not_parse_costs_its_neighbours_nothing():
    source = f"static DEFINE_TABLE(dock, 8);\n{SOUND}static DEFINE_WORK(w, dock_next);\n"
    assert errors(lines(source))
    assert [(d.name, d.span) for d in outline(lines(source))] == [("dock_next", (1, 4))]


@pytest.mark.parametrize(
    "text", ["\\\n", "int a;\n\\\n", "#define A \\\n\\\n", 'source "a"\nendif\t# if A\n']
)
def test_what_is_missing_behind_the_last_line_is_no_line(text):
    """A slash at the end promises one more, which the parser looks for."""
    assert [d.name for d in outline(split_text(text))] == re.findall(r"define (\w+)", text)


def test_calls_of_macros_above_a_function_are_not_its_head():
    source = f"MAKE_DOCK(a)\nMAKE_DOCK(b)\n\n{SOUND.replace(') {', ')' + chr(10) + '{')}"
    assert [(d.name, d.span) for d in outline(lines(source))] == [("dock_next", (3, 7))]


def test_bytes_that_are_no_text_do_not_matter():
    source = "/* \udce9 */\n\udce9\nint f(void)\n{\n}\n"
    assert [d.name for d in outline(lines(source))] == ["f"]


# -- names


@pytest.mark.parametrize("name", ["dock", "dock/left", "dock/right", "dock_attr/link_create/tcx"])
def test_nested_members_in_kernel_style(name):
    assert len(locate(lines(HEADER), name)) == 1
    assert locate(lines(HEADER), name) == locate_by_layout(lines(HEADER), name)


@pytest.mark.parametrize("name", ["dock/none", "none/left", "dock_nop/left", ""])
def test_names_that_are_nowhere(name):
    assert locate(lines(HEADER), name) == []


def test_nested_members_of_any_style():
    odd = "\tstruct { int b; } inner[2], *other;\n"
    assert text_of(ODD_STYLE, "brace_below/inner") == [odd]
    assert text_of(ODD_STYLE, "brace_below/other") == [odd]
    assert text_of(ODD_STYLE, "brace_below/brace_below") == []
    unnamed = "struct a {\n\tunion {\n\t\tstruct { int c; } b;\n\t};\n} d;\n"
    assert text_of(unnamed, "a/b") == ["\t\tstruct { int c; } b;\n"]


LOCAL = """\
int dock_run(void)
{
	struct params {
		int a;
		struct { int deep; } in;
	} one, two;
	struct dock *dock;

	return one.a;
}
"""


@pytest.mark.parametrize("name", ["params", "one", "two"])
def test_a_struct_inside_a_function_is_named_through_it(name):
    assert locate(lines(LOCAL), f"dock_run/{name}") == [(2, 6)]
    assert locate(lines(LOCAL), f"dock_run/{name}/in") == [(4, 5)]
    assert locate(lines(LOCAL), name) == []
    assert locate(lines(LOCAL), "dock_run/dock") == []


def test_a_member_that_does_not_parse_comes_from_layout():
    inner = "\tstruct ODD(4) {\n\t\tint a;\n\t} in;\n"
    source = f"struct dock {{\n\tint b;\n{inner}}};\n"
    assert errors(lines(source))
    assert text_of(source, "dock/in") == [inner]


def test_a_member_that_both_readers_find_is_one():
    source = "struct dock {\n\tODD ODD ODD\n\n\tstruct {\n\t\tint x;\n\t} in;\n};\n"
    assert errors(lines(source))
    assert locate(lines(source), "dock/in") == [(3, 6)]


def test_a_member_that_holds_what_does_not_parse_comes_from_layout():
    inner = "\tstruct {\n\t\tDOCK_BITS(a; b);\n\t\tstruct { int c; } deep;\n\t} in;\n"
    assert text_of(f"struct dock {{\n{inner}}};\n", "dock/in") == [inner]


def test_enclosing():
    text = lines(SOURCE)
    at = {line: number for number, line in enumerate(text)}
    assert enclosing(text, at["\t.open = dock_open,\n"]) == "dock_ops"
    assert enclosing(text, at["out:\n"]) == "dock_say"
    assert enclosing(text, at["EXPORT_SYMBOL_GPL(dock_say);\n"]) == ""
    assert enclosing(text, len(text) + 5) == ""


def test_a_name_defined_twice_has_two_extents():
    source = "#ifdef A\nint f(void)\n{\n}\n#else\nint f(void)\n{\n}\n#endif\n"
    assert locate(lines(source), "f") == [(1, 4), (5, 8)]


def test_what_is_remembered_of_a_text_is_not_told_of_another():
    text = ["int one;\n", "int two(void)\n", "{\n", "}\n"]
    first = outline(text)
    assert [item.name for item in first] == ["two"]
    first.clear()
    assert [item.name for item in outline(text)] == ["two"]
    text[1] = "int three(void)\n"
    assert [item.name for item in outline(text)] == ["three"]


# -- what the parser is given


@pytest.mark.parametrize("text", [HEADER, SOURCE, ODD_STYLE, "f(a, struct\ndock)\n#define A \n"])
def test_blanking_keeps_every_line(text):
    assert plain(text.encode()).count(b"\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "typedef unsigned int __bitwise dock_t;\n",
        "typedef __bitwise unsigned int dock_t;\n",
        "void f(void)\n{\n\tdock_for_each_entry_rcu(a, b)\n\t\tgo(a);\n}\n",
        "int dock_for_each(int a);\n",
        "int f(void)\n{\n\treturn dock_for_each(a, b);\n}\n",
        "int a = container_of(p, struct dock, q);\n",
        "#define EMPTY \n#define FULL 1 /* all */ \n#define REST\n",
        "#ifndef __init\n#define __init __section(init)\n#endif\n#undef __exit\n",
    ],
)
def test_what_parses(text):
    assert errors(lines(text)) == 0


def test_names_stay_what_they_are():
    source = b"#define __init __section(init)\n#define dock_for_each(d) \\\n\tfor (;;)\n"
    assert plain(source) == source
    assert plain(b"int dock_for_each(void)\n") == b"int dock_for_each(void)\n"


def test_errors_are_counted():
    assert errors([]) == 0
    assert errors(lines("int f(void)\n{\n\tif (a) {\n}\n")) > 0


def test_each_line_has_the_holder_that_is_told_of_it_alone():
    text = lines(
        "int dock;\n\nint berth(void)\n{\n\treturn 1;\n}\n\nstruct pier {\n\tint deep;\n};\n"
    )
    assert holders(text) == [enclosing(text, number) for number in range(len(text))]
    assert set(holders(text)) == {"", "berth", "pier"}
