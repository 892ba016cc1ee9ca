"""Compares audits of past releases with what their maintainers picked for the next ones.

For releases R and N of a branch: the branch as it was at R is audited against upstream as it was on
the day of N. What R..N brought is the truth. Recall counts the upstream commits of R..N that have a
`Fixes:` tag which names a commit of R; precision counts, of what the audit would ask about and what
came into upstream since R, how much is in R..N.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backport.audit.audit import (
    Asking,
    Branch,
    as_of,
    audit_branch,
    demand_commit,
    opened,
)
from backport.audit.index import Index
from backport.audit.names import Names
from backport.audit.reach import Reach, below
from backport.audit.subject import Subject, Ways, of_branch
from backport.doors.git import Git
from backport.readers.citations import Sort
from backport.values.audit import OPEN, Audit, Kind
from backport.values.errors import UsageError
from backport.values.events import Emit


@dataclass(frozen=True)
class Compared:
    """One pair of releases; commits are counted by their upstream ids."""

    release: str
    next: str
    upstream: str  # as it was on the day of the next release
    picked: int  # commits of upstream that the next release brought
    tagged: int  # of those, with a Fixes: tag
    known: int  # of those, whose tag names a commit of the release
    found: int  # of those, that the audit asks about
    reported: int  # fixes and reverts that the audit asks about
    fresh: int  # of those, that came into upstream since the release
    right: int  # of those, that the next release brought
    older: int  # that the audit asks about again, since an earlier release left them out
    missed: tuple[str, ...]  # commits in `known` and not in `found`, with their state

    @property
    def recall(self) -> float:
        """Of what could be found, how much was."""
        return self.found / self.known if self.known else 1.0

    @property
    def precision(self) -> float:
        """Of what is new and was found, how much was picked."""
        return self.right / self.fresh if self.fresh else 1.0


def compare(
    asking: Asking, branch: Branch, releases: Sequence[str], cache: Path, emit: Emit
) -> tuple[Compared, ...]:
    """Each release against the one before it, the branch's own revision first."""
    rows = []
    for one, following in zip([branch.rev, *releases], releases, strict=False):
        request = replace(asking, until=following, seconds=0.0)
        found = audit_branch(request, replace(branch, rev=one), cache, emit)
        rows.append(_compared(request, replace(branch, rev=one), following, found, cache))
    return tuple(rows)


@dataclass(frozen=True)
class _Truth:
    """What the next release brought, what the release had, and what was upstream before it."""

    releases: tuple[str, str]
    upstream: str
    before: Reach
    had: Subject
    brought: Reach


def _compared(
    asking: Asking, branch: Branch, following: str, found: Audit, cache: Path
) -> Compared:
    home = Git(branch.where)
    old, new = (demand_commit(home, rev) for rev in (branch.rev, following))
    with opened(asking, cache, home) as up:
        up.index.update(up.git, [up.tip, old, new], lambda _event: None)
        then = as_of(up.git, up.tip, branch.rev)
        before = below(up.index, [up.number(then)])
        upstream = below(up.index, [up.number(up.tip)])
        ways = Ways(up.index, upstream, upstream | below(up.index, [up.number(new)]))
        had, has = (of_branch(ways, up.number(sha), None) for sha in (old, new))
        truth = _Truth((branch.rev, following), up.tip, before, had, has.has - had.has)
        return _counted(up.index, found, truth)


def _counted(index: Index, found: Audit, truth: _Truth) -> Compared:
    brought, had = truth.brought, truth.had
    if not len(brought):
        one, following = truth.releases
        hint = "releases stand in their order; their commits must say what they are picks of"
        raise UsageError(f"{following} brought nothing of upstream since {one}", hint=hint)
    tagged = [n for n in brought if _fixed(index, n)]
    names = Names(index, had.upstream | had.own)
    known = [n for n in tagged if _about(names, index, n, had)]
    asked = {i.finding.n: i.finding for i in found.items if i.standing.state in OPEN}
    fixes = [n for n, one in asked.items() if one.kind in {Kind.FIX, Kind.REVERT}]
    fresh = [n for n in fixes if n not in truth.before]
    states = {i.finding.n: f"{i.standing.state}, {i.standing.why}" for i in found.items}
    missed = index.commits(n for n in known if n not in asked)
    return Compared(
        release=truth.releases[0],
        next=truth.releases[1],
        upstream=truth.upstream,
        picked=len(brought),
        tagged=len(tagged),
        known=len(known),
        found=len(known) - len(missed),
        reported=len(fixes),
        fresh=len(fresh),
        right=sum(n in brought for n in fresh),
        older=len(fixes) - len(fresh),
        missed=tuple(f"{c.sha[:12]} {c.subject}: {states.get(c.n, 'not found')}" for c in missed),
    )


def _fixed(index: Index, number: int) -> bool:
    return any(cited.sort == Sort.FIXES for cited in index.cited_by(number))


def _about(names: Names, index: Index, number: int, had: Subject) -> bool:
    """Whether a Fixes: tag of a commit names one that the release had."""
    return any(
        n in had.roots
        for cited in index.cited_by(number)
        if cited.sort == Sort.FIXES
        for n in names.meant(cited).numbers
    )
