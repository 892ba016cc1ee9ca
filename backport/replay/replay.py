"""Replays one backport of the past: upstream's commit onto the tree that the human had.

Each file that upstream's commit changes is picked on its own, in core, and compared with what the
human committed. Only what all three sides have changed is merged at all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from backport.doors.odb import Odb
from backport.gates.form import MARKERS
from backport.ladder.ladder import Sibling, climb
from backport.replay.around import Trees, Words
from backport.replay.likeness import Match, Near, compared, near
from backport.replay.pairs import Pair
from backport.replay.peers import PEERS, Peer
from backport.soundness.findings import Landed, Sort
from backport.soundness.judge import judge
from backport.values.csource import split_lines
from backport.values.filecase import FileCase
from backport.values.gitformat import Change, Entry, kind_of

LADDER, SIBLINGS = "ladder", "ladder+sibling"


class Landing(StrEnum):
    """How a plain three-way merge of a file lands."""

    UNTOUCHED = "untouched"  # the target's file is upstream's of before
    ALREADY = "already"
    CLEAN = "clean"
    CONFLICT = "conflict"
    OPEN = "open"  # ... and the human committed the conflict, markers and all
    ABSENT = "absent"  # the target has no such file
    OTHER = "other"  # added or deleted on one side, or no text


@dataclass(frozen=True)
class Answer:
    """What one resolver gave for one file, in milliseconds; `step` is how, for the ladder. Of one
    that is different `near` tells how much that is."""

    match: Match
    ms: float
    step: str = ""
    near: Near = Near.NONE


@dataclass(frozen=True)
class FileResult:
    """One file of one pick. `match` is the plain merge's, where that is clean."""

    path: str
    landing: Landing
    match: Match = Match.UNRESOLVED
    answers: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class PairResult:
    """One pair replayed; `ms` is the time of its plain merge in core.

    Where that is clean in every file, `verdict` is what is said of the pick, for these `findings`.
    It `is_astray` where the human's own is different and has lines in another function than
    upstream's.
    """

    pair: Pair
    ms: float
    files: tuple[FileResult, ...]
    verdict: str = ""
    findings: tuple[str, ...] = ()
    is_astray: bool = False


_CLEAN = {Landing.UNTOUCHED, Landing.ALREADY, Landing.CLEAN}


@dataclass
class _Plain:
    """A file after the plain merge."""

    change: Change
    ours: Entry | None
    landing: Landing
    data: bytes | None = None


