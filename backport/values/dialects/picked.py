"""`git cherry-pick -x`, and Ubuntu's form of it: provenance stands below the trailers.

Ubuntu tells a clean pick, `(cherry picked from commit <sha>)`, from one that was changed,
`(backported from commit <sha>)` with the changes in brackets below, and has bugs and CVE ids below
the subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from backport.values.dialects.base import (
    Dialect,
    Holds,
    Medium,
    check_shas,
    check_signed,
    check_subject,
)
from backport.values.provenance import (
    SHORT_SHA,
    TOOL,
    Adapted,
    Finding,
    Letter,
    Provenance,
    adapted_of,
    author_of,
    carrier_of,
    cves_in,
    join,
    mail_fields,
    plain,
    sign_off,
    split_message,
    subject_of,
    unique,
    wrap,
)

_LINE = re.compile(
    rf"^\((cherry[- ]picked|backported) from commit ({SHORT_SHA})\b[^)\n]*\)?$", re.M | re.I
)
_BRACKETS = re.compile(r"^\[ ?[\w.@+-]+ ?:((?:[^][]|\[[^][]*\])*)\]$", re.M)
_BUG = re.compile(r"^BugLink: *(\S+)$")
_CVE_LINE = re.compile(r"^(?:CVE: )?CVE-\d{4}-\d{4,}(?:[ ,]+CVE-\d{4}-\d{4,})*$")


def _text(p: Provenance, above: str, adapted: Sequence[Adapted], word: str) -> str:
    lines = [f"({word} from commit {sha})" for sha in p.upstream]
    lines += [wrap(f"[{TOOL}: {item}]", "", " ") for item in adapted]
    lines += [sign_off(p.carrier)] if p.carrier else []
    return join(above, p.body.strip("\n"), "\n".join([*p.trailers, *lines]))


def _split(letter: Letter) -> tuple[str, str, tuple[str, ...]]:
    """The text above the first line of ours, what is below it, and the SHAs."""
    hits = list(_LINE.finditer(letter.text))
    shas = tuple(hit[2].lower() for hit in hits)
    if not hits:
        return letter.text, "", ()
    return letter.text[: hits[0].start()], letter.text[hits[0].start() :], shas


# -- git cherry-pick -x


def _format_pick(p: Provenance) -> Letter:
    p = plain(p)
    return Letter(mail_fields(p), _text(p, "", (), "cherry picked"))


def _parse_pick(letter: Letter) -> Provenance:
    above, below, shas = _split(letter)
    body, trailers = split_message(above)
    return Provenance(
        subject_of(letter),
        body,
        trailers,
        author_of(letter),
        unique(shas),
        carrier=carrier_of(below),
    )


def _recognise_pick(letter: Letter) -> bool:
    return bool(_LINE.search(letter.text))


def _lint_pick(letter: Letter) -> Iterator[Finding]:
    _above, _below, shas = _split(letter)
    yield from check_subject(letter, subject_of(letter))
    yield from check_shas(shas, letter.find(_LINE.pattern))


# -- Ubuntu


def _format_ubuntu(p: Provenance) -> Letter:
    p = plain(p)
    bugs = [f"BugLink: {bug}" for bug in p.bugs if "://" in bug]
    word = "backported" if p.adapted else "cherry picked"
    return Letter(mail_fields(p), _text(p, "\n".join([*bugs, *p.cves]), p.adapted, word))


def _references(text: str) -> tuple[str, list[str], list[str]]:
    """A text without the lines of bugs and CVE ids that it begins with, and these."""
    lines = text.lstrip("\n").split("\n")
    bugs: list[str] = []
    cves: list[str] = []
    while lines and (not lines[0] or _BUG.match(lines[0]) or _CVE_LINE.match(lines[0])):
        line = lines.pop(0)
        found = _BUG.match(line)
        bugs += [found[1]] if found else []
        cves += cves_in(line)
    return "\n".join(lines), bugs, cves


def _parse_ubuntu(letter: Letter) -> Provenance:
    above, below, shas = _split(letter)
    above, bugs, cves = _references(above)
    body, trailers = split_message(above)
    return Provenance(
        subject_of(letter),
        body,
        trailers,
        author_of(letter),
        unique(shas),
        adapted=tuple(adapted_of(text) for text in _BRACKETS.findall(below)),
        bugs=unique(bugs),
        cves=unique(cves),
        carrier=carrier_of(below),
    )


def _recognise_ubuntu(letter: Letter) -> bool:
    first = letter.text.lstrip("\n").split("\n")[0]
    backported = re.search(rf"^\(backported from commit {SHORT_SHA}", letter.text, re.M)
    return bool(backported or _BUG.match(first) or _CVE_LINE.match(first))


def _lint_ubuntu(letter: Letter) -> Iterator[Finding]:
    subject = subject_of(letter)
    above, below, shas = _split(letter)
    yield from check_subject(letter, subject)
    if not subject.startswith("UBUNTU:"):
        yield from check_shas(shas, letter.find(_LINE.pattern))
    _rest, bugs, cves = _references(above)
    if not bugs and not cves:
        fix = "begin the text with BugLink: https://bugs.launchpad.net/bugs/NUMBER, or a CVE id"
        yield Finding(letter.line, "names no bug", fix)
    if shas and not carrier_of(below):
        fix = "whoever carries the patch signs off below that line"
        yield Finding(letter.find(_LINE.pattern), "nobody signed off below its origin", fix)
    if re.search(r"^\(backported", below, re.M) and not _BRACKETS.search(below):
        fix = "say below that line, in brackets, what was changed: [name: reason]"
        yield Finding(letter.find(_LINE.pattern), "does not say what was backported", fix)
    if not shas:
        yield from check_signed(letter)


_COMMON = frozenset({Holds.DATE, Holds.ALL, Holds.CARRIER})

CHERRY_PICK = Dialect(
    "cherry-pick",
    "git cherry-pick -x",
    Medium.MESSAGE,
    _COMMON,
    _recognise_pick,
    _format_pick,
    _parse_pick,
    _lint_pick,
)

UBUNTU = Dialect(
    "ubuntu",
    "Ubuntu kernel team",
    Medium.MESSAGE,
    _COMMON | {Holds.ADAPTED, Holds.URLS, Holds.CVES},
    _recognise_ubuntu,
    _format_ubuntu,
    _parse_ubuntu,
    _lint_ubuntu,
)
