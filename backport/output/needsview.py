"""What a commit needs first, as a table for people and as one object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from backport.needs.answer import Cost, Member, Needed
from backport.output.summary import clip

_WIDTH = 60


def needs_text(needed: Needed) -> str:
    """What to take first and why each, or why that cannot be said; and the cost of adapting."""
    return "\n".join(_lines(needed))


def _lines(needed: Needed) -> Iterator[str]:
    yield f"{needed.sha[:12]} {clip(needed.subject, _WIDTH)}"
    since = f": {needed.between} commits of upstream since {needed.fork[:12]}"
    yield f"onto {needed.onto}{since if needed.between else ''}"
    yield ""
    if needed.there:
        yield f"the target has it already, {needed.there}"
        return
    if needed.untold:
        yield f"what it needs cannot be said: {needed.untold}"
    elif not needed.take:
        yield "it needs no other commit"
    else:
        many = len(needed.take)
        yield f"needs {many} commit{'s' if many > 1 else ''} first, in this order:"
        for one in needed.take:
            yield from _member(one)
    for lack in needed.lacks:
        yield f"missing: {lack.name}, used by {lack.of[:12]} in {lack.path}; no commit brings it"
    if needed.adapting:
        yield ""
        yield f"adapting it instead: {_total(needed.adapting)}"
        for cost in needed.adapting:
            yield f"    {cost.path}: {_cost(cost)}"


def _member(one: Member) -> Iterator[str]:
    yield f"    {one.sha[:12]} {clip(one.subject, _WIDTH)}"
    if one.why.name:
        yield f"        brings {one.why.name}, which {one.why.of[:12]} uses in {one.why.path}"
    else:
        yield f"        {one.why.of[:12]} changes its lines of {one.why.path}"
    for cost in one.by_hand:
        yield f"        to adapt by hand: {cost.path}, {_cost(cost)}"


def _cost(cost: Cost) -> str:
    many = "" if cost.conflicts == 1 else "s"
    return f"{cost.conflicts} conflict{many}, {cost.lines} lines"


def _total(costs: tuple[Cost, ...]) -> str:
    conflicts = sum(cost.conflicts for cost in costs)
    lines = sum(cost.lines for cost in costs)
    return _cost(Cost("", conflicts, lines)) + f" in {len(costs)} file{'s'[: len(costs) > 1]}"


def needs_json(needed: Needed, made: tuple[str, ...] = ()) -> dict[str, object]:
    """All of it; `made` are the commits that were put onto the branch."""
    return {
        "commit": needed.sha,
        "subject": needed.subject,
        "onto": needed.onto,
        "fork": needed.fork,
        "between": needed.between,
        "there": needed.there,
        "untold": needed.untold,
        "whole": needed.is_whole,
        "take": [
            {
                "sha": one.sha,
                "subject": one.subject,
                "why": asdict(one.why),
                "by_hand": [asdict(cost) for cost in one.by_hand],
            }
            for one in needed.take
        ],
        "adapting": [asdict(cost) for cost in needed.adapting],
        "missing": [asdict(one) for one in needed.lacks],
        "made": list(made),
    }
