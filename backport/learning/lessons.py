"""From a text that a person made to the shortest rule actions that make it again; pure functions.

A lesson is an action as TOML with the number of characters in it that are this case's own. The
cheapest comes first: actions that only say which side, then renames, then lines at an anchor.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backport.picking.resolve import imported
from backport.picking.resolvers import additive
from backport.values.conflict import Region
from backport.values.csource import Lines
from backport.values.rule import Additive, At, Grain

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
LONG = 3  # lines of a block that a find quotes whole; longer ones by their first and last
EVERYTHING = r"(?s)\A.*\Z"


@dataclass(frozen=True)
class Lesson:
    """An action, as the lines of TOML that say it; `hand` counts what is this case's own."""

    toml: tuple[str, ...]
    hand: int = 0

    @property
    def name(self) -> str:
        """The action's key."""
        return self.toml[0].split(" ", 1)[0]


@dataclass(frozen=True)
class Change:
    """A substitution in the making: a regular expression and its replacement."""

    find: str
    replace: str

    @property
    def toml(self) -> str:
        """As an inline table."""
        return f"{{ find = {quoted(self.find)}, replace = {quoted(self.replace)} }}"

    def apply(self, text: str) -> tuple[str, int]:
        """The text with it made, and how often."""
        return re.subn(self.find, self.replace, text, flags=re.M)


def quoted(text: str) -> str:
    """A TOML string: literal where that can be, so that expressions stay readable."""
    plain = not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    if plain and "\n" not in text and "'" not in text:
        return f"'{text}'"
    if plain and "\n" in text and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    return json.dumps(text, ensure_ascii=False)


# -- one conflict


def of_region(region: Region, wanted: Sequence[str]) -> list[Lesson]:
    """Every action that turns the region into the wanted lines, the cheapest first."""
    found = [*_replays(region, wanted), *_sides(region, wanted), verbatim(region, wanted)]
    return sorted(found, key=lambda lesson: lesson.hand)


def _replays(region: Region, wanted: Sequence[str]) -> Iterator[Lesson]:
    for grain in Grain:
        for at in At:
            lines = additive.replay(region, Additive(grain, at))
            if lines is not None and [*lines] == [*wanted]:
                where = (f'at = "{at}"',) if at else ()
                yield Lesson((f'additive = "{grain}"', *where), 0)
                break


def _sides(region: Region, wanted: Sequence[str]) -> Iterator[Lesson]:
    for side, lines in (("theirs", region.theirs), ("ours", region.ours)):
        changes = substitutions(lines, wanted)
        if changes is None or _is_whole(changes, lines, wanted):
            continue
        then = tuple(change.toml for change in changes)
        rows = _array("then", then) if then else ()
        foreign = imported(region, wanted).total() if side == "theirs" else 0
        told = (f"imports = {foreign}",) if foreign else ()
        yield Lesson((f'take = "{side}"', *rows, *told), _hand(changes) + foreign)


