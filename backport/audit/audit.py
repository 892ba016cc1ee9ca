"""An audit from its request to its answer: open histories, find, sift, try, decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from backport.advice.lineage import History
from backport.advice.presence import release_of
from backport.audit import needs, schema
from backport.audit.bench import Bench
from backport.audit.find import Causes, find
from backport.audit.index import Index, demand_whole, open_index
from backport.audit.reach import Reach, below
from backport.audit.sift import sift
from backport.audit.standing import judge
from backport.audit.subject import Subject, Ways, of_branch, of_series
from backport.audit.untagged import by_lines
from backport.doors.git import Git
from backport.readers.vulnerabilities import Vulnerability
from backport.upstreams.desk import borrowing, desk
from backport.values.audit import Audit, Decision, Finding, Judged, Kind, Standing
from backport.values.errors import UsageError
from backport.values.events import Emit
from backport.values.series import Series
from backport.values.version import Version

SERIES_KINDS = (Kind.FIX, Kind.REVERT, Kind.SELFTEST, Kind.COMPANION)
BRANCH_KINDS = (Kind.FIX, Kind.REVERT, Kind.STABLE)


@dataclass(frozen=True)
class Asking:
    """What is asked of which upstream; `until` is a day, or a commit of that time."""

    where: str
    tip: str = ""
    until: str = ""
    kinds: tuple[Kind, ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] = ()
    decisions: tuple[Decision, ...] = ()
    left_out: tuple[Decision, ...] = ()  # by the series' manifest
    today: date = field(default_factory=date.today)
    seconds: float = 30.0  # for what takes a search of history
    by_lines: bool = False  # look for fixes that say nothing of what they fix


@dataclass(frozen=True)
class Branch:
    """A branch of a repository; with `since` only what came into it after that."""

    where: Path
    rev: str
    since: str = ""


@dataclass(frozen=True)
class Carried:
    """A series on a target: the tree that has it, and what its picks stand for."""

    series: Series
    target: str
    store: Git
    tree: str
    version: Version
    stands_for: tuple[str, ...]


@dataclass(frozen=True)
class Opened:
    """Upstream's clone with its index."""

    history: History
    git: Git
    index: Index
    tip: str

    def number(self, sha: str) -> int:
        """The place of a commit that the index has been told of."""
        found = self.index.number(sha)
        assert found is not None, sha
        return found


# -- the two subjects


def audit_branch(asking: Asking, branch: Branch, cache: Path, emit: Emit) -> Audit:
    """What upstream has for a branch and the branch has not."""
    home = Git(branch.where.expanduser())
    tip = demand_commit(home, branch.rev)
    since = demand_commit(home, branch.since) if branch.since else ""
    with opened(asking, cache, home) as up:
        tips = [sha for sha in (tip, since) if sha]
        up.index.update(up.git, [up.tip, *tips], emit)
        upstream = below(up.index, [up.number(up.tip)])
        ways = Ways(up.index, upstream, upstream | below(up.index, [up.number(tip)]))
        subject = of_branch(ways, up.number(tip), up.number(since) if since else None)
        with desk([up.git, home]) as git:
            bench = Bench(git, git.tree_of(tip))
            request = replace(asking, kinds=asking.kinds or BRANCH_KINDS)
            answer = _answer(request, up, subject, bench, emit)
    label = f"{branch.rev} since {branch.since}" if branch.since else branch.rev
    return replace(answer, subject=label, target=str(branch.where))


def audit_series(asking: Asking, carried: Carried, cache: Path, emit: Emit) -> Audit:
    """What upstream has for the commits of a series and its target has not."""
    with opened(asking, cache, None) as up:
        tag = release_of(up.history, carried.version)
        began = up.git.ref(tag) if tag else None
        up.index.update(up.git, [up.tip, *([began] if began else [])], emit)
        upstream = below(up.index, [up.number(up.tip)])
        release = up.number(began) if began else None
        scope = upstream | (below(up.index, [release]) if release is not None else Reach())
        ways = Ways(up.index, upstream, scope)
        subject = of_series(ways, carried.series, carried.stands_for, release)
        with desk([up.git, carried.store]) as git:
            bench = Bench(git, carried.tree)
            request = replace(asking, kinds=asking.kinds or SERIES_KINDS, by_lines=True)
            answer = _answer(request, up, subject, bench, emit)
    return replace(answer, subject=carried.series.name, target=carried.target)


