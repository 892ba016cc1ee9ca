"""Rules on the merged text: edits that upstream's own diff does not hold."""

from __future__ import annotations

import re

from backport.readers.cparse import locate
from backport.values.csource import Lines, Span, guarded, split_text
from backport.values.rule import Edit, Insert, Remove, Shim


def edit(lines: Lines, action: Edit, within: str) -> tuple[list[str], int]:
    """The text with a substitution made (inside one definition), and how often it was made."""
    pattern = re.compile(action.change.find, re.M)
    out, total = list(lines), 0
    for first, last in sorted(_spans(lines, within), reverse=True):
        text, count = pattern.subn(action.change.replace, "".join(out[first:last]))
        out[first:last] = [text]
        total += count
    return split_text("".join(out)), total


def insert(lines: Lines, action: Insert, within: str) -> tuple[list[str], int]:
    """The text with lines put at the anchor, and how many lines match the anchor."""
    pattern = re.compile(action.anchor)
    hits = [
        index
        for span in _spans(lines, within)
        for index in range(*span)
        if pattern.search(lines[index].rstrip("\n"))
    ]
    out = list(lines)
    for index in reversed(hits):
        at = index if action.before else index + 1
        if at == len(out) and not out[-1].endswith("\n"):
            out[-1] += "\n"
        out[at:at] = action.lines
    return out, len(hits)


def remove(lines: Lines, action: Remove) -> tuple[list[str], int]:
    """The text without a definition and the `#if` that holds nothing else."""
    spans = locate(lines, action.symbol)
    out = list(lines)
    for span in reversed(spans):
        first, last = guarded(lines, span)
        if first == 0 or not lines[first - 1].strip():  # one blank line of two goes along
            last += last < len(lines) and not lines[last].strip()
            first -= first > 0 and last == len(lines)
        del out[first:last]
    return out, len(spans)


def shim(lines: Lines, action: Shim) -> tuple[list[str], int]:
    """The text with a definition it lacks; there already counts as one place, unchanged."""
    if locate(lines, action.symbol):
        return list(lines), 1
    return insert(lines, Insert(action.anchor, action.lines), "")


def _spans(lines: Lines, within: str) -> list[Span]:
    return locate(lines, within) if within else [(0, len(lines))]
