"""Where a backported patch comes from and what was done to it: one model, whatever it is said in.

A `Provenance` is what every dialect (`backport.values.dialects`) writes and reads. A `Letter` is
what stands above the diff of a patch file, or a commit's message with its author: the form that a
dialect is written in.
"""

from __future__ import annotations

import email.utils
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from backport.values.commit import Person

TOOL = "backport"
WIDTH = 75
NOBODY = Person("", "", "")
SHA = r"[0-9a-f]{40}"
SHORT_SHA = r"[0-9a-f]{12,40}"  # what people write, and a reader takes

_TRAILER = re.compile(r"[A-Z][A-Za-z-]+: \S")
_BRACKETS = re.compile(r"^\[(?:[^][]|\[[^][]*\])*\]$", re.M)
_RULE = re.compile(r"([a-z0-9][a-z0-9-]*): +(.+)", re.S)
_NOTE = re.compile(rf"^\[ {TOOL}: adapted:\n((?:  .*\n)+)\]$", re.M)
_SIGNED = re.compile(r"^Signed-off-by: (.*\S)", re.M)
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


@dataclass(frozen=True)
class Adapted:
    """One difference from upstream, and why; what a person did by hand has no rule."""

    why: str
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.why}" if self.rule else self.why


@dataclass(frozen=True)
class Provenance:
    """One patch: upstream's words, where they are from, and what was changed on the way.

    Without `upstream` the patch is in no upstream tree, and there is nothing to adapt.
    """

    subject: str
    body: str = ""  # neither subject nor trailers
    trailers: tuple[str, ...] = ()  # lines of upstream's last paragraph
    author: Person = NOBODY
    upstream: tuple[str, ...] = ()  # full SHAs, the one that the subject is of first
    mainline: str = ""  # the first release that has that one, "v6.6"; empty: none, or not known
    adapted: tuple[Adapted, ...] = ()
    bugs: tuple[str, ...] = ()  # URLs, or a tracker's short form such as bsc#123
    cves: tuple[str, ...] = ()
    carrier: str = ""  # who carries it, and signs off for that: "Name <address>"
    updated: str = ""  # the day when it was made, as ISO 8601 says it


@dataclass(frozen=True)
class Field:
    """A header's field; `line` is its line in the file, from 1, or 0 where there is none."""

    name: str
    value: str
    line: int = 0


@dataclass(frozen=True)
class Letter:
    """What stands above a diff. A message has no fields but From, Date and Subject."""

    fields: tuple[Field, ...] = ()
    text: str = ""
    commit: str = ""  # the id in the line that `git format-patch` begins with
    name: str = ""  # the patch's file name
    line: int = 1  # where the text begins

    def get(self, name: str) -> str:
        """The first field of that name, in any spelling; empty if there is none."""
        return next((f.value for f in self.fields if f.name.lower() == name.lower()), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Every field of that name, in order."""
        return tuple(f.value for f in self.fields if f.name.lower() == name.lower())

    def line_of(self, name: str) -> int:
        """The line of the first field of that name, else of the first field."""
        lines = [f.line for f in self.fields if f.name.lower() == name.lower()]
        return (lines or [f.line for f in self.fields] or [1])[0]

    def find(self, pattern: str) -> int:
        """The line of the first match in the text, else of its beginning."""
        hit = re.search(pattern, self.text, re.M | re.I)
        return self.line + (self.text.count("\n", 0, hit.start()) if hit else 0)


@dataclass(frozen=True)
class Finding:
    """What is wrong with how a patch says where it comes from, and how to put it right."""

    line: int
    text: str
    fix: str


# -- messages


def split_message(text: str) -> tuple[str, tuple[str, ...]]:
    """A message's body and its trailers: the last paragraph, if it is one of those.

    A maintainer's note in brackets belongs to the trailers that it stands among.
    """
    body = text.strip("\n")
    above, _, last = body.rpartition("\n\n")
    rest = [line for line in _BRACKETS.sub("", last).split("\n") if line]
    trailers = [line for line in rest if _TRAILER.match(line)]
    if trailers and all(line in trailers or line.startswith((" ", "\t")) for line in rest):
        return above.strip("\n"), tuple(last.split("\n"))
    return body, ()


def join(*paragraphs: str) -> str:
    """Paragraphs with one blank line between them; empty ones are left out."""
    kept = [text for text in paragraphs if text]
    return "\n\n".join(kept) + "\n" if kept else ""


def wrap(text: str, first: str, rest: str) -> str:
    """Text at a commit message's width; nothing is broken but at spaces."""
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest,
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


def note(adapted: Sequence[Adapted]) -> str:
    """The adaptations as a note above the sign-off, empty if there are none."""
    lines = [wrap(str(item), "  ", "    ") for item in adapted]
    return "\n".join([f"[ {TOOL}: adapted:", *lines, "]"]) if lines else ""


def cut_note(text: str) -> tuple[str, tuple[Adapted, ...]]:
    """A text without the note that `note` wrote, and what it said."""
    found = _NOTE.search(text)
    if found is None:
        return text, ()
    rest = join(text[: found.start()].strip("\n"), text[found.end() :].strip("\n"))
    return rest, read_entries(found[1].splitlines())


def read_entries(lines: Iterable[str]) -> tuple[Adapted, ...]:
    """Entries that begin at the smallest indent and go on at greater ones."""
    kept = [line.rstrip() for line in lines if line.strip()]
    margin = min((_indent(line) for line in kept), default=0)
    entries: list[str] = []
    for line in kept:
        if entries and _indent(line) > margin:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line.strip())
    return tuple(adapted_of(entry) for entry in entries)


