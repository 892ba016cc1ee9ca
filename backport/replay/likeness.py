"""How a text is like what a person committed, and where it is not, whether the code is."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from backport.gates.form import SUFFIXES
from backport.readers.identifiers import uncommented


class Match(StrEnum):
    """What a way to resolve gives, against what the human gave."""

    IDENTICAL = "identical"
    SPACE = "white space"
    DIFFERENT = "different"
    UNRESOLVED = "unresolved"


class Near(StrEnum):
    """What a different text of C has in common with the human's."""

    COMMENTS = "comments"  # the same code
    ORDER = "order"  # the same lines of code, some in another place
    NONE = ""


def compared(data: bytes | None, human: bytes | None) -> Match:
    """How a file is like the human's; None is a file that is not there."""
    if data == human:
        return Match.IDENTICAL
    if data is None or human is None or b"".join(data.split()) != b"".join(human.split()):
        return Match.DIFFERENT
    return Match.SPACE


def near(path: str, data: bytes | None, human: bytes | None) -> Near:
    """How near a text that is different comes; of what is no C nothing is said."""
    if data is None or human is None or not path.endswith(SUFFIXES):
        return Near.NONE
    mine, theirs = _code(data), _code(human)
    if "".join(mine) == "".join(theirs):
        return Near.COMMENTS
    return Near.ORDER if Counter(mine) == Counter(theirs) else Near.NONE


def _code(data: bytes) -> list[str]:
    """The lines that hold code, without blanks."""
    plain = uncommented(data.decode("utf-8", "replace"))
    return [key for line in plain.split("\n") if (key := "".join(line.split()))]
