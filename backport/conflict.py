"""Conflicts as values; markers are only one way to show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from backport.csource import enclosing


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


Segment = tuple[str, ...] | Region


class Kind(StrEnum):
    """Why a path is in conflict."""

    CONTENT = "both sides changed the same lines"
    DELETED_HERE = "the target does not have the file"
    DELETED_UPSTREAM = "upstream deletes a file that the target changed"
    ADDED_TWICE = "both sides add the file"


@dataclass(frozen=True)
class Conflict:
    """One path that no rule settled; `region` is None when the whole file is in question."""

    path: str
    kind: Kind
    symbol: str  # enclosing definition, '' at file level
    region: Region | None


def parse_markers(lines: Sequence[str]) -> list[Segment]:
    """Read a file with diff3 conflict markers, as merge-tree writes them, into segments."""
    segments: list[Segment] = []
    clean: list[str] = []
    sides: dict[str, list[str]] = {}
    state = ""
    for line in lines:
        mark = line[:7] if line[7:8] in {" ", "\n", ""} else ""
        if not state and mark == "<<<<<<<":
            segments.append(tuple(clean))
            clean, sides, state = [], {"ours": [], "base": [], "theirs": []}, "ours"
        elif state == "ours" and mark == "|||||||":
            state = "base"
        elif state == "base" and mark == "=======":
            state = "theirs"
        elif state == "theirs" and mark == ">>>>>>>":
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


def symbols_of(segments: Sequence[Segment], index: int) -> tuple[str, str]:
    """The definitions that hold a region, as our side and as their side have it."""
    return _symbol(segments, index, "ours"), _symbol(segments, index, "theirs")


def _symbol(segments: Sequence[Segment], index: int, side: str) -> str:
    text: list[str] = []
    at = 0
    for number, segment in enumerate(segments):
        if number == index:
            at = len(text)
        text += getattr(segment, side) if isinstance(segment, Region) else segment
    return enclosing(text, min(at, len(text) - 1)) if text else ""
