"""C in a parser's eyes: what does not parse.

tree-sitter's C grammar does not know the kernel's macros; what is known to throw it off is taken
out of the text before, line by line, so that places stay what they are.
"""

from __future__ import annotations

import re
from functools import cache

import tree_sitter_c
from tree_sitter import Language, Node, Parser

from backport.csource import Lines, join_lines

# Words without a meaning in C, in front of types, names and definitions; not where one is defined.
_ANNOTATION = re.compile(
    rb"\b(?<!define\s)(?<!ifdef\s)(?<!ifndef\s)(?<!undef\s)"
    rb"(?:__(?:rcu|user|percpu|iomem|force|bitwise|kernel|init|exit|initdata|net_init|net_exit"
    rb"|net_initdata|always_inline|maybe_unused|must_check|read_mostly|ro_after_init|sched|cold"
    rb"|always_unused|packed|ref|latent_entropy|randomize_layout|bpf_kfunc)"
    rb"|noinline|noinline_for_stack|asmlinkage|INDIRECT_CALLABLE_SCOPE)\b"
)
# At the start of a statement: in a head it is a function's name.
_LOOP = re.compile(rb"^[ \t]+\w*for_?each\w*(?=[ \t]*\()", re.M)
# A type as an argument of a macro: container_of(p, struct x, member).
_TYPE_ARGUMENT = re.compile(rb"(?<=[(,])(\s*)(?:struct|union|enum)[ \t](?=\s*\w+\s*[,)])")


def errors(lines: Lines) -> int:
    """How many places of a text do not parse as C."""
    return _count(_parse(lines)) if lines else 0


def plain(data: bytes) -> bytes:
    """Kernel C with its annotations blanked and its loops as `while`, so that a C parser follows.

    One word that it does not know throws it off for lines, by how much depends on what is near.
    """
    text = _LOOP.sub(b"while", _ANNOTATION.sub(b"", data))
    # Behind blanks at a line's end the parser takes the next line for a part of a macro.
    text = b"\n".join(map(bytes.rstrip, text.split(b"\n")))
    return _TYPE_ARGUMENT.sub(rb"\1", text)


def _parse(lines: Lines) -> Node:
    return _parser().parse(plain(join_lines(lines))).root_node


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_c.language()))


def _count(root: Node) -> int:
    total, stack = 0, [root]
    while stack:
        node = stack.pop()
        if node.is_missing or node.type == "ERROR":
            total += 1
        if node.has_error:
            stack.extend(node.children)
    return total
