"""Form: no markers, no duplicate definitions, C and conditionals no worse than before.

tree-sitter's C grammar does not know the kernel's macros, so errors are compared, never counted
from zero: the result may hold those of the target and those that upstream's change brings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from backport.gates.accounting import Sides
from backport.readers.cparse import errors, outline
from backport.values.csource import Lines

SUFFIXES = (".c", ".h")
_DIRECTIVE = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b")
MARKERS = ("<<<<<<< ", "||||||| ", ">>>>>>> ")


def objections(sides: Sides) -> list[str]:
    """What is wrong with one path's result, one line each; empty is a pass."""
    found = [f"{sides.path}:{n}: a conflict marker" for n in _markers(sides.result)]
    if sides.path.endswith(SUFFIXES):
        found += [f"{sides.path}: {name} is defined twice" for name in _doubled(sides)]
        found += [f"{sides.path}: {text}" for text in _conditionals(sides)]
        surplus = _parse_surplus(sides)
        if surplus > 0:
            found.append(f"{sides.path}: {surplus} more places than before that do not parse as C")
    return found


def _markers(lines: Lines) -> Iterator[int]:
    return (n for n, line in enumerate(lines, 1) if line.startswith(MARKERS))


def _doubled(sides: Sides) -> list[str]:
    """Names defined more often than in the target and upstream: variants under #if are fine."""
    ours, theirs, result = (_names(x) for x in (sides.ours, sides.theirs, sides.result))
    return sorted(name for name, n in result.items() if n > max(1, ours[name], theirs[name]))


def _names(lines: Lines) -> Counter[str]:
    return Counter(d.name for d in outline(lines) if d.kind not in {"macro", "config"})


def _conditionals(sides: Sides) -> list[str]:
    """Conditionals that do not close, or hold nothing, where neither side has them so."""
    ours, theirs, result = (_odd_conditionals(x) for x in (sides.ours, sides.theirs, sides.result))
    return sorted(result - ours - theirs)


def _odd_conditionals(lines: Lines) -> Counter[str]:
    open_: list[tuple[str, bool]] = []  # the opening line, and whether anything is inside
    odd: Counter[str] = Counter()
    for line in lines:
        found = _DIRECTIVE.match(line)
        word = found[1] if found else ""
        if word == "endif" and open_:
            opening, full = open_.pop()
            odd[f"nothing between {opening} and its #endif"] += not full
        elif word == "endif":
            odd["an #endif without its #if"] += 1
        elif open_ and line.strip() and word not in {"elif", "else"}:
            open_[-1] = open_[-1][0], True
        if word.startswith("if"):
            open_.append((" ".join(line.split()), False))
    odd.update(f"{opening} has no #endif" for opening, _ in open_)
    return odd


def _parse_surplus(sides: Sides) -> int:
    brought = max(0, errors(sides.theirs) - errors(sides.base))
    return errors(sides.result) - errors(sides.ours) - brought
