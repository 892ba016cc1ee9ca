"""What must hold of a resolution before anybody may trust it; one sentence for each that does not.

Upstream's change is known by its lines, each with the definition that holds it. The result's change
to the target must be that one: in the same definitions, nothing in another, and with no name that
the target's definition does not know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from backport.gates import blocks, form
from backport.gates.accounting import Sides
from backport.readers.cparse import holders
from backport.readers.identifiers import blanked
from backport.soundness import names, places
from backport.soundness.files import File
from backport.soundness.findings import Landed
from backport.soundness.scene import Scene
from backport.values.csource import Lines
from backport.values.filecase import Around, FileCase, Side

_NAME = re.compile(r"[A-Za-z_]\w+")
# Words of the language, which no function has to know.
_PLAIN = frozenset(
    """
    break case char const continue default do double else enum extern float for goto if inline
    int long return short signed sizeof static struct switch typedef union unsigned void volatile
    while define endif ifdef ifndef elif include undef bool true false NULL
    """.split()  # noqa: SIM905 (a table of words)
)
# Of the verdict's findings those that spoke against no right resolution: docs/ladder.md.
_LOOKS = (names.lacking, names.users, places.twice)
Placed = Counter[tuple[str, str]]  # lines by the definition that holds them


def objections(sides: Sides, around: Around) -> list[str]:
    """What speaks against a result; empty is a pass. Only C and headers are looked into."""
    found = form.objections(sides)
    if not sides.path.endswith(form.SUFFIXES):
        return found
    found += [*astray(sides), *blocks.objections(sides)]
    return [*found, *strangers(sides, around), *lacking(sides, around)]


def unsound(case: FileCase, result: bytes, around: Around) -> str:
    """The first of the verdict's findings that are never wrong of a resolution; '' for none."""
    if not case.path.endswith(form.SUFFIXES):
        return ""
    scene = Scene([File(Landed(case, result, is_plain=False))], around)
    return next((str(finding) for look in _LOOKS for finding in look(scene)), "")


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
    """Lines that the result adds or takes in another definition than upstream does.

    Where each of the two definitions is in one of the files only, the lines that go tell the place.
    """
    base, ours, theirs, result = (
        _placed(lines) for lines in (sides.base, sides.ours, sides.theirs, sides.result)
    )
    there = {home for home, _ in ours}
    own = {home for home, _ in ours - result} - {home for home, _ in base}
    for word, upstream, here in (
        ("added", theirs - base, result - ours),
        ("removed", base - theirs, ours - result),
    ):
        homes = {line: {h for h, other in upstream if other == line} for _, line in upstream}
        for home, line in here:
            wanted = homes.get(line)
            is_elsewhere = home in own and wanted and not wanted & there
            if wanted and home not in wanted and not is_elsewhere:
                yield f"{word} in {home or 'no definition'}: {line.strip()}"


def _placed(lines: Lines) -> Placed:
    homes = zip(holders(lines), lines, strict=True)
    return Counter((home, line) for home, line in homes if _NAME.search(line))


def strangers(sides: Sides, around: Around) -> Iterator[str]:
    """Names in added lines that upstream's definition had and the target's does not know.

    What is called or written in capitals is no local: it is enough that the target has it.
    """
    upstream, target = _bodies(sides.base), _bodies(sides.ours)
    everywhere = set().union(*target.values()) if target else set()
    for home, lines in _gained(sides).items():
        known = target.get(home, everywhere)
        names = {name for line in lines for name in _NAME.findall(line)}
        strange = (names & upstream.get(home, set())) - known - _PLAIN
        shared = {name for name in strange if _is_shared(name, lines)}
        strange -= around.known(Side.OURS, shared) if shared else frozenset()
        for name in sorted(strange):
            yield f"{home or 'the file'} does not know {name}"


def _is_shared(name: str, lines: Iterable[str]) -> bool:
    """Whether a name is used as functions, macros and types are, wherever it is used."""
    if name.isupper() or name.endswith("_t"):
        return True
    used = [hit for line in lines for hit in re.finditer(rf"\b{name}\b(\s*\()?", line)]
    return all(hit[1] for hit in used)


def _gained(sides: Sides) -> dict[str, list[str]]:
    """Added lines of code by the definition that holds them, without comments and strings."""
    had = Counter(zip(holders(sides.ours), sides.ours, strict=True))
    plain = blanked("".join(sides.result)).split("\n")
    found: dict[str, list[str]] = {}
    for home, line, code in zip(holders(sides.result), sides.result, plain, strict=False):
        if had[home, line] > 0:
            had[home, line] -= 1
        else:
            found.setdefault(home, []).append(code)
    return found


def _bodies(lines: Lines) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for home, line in zip(holders(lines), lines, strict=True):
        found.setdefault(home, set()).update(_NAME.findall(line))
    return found


def _names(text: str) -> set[str]:
    return set(_NAME.findall(blanked(text)))
