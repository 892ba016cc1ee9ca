"""Who names whom: the commits that an abbreviated id or a quoted subject means, and the reverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from backport.audit.index import Cited, Index
from backport.audit.reach import Reach
from backport.readers.citations import Sort, subject_key


@dataclass(frozen=True)
class Meant:
    """The commits that a name means; `how` is id, subject or ambiguous (then it means none)."""

    numbers: tuple[int, ...]
    how: str


@dataclass(frozen=True)
class Edge:
    """Commit `n` names a commit; `how` as in `Meant`."""

    n: int
    sort: Sort
    how: str


class Names:
    """Resolves names within the histories that are looked at."""

    def __init__(self, index: Index, scope: Reach) -> None:
        self._index = index
        self._scope = scope
        self._known: dict[tuple[str, str], Meant] = {}
        self.ambiguous: dict[str, str] = {}  # a line about each name that may mean several

    def meant(self, cited: Cited) -> Meant:
        """What a name means: by its id, else, as mirrors have other ids, by its subject."""
        key = cited.sha, cited.subject
        if key not in self._known:
            self._known[key] = self._looked_up(cited)
        found = self._known[key]
        # A commit is never about itself, nor about one that has only the same subject.
        return Meant(tuple(n for n in found.numbers if n != cited.n), found.how)

    def _looked_up(self, cited: Cited) -> Meant:
        by_id = self._index.by_prefix(cited.sha) if cited.sha else []
        by_id = [n for n in by_id if n in self._scope]
        if len(by_id) == 1:
            return Meant(tuple(by_id), "id")
        key = subject_key(cited.subject)
        same = [n for n in self._index.by_subject(key) if n in self._scope] if key else []
        both = [n for n in by_id if n in same]
        if len(both) == 1:
            return Meant(tuple(both), "id")
        if by_id:
            shown = ", ".join(f'{c.sha[:16]} ("{c.subject}")' for c in self._index.commits(by_id))
            self.ambiguous[cited.sha] = f'{cited.sha} ("{cited.subject}") may be {shown}'
            return Meant((), "ambiguous")
        return Meant(tuple(same), "subject")


class Graph(Protocol):
    """The commits that name others, for whoever walks from a commit to what came of it."""

    def namers(self, number: int) -> Sequence[Edge]: ...


class Backwards:
    """Asks the index about one commit at a time: for the few of a series."""

    def __init__(self, index: Index, names: Names, wanted: Reach) -> None:
        self._index = index
        self._names = names
        self._wanted = wanted

    def namers(self, number: int) -> list[Edge]:
        """Who names this commit."""
        one = self._index.commit(number)
        found = []
        for cited in self._index.citing(one.sha, subject_key(one.subject)):
            if cited.n in self._wanted:
                meant = self._names.meant(cited)
                if number in meant.numbers:
                    found.append(Edge(cited.n, Sort(cited.sort), meant.how))
        return sorted(set(found), key=lambda edge: (edge.n, edge.sort))


class Forwards:
    """Reads every name once: for the whole history of a branch."""

    def __init__(self, index: Index, names: Names, wanted: Reach, sorts: Sequence[Sort]) -> None:
        self._edges: dict[int, list[Edge]] = {}
        for sort in sorts:
            for cited in index.all_cited(sort):
                if cited.n in wanted:
                    self._add(cited, names.meant(cited))

    def _add(self, cited: Cited, meant: Meant) -> None:
        edge = Edge(cited.n, Sort(cited.sort), meant.how)
        for number in meant.numbers:
            self._edges.setdefault(number, []).append(edge)

    def namers(self, number: int) -> Sequence[Edge]:
        """Who names this commit."""
        return self._edges.get(number, ())

    @property
    def named(self) -> Mapping[int, Sequence[Edge]]:
        """Every commit that is named."""
        return self._edges
