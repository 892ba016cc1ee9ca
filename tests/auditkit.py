"""Repositories for audits: branches whose messages say what they fix, revert and are picks of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backport.doors.git import Entry, Git
from backport.values.commit import Person
from backport.values.gitformat import FILE_MODE

START = 1_700_000_000
DAY = 86_400


def lines(*words: str) -> str:
    """A file of C-like lines that are long enough to say something."""
    return "".join(f"\tsettle_the_{word}(dock);\n" for word in words)


class Story:
    """A bare repository to which commits are told, one a day unless said otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        new = not path.exists()
        self.git = Git.init_bare(path)
        if new:
            self.git.run("symbolic-ref", "HEAD", "refs/heads/main")
        self.days = 0.0

    def add(
        self,
        subject: str,
        body: str = "",
        files: Mapping[str, str | None] | None = None,
        *,
        branch: str = "main",
        who: str = "Ada Author",
        extra: str = "",
        days: float = 1,
        program: bool = False,
    ) -> str:
        """A commit on a branch; `extra` is a second parent, `days` how long after the last."""
        ref = f"refs/heads/{branch}"
        parent = self.git.ref(ref)
        tree = self.git.tree_of(parent) if parent else ""
        mode = "100755" if program else FILE_MODE
        edits = {
            path: Entry(mode, self.git.write_blob(text.encode())) if text is not None else None
            for path, text in (files or {}).items()
        }
        self.days += days
        date = f"{START + int(self.days * DAY)} +0000"
        person = Person(who, f"{who.partition(' ')[0].lower()}@example.org", date)
        parents = [sha for sha in (parent, extra) if sha]
        message = f"{subject}\n\n{body}\n" if body else f"{subject}\n"
        committer = Person("Mia Maintainer", "mia@example.org", date)
        sha = self.git.commit_tree(
            self.git.edit_tree(tree, edits), parents, message, person, committer
        )
        self.git.run("update-ref", ref, sha)
        return sha

    def branch(self, name: str, at: str) -> None:
        """Begin a branch."""
        self.git.run("update-ref", f"refs/heads/{name}", at)

    def tag(self, name: str, at: str) -> None:
        """Mark a release."""
        self.git.run("tag", name, at)


def fixes(sha: str, subject: str = "", digits: int = 12) -> str:
    """A Fixes: tag as the kernel writes it."""
    return f'Fixes: {sha[:digits]} ("{subject}")' if subject else f"Fixes: {sha[:digits]}"
