"""SUSE kernel-source: Git-commit, Patch-mainline and References among a patch's mail fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backport.values.dialects.base import (
    Dialect,
    Holds,
    Medium,
    check_shas,
    check_subject,
)
from backport.values.provenance import (
    SHORT_SHA,
    Field,
    Finding,
    Letter,
    Provenance,
    author_of,
    cut_note,
    cves_in,
    join,
    mail_fields,
    note,
    plain,
    signed,
    split_message,
    subject_of,
    unique,
)

_MAINLINE = re.compile(r"v\d+\.\d+(?:\.\d+)*(?:-rc\d+)?$")
_STATES = ("queued", "submitted", "not yet", "never", "no")
_ANSWERS = r"^(?:Signed-off-by|Acked-by|Reviewed-by): .*@(?:[\w-]+\.)*suse\.(?:com|de|cz)>"
NO_RELEASE = "Queued in subsystem maintainer repository"


def _format(p: Provenance) -> Letter:
    p = signed(plain(p))
    where = p.mainline or (NO_RELEASE if p.upstream else "Not yet, no upstream commit is known")
    references = " ".join([*p.bugs, *p.cves])
    fields = [
        *mail_fields(p),
        *(Field("Git-commit", sha) for sha in p.upstream),
        Field("Patch-mainline", where),
        *([Field("References", references)] if references else []),
    ]
    return Letter(tuple(fields), join(p.body.strip("\n"), note(p.adapted), "\n".join(p.trailers)))


def _parse(letter: Letter) -> Provenance:
    text, adapted = cut_note(letter.text)
    body, trailers = split_message(text)
    references = " ".join(letter.all("References"))
    mainline = letter.get("Patch-mainline").split()
    return Provenance(
        subject_of(letter),
        body,
        trailers,
        author_of(letter),
        _shas(letter),
        mainline[0] if mainline and _MAINLINE.match(mainline[0]) else "",
        adapted,
        _bugs(references),
        cves_in(references),
    )


def _bugs(references: str) -> tuple[str, ...]:
    words = unique(re.split(r"[\s,]+", references))
    return tuple(word for word in words if word and not cves_in(word))


def _shas(letter: Letter) -> tuple[str, ...]:
    found = (re.match(SHORT_SHA, text) for text in letter.all("Git-commit"))
    return tuple(hit[0] for hit in found if hit)


def _recognise(letter: Letter) -> bool:
    return bool(letter.get("Patch-mainline") or letter.get("Git-commit"))


def _lint(letter: Letter) -> Iterator[Finding]:
    yield from check_subject(letter, subject_of(letter))
    yield from _lint_mainline(letter)
    if letter.get("Git-commit"):
        yield from check_shas(_shas(letter), letter.line_of("Git-commit"))
    if not letter.get("References"):
        fix = "add References: bsc#NUMBER, jsc#KEY-NUMBER or a CVE id"
        yield Finding(letter.line_of("Patch-mainline"), "has no References", fix)
    author = letter.get("From")
    if not re.search(_ANSWERS, letter.text, re.M) and not re.search(r"@suse\.(com|de|cz)", author):
        end = letter.line + letter.text.rstrip("\n").count("\n")
        fix = "add Acked-by or Signed-off-by with an address of suse.com, suse.de or suse.cz"
        yield Finding(end, "nobody at SUSE answers for it", fix)


def _lint_mainline(letter: Letter) -> Iterator[Finding]:
    where, line = letter.get("Patch-mainline"), letter.line_of("Patch-mainline")
    state = where.lower()
    if not where:
        fix = "add Patch-mainline: vX.Y, Queued, Submitted, Not yet or Never"
        yield Finding(line, "has no Patch-mainline", fix)
    elif not _MAINLINE.match(where.split()[0]) and not state.startswith(_STATES):
        fix = "write a release (v6.6, v6.7-rc1), Queued, Submitted, Not yet or Never"
        yield Finding(line, f"Patch-mainline: {where}: is none of its values", fix)
    elif state.startswith(("submitted", "not yet", "never", "no,")) and "," not in where:
        yield Finding(line, f"Patch-mainline: {where}: gives no reason", "add it behind a comma")
    if (state.startswith("queued") or _MAINLINE.match(where)) and not letter.get("Git-commit"):
        yield Finding(line, "has no Git-commit", "add Git-commit: with all 40 digits")
    if state.startswith("queued") and not letter.get("Git-repo"):
        fix = "add Git-repo: with the URL of the maintainer's repository"
        yield Finding(line, "is queued in a repository that it does not name", fix)


SUSE = Dialect(
    "suse",
    "SUSE kernel-source",
    Medium.MAIL,
    frozenset({
        Holds.DATE, Holds.ALL, Holds.MAINLINE, Holds.ADAPTED, Holds.BUGS, Holds.CVES
    }),
    _recognise,
    _format,
    _parse,
    _lint,
)  # fmt: skip
