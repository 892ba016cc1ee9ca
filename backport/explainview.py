"""What `explain` found, for a person and for a program: text is narrow, JSON holds everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from backport.explain import Explained, Explanation, Settled
from backport.ruleview import action, cut, wrapped

LINES = 12  # of one side that the text shows


def explained_json(result: Explained, items: Sequence[Explanation]) -> dict[str, Any]:
    """Every place in full."""
    return {
        "target": result.target,
        "base": result.base,
        "left": result.left,
        "objections": list(result.objections),
        "places": [_item_json(item) for item in items],
    }


def _item_json(item: Explanation) -> dict[str, Any]:
    return {
        "commit": item.sha,
        "subject": item.subject,
        "path": item.path,
        "symbol": item.symbol,
        "conflict": item.kind,
        "upstream": {"removed": list(item.removed), "added": list(item.added)},
        "target": {"has": list(item.has), "lacks": list(item.lacks)},
        "rule": _settled_json(item.settled) if item.settled else None,
        "skeleton": item.skeleton,
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


def explained_text(result: Explained, items: Sequence[Explanation]) -> str:
    """A heading for each commit, a block for each place, and what was not looked at."""
    blocks: list[str] = []
    commit = ""
    for item in items:
        if item.sha != commit:
            commit = item.sha
            blocks.append("\n".join(wrapped(f"== {item.sha} {item.subject}", "")))
        blocks.append("\n".join(_item_text(item)))
    blocks.append("\n".join(line for end in _ends(result, items) for line in wrapped(end, "")))
    return "\n\n".join(blocks)


def _ends(result: Explained, items: Sequence[Explanation]) -> Iterator[str]:
    conflicts = [item for item in items if item.kind]
    open_ = sum(item.settled is None for item in conflicts)
    yield (
        f"{result.target} ({result.base}): {len(conflicts)} conflicts, {open_} without a rule;"
        f" {len(items) - len(conflicts)} adaptations without a conflict"
    )
    yield from (f"a gate objects: {line}" for line in result.objections)
    if result.left:
        yield f"{result.left} later commits were not looked at: the series stops here"


def _item_text(item: Explanation) -> Iterator[str]:
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
