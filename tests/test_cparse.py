"""C in a parser's eyes."""

from __future__ import annotations

import pytest
from test_csource import HEADER, SOURCE

from backport.cparse import errors, plain
from backport.csource import split_text


def lines(text):
    return split_text(text)


# -- what the parser is given


@pytest.mark.parametrize("text", [HEADER, SOURCE, "f(a, struct\ndock)\n#define A \n"])
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
