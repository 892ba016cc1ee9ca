"""What an evaluation found, as a table for people and as one object for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from backport.gates.form import SUFFIXES
from backport.ladder.ladder import SURE
from backport.replay.evaluate import Evaluation, Held
from backport.replay.likeness import Match, Near
from backport.replay.replay import LADDER, Answer, FileResult, Landing, PairResult
from backport.soundness.findings import Verdict

SURE_STEPS = "sure steps"  # of the ladder


@dataclass(frozen=True)
class Row:
    """One way to resolve, over the conflicted C files; `near` counts the different ones by what
    they have in common with the human's."""

    name: str
    files: int
    counts: Counter[Match]
    ms: float
    near: Counter[Near]

    def share(self, match: Match) -> float:
        """The part of the files, 0 to 1."""
        return self.counts[match] / self.files if self.files else 0.0

    @property
    def precision(self) -> float:
        """Of what it resolved, the part that is as the human's; white space counts as such."""
        right = self.counts[Match.IDENTICAL] + self.counts[Match.SPACE]
        resolved = right + self.counts[Match.DIFFERENT]
        return right / resolved if resolved else 0.0


@dataclass(frozen=True)
class Alarm:
    """Clean picks of one kind, and how many of them are flagged; of the others, how many are
    different since the human's landed in another function than upstream's change."""

    picks: int
    flagged: int
    astray: int

    @property
    def share(self) -> float:
        """The part that is flagged, 0 to 1."""
        return self.flagged / self.picks if self.picks else 0.0


@dataclass(frozen=True)
class Summary:
    """The figures of an evaluation."""

    pairs: int
    landings: Counter[Landing]
    rows: tuple[Row, ...]
    steps: Counter[tuple[str, Match]]
    unlike: Alarm  # clean picks, and not what the human committed
    alike: Alarm  # clean picks, and just that
    pick_ms: float
    whole_ms: float
    memory: int
    seconds: float
    held: tuple[Held, ...]


def summary(found: Evaluation) -> Summary:
    """Count what the pairs gave."""
    files = [file for result in found.results for file in result.files]
    code = [file for file in files if file.path.endswith(SUFFIXES)]
    conflicts = [file for file in code if file.landing is Landing.CONFLICT]
    clean = [result for result in found.results if result.verdict]
    names = dict.fromkeys(name for file in conflicts for name in file.answers)
    steps = Counter(
        (file.answers[LADDER].step, file.answers[LADDER].match)
        for file in conflicts
        if file.answers[LADDER].step
    )
    return Summary(
        len(found.results),
        Counter(file.landing for file in files),
        tuple(row for name in names for row in _rows(name, conflicts)),
        steps,
        _alarm(result for result in clean if _match(result) is Match.DIFFERENT),
        _alarm(result for result in clean if _match(result) is Match.IDENTICAL),
        median([result.ms for result in found.results] or [0.0]),
        median(found.whole_ms or [0.0]),
        found.memory,
        found.seconds,
        found.held,
    )


def _rows(name: str, conflicts: Sequence[FileResult]) -> Iterator[Row]:
    """What one way gave; of the ladder what its sure steps gave alone as well."""
    answers = [file.answers[name] for file in conflicts]
    yield _row(name, answers)
    if name == LADDER:
        yield _row(SURE_STEPS, [one if one.step in SURE else _left(one) for one in answers])


def _left(answer: Answer) -> Answer:
    return Answer(Match.UNRESOLVED, answer.ms)


def _row(name: str, answers: Sequence[Answer]) -> Row:
    counts = Counter(answer.match for answer in answers)
    near = Counter(answer.near for answer in answers if answer.near)
    return Row(name, len(answers), counts, median([answer.ms for answer in answers]), near)


def _match(result: PairResult) -> Match:
    """How the C files of a clean pick are like the human's, all together."""
    matches = {file.match for file in result.files if file.path.endswith(SUFFIXES)}
    return next((m for m in (Match.DIFFERENT, Match.SPACE) if m in matches), Match.IDENTICAL)


def _alarm(results: Iterable[PairResult]) -> Alarm:
    found = list(results)
    quiet = [result for result in found if result.verdict == Verdict.SOUND]
    return Alarm(len(found), len(found) - len(quiet), sum(one.is_astray for one in quiet))


# -- for people


def eval_text(found: Evaluation, worst: int = 0) -> str:
    """The table, and the worst cases if some are asked for."""
    return "\n".join([*_lines(summary(found)), *_worst(found.results, worst)])


