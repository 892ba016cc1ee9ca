"""C in a parser's eyes."""

from __future__ import annotations

import pytest
from test_csource import HEADER, SOURCE

from backport.cparse import errors, plain
from backport.csource import split_text


def lines(text):
    return split_text(text)


# -- what the parser is given


@pytest.mark.parametrize("text", [HEADER, SOURCE])
def test_blanking_keeps_every_line(text):
    assert plain(text.encode()).count(b"\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "typedef unsigned int __bitwise dock_t;\n",
        "void f(void)\n{\n\tdock_for_each_entry_rcu(a, b)\n\t\tgo(a);\n}\n",
        "int a = container_of(p, struct dock, q);\n",
    ],
)
def test_what_parses(text):
    assert errors(lines(text)) == 0


def test_errors_are_counted():
    assert errors([]) == 0
    assert errors(lines("int f(void)\n{\n\tif (a) {\n}\n")) > 0