def _is_whole(changes: Sequence[Change], old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether nothing of a side is left: that is no change of it, but another text."""
    return bool(new) and len(changes) == 1 and changes[0].find == block(old)


def verbatim(region: Region, wanted: Sequence[str]) -> Lesson:
    """The wanted lines as they are, for this conflict and no other."""
    text = "".join(wanted)
    table = f'verbatim = {{ sides = "{region.digest}", lines = {quoted(text)} }}'
    return Lesson(tuple(table.split("\n")), len(text) + 12)


def _array(key: str, items: Sequence[str]) -> tuple[str, ...]:
    if len(items) == 1:
        return tuple(f"{key} = [{items[0]}]".split("\n"))
    rows = [row for item in items for row in f"    {item},".split("\n")]
    return (f"{key} = [", *rows, "]")


def _hand(changes: Sequence[Change]) -> int:
    return sum(len(change.find) + len(change.replace) for change in changes)


# -- substitutions


def substitutions(old: Sequence[str], new: Sequence[str]) -> tuple[Change, ...] | None:
    """What turns the old lines into the new ones, each matching in one place; None if unclear."""
    before, after = "".join(old), "".join(new)
    if before == after:
        return ()
    if not before:
        return None
    if not after:
        return (Change(EVERYTHING, ""),)
    whole = renames(old, new)
    if whole is not None:
        return whole
    changes = tuple(_hunks(old, new))
    return changes if _makes(changes, before, after) else None


def renames(old: Sequence[str], new: Sequence[str]) -> tuple[Change, ...] | None:
    """The words that are others in the new lines, if that is all that differs."""
    if len(old) != len(new):
        return None
    found: dict[Change, None] = {}
    for one, other in zip(old, new, strict=True):
        if one != other:
            found |= dict.fromkeys(_word_changes(one, other))
    changes = tuple(found)
    text = "".join(old)
    for change in changes:
        text, _ = change.apply(text)
    return changes if text == "".join(new) else None


def _word_changes(old: str, new: str) -> Iterator[Change]:
    one, other = _TOKEN.findall(old), _TOKEN.findall(new)
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        more = a1 == a2 and a1 > 0  # nothing to find: take the word before along
        find, replace = "".join(one[a1 - more : a2]), "".join(other[b1 - more : b2])
        call = "(" if one[a2 : a2 + 1] == ["("] == other[b2 : b2 + 1] else ""
        yield Change(_bounded(find + call), _literal(replace + call))


def _bounded(text: str) -> str:
    """The text as an expression that does not match inside of a word."""
    start = r"\b" if re.match(r"\w", text) else ""
    end = r"\b" if re.search(r"\w\Z", text) else ""
    return f"{start}{escaped(text)}{end}"


def escaped(text: str) -> str:
    """The text as an expression, with no more backslashes than it needs."""
    plain = _SPECIAL.sub(lambda found: f"\\{found[0]}", text)
    return plain.replace("\t", "\\t").replace("\n", "\\n")


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        if a1 == a2:
            yield _beside(old, new[b1:b2], a1)
        else:
            words = renames(old[a1:a2], new[b1:b2]) if a2 - a1 == b2 - b1 else None
            yield from words or [Change(block(old[a1:a2]), _literal("".join(new[b1:b2])))]


def _beside(old: Sequence[str], added: Sequence[str], index: int) -> Change:
    """Lines put behind the one before them, or before the first."""
    text = _literal("".join(added))
    if index:
        return Change(f"^({escaped(old[index - 1].rstrip(chr(10)))}\\n)", rf"\1{text}")
    return Change(f"\\A({escaped(old[0].rstrip(chr(10)))}\\n)", rf"{text}\1")


def block(lines: Sequence[str]) -> str:
    """An expression for whole lines; a long block goes by its first and its last."""
    first, last = (escaped(line.rstrip("\n")) for line in (lines[0], lines[-1]))
    if len(lines) <= LONG:
        body = "".join(f"{escaped(line.rstrip(chr(10)))}\\n" for line in lines)
        return f"^{body}"
    return f"^{first}\\n(?:.*\\n)*?{last}\\n"


def _makes(changes: Sequence[Change], before: str, after: str) -> bool:
    text = before
    for change in changes:
        text, count = change.apply(text)
        if count != 1:
            return False
    return text == after


# -- what is left behind the conflicts


@dataclass(frozen=True)
class Leftover:
    """A change outside of conflicts: lines `[first, last)` of the merged text become `lines`."""

    first: int
    last: int
    lines: tuple[str, ...]


def leftovers(merged: Lines, wanted: Lines) -> list[Leftover]:
    """Where a person changed the merged text, in order."""
    matcher = difflib.SequenceMatcher(None, merged, wanted, autojunk=False)
    return [
        Leftover(a1, a2, tuple(wanted[b1:b2]))
        for tag, a1, a2, b1, b2 in matcher.get_opcodes()
        if tag != "equal"
    ]


def of_leftover(item: Leftover, merged: Lines, scope: tuple[int, int]) -> Lesson | None:
    """An action for one leftover, whose place is searched in the lines of `scope`."""
    if item.first == item.last:
        return _insertion(item, merged, scope)
    old = merged[item.first : item.last]
    words = renames(old, item.lines)
    changes = words if words and len(words) == 1 else (
        Change(block(old), _literal("".join(item.lines))),
    )  # fmt: skip
    text = "".join(merged[slice(*scope)])
    if changes[0].apply(text)[1] != 1 and words:
        changes = (Change(block(old), _literal("".join(item.lines))),)
    if changes[0].apply(text)[1] != 1:
        return None
    return Lesson(tuple(f"edit = {changes[0].toml}".split("\n")), _hand(changes))


def _insertion(item: Leftover, merged: Lines, scope: tuple[int, int]) -> Lesson | None:
    for key, index in (("after", item.first - 1), ("before", item.first)):
        if not scope[0] <= index < scope[1]:
            continue
        line = merged[index].rstrip("\n")
        anchor = f"^{escaped(line)}$"
        hits = sum(1 for n in range(*scope) if re.search(anchor, merged[n].rstrip("\n")))
        if line.strip() and hits == 1:
            text = "".join(item.lines)
            table = f"insert = {{ {key} = {quoted(anchor)}, lines = {quoted(text)} }}"
            return Lesson(tuple(table.split("\n")), len(anchor) + len(text))
    return None


def rewriting(old: Lines, new: Lines) -> Lesson | None:
    """One rewrite of incoming lines that is all renames, with how often it is made."""
    changes = renames(old, new)
    if not changes:
        return None
    count, text = 0, "".join(old)
    for change in changes:
        text, times = change.apply(text)
        count += times
    rows = _array("rewrite", [change.toml for change in changes])
    return Lesson((*rows, *((f"count = {count}",) if count != 1 else ())), _hand(changes))
