"""Conflicts as values; markers are only one way to show them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from backport.values.csource import Lines
from backport.values.gitformat import MARKER_SIZE


@dataclass(frozen=True)
class Region:
    """One conflicting stretch of a file: the lines of the base and of both sides."""

    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]

    @property
    def text(self) -> str:
        """All three sides as one text, for a rule's `has`."""
        return "".join([*self.base, *self.ours, *self.theirs])

    @property
    def digest(self) -> str:
        """What tells this conflict from any other: 12 hex digits over its three sides."""
        sides = json.dumps([self.base, self.ours, self.theirs])
        return hashlib.sha256(sides.encode("utf-8", "surrogatepass")).hexdigest()[:12]


Segment = tuple[str, ...] | Region


class Kind(StrEnum):
    """Why a path is in conflict."""

    CONTENT = "both sides changed the same lines"
    DELETED_HERE = "the target does not have the file"
    DELETED_UPSTREAM = "upstream deletes a file that the target changed"
    ADDED_TWICE = "both sides add the file"
    WHOLE = "both sides changed the file, which does not merge by lines"


@dataclass(frozen=True)
class Conflict:
    """One path that no rule settled; `region` is None when the whole file is in question."""

    path: str
    kind: Kind
    symbol: str  # enclosing definition, '' at file level
    region: Region | None


def parse_markers(lines: Sequence[str]) -> list[Segment]:
    """Read a file with diff3 conflict markers, as `Git.merge_trees` writes them, into segments."""
    segments: list[Segment] = []
    clean: list[str] = []
    sides: dict[str, list[str]] = {}
    state = ""
    for line in lines:
        mark = _mark(line)
        if not state and mark == "<":
            segments.append(tuple(clean))
            clean, sides, state = [], {"ours": [], "base": [], "theirs": []}, "ours"
        elif state == "ours" and mark == "|":
            state = "base"
        elif state == "base" and mark == "=":
            state = "theirs"
        elif state == "theirs" and mark == ">":
            segments.append(
                Region(tuple(sides["base"]), tuple(sides["ours"]), tuple(sides["theirs"]))
            )
            state = ""
        elif state:
            sides[state].append(line)
        else:
            clean.append(line)
    if state:
        raise ValueError("a conflict marker is not closed")
    return [*segments, tuple(clean)]


def _mark(line: str) -> str:
    """The sign of which a line is a marker, '' if it is none; a CRLF file has CRLF markers."""
    sign = line[:1]
    is_mark = sign in {"<", "|", "=", ">"} and line.startswith(sign * MARKER_SIZE)
    return sign if is_mark and line[MARKER_SIZE : MARKER_SIZE + 1] in {" ", "\r", "\n"} else ""


def unended(segments: Sequence[Segment], base: Lines, ours: Lines, theirs: Lines) -> list[Segment]:
    """The segments with the line feeds taken off that a merge put behind a file's last line."""
    if len(segments) < 2 or segments[-1] != () or not isinstance(segments[-2], Region):
        return list(segments)
    last = segments[-2]
    sides = zip((last.base, last.ours, last.theirs), (base, ours, theirs), strict=True)
    return [*segments[:-2], Region(*(_cut_end(side, whole) for side, whole in sides)), ()]


def _cut_end(side: tuple[str, ...], whole: Lines) -> tuple[str, ...]:
    ends_bare = side and whole and not whole[-1].endswith("\n")
    return (*side[:-1], side[-1].removesuffix("\n")) if ends_bare else side


def render(segments: Sequence[Segment]) -> list[str]:
    """The text for a person's editor: what is settled, and git's usual markers around the rest."""
    out: list[str] = []
    for segment in segments:
        out += _rendered(segment) if isinstance(segment, Region) else segment
    return out


def unrendered(lines: Lines, regions: Sequence[Region]) -> list[Segment]:
    """The segments of a text that `render` gave, whose regions are known; the inverse of it."""
    segments: list[Segment] = []
    start = 0
    for region in regions:
        shown = _rendered(region)
        at = next(i for i in range(start, len(lines)) if [*lines[i : i + len(shown)]] == shown)
        segments += [tuple(lines[start:at]), region]
        start = at + len(shown)
    return [*segments, tuple(lines[start:])]


def _rendered(region: Region) -> list[str]:
    sides = {
        "<<<<<<< target": region.ours,
        "||||||| upstream before": region.base,
        "=======": region.theirs,
        ">>>>>>> upstream after": (),
    }
    lines: list[str] = []
    for mark, side in sides.items():
        lines += [f"{mark}\n", *(line if line.endswith("\n") else f"{line}\n" for line in side)]
    return lines
