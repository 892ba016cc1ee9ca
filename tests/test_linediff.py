"""Differences of lines: right by property, placed where a person would place them."""

from __future__ import annotations

import random
import time

import pytest

from backport.values.csource import split_text
from backport.values.linediff import Delta, deltas

ALPHABET = ["\n", "\t}\n", "}\n", "\tbreak;\n", "\tcase A:\n", "int f(void)\n", "{\n", "\tg();\n"]


def applied(old, new, found):
    """`old` with the deltas made, taking new items from `new`."""
    out, at = [], 0
    for delta in found:
        out += [*old[at : delta.a1], *new[delta.b1 : delta.b2]]
        at = delta.a2
    return [*out, *old[at:]]


def randomly(seed):
    rng = random.Random(seed)
    old = [rng.choice(ALPHABET) for _ in range(rng.randrange(0, 25))]
    new = list(old)
    for _ in range(rng.randrange(0, 6)):
        at = rng.randrange(0, len(new) + 1)
        new[at : at + rng.randrange(0, 3)] = rng.choices(ALPHABET, k=rng.randrange(0, 4))
    return old, new


@pytest.mark.parametrize("seed", range(60))
def test_deltas_turn_old_into_new(seed):
    for sub in range(20):
        old, new = randomly(f"{seed}.{sub}")
        found = deltas(old, new)
        assert applied(old, new, found) == new
        for delta in found:
            a, b = old[delta.a1 : delta.a2], new[delta.b1 : delta.b2]
            assert a or b  # no empty deltas
            assert not (a and b) or (a[0] != b[0] and a[-1] != b[-1])  # nothing equal inside
        ends = [0, *(x for d in found for x in (d.a1, d.a2))]
        assert ends == sorted(ends)
        ends = [0, *(x for d in found for x in (d.b1, d.b2))]
        assert ends == sorted(ends)


def test_equal_and_empty():
    assert deltas([], []) == []
    assert deltas(["a\n"], ["a\n"]) == []
    assert deltas([], ["a\n"]) == [Delta(0, 0, 0, 1)]
    assert deltas(["a\n"], []) == [Delta(0, 1, 0, 0)]


def test_a_missing_newline_is_a_difference():
    assert deltas(["a\n", "b"], ["a\n", "b\n"]) == [Delta(1, 2, 1, 2)]


def added(old, new):
    """The runs that are purely added."""
    old, new = split_text(old), split_text(new)
    found = deltas(old, new)
    assert applied(old, new, found) == new
    return ["".join(new[d.b1 : d.b2]) for d in found if d.a1 == d.a2]


FIRST = "int f(void)\n{\n\treturn 1;\n}\n\n"
SECOND = "int g(void)\n{\n\treturn 2;\n}\n\n"
THIRD = "int h(void)\n{\n\treturn 3;\n}\n\n"


def test_an_added_function_starts_at_its_head():
    assert added(FIRST + THIRD, FIRST + SECOND + THIRD) == [SECOND]


def test_an_added_struct_member_starts_at_its_opening():
    before = "\tstruct {\n\t\tint a;\n\t} one;\n"
    more = "\tstruct {\n\t\tint b;\n\t} two;\n"
    text = "union u {\n%s};\n"
    assert added(text % before, text % (before + more)) == [more]


def test_an_added_case_starts_at_its_label():
    text = "\tswitch (x) {\n\tcase A:\n\t\tf();\n\t\tbreak;\n%s\tdefault:\n\t\tbreak;\n\t}\n"
    more = "\tcase B:\n\t\tg();\n\t\tbreak;\n"
    assert added(text % "", text % more) == [more]


def test_an_addition_never_slides_into_the_one_before():
    old = ["a\n", "}\n"]
    new = ["a\n", "x\n", "}\n", "y\n", "}\n", "y\n", "}\n"]
    assert applied(old, new, deltas(old, new)) == new


def test_a_long_file_is_fast():
    old = [f"line {i % 997} of {i}\n" if i % 3 else "\tbreak;\n" for i in range(12_000)]
    new = [line for i, line in enumerate(old) if i % 500] + ["end\n"]
    start = time.monotonic()
    assert applied(old, new, deltas(old, new)) == new
    assert time.monotonic() - start < 2
