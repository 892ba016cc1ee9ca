"""What `explain` found, for a person and for a program: text is narrow, JSON holds everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from backport.advice.answers import Ancestor, Answer
from backport.advice.explain import Explained, Explanation, Settled, Sort
from backport.advice.lineage import Past
from backport.advice.remedies import NO_HISTORY, Means, Remedy
from backport.gates.credit import By
from backport.output.ruleview import action, cut, wrapped
from backport.picking.lacks import Lack

LINES = 12  # of one side that the text shows

# What the numbers of a cost count; those of 0 are not shown.
COSTS = {
    "lines": "line",
    "at_least": "line at least",
    "at_most": "line at most",
    "names": "name",
    "commits": "commit",
    "files": "file",
    "conflicts": "conflict",
    "leans_on": "absent commit below",
    "needs": "name lacking",
    "later": "later commit on them",
    "used": "name used",
}


def explained_json(result: Explained, answers: Sequence[Answer]) -> dict[str, Any]:
    """Every place in full."""
    return {
        "target": result.target,
        "base": result.base,
        "left": result.left,
        "objections": list(result.objections),
        "places": [{**_item_json(one.item), **_answer_json(one)} for one in answers],
    }


def _item_json(item: Explanation) -> dict[str, Any]:
    return {
        "kind": item.sort.value,
        "commit": item.sha,
        "subject": item.subject,
        "path": item.path,
        "symbol": item.symbol,
        "conflict": item.kind,
        "upstream": {"removed": list(item.removed), "added": list(item.added)},
        "target": {"has": list(item.has), "lacks": list(item.lacks)},
        "name": _lack_json(item.lack) if item.lack else None,
        "rule": _settled_json(item.settled) if item.settled else None,
        "skeleton": item.skeleton,
    }


def _answer_json(answer: Answer) -> dict[str, Any]:
    advice = answer.advice
    return {
        "history": {
            "commits": [_ancestor_json(one) for one in answer.ancestors],
            "untold": answer.untold,
        },
        "remedies": [
            {
                "means": one.means.value,
                "cost": dict(one.cost),
                "passes": one.passes,
                "why": one.why,
                "chosen": one.chosen,
            }
            for one in answer.remedies
        ],
        "advice": {"means": advice.means, "reason": advice.reason} if advice else None,
    }


def _ancestor_json(one: Ancestor) -> dict[str, Any]:
    return {
        "commit": one.past.sha,
        "subject": one.facts.subject,
        "date": one.facts.date,
        "release": one.facts.release,
        "brought": one.past.came,
        "took": one.past.went,
        "target_has_it": one.presence.word,
        "known_by": one.presence.how,
    }


def _lack_json(lack: Lack) -> dict[str, Any]:
    near = lack.nearest
    return {
        "name": lack.name,
        "kind": lack.kind.value,
        "line": lack.number,
        "text": lack.line,
        "by": lack.by.value if lack.by else None,
        "source": lack.source,
        "upstream": {"place": near.place, "lines": list(near.lines), "whole": near.whole}
        if near
        else None,
    }


def _settled_json(by: Settled) -> dict[str, Any]:
    return {
        "id": by.rule.id,
        "action": action(by.rule),
        "cause": by.rule.cause,
        "why": by.rule.why,
        "added": list(by.added),
        "dropped": list(by.dropped),
    }


def explained_text(result: Explained, answers: Sequence[Answer]) -> str:
    """A heading for each commit, a block for each place, and what was not looked at."""
    blocks: list[str] = []
    commit = ""
    items = [one.item for one in answers]
    for answer in answers:
        item = answer.item
        if item.sha != commit:
            commit = item.sha
            blocks.append("\n".join(wrapped(f"== {item.sha} {item.subject}", "")))
            blocks += _of_the_series([item for item in items if item.sha == commit])
        if not _comes_along(item):
            blocks.append("\n".join([*_item_text(item), *_answer_text(answer)]))
    ends = [*_ends(result, items), *_untaken(answers)]
    blocks.append("\n".join(line for end in ends for line in wrapped(end, "")))
    return "\n\n".join(blocks)


def _comes_along(item: Explanation) -> bool:
    return item.lack is not None and item.lack.by is By.COMMIT


def _of_the_series(items: Sequence[Explanation]) -> Iterator[str]:
    """The names that commits of the series bring, in one block for each of them."""
    lacks = [item.lack for item in items if item.lack and _comes_along(item)]
    for source in dict.fromkeys(lack.source for lack in lacks):
        names = ", ".join(lack.name for lack in lacks if lack.source == source)
        yield "\n".join(wrapped(f"names that {source} of the series brings: {names}", ""))


def _ends(result: Explained, items: Sequence[Explanation]) -> Iterator[str]:
    count = Counter(item.sort for item in items)
    open_ = sum(item.settled is None for item in items if item.sort is Sort.CONFLICT)
    yield (
        f"{result.target} ({result.base}): {count[Sort.CONFLICT]} conflicts, {open_} without a"
        f" rule; {count[Sort.ADAPTATION]} adaptations without a conflict; {count[Sort.GAP]} gaps,"
        f" {count[Sort.BRIDGED]} names bridged"
    )
    yield from (f"a gate objects: {line}" for line in result.objections)
    if result.left:
        yield f"{result.left} later commits were not looked at: the series stops here"


def _untaken(answers: Sequence[Answer]) -> Iterator[str]:
    """That nobody looked at upstream's history, once for all places."""
    whys = {one.why for a in answers for one in a.remedies if one.means is Means.TAKE}
    yield from (f"to take upstream's commits first: {why}" for why in whys if why == NO_HISTORY)


