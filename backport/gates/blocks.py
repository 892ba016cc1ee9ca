"""Whether what a result adds stands in blocks as upstream has it, and leaves none of them broken.

A line can come between the neighbours that it has upstream and yet into another block: the one
that held it is not there, or its opening line is. Depth is counted by braces, from the last line
that begins a definition, so that a conditional with a brace in each branch harms one function only.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from backport.gates.accounting import Sides
from backport.readers.code import Code, code_of
from backport.values.csource import Span
from backport.values.linediff import deltas

_TAB = 8
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.M)
_WORD = re.compile(r"[A-Za-z_]\w*")
_GIVES = re.compile(r"\breturn\b\s*[^;\s]")


def objections(sides: Sides) -> Iterator[str]:
    """What is wrong with the blocks of a result; nothing is a pass."""
    base, ours, theirs, result = (
        code_of(lines) for lines in (sides.base, sides.ours, sides.theirs, sides.result)
    )
    yield from _deeper(base, ours, theirs, result)
    for line in result.hollow - (ours.hollow | theirs.hollow):
        yield f"nothing is left in {line}"
    for name in sorted(result.adrift - ours.adrift - theirs.adrift):
        yield f"{name} has lost its other end"
    for name in sorted(_undefined(ours, result) - _undefined(base, theirs)):
        yield f"{name} is used and no longer defined"
    for name in sorted(result.functions.keys() & ours.functions.keys()):
        yield from _locals(name, ours, theirs, result)


def _deeper(base: Code, ours: Code, theirs: Code, result: Code) -> Iterator[str]:
    """Lines that are indented as upstream's and stand in more or fewer blocks."""
    wanted = defaultdict(set)
    for number in _added(base, theirs):
        wanted[_indented(theirs.lines[number])].add(theirs.depths[number])
    for number in _added(ours, result):
        depths = wanted.get(_indented(result.lines[number]))
        if depths and result.depths[number] not in depths:
            yield f"in another block than upstream's: {result.lines[number].strip()}"


def _added(old: Code, new: Code) -> Iterator[int]:
    for delta in deltas(old.lines, new.lines):
        for number in range(delta.b1, delta.b2):
            if _WORD.search(new.plain[number]):
                yield number


def _indented(line: str) -> tuple[int, str]:
    text = line.strip()
    return len(line[: len(line) - len(line.lstrip())].expandtabs(_TAB)), text


def _undefined(ours: Code, result: Code) -> set[str]:
    gone = set(_MACRO.findall(ours.text)) - set(_MACRO.findall(result.text))
    return gone & set(_WORD.findall(result.text)) if gone else gone


def _locals(name: str, ours: Code, theirs: Code, result: Code) -> Iterator[str]:
    """What the change of a function leaves of its locals that no compiler takes without a word."""
    was, now = ours.functions[name], result.functions[name]
    if ours.lines[slice(*was)] == result.lines[slice(*now)]:
        return
    if name in result.void and _gives(result, now) > _gives(ours, was):
        yield f"{name}() gives nothing and returns something"
    here, before = _declared(result, now), _declared(ours, was)
    upstream = _declared(theirs, theirs.functions[name]) if name in theirs.functions else Counter()
    for word, count in here.items():
        if count > max(1, before[word], upstream[word]):
            yield f"{name}() declares {word} twice"
    for word in here.keys() & before.keys():
        if _used(word, ours, was) and not _used(word, result, now):
            yield f"{name}() no longer uses {word}"


def _gives(code: Code, span: Span) -> int:
    return len(_GIVES.findall("\n".join(code.plain[slice(*span)])))


def _declared(code: Code, span: Span) -> Counter[str]:
    """The locals that stand in the outermost block of a function."""
    return Counter(one.name for one in code.locals(span) if code.depths[one.number] == 1)


def _used(word: str, code: Code, span: Span) -> bool:
    """Whether a local is more than declared and set."""
    declared = {one.number for one in code.locals(span) if one.name == word}
    lines = [code.plain[n] for n in range(*span) if n not in declared]
    return re.search(rf"(?<![\w.>]){word}\b(?!\s*=[^=])", "\n".join(lines)) is not None
