"""Textual diffs as values: the files that a patch names, and their hunks.

Only what a patch says by lines is read. Whether it is well formed, git has judged before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backport.values.csource import split_lines
from backport.values.gitformat import FILE_MODE

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@ ?(.*)")
# What is said in another way than by lines; a file that changes its mode is no matter of text.
_OTHERWISE = re.compile(r"GIT binary patch|Binary files |(?:rename|copy) from |old mode ")


@dataclass(frozen=True)
class Hunk:
    """Old lines that become new ones, context in both; they stood at `first`, counted from 0."""

    first: int
    heading: str  # the line above that git shows, may be cut short
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class FileDiff:
    """One file of a patch: it is new if there is no `old` path, gone if there is no `new` one."""

    old: str
    new: str
    hunks: tuple[Hunk, ...]
    mode: str = FILE_MODE  # of a new file


def read_diff(data: bytes) -> tuple[FileDiff, ...] | None:
    """The files of a patch, None if it says anything in another way than by lines."""
    lines = split_lines(data)
    files: list[FileDiff] = []
    index, headers, mode = 0, 0, FILE_MODE
    while index < len(lines):
        line = lines[index]
        if _OTHERWISE.match(line):
            return None
        if line.startswith("diff --git "):
            headers, mode = headers + 1, FILE_MODE
        elif line.startswith("new file mode "):
            mode = line.split()[-1]
        elif line.startswith("--- ") and lines[index + 1 : index + 2] != []:
            old, new = _path(line), _path(lines[index + 1])
            hunks, index = _read_hunks(lines, index + 2)
            if old is None or new is None or (old and new and old != new):
                return None
            files.append(FileDiff(old, new, hunks, mode))
            continue
        index += 1
    whole = headers in {0, len(files)}  # a header alone makes an empty file
    return tuple(files) if whole else None


def _path(line: str) -> str | None:
    """A path as `git apply` takes it, '' for /dev/null; None if it is quoted."""
    text = line[4:].rstrip("\r\n").split("\t")[0]
    if text == "/dev/null":
        return ""
    return None if text.startswith('"') else text.partition("/")[2] or None


def _read_hunks(lines: Sequence[str], index: int) -> tuple[tuple[Hunk, ...], int]:
    """The hunks that follow one another from `index` on, and where they end."""
    hunks = []
    while index < len(lines) and (found := _HUNK.match(lines[index])):
        sizes = [int(found[2] or 1), int(found[3] or 1)]
        old: list[str] = []
        new: list[str] = []
        index += 1
        while index < len(lines) and (
            [len(old), len(new)] != sizes or lines[index].startswith("\\")
        ):
            _take(lines[index], old, new)
            index += 1
        hunks.append(Hunk(max(0, int(found[1]) - 1), found[4].rstrip(), tuple(old), tuple(new)))
    return tuple(hunks), index


def _take(line: str, old: list[str], new: list[str]) -> None:
    """Put one line of a hunk to the sides that have it; some mailers strip a blank context line."""
    sign = line[0]
    sides = {" ": (old, new), "\n": (old, new), "-": (old,), "+": (new,)}
    for side in sides.get(sign, ()):
        side.append(line if sign == "\n" else line[1:])
    if sign == "\\":  # no line feed at the end of the file, on the side of the line before
        for side in (old, new):
            if side:
                side[-1] = side[-1].removesuffix("\n")
