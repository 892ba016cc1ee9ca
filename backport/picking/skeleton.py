"""Conflicts for a person: where they are, their three sides, and rules that would settle them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from backport.picking.pick import Pick
from backport.picking.resolvers import additive
from backport.values.conflict import Conflict, Kind, Region
from backport.values.rule import Additive, At, Grain, Take

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
            lines.append(f"  {title}:" if side else f"  {title}: nothing")
            lines += [f"    | {line.rstrip()}" for line in side[:LINES]]
            lines += [f"    | … {len(side) - LINES} more lines"] if len(side) > LINES else []
    return "\n".join(lines)


def skeletons(result: Pick) -> Iterator[str]:
    """A rule for each definition with conflicts in it, and for each absent file.

    Paths for which it would be the same share it.
    """
    paths: dict[tuple[str, ...], list[str]] = {}
    for path, rows in _rows(result):
        paths.setdefault(rows, []).append(path)
    names: Counter[str] = Counter()
    sha = (result.incoming.stands_for or (result.incoming.commit,))[0]
    for (symbol, *told), where in paths.items():
        name = "-".join(filter(None, [Path(where[0]).stem, symbol.strip("_"), sha[:7]]))
        names[name] += 1
        yield "\n".join(
            [
                "[[rule]]",
                f'id = "{name.replace("/", "-")}{f"-{names[name]}" if names[name] > 1 else ""}"',
                f'commits = ["{sha[:12]}"]',
                f'path = "{where[0]}"' if len(where) == 1 else f"paths = {json.dumps(where)}",
                *told,
                'why = "FIXME: what the target has instead, and why this is right there"',
            ]
        )


def _rows(result: Pick) -> Iterator[tuple[str, tuple[str, ...]]]:
    """For each path: the symbol, then what a rule for it there would say."""
    for conflict in result.conflicts:
        if conflict.kind is Kind.DELETED_HERE:
            yield conflict.path, ("", _ABSENT)
    regional = [c for c in result.conflicts if c.region is not None]
    regional.sort(key=lambda c: (c.path, c.symbol))
    for (path, symbol), found in groupby(regional, key=lambda c: (c.path, c.symbol)):
        group = list(found)
        others = [c for c in regional if c.path == path and c not in group]
        narrow = _has(group, others) if _shared(group[0], result, others) else ""
        told = [
            f'within = "{symbol}"' if symbol else "",
            f"has = {_literal(narrow)}" if narrow else "",
            f"count = {len(group)}" if len(group) > 1 else "",
            action([c.region for c in group if c.region is not None]),
        ]
        yield path, (symbol, *filter(None, told))


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
