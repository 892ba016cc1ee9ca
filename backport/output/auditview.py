"""What an audit found, for a person and for a program: text is narrow, JSON holds everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from backport.audit.compare import Compared
from backport.output.ruleview import cut, wrapped
from backport.values.audit import Audit, Decision, Judged, Kind, State

_VERBS: Mapping[Kind, str] = {
    Kind.FIX: "fixes",
    Kind.REVERT: "reverts",
    Kind.SELFTEST: "goes with",
    Kind.COMPANION: "came with",
    Kind.STABLE: "about",
}
_CAUSES = 3  # that the text shows


# -- audits


def audit_json(audit: Audit) -> dict[str, Any]:
    """Every finding in full; `undecided` counts those that exit status 4 is about."""
    return {
        "subject": audit.subject,
        "target": audit.target,
        "upstream": audit.upstream,
        "looked_at": audit.looked_at,
        "undecided": len(audit.open_items),
        "findings": [_item_json(item) for item in audit.items],
        "not_in_history": dict(audit.absent),
        "ambiguous": list(audit.ambiguous),
        "notes": list(audit.notes),
        "unused_decisions": [_decision_json(one) for one in audit.unused],
    }


def _item_json(item: Judged) -> dict[str, Any]:
    one = item.finding
    return {
        "sha": one.sha,
        "subject": one.subject,
        "date": _day(one.authored),
        "kind": one.kind.value,
        "about": [asdict(cause) for cause in one.causes],
        "depth": one.depth,
        "asks_for_stable": bool(one.stable),
        "cves": list(one.cves),
        "state": item.standing.state.value,
        "why": item.standing.why,
        "needs_first": list(item.standing.needs),
        "decision": _decision_json(item.decision) if item.decision else None,
        "expired": item.expired,
        "undecided": item.undecided,
    }


def _decision_json(one: Decision) -> dict[str, Any]:
    return {
        "sha": one.sha,
        "decision": one.choice.value,
        "reason": one.reason,
        "expires": one.expires.isoformat() if one.expires else None,
        "place": str(one.place),
    }


def audit_text(audit: Audit) -> str:
    """What is undecided in full, then a line each for what is decided or needs nobody."""
    groups = [
        ("undecided", audit.open_items, _full),
        ("decided", [i for i in audit.items if i.decision and not i.undecided], _decided),
        ("nothing to decide", [i for i in audit.items if not i.decision and not i.undecided],
         _settled),
    ]  # fmt: skip
    blocks = ["\n".join(_head(audit))]
    for title, items, shown in groups:
        if items:
            lines = [line for item in items for line in shown(item)]
            blocks.append("\n".join([f"{title}: {len(items)}", *lines]))
    blocks += ["\n".join(tail) for tail in _tails(audit) if tail]
    return "\n\n".join(blocks)


def _head(audit: Audit) -> Iterator[str]:
    states = Counter(item.standing.state for item in audit.items)
    counts = ", ".join(f"{states[state]} {state.value}" for state in State if states[state])
    yield from wrapped(f"{audit.subject} on {audit.target}", "")
    yield from wrapped(f"upstream {audit.upstream}, {audit.looked_at:,} commits looked at", "")
    yield from wrapped(f"{len(audit.items)} found: {counts}" if counts else "nothing found", "")


def _full(item: Judged) -> Iterator[str]:
    one, standing = item.finding, item.standing
    yield _title(item)
    yield from _about(item, _CAUSES)
    marks = [*one.cves, *(["asks for stable trees"] if one.stable else [])]
    yield from wrapped("; ".join([_standing(item), *marks]), "    ")
    if standing.needs:
        yield from wrapped(f"needs first: {', '.join(n[:12] for n in standing.needs)}", "    ")
    if item.decision and item.expired:
        text = f"{item.decision.choice} until {item.decision.expires}, which is over: "
        yield from wrapped(f"{text}{item.decision.reason}", "    ")


def _about(item: Judged, most: int) -> Iterator[str]:
    causes = item.finding.causes
    for cause in causes[:most]:
        how = "" if cause.how == "id" else f" (by {cause.how})"
        verb = _VERBS[item.finding.kind]
        yield cut(f"    {verb} {cause.sha[:12]}{how} {cause.subject}")
    if len(causes) > most:
        yield f"    … and {len(causes) - most} more"


def _title(item: Judged) -> str:
    one = item.finding
    return cut(f"  {one.kind.value:<9} {one.sha[:12]} {_day(one.authored)} {one.subject}")


def _standing(item: Judged) -> str:
    match item.standing.state:
        case State.CONFLICTS:
            return f"conflicts {item.standing.why}"
        case State.UNKNOWN:
            return f"cannot be told: {item.standing.why}"
    return item.standing.why


def _decided(item: Judged) -> Iterator[str]:
    assert item.decision is not None
    yield _title(item)
    yield from _about(item, 1)
    until = f" until {item.decision.expires}" if item.decision.expires else ""
    yield from wrapped(f"{item.decision.choice}{until}: {item.decision.reason}", "    ")


def _settled(item: Judged) -> Iterator[str]:
    yield _title(item)
    yield from _about(item, 1)
    yield from wrapped(f"{item.standing.state}: {item.standing.why}", "    ")


def _tails(audit: Audit) -> Iterator[list[str]]:
    if audit.absent:
        head = "not in this history, so nothing can be said of them:"
        yield [head, *(cut(f"  {sha[:12]} {text}") for sha, text in audit.absent.items())]
    yield [line for note in audit.notes for line in wrapped(note, "")]
    if audit.ambiguous:
        yield ["names that may mean several commits:",
               *(line for text in audit.ambiguous for line in wrapped(text, "  "))]  # fmt: skip
    if audit.unused:
        yield ["decisions about commits that were not found:",
               *(line for d in audit.unused
                 for line in wrapped(f"{d.place}: {d.sha[:12]} {d.reason}", "  "))]  # fmt: skip


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


# -- comparisons

_COLUMNS = (
    "audited", "next", "picked", "with Fixes:", "of it", "found", "recall", "asked", "older",
    "new", "picked", "precision",
)  # fmt: skip
_ABOUT = """\
picked: upstream commits that the next release brought; with Fixes: those that have the tag; of it:
those whose tag names a commit of the audited release; found: those the audit asks about; asked: all
fixes and reverts it asks about; older: those that were in upstream at the audited release already,
and were left out then; new: the others; precision: how many of the new ones were picked."""


def compared_json(rows: Sequence[Compared]) -> list[dict[str, Any]]:
    """Every count, and what was missed."""
    return [{**asdict(r), "recall": r.recall, "precision": r.precision} for r in rows]


def compared_text(rows: Sequence[Compared]) -> str:
    """A table with a line for each pair of releases and one for all."""
    table = [_COLUMNS, *(_cells(row) for row in rows), _total(rows)]
    widths = [max(len(row[n]) for row in table) for n in range(len(_COLUMNS))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in table]
    missed = [line for row in rows for text in row.missed for line in wrapped(text, "  ")]
    tail = ["", "missed:", *missed] if missed else []
    return "\n".join([*lines, "", _ABOUT, *tail])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for n, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if n < 2 else cell.rjust(width)


def _cells(row: Compared) -> tuple[str, ...]:
    counts = (row.picked, row.tagged, row.known, row.found)
    more = (row.reported, row.older, row.fresh, row.right)
    return (row.release, row.next, *map(str, counts), f"{row.recall:.1%}", *map(str, more),
            f"{row.precision:.1%}")  # fmt: skip


def _total(rows: Sequence[Compared]) -> tuple[str, ...]:
    def total(name: str) -> int:
        return sum(getattr(row, name) for row in rows)

    known, fresh = total("known"), total("fresh")
    recall = f"{total('found') / known:.1%}" if known else "-"
    precision = f"{total('right') / fresh:.1%}" if fresh else "-"
    counts = [str(total(name)) for name in ("picked", "tagged", "known", "found")]
    more = [str(total(name)) for name in ("reported", "older", "fresh", "right")]
    return ("all", "", *counts, recall, *more, precision)
