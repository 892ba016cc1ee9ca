"""RHEL and CentOS Stream: tags, `Conflicts:`, then upstream's commit as `git log` shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from backport.values.commit import Person
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
    Adapted,
    Finding,
    Letter,
    Provenance,
    author_of,
    carrier_of,
    cves_in,
    join,
    mail_fields,
    person_of,
    person_text,
    plain,
    raw_date,
    read_entries,
    sign_off,
    split_message,
    subject_of,
    unique,
    wrap,
)

MAINLINE = "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git"
_COMMIT = re.compile(rf"^commit[ \t]+({SHORT_SHA})\b.*$", re.M)
_TAG = re.compile(
    r"^(?P<key>JIRA|Bugzilla|BZ|CVE|Upstream[ -]Status|Tested|MR|Depends|Omitted-Fix|Y-Commit|"
    r"Build[ -]Info|Conflicts): ?(?P<value>.*)$",
    re.I,
)


# -- writing


def _format(p: Provenance) -> Letter:
    """The mail's author is who carries the patch; upstream's is in the commit that it quotes."""
    p = plain(p)
    who = person_of(p.carrier, p.author.date) if p.carrier else p.author
    text = join(_tags(p), *_block(p), sign_off(p.carrier))
    return Letter(mail_fields(replace(p, author=who)), text)


def _tags(p: Provenance) -> str:
    lines = [_bug(bug) for bug in p.bugs if "://" in bug]
    lines += [f"CVE: {cve}" for cve in p.cves]
    lines += [f"Upstream Status: {MAINLINE if p.upstream else 'RHEL-only'}"]
    if p.adapted:
        lines += ["Conflicts:", *(wrap(str(item), "  ", "    ") for item in p.adapted)]
    return "\n".join(lines)


def _bug(url: str) -> str:
    return f"{'JIRA' if '/browse/' in url else 'Bugzilla'}: {url}"


def _block(p: Provenance) -> tuple[str, ...]:
    """Upstream's commit; what is in no upstream tree is told without one."""
    words = join(p.body.strip("\n"), "\n".join(p.trailers))
    if not p.upstream:
        return (words.rstrip("\n"),)
    head = [f"commit {sha}" for sha in p.upstream]
    head += [f"Author: {person_text(p.author)}"]
    head += [f"Date:   {log_date(p.author.date)}"] if p.author.date else []
    lines = join(p.subject, words.rstrip("\n")).rstrip("\n").split("\n")
    return "\n".join(head), "\n".join(f"    {line}" if line else "" for line in lines)


def log_date(date: str) -> str:
    """A moment as `git log` prints it, from git's raw form."""
    seconds, _, zone = date.partition(" ")
    sign = -1 if zone.startswith("-") else 1
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5])) * sign
    when = datetime.fromtimestamp(int(seconds), UTC) + offset
    return f"{when:%a %b} {when.day} {when:%H:%M:%S %Y} {zone}"


# -- reading


def _parse(letter: Letter) -> Provenance:
    above, log, below = _split(letter.text)
    tags = _read_tags(above)
    author, subject, words = _read_log(log) if log else (author_of(letter), "", above_words(above))
    body, trailers = split_message(words)
    urls = [*tags.get("jira", []), *tags.get("bugzilla", []), *tags.get("bz", [])]
    return Provenance(
        subject or subject_of(letter),
        body,
        trailers,
        author,
        unique(sha for sha in _COMMIT.findall(log)),
        adapted=_conflicts(above) if log else (),
        bugs=unique(urls),
        cves=cves_in(" ".join(tags.get("cve", []))),
        carrier=carrier_of(below),
    )


def _split(text: str) -> tuple[str, str, str]:
    """What is above upstream's commit, the commit, and what is below; without one all is above."""
    lines = text.split("\n")
    starts = [n for n, line in enumerate(lines) if _COMMIT.match(line)]
    if not starts:
        return text, "", ""
    end = starts[0]
    while end < len(lines) and (not lines[end] or _is_log(lines[end])):
        end += 1
    return "\n".join(lines[: starts[0]]), "\n".join(lines[starts[0] : end]), "\n".join(lines[end:])


def _is_log(line: str) -> bool:
    return line.startswith(("    ", "\t", "Author:", "Date:", "Merge:")) or bool(
        _COMMIT.match(line)
    )


def _read_log(log: str) -> tuple[Person, str, str]:
    """Author, subject and text of a commit as `git log` shows it."""
    head, _, rest = log.partition("\n\n")
    author = re.search(r"^Author: *(.*)$", head, re.M)
    date = re.search(r"^Date: *(.*)$", head, re.M)
    lines = [line.removeprefix("    ").rstrip() for line in rest.strip("\n").split("\n")]
    subject, _, words = "\n".join(lines).partition("\n\n")
    who = person_of(author[1] if author else "", raw_date(date[1]) if date else "")
    return who, " ".join(subject.split()), words


def _read_tags(above: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in above.split("\n"):
        hit = _TAG.match(line)
        if hit and hit["value"]:
            found.setdefault(hit["key"].lower().replace("-", " "), []).append(hit["value"].strip())
    return found


def _conflicts(above: str) -> tuple[Adapted, ...]:
    """The entries below `Conflicts:`, up to a blank line or the next tag."""
    entries: list[str] = []
    inside = False
    for line in above.split("\n"):
        hit = _TAG.match(line)
        if hit or not line.strip():
            inside = bool(hit and hit["key"].lower() == "conflicts")
            entries += [f"  {hit['value']}"] if inside and hit and hit["value"] else []
        elif inside:
            entries.append(line)
    return read_entries(entries)


def above_words(above: str) -> str:
    """The text of a patch without an upstream commit: what follows its tags."""
    lines = above.lstrip("\n").split("\n")
    while lines and (not lines[0] or _TAG.match(lines[0])):
        lines.pop(0)
    return "\n".join(lines)


def _recognise(letter: Letter) -> bool:
    first = letter.text.lstrip("\n").split("\n")[0]
    hit = _TAG.match(first)
    return bool(hit and hit["key"].lower() != "cve") or bool(
        re.search(rf"^commit {SHORT_SHA}\nAuthor: ", letter.text, re.M)
    )


# -- checking


def _lint(letter: Letter) -> Iterator[Finding]:
    above, log, below = _split(letter.text)
    tags = _read_tags(above)
    subject = subject_of(letter)
    yield from check_subject(letter, subject)
    if not tags.keys() & {"jira", "bugzilla", "bz"}:
        fix = "begin the text with JIRA: https://issues.redhat.com/browse/RHEL-NUMBER"
        yield Finding(letter.line, "names no ticket", fix)
    status = " ".join(tags.get("upstream status", []))
    if not log and not status:
        fix = "quote upstream's commit, or say Upstream Status: RHEL-only, or where it was posted"
        yield Finding(letter.line, "names no upstream commit", fix)
    if log:
        yield from check_shas(_COMMIT.findall(log), letter.find(_COMMIT.pattern))
        original = _read_log(log)[1]
        if original and original not in subject:
            text = f'its subject is not upstream\'s, "{original}"'
            yield Finding(letter.line_of("Subject"), text, "keep upstream's subject")
    yield from check_signed(letter if not log else Letter(text=below, line=letter.line))


RHEL = Dialect(
    "rhel",
    "RHEL and CentOS Stream",
    Medium.MESSAGE,
    frozenset({
        Holds.DATE, Holds.ALL, Holds.ADAPTED, Holds.URLS, Holds.CVES, Holds.CARRIER
    }),
    _recognise,
    _format,
    _parse,
    _lint,
)  # fmt: skip
