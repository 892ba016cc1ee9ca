"""What an operator sees of a feature: a command, and what its output must have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backport.values.version import Range


@dataclass(frozen=True)
class View:
    """One look at a running kernel.

    `expect` are regular expressions that must match in the output, `counts` says how often one
    does. `why` says what other kernels than those of `versions` lack.
    """

    name: str
    what: str
    command: str
    expect: tuple[str, ...]
    counts: Mapping[str, int]
    versions: Range
    why: str

    def missing(self, output: Sequence[str]) -> Iterator[str]:
        """What is not as it must be in an output; nothing if all is."""
        text = "\n".join(output)
        for pattern in self.expect:
            if not re.search(pattern, text, re.MULTILINE):
                yield f"no match of {pattern!r}"
        for pattern, wanted in self.counts.items():
            found = sum(1 for _ in re.finditer(pattern, text, re.MULTILINE))
            if found != wanted:
                yield f"{found} instead of {wanted} matches of {pattern!r}"
