"""Where things stand in C: definitions and nested members by name, out of a parser's tree.

tree-sitter's C grammar does not know the kernel's macros, and what it makes of one may run on for
thousands of lines. So its tree is believed where it holds no error, and the stretches between are
read from layout, as `backport.values.csource` does. Kconfig parses nowhere and is all read so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import tree_sitter_c
from tree_sitter import Language, Node, Parser

from backport.values.csource import (
    Definition,
    Lines,
    Span,
    callable_name,
    closing,
    is_head,
    join_lines,
    laid_out,
    members_laid_out,
)

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

_TAGGED = {"struct_specifier": "struct", "union_specifier": "union", "enum_specifier": "enum"}
_MACROS = {"preproc_def", "preproc_function_def"}
_DECLARES = {"declaration", "type_definition", "field_declaration"}
_MEMBERS = {"enumerator", "field_declaration"}
_BODIES = {"compound_statement", "field_declaration_list", "enumerator_list", "initializer_list"}
# What holds definitions of file level.
_HOLDERS = {
    "translation_unit", "preproc_if", "preproc_ifdef", "preproc_elif", "preproc_elifdef",
    "preproc_else", "linkage_specification", "declaration_list",
}  # fmt: skip
# Statements that no file has outside of its functions: the parser lost a head above them. And a
# function without a name that is to be believed.
_STRAY = re.compile(r"(?!expression_)\w+_statement|function_definition")

_GAP = re.compile(r"\n\s*\n")

# Whose a line is; and how lines begin that belong to what stands above them.
_FREE, _BROKEN, _WEAK, _SOUND = range(4)
_INDENT = (" ", "\t")
_WITHIN = (*_INDENT, "\n", "\r", "{", "}")


@dataclass(frozen=True)
class _Reading:
    """What there is to know of one text."""

    definitions: tuple[Definition, ...]
    errors: int


def outline(lines: Lines) -> list[Definition]:
    """All definitions of a file, in order."""
    return list(_read(tuple(lines)).definitions)


def errors(lines: Lines) -> int:
    """How many places of a text do not parse as C."""
    return _read(tuple(lines)).errors


def locate(lines: Lines, name: str) -> list[Span]:
    """Every extent that `name` has: `f`, `bpf_attr`, or a nested `bpf_attr/link_create/tcx`."""
    head, *members = name.split("/")
    spans = [item.span for item in outline(lines) if item.name == head]
    for member in members:
        spans = [inner for span in spans for inner in _member(lines, span, member)]
    return spans


def enclosing(lines: Lines, index: int) -> str:
    """The name of the definition that holds a line, '' at file level."""
    for item in outline(lines):
        if item.span[0] <= index < item.span[1]:
            return item.name
    return ""


def holders(lines: Lines) -> list[str]:
    """The name of the definition that holds each line, '' at file level."""
    found = [""] * len(lines)
    for item in outline(lines):
        found[slice(*item.span)] = [item.name] * (item.span[1] - item.span[0])
    return found


def plain(data: bytes) -> bytes:
    """Kernel C with its annotations blanked and its loops as `while`, so that a C parser follows.

    One word that it does not know throws it off for lines, by how much depends on what is near.
    """
    text = _LOOP.sub(b"while", _ANNOTATION.sub(b"", data))
    # Behind blanks at a line's end the parser takes the next line for a part of a macro.
    text = b"\n".join(map(bytes.rstrip, text.split(b"\n")))
    return _TYPE_ARGUMENT.sub(rb"\1", text)


@lru_cache(maxsize=128)  # one file is asked about once for each conflict, rule and gate
def _read(lines: tuple[str, ...]) -> _Reading:
    root = _parse(lines)
    return _Reading(tuple(_outline(root, lines)), _count(root))


def _parse(lines: Lines) -> Node:
    return _parser().parse(plain(join_lines(lines))).root_node


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_c.language()))


def _count(root: Node) -> int:
    total, stack = 0, [root]
    while stack:
        node = stack.pop()
        if node.is_missing or node.is_error:
            total += 1
        if node.has_error:
            stack.extend(node.children)
    return total


# -- definitions: where the tree holds no error, and the stretches where it does


def _outline(root: Node, lines: Lines) -> list[Definition]:
    found, broken = _survey(root, lines)
    owners = _owners(lines, found, broken)
    read = list(_laid_out_in(lines, owners))
    for item in read:
        _fill(owners, item.span, _BROKEN)
    kept = [item for item in found if _BROKEN not in owners[slice(*item.span)]]
    return sorted([*kept, *read], key=lambda item: item.span)


def _survey(root: Node, lines: Lines) -> tuple[list[Definition], list[Span]]:
    """The definitions that the tree is sure of, and the lines of what does not parse."""
    found: list[Definition] = []
    broken: list[Span] = []
    stack = [(root, False)]  # a node, and whether it is part of something that does not parse
    while stack:
        node, astray = stack.pop()
        if node.type in _HOLDERS:
            stack += [(child, astray) for child in node.children]
        elif node.has_error and (astray or not _closes(node, lines)):
            broken += [] if astray else [_rows(node)]
            stack += [(child, True) for child in node.children]
        elif item := _definition(node, astray):
            found.append(_whole(item, lines))
        elif not astray and _STRAY.fullmatch(node.type):
            broken.append(_rows(node))
    return found, broken


def _whole(item: Definition, lines: Lines) -> Definition:
    """A definition with the lines above it that hold nothing but annotations."""
    first, last = item.span
    while first and _annotates(lines, first - 1):
        first -= 1
    return replace(item, span=(first, last))


def _annotates(lines: Lines, index: int) -> bool:
    return is_head(lines, index) and not plain(join_lines([lines[index]])).strip()


def _closes(node: Node, lines: Lines) -> bool:
    """Whether errors are in a definition's body alone, and it ends where layout has it end."""
    while node.type not in _BODIES:
        wrong = [child for child in node.children if child.has_error]
        if len(wrong) != 1 or node.is_error:
            return False
        node = wrong[0]
    return closing(lines, node.start_point.row) == _rows(node)[1]


