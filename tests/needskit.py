"""Small repositories without a process for each object, and questions for the search on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pygit2

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.needs.names import Names
from backport.needs.past import Past
from backport.needs.search import Budget, Deadline, Found, Search
from backport.needs.trials import Onto, Trials


class Tale:
    """A bare repository to which commits are told, as `auditkit.Story` but within this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repo = pygit2.init_repository(str(path), bare=True, initial_head="main")
        self.git = Git(path)
        self._time = 1_700_000_000

    def add(
        self,
        subject: str,
        body: str = "",
        files: Mapping[str, str | None] | None = None,
        *,
        branch: str = "main",
        extra: str = "",
    ) -> str:
        """A commit on a branch; `extra` is a second parent."""
        ref = f"refs/heads/{branch}"
        here = self.repo.references.get(ref)
        index = pygit2.Index()
        if here:
            index.read_tree(self.repo[here.target].tree)
        for path, text in (files or {}).items():
            if text is None:
                index.remove(path)
            else:
                oid = self.repo.create_blob(text.encode())
                index.add(pygit2.IndexEntry(path, oid, pygit2.enums.FileMode.BLOB))
        self._time += 60
        who = pygit2.Signature("Ada Author", "ada@example.org", self._time, 0)
        parents = [sha for sha in (str(here.target) if here else "", extra) if sha]
        message = f"{subject}\n\n{body}\n" if body else f"{subject}\n"
        tree = index.write_tree(self.repo)
        return str(self.repo.create_commit(ref, who, who, message, tree, parents))

    def branch(self, name: str, at: str) -> None:
        """Begin a branch."""
        self.repo.references.create(f"refs/heads/{name}", at)

    def tip(self, name: str) -> str:
        """The newest commit of a branch."""
        return str(self.repo.references[f"refs/heads/{name}"].target)


def asked(
    tale: Tale,
    sha: str,
    *,
    onto: str = "old",
    has: tuple[str, ...] = (),
    budget: Budget | None = None,
    named: bool = False,
) -> Found | None:
    """What a commit needs on a branch; upstream is what the branch left."""
    limits = budget or Budget()
    target = tale.tip(onto)
    fork = str(tale.repo.merge_base(target, sha))
    odb = Odb(tale.path)
    left = Deadline(limits.seconds)
    past = Past(tale.git, odb, fork, odb.parents(sha)[0], left)
    trials = Trials(odb, Onto(target, has))
    names = Names(tale.git, trials, past) if named else None
    return Search(trials, past, limits, left, names).run(sha)
