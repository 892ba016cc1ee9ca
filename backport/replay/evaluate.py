"""Replays many backports on all cores; what was finished is kept, and a killed run goes on."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.doors.process import memory, require
from backport.replay.likeness import Match, Near
from backport.replay.pairs import Pair, Selection, find_pairs, siblings
from backport.replay.peers import TOOLS
from backport.replay.replay import Answer, FileResult, Landing, PairResult, Replayer
from backport.replay.wholemerge import whole_merges
from backport.values.events import Emit, Progress, StageFinished, StageStarted

STAGE = "eval"
_AT_ONCE = 25  # pairs that a worker takes; they are neighbours in time, so their trees are alike
# Rooms that can change an answer.
_ENGINE = ("ladder", "soundness", "picking", "gates", "readers", "values")


@dataclass(frozen=True)
class Request:
    """Which pairs of which repository, against which peers."""

    repo: Path
    wanted: Selection
    peers: tuple[str, ...] = ()
    jobs: int = 0  # processes; 0 is one for each core


@dataclass(frozen=True)
class Held:
    """The memory after `done` backports, in KiB and without mapped files: of the workers all
    together, and of the process that collects what they find."""

    done: int
    workers: int
    own: int


@dataclass(frozen=True)
class Evaluation:
    """All pairs replayed; `whole_ms` are the milliseconds of a full `git merge-tree` for some of
    them, `memory` is the most that a process came to, in KiB, with the packs that it maps.

    `held` are the memories after the first tenth, at the middle and at the end of what was
    replayed now, empty if nothing was."""

    results: tuple[PairResult, ...]
    whole_ms: tuple[float, ...]
    memory: int
    seconds: float
    held: tuple[Held, ...] = ()


def evaluate(request: Request, cache: Path, emit: Emit) -> Evaluation:
    """Replay the pairs; those that the same engine has replayed before are not replayed again.

    Raises `UsageError` if the repository has no pairs, `ToolMissing` for a peer that is not here.
    """
    start = time.monotonic()
    for peer in request.peers:
        require(TOOLS[peer])
    git, odb = Git(request.repo), Odb(request.repo)
    pairs = find_pairs(git, odb, request.wanted)
    file = cache / "eval" / f"{kept_as(request.repo, request.peers, _ENGINE)}.jsonl"
    done = dict(_kept(file))
    held: list[Held] = []
    emit(StageStarted(STAGE, f"{len(pairs)} backports of {request.repo}"))
    open_ = [pair for pair in pairs if pair.key not in done]
    if open_:
        everything = find_pairs(git, odb, Selection(pattern=request.wanted.pattern))
        done |= _replayed(request, open_, siblings(everything), file, emit, held)
    whole = whole_merges(git, odb, pairs)
    most = max(resource.getrusage(who).ru_maxrss for who in _WHO)
    seconds = time.monotonic() - start
    detail = f"{len(open_)} replayed, {len(pairs) - len(open_)} known"
    emit(StageFinished(STAGE, detail, seconds, cached=not open_))
    found = tuple(done[pair.key] for pair in pairs)
    return Evaluation(found, whole, most, round(seconds, 1), _told(held))


_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def kept_as(repo: Path, words: Sequence[str], rooms: Sequence[str]) -> str:
    """What kept results belong to: the repository, what else was asked for, and the code itself."""
    digest = hashlib.sha256(f"{repo.absolute()}\0{sorted(words)}".encode())
    root = Path(__file__).parents[1]
    for room in ("replay", *rooms):
        for source in sorted((root / room).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


# -- working side by side

_worker: list[Replayer] = []  # of a worker process: its own


def _begin(repo: Path, by_upstream: Mapping[str, Sequence[Pair]], peers: Sequence[str]) -> None:
    _worker[:] = [Replayer(Odb(repo), by_upstream, peers)]


def _work(pairs: Sequence[Pair]) -> tuple[list[PairResult], int, int]:
    """What they give, and which worker holds how much after it."""
    return [_worker[0].replay(pair) for pair in pairs], os.getpid(), memory()


def _told(held: Sequence[Held]) -> tuple[Held, ...]:
    """After a tenth, when what is kept for speed is full, at the middle and at the end."""
    return tuple(held[n] for n in (len(held) // 10, len(held) // 2, -1)) if held else ()


def _replayed(  # noqa: PLR0917 (what a pool needs)
    request: Request,
    pairs: Sequence[Pair],
    known: Mapping[str, Sequence[Pair]],
    file: Path,
    emit: Emit,
    held: list[Held],
) -> dict[str, PairResult]:
    found: dict[str, PairResult] = {}
    workers: dict[int, int] = {}
    file.parent.mkdir(parents=True, exist_ok=True)
    jobs = request.jobs or os.cpu_count() or 1
    pool = ProcessPoolExecutor(jobs, None, _begin, (request.repo, known, request.peers))
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write("\n")  # ends what a kill may have cut off; a blank line is no result
            starts = range(0, len(pairs), _AT_ONCE)
            waiting = [pool.submit(_work, pairs[at : at + _AT_ONCE]) for at in starts]
            for ready in as_completed(waiting):
                results, worker, workers_memory = ready.result()
                workers[worker] = workers_memory
                for result in results:
                    found[result.pair.key] = result
                    out.write(json.dumps(asdict(result)) + "\n")
                out.flush()
                held.append(Held(len(found), sum(workers.values()), memory()))
                emit(Progress(STAGE, len(found), len(pairs), "backports"))
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def _kept(file: Path) -> Iterator[tuple[str, PairResult]]:
    """What earlier runs finished; a last line that a kill cut off is replayed again."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            result = _result(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue
        yield result.pair.key, result


def _result(data: dict[str, object]) -> PairResult:
    files = data["files"]
    pair, ms = data["pair"], data["ms"]
    assert isinstance(files, list)
    assert isinstance(pair, dict)
    assert isinstance(ms, float)
    said = data["findings"]
    assert isinstance(said, list)
    results = tuple(_file(item) for item in files)
    verdict, astray = str(data["verdict"]), bool(data["is_astray"])
    return PairResult(Pair(**pair), ms, results, verdict, tuple(said), astray)


def _file(data: dict[str, str | dict[str, dict[str, str | float]]]) -> FileResult:
    answers = data["answers"]
    assert isinstance(answers, dict)
    read = {
        name: Answer(
            Match(str(one["match"])), float(one["ms"]), str(one["step"]), Near(str(one["near"]))
        )
        for name, one in answers.items()
    }
    path, landing, match = (str(data[key]) for key in ("path", "landing", "match"))
    return FileResult(path, Landing(landing), Match(match), read)
