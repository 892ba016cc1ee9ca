"""What is exported: a line of commits, each with where it comes from, in the words of a dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from backport.doors.git import CommitInfo, Git
from backport.output.exporters.cover import Cover, cover_of
from backport.output.exporters.patches import commit_of, line_of
from backport.values.commit import Person
from backport.values.dialects import Dialect, Medium, Spot
from backport.values.dialects.stable import STABLE
from backport.values.provenance import (
    Field,
    Letter,
    Provenance,
    person_of,
    person_text,
    rfc2822,
)
from backport.values.record import Pick, RunRecord


@dataclass(frozen=True)
class Extra:
    """What no run knows: who carries the series, and what it is for."""

    carrier: str = ""
    bugs: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    branch: str = ""  # where it goes as a branch; else where the run left it
    force: bool = False  # replace a branch that is not ours


@dataclass(frozen=True)
class Cargo:
    """A series on its way out; `patches` and `commits` go together."""

    git: Git
    base: str
    head: str
    tree: str
    cover: Cover
    dialect: Dialect
    commits: tuple[CommitInfo, ...]
    patches: tuple[Provenance, ...]
    paths: tuple[str, ...]  # what the series touches, whether or not it is there at the end
    extra: Extra

    @property
    def carrier(self) -> str:
        """Who carries the series; empty for nobody but us."""
        return self.extra.carrier

    @property
    def branch(self) -> str:
        """The name of the series as a branch."""
        return self.extra.branch or f"backport/{self.cover.series}/{self.cover.target}"

    @property
    def force(self) -> bool:
        """Whether a branch that is not ours may be replaced."""
        return self.extra.force

    @property
    def name(self) -> str:
        """What files of the whole series are called."""
        return f"{self.cover.series}-{self.cover.target}"

    def letter(self, number: int) -> Letter:
        """What stands above the diff of a patch, counted from 1."""
        p = self.patches[number - 1]
        spot = Spot(number, len(self.patches), self.paths)
        return replace(self.dialect.format(p), name=self.dialect.file_name(p, spot))


def pack(git: Git, record: RunRecord, dialect: Dialect, extra: Extra | None = None) -> Cargo:
    """The series of a run; its base and head must be known.

    Raises `UsageError` if the commits are not a line from base to head.
    """
    assert record.base is not None
    extra = extra or Extra()
    extra = replace(extra, branch=extra.branch or record.branch)
    base, head = commit_of(git, record.base.commit), commit_of(git, record.head)
    commits = tuple(line_of(git, base, head))
    picks = {pick.commit: pick for pick in record.picks if pick.commit}
    patches = tuple(
        replace(
            provenance_of(commit, picks),
            bugs=extra.bugs,
            cves=extra.cves,
            carrier=extra.carrier,
            updated=record.started[:10],
        )
        for commit in commits
    )
    return Cargo(
        git,
        base,
        head,
        record.tree,
        cover_of(record),
        dialect,
        commits,
        patches,
        _paths(git, base, commits),
        extra,
    )


def _paths(git: Git, base: str, commits: tuple[CommitInfo, ...]) -> tuple[str, ...]:
    trees = [git.tree_of(base), *(c.tree for c in commits)]
    return tuple(dict.fromkeys(c.path for pair in pairwise(trees) for c in git.changes(*pair)))


def provenance_of(commit: CommitInfo, picks: Mapping[str, Pick]) -> Provenance:
    """Where a commit of a branch comes from: by its message, and by the record of its pick."""
    subject, text = _parts(commit.message)
    found = STABLE.parse(Letter(_fields(commit.author, subject), text))
    pick = picks.get(commit.oid)
    if pick is None:
        return found
    mainline = f"v{pick.first_in}" if pick.first_in else ""
    return replace(found, upstream=pick.stands_for or (pick.sha,), mainline=mainline)


def _parts(message: str) -> tuple[str, str]:
    subject, _, text = message.strip("\n").partition("\n\n")
    return subject, f"{text}\n" if text else ""


def _fields(author: Person, subject: str) -> tuple[Field, ...]:
    return (
        Field("From", person_text(author)),
        Field("Date", rfc2822(author.date)),
        Field("Subject", subject),
    )


def reworded(scratch: Git, cargo: Cargo) -> str:
    """The line of commits with messages in the dialect's words, in a repository; its head.

    In the branch's own dialect, carried by nobody else, it is the same line.
    """
    assert cargo.dialect.medium in {Medium.MESSAGE, Medium.FILE}
    parent = cargo.base
    for number, commit in enumerate(cargo.commits, 1):
        message, author, committer = commit.message, commit.author, commit.committer
        if cargo.carrier:
            committer = person_of(cargo.carrier, committer.date)
        if cargo.carrier or cargo.dialect is not STABLE:
            letter = cargo.letter(number)
            message = f"{letter.get('Subject')}\n\n{letter.text}".rstrip("\n") + "\n"
            sender = person_of(letter.get("From"), author.date)
            author = sender if sender.email else author
        parent = scratch.commit_tree(commit.tree, [parent], message, author, committer)
    return parent
