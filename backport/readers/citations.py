"""What a commit message says about other commits: fixes, reverts, picks, mentions, its series.

Pure text, read pessimistically: prose that happens to begin a line with "commit 1234567 (...)" is a
mention, never the claim that the commit is a pick of that one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum


class Sort(IntEnum):
    """How a message names a commit; the numbers are kept in indexes on disk."""

    FIXES = 1
    REVERTS = 2
    STANDS_FOR = 3  # the commit is a pick of that one
    MENTIONS = 4


@dataclass(frozen=True)
class Citation:
    """A commit that a message names: by id (7 to 40 hex digits, '' if not), by subject, or both."""

    sort: Sort
    sha: str
    subject: str = ""


@dataclass(frozen=True)
class Message:
    """What a message says; `series` are keys that all mails of one patch series share."""

    citations: tuple[Citation, ...]
    series: tuple[str, ...]
    stable: bool  # it asks for stable trees


_HEX = "[0-9a-f]{7,40}"
_FIXES = re.compile(  # with the next line, which may have the rest of the subject
    r"^[ \t]*Fixes:[ \t]*(\S.*(?:\n(?![ \t]*[A-Z][\w-]*:)[ \t]*\S.*)?)", re.I | re.M
)
_NAMED = re.compile(rf"\W*(?:commit\s+)?({_HEX})\b[\s:,-]*(.*)", re.I | re.S)
_QUOTED = re.compile(r"[\s(\[]*[\"“'‘](.+?)[\"“”'’]\s*[)\].,;]*\s*$", re.S)

# A whole list may follow: "This reverts commits A, B and\nC."
_REVERTS = re.compile(
    rf"\b(?:this|which)\s+(?:\w+\s+)?reverts\s+(?:the\s+)?(?:following\s+)?(?:upstream\s+)?"
    rf"commits?:?\s+({_HEX}\b(?:[^0-9A-Za-z]{{1,4}}(?:and\s+)?{_HEX}\b)*)",
    re.I,
)
_REVERT_OF = re.compile(r'^(?:\S+: )*Revert:? ["“](.+)["”]$', re.I)

# How stable trees, distributions and `git cherry-pick -x` name what a commit is a pick of. The
# bare form needs the word or the end of the line behind it: prose begins lines with "commit", too.
_STANDS_FOR = re.compile(
    rf"^\s*(?:\[\s*)?(?:upst\w+\s+commit:?|git-commit:|upstream-commit:)\s*({_HEX})\b(?!\s*\(\")"
    rf"|^\s*[\[(]\s*(?:cherry[- ]picked|back-?ported)\s+from\s+(?:\w+\s+)?commit:?\s+({_HEX})\b"
    rf"|^\s*commit\s+({_HEX})(?:\s+upstream\b|\s*$)",
    re.I | re.M,
)
_STANDS_FOR_MANY = re.compile(rf"^\[ Upstream commits\n((?:\s+{_HEX}\n)+)\]", re.M)
_MENTIONS = re.compile(rf"\bcommits?\s+({_HEX})\s+\(\s*[\"“](.{{1,200}}?)[\"”]\s*\)", re.I | re.S)

_LINK = re.compile(
    r"^(?:Link|Message-I[dD]):\s*<?(?:https?://\S*?/(?:r/|[\w.-]+/)?)?([^\s/<>]+@[^\s/<>]+)", re.M
)
# The number of a patch within its series, as git send-email, b4 and quilt write it into the id.
_NUMBERED = (
    re.compile(r"^(\d{14}\.\d+)-\d+(-.+)$"),
    re.compile(r"^(.+-v\d+)-\d+(-[0-9a-f]+@.+)$"),
    re.compile(r"^[0-9a-f]+(\.\d+\.git\..+)$"),
)
_STABLE = re.compile(r"^\s*Cc:.*\bstable@", re.I | re.M)


def read_message(text: str) -> Message:
    """Everything that the message of one commit says about others."""
    low = text.casefold()
    found: list[Citation] = []
    if "fixes:" in low:
        found += _fixes(text)
    if "revert" in low:
        found += _reverts(text)
    if "commit" in low:
        found += stands_for(text)
        found += _mentions(text, {c.sha for c in found})
    series = tuple(dict.fromkeys(_series(text))) if "@" in text else ()
    return Message(tuple(found), series, "stable@" in low and bool(_STABLE.search(text)))


def _fixes(text: str) -> Iterator[Citation]:
    for match in _FIXES.finditer(text):
        line, _, more = match[1].partition("\n")
        named = _NAMED.match(line)
        rest = named[2] if named else line
        if more and re.search(r"[\"“]", rest) and not _QUOTED.match(rest):
            rest = f"{rest} {more.strip()}"  # a subject that was wrapped
        subject = _subject(rest)
        if named or _QUOTED.match(rest):
            yield Citation(Sort.FIXES, named[1].lower() if named else "", subject)


def _subject(text: str) -> str:
    quoted = _QUOTED.match(text)
    bare = quoted[1] if quoted else text.strip().strip("()")
    return " ".join(bare.split())


def _reverts(text: str) -> Iterator[Citation]:
    subject = text.lstrip("\n").split("\n\n", 1)[0].replace("\n", " ").strip()
    title = _REVERT_OF.match(subject)
    shas = [sha for m in _REVERTS.finditer(text) for sha in re.findall(rf"\b{_HEX}\b", m[1], re.I)]
    for sha in shas:
        yield Citation(Sort.REVERTS, sha.lower(), title[1] if title and len(shas) == 1 else "")
    if title and not shas:
        yield Citation(Sort.REVERTS, "", title[1])


def stands_for(text: str) -> list[Citation]:
    """The commits that a message says it is a pick of, in any of the usual dialects."""
    shas = ["".join(filter(None, found)).lower() for found in _STANDS_FOR.findall(text)]
    for found in _STANDS_FOR_MANY.findall(text):
        shas += found.split()
    return [Citation(Sort.STANDS_FOR, sha) for sha in dict.fromkeys(shas)]


def _mentions(text: str, named: set[str]) -> Iterator[Citation]:
    for sha, subject in _MENTIONS.findall(text):
        if sha.lower() not in named:
            yield Citation(Sort.MENTIONS, sha.lower(), " ".join(subject.split()))


def _series(text: str) -> Iterator[str]:
    for found in _LINK.findall(text):
        for form in _NUMBERED:
            if match := form.match(found):
                yield f"{match[1]}-*{match[2]}" if len(match.groups()) > 1 else f"*{match[1]}"
                break


def subject_key(text: str) -> int:
    """A number that equal subjects share, however they were quoted, spaced or capitalised."""
    words = "".join(re.findall(r"\w+", text.casefold()))
    return key_of(words) if words else 0


def key_of(text: str) -> int:
    """A 63-bit number for a text; small enough for an index, wide enough not to collide."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
