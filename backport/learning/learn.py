"""Rules out of a resolution that a person made: the smallest that give the same bytes again.

The person's tree is compared with the pick as it stopped, path by path; the rules that come out are
picked again, and only what gives the person's tree byte for byte is handed back.
"""

from __future__ import annotations

from collections.abc import Sequence

from backport.learning.drafts import Draft, mirrored, named, parsed
from backport.learning.learnpath import PathLearner, Taught
from backport.picking.pick import Outcome, pick
from backport.values.errors import GateFailed


def learn(taught: Taught, *, by_rule: bool = True) -> tuple[Draft, ...]:
    """The rules that make the person's tree, each the cheapest found, in the order of paths.

    Without `by_rule` every conflict is recorded verbatim. Raises `UsageError` for what no rule can
    say, `GateFailed` when the rules do not give the same bytes.
    """
    changed = {c.path for c in taught.git.changes(taught.result.tree, taught.resolved)}
    paths = sorted(changed | {conflict.path for conflict in taught.result.conflicts})
    found: list[Draft] = []
    for path in paths:
        found += PathLearner(taught, path, paths).drafts(by_rule=by_rule)
    drafts = named(mirrored(found), {rule.id for rule in taught.rules})
    _prove(taught, drafts)
    return tuple(drafts)


def _prove(taught: Taught, drafts: Sequence[Draft]) -> None:
    rules = [*taught.rules, *parsed(drafts)]
    again = pick(taught.result.incoming, taught.onto, taught.before, rules, taught.target)
    if again.outcome is Outcome.CONFLICT or again.tree != taught.resolved:
        differing = [c.path for c in taught.git.changes(again.tree, taught.resolved)]
        raise GateFailed(
            f"the rules that were learned do not give {', '.join(differing)} again",
            hint="write the rule by hand (backport explain shows the place), or --verbatim",
        )
    odd = [*map(str, again.unaccounted), *again.misshapen]
    if odd:
        raise GateFailed(
            "\n".join(["the resolution itself does not pass the gates:", *odd]),
            hint="correct the files in the worktree, then learn again",
        )
