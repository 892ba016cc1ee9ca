"""The report of a run: Markdown, and one HTML file that needs nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backport.doors.rundir import write_atomic
from backport.output.page import environment
from backport.output.summary import (
    Column,
    columns,
    rule_totals,
    suite_names,
    took,
    verdict,
)
from backport.values.record import Case, RunRecord

MARKDOWN = "report.md"
HTML = "report.html"
REVIEW = "review.html"  # the long page, which `backport review` writes beside this one


@dataclass(frozen=True)
class Row:
    """One test case on every kernel; a kernel on which it never came has None."""

    suite: str
    name: str
    cases: tuple[Case | None, ...]


def write_report(record: RunRecord, folder: Path) -> dict[str, Path]:
    """Write both forms into the run's folder: {"markdown": path, "html": path}."""
    written = {"markdown": folder / MARKDOWN, "html": folder / HTML}
    write_atomic(written["markdown"], render_markdown(record).encode())
    review = REVIEW if (folder / REVIEW).is_file() else ""
    write_atomic(written["html"], render_html(record, review).encode())
    return written


def render_markdown(record: RunRecord) -> str:
    """The report as GitHub's Markdown."""
    text = _render("report.md.j2", record, autoescape=False)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def render_html(record: RunRecord, review: str = "") -> str:
    """The report as one HTML page without external resources or scripts; it links to `review`."""
    return _render("report.html.j2", record, autoescape=True, review=review)


def _render(template: str, record: RunRecord, *, autoescape: bool, review: str = "") -> str:
    shown = columns(record)
    return (
        environment(autoescape)
        .get_template(template)
        .render(
            record=record,
            review=review,
            verdict=verdict(record),
            took=took(record),
            rules=rule_totals(record),
            columns=shown,
            rows=list(case_rows(record, shown)),
        )
    )


def case_rows(record: RunRecord, shown: list[Column]) -> Iterator[Row]:
    """Every case of every suite, in the order of first sight on any kernel."""
    for name in suite_names(record):
        suites = [column.suites.get(name) for column in shown]
        cases = [{case.name: case for case in suite.cases} if suite else {} for suite in suites]
        for case in dict.fromkeys(key for known in cases for key in known):
            yield Row(name, case, tuple(known.get(case) for known in cases))