def _item_text(item: Explanation) -> Iterator[str]:
    if item.lack is not None:
        yield from _lack_text(item.lack)
        return
    yield f"{item.path}" + (f", in {item.symbol}" if item.symbol else "")
    if item.kind:
        yield f"  conflict: {item.kind}"
        yield from _side("upstream takes out:", "-", item.removed)
        yield from _side("upstream puts in:", "+", item.added)
        yield from _side("upstream has beside it, the target does not:", "~", item.lacks)
        yield from _side("the target has:", "|", item.has)
    if item.settled is not None:
        yield from _settled_text(item.settled)
    elif item.kind:
        yield "  no rule settles it" + ("; one that would:" if item.skeleton else "")
        yield from (f"    {line}".rstrip() for line in item.skeleton.splitlines())


def _answer_text(answer: Answer) -> Iterator[str]:
    if answer.ancestors or answer.untold:
        yield "  upstream's history:"
    for one in answer.ancestors:
        words = (one.past.sha[:12], one.facts.date, one.facts.release, one.facts.subject)
        yield cut("    " + " ".join(filter(None, words)))
        yield f"      {_deeds(one.past)}the target has it: {one.presence.word}, {one.presence.how}"
    yield from wrapped(f"not told: {answer.untold}", "    ") if answer.untold else ()
    shown = [one for one in answer.remedies if one.cost]
    yield from ["  ways out (* by the rule that is there):"] if shown else ()
    for remedy in shown:
        first, *rest = wrapped(_remedy_text(remedy), "      ")
        yield f"    *{first[5:]}" if remedy.chosen else first
        yield from rest
    if answer.advice:
        best = answer.advice.means or "none"
        yield from wrapped(f"cheapest: {best}; {answer.advice.reason}", "  ")


def _deeds(past: Past) -> str:
    counts = [("brought", len(past.came)), ("took away", len(past.went))]
    told = " and ".join(f"{word} {n} of these lines" for word, n in counts if n)
    return f"{told}; " if told else ""


def _remedy_text(remedy: Remedy) -> str:
    shown = {name: n for name, n in remedy.cost.items() if n or name == "lines"}
    numbers = ", ".join(_counted(n, COSTS[name]) for name, n in shown.items())
    sign = {True: "passes", False: "does not pass", None: "cannot tell"}[remedy.passes]
    return f"{remedy.means.value:5} {numbers}; {sign}: {remedy.why}"


def _counted(n: int, what: str) -> str:
    one, *rest = what.split(" ", 1)
    return " ".join([str(n), one if n == 1 else f"{one}s", *rest])


def _lack_text(lack: Lack) -> Iterator[str]:
    yield cut(f"{lack.path}:{lack.number}, {lack.kind} {lack.name}")
    yield from _side("upstream's code uses it:", "+", [lack.line] if lack.line else [])
    near = lack.nearest
    if near is None:
        yield "  no line of upstream's looks like its definition"
    else:
        much = f", {len(near.lines)} lines" if near.whole else ", where it is declared"
        yield cut(f"  upstream defines it in {near.place}{much}")
    if lack.by:
        yield f"  the target lacks it; {lack.by} {lack.source} bridges it"
    else:
        yield from wrapped(f"gap: nothing brings it; what would: {lack.bridge}", "  ")


def _settled_text(by: Settled) -> Iterator[str]:
    yield f"  rule {by.rule.id}: {action(by.rule)}, {by.rule.cause}"
    yield from wrapped(f"why: {by.rule.why}", "  ")
    if not by.added and not by.dropped:
        yield "  the result is upstream's change, line by line"
    yield from _side("not as upstream, left out:", "-", by.dropped)
    yield from _side("not as upstream, put in:", "+", by.added)


def _side(title: str, mark: str, lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        return
    yield f"  {title}"
    yield from (cut(f"    {mark} {line.rstrip()}".expandtabs(4)) for line in lines[:LINES])
    if len(lines) > LINES:
        yield f"    {mark} … {len(lines) - LINES} more"
