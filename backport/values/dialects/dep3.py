"""Debian's DEP-3: fields above the diff of a file of debian/patches.

A field's further lines begin with a space, and a dot stands for a blank one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from backport.values.dialects.base import (
    LINUS,
    Dialect,
    Holds,
    Medium,
    check_shas,
    check_subject,
    commit_urls,
)
from backport.values.provenance import (
    SHORT_SHA,
    Field,
    Finding,
    Letter,
    Provenance,
    cut_note,
    cves_in,
    join,
    note,
    person_of,
    person_text,
    plain,
    signed,
    split_message,
    subject_of,
    unique,
)

TRACKER = "https://security-tracker.debian.org/tracker/"  # as Debian's own kernel names CVE ids
_SECURITY = "Bug-Debian-Security"
_ORIGINS = ("upstream", "backport", "vendor", "other")
_COMMIT = re.compile(rf"commit:\s*({SHORT_SHA})\b")
_RELEASE = re.compile(r"v?(\d+\.\d+\S*?)(?:,|$)")


def _format(p: Provenance) -> Letter:
    p = signed(plain(p))
    words = join(p.body.strip("\n"), note(p.adapted), "\n".join(p.trailers)).rstrip("\n")
    fields = [Field("Description", _folded(p.subject, words))]
    fields += [Field("Author", person_text(p.author))] if person_text(p.author) else []
    fields += [Field("Origin", _origin(p))]
    fields += [Field(_bug_field(bug), bug) for bug in p.bugs if "://" in bug]
    fields += [Field(_SECURITY, TRACKER + cve) for cve in p.cves]
    fields += [Field("Forwarded", "not-needed" if p.upstream else "no")]
    if p.upstream:
        version = f"{p.mainline.removeprefix('v')}, " if p.mainline else ""
        fields += [Field("Applied-Upstream", f"{version}{LINUS}{p.upstream[0]}")]
    fields += [Field("Last-Update", p.updated)] if p.updated else []
    return Letter(tuple(fields))


def _origin(p: Provenance) -> str:
    if not p.upstream:
        return "other"
    word = "backport" if p.adapted else "upstream"
    return ", ".join([word, *(LINUS + sha for sha in p.upstream)])


def _bug_field(url: str) -> str:
    return "Bug-Debian" if "bugs.debian.org" in url else "Bug"


def _folded(first: str, more: str) -> str:
    lines = more.split("\n") if more else []
    return "\n".join([first, *(f" {line}" if line else " ." for line in lines)])


def _unfolded(value: str) -> tuple[str, str]:
    """A field's first line, and the others without their indent."""
    first, _, rest = value.partition("\n")
    lines = [line[1:] if line[:1] in {" ", "\t"} else line for line in rest.split("\n")]
    return first.strip(), "\n".join("" if line.strip() == "." else line for line in lines)


def _parse(letter: Letter) -> Provenance:
    subject, words = _described(letter)
    words, adapted = cut_note(words + "\n")
    body, trailers = split_message(words)
    urls = [f.value for f in letter.fields if _is_bug(f.name)]
    security = " ".join(letter.all(_SECURITY))
    release = _RELEASE.match(letter.get("Applied-Upstream"))
    return Provenance(
        subject,
        body,
        trailers,
        person_of(letter.get("Author") or letter.get("From")),
        _shas(letter),
        f"v{release[1]}" if release else "",
        adapted,
        unique(urls),
        cves_in(security),
        updated=letter.get("Last-Update"),
    )


def _described(letter: Letter) -> tuple[str, str]:
    """Short and long description: of one field, or of a subject and the text below the fields."""
    if value := letter.get("Description"):
        first, rest = _unfolded(value)
        return first, join(rest, letter.text.strip("\n"))
    return subject_of(letter), letter.text


def _is_bug(name: str) -> bool:
    return name.lower().startswith("bug") and name.lower() != _SECURITY.lower()


def _shas(letter: Letter) -> tuple[str, ...]:
    """What Origin names, else what Applied-Upstream does."""
    for name in ("Origin", "Applied-Upstream"):
        text = " ".join(letter.all(name))
        if found := [*_COMMIT.findall(text), *commit_urls(text)]:
            return unique(found)
    return ()


def _recognise(letter: Letter) -> bool:
    names = {f.name.lower() for f in letter.fields}
    return "description" in names or bool(
        names & {"origin", "applied-upstream", "forwarded", "last-update"}
    )


def _lint(letter: Letter) -> Iterator[Finding]:
    yield from check_subject(letter, _described(letter)[0])
    origin, line = letter.get("Origin"), letter.line_of("Origin")
    word = origin.partition(",")[0].strip().lower()
    if not origin and not (letter.get("Author") or letter.get("From")):
        yield Finding(line, "has neither Origin nor Author", "add Origin: backport, URL")
    if word in {"upstream", "backport"}:
        yield from check_shas(_shas(letter), line)
    elif origin and word not in _ORIGINS and "://" not in origin and not _COMMIT.search(origin):
        fix = f"begin it with {', '.join(_ORIGINS)} and a comma, or give a URL"
        yield Finding(line, f"Origin: {origin}: is none of its values", fix)
    if not letter.get("Forwarded") and not letter.get("Applied-Upstream") and word != "upstream":
        yield Finding(
            line, "does not say whether it was forwarded", "add Forwarded: or Applied-Upstream:"
        )
    updated = letter.get("Last-Update")
    if updated and not re.fullmatch(r"\d{4}-\d\d-\d\d", updated):
        at = letter.line_of("Last-Update")
        yield Finding(at, f"Last-Update: {updated}: is no date", "write YYYY-MM-DD")


DEP3 = Dialect(
    "dep3",
    "Debian DEP-3",
    Medium.HEADER,
    frozenset({
        Holds.ALL, Holds.MAINLINE, Holds.ADAPTED, Holds.URLS, Holds.CVES,
        Holds.UPDATED,
    }),
    _recognise,
    _format,
    _parse,
    _lint,
)  # fmt: skip
