"""How commits of upstream stand on a target: there already, applying, conflicting, or of no use.

What is there by id or by a trailer never comes here. The rest is tried. A merge that changes
nothing means that the target has the change by content; where one conflicts, its lines tell why.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from backport.advice.lineage import telling
from backport.advice.presence import Presence, by_content
from backport.audit.bench import Bench, Trial
from backport.doors.git import Git
from backport.values.audit import Finding, Standing, State
from backport.values.events import Emit, StageFinished, StageStarted
from backport.values.gitformat import FileDiff, parse_diffs

STAGE = "trials"
_CHUNK = 200  # commits whose differences are read at a time
_ENOUGH = 6  # lines that are there, or not, by more than chance
_LONG = 16  # characters of a line that is searched for in the whole target
_SEARCHED = 8  # lines of a commit that are
_PATCH = ("-p", "-U1", "--no-color", "--no-renames", "--no-ext-diff", "--root")

Diffs = Mapping[str, FileDiff]


def judge(bench: Bench, findings: Sequence[Finding], emit: Emit) -> dict[int, Standing]:
    """The standing of each finding on the target."""
    if not findings:
        return {}
    start = time.monotonic()
    emit(StageStarted(STAGE, f"{len(findings)} commits tried on the target"))
    trials = bench.try_all([one.sha for one in findings])
    clashing = [sha for sha, trial in trials.items() if trial.outcome == "conflict"]
    diffs = differences(bench.git, clashing)
    found = {one.n: _standing(bench, trials[one.sha], diffs.get(one.sha, {})) for one in findings}
    lost = [one for one in findings if found[one.n].state is State.NOT_APPLICABLE]
    found |= _elsewhere(bench, lost, diffs)
    emit(StageFinished(STAGE, f"{len(clashing)} conflict", time.monotonic() - start))
    return found


def differences(git: Git, shas: Sequence[str]) -> dict[str, dict[str, FileDiff]]:
    """What commits do, by path."""
    found: dict[str, dict[str, FileDiff]] = {}
    for first in range(0, len(shas), _CHUNK):
        form = ["-c", "core.quotePath=false", "log", "--no-walk=unsorted", "--format=%x00%H"]
        done = git.run(*form, *_PATCH, *shas[first : first + _CHUNK], check=False)
        found |= parse_diffs(done.text) if done.returncode == 0 else {}
    return found


def _standing(bench: Bench, trial: Trial, diffs: Diffs) -> Standing:
    match trial.outcome:
        case "same":
            return Standing(State.PRESENT, "by content: picking it changes nothing")
        case "clean":
            moved = f", in {some(tuple(trial.moved.values()))}" if trial.moved else ""
            return Standing(State.APPLIES, f"applies cleanly{moved}")
        case "conflict":
            return _clash(bench, trial, diffs)
    return Standing(State.UNKNOWN, trial.outcome)


def _clash(bench: Bench, trial: Trial, diffs: Diffs) -> Standing:
    old = {path: diff for path, diff in diffs.items() if not diff.created}
    there = {bench.place(path): diff for path, diff in old.items() if bench.place(path)}
    if old and not there:
        verb = "is" if len(old) == 1 else "are"
        return Standing(State.NOT_APPLICABLE, f"{some(tuple(old))} {verb} not there")
    has = _presence(bench, diffs)
    if has.of >= _ENOUGH and has.word == "yes" and _all_gone(bench, there):
        return Standing(State.PRESENT, f"by content: all {has.of} lines that it adds are there")
    lost = _untouchable(bench, there)
    if lost:
        return Standing(State.NOT_APPLICABLE, lost)
    return Standing(State.CONFLICTS, "; ".join(_conflicts(bench, trial, diffs, has)))


def _conflicts(bench: Bench, trial: Trial, diffs: Diffs, has: Presence) -> Iterator[str]:
    """Where a commit conflicts, what it touches that is not there, and what of it is."""
    clashing = trial.paths or tuple(diffs)
    there = [trial.moved.get(path, path) for path in clashing if bench.place(path)]
    lacking = [path for path in clashing if not bench.place(path)]
    if there:
        yield f"in {some(there)}"
    if lacking:
        verb = "is" if len(lacking) == 1 else "are"
        yield f"{'' if there else 'only for '}{some(lacking)}, which {verb} not there"
    if has.has:
        yield f"{has.has} of the {has.of} lines that it adds are there"


def _presence(bench: Bench, diffs: Diffs) -> Presence:
    parts = [by_content(d.added, (), bench.lines(bench.place(p))) for p, d in diffs.items()]
    return Presence(sum(p.has for p in parts), sum(p.of for p in parts), "by content")


def _all_gone(bench: Bench, diffs: Diffs) -> bool:
    """Whether nothing is left of what a commit removes, less what it puts elsewhere."""
    return not any(
        telling(line) and line not in diff.added and line in bench.lines(path)
        for path, diff in diffs.items()
        for line in diff.removed
    )


def _untouchable(bench: Bench, diffs: Diffs) -> str:
    """Why a commit finds nothing to change: the lines that it changes, and their neighbours, are
    all absent."""
    removed = [(p, line) for p, d in diffs.items() for line in d.removed if telling(line)]
    near = [(p, line) for p, d in diffs.items() for line in d.context if telling(line)]
    lines = [*removed, *near]
    if len(lines) < _ENOUGH or any(line in bench.lines(path) for path, line in lines):
        return ""
    return f"none of the {len(lines)} lines that it changes or goes beside are in {some([*diffs])}"


# -- files that were split or renamed since


def _elsewhere(
    bench: Bench, lost: Sequence[Finding], diffs: Mapping[str, Diffs]
) -> Iterator[tuple[int, Standing]]:
    """Commits whose code the target has in another file than upstream: they conflict, no more."""
    wanted = {one.n: _searched(diffs.get(one.sha, {})) for one in lost}
    places = bench.grep(line for lines in wanted.values() for line in lines)
    for one in lost:
        lines = wanted[one.n]
        count = Counter(path for line in lines for path in places.get(line, ()))
        path, hits = max(count.items(), key=lambda item: (item[1], item[0]), default=("", 0))
        if hits and 2 * hits >= len(lines):
            why = f"in {some([*diffs[one.sha]])}: {hits} of its {len(lines)} lines are in {path}"
            yield one.n, Standing(State.CONFLICTS, why)


def _searched(diffs: Diffs) -> list[str]:
    """The lines by which the code that a commit changes is known."""
    removed = [line for diff in diffs.values() for line in diff.removed]
    lines = removed or [line for diff in diffs.values() for line in diff.context]
    long = {line for line in lines if len(line.strip()) >= _LONG and telling(line)}
    return sorted(long, key=lambda line: (-len(line), line))[:_SEARCHED]


def some(paths: Sequence[str]) -> str:
    """The first two of some paths, and how many more there are."""
    more = f" and {len(paths) - 2} more" if len(paths) > 2 else ""
    return ", ".join(paths[:2]) + more
