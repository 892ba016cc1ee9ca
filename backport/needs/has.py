"""What a branch has of upstream already: by what its commits say, and by what they do."""

from __future__ import annotations

from collections.abc import Iterable

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.needs.past import Past
from backport.readers.citations import stands_for


class Has:
    """The upstream ids that a branch has since it left upstream, in whatever form.

    A commit that says nothing is compared by patch-id, if it touches one of the `paths`.
    """

    def __init__(self, git: Git, odb: Odb, branch: Past, paths: Iterable[str]) -> None:
        self._odb = odb
        self._cited: set[str] = set()
        silent: set[str] = set()
        for sha, message in _messages(git, branch):
            cited = [one.sha for one in stands_for(message)]
            named = [found[0] for one in cited if (found := odb.commit(one))]
            self._cited.update(named)
            if not named:
                silent.add(sha)
        near = {step.sha for path in paths for step in branch.steps(path)}
        self._patches = {odb.patch_id(sha) for sha in silent & near}
        self._known: dict[str, bool] = {}

    def __contains__(self, sha: object) -> bool:
        assert isinstance(sha, str)
        if sha not in self._known:
            by_patch = bool(self._patches) and self._odb.patch_id(sha) in self._patches
            self._known[sha] = sha in self._cited or by_patch
        return self._known[sha]


def _messages(git: Git, branch: Past) -> Iterable[tuple[str, str]]:
    text = git.run("log", "-z", "--format=%H%n%B", branch.tip, f"^{branch.fork}").text
    for record in text.split("\0"):
        sha, _, message = record.partition("\n")
        if sha:
            yield sha, message
