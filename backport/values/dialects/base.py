"""What a dialect is: a pair of pure functions, a check, and what it has no words for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from backport.values.commit import Person
from backport.values.provenance import (
    Finding,
    Letter,
    Provenance,
    plain,
    signed,
    unique,
)

LINUS = "https://git.kernel.org/linus/"  # short for a commit of the mainline tree
# As cgit, gitweb and forges have it; in a URL, seven digits are no other word.
_COMMIT_URL = re.compile(r"(?:[?&;](?:id|h)=|/linus/|/commits?/|/c/)([0-9a-f]{7,40})\b")


class Medium(StrEnum):
    """What a dialect is written in."""

    MESSAGE = "message"  # a commit message: it can be a commit, and travel as a mail
    FILE = "file"  # a message, and a file name that says the rest: no commit, nor part of an mbox
    MAIL = "mail"  # fields of its own beside From and Subject: a mail, but no commit message
    HEADER = "header"  # fields of its own without a mail's: only above a diff


class Holds(StrEnum):
    """What a dialect may have words for; author, subject, text and one SHA each of them has."""

    DATE = "author's date"
    ALL = "more than one upstream commit"
    MAINLINE = "first release"
    ADAPTED = "adaptations"
    BUGS = "bugs of any tracker"
    URLS = "bugs by URL"
    CVES = "CVE ids"
    CARRIER = "the carrier's sign-off apart from the others"
    UPDATED = "day of the last update"


@dataclass(frozen=True)
class Spot:
    """Where a patch stands in its series, and what the series touches."""

    number: int
    total: int
    paths: tuple[str, ...] = ()


def numbered(p: Provenance, spot: Spot) -> str:
    """The name that `git format-patch` gives: `0001-net-foo-Do-something.patch`."""
    return f"{spot.number:04}-{slug(p.subject, 52)}.patch"


def slug(subject: str, width: int) -> str:
    """A subject as a file name."""
    text = re.sub(r"[^A-Za-z0-9._]+", "-", " ".join(subject.split()))
    return re.sub(r"\.+", ".", text).strip("-.")[:width].rstrip("-.") or "patch"


@dataclass(frozen=True)
class Dialect:
    """One way to say where a patch comes from.

    `parse(format(p))` is `kept(dialect, p)`: what is in `holds` comes back, nothing else.
    """

    name: str
    title: str
    medium: Medium
    holds: frozenset[Holds]
    recognise: Callable[[Letter], bool]
    format: Callable[[Provenance], Letter]
    parse: Callable[[Letter], Provenance]
    lint: Callable[[Letter], Iterator[Finding]]
    file_name: Callable[[Provenance, Spot], str] = numbered


def kept(dialect: Dialect, p: Provenance) -> Provenance:
    """What of a provenance survives in a dialect: the one place that says what each drops."""
    holds, p = dialect.holds, plain(p)
    # A sign-off that stands among the others is one of them for whoever reads it.
    p = p if Holds.CARRIER in holds else signed(p)
    date = p.author.date if Holds.DATE in holds else ""
    has_bugs = Holds.BUGS in holds or Holds.URLS in holds
    return replace(
        p,
        author=Person(p.author.name, p.author.email, date),
        upstream=p.upstream if Holds.ALL in holds else p.upstream[:1],
        mainline=p.mainline if Holds.MAINLINE in holds else "",
        adapted=p.adapted if Holds.ADAPTED in holds else (),
        bugs=tuple(b for b in p.bugs if has_bugs and (Holds.BUGS in holds or "://" in b)),
        cves=p.cves if Holds.CVES in holds else (),
        updated=p.updated if Holds.UPDATED in holds else "",
    )


def dropped(dialect: Dialect, p: Provenance) -> tuple[str, ...]:
    """What a dialect has no words for and this patch has, for a person."""
    full, left = plain(p), kept(dialect, p)
    pairs = {
        Holds.DATE: (full.author.date, left.author.date),
        Holds.ALL: (full.upstream, left.upstream),
        Holds.MAINLINE: (full.mainline, left.mainline),
        Holds.ADAPTED: (full.adapted, left.adapted),
        Holds.BUGS: (full.bugs, left.bugs),
        Holds.CVES: (full.cves, left.cves),
    }
    return tuple(str(what) for what, (had, has) in pairs.items() if had != has)


def commit_urls(text: str) -> tuple[str, ...]:
    """The SHAs that URLs of commits name."""
    return unique(_COMMIT_URL.findall(text))


# -- what several dialects check


def check_shas(shas: Sequence[str], line: int) -> Iterator[Finding]:
    """Upstream commits are named, in full, and each once."""
    if not shas:
        yield Finding(line, "names no upstream commit", "say which commit of upstream it is")
    for sha in shas:
        if len(sha) < 40:
            yield Finding(line, f"{sha} is abbreviated", "write all 40 digits")
    for sha in unique(shas):
        if list(shas).count(sha) > 1:
            yield Finding(line, f"{sha} is named twice", "name each commit once")


def check_signed(letter: Letter, pattern: str = r"^Signed-off-by: \S") -> Iterator[Finding]:
    """Somebody answers for the patch."""
    if not re.search(pattern, letter.text, re.M):
        end = letter.line + letter.text.rstrip("\n").count("\n")
        yield Finding(end, "nobody signed it off", "add Signed-off-by: NAME <ADDRESS>")


def check_subject(letter: Letter, subject: str) -> Iterator[Finding]:
    """There is a subject."""
    if not subject:
        yield Finding(letter.line_of("Subject"), "has no subject", "say in a line what it does")
