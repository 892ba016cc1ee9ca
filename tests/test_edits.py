"""Rules on the merged text: substitutions, insertions, removals and shims."""

from __future__ import annotations

import pytest

from backport.picking.resolvers import edits
from backport.values.csource import split_text
from backport.values.rule import Edit, Insert, Remove, Shim, Substitution

SOURCE = """\
#include <linux/a.h>

static int one(void)
{
	return 0;
}

#ifdef CONFIG_DOCK

static int two(void)
{
	return 0;
}
#endif

static int three(void)
{
	return 0;
}
"""


def run(function, text, *args):
    lines, count = function(split_text(text), *args)
    assert lines == split_text("".join(lines))  # never an odd line in the list
    return "".join(lines), count


def edit(text, find, replace, within=""):
    return run(edits.edit, text, Edit(Substitution(find, replace)), within)


# -- edit


def test_edit_counts_every_place():
    got, count = edit(SOURCE, r"return 0;", "return 1;")
    assert (count, got) == (3, SOURCE.replace("return 0;", "return 1;"))


def test_edit_within_one_definition():
    got, count = edit(SOURCE, r"^\treturn (0);$", r"\treturn \1 + 2;", "two")
    assert count == 1
    assert got == SOURCE.replace("0;\n}\n#endif", "0 + 2;\n}\n#endif")


def test_edit_within_what_is_not_there():
    assert edit(SOURCE, "return", "x", "four") == (SOURCE, 0)


def test_edit_over_several_lines_and_into_the_next():
    got, count = edit(SOURCE, r"static int one\(void\)\n\{\n.*\n\}\n\n", "")
    assert count == 1
    assert got == SOURCE.replace("static int one(void)\n{\n\treturn 0;\n}\n\n", "")
    assert edit("a\nb\nc\n", r"b\n", "b") == ("a\nbc\n", 1)
    assert edit("a\nb", "$(?!\n)", "\nc\n")[0] == "a\nb\nc\n"


def test_edit_sees_only_line_feeds_as_line_ends():
    assert edit("a\x0cb\u2028c\n", "^[bc]", "X") == ("a\x0cb\u2028c\n", 0)


# -- insert


def insert(text, anchor, lines, *, before=False, within=""):
    return run(edits.insert, text, Insert(anchor, lines, before), within)


def test_insert_after_and_before():
    assert insert("a\nb\nc\n", "^b$", ("x\n", "y\n")) == ("a\nb\nx\ny\nc\n", 1)
    assert insert("a\nb\nc\n", "^b$", ("x\n",), before=True) == ("a\nx\nb\nc\n", 1)


@pytest.mark.parametrize("anchor,places", [("^d$", 0), ("^[ab]$", 2)])
def test_insert_counts_anchors(anchor, places):
    assert insert("a\nb\nc\n", anchor, ("x\n",))[1] == places


def test_insert_within():
    got, count = insert(SOURCE, "return 0;", ("\tx();\n",), before=True, within="three")
    assert count == 1
    assert got.endswith("three(void)\n{\n\tx();\n\treturn 0;\n}\n")


def test_insert_behind_a_last_line_without_feed():
    assert insert("a\nb", "^b$", ("x\n",)) == ("a\nb\nx\n", 1)
    assert insert("a\nb", "^b$", ("x\n",), before=True) == ("a\nx\nb", 1)


# -- remove


def remove(text, symbol):
    return run(edits.remove, text, Remove(symbol))


def test_remove_takes_one_of_the_blank_lines():
    got, count = remove(SOURCE, "one")
    assert count == 1
    assert got == SOURCE.replace("static int one(void)\n{\n\treturn 0;\n}\n\n", "")


def test_remove_takes_the_guard_that_holds_nothing_else():
    got, _ = remove(SOURCE, "two")
    assert "CONFIG_DOCK" not in got and "two" not in got and "#endif" not in got
    assert "}\n\nstatic int three" in got


def test_remove_at_the_end_leaves_no_blank_line():
    got, _ = remove(SOURCE, "three")
    assert got.endswith("}\n#endif\n")


def test_remove_keeps_the_space_between_its_neighbours():
    text = "int x;\nint f(void)\n{\n}\n\nint g(void)\n{\n}\n"
    assert remove(text, "f")[0] == "int x;\n\nint g(void)\n{\n}\n"


def test_remove_counts():
    assert remove(SOURCE, "four") == (SOURCE, 0)
    twice = "#if A\nint f(void)\n{\n}\n#else\nint f(void)\n{\n}\n#endif\n"
    assert remove(twice, "f") == ("#if A\n#else\n#endif\n", 2)


def test_remove_a_nested_member():
    text = "union u {\n\tstruct {\n\t\tint a;\n\t} one;\n\tstruct {\n\t\tint b;\n\t} two;\n};\n"
    assert remove(text, "u/one")[0] == "union u {\n\tstruct {\n\t\tint b;\n\t} two;\n};\n"


# -- shim

SHIM = Shim("bay", "^#include <linux/a.h>$", ("\n", "static int bay(void) { return 0; }\n"))


def test_shim_where_it_is_missing():
    got, count = run(edits.shim, SOURCE, SHIM)
    assert count == 1
    assert got == SOURCE.replace("a.h>\n", "a.h>\n\nstatic int bay(void) { return 0; }\n")


@pytest.mark.parametrize(
    "there",
    [
        "static int bay(void) { return 0; }\n",
        "static int bay(void)\n{ return 0; }\n",
        "int bay(void)\n{\n\treturn 1;\n}\n",
        "#define bay() 0\n",
    ],
)
def test_shim_where_it_is_there(there):
    assert run(edits.shim, there + SOURCE, SHIM) == (there + SOURCE, 1)


def test_shim_counts_its_anchors():
    assert run(edits.shim, "int x;\n", SHIM) == ("int x;\n", 0)
    assert run(edits.shim, "#include <linux/a.h>\n" * 2, SHIM)[1] == 2
