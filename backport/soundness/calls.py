"""How many arguments stand behind each name in C: of calls, prototypes and definitions alike."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from backport.readers.identifiers import blanked

_HEAD = re.compile(r"(?<![\w#.>])([A-Za-z_]\w*)\s*\(")
_NO_CALL = frozenset(
    ("if", "for", "while", "switch", "return", "sizeof", "typeof", "defined", "__attribute__")
)
_LONGEST = 4000  # characters between the brackets: what runs on is no call but a lost bracket


@dataclass(frozen=True)
class Call:
    """A name with brackets behind it, in line `number` (from 1)."""

    number: int
    count: int


def arities(text: str) -> Mapping[str, list[Call]]:
    """Every such place by name. Those with `...` or with a macro's own words are left out."""
    plain = blanked(text.replace('""', '" "'))
    found: dict[str, list[Call]] = defaultdict(list)
    number, at = 1, 0
    for head in _HEAD.finditer(plain):
        number += plain.count("\n", at, head.start())
        at = head.start()
        count = None if head[1] in _NO_CALL else _count(plain, head.end())
        if count is not None:
            found[head[1]].append(Call(number, count))
    variadic = _variadic(plain)
    return {name: calls for name, calls in found.items() if name not in variadic}


def _variadic(plain: str) -> set[str]:
    return set(re.findall(r"([A-Za-z_]\w*)\s*\([^()]*\.\.\.\s*\)", plain))


def _count(plain: str, start: int) -> int | None:
    """The arguments from behind an opening bracket to its end; None where it has none."""
    depth, commas = 1, 0
    for place in range(start, min(len(plain), start + _LONGEST)):
        char = plain[place]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if not depth:
                inner = plain[start:place].strip()
                return 0 if inner == "void" or (not inner and not commas) else commas + 1
        elif depth == 1 and char == ",":
            commas += 1
        elif depth == 1 and char in ";#":
            return None
    return None
