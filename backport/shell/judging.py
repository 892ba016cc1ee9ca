"""What the gates on a picked series say, noted in the run's record, before its branch may move.

Looking up every name takes seconds in a tree of 80,000 files: a pass is kept under what it depends
on, so that a second run does not look again. What fails is looked up anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backport.doors import files
from backport.gates import symbols, uapi
from backport.picking import history
from backport.picking.history import Picked
from backport.shell.session import Session
from backport.values import record
from backport.values.commit import Incoming
from backport.values.errors import GateFailed
from backport.values.target import Tree

LATER = "comes with the build"


@dataclass(frozen=True)
class Case:
    """A picked series to judge.

    `numbers` is its uapi.toml, which need not be there; `newer` is a kernel that has the feature.
    """

    request: history.Request
    picked: Picked
    numbers: Path
    srcarch: str  # the target's directory below arch/
    newer: Tree | None = None


def judge(session: Session, case: Case) -> None:
    """Note what each gate says; raises `GateFailed` at the first that objects."""
    _note_picks(session, case.picked)
    _find_symbols(session, case)
    _compare_uapi(session, case)


def _note_picks(session: Session, picked: Picked) -> None:
    by_hand = sorted({path for done in picked.commits for path in done.by_hand})
    if by_hand:
        for name in ("accounting", "form"):
            session.gate(name, "not-run", f"resolved by hand: {', '.join(by_hand)}")
    else:
        session.gate("accounting", "passed", "every line is upstream's or owned by a rule")
        session.gate("form", "passed", "no markers, no doubled definitions, parses no worse")
    session.gate("objects", "not-run", LATER)


# -- names


@dataclass(frozen=True)
class _Names:
    """A pass of the symbols gate, as it is kept."""

    summary: str
    brought: tuple[record.Brought, ...]


def _find_symbols(session: Session, case: Case) -> None:
    """Whether the target or the series has every name that the picks use."""
    request = _symbols_request(case)
    place = session.cache.root / "gates" / f"{_key(request)}.json"
    kept = _kept(place)
    if kept is None:
        result = symbols.check(request)
        told = (record.Brought(b.name, b.kind, b.path, b.by, b.source) for b in result.brought)
        kept = _Names(result.summary, tuple(told))
        if result.missing:
            session.note(brought=kept.brought)
            names = ", ".join(dict.fromkeys(one.name for one in result.missing))
            session.gate("symbols", "failed", names)
            raise symbols.NamesMissing(result.missing)
        files.write(place, json.dumps(asdict(kept)).encode())
    session.note(brought=kept.brought)
    session.gate("symbols", "passed", kept.summary)


def _symbols_request(case: Case) -> symbols.Request:
    commits = zip(case.picked.commits, case.request.incoming, strict=True)
    steps = tuple(
        symbols.Step(done.pick.subject, done.tree, came.commit, came.parent, done.credits)
        for done, came in commits
    )
    return symbols.Request(case.request.git, case.request.base.tree, steps, case.srcarch)


def _key(request: symbols.Request) -> str:
    facts = repr((symbols.RECIPE, request.base, request.steps, request.arch))
    return hashlib.sha256(facts.encode()).hexdigest()[:24]


def _kept(place: Path) -> _Names | None:
    try:
        return record.decode(_Names, json.loads(place.read_bytes()))
    except (OSError, ValueError, record.RecordError):
        return None


# -- numbers


def headers_of(incoming: Sequence[Incoming], newer: Tree | None) -> list[str]:
    """The trees with upstream's headers, newest first; none if they are known in parts only.

    What userspace sees stays as it was, so a kernel that has the feature has the same numbers.
    """
    if all(one.whole for one in incoming):
        return [one.commit for one in reversed(incoming)]
    return [newer.commit] if newer else []


def _compare_uapi(session: Session, case: Case) -> None:
    """Numbers that userspace sees, against upstream's newest headers."""
    if not case.numbers.is_file():
        session.gate("uapi", "not-run", f"{session.options.series} has no uapi.toml")
        return
    numbers = uapi.read_uapi(case.numbers)
    trees = headers_of(case.request.incoming, case.newer)
    if not trees:
        session.gate("uapi", "not-run", "upstream's headers are known by patches only")
        return
    try:
        wrong = uapi.compare(session.store.git, numbers, trees, case.picked.tree)
    except GateFailed as err:
        session.gate("uapi", "failed", err.message)
        raise
    if wrong:
        session.gate("uapi", "failed", "; ".join(wrong))
        text = "\n  ".join(["uapi: userspace would see other numbers than upstream's:", *wrong])
        raise GateFailed(text, hint="pin them with a rule")
    detail = f"{len(numbers.names)} values and offsets are upstream's"
    if numbers.last_fields:
        detail += f", {len(numbers.last_fields)} calls look at all their fields"
    session.gate("uapi", "passed", detail)
