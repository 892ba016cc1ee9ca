"""How often the search of prerequisites finds what branches really had: a table, and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from backport.replay.leaning import Leaning, Leanings

TWICE = 2.0


def leaning_text(found: Leanings, worst: int = 0) -> str:
    """The figures, and wrong cases if some are asked for."""
    return "\n".join([*_figures(found), *_worst(found.cases, worst)])


def _figures(found: Leanings) -> Iterator[str]:
    cases = found.cases
    others = ", ".join(f"{n} {why}" for why, n in found.others.most_common())
    yield f"{len(cases)} backports that apply only after others" + (f"; {others}" if others else "")
    if not cases:
        return
    yield ""
    yield f"{'the branch had':16}{'cases':>8}{'all of it':>12}{'over twice':>12}{'no answer':>12}"
    sizes = sorted({len(one.truth) for one in cases})
    for size in sizes if len(sizes) > 1 else ():
        yield _row(f"{size}", [one for one in cases if len(one.truth) == size])
    yield _row("any number", cases)
    yield ""
    answers = [one.ratio for one in cases if not one.told] or [0.0]
    yield (
        f"what was found is {max(answers):.2f} times as large at most, "
        f"{sum(answers) / len(answers):.2f} on average; "
        f"{sum(one.hard > 0 for one in cases)} sets have files to adapt by hand"
    )
    times = [one.seconds for one in cases]
    yield f"a case: {median(times):.1f} s at the median, {max(times):.1f} s at most; "\
          f"{found.seconds:.0f} s in all"  # fmt: skip


def _row(name: str, cases: Sequence[Leaning]) -> str:
    share = sum(one.right for one in cases) / len(cases)
    large = sum(one.ratio > TWICE for one in cases)
    silent = sum(bool(one.told) for one in cases)
    return f"{name:16}{len(cases):8}{share:12.1%}{large:12}{silent:12}"


def _worst(cases: Sequence[Leaning], most: int) -> Iterator[str]:
    wrong = [one for one in cases if not one.right or one.ratio > TWICE][:most]
    for one in wrong:
        yield ""
        yield f"git show {one.pair.upstream[:12]}   # picked as {one.pair.backport[:12]}"
        yield f"    the branch had {_some(one.truth)}"
        yield f"    found          {_some(one.found) or one.told}"


def _some(shas: Sequence[str]) -> str:
    return " ".join(sha[:12] for sha in shas)


def leaning_json(found: Leanings) -> dict[str, object]:
    """The figures, and every case."""
    cases = found.cases
    return {
        "cases": len(cases),
        "recall": round(sum(one.right for one in cases) / len(cases), 4) if cases else 0.0,
        "over_twice": sum(one.ratio > TWICE for one in cases),
        "no_answer": sum(bool(one.told) for one in cases),
        "others": dict(found.others),
        "questions": [
            {
                "upstream": one.pair.upstream,
                "backport": one.pair.backport,
                "had": list(one.truth),
                "found": list(one.found),
                "by_hand": one.hard,
                "told": one.told,
                "seconds": one.seconds,
            }
            for one in cases
        ],
    }
