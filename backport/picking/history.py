"""Pick a whole series onto a base, commit by commit, remembering each finished pick.

A pick depends on the incoming commit, the commit it lands on, the target's version and the rules
that belong to it; its result is kept under a hash of these. So a killed run resumes where it was,
a changed rule re-picks only from the commit it concerns, and a resolution by hand is kept as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backport.doors import files
from backport.doors.git import Git
from backport.gates.credit import Credit, credits_of
from backport.picking.pick import Outcome, Pick, Target, pick
from backport.values import record
from backport.values.commit import Incoming
from backport.values.errors import GateFailed, Place
from backport.values.events import Emit, Progress
from backport.values.filecase import Step
from backport.values.rule import Rule
from backport.values.target import Tree
from backport.values.version import Version

STAGE = "pick"
RECIPE = 3  # part of every key: raise it when the same inputs give another result
KEEP = "refs/backport/picked"
LINES = 20  # of a gate's objections that an error shows
_NOWHERE = Place("")


class PickRefused(GateFailed):
    """A gate on one pick did not pass; `gate` is its name."""

    def __init__(self, gate: str, subject: str, lines: Sequence[str], hint: str) -> None:
        shown_ = [f"  {line}" for line in lines[:LINES]]
        shown_ += [f"  and {len(lines) - LINES} more"] if len(lines) > LINES else []
        super().__init__("\n".join([f'{gate}: "{subject}":', *shown_]), hint=hint)
        self.gate = gate


@dataclass(frozen=True)
class PickedCommit:
    """One finished pick, as the record shows it."""

    pick: record.Pick
    adaptations: tuple[record.Adaptation, ...]
    tree: str
    by_hand: tuple[str, ...] = ()  # paths that a person resolved
    credits: tuple[Credit, ...] = ()  # what its rules did to names


@dataclass(frozen=True)
class Stopped:
    """A pick that left conflicts: where the series stood, and the key its resolution goes under."""

    key: str
    onto: str
    result: Pick


@dataclass(frozen=True)
class Picked:
    """A series on a base; `stopped` tells of a conflict left, `head` then is where it stood."""

    base: Tree
    head: str
    tree: str
    commits: tuple[PickedCommit, ...]
    cached: bool
    stopped: Stopped | None = None


@dataclass(frozen=True)
class Request:
    """`cache` is the folder that keeps finished picks."""

    git: Git
    cache: Path
    base: Tree
    incoming: tuple[Incoming, ...]
    rules: tuple[Rule, ...]
    resolver: Step | None = None  # asked about what the rules leave in conflict


def pick_series(request: Request, emit: Emit) -> Picked:
    """Pick all commits in order, or stop at the first conflict that no rule settles.

    Raises `RuleError` for a rule that does not hold, `PickRefused` when a gate objects to a result.
    """
    target = Target(request.git, Version.of_tree(request.base.version))
    done: list[PickedCommit] = []
    head, tree, cached = request.base.commit, request.base.tree, True
    for number, incoming in enumerate(request.incoming):
        emit(Progress(STAGE, number, len(request.incoming), "commits"))
        key = pick_key(incoming, head, request.rules, target.version, request.resolver)
        found = load(request, key, tree)
        if found is None:
            cached = False
            result = pick(incoming, head, tree, request.rules, target, resolver=request.resolver)
            _demand(result)
            if result.outcome is Outcome.CONFLICT:
                stopped = Stopped(key, head, result)
                return Picked(request.base, head, tree, tuple(done), False, stopped)
            found = save(request, key, shown(result, result.outcome, result.commit))
        done.append(found)
        head, tree = found.pick.commit or head, found.tree
    emit(Progress(STAGE, len(done), len(done), "commits"))
    return Picked(request.base, head, tree, tuple(done), cached)


def pick_key(
    incoming: Incoming,
    onto: str,
    rules: Sequence[Rule],
    version: Version,
    resolver: Step | None = None,
) -> str:
    """What a pick depends on, as a short hash; where the commit was read from is no part of it."""
    incoming = replace(incoming, origin="")
    mine = [replace(r, place=_NOWHERE) for r in rules if r.belongs_to(incoming.stands_for)]
    more = (resolver.name,) if resolver else ()
    text = repr((RECIPE, incoming, onto, str(version), mine, *more))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def shown(result: Pick, outcome: Outcome, commit: str) -> PickedCommit:
    """A pick as the record has it; a person who finished it gave it another outcome and commit."""
    shas = result.incoming.stands_for
    entry = record.Pick(
        sha=shas[0] if shas else result.incoming.commit,
        subject=result.incoming.subject,
        outcome=outcome,
        commit=commit,
        stands_for=shas,
        conflicts=result.merged_conflicts,
        rules=tuple(dict.fromkeys(a.rule.id for a in result.adaptations)),
        incoming=result.incoming.commit,
    )
    adaptations = tuple(
        record.Adaptation(
            rule=a.rule.id,
            why=a.rule.why,
            path=a.path,
            cause=a.rule.cause,
            commit=commit,
            added=a.added,
            removed=a.removed,
        )
        for a in result.adaptations
    )
    return PickedCommit(entry, adaptations, result.tree, credits=credits_of(result.adaptations))


def load(request: Request, key: str, tree: str) -> PickedCommit | None:
    """A finished pick onto `tree` from the cache, if the store still holds its commit.

    Anything that cannot be read as one is as good as absent: the pick is done again.
    """
    try:
        data = json.loads((request.cache / f"{key}.json").read_bytes())
        entry = record.decode(record.Pick, data["pick"])
        adaptations = tuple(record.decode(record.Adaptation, a) for a in data["adaptations"])
        by_hand = tuple(str(path) for path in data["by_hand"])
        # A resolution by hand is kept even from before credits were: nobody can do it again.
        told = data.get("credits", []) if by_hand else data["credits"]
        credits = tuple(record.decode(Credit, c) for c in told)
    except (OSError, ValueError, KeyError, TypeError, record.RecordError):
        return None
    if request.git.ref(f"{KEEP}/{key}") != (entry.commit or None):
        return None
    after = request.git.tree_of(entry.commit) if entry.commit else tree
    return PickedCommit(entry, adaptations, after, by_hand, credits)


def save(request: Request, key: str, done: PickedCommit) -> PickedCommit:
    """Keep a finished pick: its commit under a ref first, then its record."""
    if done.pick.commit:
        name = f"{KEEP}/{key}"
        request.git.update_ref(name, done.pick.commit, request.git.ref(name), "picked")
    files.write(request.cache / f"{key}.json", json.dumps(asdict(done), indent=1).encode())
    return done


def _demand(result: Pick) -> None:
    """Raise `PickRefused` for a result that a gate objects to."""
    subject = result.incoming.subject
    if result.misshapen:
        hint = "look at the rules that fired in these paths"
        raise PickRefused("form", subject, result.misshapen, hint)
    if result.unaccounted:
        lines = ["lines that neither upstream nor a rule explains:", *map(str, result.unaccounted)]
        hint = "write the rule that owns them, or narrow the one that brought them"
        raise PickRefused("accounting", subject, lines, hint)
