"""What `explain` found, for a person and for a program: text is narrow, JSON holds everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from backport.explain import Explained, Explanation, Settled, Sort
from backport.gates.credit import By
from backport.lacks import Lack
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


def explained_text(result: Explained, items: Sequence[Explanation]) -> str:
    """A heading for each commit, a block for each place, and what was not looked at."""
    blocks: list[str] = []
    commit = ""
    for item in items:
        if item.sha != commit:
            commit = item.sha
            blocks.append("\n".join(wrapped(f"== {item.sha} {item.subject}", "")))
            blocks += _of_the_series([item for item in items if item.sha == commit])
        if not _comes_along(item):
            blocks.append("\n".join(_item_text(item)))
    blocks.append("\n".join(line for end in _ends(result, items) for line in wrapped(end, "")))
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
