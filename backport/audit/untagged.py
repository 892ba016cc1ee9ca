"""Fixes that say nothing of what they fix: they change lines that a commit of the series brought.

Only for a series, whose files are few: git's log of these files is read once, within a budget.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from backport.advice.lineage import History, NotTold, telling
from backport.audit.index import Index
from backport.audit.standing import differences
from backport.audit.subject import Subject
from backport.doors.git import Git
from backport.values.gitformat import FileDiff, parse_diffs

_FIX = re.compile(r"\b(fix|fixes|fixed|fixup|correct|repair)\b", re.I)
_LOG = ("log", "--format=%x00%H", "-p", "-U0", "--no-color", "--no-renames", "--no-ext-diff",
        "--no-merges", "-i", "--grep=fix", "--grep=correct", "--grep=repair")  # fmt: skip

Diffs = Mapping[str, FileDiff]


def by_lines(
    history: History, git: Git, index: Index, subject: Subject, tip: str
) -> tuple[dict[int, list[int]], str]:
    """Fixes with the roots whose lines they change; and why that could not be told, or ''."""
    roots = {c.sha: c.n for c in index.commits(subject.roots)}
    brought = _brought(differences(git, [*roots]), roots)
    if not brought:
        return {}, ""
    oldest = min(roots, key=lambda sha: roots[sha])
    paths = sorted({path for path, _ in brought})
    try:
        text = history.ask("-c", "core.quotePath=false", *_LOG, tip, f"^{oldest}", "--", *paths)
    except NotTold as err:
        return {}, f"fixes without a tag were not looked for: {err}"
    found: dict[int, list[int]] = {}
    for sha, diffs in parse_diffs(text).items():
        n = index.number(sha)
        if n is None or n not in subject.upstream or n in subject.has:
            continue
        causes = {brought[key] for key in _removed(diffs) if key in brought and brought[key] < n}
        if causes and _FIX.search(index.commit(n).subject):
            found[n] = sorted(causes)
    return found, ""


def _brought(diffs: Mapping[str, Diffs], roots: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """The newest root that brought a line to a file."""
    found: dict[tuple[str, str], int] = {}
    for sha in sorted(diffs, key=lambda one: roots[one]):
        for path, diff in diffs[sha].items():
            found |= {(path, line): roots[sha] for line in diff.added if telling(line)}
    return found


def _removed(diffs: Diffs) -> Iterator[tuple[str, str]]:
    for path, diff in diffs.items():
        yield from ((path, line) for line in diff.removed if line not in diff.added)
