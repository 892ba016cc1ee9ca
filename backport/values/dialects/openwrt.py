"""OpenWrt: the release is in the file's name, upstream's SHA in the line that mails begin with.

`600-01-v6.6-bpf-add-something.patch` is the first of a set in the class of generic network code;
the classes are those of target/linux/generic/PATCHES.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from backport.values.dialects.base import (
    Dialect,
    Holds,
    Medium,
    Spot,
    check_shas,
    check_signed,
    check_subject,
    slug,
)
from backport.values.provenance import (
    Finding,
    Letter,
    Provenance,
    author_of,
    cut_note,
    join,
    mail_fields,
    note,
    plain,
    signed,
    split_message,
    subject_of,
)

_VERSION = r"v\d+\.\d+(?:\.\d+)?(?:-rc\d+)?"
# The documented form has the subset before the release; much of the tree has it after.
NAME = re.compile(rf"(\d{{3,4}})-(?:(\d+)-)?({_VERSION})-(?:(\d+)-)?[\w.+-]+\.patch")
UNCATEGORIZED = 900
# What a path begins with, and the class of such patches; the first that fits counts.
CLASSES = (
    (("Kconfig", "Makefile", "scripts/", "include/"), 200),
    (("arch/",), 300),
    (("drivers/mtd/",), 400),
    (("fs/",), 500),
    (("net/",), 600),
    (("drivers/net/",), 700),
    (("drivers/", "sound/"), 800),
)


def class_of(paths: tuple[str, ...]) -> int:
    """The number that the patches of a series begin with: the class of most of its files.

    A header goes with what it is of: it counts only where there is nothing else.
    """
    found = Counter(_class_of(path) for path in paths)
    if set(found) - {200, UNCATEGORIZED}:
        found = Counter({k: n for k, n in found.items() if k not in {200, UNCATEGORIZED}})
    return min(found, key=lambda number: (-found[number], number)) if found else UNCATEGORIZED


def _class_of(path: str) -> int:
    return next((number for starts, number in CLASSES if path.startswith(starts)), UNCATEGORIZED)


def _file_name(p: Provenance, spot: Spot) -> str:
    subset = f"{spot.number:02}-" if spot.total > 1 else ""
    release = f"{p.mainline}-" if p.mainline else ""
    return f"{class_of(spot.paths)}-{subset}{release}{slug(p.subject, 60).lower()}.patch"


def _format(p: Provenance) -> Letter:
    p = signed(plain(p))
    text = join(p.body.strip("\n"), note(p.adapted), "\n".join(p.trailers))
    commit = p.upstream[0] if p.upstream else ""
    return Letter(mail_fields(p), text, commit, _file_name(p, Spot(1, 1)))


def _parse(letter: Letter) -> Provenance:
    text, adapted = cut_note(letter.text)
    body, trailers = split_message(text)
    named = NAME.fullmatch(letter.name)
    return Provenance(
        subject_of(letter),
        body,
        trailers,
        author_of(letter),
        (letter.commit,) if letter.commit else (),
        named[3] if named and letter.commit else "",
        adapted,
    )


def _recognise(letter: Letter) -> bool:
    of_format_patch = re.match(r"\d{3}-", letter.name) and letter.commit
    return bool(NAME.fullmatch(letter.name) or of_format_patch)


def _lint(letter: Letter) -> Iterator[Finding]:
    yield from check_subject(letter, subject_of(letter))
    yield from check_shas((letter.commit,) if letter.commit else (), 1)
    if not NAME.fullmatch(letter.name):
        fix = "name it NNN-SS-vX.Y-name.patch, or NNN-vX.Y-name.patch if it stands alone"
        yield Finding(1, f"{letter.name}: the name is not one of a backport", fix)
    elif letter.name != letter.name.lower():
        yield Finding(1, f"{letter.name}: the name has capitals", "write it in lower case")
    yield from check_signed(letter)


OPENWRT = Dialect(
    "openwrt",
    "OpenWrt",
    Medium.FILE,
    frozenset({Holds.DATE, Holds.MAINLINE, Holds.ADAPTED}),
    _recognise,
    _format,
    _parse,
    _lint,
    _file_name,
)
