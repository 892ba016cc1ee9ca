"""The closing screen of a run: a record in, text of at most 100 columns out."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from backport.soundness.findings import Verdict
from backport.values.record import PASSED, RUNNING, Adaptation, Pick, RunRecord, Suite

WIDTH = 100
ROWS = 20  # picks that the screen shows
FEW = 10  # rules and failed cases
LABEL = 11
SHORT = 12  # digits of an id
DOUBTS = 3  # findings on a pick

GOOD, BAD, SOFT, NEUTRAL = "green", "bold red", "yellow", "dim"

# How a word looks: a mark that works without colour, and a colour.
LOOKS: Mapping[str, tuple[str, str]] = {
    "passed": ("✓", GOOD),
    "done": ("✓", GOOD),
    "clean": ("✓", GOOD),
    "resolved": ("✓", GOOD),
    "skipped": ("–", SOFT),
    "not-run": ("–", SOFT),
    "empty": ("–", SOFT),
    "already-applied": ("–", SOFT),
    "dropped": ("–", SOFT),
    "planned": ("·", SOFT),
    "running": ("…", SOFT),
}
_BAD_LOOK = ("✗", BAD)
_DOES = {"pass": "passes", "fail": "fails"}


@dataclass(frozen=True)
class Column:
    """One kernel under the harness: `expected` is pass or fail, `ok` that it did so."""

    title: str
    kernel: str
    expected: str
    ok: bool
    suites: Mapping[str, Suite]


def look(outcome: str) -> tuple[str, str]:
    """The mark and the style of an outcome; a word that is not known looks bad."""
    return LOOKS.get(outcome, _BAD_LOOK)


def duration(seconds: float) -> str:
    """Seconds as a person says them: `3.2 s`, `45 s`, `14 min 34 s`, `1 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return (
        f"{minutes} min {rest:02d} s"
        if minutes < 60
        else f"{minutes // 60} h {minutes % 60:02d} min"
    )


def clip(text: str, width: int) -> str:
    """One line of at most `width` characters; what is cut shows as an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: max(width - 1, 0)].rstrip() + "…"


def columns(record: RunRecord) -> list[Column]:
    """The kernels side by side: the base control, the patched kernel, the other controls."""
    patched = _patched(record)
    controls = [
        Column(c.name, c.kernel, c.expected, c.ok, _by_name(c.suites)) for c in record.controls
    ]
    before = [column for column in controls if column.expected == "fail"]
    after = [column for column in controls if column.expected != "fail"]
    return [*before, *([patched] if record.tests else []), *after]


def _patched(record: RunRecord) -> Column:
    version = record.base.version if record.base else record.target
    ok = bool(record.tests) and all(suite.ok for suite in record.tests)
    return Column("patched", version, "pass", ok, _by_name(record.tests))


def _by_name(suites: Iterable[Suite]) -> dict[str, Suite]:
    return {suite.suite: suite for suite in suites}


def expectation(column: Column) -> str:
    """Whether a kernel did what it had to, in a few words."""
    if column.ok:
        return f"{_DOES.get(column.expected, column.expected)}, as it must ✓"
    return f"must {column.expected} ✗"


def suite_names(record: RunRecord) -> list[str]:
    """Every suite that ran anywhere, in the order of first sight."""
    lists = [record.tests, *(control.suites for control in record.controls)]
    return list(dict.fromkeys(suite.suite for suites in lists for suite in suites))


def count(number: int, noun: str) -> str:
    """`1 commit`, `2 commits`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def verdict(record: RunRecord) -> str:
    """One line: how it ended, for what, with how many commits and tests."""
    facts = []
    commits = sum(1 for pick in record.picks if pick.commit)
    if commits:
        facts.append(count(commits, "commit"))
    ran = sum(suite.passed + suite.failed for suite in record.tests)
    if ran:
        facts.append(f"{sum(s.passed for s in record.tests)} of {count(ran, 'test')} passed")
    text = f"{record.series} on {record.where}"
    return f"{text}: {', '.join(facts)}" if facts else text


def took(record: RunRecord) -> str:
    """How long it took, and whether nothing had to be done."""
    text = duration(record.seconds)
    return f"{text}, all cached" if record.all_cached else text


def rule_totals(record: RunRecord) -> list[Adaptation]:
    """One adaptation a rule, its lines summed over all paths, in the order of first use."""
    totals: dict[str, Adaptation] = {}
    for item in record.adaptations:
        seen = totals.get(item.rule)
        lines = (seen.added + item.added, seen.removed + item.removed) if seen else None
        path = item.path if not seen or seen.path == item.path else ""
        added, removed = lines or (item.added, item.removed)
        totals[item.rule] = Adaptation(
            item.rule, item.why, path, item.cause, item.commit, added, removed
        )
    return list(totals.values())


# -- the screen


def summary(
    record: RunRecord, folder: Path | None = None, *, color: bool = False, width: int = WIDTH
) -> str:
    """The closing verdict for a person, one screen; `folder` is the run's, for the paths in it."""
    width = min(width, WIDTH)
    blocks = [
        [_headline(record, width), *_failure(record, folder, width)],
        _origin(record, width),
        _picks(record, width),
        _rules(record, width),
        [*_checks(record, width), *_gates(record, width)],
        _tests(record, width),
        _results(record, folder),
    ]
    text = Text("\n\n").join(Text("\n").join(block) for block in blocks if block)
    return render(text) if color else "\n".join(line.rstrip() for line in text.plain.split("\n"))


def render(text: Text) -> str:
    """Text with ANSI colours; lines are never wrapped."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", width=10_000)
    console.print(text, soft_wrap=True, end="", highlight=False)
    return out.getvalue()


def _headline(record: RunRecord, width: int) -> Text:
    word = record.outcome.replace("-", " ").upper()
    right = took(record)
    room = width - len(word) - len(right) - 4
    left = clip(verdict(record), room)
    style = {PASSED: "bold green", RUNNING: "bold yellow"}.get(record.outcome, BAD)
    return Text.assemble((word, style), "  ", (left.ljust(room), "bold"), "  ", (right, NEUTRAL))


def _failure(record: RunRecord, folder: Path | None, width: int) -> list[Text]:
    if record.failure is None:
        return []
    lines = [line for line in record.failure.message.splitlines() if line.strip()]
    shown = [Text(f"  {clip(line, width - 2)}", BAD) for line in lines[:6]]
    log = record.failure.log
    if log:
        shown.append(Text(f"  log:  {_place(folder, log)}"))
    if record.failure.hint:
        shown.append(Text(f"  next: {record.failure.hint}"))
    return shown


def _field(label: str, text: str, width: int = 0) -> Text:
    body = clip(text, width - LABEL) if width else text
    return Text.assemble((label.ljust(LABEL), "cyan"), body)


def _origin(record: RunRecord, width: int) -> list[Text]:
    lines = []
    if record.base:
        name = record.base.label or record.base.source
        commit = record.base.commit[:SHORT]
        lines.append(_field("base", f"{record.base.version}, {name}, commit {commit}", width))
    if record.upstream:
        lines.append(_field("upstream", f"{record.upstream.kind}, {record.upstream.text}", width))
    return lines


def _picks(record: RunRecord, width: int) -> list[Text]:
    if not record.picks:
        return []
    tally = Counter(pick.outcome for pick in record.picks)
    words = ", ".join(f"{number} {outcome}" for outcome, number in tally.items())
    rows = list(enumerate(record.picks, 1))
    if len(rows) > ROWS:  # the clean ones are the least news
        rows = [row for row in rows if row[1].outcome != "clean" or row[1].doubts][:ROWS]
    lines = [_field("picks", f"{len(record.picks)}: {words}", width)]
    for number, pick in rows:
        lines += [_pick(number, pick, width), *_doubts(pick, width)]
    return lines + _more(len(record.picks) - len(rows), "pick")


def _doubts(pick: Pick, width: int) -> list[Text]:
    """Why a person should look at a pick that landed."""
    style = BAD if pick.verdict == Verdict.UNSOUND else SOFT
    lines = []
    for doubt in pick.doubts[:DOUBTS]:
        text = f"{doubt.path}:{doubt.line}: {doubt.evidence}"
        head = f"       {pick.verdict}: "
        lines.append(Text.assemble((head, style), clip(text, width - len(head))))
    left = len(pick.doubts) - len(lines)
    return lines + ([Text(f"       … and {left} more in the report", NEUTRAL)] if left else [])


def _pick(number: int, pick: Pick, width: int) -> Text:
    mark, style = look(pick.outcome)
    note = count(len(pick.rules), "rule") if pick.rules else ""
    if pick.outcome == "conflict":
        note = count(len(pick.conflicts), "path")
    outcome = f"{mark} {pick.outcome}".ljust(17)
    room = width - 2 - 3 - 2 - SHORT - 2 - 17 - 2 - 9
    return Text.assemble(
        f"  {number:>3}  {pick.sha[:SHORT]}  ",
        (outcome, style),
        f"  {clip(pick.subject, room).ljust(room)}",
        (note.rjust(9), NEUTRAL),
    )


def _more(number: int, noun: str) -> list[Text]:
    return [Text(f"  … and {count(number, noun)} more in the report", NEUTRAL)] if number else []


def _rules(record: RunRecord, width: int) -> list[Text]:
    totals = rule_totals(record)
    if not totals:
        return []
    files = len({item.path for item in record.adaptations})
    lines = [_field("rules", f"{len(totals)} fired in {count(files, 'file')}")]
    names = min(max(len(rule.rule) for rule in totals), 30)
    for rule in totals[:FEW]:
        change = f"+{rule.added} -{rule.removed}".rjust(9)
        head = f"  {clip(rule.rule, names).ljust(names)}  "
        why = clip(rule.why, width - len(head) - 11)
        lines.append(Text.assemble(head, (change, NEUTRAL), f"  {why}"))
    return lines + _more(max(len(totals) - FEW, 0), "rule")


def _checks(record: RunRecord, width: int) -> list[Text]:
    lines = []
    if record.config:
        held = f"{record.config.held} of {record.config.requested} symbols have their value"
        lines.append(_field("config", held, width))
    if record.build:
        build = record.build
        facts = [count(build.warnings, "warning"), build.compiler]
        facts.append("cached" if build.cached else duration(build.seconds))
        lines.append(_field("build", ", ".join([build.image, *filter(None, facts)]), width))
    if record.guest:
        guest = record.guest
        facts = [guest.outcome, guest.accel, duration(guest.seconds), guest.detail]
        lines.append(_field("guest", ", ".join(filter(None, facts)), width))
    return lines


def _gates(record: RunRecord, width: int) -> list[Text]:
    if not record.gates:
        return []
    marks = [f"{gate.name} {look(gate.outcome)[0]}" for gate in record.gates]
    packed = _pack(marks, width - LABEL)
    lines = [_field("gates" if not n else "", line) for n, line in enumerate(packed)]
    for gate in record.gates:
        if gate.outcome != PASSED:
            mark, style = look(gate.outcome)
            text = f"{gate.name} {gate.outcome}: {gate.detail or 'no reason given'}"
            lines.append(Text.assemble("  ", (mark, style), f" {clip(text, width - 4)}"))
    return lines


def _pack(items: Sequence[str], width: int) -> list[str]:
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + 3 + len(item) > width:
            lines.append("")
        lines[-1] += f"{'   ' if lines[-1] else ''}{item}"
    return lines


def _tests(record: RunRecord, width: int) -> list[Text]:
    shown = columns(record)
    if not shown:
        return []
    names = suite_names(record)
    first = min(max([LABEL, *(len(name) + 4 for name in names)]), 30)
    cell = min((width - first) // len(shown), 26)
    lines = [_cells("tests", [c.title for c in shown], first, cell, "cyan")]
    lines.append(_cells("", [c.kernel for c in shown], first, cell))
    lines.append(_cells("", [expectation(c) for c in shown], first, cell))
    for name in names:
        results = [_score(column.suites.get(name)) for column in shown]
        lines.append(_cells(f"  {name}", results, first, cell))
    return lines + _failed(record, width)


def _cells(head: str, cells: Sequence[str], first: int, cell: int, style: str = "") -> Text:
    body = "".join(clip(text, cell - 2).ljust(cell) for text in cells)
    return Text.assemble((clip(head, first - 1).ljust(first), style), body)


def _score(suite: Suite | None) -> str:
    if suite is None:
        return "not run"
    text = f"{suite.passed} of {suite.passed + suite.failed}"
    if suite.skipped:
        text += f", {suite.skipped} skipped"
    return text if suite.outcome in ("", PASSED, "failed") else f"{text}, {suite.outcome}"


def _failed(record: RunRecord, width: int) -> list[Text]:
    cases = [
        f"{suite.suite}/{case.name} {case.outcome}: {case.detail or 'see the log'}"
        for suite in record.tests
        for case in suite.cases
        if case.outcome not in (PASSED, "skipped")
    ]
    lines = [Text.assemble("  ", ("✗", BAD), f" {clip(text, width - 4)}") for text in cases[:FEW]]
    return lines + _more(len(cases) - len(lines), "failed case")


def _results(record: RunRecord, folder: Path | None) -> list[Text]:
    lines = []
    if record.branch:
        where = f", head {record.head[:SHORT]}, tree {record.tree[:SHORT]}" if record.head else ""
        lines.append(_field("branch", f"{record.branch}{where}"))
    for label, name in (("series", "series"), ("report", "html")):
        if name in record.artifacts:
            lines.append(_field(label, _place(folder, record.artifacts[name])))
    if record.left_out:
        commits = sum(bool(item.sha) for item in record.left_out)
        others = len(record.left_out) - commits
        parts = [count(commits, "upstream commit")] + ([count(others, "file")] if others else [])
        text = f"{' and '.join(parts)}, with reasons in the report"
        lines.append(_field("left out", text))
    return lines


def _place(folder: Path | None, name: str) -> str:
    """A path that can be copied: whole, but with the home folder as ~."""
    if folder is None:
        return name
    path = os.path.normpath(folder / name)
    home = str(Path.home())
    return f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path
