"""Two diffs in rows: what both have is one row, what is alike stands side by side."""

from __future__ import annotations

import random
import subprocess

import pytest

from backport.values.csource import split_text
from backport.values.sidebyside import (
    ADDED,
    KEPT,
    REMOVED,
    DiffLine,
    Row,
    diff_lines,
    side_by_side,
    words_apart,
)

OLD = split_text("int a;\n\nint f(void)\n{\n\tone();\n\ttwo();\n\tthree();\n\treturn 0;\n}\nlast\n")


def texts(rows):
    return [(r.left and r.left.key, r.right and r.right.key, r.same) for r in rows]


def paired(base, theirs, ours, result):
    sides = [diff_lines(split_text(a), split_text(b)) for a, b in ((base, theirs), (ours, result))]
    return side_by_side(*sides)


def test_a_diff_has_numbers_context_and_the_definition_that_it_is_in():
    new = [line.replace("two", "TWO") for line in OLD]
    lines = diff_lines(OLD, new)
    assert [(x.sign, x.text, x.old, x.new) for x in lines] == [
        (" ", "int f(void)", 3, 3),
        (" ", "{", 4, 4),
        (" ", "\tone();", 5, 5),
        ("-", "\ttwo();", 6, 0),
        ("+", "\tTWO();", 0, 6),
        (" ", "\tthree();", 7, 7),
        (" ", "\treturn 0;", 8, 8),
        (" ", "}", 9, 9),
    ]
    assert [x.heading for x in lines] == ["int a;", *[None] * 7]
    assert [x.number for x in lines[3:5]] == [6, 6]


def test_numbers_go_on_behind_an_addition_and_far_changes_are_hunks_of_their_own():
    old = [f"line {n}\n" for n in range(40)]
    new = ["first\n", *old[:30], "late\n", *old[30:]]
    lines = diff_lines(old, new)
    assert [x.key for x in lines if x.heading is not None] == ["+first", " line 27"]
    assert (lines[-1].old, lines[-1].new) == (33, 35)
    assert diff_lines(old, old) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_diff_is_what_git_would_have_to_apply(seed, tmp_path):
    rng = random.Random(seed)
    old = [f"{rng.choice('abcdef')}{rng.randrange(9)}\n" for _ in range(60)]
    new = [x for x in old if rng.random() > 0.1]
    for _ in range(6):
        new.insert(rng.randrange(len(new)), f"new {rng.randrange(99)}\n")
    out = []
    for line in diff_lines(old, new):
        if line.heading is not None:
            out.append([line, []])
        out[-1][1].append(line)
    patch = ["--- a/x\n", "+++ b/x\n"]
    for _, body in out:
        olds = [x.old for x in body if x.old]
        news = [x.new for x in body if x.new]
        patch.append(f"@@ -{olds[0]},{len(olds)} +{news[0]},{len(news)} @@\n")
        patch += [f"{x.key}\n" for x in body]
    (tmp_path / "x").write_text("".join(old))
    subprocess.run(
        ["git", "apply", "--unsafe-paths", "-"],
        cwd=tmp_path,
        input="".join(patch).encode(),
        check=True,
    )
    assert (tmp_path / "x").read_text() == "".join(new)


def test_the_same_change_is_one_row_each_wherever_it_stands():
    rows = paired("a\nb\nc\n", "a\nB\nc\n", "zero\na\nb\nc\n", "zero\na\nB\nc\n")
    assert texts(rows) == [
        (None, " zero", False),
        (" a", " a", True),
        ("-b", "-b", True),
        ("+B", "+B", True),
        (" c", " c", True),
    ]
    assert [row.changes for row in rows] == [False, False, True, True, False]


def test_lines_that_are_alike_stand_side_by_side():
    rows = paired("x\n", "x\nint a = f(one);\nother\n", "x\n", "x\nint a = f(one, two);\n")
    assert texts(rows)[1:] == [
        ("+int a = f(one);", "+int a = f(one, two);", False),
        ("+other", None, False),
    ]


def test_one_line_for_one_line_stands_side_by_side_however_unlike():
    rows = paired("x\n", "x\nreturn capable();\n", "x\n", "x\nif (a || b)\n")
    assert texts(rows)[1:] == [("+return capable();", "+if (a || b)", False)]


def test_a_line_that_only_one_side_has_to_add_is_beside_itself():
    rows = paired("x\n", "x\nnew\n", "x\nnew\n", "x\nnew\nother\n")
    assert ("+new", " new", False) in texts(rows)


def test_every_line_of_both_diffs_is_in_one_row_in_order():
    rng = random.Random(7)
    for _ in range(30):
        left, right = (
            [
                DiffLine(rng.choice(" +-"), rng.choice("abcd"), 1, 1)
                for _ in range(rng.randrange(12))
            ]
            for _ in range(2)
        )
        rows = side_by_side(left, right)
        assert [r.left for r in rows if r.left] == left
        assert [r.right for r in rows if r.right] == right
        for row in rows:
            same = row.left is not None and row.right is not None and row.left.key == row.right.key
            assert row.same == same


def test_a_large_place_is_not_searched_for_likeness():
    left = [DiffLine(ADDED, f"left number {n}", 0, n) for n in range(300)]
    right = [DiffLine(REMOVED, f"right number {n}", n, 0) for n in range(300)]
    rows = side_by_side(left, right)
    assert rows[0] == Row(left[0], None) and rows[-1] == Row(None, right[-1])


def test_words_that_differ_are_told_on_each_side():
    left, right = words_apart("return f(a);", "return f(a, b);")
    assert "".join(text for text, _ in left) == "return f(a);"
    assert [text for text, differs in right if differs] == [", b"]
    assert not any(differs for _, differs in left)
    assert words_apart("", "") == ([], [])
    assert KEPT == " "
