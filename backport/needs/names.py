"""Names that picks use and that neither the target nor they themselves bring, and who would.

The gate on symbols says what is missing; upstream's tree says where it is defined, and the past of
that file, when it came.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from backport.doors.git import Git
from backport.gates import symbols
from backport.needs.past import Past
from backport.needs.trials import Hard, State, Trials
from backport.readers.identifiers import Kind, defined_in, words_of

_CODE = ("*.c", "*.h")
_FILES = 4  # that define a name, whose past is looked at


@dataclass(frozen=True)
class Lack:
    """A name that a commit uses in a file and nothing has; `bringer` is who made it, '' unknown."""

    name: str
    of: str
    path: str
    bringer: str = ""


class Names:
    """Asks after names on one target; `git` may be written to and has both sides' objects."""

    def __init__(self, git: Git, trials: Trials, past: Past, arch: str = "x86") -> None:
        self._git, self._trials, self._past, self._arch = git, trials, past, arch
        self._asked: dict[tuple[str, ...], list[Lack]] = {}
        whole = git.tree_of(trials.onto.tree)
        self._base = git.edit_tree(whole, trials.onto.instead)

    def lacking(self, shas: Sequence[str], hard: Collection[Hard]) -> list[Lack]:
        """What commits lack that are picked in this order, with whoever brings it upstream."""
        missing = [
            one
            for one in symbols.check(self._request(shas, hard)).missing
            if (one.subject, one.path) not in hard
        ]
        origins = self._origins({one.name: one.kind for one in missing})
        return [
            Lack(one.name, one.subject, one.path, self._bringer(one.name, origins[one.name]))
            for one in missing
            if one.name in origins
        ]

    def _request(self, shas: Sequence[str], hard: Collection[Hard]) -> symbols.Request:
        state: State = {}
        tree, steps = self._base, []
        for sha in shas:
            self._trials.pick(state, sha, hard)
            paths = self._trials.paths(sha)
            tree = self._git.edit_tree(tree, {path: state.get(path) for path in paths})
            steps.append(symbols.Step(sha, tree, ""))
        return symbols.Request(self._git, self._base, tuple(steps), self._arch)

    def _origins(self, names: Mapping[str, Kind]) -> dict[str, list[str]]:
        """The files of upstream that define each name, headers first; a header is its own."""
        found: dict[str, dict[str, None]] = {}
        tip = self._past.tip
        plain = {name for name, kind in names.items() if kind is not Kind.INCLUDE}
        for path, _, line in symbols.grep_names(self._git, tip, plain, _CODE) if plain else ():
            for name in defined_in(line, words_of(line, plain), private=True):
                found.setdefault(name, {})[path] = None
        headers = names.keys() - plain
        for path in self._git.entries(tip) if headers else ():
            for name in headers:
                if f"/{path}".endswith(f"/{PurePosixPath(name)}"):
                    found.setdefault(name, {})[path] = None
        return {
            name: sorted(paths, key=lambda path: not path.endswith(".h"))[:_FILES]
            for name, paths in found.items()
        }

    def _bringer(self, name: str, paths: Sequence[str]) -> str:
        """The commit with which a name came into a file, the newest if it came and went."""
        found = [sha for path in paths for sha in self._came(name, path)]
        return found[0] if found else ""

    def _came(self, name: str, path: str) -> Iterator[str]:
        word = re.compile(rb"\b%b\b" % re.escape(name.encode()))
        is_file = path.endswith(name)
        for step in self._past.steps(path):
            old, new = step.change.old, step.change.new
            if new is None or (is_file and old):
                continue
            blobs = [self._trials.odb.blob(entry.oid) for entry in (new, old) if entry]
            if is_file or (word.search(blobs[0]) and not any(map(word.search, blobs[1:]))):
                yield step.sha
                return
