"""The report of a run: Markdown, and one HTML file that needs nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from backport.doors.rundir import write_atomic
from backport.output.summary import (
    BAD,
    GOOD,
    NEUTRAL,
    SOFT,
    Column,
    columns,
    count,
    duration,
    expectation,
    look,
    rule_totals,
    suite_names,
    took,
    verdict,
)
from backport.values.record import Case, RunRecord

MARKDOWN = "report.md"
HTML = "report.html"
_TONES = {GOOD: "good", BAD: "bad", SOFT: "soft", NEUTRAL: "soft"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


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
    write_atomic(written["html"], render_html(record).encode())
    return written


def render_markdown(record: RunRecord) -> str:
    """The report as GitHub's Markdown."""
    text = _render("report.md.j2", record, autoescape=False)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def render_html(record: RunRecord) -> str:
    """The report as one HTML page without external resources or scripts."""
    return _render("report.html.j2", record, autoescape=True)


@cache
def _environment(autoescape: bool) -> jinja2.Environment:
    """Kept, because compiling the templates is most of the work of a report."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printable,
    )
    env.filters |= FILTERS
    return env


def _render(template: str, record: RunRecord, *, autoescape: bool) -> str:
    shown = columns(record)
    return (
        _environment(autoescape)
        .get_template(template)
        .render(
            record=record,
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


def printable(value: object) -> object:
    """Text without control characters and broken surrogates, whatever a log put in it."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value)
    return value


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def escape_markdown(value: object) -> str:
    """Text on one line with nothing in it that Markdown or HTML would read."""
    text = _MARKUP.sub(r"\\\1", _one_line(value).replace("&", "&amp;"))
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)  # a list's number
    return re.sub(r"^([-+=])", r"\\\1", text)


def code(value: object) -> str:
    """Text as a Markdown code span that holds in a table, whatever backticks it has."""
    text = _one_line(value)
    if not text:
        return ""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def tone(outcome: str) -> str:
    """The CSS class of an outcome: good, bad or soft."""
    return _TONES[look(outcome)[1]]


def mark(outcome: str) -> str:
    """The sign of an outcome."""
    return look(outcome)[0]


FILTERS: dict[str, Callable[..., object]] = {
    "md": escape_markdown,
    "code": code,
    "tone": tone,
    "mark": mark,
    "duration": duration,
    "expectation": expectation,
    "count": count,
}