def _owners(lines: Lines, found: Sequence[Definition], broken: Sequence[Span]) -> bytearray:
    """Who can tell of each line.

    What does not parse may hold whole functions behind its first lines. One that touches it, by a
    head above or a tail below that is not its own, is none; nor is what stands indented in it.
    """
    owners = bytearray(len(lines))
    for span in broken:
        _fill(owners, span, _BROKEN)
    for item in sorted(found, key=lambda item: item.span):
        weak = item.kind == "macro" or lines[item.span[0]][:1] in _INDENT
        torn = _is_torn(lines, owners, item.span)
        _fill(owners, item.span, _BROKEN if torn else _WEAK if weak else _SOUND)
    at = 0
    while (at := owners.find(_BROKEN, at)) >= 0:
        first = at
        while at < len(lines) and _runs_on(owners[at], lines[at]):
            at += 1
        _fill(owners, (first, at), _BROKEN)
    return owners


def _is_torn(lines: Lines, owners: bytearray, span: Span) -> bool:
    first, last = span
    if first and owners[first - 1] == _BROKEN and is_head(lines, first - 1):
        return True
    return last < len(lines) and owners[last] == _BROKEN and lines[last][:1] in _INDENT


def _fill(owners: bytearray, span: Span, owner: int) -> None:
    """Write an owner into lines; what the parser misses behind the last one is no line."""
    first, last = span[0], min(span[1], len(owners))
    owners[first:last] = bytes([owner]) * (last - first)


def _runs_on(owner: int, line: str) -> bool:
    """Whether a line belongs to the broken ones above it."""
    return owner == _BROKEN or (owner != _SOUND and line[:1] in _WITHIN)


def _laid_out_in(lines: Lines, owners: bytearray) -> Iterator[Definition]:
    """What layout tells of the broken lines; a definition that begins there may end below."""
    at = 0
    while (first := owners.find(_BROKEN, at)) >= 0:
        limit = owners.find(_SOUND, first)
        limit = len(lines) if limit < 0 else limit
        at = limit
        for item in laid_out(lines[first:limit]):
            start, end = item.span
            if owners[first + start] == _BROKEN:
                yield replace(item, span=(first + start, first + end))


# -- one definition


