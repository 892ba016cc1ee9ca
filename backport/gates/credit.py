"""Credit: which commit, shim or rule brings a name that incoming code uses and the target lacks.

A rule brings a name by defining it in its lines, or by taking the lines out that use it: both are
read from how its lines differ from upstream's, never from what its pattern might match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from backport.readers.identifiers import Kind, blanked, defined_in, included_in
from backport.values.rule import Adaptation, Shim

_NAME = re.compile(r"[A-Za-z_]\w*")


class By(StrEnum):
    """What brings a name."""

    COMMIT = "commit"  # of the series
    SHIM = "shim"
    RULE = "rule"  # defines it otherwise, or leaves no line that uses it


@dataclass(frozen=True)
class Credit:
    """What one rule did to names in one path: those it defines, and those it takes out."""

    rule: str
    path: str
    shim: bool
    defines: tuple[str, ...]
    drops: tuple[str, ...]


@dataclass(frozen=True)
class Brought:
    """A name that the target lacks, where upstream's code uses it first, and what brings it.

    `source` is the subject of a commit or the id of a rule. `number` is the line in upstream's
    file, in the result's where a rule wrote it.
    """

    name: str
    kind: Kind
    path: str
    number: int
    subject: str  # of the commit that uses it
    by: By
    source: str
    upstream: str = ""  # where upstream defines it (`path:line`), '' not looked up

    def __str__(self) -> str:
        return f"{self.path}:{self.number}: {self.kind} {self.name}: {self.by} {self.source}"


def credits_of(fired: Iterable[Adaptation]) -> tuple[Credit, ...]:
    """What the rules of one pick did to names; a rule that did nothing to any has no credit."""
    found = (_credit(item) for item in fired)
    return tuple(credit for credit in found if credit.defines or credit.drops)


def _credit(item: Adaptation) -> Credit:
    came = [line for line, n in item.delta.items() if n > 0]
    went = [line for line, n in item.delta.items() if n < 0]
    defines = _defined(came) - _defined(went)
    drops = _words(went) - _words(came)
    shim = isinstance(item.rule.action, Shim)
    return Credit(item.rule.id, item.path, shim, tuple(sorted(defines)), tuple(sorted(drops)))


def _defined(lines: Iterable[str]) -> set[str]:
    plain = [blanked(line) for line in lines]
    return {n for line in plain for n in defined_in(line, set(_NAME.findall(line)), private=True)}


def _words(lines: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for line in lines:
        header = included_in(line)
        found |= {header} if header else set(_NAME.findall(blanked(line)))
    return found


def credited(
    name: str, path: str, credits: Sequence[Credit], home: Mapping[str, str]
) -> tuple[By, str] | None:
    """What brings a name that code of `path` uses; None if nothing is known to.

    `credits` are those up to the commit that uses it, the newest last; `home` has the subjects of
    the commits that define names.
    """
    for credit in credits:
        if name in credit.defines:
            return (By.SHIM if credit.shim else By.RULE), credit.rule
    if name in home:
        return By.COMMIT, home[name]
    for credit in reversed(credits):
        if name in credit.drops and credit.path == path:
            return By.RULE, credit.rule
    return None
