"""Remove each rule in turn and see which gate notices: a rule that nobody misses is dead weight.

Only what a rule can change is picked again: its paths in its commit, then in later commits those
paths and the ones whose rules ask about them. The cheapest gate that notices is named. Gates that
need a compiler are the caller's to bring (see `compiling`), and are asked last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from backport.doors.git import Change
from backport.gates import symbols, uapi
from backport.picking.ground import Ground
from backport.picking.pick import Outcome, Pick, applicable, pick
from backport.picking.slices import pick_slice, slice_of, spread
from backport.values.commit import Incoming
from backport.values.errors import ConflictsLeft, GateFailed, RuleError
from backport.values.events import Emit, Progress
from backport.values.rule import Present, Rule

STAGE = "mutate"


class Noticed(StrEnum):
    """What notices that a rule is gone, the first that does."""

    CONFLICT = "conflict"  # is left, and the series stops there
    RULE = "rule"  # another rule no longer matches as often as it says
    ACCOUNTING = "accounting"
    FORM = "form"
    SYMBOLS = "symbols"
    UAPI = "uapi"
    CONFIG = "config"
    OBJECTS = "objects"
    NONE = "UNNOTICED"


@dataclass(frozen=True)
class Notice:
    """One gate's objection: where, in words that quote no source."""

    by: Noticed
    where: str


@dataclass(frozen=True)
class Mutation:
    """One rule removed; `idle` when the result is the same without it."""

    rule: Rule
    incoming: Incoming  # the first commit that it concerns
    notice: Notice
    idle: bool = False


@dataclass(frozen=True)
class Step:
    """One commit of the series as the whole rule set picks it."""

    incoming: Incoming
    onto: str
    before: str  # trees
    after: str
    changes: tuple[Change, ...]
    rules: tuple[Rule, ...]  # that hold here


@dataclass(frozen=True)
class Course:
    """A whole series on a target, commit by commit; `missing` are names that nothing brings."""

    ground: Ground
    steps: tuple[Step, ...]
    missing: frozenset[str]

    @property
    def rules(self) -> list[Rule]:
        """The rules that hold on the target, in file order."""
        held = {rule.id for step in self.steps for rule in step.rules}
        return [rule for rule in self.ground.rules if rule.id in held]


@dataclass(frozen=True)
class Outlook:
    """What a gate at the end is asked about: the whole result with and without the rule."""

    course: Course
    paths: frozenset[str]  # that differ
    tree: str


# A gate on the whole result: where it objects, '' for a pass.
Gate = tuple[Noticed, Callable[[Outlook], str]]


def mutate(ground: Ground, emit: Emit, more: Sequence[Gate] = ()) -> list[Mutation]:
    """Remove each rule that holds on the target, in file order, and say what notices.

    `more` are gates to ask behind the ones of this module. Raises `RuleError`, `ConflictsLeft` or
    `GateFailed` when the series does not pick with all its rules: then there is nothing to compare.
    """
    course = lay_course(ground, emit)
    found = []
    for number, rule in enumerate(course.rules):
        emit(Progress(STAGE, number, len(course.rules), "rules"))
        found.append(without(course, rule, more))
    emit(Progress(STAGE, len(course.rules), len(course.rules), "rules"))
    return found


def lay_course(ground: Ground, emit: Emit) -> Course:
    """Pick the whole series by all rules; what does not pass is an error."""
    steps: list[Step] = []
    onto, tree, git = ground.base.commit, ground.base.tree, ground.git
    for number, incoming in enumerate(ground.incoming):
        emit(Progress("pick", number, len(ground.incoming), "commits"))
        rules = applicable(ground.rules, incoming, tree, ground.target)
        result = pick(incoming, onto, tree, rules, ground.target)
        _demand(result)
        changes = git.changes(git.tree_of(incoming.parent), git.tree_of(incoming.commit))
        steps.append(Step(incoming, onto, tree, result.tree, tuple(changes), tuple(rules)))
        onto, tree = result.commit or onto, result.tree
    missing = frozenset(one.name for one in _missing(ground, tree))
    return Course(ground, tuple(steps), missing)


def _demand(result: Pick) -> None:
    notice = _objection(result)
    if notice is None:
        return
    text = f'"{result.incoming.subject}" does not pick with all rules: {notice.by}, {notice.where}'
    kind = ConflictsLeft if notice.by is Noticed.CONFLICT else GateFailed
    raise kind(text, hint="backport pick shows it whole; mutate compares with a series that holds")


def without(course: Course, rule: Rule, more: Sequence[Gate] = ()) -> Mutation:
    """The series without one rule, picked again as far as that rule reaches."""
    first = next(i for i, s in enumerate(course.steps) if rule in s.rules)
    start = course.steps[first]
    notice, idle = _notice(course, first, rule, more)
    return Mutation(rule, start.incoming, notice, idle)