def adapted_of(text: str) -> Adapted:
    """`rule: why` as two, anything else as a reason without a rule."""
    words = " ".join(text.split())
    found = _RULE.fullmatch(words)
    return Adapted(found[2], found[1]) if found else Adapted(words)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def cut(pattern: re.Pattern[str], text: str) -> tuple[str, list[str]]:
    """A text without the lines that match, and the first group of each match in order."""
    found = [hit[1] for hit in pattern.finditer(text)]
    return re.sub(r"\n{3,}", "\n\n", pattern.sub("", text)).strip("\n") if found else text, found


def unique(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts, each once, in order."""
    return tuple(dict.fromkeys(texts))


def cves_in(text: str) -> tuple[str, ...]:
    """The CVE ids of a text."""
    return unique(_CVE.findall(text))


def carrier_of(below: str) -> str:
    """Who carries the patch: the last sign-off below the line that says where it comes from."""
    signed = _SIGNED.findall(below)
    return signed[-1] if signed else ""


def sign_off(carrier: str) -> str:
    """The line that a carrier signs with; empty for nobody."""
    return f"Signed-off-by: {carrier}" if carrier else ""


# -- people and moments


def person_text(who: Person) -> str:
    """A person as `Name <address>`, as commit messages have it."""
    return f"{who.name} <{who.email}>" if who.email else who.name


def person_of(text: str, date: str = "") -> Person:
    """A person from `Name <address>`, quotes around the name undone."""
    name, _, rest = text.strip().rpartition("<")
    if not rest.endswith(">"):
        return Person("", text.strip(), date) if "@" in text else Person(text.strip(), "", date)
    return Person(name.strip().strip('"').strip(), rest[:-1].strip(), date)


def rfc2822(date: str) -> str:
    """Git's raw date as a mail's, in the zone that it was made in."""
    seconds, _, zone = date.partition(" ")
    sign = -1 if zone.startswith("-") else 1
    offset = sign * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60)
    text = email.utils.formatdate(int(seconds) + offset, usegmt=False)
    return f"{text.removesuffix(' -0000')} {zone}"


def raw_date(text: str) -> str:
    """A mail's date, or one as `git log` prints it, in git's raw form; empty if it is neither."""
    # git log puts the year last: Tue Aug 25 21:52:45 2020 -0400
    swapped = re.sub(r"^(\w{3}) (\w{3}) +(\d+) ([\d:]+) (\d{4})", r"\1, \3 \2 \5 \4", text.strip())
    parsed = email.utils.parsedate_tz(swapped)
    if parsed is None:
        return ""
    offset = parsed[9] or 0
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02}{abs(offset) // 60 % 60:02}"
    return f"{email.utils.mktime_tz(parsed)} {zone}"


def mail_fields(p: Provenance) -> tuple[Field, ...]:
    """From, Date and Subject of a patch, as a mail has them."""
    found = [Field("From", person_text(p.author))] if p.author.email or p.author.name else []
    found += [Field("Date", rfc2822(p.author.date))] if p.author.date else []
    return (*found, Field("Subject", p.subject))


def author_of(letter: Letter) -> Person:
    """Who wrote a patch, and when, by its mail's fields."""
    return person_of(letter.get("From"), raw_date(letter.get("Date")))


def subject_of(letter: Letter) -> str:
    """A mail's subject on one line, less the brackets that mailing adds."""
    text = " ".join(letter.get("Subject").split())
    return re.sub(r"^(?:\[[^]]*(?:PATCH|SRU|RFC|RESEND|PULL)[^]]*\] *)+", "", text)


def plain(p: Provenance) -> Provenance:
    """The same as every dialect says it: the subject and the reasons on one line each.

    What is in no upstream tree was carried by nobody: a sign-off is one among its others.
    """
    adapted = tuple(Adapted(" ".join(a.why.split()), a.rule) for a in p.adapted)
    p = replace(p, subject=" ".join(p.subject.split()), adapted=adapted)
    return p if p.upstream else replace(signed(p), mainline="", adapted=())


def signed(p: Provenance) -> Provenance:
    """The same with the carrier's sign-off among the others."""
    lines = (*p.trailers, sign_off(p.carrier)) if p.carrier else p.trailers
    return replace(p, trailers=lines, carrier="")
