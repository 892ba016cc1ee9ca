"""Linux stable: `[ Upstream commit <sha> ]` or `commit <sha> upstream.` below the subject."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
    Finding,
    Letter,
    Provenance,
    author_of,
    cut,
    cut_note,
    join,
    mail_fields,
    note,
    plain,
    sign_off,
    split_message,
    subject_of,
    unique,
)

MARKER = re.compile(
    rf"^(?:commit ({SHORT_SHA}) upstream\.?|\[ ?upstream commit ({SHORT_SHA}) ?\]"
    rf"|upstream commit ({SHORT_SHA})\.?)$\n?",
    re.M | re.I,
)
MARKERS = re.compile(rf"^\[ upstream commits\n((?:  {SHORT_SHA}\n)+)\]$\n?", re.M | re.I)
_RULE_LINE = "Backport-rule: "


def marked(upstream: tuple[str, ...]) -> str:
    """The paragraph that names the upstream commits."""
    if len(upstream) <= 1:
        return "".join(f"[ Upstream commit {sha} ]" for sha in upstream)
    return "\n".join(["[ Upstream commits", *(f"  {sha}" for sha in upstream), "]"])


def message(p: Provenance) -> str:
    """The whole commit message; the subject stays as it is, even of several lines."""
    return join(p.subject.strip("\n"), _text(p).rstrip("\n"))


def _text(p: Provenance) -> str:
    rules = unique(a.rule for a in p.adapted if a.rule)
    lines = [*p.trailers, *(f"{_RULE_LINE}{rule}" for rule in rules)]
    lines += [sign_off(p.carrier)] if p.carrier else []
    return join(marked(p.upstream), p.body.strip("\n"), note(p.adapted), "\n".join(lines))


def _format(p: Provenance) -> Letter:
    p = plain(p)
    return Letter(mail_fields(p), _text(p))


def cut_markers(text: str) -> tuple[str, tuple[str, ...]]:
    """A text without the lines that name upstream commits, and the SHAs."""
    text, lists = cut(MARKERS, text)
    singles = [next(filter(None, hit.groups())) for hit in MARKER.finditer(text)]
    if singles:
        text = re.sub(r"\n{3,}", "\n\n", MARKER.sub("", text)).strip("\n")
    return text, tuple(sha.lower() for sha in (" ".join([*lists, *singles])).split())


def _parse(letter: Letter) -> Provenance:
    text, upstream = cut_markers(letter.text)
    text, adapted = cut_note(text)
    body, trailers = split_message(text)
    return Provenance(
        subject_of(letter),
        body,
        tuple(line for line in trailers if not line.startswith(_RULE_LINE)),
        author_of(letter),
        unique(upstream),
        adapted=adapted,
    )


def _recognise(letter: Letter) -> bool:
    return bool(MARKER.search(letter.text) or MARKERS.search(letter.text))


def _lint(letter: Letter) -> Iterator[Finding]:
    yield from check_subject(letter, subject_of(letter))
    line = letter.find(r"^(?:\[ ?)?(?:upstream )?commits? ?")
    yield from check_shas(cut_markers(letter.text)[1], line)
    first = letter.text.lstrip("\n").split("\n\n")[0] + "\n"
    if _recognise(letter) and not (MARKER.match(first) or MARKERS.match(first)):
        fix = "move it to a paragraph of its own below the subject"
        yield Finding(line, "the upstream commit is not named first", fix)
    yield from check_signed(letter)


STABLE = Dialect(
    "stable",
    "Linux stable",
    Medium.MESSAGE,
    frozenset({Holds.DATE, Holds.ALL, Holds.ADAPTED}),
    _recognise,
    _format,
    _parse,
    _lint,
)
