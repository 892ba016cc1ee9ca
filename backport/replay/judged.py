"""The verdict on backports that others made: commits of a branch whose messages name upstream's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.doors.git import Git
from backport.doors.odb import Odb
from backport.readers.citations import stands_for
from backport.replay.around import Trees, Words
from backport.soundness.findings import Finding, Judged, Landed
from backport.soundness.ground import Step, landed
from backport.soundness.judge import judge
from backport.values.errors import UsageError
from backport.values.events import Emit, Progress, StageFinished, StageStarted

STAGE = "judge"


@dataclass(frozen=True)
class Asked:
    """Which commits of which repository; upstream's are looked for in `history` as well."""

    repo: Path
    range: str
    history: Path | None = None


@dataclass(frozen=True)
class JudgedCommit:
    """One commit; `verdict` is '' for one that cannot be judged, and `why` tells why."""

    sha: str
    subject: str
    upstream: str = ""
    verdict: str = ""
    findings: tuple[Finding, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Verdicts:
    """All commits of a range, oldest first."""

    commits: tuple[JudgedCommit, ...]

    @property
    def tally(self) -> Counter[str]:
        """How many have each verdict."""
        return Counter(one.verdict for one in self.commits)


def judge_range(asked: Asked, emit: Emit) -> Verdicts:
    """Judge each commit of a range, merges left out.

    Raises `UsageError` for a range with nothing in it, or in which no commit names upstream's.
    """
    git = Git(asked.repo)
    odb = Odb(asked.repo, (asked.history,) if asked.history else ())
    shas = _commits(git, asked.range)
    emit(StageStarted(STAGE, f"{len(shas)} commits of {asked.repo}"))
    bench, found = _Bench(git, odb), list[JudgedCommit]()
    for number, sha in enumerate(shas):
        emit(Progress(STAGE, number, len(shas), "commits"))
        found.append(bench.judged(sha))
    told = Verdicts(tuple(found))
    if not any(one.upstream for one in found):
        text = f"{asked.range}: no commit says what it is a pick of"
        raise UsageError(text, hint="a trailer as of git cherry-pick -x or of stable trees does")
    emit(StageFinished(STAGE, f"{len(shas) - told.tally['']} judged", 0.0))
    return told


def _commits(git: Git, range_: str) -> Sequence[str]:
    only = () if ".." in range_ else ("--no-walk",)
    done = git.run("rev-list", "--reverse", "--no-merges", *only, range_, "--", check=False)
    if done.returncode or not done.stdout:
        what = "no such range of commits" if done.returncode else "no commit in it"
        raise UsageError(f"{range_}: {what} in {git.path}", hint="e.g. v20.11..20.11")
    return done.text.split()


class _Bench:
    """What the commits of one range share: the words of their trees are counted once."""

    def __init__(self, git: Git, odb: Odb) -> None:
        self._git, self._odb, self._words = git, odb, Words(odb)

    def judged(self, sha: str) -> JudgedCommit:
        """The verdict on one commit."""
        info = self._git.commit(sha)
        names = list(dict.fromkeys(one.sha for one in stands_for(info.message)))
        subject = info.message.partition("\n")[0]
        if len(names) != 1:
            why = f"it names {len(names)} commits" if names else "it names no upstream commit"
            return JudgedCommit(sha, subject, names[0] if names else "", why=why)
        known = self._odb.commit(names[0])
        if known is None:
            why = f"{names[0][:12]} is not here: name a clone that has it with --history"
            return JudgedCommit(sha, subject, names[0], why=why)
        upstream, parents = known
        if len(parents) != 1:
            return JudgedCommit(sha, subject, upstream, why="upstream's is a merge, or the first")
        found = self._found(Step(parents[0], upstream, self._odb.parents(sha)[0], sha))
        return JudgedCommit(sha, subject, upstream, found.verdict, found.findings)

    def _found(self, step: Step) -> Judged:
        odb = self._odb
        trees = (odb.tree(rev) for rev in (step.base, step.ours, step.theirs))
        return judge(list(self._landed(step)), Trees(odb, self._words, *trees))

    def _landed(self, step: Step) -> Iterator[Landed]:
        """The files, each with whether a plain merge gives just what the commit has."""
        changes = {one.path: one for one in self._odb.changes(step.base, step.theirs)}
        settled = set()
        for path, change in changes.items():
            ours = self._odb.entry(step.ours, path)
            if ours and change.old and change.new and ours != change.old:
                merged = self._odb.merge(change.old.oid, ours.oid, change.new.oid)
                result = self._odb.read(step.result, path)
                if merged is None or not merged.clean or merged.data != result:
                    settled.add(path)
        judged = Step(step.base, step.theirs, step.ours, step.result, frozenset(settled))
        yield from landed(self._odb, judged)
