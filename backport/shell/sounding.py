"""The verdict on each pick that landed, noted in the run's record; it stops a run only if asked to.

What was found is kept under what it depends on, so that a second run does not look again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from backport.doors import files
from backport.doors.odb import Odb
from backport.picking.history import Picked, Request
from backport.shell.session import Session
from backport.soundness.findings import RECIPE, Judged, Verdict
from backport.soundness.ground import Near, Step, landed
from backport.soundness.judge import judge
from backport.values import record
from backport.values.errors import GateFailed


@dataclass(frozen=True)
class _Told:
    """A verdict as it is kept."""

    verdict: str
    doubts: tuple[record.Doubt, ...]


def judge_picks(session: Session, request: Request, picked: Picked) -> None:
    """Note what is to be said of every commit; with --strict-picks an unsound one is an error."""
    told = [_kept(session, step) if step else None for step in _steps(request, picked)]
    noted = tuple(
        replace(pick, verdict=one.verdict, doubts=one.doubts) if one else pick
        for pick, one in zip(session.record.picks, told, strict=True)
    )
    session.note(picks=noted)
    if session.options.strict_picks:
        _demand(noted)


def _steps(request: Request, picked: Picked) -> Iterator[Step | None]:
    """What to judge of each pick, None of one that left no commit."""
    tree = request.base.tree
    for incoming, done in zip(request.incoming, picked.commits, strict=True):
        settled = {*done.pick.conflicts, *done.by_hand, *(a.path for a in done.adaptations)}
        trees = (incoming.parent, incoming.commit, tree, done.tree)
        yield Step(*trees, frozenset(settled)) if done.pick.commit else None
        tree = done.tree


def _kept(session: Session, step: Step) -> _Told:
    facts = repr((RECIPE, step.base, step.theirs, step.ours, step.result, sorted(step.settled)))
    key = hashlib.sha256(facts.encode()).hexdigest()[:24]
    place = session.cache.root / "gates" / f"sound-{key}.json"
    try:
        return record.decode(_Told, json.loads(place.read_bytes()))
    except (OSError, ValueError, record.RecordError):
        odb = Odb(session.store.git.path)
        told = _told(judge(list(landed(odb, step)), Near(odb, step)))
        files.write(place, json.dumps(asdict(told)).encode())
        return told


def _told(judged: Judged) -> _Told:
    found = (record.Doubt(f.path, f.number, f.sort, f.evidence) for f in judged.findings)
    return _Told(judged.verdict, tuple(found))


def _demand(picks: tuple[record.Pick, ...]) -> None:
    bad = [pick for pick in picks if pick.verdict == Verdict.UNSOUND]
    if bad:
        lines = [f"{pick.subject}: {doubt}" for pick in bad for doubt in pick.doubts]
        text = "\n  ".join(["picks that cannot be right as they are:", *lines])
        raise GateFailed(text, hint="write the rule that mends them, or leave out --strict-picks")
