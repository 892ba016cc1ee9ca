"""Names that the target has otherwise, read off the lines that both sides share but for a name.

Where upstream renamed something since, the context of its commit has the new name and the target's
lines have the old one. With upstream's text put into the target's words a merge is mostly clean,
and the lines that it adds are right, too.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from backport.soundness.calls import calls
from backport.values.linediff import deltas

_TOKEN = re.compile(r"\w+|[^\w\s]")
_NAME = re.compile(r"[A-Za-z_]\w+")
_LONGEST = 400  # tokens of one stretch that are compared
_SURE = 2  # places that must show a rename of a name that upstream's change does away with
Known = Callable[[Collection[str]], frozenset[str]]


def renames(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], known: Known
) -> dict[str, str]:
    """Upstream's names, and the target's for the same; only names that the target lacks.

    What the file shows is taken; a name that only upstream's new lines have is renamed as others
    were (`rte_ether_x` is `ether_x` here), if the target has that one. `known` says which names
    the target's sources have.
    """
    here = _names(ours)
    lacking = (_names(base) | _names(theirs)) - here
    lacking -= known(lacking)
    if not lacking:
        return {}
    found = _seen(base, ours, lacking, _names(theirs))
    return {**_alike(lacking - found.keys(), found, here, known), **found}


def renamed(lines: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The lines in the target's words."""
    if not names:
        return list(lines)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
    return [pattern.sub(lambda found: names[found[0]], line) for line in lines]


def fitting(names: Mapping[str, str], ours: Sequence[str], theirs: Sequence[str]) -> dict[str, str]:
    """Those of the names that upstream calls as the target calls its own.

    A function with other arguments is no other name for the same.
    """
    if not names:
        return {}
    upstream, here = (_counts(side) for side in (theirs, ours))
    return {
        old: new
        for old, new in names.items()
        if new not in here or upstream.get(old, set()) <= here[new]
    }


def _counts(lines: Sequence[str]) -> dict[str, set[int]]:
    """With how many arguments each function is called."""
    found: dict[str, set[int]] = {}
    for call in calls("".join(lines)):
        found.setdefault(call.name, set()).add(call.count)
    return found


def _names(lines: Sequence[str]) -> set[str]:
    return set(_NAME.findall("".join(lines)))


def _seen(
    base: Sequence[str], ours: Sequence[str], lacking: Collection[str], stays: Collection[str]
) -> dict[str, str]:
    """Names that most places agree on.

    Where upstream replaces a name and its only place differs in the target, that is no rename
    but a clash: both changed the same word.
    """
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for old, new in _replaced(base, ours):
        if old in lacking and _NAME.fullmatch(new):
            votes[old][new] += 1
    gone = _names(base)
    return {
        old: best
        for old, counts in votes.items()
        for best, number in counts.most_common(1)
        if number * 2 > counts.total() and best not in gone
        if old in stays or number >= _SURE
    }


def _replaced(base: Sequence[str], ours: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Tokens that stand in the place of one another."""
    for delta in deltas(base, ours):
        old = _TOKEN.findall("".join(base[delta.a1 : delta.a2]))
        new = _TOKEN.findall("".join(ours[delta.b1 : delta.b2]))
        if not old or not new or max(len(old), len(new)) > _LONGEST:
            continue
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            if tag == "replace" and i2 - i1 == j2 - j1:
                yield from zip(old[i1:i2], new[j1:j2], strict=True)


def _alike(
    open_: Collection[str], found: Mapping[str, str], here: Collection[str], known: Known
) -> dict[str, str]:
    """Names that were renamed as others in the file were: a prefix or a suffix went or changed."""
    guesses: defaultdict[str, list[str]] = defaultdict(list)
    for old, new in found.items():
        head, tail = _cut(old, new)
        for name in open_:
            if head and name.startswith(head[0]) and name != head[0]:
                guesses[name].append(head[1] + name[len(head[0]) :])
            if tail and name.endswith(tail[0]) and name != tail[0]:
                guesses[name].append(name[: -len(tail[0])] + tail[1])
    wanted = {guess for some in guesses.values() for guess in some}
    there = known(wanted) | (wanted & set(here))
    return {
        name: next(iter(fit))
        for name, some in guesses.items()
        if len(fit := {guess for guess in some if guess in there}) == 1
    }


def _cut(old: str, new: str) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """How a name became another at its start or at its end, by whole words of it."""
    ours, theirs = old.split("_"), new.split("_")
    same = _common(ours[::-1], theirs[::-1])
    head = _joined(ours[: len(ours) - same], theirs[: len(theirs) - same], "{}_") if same else None
    same = _common(ours, theirs)
    tail = _joined(ours[same:], theirs[same:], "_{}") if same else None
    return head, tail


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _joined(old: Sequence[str], new: Sequence[str], form: str) -> tuple[str, str] | None:
    texts = [form.format("_".join(words)) if words else "" for words in (old, new)]
    return (texts[0], texts[1]) if texts[0] else None
