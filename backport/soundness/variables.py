"""Variables and labels of functions: whether those that a pick's lines use are there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backport.readers.code import Local
from backport.soundness.files import WORD, File, Text
from backport.soundness.findings import Finding, Sort
from backport.soundness.scene import Scene
from backport.values.csource import Span

_DECLARED = re.compile(
    r"\b(?!(?:return|goto|case|else|sizeof|delete)\b)[A-Za-z_]\w*(?:\s+|\s*\*+\s*(?:const\s+)?)"
    r"(\w+)\s*(?:\[[^]]*\]\s*)*(?=[;,=):])|,\s*\**(\w+)\s*(?=[;,=])|^\s*(\w+)\s*:(?!:)",
    re.MULTILINE,
)
_FREE = re.compile(r"(?<![\w.>])[A-Za-z_]\w*")
_NUMBER = re.compile(
    r"(?:const |volatile )*(?:unsigned )?(?:u?int\d*(?:_t)?|[su]\d+|long|short|char|size_t|bool)"
)
# What is a word of the language wherever it stands.
_PLAIN = frozenset({"true", "false", "NULL", "default"})


_Spans = tuple[Span, Span, Span]  # of one function in upstream's file, the target's, the result


def undeclared(scene: Scene) -> Iterator[Finding]:
    """Variables and labels that upstream's function declares, and the target's does not; and those
    of which the pick takes the declaration away, and not every use."""
    for file in scene.files:
        for name, spans in _changed(file):
            yield from _undeclared(file, name, spans)


def _changed(file: File) -> Iterator[tuple[str, _Spans]]:
    """The functions of the target that the pick changes, where upstream's file has them too."""
    if not file.is_merged or file.ours.lines == file.result.lines:
        return
    theirs, ours = file.theirs.functions, file.ours.functions
    for name, span in file.result.functions.items():
        if name in theirs and name in ours:
            was = ours[name]
            if file.ours.lines[slice(*was)] != file.result.lines[slice(*span)]:
                yield name, (theirs[name], was, span)


def _undeclared(file: File, name: str, spans: _Spans) -> Iterator[Finding]:
    theirs, ours, span = spans
    has, had = _declared(file.result, span), _declared(file.ours, ours)
    foreign, orphaned = _declared(file.theirs, theirs) - had - has, had - has
    lost = {word for word in foreign | orphaned if not word.isupper()} - _PLAIN
    lost -= _outside(file.result) if lost else lost
    for number in range(span[0] + 1, span[1] + 1 if lost else 0):
        for word in sorted(lost & _free(file.result.plain[number - 1])):
            if word in orphaned:
                said = f"{name}() still uses {word}, whose declaration the pick takes away"
                yield Finding(Sort.LOCAL, file.path, number, word, said)
            elif number in file.added:
                said = f"{name}() declares {word} in upstream's file, not in the target's"
                yield Finding(Sort.LOCAL, file.path, number, word, said)


def _free(line: str) -> frozenset[str]:
    """The words of a line that are no members."""
    return frozenset(_FREE.findall(line)) if "#" not in line else frozenset()


def _declared(text: Text, span: Span) -> frozenset[str]:
    found = _DECLARED.findall("\n".join(text.plain[slice(*span)]))
    return frozenset(word for groups in found for word in groups if word)


def _outside(text: Text) -> frozenset[str]:
    """The words that stand outside of functions."""
    inside = {n for _, span in text.all_functions for n in range(*span)}
    left = (line for n, line in enumerate(text.plain) if n not in inside)
    return frozenset(WORD.findall("\n".join(left)))


def idle(scene: Scene) -> Iterator[Finding]:
    """Variables and parameters of which the pick takes the last use, and upstream's function has
    more of them."""
    for file in scene.files:
        for name, (theirs, ours, span) in _changed(file):
            left = _uses(file.ours, ours) & _uses(file.theirs, theirs) & _own(file.result, span)
            for word in sorted(left - _uses(file.result, span)):
                said = f"{name}() no longer uses {word}; upstream's does"
                yield Finding(Sort.LOCAL, file.path, span[0] + 1, word, said)


def _own(text: Text, span: Span) -> frozenset[str]:
    """The parameters and variables of a function."""
    found = re.findall(r"(\w+)\s*(?:\[[^]]*\]\s*)*[,)]", _head(text, span))
    return frozenset([*found, *(one.name for one in text.locals(span))]) - {"void"}


def _head(text: Text, span: Span) -> str:
    """What stands before a function's block."""
    return " ".join(text.plain[n] for n in range(*span) if not text.depths[n])


def _uses(text: Text, span: Span) -> frozenset[str]:
    """The words of a function's blocks that are no members, but for what lines declare."""
    found: list[str] = []
    declared = {one.number: one.name for one in text.locals(span)}
    for number in range(*span):
        if text.depths[number] or text.plain[number].lstrip().startswith("}"):
            words = _FREE.findall(text.plain[number])
            found += [word for word in words if word != declared.get(number)]
    return frozenset(found)


def misused(scene: Scene) -> Iterator[Finding]:
    """Variables that the target's function declares otherwise than upstream's: in another block
    than the added line, or as a number where upstream has what has members."""
    for file in scene.files:
        if not file.is_merged or not file.added:
            continue
        theirs = file.theirs.functions
        for name, span in file.result.functions.items():
            if name not in theirs or file.added.isdisjoint(range(span[0] + 1, span[1] + 1)):
                continue
            upstream, here = _locals(file.theirs, theirs[name]), _locals(file.result, span)
            for word in sorted(here.keys() & upstream.keys()):
                yield from _misused(file, name, span, (upstream[word], here[word]))


_Pair = tuple[list[Local], list[Local]]


def _misused(file: File, name: str, span: Span, pair: _Pair) -> Iterator[Finding]:
    upstream, here = pair
    word = here[0].name
    for number in sorted(n for n in file.added if span[0] < n <= span[1]):
        line = file.result.plain[number - 1]
        if not re.search(rf"(?<![\w.>]){word}\b", line):
            continue
        if not any(_reaches(file.result, one, number - 1) for one in here):
            if any(file.theirs.depths[one.number] == 1 for one in upstream):
                said = f"{name}() declares {word} in another block here, in upstream's file for all"
                yield Finding(Sort.LOCAL, file.path, number, word, said)
        elif len(here) == len(upstream) == 1 and _has_member(word, line):
            one, other = here[0].type, upstream[0].type
            if _NUMBER.fullmatch(one) and not _NUMBER.fullmatch(other):
                said = f"{word} in {name}() is {one} here, and {other} in upstream's file"
                yield Finding(Sort.LOCAL, file.path, number, word, said)


def _locals(text: Text, span: Span) -> dict[str, list[Local]]:
    """The variables of a function by name, without those that are parameters as well."""
    found: dict[str, list[Local]] = {}
    for one in text.locals(span):
        found.setdefault(one.name, []).append(one)
    head = frozenset(WORD.findall(_head(text, span)))
    return {word: some for word, some in found.items() if word not in head}


def _reaches(text: Text, one: Local, number: int) -> bool:
    """Whether a line is in the block of a declaration, and not above it."""
    depth = text.depths[one.number]
    return one.number <= number and all(
        text.depths[n] >= depth for n in range(one.number, number + 1) if text.plain[n].strip()
    )


def _has_member(word: str, line: str) -> bool:
    return re.search(rf"(?<![\w.>]){word}\b(?:\[[^]]*\])*(?:\.|->)[A-Za-z_]", line) is not None
