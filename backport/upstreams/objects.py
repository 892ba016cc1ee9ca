"""Raw git objects in batches: one process for many, and nothing fetched behind our back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from backport.doors.git import TREE_MODE, Change, Entry, Git

# A partial clone fetches what it lacks as soon as somebody looks: with no transport it cannot.
NO_LAZY_FETCH = {"GIT_ALLOW_PROTOCOL": "none"}

Listing = Mapping[str, Entry]
ReadTrees = Callable[[set[str]], Mapping[str, bytes]]


@dataclass(frozen=True)
class RawObject:
    """An object as git stores it; `kind` is commit, tree, blob or tag."""

    kind: str
    data: bytes


def read_objects(git: Git, oids: Iterable[str]) -> dict[str, RawObject]:
    """The objects among `oids` (full ids) that are in a repository, by id."""
    wanted = sorted(set(oids))
    if not wanted:
        return {}
    text = "".join(f"{oid}\n" for oid in wanted).encode()
    out = git.run("cat-file", "--batch", stdin=text, env=NO_LAZY_FETCH).stdout
    found: dict[str, RawObject] = {}
    pos = 0
    while pos < len(out):
        end = out.index(b"\n", pos)
        oid, kind, *size = out[pos:end].decode().split()
        pos = end + 1
        if size:
            stop = pos + int(size[0])
            found[oid] = RawObject(kind, out[pos:stop])
            pos = stop + 1
    return found


def all_objects(git: Git) -> set[str]:
    """The id of every object in a repository; meant for small ones."""
    form = "--batch-check=%(objectname)"
    out = git.run("cat-file", form, "--batch-all-objects", "--unordered", env=NO_LAZY_FETCH)
    return set(out.text.split())


def parse_tree(data: bytes) -> dict[str, Entry]:
    """The entries of one raw tree object by name; undecodable bytes are kept as surrogates."""
    entries: dict[str, Entry] = {}
    pos = 0
    while pos < len(data):
        nul = data.index(b"\0", pos)
        mode, _, name = data[pos:nul].partition(b" ")
        oid = data[nul + 1 : nul + 21].hex()
        entries[name.decode("utf-8", "surrogateescape")] = Entry(mode.decode().zfill(6), oid)
        pos = nul + 21
    return entries


@dataclass(frozen=True)
class _Step:
    """One directory of one pair of trees; a missing side is empty."""

    pair: int
    prefix: str
    old: str
    new: str


def compare_trees(
    pairs: Sequence[tuple[str, str]], read_trees: ReadTrees
) -> list[tuple[Change, ...]]:
    """What differs between the trees of each pair, in path order; renames are delete and add.

    `read_trees` is asked once for each level of directories, for all pairs together, and only
    for trees on the way to a difference: from afar that costs few and small answers.
    """
    found: list[list[Change]] = [[] for _ in pairs]
    steps = [_Step(i, "", old, new) for i, (old, new) in enumerate(pairs) if old != new]
    while steps:
        raw = read_trees({oid for step in steps for oid in (step.old, step.new) if oid})
        listings = {oid: parse_tree(data) for oid, data in raw.items()}
        deeper: list[_Step] = []
        for step in steps:
            old, new = listings.get(step.old, {}), listings.get(step.new, {})
            deeper += _compare(step, old, new, found[step.pair])
        steps = deeper
    return [tuple(sorted(changes, key=lambda c: c.path)) for changes in found]


def _compare(step: _Step, old: Listing, new: Listing, found: list[Change]) -> list[_Step]:
    deeper = []
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        path = step.prefix + name
        trees = _tree_id(before), _tree_id(after)
        if any(trees):
            deeper.append(_Step(step.pair, f"{path}/", *trees))
        files = None if trees[0] else before, None if trees[1] else after
        if any(files):
            found.append(Change(path, *files))
    return deeper


def _tree_id(entry: Entry | None) -> str:
    return entry.oid if entry and entry.mode == TREE_MODE else ""
