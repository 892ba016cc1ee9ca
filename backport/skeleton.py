"""Conflicts for a person: where they are, their three sides, and rules that would settle them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from backport.conflict import Conflict, Kind, Region
from backport.pick import Pick
from backport.resolvers import additive
from backport.rule import Additive, At, Grain, Take

LINES = 40  # of one side that are shown
CONFLICTS = 12

# What a rule may do, the most careful first: how it is written, and its value.
_REPLAYS: tuple[tuple[str, Additive], ...] = (
    ('additive = "line"', Additive(Grain.LINE)),
    ('additive = "line"\nat = "end"  # or "start": look where it belongs', Additive(at=At.END)),
    ('additive = "word"', Additive(Grain.WORD)),
)
_ABSENT = 'absent = "FIXME"  # the file of the target where another rule puts the change'
_TAKE = """\
take = "theirs"  # or "ours"; what differs then, as substitutions:
# then = [{ find = '', replace = '' }]"""


def describe(result: Pick, series: str) -> str:
    """All conflicts of a pick, then the rules."""
    shown = [_conflict(c) for c in result.conflicts[:CONFLICTS]]
    more = len(result.conflicts) - CONFLICTS
    shown += [f"… and {more} more"] if more > 0 else []
    rules = list(skeletons(result))
    if not rules:
        return "\n\n".join(shown)
    place = f"patches/{series}/rules/NAME.toml"
    head = f'rules that would settle it, for {place} (a new file begins with `cause = "…"`):'
    text = "\n\n".join([head, *rules])
    return "\n\n".join([*shown, "\n".join(f"  {ln}".rstrip() for ln in text.split("\n"))])


def _conflict(conflict: Conflict) -> str:
    place = f"{conflict.path}" + (f", in {conflict.symbol}" if conflict.symbol else "")
    lines = [f"--- {place}: {conflict.kind}"]
    if conflict.region is None and conflict.kind is not Kind.DELETED_HERE:
        lines.append("  no rule settles this: resolve it by hand")
    if conflict.region is not None:
        for title, side in (
            ("upstream before", conflict.region.base),
            ("target", conflict.region.ours),
            ("upstream after", conflict.region.theirs),
        ):
            lines += [f"  {title}:", *(f"    | {line.rstrip()}" for line in side[:LINES])]
            lines += [f"    | … {len(side) - LINES} more lines"] if len(side) > LINES else []
    return "\n".join(lines)


def skeletons(result: Pick) -> Iterator[str]:
    """A rule for each path and definition with conflicts in it, and for each absent file."""
    for conflict in result.conflicts:
        if conflict.kind is Kind.DELETED_HERE:
            yield _rule(conflict, result, [_ABSENT])
    regional = [c for c in result.conflicts if c.region is not None]
    regional.sort(key=lambda c: (c.path, c.symbol))
    for _, group in groupby(regional, key=lambda c: (c.path, c.symbol)):
        yield _skeleton(list(group), result)


def _skeleton(group: Sequence[Conflict], result: Pick) -> str:
    first = group[0]
    others = [c for c in result.conflicts if c.path == first.path and c not in group]
    narrow = _has(group, others) if _shared(first, result, others) else ""
    return _rule(
        first,
        result,
        [
            *([f'within = "{first.symbol}"'] if first.symbol else []),
            *([f"has = {_literal(narrow)}"] if narrow else []),
            *([f"count = {len(group)}"] if len(group) > 1 else []),
            action([c.region for c in group if c.region is not None]),
        ],
    )


def _rule(conflict: Conflict, result: Pick, rows: Sequence[str]) -> str:
    sha = (result.incoming.stands_for or (result.incoming.commit,))[0]
    name = "-".join(filter(None, [Path(conflict.path).stem, conflict.symbol.strip("_"), sha[:7]]))
    return "\n".join(
        [
            "[[rule]]",
            f'id = "{name.replace("/", "-")}"',
            f'commits = ["{sha[:12]}"]',
            f'path = "{conflict.path}"',
            *rows,
            'why = "FIXME: what the target has instead, and why this is right there"',
        ]
    )


def action(regions: Sequence[Region]) -> str:
    """The first action that settles all regions, as TOML."""
    for text, replay in _REPLAYS:
        if all(additive.replay(region, replay) is not None for region in regions):
            return text
    return _TAKE


def _shared(first: Conflict, result: Pick, others: Sequence[Conflict]) -> bool:
    """Whether a rule for this place could also take a neighbour's conflict."""
    settled = (Additive, Take)
    fired = any(a.path == first.path and isinstance(a.rule.action, settled)
                for a in result.adaptations)  # fmt: skip
    return fired or (not first.symbol and bool(others))


def _has(group: Sequence[Conflict], others: Sequence[Conflict]) -> str:
    """A line that every conflict of the group holds and no other one does, '' if there is none."""
    texts = [c.region.text for c in group if c.region]
    rest = [c.region.text for c in others if c.region]
    for side in ("theirs", "ours", "base"):
        lines: Sequence[str] = getattr(group[0].region, side)
        for line in lines:
            pattern = re.escape(line.strip())
            found = [re.search(pattern, text) is not None for text in (*texts, *rest)]
            if (
                pattern
                and "\n" not in line[:-1]
                and found == [True] * len(texts) + [False] * len(rest)
            ):
                return pattern
    return ""


def _literal(text: str) -> str:
    quote = "'''" if "'" in text else "'"
    return f"{quote}{text}{quote}"