def _lines(of: Summary) -> Iterator[str]:
    landed = ", ".join(f"{n} {landing}" for landing, n in of.landings.most_common())
    yield f"{of.pairs} backports; files: {landed}"
    yield ""
    width = max([len(row.name) for row in of.rows] or [0]) + 2
    head = ("files", "identical", "space", "different", "unresolved", "precision", "ms")
    yield f"{'conflicted .c/.h':{width + 12}}" + "".join(f"{word:>11}" for word in head)
    for row in of.rows:
        shares = "".join(f"{row.share(match):11.1%}" for match in Match)
        yield f"{row.name:{width + 12}}{row.files:11}{shares}{row.precision:11.1%}{row.ms:11.1f}"
    yield from (_nearness(row) for row in of.rows if row.near)
    yield ""
    by_step: dict[str, Counter[Match]] = {}
    for (step, match), n in of.steps.items():
        by_step.setdefault(step, Counter())[match] += n
    for step, counts in by_step.items():
        told = ", ".join(f"{counts[match]} {match}" for match in Match if counts[match])
        yield f"  step {step}: {told}"
    yield f"clean picks unlike the human's: {_told(of.unlike)}{_astray(of.unlike)}"
    yield f"clean picks like the human's: {_told(of.alike)}"
    ratio = of.whole_ms / of.pick_ms if of.pick_ms else 0.0
    yield (
        f"a pick in core: {of.pick_ms:.2f} ms at the median; git merge-tree of whole trees: "
        f"{of.whole_ms:.0f} ms, {ratio:.0f} times as long"
    )
    yield f"{of.seconds:.0f} s; a process came to {of.memory // 1024} MiB"
    if of.held:
        told = "; ".join(
            f"after {one.done} backports {one.workers // 1024} MiB, {one.own // 1024} MiB"
            for one in of.held
        )
        yield f"memory of the workers and of what collects their results: {told}"


def _nearness(row: Row) -> str:
    return (
        f"  {row.name}, {row.counts[Match.DIFFERENT]} different: {row.near[Near.COMMENTS]} but for "
        f"comments, {row.near[Near.ORDER]} with the same lines of code in another order"
    )


def _told(alarm: Alarm) -> str:
    return f"{alarm.flagged} of {alarm.picks} flagged ({alarm.share:.1%})"


def _astray(alarm: Alarm) -> str:
    """Of those that are not flagged, the ones that the human put elsewhere."""
    if not alarm.astray:
        return ""
    return f"; in {alarm.astray} of the others the human's is in another function than upstream's"


def _worst(results: Sequence[PairResult], most: int) -> Iterator[str]:
    """Wrong resolutions first, then clean merges that nothing spoke against and that are wrong."""
    if not most:
        return
    found = [
        (result, file, text)
        for result in results
        for file in result.files
        if file.path.endswith(SUFFIXES) and (text := _wrong(result, file))
    ]
    yield ""
    for result, file, text in sorted(found, key=lambda item: item[2])[:most]:
        yield f"{text}: {file.path}"
        for sha in (result.pair.upstream, result.pair.backport):
            yield f"    git show {sha[:12]} -- {file.path}"


def _wrong(result: PairResult, file: FileResult) -> str:
    answer = file.answers.get(LADDER)
    if answer and answer.match is Match.DIFFERENT:
        return f"1 resolved otherwise by step {answer.step}"
    if result.verdict == Verdict.SOUND and file.match is Match.DIFFERENT:
        return "2 merged otherwise, and nothing was said"
    return ""


# -- for programs


def eval_json(found: Evaluation) -> dict[str, object]:
    """The figures; shares are 0 to 1."""
    of = summary(found)
    return {
        "pairs": of.pairs,
        "landings": {str(landing): n for landing, n in of.landings.items()},
        "resolvers": {row.name: _row_json(row) for row in of.rows},
        "clean_unlike": asdict(of.unlike),
        "clean_alike": asdict(of.alike),
        "pick_ms": round(of.pick_ms, 3),
        "whole_merge_ms": round(of.whole_ms, 3),
        "memory_kib": of.memory,
        "held_kib": [asdict(one) for one in of.held],
    }


def _row_json(row: Row) -> dict[str, object]:
    return {
        "files": row.files,
        **{str(match): row.counts[match] for match in Match},
        "different_in": {str(one): row.near[one] for one in Near if one},
        "precision": round(row.precision, 4),
        "ms": round(row.ms, 3),
    }