def _notice(course: Course, first: int, rule: Rule, more: Sequence[Gate]) -> tuple[Notice, bool]:
    """The first objection, and whether there is nothing to object to."""
    git = course.ground.git
    changed: set[str] = set()
    tree = ""
    for step in course.steps[first:]:
        before = spread(git, step.before, tree, changed) if changed else step.before
        paths = _reach(step, changed, rule)
        tree = spread(git, step.after, tree, changed - paths) if changed - paths else step.after
        if paths:
            try:
                part = _again(course.ground, step, before, paths, rule)
            except RuleError as err:
                return Notice(Noticed.RULE, _culprit(step, err)), False
            objection = _objection(part)
            if objection is not None:
                return objection, False
            tree = spread(git, tree, part.tree, paths)
        changed = {c.path for c in git.changes(step.after, tree)}
    if not changed:
        return Notice(Noticed.NONE, "the result is the same without it"), True
    return _final(Outlook(course, frozenset(changed), tree), (*FINAL, *more)), False


def _reach(step: Step, changed: set[str], rule: Rule) -> set[str]:
    """The paths of a commit that can come out differently; none for a commit it does not touch."""
    mine = set(rule.paths) if rule in step.rules else set()
    touched = {c.path for c in step.changes} | {p for r in step.rules for p in r.paths}
    asking = {p for r in step.rules for p in r.paths if changed.intersection(r.asks_target)}
    whole = any(
        isinstance(r.action, Present) and (r == rule or changed.intersection(r.paths))
        for r in step.rules
    )
    direct = mine | (changed & touched) | asking | (touched if whole else set())
    return slice_of(direct, step.rules, step.changes) if direct else set()


def _again(ground: Ground, step: Step, before: str, paths: set[str], rule: Rule) -> Pick:
    rules = [r for r in ground.rules if r.id != rule.id]
    return pick_slice(step.incoming, step.onto, before, rules, ground.target, paths)


def _objection(result: Pick) -> Notice | None:
    """What a pick by itself shows, the plainest first."""
    if result.outcome is Outcome.CONFLICT:
        first = result.conflicts[0]
        where = f"{first.path}: {first.symbol}" if first.symbol else first.path
        return Notice(Noticed.CONFLICT, _counted(where, len(result.conflicts)))
    if result.unaccounted:
        paths = list(dict.fromkeys(item.path for item in result.unaccounted))
        count = len(result.unaccounted)
        where = f"{paths[0]}: {count} line{'s' if count != 1 else ''}"
        return Notice(Noticed.ACCOUNTING, where)
    if result.misshapen:
        return Notice(Noticed.FORM, _counted(result.misshapen[0], len(result.misshapen)))
    return None


def _counted(first: str, count: int) -> str:
    return first if count == 1 else f"{first} and {count - 1} more"


def _culprit(step: Step, err: RuleError) -> str:
    """The rule that complains, by id."""
    found = [rule.id for rule in step.rules if rule.place == err.place]
    return f"{found[0]} no longer matches" if found else err.message


def _final(outlook: Outlook, gates: Sequence[Gate]) -> Notice:
    for by, gate in gates:
        where = gate(outlook)
        if where:
            return Notice(by, where)
    paths = sorted(outlook.paths)
    return Notice(Noticed.NONE, _counted(paths[0], len(paths)))


def _symbols(outlook: Outlook) -> str:
    """The names that nothing brings any more; '' if none, besides those with all rules."""
    found = _missing(outlook.course.ground, outlook.tree)
    new = {m.name: f"{m.kind} {m.name} in {m.path}" for m in reversed(found)}
    left = sorted(new.keys() - outlook.course.missing)
    return _counted(new[left[0]], len(left)) if left else ""


def _missing(ground: Ground, tree: str) -> Sequence[symbols.Missing]:
    """What the symbols gate says of the whole series as one step."""
    if not ground.incoming:
        return ()
    step = symbols.Step("", tree, ground.git.tree_of(ground.incoming[-1].commit))
    return symbols.check(symbols.Request(ground.git, ground.base.tree, (step,))).missing


def _uapi(outlook: Outlook) -> str:
    """The numbers that userspace would see otherwise; '' if none, or if no header differs."""
    ground = outlook.course.ground
    if ground.numbers is None or not outlook.paths & ground.numbers.paths:
        return ""
    upstream = [incoming.commit for incoming in reversed(ground.incoming)]
    try:
        wrong = uapi.compare(ground.git, ground.numbers, upstream, outlook.tree)
    except GateFailed:
        return "the headers do not compile"
    return _counted(wrong[0], len(wrong)) if wrong else ""


# Asked in this order once no pick objects.
FINAL: tuple[Gate, ...] = ((Noticed.SYMBOLS, _symbols), (Noticed.UAPI, _uapi))
