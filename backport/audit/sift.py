"""Sifts findings by what is known without a trial: other names, patch-ids, files, the donor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from backport.audit.bench import changes_of
from backport.audit.find import Found
from backport.audit.index import Index
from backport.audit.names import Names
from backport.audit.subject import Subject
from backport.doors.git import Git
from backport.readers.citations import Sort, subject_key
from backport.values.audit import Finding, Kind, Standing, State

MOST = 3000  # commits of a branch without a word about upstream whose patch-ids are computed

# Files that only tests are made of: the kernel's, and what other projects call theirs.
_TESTS = re.compile(
    r"^(tools/testing/|samples/|tests?/|t/|app/test/)|/(tests?|selftests?|kunit)/"
    r"|[_-](kunit|test|selftest)s?\.(c|h|py|sh)$|/test_[^/]+$"
)


@dataclass(frozen=True)
class Sifted:
    """Findings that are settled, and those that have to be tried."""

    settled: Mapping[int, Standing]
    items: tuple[Finding, ...]

    @property
    def open_items(self) -> tuple[Finding, ...]:
        """What is not settled yet."""
        return tuple(item for item in self.items if item.n not in self.settled)


def sift(index: Index, git: Git, subject: Subject, found: Found) -> Sifted:
    """Settle what can be told from names and files; `git` has upstream's objects."""
    items = tuple(_by_files(git, found.items))
    names = Names(index, subject.upstream | subject.own)
    settled: dict[int, Standing] = {}
    for item in items:
        standing = _told(index, names, subject, found, item)
        if standing is not None:
            settled[item.n] = standing
    left = [item for item in items if item.n not in settled]
    settled |= _same_patch(index, git, subject, left)
    return Sifted(settled, items)


def _told(
    index: Index, names: Names, subject: Subject, found: Found, item: Finding
) -> Standing | None:
    if item.n in found.back:
        return Standing(State.TAKEN_BACK, found.back[item.n])
    if item.n in subject.dropped:
        return Standing(State.NOT_APPLICABLE, subject.dropped[item.n])
    twin = _twin(index, names, subject, item)
    if twin:
        return Standing(State.PRESENT, f"by another name: {twin[:12]} is the same")
    causes = [index.number(cause.sha) for cause in item.causes]
    if causes and all(n is not None and n in subject.served for n in causes):
        return Standing(State.SERVED, "what it is about comes from the donor tree")
    return None


def _twin(index: Index, names: Names, subject: Subject, item: Finding) -> str:
    """A commit that the target has and that is this one under another name."""
    there = index.citing(item.sha, subject_key(item.subject))
    picks = [c for c in there if c.sort == Sort.STANDS_FOR and c.n in subject.has]
    found = [c.n for c in picks if item.n in names.meant(c).numbers]
    for cited in index.cited_by(item.n):
        if cited.sort == Sort.STANDS_FOR:
            found += [n for n in names.meant(cited).numbers if n in subject.has]
    return index.commit(found[0]).sha if found else ""


# -- files


def _by_files(git: Git, items: Sequence[Finding]) -> Iterator[Finding]:
    """Tests by the files they touch; a commit that only speaks of another is no finding."""
    asked = [item.sha for item in items if item.kind in {Kind.SELFTEST, Kind.COMPANION}]
    files = changes_of(git, asked) if asked else {}
    for item in items:
        changes = files.get(item.sha, ())
        tests = bool(changes) and all(_TESTS.search(change.path) for change in changes)
        if item.kind is Kind.COMPANION and tests:
            yield replace(item, kind=Kind.SELFTEST)
        elif item.kind is not Kind.SELFTEST or tests:
            yield item


# -- patch-ids


def _same_patch(
    index: Index, git: Git, subject: Subject, items: Sequence[Finding]
) -> dict[int, Standing]:
    """Findings whose patch a commit of the branch makes that says nothing of upstream."""
    silent = [n for n in subject.own if all(c.sort != Sort.STANDS_FOR for c in index.cited_by(n))][
        -MOST:
    ]
    if not silent or not items:
        return {}
    mine = {pid: sha for sha, pid in _patch_ids(git, [c.sha for c in index.commits(silent)])}
    theirs = dict(_patch_ids(git, [item.sha for item in items]))
    return {
        item.n: Standing(State.PRESENT, f"by patch-id: {mine[theirs[item.sha]][:12]}")
        for item in items
        if theirs.get(item.sha) in mine
    }


def _patch_ids(git: Git, shas: Sequence[str]) -> Iterator[tuple[str, str]]:
    form = ("log", "--no-walk=unsorted", "--format=commit %H", "-p", "--no-renames", "--stdin")
    text = "".join(f"{sha}\n" for sha in shas).encode()
    patches = git.run(*form, stdin=text, check=False).stdout
    for line in git.run("patch-id", "--stable", stdin=patches, check=False).text.splitlines():
        pid, sha = line.split()
        yield sha, pid
