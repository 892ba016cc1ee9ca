"""The verdict on a range of commits, as a table for people and as one object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from backport.output.summary import SHORT, clip, count
from backport.replay.judged import Verdicts
from backport.soundness.findings import Verdict

_ROOM = 66  # characters of a subject
UNJUDGED = "not judged"


def judge_text(found: Verdicts) -> str:
    """The tally, then every commit that is not sound, with its findings."""
    return "\n".join(_lines(found))


def _lines(found: Verdicts) -> Iterator[str]:
    tally = found.tally
    told = [f"{tally[word]} {word}" for word in Verdict if tally[word]]
    told += [f"{tally['']} {UNJUDGED}"] if tally[""] else []
    yield f"{count(len(found.commits), 'commit')}: {', '.join(told)}"
    for one in found.commits:
        if one.verdict != Verdict.SOUND:
            word = one.verdict or UNJUDGED
            yield f"{word:11}{one.sha[:SHORT]}  {clip(one.subject, _ROOM)}"
            yield from (f"    {finding}" for finding in one.findings)
            yield from (f"    {why}" for why in [one.why] if why)


def judge_json(found: Verdicts) -> dict[str, object]:
    """Every commit with its verdict and its findings."""
    return {
        "tally": {word or UNJUDGED: n for word, n in found.tally.items()},
        "commits": [asdict(one) for one in found.commits],
    }
