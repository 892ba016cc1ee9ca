"""The picture of a series: upstream's commits, what they became, and which of them needs which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backport.advice.review import CommitReview, Review
from backport.gates.credit import By
from backport.values.sidebyside import ADDED

PITCH = 26  # pixels from one commit to the next
UPSTREAM, BRANCH = 96, 152  # where the two lanes are
ARCS = 84  # how far to the left arcs may bend
MOST = 400  # arcs that a picture can show before it shows nothing


@dataclass(frozen=True)
class Need:
    """Commit `user` uses names that commit `giver` brings; both are numbers from 0."""

    user: int
    giver: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Node:
    """One commit of the picture: `y` is its middle, `landed` that it became a commit."""

    y: int
    landed: bool
    adapted: bool


@dataclass(frozen=True)
class Graph:
    """All that a template draws; `arcs` are paths of SVG."""

    height: int
    nodes: tuple[Node, ...]
    arcs: tuple[str, ...]
    upstream: int = UPSTREAM
    branch: int = BRANCH
    pitch: int = PITCH


def needs(review: Review) -> list[Need]:
    """Which commit uses first what another commit of the series brings."""
    numbers = {one.pick.subject: n for n, one in reversed(list(enumerate(review.commits)))}
    found: dict[tuple[int, int], list[str]] = {}
    words = _Words(review.commits)
    for brought in review.record.brought:
        giver = numbers.get(brought.source)
        if brought.by != By.COMMIT or giver is None:
            continue
        user = words.first(brought.path, brought.name, giver)
        if user is not None:
            found.setdefault((user, giver), []).append(brought.name)
    return [Need(user, giver, tuple(names)) for (user, giver), names in sorted(found.items())]


class _Words:
    """Which commits add a word to a path; each path is read once."""

    def __init__(self, commits: Sequence[CommitReview]) -> None:
        self._commits = commits
        self._known: dict[tuple[int, str], frozenset[str]] = {}

    def first(self, path: str, name: str, giver: int) -> int | None:
        """The first commit behind `giver` that adds the word."""
        wanted = {name, *re.findall(r"\w+", name)[-1:]}
        later = range(giver + 1, len(self._commits))
        return next((n for n in later if wanted & self._added(n, path)), None)

    def _added(self, number: int, path: str) -> frozenset[str]:
        key = number, path
        if key not in self._known:
            files = [f for f in self._commits[number].files if f.path == path]
            lines = (row.left for f in files for row in f.rows)
            text = "\n".join(line.text for line in lines if line and line.sign == ADDED)
            self._known[key] = frozenset(re.findall(r"\w+", text))
        return self._known[key]


def graph(commits: Sequence[CommitReview], leaning: Sequence[Need]) -> Graph:
    """The picture's geometry: the base on top, then one row for each commit."""
    nodes = tuple(
        Node(_middle(n + 1), bool(one.pick.commit), bool(one.pick.rules or one.by_hand))
        for n, one in enumerate(commits)
    )
    arcs = tuple(_arcs(leaning)) if len(leaning) <= MOST else ()
    return Graph(PITCH * (len(commits) + 1), nodes, arcs)


def _middle(row: int) -> int:
    return PITCH * row + PITCH // 2


def _arcs(leaning: Sequence[Need]) -> Iterator[str]:
    for need in leaning:
        top, bottom = _middle(need.giver + 1), _middle(need.user + 1)
        bend = UPSTREAM - 8 - min(ARCS, 14 + 9 * (need.user - need.giver))
        x = UPSTREAM - 7
        yield f"M{x} {bottom}C{bend} {bottom} {bend} {top} {x} {top}"
