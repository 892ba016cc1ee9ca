"""Where added lines landed, and whether the target has them already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from backport.readers import cparse
from backport.soundness.files import Text
from backport.soundness.findings import Finding, Sort
from backport.soundness.scene import Scene

_DECLARES = re.compile(r"([A-Za-z_]\w*)\s*\(")


def astray(scene: Scene) -> Iterator[Finding]:
    """Added lines that stand in another function than upstream's, which the target has too.

    For a line between functions it is the one behind it: that is what a comment is about.
    """
    for file in scene.files:
        if not file.is_merged or not file.landed.is_plain:
            continue
        upstream, target = _homes(file.theirs), _homes(file.result)
        wanted: dict[str, set[str]] = {}
        for number in sorted(file.upstreams):
            wanted.setdefault(file.theirs.lines[number - 1].strip(), set()).add(
                upstream[number - 1]
            )
        there = set(_homes(file.ours))
        for number in sorted(file.added):
            line = file.result.lines[number - 1].strip()
            homes = wanted.get(line, set()) if len(line) > 1 else set()
            here = target[number - 1]
            # Outside of all functions a place has no name that both trees must have.
            if homes and here and "" not in homes and here not in homes and homes <= there:
                named = ", ".join(sorted(homes))
                said = f"in {here}; upstream has it in {named}, as the target does"
                yield Finding(Sort.PLACE, file.path, number, here, said)
                break  # the first line of a hunk tells of the rest


def _homes(text: Text) -> Sequence[str]:
    """What holds each line, or else the name that is declared behind it."""
    found = cparse.holders(text.lines)
    behind = ""
    for number in range(len(found) - 1, -1, -1):
        if found[number]:
            behind = ""
            continue
        line = text.plain[number]
        if line[:1].isalpha() or line[:1] == "_":
            named = _DECLARES.search(line)
            behind = f"what is before {named[1]}" if named else behind
        found[number] = behind
    return found


def twice(scene: Scene) -> Iterator[Finding]:
    """Functions that the pick adds to a file that has one of that name already."""
    for file in scene.files:
        if not file.is_merged:
            continue
        had, upstream = _heads(file.ours), _heads(file.theirs)
        for name, numbers in _heads(file.result).items():
            more = len(numbers) > max(len(had.get(name, ())), len(upstream.get(name, ())))
            if more and had.get(name):
                said = f"the target has {name}() already, at line {numbers[0]}"
                yield Finding(Sort.TWICE, file.path, numbers[-1], name, said)


def _heads(text: Text) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, span in text.all_functions:
        found.setdefault(name, []).append(span[0] + 1)
    return found
