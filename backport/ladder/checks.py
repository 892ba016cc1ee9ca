"""What must hold of a resolution before anybody may trust it; one sentence for each that does not.

Upstream's change is known by its lines, each with the definition that holds it. The result's change
to the target must be that one: in the same definitions, nothing in another, and with no name that
the target's definition does not know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from backport.gates import form
from backport.gates.accounting import Sides
from backport.readers.cparse import holders
from backport.readers.identifiers import blanked
from backport.values.csource import Lines
from backport.values.filecase import Around, Side

_NAME = re.compile(r"[A-Za-z_]\w+")
Placed = Counter[tuple[str, str]]  # lines by the definition that holds them


def objections(sides: Sides, around: Around) -> list[str]:
    """What speaks against a result; empty is a pass. Only C and headers are looked into."""
    found = form.objections(sides)
    if not sides.path.endswith(form.SUFFIXES):
        return found
    return [*found, *astray(sides), *strangers(sides), *lacking(sides, around)]


def lacking(sides: Sides, around: Around) -> Iterator[str]:
    """Names in added lines that no source of the target has, and that upstream had before."""
    gained = Counter(sides.result) - Counter(sides.ours)
    names = _names("".join(gained)) - _names("".join(sides.ours))
    if names:
        names -= around.known(Side.OURS, names)
    if names:
        for name in sorted(around.known(Side.BASE, names)):
            yield f"the target has no {name}"


def astray(sides: Sides) -> Iterator[str]:
    """Lines that the result adds or takes in another definition than upstream does."""
    base, ours, theirs, result = (
        _placed(lines) for lines in (sides.base, sides.ours, sides.theirs, sides.result)
    )
    for word, upstream, here in (
        ("added", theirs - base, result - ours),
        ("removed", base - theirs, ours - result),
    ):
        homes = {line: {h for h, other in upstream if other == line} for _, line in upstream}
        for home, line in here:
            wanted = homes.get(line)
            if wanted and home not in wanted:
                yield f"{word} in {home or 'no definition'}: {line.strip()}"


def _placed(lines: Lines) -> Placed:
    homes = zip(holders(lines), lines, strict=True)
    return Counter((home, line) for home, line in homes if _NAME.search(line))


def strangers(sides: Sides) -> Iterator[str]:
    """Names in added lines that upstream's definition had and the target's does not know."""
    upstream, target = _bodies(sides.base), _bodies(sides.ours)
    everywhere = set().union(*target.values()) if target else set()
    gained = _placed(sides.result) - _placed(sides.ours)
    kept = {home: _names("".join(lines)) for home, lines in _by_home(gained).items()}
    for home, names in kept.items():
        known = target.get(home, everywhere)
        for name in sorted((names & upstream.get(home, set())) - known):
            yield f"{home or 'the file'} does not know {name}"


def _by_home(placed: Placed) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for home, line in placed:
        found.setdefault(home, []).append(line)
    return found


def _bodies(lines: Lines) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for home, line in zip(holders(lines), lines, strict=True):
        found.setdefault(home, set()).update(_NAME.findall(line))
    return found


def _names(text: str) -> set[str]:
    return set(_NAME.findall(blanked(text)))
