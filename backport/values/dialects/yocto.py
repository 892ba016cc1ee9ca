"""Yocto and OpenEmbedded: `Upstream-Status: Backport [URL]` and `CVE:` below the message."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backport.values.dialects.base import (
    LINUS,
    Dialect,
    Holds,
    Medium,
    check_shas,
    check_signed,
    check_subject,
    commit_urls,
)
from backport.values.provenance import (
    SHORT_SHA,
    Finding,
    Letter,
    Provenance,
    author_of,
    carrier_of,
    cut_note,
    cves_in,
    join,
    mail_fields,
    note,
    plain,
    sign_off,
    split_message,
    subject_of,
    unique,
)

STATES = ("Backport", "Pending", "Submitted", "Denied", "Inactive-Upstream", "Inappropriate")
_STATUS = re.compile(r"^Upstream-Status: *(.*)$", re.M)
_CVE = re.compile(r"^CVE: *(.*)$", re.M)


def _format(p: Provenance) -> Letter:
    p = plain(p)
    status = " ".join(LINUS + sha for sha in p.upstream)
    tags = [f"CVE: {' '.join(p.cves)}"] if p.cves else []
    tags += [f"Upstream-Status: Backport [{status}]" if status else "Upstream-Status: Pending"]
    tags += [sign_off(p.carrier)] if p.carrier else []
    text = join(p.body.strip("\n"), note(p.adapted), "\n".join(p.trailers), "\n".join(tags))
    return Letter(mail_fields(p), text)


def _split(text: str) -> tuple[str, str]:
    """What is above the first tag of ours, and from there on."""
    starts = [hit.start() for pattern in (_STATUS, _CVE) for hit in pattern.finditer(text)]
    at = min(starts, default=len(text))
    return text[:at], text[at:]


def _parse(letter: Letter) -> Provenance:
    above, below = _split(letter.text)
    above, adapted = cut_note(above)
    body, trailers = split_message(above)
    return Provenance(
        subject_of(letter),
        body,
        trailers,
        author_of(letter),
        _shas(letter, _status(below)),
        adapted=adapted,
        cves=cves_in(" ".join(_CVE.findall(below))),
        carrier=carrier_of(below),
    )


def _status(text: str) -> str:
    found = _STATUS.search(text)
    return found[1] if found else ""


def _shas(letter: Letter, status: str) -> tuple[str, ...]:
    """The commits that the brackets name; else the one that `git format-patch` wrote."""
    if not status.lower().startswith("backport"):
        return ()
    found = [*commit_urls(status), *re.findall(rf"(?<![/=\w]){SHORT_SHA}\b", status)]
    return unique(found) or ((letter.commit,) if letter.commit else ())


def _recognise(letter: Letter) -> bool:
    return bool(_STATUS.search(letter.text))


def _lint(letter: Letter) -> Iterator[Finding]:
    yield from check_subject(letter, subject_of(letter))
    status, line = _status(letter.text), letter.find(_STATUS.pattern)
    word = re.split(r"[ \[(,]", status)[0]
    if word not in STATES:
        text = (
            f"Upstream-Status: {status}: is none of its values" if status else "no Upstream-Status"
        )
        yield Finding(line, text, f"write Upstream-Status: and one of {', '.join(STATES)}")
    elif word == "Backport" and "[" not in status:
        fix = "add the commit's URL in brackets: Backport [https://git.kernel.org/linus/SHA]"
        yield Finding(line, "does not say which commit it is a backport of", fix)
    elif word == "Backport":
        yield from check_shas(_shas(letter, status), line)
    elif word in {"Submitted", "Denied", "Inappropriate"} and "[" not in status:
        yield Finding(line, f"Upstream-Status: {word}: gives no reason", "add it in brackets")
    for text in _CVE.findall(letter.text):
        if not re.fullmatch(r"CVE-\d{4}-\d{4,}(?: +CVE-\d{4}-\d{4,})*", text.strip()):
            fix = "write CVE: CVE-YEAR-NUMBER, several with spaces between them"
            yield Finding(letter.find(_CVE.pattern), f"CVE: {text}: is no list of CVE ids", fix)
    yield from check_signed(letter)


YOCTO = Dialect(
    "yocto",
    "Yocto and OpenEmbedded",
    Medium.MESSAGE,
    frozenset({Holds.DATE, Holds.ALL, Holds.ADAPTED, Holds.CVES, Holds.CARRIER}),
    _recognise,
    _format,
    _parse,
    _lint,
)
