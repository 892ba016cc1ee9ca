"""The cover letter of a series: what a maintainer has to know before the first patch."""

from __future__ import annotations

import email.header
import email.utils
import textwrap
from dataclasses import dataclass
from pathlib import Path

import jinja2

from backport.values.commit import Person
from backport.values.record import Adaptation, Base, LeftOut, Pick, RunRecord, Suite, Upstream

TEMPLATE = "cover.j2"
WIDTH = 72


@dataclass(frozen=True)
class Cover:
    """What the letter says; the diffstat and the list of patches come from the commits."""

    series: str
    target: str
    base: Base
    upstream: Upstream | None = None
    picks: tuple[Pick, ...] = ()
    adaptations: tuple[Adaptation, ...] = ()
    tests: tuple[Suite, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What git knows about the commits; `sender` and `date` as RFC 2822 writes them."""

    sender: str
    date: str
    patches: int
    diffstat: str
    shortlog: str
    command: str  # what applies it, where the letter lies


def cover_of(record: RunRecord) -> Cover:
    """The letter of a run; its base must be known."""
    assert record.base is not None
    return Cover(
        record.series,
        record.target,
        record.base,
        record.upstream,
        record.picks,
        record.adaptations,
        record.tests,
        record.left_out,
    )


def render_cover(cover: Cover, facts: Facts) -> bytes:
    """The letter as a mail that `git am --empty=drop` passes over."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent.parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters |= {"fold": fold, "header": header}
    text = env.get_template(TEMPLATE).render(cover=cover, facts=facts)
    return text.encode("utf-8", "replace")


def fold(text: str, indent: int) -> str:
    """Text as lines of at most 72 columns, each indented.

    The indent is more than looks: a line that begins with `diff -` or `--- ` ends the letter for
    `git am`.
    """
    pad = " " * indent
    words = " ".join(text.split())
    lines = textwrap.wrap(words, WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(pad + line for line in lines)


def header(text: str) -> str:
    """A header's value: one line, encoded when it is not ASCII."""
    line = " ".join(text.split())
    if line.isascii():
        return line
    return email.header.Header(line, "utf-8", maxlinelen=200).encode()


def address(who: Person) -> str:
    """A person as a mail's sender; bytes of the name that are not UTF-8 become question marks."""
    name = who.name.encode("utf-8", "replace").decode()
    return email.utils.formataddr((name, who.email), "utf-8")
