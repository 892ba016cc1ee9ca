"""The form gate: markers, doubled definitions, parse errors against what was there."""

from __future__ import annotations

import pytest

from backport.gates.accounting import Sides
from backport.gates.form import objections
from backport.values.csource import split_lines

FUNCTION = b"static int one(int a)\n{\n\treturn a;\n}\n"
KERNELISH = b"""
struct toy {
	struct other __rcu *peer;
};
static __always_inline int run(const struct list *list)
{
	int sum = 0;

	toy_foreach_entry(list, item) {
		sum += item->n;
	}
	return sum + container_of(list, struct toy, peer)->n;
}
static int __init toy_init(void)
{
	stats = alloc_percpu(struct toy);
	return 0;
}
"""


def sides(ours, theirs, result, path="net/toy.c", base=b""):
    texts = (split_lines(data) for data in (base, ours, theirs, result))
    return Sides(path, *texts)


def test_a_sound_addition_passes():
    both = FUNCTION + FUNCTION.replace(b"one", b"two")
    assert objections(sides(FUNCTION, FUNCTION.replace(b"one", b"two"), both)) == []


def test_a_marker_is_named_with_its_line():
    text = FUNCTION + b"<<<<<<< ours\n"
    assert "net/toy.c:5: a conflict marker" in objections(sides(FUNCTION, b"", text))


def test_a_doubled_function_is_named():
    assert objections(sides(FUNCTION, FUNCTION, FUNCTION + FUNCTION)) == [
        "net/toy.c: one is defined twice"
    ]


def test_variants_under_if_are_no_double_where_upstream_has_them():
    variants = b"#ifdef A\n" + FUNCTION + b"#else\n" + FUNCTION + b"#endif\n"
    assert objections(sides(b"", variants, variants)) == []


def test_a_lost_brace_is_noticed():
    broken = FUNCTION.replace(b"{\n", b"{\n\tif (a) {\n")
    (found,) = objections(sides(FUNCTION, FUNCTION, broken))
    assert "do not parse as C" in found


def test_what_the_target_could_not_parse_before_is_not_held_against_it():
    odd = b"DEFINE_ODD(x, struct) {{{\n"
    assert objections(sides(odd, FUNCTION, odd + FUNCTION)) == []


def test_only_c_is_parsed():
    kconfig = b"config A\n\tbool\n"
    assert objections(sides(kconfig, kconfig, kconfig * 2, path="net/Kconfig")) == []


@pytest.mark.parametrize("text", [KERNELISH, FUNCTION])
def test_kernel_annotations_and_loops_parse(text):
    damaged = text.replace(b"\treturn", b"\t{ return", 1)
    assert objections(sides(text, text, text + b"\n")) == []
    assert objections(sides(text, text, damaged))


# -- conditionals of the preprocessor

GUARDED = b"#ifdef CONFIG_TOY\n" + FUNCTION + b"#endif\n"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (b"#ifdef CONFIG_TOY\n\n#endif\n", "nothing between #ifdef CONFIG_TOY and its #endif"),
        (
            b"#if A\n#  ifdef  B\n# else\n# endif\n#endif\n",
            "nothing between # ifdef B and its #endif",
        ),
        (GUARDED + b"#endif\n", "an #endif without its #if"),
        (b"#ifndef A\n" + GUARDED, "#ifndef A has no #endif"),
    ],
)
def test_a_conditional_that_is_odd_is_named(result, said):
    assert f"net/toy.c: {said}" in objections(sides(GUARDED, GUARDED, result))


def test_an_odd_conditional_of_either_side_is_not_the_results():
    empty = b"#ifdef CONFIG_TOY\n#endif\n"
    assert objections(sides(empty, GUARDED, empty)) == []
    assert objections(sides(GUARDED, empty, empty)) == []
    doubled = objections(sides(empty, GUARDED, empty + empty))
    assert doubled == ["net/toy.c: nothing between #ifdef CONFIG_TOY and its #endif"]


def test_a_conditional_with_a_branch_or_a_nested_one_holds_something():
    nested = b"#if A\n#ifdef B\nint x;\n#endif\n#else\n#endif\n"
    assert objections(sides(b"", b"", nested)) == []