def _definition(node: Node, astray: bool) -> Definition | None:
    """What a node defines; of what is astray only a whole function counts."""
    kind = name = ""
    if node.type == "function_definition":
        kind, name = "function", _function(node)
    elif astray:
        return None
    elif node.type in _MACROS:
        kind, name = "macro", _text(node.child_by_field_name("name"))
    elif node.type in _TAGGED and node.child_by_field_name("body"):
        kind, name = _TAGGED[node.type], _tag(node) or _first_inside(node)
    elif node.type in _DECLARES:
        kind, name = _declared(node)
    return Definition(kind, name, _rows(node)) if name else None


def _function(node: Node) -> str:
    """A function's name, '' where calls of macros in lines above pass for its head."""
    head = _text(node).partition("{")[0]
    declarator = node.child_by_field_name("declarator")
    if declarator is None or declarator.type == "parenthesized_declarator":  # a macro's call
        return callable_name(head)
    apart = _GAP.search(head, 0, declarator.end_byte - node.start_byte)
    return "" if apart else _named(declarator)


def _declared(node: Node) -> tuple[str, str]:
    """Kind and name of a declaration that has a body or an initialiser in braces."""
    inner = _tagged(node)
    declarators = node.children_by_field_name("declarator")
    if inner:
        names = [_tag(inner), *map(_named, declarators), _first_inside(inner)]
        return _TAGGED[inner.type], next(filter(None, names), "")
    for one in declarators:
        value = one.child_by_field_name("value")
        if value and value.type == "initializer_list":
            return "table", _named(one)
    return "", ""


def _tagged(node: Node) -> Node | None:
    """The struct, union or enum that a declaration defines with its body."""
    inner = node.child_by_field_name("type")
    return inner if inner and inner.child_by_field_name("body") else None


def _tag(node: Node) -> str:
    return _text(node.child_by_field_name("name"))


def _first_inside(node: Node) -> str:
    """What an enum without a name goes by: its first member, which may stand under an #if."""
    stack = [node.child_by_field_name("body")]
    while stack and (inner := stack.pop()):
        if inner.type in _MEMBERS:
            return _named(inner)
        stack += reversed(inner.named_children)
    return ""


def _named(node: Node) -> str:
    """The name in a declarator, below its pointers, arrays and parameters."""
    found: Node | None = node
    while found and not found.type.endswith("identifier"):
        inner = found.child_by_field_name("declarator") or found.child_by_field_name("name")
        found = inner or next(iter(found.named_children), None)
    return _text(found)


def _text(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node else ""


def _rows(node: Node) -> Span:
    first, end = node.start_point.row, node.end_point
    return first, end.row + (end.column > 0 or end.row == first)


# -- members


def _member(lines: Lines, span: Span, name: str) -> list[Span]:
    """The extents of a member at any depth of a definition; from layout where it does not parse."""
    named, whole = _members(tuple(lines[slice(*span)]))
    found = [(span[0] + first, span[0] + last) for one, (first, last) in named if one == name]
    others = [] if whole else members_laid_out(lines, span, name)
    found += [x for x in others if not any(a < x[1] and x[0] < b for a, b in found)]
    return sorted(found)


@lru_cache(maxsize=32)
def _members(lines: tuple[str, ...]) -> tuple[tuple[tuple[str, Span], ...], bool]:
    """The structs inside of a definition by name, and whether all of it parses."""
    root = _parse(lines)
    found: list[tuple[str, Span]] = []
    stack = [(root, False)]  # a node, and whether it is inside of the definition
    while stack:
        node, inside = stack.pop()
        if node.type in _DECLARES or node.type in _TAGGED:
            found += [(name, _rows(node)) for name in _names(node)] if inside else []
        inner = _tagged(node) if node.type in _DECLARES else None
        inside = inside or node.type in _BODIES
        stack += [(child, inside) for child in (inner or node).children]
    return tuple(found), not root.has_error


def _names(node: Node) -> set[str]:
    """All that a nested struct goes by: its tag, and what is declared to be one."""
    if node.type in _TAGGED:
        return {_tag(node)} - {""} if node.child_by_field_name("body") else set()
    inner = _tagged(node)
    declarators = node.children_by_field_name("declarator")
    return {_tag(inner), *map(_named, declarators)} - {""} if inner else set()