class Replayer:
    """Replays pairs of one repository; holds what they share."""

    def __init__(
        self, odb: Odb, siblings: Mapping[str, Sequence[Pair]], peers: Sequence[str] = ()
    ) -> None:
        self._odb = odb
        self._words = Words(odb)
        self._siblings = siblings
        self._peers: dict[str, Peer] = {name: PEERS[name] for name in peers}

    def replay(self, pair: Pair) -> PairResult:
        """Pick the pair's upstream commit onto the parent of its backport, and compare."""
        odb = self._odb
        start = time.perf_counter()
        before, target = (self._parent(sha) for sha in (pair.upstream, pair.backport))
        plain = [self._merged(change, target) for change in odb.changes(before, pair.upstream)]
        ms = (time.perf_counter() - start) * 1e3
        trees = Trees(odb, self._words, odb.tree(before), odb.tree(target), odb.tree(pair.upstream))
        results = tuple(self._compared(pair, file, trees) for file in plain)
        if not all(file.landing in _CLEAN for file in plain):
            return PairResult(pair, ms, results)
        said = judge([Landed(self._case(file), file.data) for file in plain], trees)
        astray = any(file.match is Match.DIFFERENT for file in results) and self._is_astray(
            pair, plain, trees
        )
        return PairResult(pair, ms, results, said.verdict, tuple(map(str, said.findings)), astray)

    def _is_astray(self, pair: Pair, plain: Sequence[_Plain], trees: Trees) -> bool:
        """Whether what the human committed landed in another function than upstream's change."""
        files = [(self._case(file), file.change.path) for file in plain]
        theirs = [Landed(case, self._odb.read(pair.backport, path)) for case, path in files]
        return any(one.sort is Sort.PLACE for one in judge(theirs, trees).findings)

    def _parent(self, sha: str) -> str:
        return self._odb.parents(sha)[0]

    def _merged(self, change: Change, target: str) -> _Plain:
        old, new = change.old, change.new
        ours = self._odb.entry(target, change.path)
        if ours == old:
            return _Plain(change, ours, Landing.UNTOUCHED, self._data(new))
        if ours == new:
            return _Plain(change, ours, Landing.ALREADY, self._data(ours))
        if not ours:
            return _Plain(change, ours, Landing.ABSENT)
        if not (old and new) or {kind_of(e.mode) for e in (old, new, ours)} != {"blob"}:
            return _Plain(change, ours, Landing.OTHER)
        merged = self._odb.merge(old.oid, ours.oid, new.oid)
        if merged is None:
            return _Plain(change, ours, Landing.OTHER)
        landing = Landing.CLEAN if merged.clean else Landing.CONFLICT
        return _Plain(change, ours, landing, merged.data if merged.clean else None)

    def _data(self, entry: Entry | None) -> bytes | None:
        return self._odb.blob(entry.oid) if entry and kind_of(entry.mode) == "blob" else None

    def _compared(self, pair: Pair, file: _Plain, trees: Trees) -> FileResult:
        path = file.change.path
        human = self._odb.read(pair.backport, path)
        if file.landing is Landing.CONFLICT and _is_open(human):
            return FileResult(path, Landing.OPEN)
        if file.landing is Landing.CONFLICT:
            answers = dict(self._answers(pair, file, trees, human))
            return FileResult(path, file.landing, answers=answers)
        if file.landing in {Landing.ABSENT, Landing.OTHER}:
            return FileResult(path, file.landing)
        return FileResult(path, file.landing, compared(file.data, human))

    def _case(self, file: _Plain) -> FileCase:
        sides = (self._data(entry) for entry in (file.change.old, file.ours, file.change.new))
        return FileCase(file.change.path, *sides)

    def _answers(
        self, pair: Pair, file: _Plain, trees: Trees, human: bytes | None
    ) -> Iterator[tuple[str, Answer]]:
        case = self._case(file)
        alone = _climbed(case, trees, [], human)
        siblings = self._before(pair, case.path)
        yield LADDER, alone
        yield SIBLINGS, _climbed(case, trees, siblings, human) if siblings else alone
        for name, peer in self._peers.items():
            start = time.perf_counter()
            given = peer(case)
            ms = (time.perf_counter() - start) * 1e3
            left = Answer(Match.UNRESOLVED, ms)
            yield name, left if given is None else _answer(case.path, given, human, ms)

    def _before(self, pair: Pair, path: str) -> list[Sibling]:
        """What earlier backports of the same commit made of a file, the latest first."""
        found = []
        for other in reversed(self._siblings.get(pair.upstream, [])):
            if other.time < pair.time and other.backport != pair.backport:
                before = self._odb.read(self._parent(other.backport), path)
                after = self._odb.read(other.backport, path)
                if before is not None and after is not None:
                    found.append(Sibling(other.backport, before, after))
        return found


def _is_open(data: bytes | None) -> bool:
    """Whether a text is no resolution: bots commit the conflict, and who ends it does so later."""
    return data is not None and any(line.startswith(MARKERS) for line in split_lines(data))


def _climbed(
    case: FileCase, trees: Trees, siblings: Sequence[Sibling], human: bytes | None
) -> Answer:
    start = time.perf_counter()
    found = climb(case, trees, siblings)
    ms = (time.perf_counter() - start) * 1e3
    if found is None:
        return Answer(Match.UNRESOLVED, ms)
    return _answer(case.path, found.text, human, ms, found.step)


def _answer(
    path: str, given: bytes | None, human: bytes | None, ms: float, step: str = ""
) -> Answer:
    match = compared(given, human)
    how = near(path, given, human) if match is Match.DIFFERENT else Near.NONE
    return Answer(match, ms, step, how)
