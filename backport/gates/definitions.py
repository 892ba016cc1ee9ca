"""Definitions: where a tree defines names, with all the lines that it takes to do so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from backport.doors.git import Git
from backport.gates.symbols import grep_names
from backport.readers.cparse import outline
from backport.readers.identifiers import defined_in, fields_in, words_of
from backport.values.csource import split_lines

HEADERS = ("include", "arch/x86/include")
# Looked into when neither the headers nor the folders of those who use a name define it whole.
FARTHER = ("kernel", "lib", "mm", "net")


@dataclass(frozen=True)
class Defined:
    """A name with its definition; not `whole` where the tree shows but a declaration or a member.

    A header is its own definition.
    """

    name: str
    path: str
    number: int  # of the first line
    lines: tuple[str, ...]
    whole: bool

    @property
    def place(self) -> str:
        """`path:line`."""
        return f"{self.path}:{self.number}"


def definitions(
    git: Git, tree: str, names: Set[str], near: Iterable[str] = (), members: Set[str] = frozenset()
) -> dict[str, Defined]:
    """What a tree defines of the names; a whole definition is preferred, and one in a header.

    `near` are paths whose folders are searched along with the headers; `members` are wanted where
    a struct declares them, and in no other way.
    """
    folders = {path.rpartition("/")[0] for path in near} - {""}
    found = _search(git, tree, names, {*HEADERS, *folders})
    found |= _members(git, tree, members)
    left = {name for name in names if name not in found or not found[name].whole}
    farther = _search(git, tree, left, FARTHER)
    return found | {n: one for n, one in farther.items() if one.whole or n not in found}


def _search(git: Git, tree: str, names: Set[str], folders: Iterable[str]) -> dict[str, Defined]:
    if not names:
        return {}
    hits: dict[str, list[tuple[str, int, str]]] = {}
    globs = [f"{folder}/*.[ch]" for folder in sorted(folders)]
    for path, number, line in grep_names(git, tree, names, globs):
        for name in defined_in(line, words_of(line, names)):
            hits.setdefault(name, []).append((path, number, line))
    wanted = sorted({path for found in hits.values() for path, _, _ in found})
    entries = git.entries(tree, wanted) if wanted else {}
    texts = {path: split_lines(git.blob(entry.oid)) for path, entry in entries.items()}
    return {name: _best(name, found, texts) for name, found in hits.items()}


def _members(git: Git, tree: str, names: Set[str]) -> dict[str, Defined]:
    found: dict[str, Defined] = {}
    for path, number, line in grep_names(git, tree, names, ["include/*.h"]) if names else ():
        for name in (names & set(fields_in(line))) - found.keys():
            found[name] = Defined(name, path, number, (line,), whole=False)
    return found


def _best(name: str, hits: list[tuple[str, int, str]], texts: dict[str, list[str]]) -> Defined:
    ordered = sorted(hits, key=lambda hit: (not hit[0].endswith(".h"), hit[0], hit[1]))
    for path, number, _ in ordered:
        for whole in _whole(name, path, number, texts[path]):
            return whole
    path, number, line = ordered[0]
    return Defined(name, path, number, (line,), whole=False)


def _whole(name: str, path: str, number: int, lines: list[str]) -> Iterator[Defined]:
    for item in outline(lines):
        first, last = item.span
        if item.name == name and first < number <= last:
            yield Defined(name, path, first + 1, tuple(lines[first:last]), whole=True)


def headers(git: Git, tree: str, names: Set[str]) -> dict[str, Defined]:
    """The headers among `names`, as `#include <…>` names them, that a tree has."""
    roots = ("include", "include/uapi")
    paths = {f"{root}/{name}": name for name in sorted(names) for root in roots}
    entries = git.entries(tree, sorted(paths)) if paths else {}
    return {
        paths[path]: Defined(paths[path], path, 1, tuple(split_lines(git.blob(e.oid))), whole=True)
        for path, e in entries.items()
    }
