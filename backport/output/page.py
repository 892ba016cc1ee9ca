"""What our HTML pages share: templates that escape, filters, and text that cannot deceive."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from backport.output.summary import BAD, GOOD, NEUTRAL, SOFT, count, duration, expectation, look

_TONES = {GOOD: "good", BAD: "bad", SOFT: "soft", NEUTRAL: "soft"}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!])")
# What changes the order or the look of the text around it, and cannot be seen.
_UNSEEN = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@cache
def environment(autoescape: bool) -> jinja2.Environment:
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


def printable(value: object) -> object:
    """Text without control characters and broken surrogates, whatever a log put in it.

    Characters that reorder the text around them, or are not seen, are shown by their numbers: code
    must not look like other code than it is.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNSEEN.sub(_shown, _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value))
    return value


def _shown(found: re.Match[str]) -> str:
    return f"\N{LEFT CEILING}U+{ord(found[0]):04X}\N{RIGHT CEILING}"


def tone(outcome: str) -> str:
    """The CSS class of an outcome: good, bad or soft."""
    return _TONES[look(outcome)[1]]


def mark(outcome: str) -> str:
    """The sign of an outcome."""
    return look(outcome)[0]


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


FILTERS: dict[str, Callable[..., object]] = {
    "md": escape_markdown,
    "code": code,
    "tone": tone,
    "mark": mark,
    "duration": duration,
    "expectation": expectation,
    "count": count,
}