def _answer(asking: Asking, up: Opened, subject: Subject, bench: Bench, emit: Emit) -> Audit:
    ids, more, notes = _untold(asking, up, subject, bench.git)
    found = find(up.index, subject, asking.kinds, more)
    found = replace(found, items=tuple(replace(i, cves=ids.get(i.n, ())) for i in found.items))
    sifted = sift(up.index, bench.git, subject, found)
    standings = {**sifted.settled, **judge(bench, sifted.open_items, emit)}
    standings = needs.with_missing(sifted.items, standings)
    if asking.seconds:
        by = needs.Tracing(bench, up.index, up.history, subject.has)
        standings = needs.traced(by, sifted.items, standings, emit)
    items = tuple(_judged(asking, item, standings[item.n]) for item in sifted.items)
    used = {item.decision for item in items}
    return Audit(
        subject="",
        target="",
        upstream=f"{asking.where} {up.tip[:12]}",
        looked_at=len(subject.roots),
        items=items,
        absent=subject.absent,
        ambiguous=found.ambiguous,
        notes=notes,
        unused=tuple(d for d in asking.decisions if d not in used),
    )


def _untold(
    asking: Asking, up: Opened, subject: Subject, git: Git
) -> tuple[dict[int, tuple[str, ...]], Causes, tuple[str, ...]]:
    """Vulnerabilities by their fixes, fixes that no tag tells, and what could not be told."""
    ids: dict[int, set[str]] = {}
    more: dict[int, dict[int, str]] = {}
    note = ""
    if asking.by_lines and asking.seconds and Kind.FIX in asking.kinds:
        lines, note = by_lines(up.history, git, up.index, subject, up.tip)
        more = {n: dict.fromkeys(causes, "lines") for n, causes in lines.items()}
    for one in asking.vulnerabilities:
        for brought, mended in one.pairs:
            n = up.index.number(mended)
            if n is None or n not in subject.upstream:
                continue
            ids.setdefault(n, set()).add(one.id)
            cause = up.index.number(brought) if brought else None
            if cause is not None and cause in subject.roots and n not in subject.has:
                more.setdefault(n, {})[cause] = "cve"
    named = {n: tuple(sorted(found)) for n, found in ids.items()}
    return named, more, (note,) if note else ()


# -- decisions


def _judged(asking: Asking, item: Finding, standing: Standing) -> Judged:
    decisions = (*asking.decisions, *asking.left_out)
    about = next((d for d in decisions if item.sha.startswith(d.sha)), None)
    return Judged(item, standing, about, about is not None and not about.holds(asking.today))


# -- opening


@contextmanager
def opened(asking: Asking, cache: Path, lender: Git | None) -> Iterator[Opened]:
    """Upstream's clone, as it was on the day that is asked about.

    Raises `UsageError` for what is no clone, is shallow, or lacks the revision.
    """
    history = History(asking.where, asking.seconds)
    demand_whole(history.git, asking.where)
    tip = demand_commit(history.git, asking.tip) if asking.tip else history.tip
    if asking.until:
        tip = as_of(history.git, tip, asking.until)
    git = borrowing(history.git, lender) if lender else history.git
    index = open_index(history.git, cache)
    try:
        with schema.trouble(index.path):
            yield Opened(history, git, index, tip)
    finally:
        index.close()


def demand_commit(git: Git, rev: str) -> str:
    """The full id of a revision; a `UsageError` if it names no commit."""
    found = git.ref(rev)
    if found is None:
        what = "is no commit" if git.resolve(rev) else "names nothing"
        raise UsageError(f"{rev}: {what} in {git.path}", hint=f"git -C {git.path} log --oneline -1")
    return found


def as_of(git: Git, tip: str, until: str) -> str:
    """Upstream's newest commit on a day, or at the time when another commit was made."""
    try:
        moment = datetime.fromisoformat(until)
        before = until if len(until) > 10 else f"{moment:%Y-%m-%d} 23:59:59 +0000"
    except ValueError:
        sha = git.ref(until)
        if sha is None:
            hint = "write a day, e.g. 2026-03-31, or a revision of the clone"
            raise UsageError(f"--until {until}: neither a day nor a commit", hint=hint) from None
        before = git.run("log", "-1", "--format=%ct", sha).text.strip()
    argv = ("rev-list", "-1", "--first-parent", f"--before={before}", tip)
    found = git.run(*argv).text.strip()
    if not found:
        raise UsageError(f"--until {until}: upstream begins later")
    return found
