"""What is audited: the commits that a series or a branch has, as places in the index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from backport.audit.index import Cited, Index
from backport.audit.names import Names
from backport.audit.reach import Reach, below
from backport.readers.citations import Sort, subject_key
from backport.values.errors import UsageError
from backport.values.series import Series, SeriesCommit


@dataclass(frozen=True)
class Subject:
    """What a target has of upstream, and which of that is asked about.

    `has` are the commits of upstream that are there, by id or because something there stands for
    them; `roots` those whose fixes and reverts are looked for; `own` what only the branch has.
    """

    upstream: Reach
    has: Reach
    roots: Reach
    own: Reach = field(default_factory=Reach)
    dropped: Mapping[int, str] = field(default_factory=dict)  # taken and taken back: by what
    served: Reach = field(default_factory=Reach)  # roots that the donor serves
    absent: Mapping[str, str] = field(default_factory=dict)  # rows that history lacks


@dataclass(frozen=True)
class Ways:
    """Where things are: tips of upstream and of what the target has, as places in the index."""

    index: Index
    upstream: Reach
    scope: Reach  # every history that a name may mean a commit of


# -- a branch


def of_branch(ways: Ways, tip: int, since: int | None) -> Subject:
    """Everything in the history of a branch; with `since` only what came into it after that."""
    there = below(ways.index, [tip])
    own = there - ways.upstream
    picks = _picks(ways, own)
    dropped = _dropped(ways, own, picks)
    taken = Reach.of({n for found in picks.values() for n in found} - dropped.keys())
    taken |= _namesakes(ways, own, picks)
    has = (there & ways.upstream) | taken
    roots = has | own
    if since is not None:
        new = there - below(ways.index, [since])
        theirs = {n for pick, found in picks.items() if pick in new for n in found}
        roots = new | (Reach.of(theirs) & has)
    return Subject(ways.upstream, has, roots, own, dropped)


def _picks(ways: Ways, own: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """What commits of a branch stand for, by what their messages say."""
    names = Names(ways.index, ways.scope)
    found: dict[int, tuple[int, ...]] = {}
    for n in own:
        said = [c for c in ways.index.cited_by(n) if c.sort == Sort.STANDS_FOR]
        numbers = tuple(m for c in said for m in names.meant(c).numbers)
        if said:
            found[n] = numbers
    return found


def _dropped(ways: Ways, own: Iterable[int], picks: Mapping[int, Sequence[int]]) -> dict[int, str]:
    """Upstream commits whose picks the branch reverted later, without picking them once more."""
    names = Names(ways.index, ways.scope)
    last: dict[int, str] = {}
    for n in own:
        for number in picks.get(n, ()):
            last.pop(number, None)
        for cited in ways.index.cited_by(n):
            if cited.sort == Sort.REVERTS:
                for gone in names.meant(cited).numbers:
                    by = f"the branch took it back in {ways.index.commit(n).sha[:12]}"
                    last |= dict.fromkeys(picks.get(gone, ()), by)
    return last


def _namesakes(ways: Ways, own: Iterable[int], picks: Mapping[int, object]) -> Reach:
    """Upstream commits of the same subject and author as one of the branch that names none."""
    found: set[int] = set()
    for one in ways.index.commits(n for n in own if n not in picks):
        for n in ways.index.by_subject(subject_key(one.subject)):
            if n in ways.upstream and ways.index.commit(n).author == one.author:
                found.add(n)
    return Reach.of(found)


# -- a series


def of_series(ways: Ways, series: Series, carried: Iterable[str], release: int | None) -> Subject:
    """The rows of a series, and what its picks stand for; `release` is what the target began as.

    Raises `UsageError` if history has none of them.
    """
    rows = {row.sha: row for row in series.commits}
    extra = [sha for sha in carried if sha not in rows]
    found = {sha: _found(ways, sha, rows.get(sha)) for sha in [*rows, *extra]}
    absent = {sha: rows[sha].subject for sha in rows if not found[sha]}
    if len(absent) == len(rows):
        raise UsageError(
            f"series {series.name}: this history has none of its {len(rows)} commits",
            hint="name a clone of upstream that has them (--history), or another --tip",
        )
    roots = Reach.of(n for numbers in found.values() for n in numbers)
    served = Reach.of(n for row in series.served for n in found[row.sha])
    has = roots
    if release is not None:
        has |= of_branch(ways, release, None).has
    return Subject(ways.upstream, has, roots, served=served, absent=absent)


def _found(ways: Ways, sha: str, row: SeriesCommit | None) -> tuple[int, ...]:
    """A commit by its id, or, in a mirror, by its subject."""
    subject = row.subject if row else ""
    names = Names(ways.index, ways.scope)
    return names.meant(Cited(-1, Sort.MENTIONS, sha, subject)).numbers
