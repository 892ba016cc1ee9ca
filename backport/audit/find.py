"""Finds what upstream did about commits: fixes, reverts, companions, tests, and what asks for more.

Fixes are followed: a fix of a fix that the target lacks is found, too. What upstream took back
is marked, and so is what only fixes that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from backport.audit.index import Index, Indexed
from backport.audit.names import Backwards, Edge, Forwards, Graph, Names
from backport.audit.reach import Reach
from backport.audit.subject import Subject
from backport.readers.citations import Sort
from backport.values.audit import Cause, Finding, Kind

MANY = 2000  # roots from which on every name is read once, instead of asking for each root
NEAR = 3600  # seconds between two commits that were applied together
RUN = 40  # commits that one patch series may have around one of its own


@dataclass
class _Met:
    """A commit on the walk: why it is here, and what took it back."""

    kind: Kind
    depth: int
    causes: dict[int, str] = field(default_factory=dict)
    back: int = 0


@dataclass(frozen=True)
class Found:
    """Findings, parents first; `back` tells why some are of no more use."""

    items: tuple[Finding, ...]
    back: Mapping[int, str]
    ambiguous: tuple[str, ...]


Causes = Mapping[int, Mapping[int, str]]  # by fix: what it fixes, and how that is known


def find(index: Index, subject: Subject, kinds: Iterable[Kind], more: Causes) -> Found:
    """All that is of interest and not in `subject.has`; `more` are fixes that no tag tells."""
    wanted = set(kinds)
    names = Names(index, subject.upstream | subject.own)
    graph = _graph(index, names, subject)
    met = _walk(graph, subject, more)
    for n, causes in _tests(graph, subject) if Kind.SELFTEST in wanted else ():
        met.setdefault(n, _Met(Kind.SELFTEST, 1, causes))
    if Kind.COMPANION in wanted:
        for n, causes in _companions(index, subject).items():
            met.setdefault(n, _Met(Kind.COMPANION, 1, causes))
    if Kind.STABLE in wanted:
        _asking(index, subject, met)
    back = _back(index, met, subject)
    kept = {n: m for n, m in met.items() if m.kind in wanted}
    items = tuple(_finding(index, index.commit(n), kept[n]) for n in sorted(kept))
    return Found(items, back, tuple(names.ambiguous.values()))


def _graph(index: Index, names: Names, subject: Subject) -> Graph:
    new = subject.upstream - subject.has
    if len(subject.roots) > MANY:
        return Forwards(index, names, new, (Sort.FIXES, Sort.REVERTS, Sort.STANDS_FOR))
    return Backwards(index, names, new)


# -- fixes and reverts


def _walk(graph: Graph, subject: Subject, more: Causes) -> dict[int, _Met]:
    met: dict[int, _Met] = {}
    known = graph.named if isinstance(graph, Forwards) else None
    todo = [(n, 0) for n in subject.roots if known is None or n in known]
    for fix, broken in more.items():
        met[fix] = _Met(Kind.FIX, 1, dict(broken))
    todo += [(n, 1) for n in more]
    twins: set[int] = set()
    for number, depth in todo:  # grows as it goes
        for edge in graph.namers(number):
            if edge.sort is Sort.STANDS_FOR and depth == 0 and edge.n not in twins:
                twins.add(edge.n)  # the same commit in another tree of upstream: fixes name either
                todo.append((edge.n, 0))
            kind = _kind_of(edge, number, met)
            if kind is None:
                continue
            if edge.n not in met:
                met[edge.n] = _Met(kind, depth + 1)
                todo.append((edge.n, depth + 1))
            met[edge.n].causes[number] = edge.how
    return met


def _kind_of(edge: Edge, number: int, met: dict[int, _Met]) -> Kind | None:
    """What a commit is that names another; taking back what is not there needs nothing."""
    if edge.sort is Sort.FIXES:
        return Kind.FIX
    if edge.sort is Sort.REVERTS and number in met:
        met[number].back = max(met[number].back, edge.n)
        return None
    return Kind.REVERT if edge.sort is Sort.REVERTS else None


def _back(index: Index, met: Mapping[int, _Met], subject: Subject) -> dict[int, str]:
    """What upstream took back, and what is only about that."""
    back: dict[int, str] = {}
    for n in sorted(met):
        one = met[n]
        missing = [cause for cause in one.causes if cause not in subject.has]
        if one.back:
            by = index.commit(one.back)
            back[n] = f'upstream took it back in {by.sha[:12]} ("{by.subject}")'
        elif one.causes and missing == [*one.causes] and all(c in back for c in missing):
            back[n] = "upstream took back what it is about"
    return back


# -- companions and tests


def _tests(graph: Graph, subject: Subject) -> Iterator[tuple[int, dict[int, str]]]:
    """Commits that speak of a root; whether they are tests is told by the files they touch."""
    if isinstance(graph, Forwards):
        return
    for root in subject.roots:
        for edge in graph.namers(root):
            if edge.sort is Sort.MENTIONS:
                yield edge.n, {root: edge.how}


def _companions(index: Index, subject: Subject) -> dict[int, dict[int, str]]:
    """The rest of the patch series that roots came in."""
    found: dict[int, dict[int, str]] = {}
    for root in subject.roots:
        mates = index.series_mates(root)
        how = "series" if mates else "neighbour"
        for n in mates or _neighbours(index, index.commit(root)):
            if n in subject.upstream and n not in subject.has:
                found.setdefault(n, {}).setdefault(root, how)
    return found


def _neighbours(index: Index, one: Indexed) -> list[int]:
    """Commits next to one by the same author that the same person applied at the same time."""
    found: list[int] = []
    last: Indexed | None = one
    while last and last.parent is not None and len(found) < RUN:
        before = index.commit(last.parent)
        last = before if _together(before, last) else None
        found += [before.n] if last else []
    last = one
    while last and len(found) < RUN:
        after = [c for c in index.commits(index.children(last.n)) if _together(last, c)]
        last = after[0] if len(after) == 1 else None
        found += [last.n] if last else []
    return sorted(n for n in found if index.commit(n).parent is not None)


def _together(one: Indexed, other: Indexed) -> bool:
    near = abs(one.committed - other.committed) <= NEAR
    return near and (one.author, one.committer) == (other.author, other.committer)


def _asking(index: Index, subject: Subject, met: dict[int, _Met]) -> None:
    """Commits that ask for stable trees and do not say what they fix."""
    new = subject.upstream - subject.has
    text = "SELECT n FROM commits WHERE stable EXCEPT SELECT n FROM refs WHERE sort = ?"
    for (n,) in index.db.execute(text, [int(Sort.FIXES)]):
        if n in new:
            met.setdefault(n, _Met(Kind.STABLE, 1))


def _finding(index: Index, one: Indexed, met: _Met) -> Finding:
    causes = index.commits(met.causes)
    told = tuple(Cause(c.sha, c.subject, met.causes[c.n]) for c in causes)
    return Finding(one.n, one.sha, one.subject, one.authored, met.kind, told, met.depth, one.stable)


def without(found: Found, numbers: Reach) -> Found:
    """The same less some commits."""
    return replace(found, items=tuple(i for i in found.items if i.n not in numbers))
