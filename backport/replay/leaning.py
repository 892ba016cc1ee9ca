"""Asks the search of prerequisites what branches really had; what was asked is kept."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.needs.names import Names
from backport.needs.past import Over, Past
from backport.needs.search import Budget, Deadline, Search
from backport.needs.trials import Trials
from backport.replay.evaluate import kept_as
from backport.replay.pairs import Pair, Selection, find_pairs
from backport.replay.without import Branches, Case, case_of
from backport.upstreams.desk import desk
from backport.values.events import Emit, Progress, StageFinished, StageStarted

STAGE = "prerequisites"
_AT_ONCE = 10  # pairs that a worker takes
_AHEAD = 3  # portions for each worker that are asked for before it is known that they are needed
_MAKING = 60.0  # seconds for one question
# Rooms that can change an answer.
_ENGINE = ("needs", "gates", "readers", "values")


@dataclass(frozen=True)
class Leaning:
    """One backport asked about. Without a `truth` it makes no question, and `told` is why; else
    `told` is why there is no answer, and `hard` counts the files of one that are left to a person.
    """

    pair: Pair
    truth: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    hard: int = 0
    told: str = ""
    seconds: float = 0.0

    @property
    def right(self) -> bool:
        """Whether all that the branch had was found."""
        return set(self.truth) <= set(self.found)

    @property
    def ratio(self) -> float:
        """How many times as large as the truth what was found is."""
        return len(self.found) / len(self.truth)


@dataclass(frozen=True)
class Request:
    """How many questions, of which pairs of a repository, in the order that `wanted.seed` draws."""

    repo: Path
    wanted: Selection
    cases: int
    jobs: int = 0  # processes; 0 is one for each core


@dataclass(frozen=True)
class Leanings:
    """The questions with their answers, and why other backports made none."""

    cases: tuple[Leaning, ...]
    others: Counter[str]
    seconds: float


def lean(request: Request, cache: Path, emit: Emit) -> Leanings:
    """Ask until there are as many questions as wanted, or no more pairs."""
    start = time.monotonic()
    git, odb = Git(request.repo), Odb(request.repo)
    pairs = find_pairs(git, odb, replace(request.wanted, sample=0))
    random.Random(request.wanted.seed).shuffle(pairs)
    everything = find_pairs(git, odb, Selection(pattern=request.wanted.pattern))
    file = cache / "eval" / f"{kept_as(request.repo, ['prerequisites'], _ENGINE)}.jsonl"
    emit(StageStarted(STAGE, f"{request.cases} questions from {request.repo}"))
    cases: list[Leaning] = []
    others: Counter[str] = Counter()
    for one in _asked(request, pairs, {p.backport: p.upstream for p in everything}, file):
        if not one.truth:
            others[one.told] += 1
            continue
        cases.append(one)
        emit(Progress(STAGE, len(cases), request.cases, "questions"))
        if len(cases) == request.cases:
            break
    seconds = round(time.monotonic() - start, 1)
    emit(StageFinished(STAGE, f"{sum(one.right for one in cases)} found", seconds))
    return Leanings(tuple(cases), others, seconds)


# -- working side by side

_worker: list[tuple[Path, Mapping[str, str]]] = []  # of a worker process: its own


def _begin(repo: Path, upstream_of: Mapping[str, str]) -> None:
    _worker[:] = [(repo, upstream_of)]


def _work(pairs: Sequence[Pair]) -> list[Leaning]:
    """Ask about some pairs; the objects that it takes are gone afterwards."""
    ((repo, upstream_of),) = _worker
    with desk([Git(repo)]) as git:
        branches = Branches(git, Odb(git.path), upstream_of)
        return [answered(branches, pair) for pair in pairs]


def answered(branches: Branches, pair: Pair) -> Leaning:
    """Make a question of a backport, if it is one, and ask it."""
    try:
        case = case_of(branches, pair, Deadline(_MAKING))
    except Over:
        return Leaning(pair, told=f"a question that takes more than {_MAKING:g} s to make")
    if isinstance(case, str):
        return Leaning(pair, told=case)
    start = time.monotonic()
    answer = _answer(branches, case)
    return replace(answer, seconds=round(time.monotonic() - start, 3))


def _answer(branches: Branches, case: Case) -> Leaning:
    odb, budget, pair = branches.odb, Budget(), case.pair
    left = Deadline(budget.seconds)
    past = Past(branches.git, odb, case.fork, odb.parents(pair.upstream)[0], left)
    trials = Trials(odb, case.onto)
    search = Search(trials, past, budget, left, Names(branches.git, trials, past))
    try:
        found = search.run(pair.upstream)
    except Over as err:
        return Leaning(pair, case.truth, told=str(err))
    if found is None:
        return Leaning(pair, case.truth, told="no set makes it apply")
    return Leaning(pair, case.truth, found.take, len(found.hard))


def _asked(
    request: Request, pairs: Sequence[Pair], upstream_of: Mapping[str, str], file: Path
) -> Iterator[Leaning]:
    """What each pair gives, in their order; what an earlier run asked is not asked again."""
    done = dict(_kept(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    jobs = request.jobs or os.cpu_count() or 1
    portions = [pairs[at : at + _AT_ONCE] for at in range(0, len(pairs), _AT_ONCE)]
    waiting: list[tuple[Sequence[Pair], Future[list[Leaning]] | None]] = []
    pool = ProcessPoolExecutor(jobs, None, _begin, (request.repo, upstream_of))
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write("\n")  # ends what a kill may have cut off; a blank line is no result
            while portions or waiting:
                while portions and len(waiting) < _AHEAD * jobs:
                    some = portions.pop(0)
                    open_ = [pair for pair in some if pair.key not in done]
                    waiting.append((some, pool.submit(_work, open_) if open_ else None))
                some, ready = waiting.pop(0)
                for one in ready.result() if ready else ():
                    done[one.pair.key] = one
                    out.write(json.dumps(asdict(one)) + "\n")
                out.flush()
                yield from (done[pair.key] for pair in some)
    finally:
        pool.shutdown(cancel_futures=True)


def _kept(file: Path) -> Iterator[tuple[str, Leaning]]:
    """What earlier runs asked; a last line that a kill cut off is asked again."""
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            data = json.loads(line)
            pair = Pair(**data.pop("pair"))
            truth, found = (tuple(data.pop(name)) for name in ("truth", "found"))
            yield pair.key, Leaning(pair, truth, found, **data)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
