"""Judges one pick that merged cleanly. A merge sees lines; this asks what they mean in the target.

Everything is pure but for what `Around` reads, which is asked once for each tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from backport.gates.form import SUFFIXES
from backport.readers import cparse
from backport.readers.identifiers import Kind, Use, blanked, uses
from backport.soundness.calls import arities
from backport.soundness.findings import Files, Finding, Judged, Landed, Sort
from backport.values.csource import split_lines
from backport.values.filecase import Around, Side
from backport.values.linediff import deltas

_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class _File:
    """One file of C in all its four states, each computed when it is first asked for."""

    landed: Landed

    @property
    def path(self) -> str:
        return self.landed.case.path

    @cached_property
    def base(self) -> list[str]:
        return split_lines(self.landed.case.base or b"")

    @cached_property
    def ours(self) -> list[str]:
        return split_lines(self.landed.case.ours or b"")

    @cached_property
    def theirs(self) -> list[str]:
        return split_lines(self.landed.case.theirs or b"")

    @cached_property
    def result(self) -> list[str]:
        return split_lines(self.landed.result or b"")

    @cached_property
    def added(self) -> frozenset[int]:
        """The numbers of the lines that the pick puts into the target."""
        return _added(self.ours, self.result)

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """What the added lines use."""
        return tuple(uses("".join(self.result), self.added))

    def words(self, lines: Sequence[str]) -> frozenset[str]:
        """The identifiers in code."""
        return frozenset(_WORD.findall(blanked("".join(lines))))


def judge(files: Files, around: Around) -> Judged:
    """Every finding on a pick; files that are no C are left to whoever builds them."""
    code = [_File(one) for one in files if one.case.path.endswith(SUFFIXES)]
    looks: tuple[Callable[[Sequence[_File], Around], Iterator[Finding]], ...] = (
        _names,
        _locals,
        _arguments,
        _users,
        _places,
        _twice,
    )
    return Judged(tuple(finding for look in looks for finding in look(code, around)))


def _added(old: Sequence[str], new: Sequence[str]) -> frozenset[int]:
    return frozenset(n + 1 for delta in deltas(old, new) for n in range(delta.b1, delta.b2))


def _names(files: Sequence[_File], around: Around) -> Iterator[Finding]:
    """Names in added lines that upstream had before its commit, and the target has nowhere.

    One that upstream lacks as well comes with the commit, or is a local of its own.
    """
    used = [(file, use) for file in files for use in file.uses if use.kind is not Kind.INCLUDE]
    names = {use.name for _, use in used}
    lacking = names - around.known(Side.OURS, names) if names else frozenset()
    foreign = around.known(Side.BASE, lacking) if lacking else frozenset()
    for file, use in used:
        if use.name in foreign:
            said = f"{use.kind} {use.name} is in upstream's tree and in no file of the target"
            yield Finding(Sort.NAME, file.path, use.number, use.name, said)


def _locals(files: Sequence[_File], _: Around) -> Iterator[Finding]:
    """Names that upstream's function had before the commit, and no line of the target's file has.

    Such a variable, parameter or label is a word that other files use as well.
    """
    for file in files:
        if file.landed.case.base is None or file.landed.case.ours is None:
            continue
        had = file.words(file.base) - file.words(file.ours)
        if not had:
            continue
        spans = [one.span for one in cparse.outline(file.base) if one.kind == "function"]
        inside = had & {word for span in spans for word in file.words(file.base[slice(*span)])}
        plain = blanked("".join(file.result)).split("\n")
        for number in sorted(file.added):
            for name in sorted(inside & set(_WORD.findall(plain[number - 1]))):
                said = f"upstream's file had {name} in a function; no line of the target's has it"
                yield Finding(Sort.LOCAL, file.path, number, name, said)


def _arguments(files: Sequence[_File], _: Around) -> Iterator[Finding]:
    """Calls in added lines with a number of arguments that no line of the target has.

    Only what the files of the pick themselves say counts, and only where all of it agrees.
    """
    before = [arities("".join(file.ours)) for file in files]
    for file in files:
        for name, calls in arities("".join(file.result)).items():
            known = {call.count for some in before for call in some.get(name, ())}
            for call in calls:
                strange = call.number in file.added and len(known) == 1 and call.count not in known
                # A line of its own that the pick changes all of: it brings the new signature.
                stays = any(one.number not in file.added for one in calls)
                if strange and stays:
                    (was,) = known
                    said = f"{name}() takes {was} arguments in the target, here {call.count}"
                    yield Finding(Sort.ARGUMENTS, file.path, call.number, name, said)


def _users(files: Sequence[_File], around: Around) -> Iterator[Finding]:
    """Names that upstream's commit ends, and that lines of the target still use."""
    after = {name for file in files for name in file.words(file.theirs)}
    gone = {name for file in files for name in file.words(file.base)} - after
    left = gone & {name for file in files for name in file.words(file.result)}
    ended = left - around.known(Side.THEIRS, left) if left else frozenset()
    for file in files:
        for number, line in enumerate(blanked("".join(file.result)).split("\n"), 1):
            for name in sorted(ended & set(_WORD.findall(line))):
                said = f"upstream's commit removes the last {name}; the target still has it here"
                yield Finding(Sort.USER, file.path, number, name, said)


def _places(files: Sequence[_File], _: Around) -> Iterator[Finding]:
    """Added lines that stand in another function than upstream's, which the target has too."""
    for file in files:
        if file.landed.case.base is None or file.landed.case.ours is None:
            continue
        homes: dict[str, set[str]] = {}
        upstream, target = cparse.holders(file.theirs), cparse.holders(file.result)
        for number in sorted(_added(file.base, file.theirs)):
            homes.setdefault(file.theirs[number - 1].strip(), set()).add(upstream[number - 1])
        defined = {one.name for one in cparse.outline(file.ours)}
        for number in sorted(file.added):
            line = file.result[number - 1].strip()
            wanted = homes.get(line, set()) if len(line) > 1 else set()
            here = target[number - 1]
            if wanted and here not in wanted and wanted <= defined:
                there = ", ".join(sorted(wanted))
                said = f"in {here or 'no function'}; upstream has it in {there}, as the target does"
                yield Finding(Sort.PLACE, file.path, number, here, said)
                break  # the first line of a hunk tells of the rest


def _twice(files: Sequence[_File], _: Around) -> Iterator[Finding]:
    """Functions that the pick adds to a file that has one of that name already."""
    for file in files:
        had = _counts(file.ours)
        upstream = _counts(file.theirs)
        for name, numbers in _counts(file.result).items():
            more = len(numbers) > max(len(had.get(name, ())), len(upstream.get(name, ())))
            if more and had.get(name):
                said = f"the target has {name}() already, at line {numbers[0]}"
                yield Finding(Sort.TWICE, file.path, numbers[-1], name, said)


def _counts(lines: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in cparse.outline(lines):
        if one.kind == "function":
            found.setdefault(one.name, []).append(one.span[0] + 1)
    return found
