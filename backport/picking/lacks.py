"""Names that a series uses and its target lacks: gaps, and those that something brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from backport.doors.git import Git
from backport.gates import symbols
from backport.gates.credit import Brought, By, Credit
from backport.gates.definitions import Defined, definitions, headers
from backport.readers.identifiers import Kind
from backport.values.commit import Incoming
from backport.values.csource import split_lines
from backport.values.rule import Rule


@dataclass(frozen=True)
class Leg:
    """One commit of a series on its way: the trees before and after it.

    `after` is '' for the commit that stopped the series.
    """

    incoming: Incoming
    onto: str
    before: str
    after: str
    rules: tuple[Rule, ...]  # that hold here
    credits: tuple[Credit, ...]


@dataclass(frozen=True)
class Lack:
    """A name where upstream's code uses it first; `by` nothing is a gap.

    `source` is what brings it: the id of a rule, or a commit of the series (12 digits). `nearest`
    is upstream's definition; it is not looked up for what comes with the series.
    """

    name: str
    kind: Kind
    path: str
    number: int
    line: str
    leg: int
    by: By | None = None
    source: str = ""
    nearest: Defined | None = None

    @property
    def bridge(self) -> str:
        """What would bridge a gap of this kind, in words."""
        return symbols.BRIDGES[self.kind]


def find_lacks(git: Git, base: str, legs: Sequence[Leg]) -> list[Lack]:
    """Every such name of the commits that were picked, in their order."""
    done = [leg for leg in legs if leg.after]
    steps = tuple(
        symbols.Step(str(n), leg.after, leg.incoming.commit, leg.incoming.parent, leg.credits)
        for n, leg in enumerate(done)
    )
    result = symbols.check(symbols.Request(git, base, steps))
    found = [
        Lack(one.name, one.kind, one.path, one.number, one.line, int(one.subject))
        for one in _once(result.missing)
    ]
    found += [_brought(git, one, done) for one in result.brought]
    nearest = _nearest(git, done, [lack for lack in found if lack.by is not By.COMMIT])
    found = [replace(lack, nearest=nearest.get(lack.name)) for lack in found]
    return sorted(found, key=lambda lack: (lack.leg, lack.by is not None))


def _once(missing: Iterable[symbols.Missing]) -> Iterator[symbols.Missing]:
    seen: set[str] = set()
    for one in missing:
        if one.name not in seen:
            seen.add(one.name)
            yield one


def _brought(git: Git, one: Brought, legs: Sequence[Leg]) -> Lack:
    leg = legs[int(one.subject)]
    source = one.source
    if one.by is By.COMMIT:
        incoming = legs[int(source)].incoming
        source = (incoming.stands_for or (incoming.commit,))[0][:12]
    line = next(_lines_with(git, one, (leg.incoming.commit, leg.after)), "")
    return Lack(one.name, one.kind, one.path, one.number, line, int(one.subject), one.by, source)


def _lines_with(git: Git, one: Brought, trees: Iterable[str]) -> Iterator[str]:
    for tree in trees:
        lines = split_lines(git.read(tree, one.path) or b"")
        if one.number <= len(lines) and one.name in lines[one.number - 1]:
            yield lines[one.number - 1]


def definitions_of(git: Git, tree: str, lacks: Sequence[Lack]) -> dict[str, Defined]:
    """What a tree defines of lacking names: functions and the like, members, headers."""
    members = {lack.name for lack in lacks if lack.kind is Kind.MEMBER}
    included = {lack.name for lack in lacks if lack.kind is Kind.INCLUDE}
    names = {lack.name for lack in lacks} - members - included
    near = [lack.path for lack in lacks]
    found = definitions(git, tree, names, near=near, members=members)
    return found | headers(git, tree, included)


def _nearest(git: Git, legs: Sequence[Leg], lacks: Sequence[Lack]) -> dict[str, Defined]:
    """Upstream's definitions, out of its newest tree, or each commit's own if these are slices."""
    found: dict[str, Defined] = {}
    for number in reversed(range(len(legs))):
        tree = git.tree_of(legs[number].incoming.commit)
        whole = git.entry(tree, "Kconfig") is not None
        mine = [lack for lack in lacks if whole or lack.leg == number]
        found |= definitions_of(git, tree, mine)
        if whole:
            break
    return found
