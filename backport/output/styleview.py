"""What checkpatch found, for a person: a row a commit, then each finding that is the backport's."""

from __future__ import annotations

from backport.values.style import CommitStyle, State, StyleFinding, StyleReport

_COLUMNS = (State.NEW, State.ALLOWED, State.UPSTREAM, State.GONE)


def render_style(report: StyleReport) -> str:
    """The table; no finding of upstream's is listed, only counted."""
    head = "".join(f"{state.value:>10}" for state in _COLUMNS)
    lines = [f"{'':16}{head}"]
    for commit in report.commits:
        counts = "".join(f"{commit.count(state):>10}" for state in _COLUMNS)
        lines.append(f"{commit.upstream[:12]:16}{counts}  {commit.subject}")
    for state in (State.NEW, State.ALLOWED):
        for commit, found in report.all(state):
            lines += ["", *_told(commit, found)]
    return "\n".join(lines)


def _told(commit: CommitStyle, found: StyleFinding) -> list[str]:
    where = f"{found.path}:{found.line}" if found.path else "message"
    level = f"{found.level}:{found.kind}"
    told = [f"{found.state}: {commit.upstream[:12]} {where}: {level}: {found.text}"]
    told += [f"    {line}" for line in found.code.split("\n")[:6] if line]
    return [*told, f"  why: {found.why}"] if found.why else told


def summary_of(report: StyleReport) -> str:
    """What is wrong, in a line."""
    count = len(report.all(State.NEW))
    what = "1 finding" if count == 1 else f"{count} findings"
    return f"checkpatch: {what} that upstream's own commits do not have"
