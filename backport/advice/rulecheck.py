"""Rules against everything that is known: the series, one another, and the targets at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from backport.picking import history
from backport.picking.ground import Absence, Ground
from backport.picking.pick import applicable
from backport.values.commit import Incoming
from backport.values.errors import Place, RuleError
from backport.values.events import Emit
from backport.values.rule import Rule
from backport.values.series import Series
from backport.values.version import Range, Version

_Looked = tuple[Incoming, str]  # a commit, the tree that it was picked onto


@dataclass(frozen=True)
class Firing:
    """A rule at work: the upstream commit (12 digits), the path, the lines against upstream."""

    rule: str
    commit: str
    path: str
    added: int
    removed: int


@dataclass(frozen=True)
class Trial:
    """What the rules did on one target.

    `held` are ids, and so is `untold`: what this form of upstream says nothing about. `upto` is how
    many of the commits were looked at, fewer than `commits` when the series stopped. A rule in
    `wrong` was put aside, so that the others could be tried.
    """

    target: str
    base: str  # label of the tree
    version: Version
    held: frozenset[str]
    untold: frozenset[str]
    fired: tuple[Firing, ...]
    wrong: tuple[RuleError, ...]
    stopped: str  # why it went no further, '' if it did not stop
    commits: int
    upto: int

    @property
    def whole(self) -> bool:
        """Whether every commit was looked at."""
        return self.upto == self.commits


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the rules, at its place."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def try_rules(ground: Ground, emit: Emit) -> Trial:
    """Pick the series onto a target; rules that do not match as they say are put aside, one by one.

    Finished picks are remembered, so a second trial costs next to nothing.
    """
    request, stopped = ground.request(ground.rules), ""
    wrong: list[RuleError] = []
    while True:
        try:
            picked = history.pick_series(request, emit)
        except RuleError as err:
            left = tuple(rule for rule in request.rules if rule.place != err.place)
            if left == request.rules:
                raise
            wrong.append(err)
            request = replace(request, rules=left)
        except history.PickRefused as err:  # finished picks before it are found again
            stopped = err.message
            request = replace(request, incoming=request.incoming[:-1])
        else:
            where = _left(picked.stopped) if picked.stopped else stopped
            return _trial(ground, picked, wrong, where)


def _left(where: history.Stopped) -> str:
    """Which conflicts no rule settles, in one line."""
    result = where.result
    places = [f"{c.path}: {c.symbol}" if c.symbol else c.path for c in result.conflicts]
    shown = ", ".join(dict.fromkeys(places))
    return f'no rule settles, in "{result.incoming.subject}": {shown}'


def _trial(
    ground: Ground, picked: history.Picked, wrong: Sequence[RuleError], stopped: str
) -> Trial:
    befores = [ground.base.tree, *(commit.tree for commit in picked.commits)]
    looked = list(zip(ground.incoming, befores, strict=False))
    return Trial(
        ground.name,
        ground.base.label,
        ground.target.version,
        _held(ground, ground.rules, looked),
        _untold(ground, looked),
        tuple(
            Firing(item.rule, commit.pick.sha[:12], item.path, item.added, item.removed)
            for commit in picked.commits
            for item in commit.adaptations
        ),
        tuple(wrong),
        stopped,
        len(ground.incoming),
        len(looked),
    )


def _held(ground: Ground, rules: Sequence[Rule], looked: Sequence[_Looked]) -> frozenset[str]:
    return frozenset(
        rule.id
        for incoming, tree in looked
        for rule in applicable(rules, incoming, tree, ground.target)
    )


def _untold(ground: Ground, looked: Sequence[_Looked]) -> frozenset[str]:
    """The rules that may hold for another form of upstream.

    Their commits are not in this one, or all that keeps them from holding is upstream's text, or
    what this form brought to the target before.
    """
    there = tuple(sha for incoming in ground.incoming for sha in incoming.stands_for)
    absent = {rule.id for rule in ground.rules if not rule.belongs_to(there)}
    unasked = [
        replace(rule, when=tuple(q for q in rule.when if not q.upstream)) for rule in ground.rules
    ]
    untouched = [(incoming, ground.base.tree) for incoming, _ in looked]
    return _held(ground, unasked, [*looked, *untouched]) | absent


# -- what is wrong


def problems(
    series: Series,
    rules: Sequence[Rule],
    tried: Sequence[Trial],
    absent: Sequence[Absence],
) -> list[Problem]:
    """Everything wrong, in the order of the rule files within each kind."""
    versions = [*(t.version for t in tried), *(a.version for a in absent)]
    found = [*_unknown(series, rules), *_alike(rules), *_out_of_range(rules, versions)]
    found += [Problem(e.place, _bare(e)) for trial in tried for e in _named(trial)]
    found += [Problem(Place(t.target), t.stopped) for t in tried if t.stopped]
    if not absent:
        known = {problem.place for problem in found}
        found += [p for p in _dead(rules, tried) if p.place not in known]
    return found


def _unknown(series: Series, rules: Sequence[Rule]) -> Iterator[Problem]:
    picked = {commit.sha for commit in series.picked}
    for rule in rules:
        for prefix in rule.commits:
            row = series.find(prefix)
            if row is None:
                yield Problem(rule.place, f"{rule.id}: {prefix} is not in series.toml")
            elif row.sha not in picked:
                yield Problem(rule.place, f"{rule.id}: {prefix} is not picked, it is {row.role}")


def _alike(rules: Sequence[Rule]) -> Iterator[Problem]:
    for one, other in combinations(rules, 2):
        same = ("action", "within", "has", "when", "targets")
        if all(getattr(one, name) == getattr(other, name) for name in same) and (
            {*one.paths} & {*other.paths} and {*one.commits} & {*other.commits}
        ):
            yield Problem(other.place, f"{other.id} does the same as {one.id} at {one.place}")


def _out_of_range(rules: Sequence[Rule], versions: Sequence[Version]) -> Iterator[Problem]:
    for rule in rules:
        if not any(_falls(version, rule.targets) for version in versions):
            shown = ", ".join(map(str, sorted(versions)))
            text = f"{rule.id}: no target is in {rule.targets} (they are {shown})"
            yield Problem(rule.place, text)


def _falls(version: Version, span: Range) -> bool:
    """Whether a target is in a range; one that is only known as 5.15 may be any 5.15.y."""
    if version in span:
        return True
    return version.patch == 0 and span.since is not None and _series(span.since) == _series(version)


def _series(version: Version) -> tuple[int, int]:
    return version.major, version.minor


def _named(trial: Trial) -> Iterator[RuleError]:
    for error in trial.wrong:
        yield RuleError(error.place, f"on {trial.target}: {_bare(error)}", hint=error.hint)


def _bare(error: RuleError) -> str:
    """The message without the place that stands before it."""
    return error.message.removeprefix(f"{error.place}: ")


def _dead(rules: Sequence[Rule], tried: Sequence[Trial]) -> Iterator[Problem]:
    """Rules that hold nowhere; nothing is said while a target was not looked at to its end.

    Nor is anything said of a rule that may be for another form of upstream than the one at hand.
    """
    if not tried or not all(trial.whole for trial in tried):
        return
    alive = frozenset().union(*(trial.held | trial.untold for trial in tried))
    names = ", ".join(trial.target for trial in tried)
    for rule in rules:
        if rule.id not in alive:
            yield Problem(rule.place, f"{rule.id} is dead: it holds on none of {names}")
