"""Commits as values: what upstream offers, and what a pick of it became."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """A name, an address and a moment (`date` is git's raw form, `<seconds> <zone>`)."""

    name: str
    email: str
    date: str


@dataclass(frozen=True)
class Incoming:
    """One upstream commit in the store, ready to be picked.

    `parent` is the tree-ish that the pick's merge uses as its base; `stands_for` are the full
    upstream SHAs that the commit carries (one for real history, several for a snapshot's cut).
    """

    commit: str
    parent: str
    subject: str
    message: str  # whole text, subject included
    author: Person
    committer: Person
    stands_for: tuple[str, ...]
    origin: str  # where it was read from, for a person
    whole: bool = True  # its files are upstream's; else they were put together from a patch's hunks
