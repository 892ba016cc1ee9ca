"""Kernel versions and half-open ranges of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_FORM = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-rc(\d+))?(?:[-+~].*)?$")


@total_ordering
@dataclass(frozen=True)
class Version:
    """A kernel version; `rc` 0 is the release itself and sorts after its candidates."""

    major: int
    minor: int
    patch: int = 0
    rc: int = 0

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `6.1`, `v5.15.16`, `6.7-rc3` or a package version such as `6.1.192-2`.

        Raises ValueError on anything else.
        """
        found = _FORM.match(text.strip())
        if not found:
            raise ValueError(f"{text!r} is not a kernel version (want 6.1, 5.15.16 or 6.7-rc3)")
        return cls(*(int(g or 0) for g in found.groups()))

    @classmethod
    def of_tree(cls, text: str) -> Version:
        """What a tree's own Makefile says; vendors write anything behind the numbers."""
        numbers = re.match(r"\d+\.\d+(?:\.\d+)?(?:-rc\d+)?", text)
        return cls.parse(numbers[0] if numbers else text)

    def _key(self) -> tuple[int, int, int, int]:
        return self.major, self.minor, self.patch, self.rc or 1 << 30

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}"
        if self.patch:
            text += f".{self.patch}"
        return f"{text}-rc{self.rc}" if self.rc else text


@dataclass(frozen=True)
class Range:
    """`[since, until)`; a missing end is open."""

    since: Version | None = None
    until: Version | None = None

    def __contains__(self, version: Version) -> bool:
        return (self.since is None or self.since <= version) and (
            self.until is None or version < self.until
        )

    def __str__(self) -> str:
        return f"[{self.since or ''}, {self.until or ''})"
