"""What somebody outside the tree would notice of a difference, one thing at a time, and its leave.

An addition breaks nobody: a new symbol, a new enumerator of userspace. What goes, or is another
than it was, does: a CRC, the place of a member, a number. Each such thing needs an entry of
compat.toml with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from backport.gates.surfaces import Cause, Delta, Traced, compare_layouts, redefined
from backport.readers.members import UNKNOWN
from backport.values.compat import (
    ADDED,
    REMOVED,
    SYMBOL,
    TYPE,
    UAPI,
    Allowance,
    Notice,
    StructChange,
    UapiChange,
)
from backport.values.surface import Export, Layout, Member

_WIDTH = re.compile(r":(\d+)$")
SHOWN = 3  # names that a text lists of many


# -- structs, told member by member


def struct_change(old: Layout, new: Layout) -> StructChange:
    """What happened to a struct, in words."""
    delta = compare_layouts(old, new)
    was, now = {m.name: m for m in old.members}, {m.name: m for m in new.members}
    lines = [_added(now[name], old, delta) for name in delta.added]
    lines += [f"removed {name}, {_extent(was[name])}" for name in delta.removed]
    lines += [f"changed {now[n].text}, was {was[n].text}" for n in delta.changed]
    stayed = [n for n in now if n in was and n not in delta.changed]
    lines += [
        f"resized {n}, {was[n].size} to {now[n].size} bytes"
        for n in stayed
        if was[n].size != now[n].size
    ]
    lines += _moved([(was[n], now[n]) for n in stayed])
    lines += ["the members are in another order"] if delta.shuffled else []
    return StructChange(new.title, new.header, old.size, new.size, tuple(lines))


def _added(member: Member, old: Layout, delta: Delta) -> str:
    start, end = _bits(member)
    met = [m.name for m in old.members if _bits(m)[0] < end and start < _bits(m)[1]]
    what = f"{member.name} ({member.text})" if "." in member.name else member.text
    text = f"added {what}, {_extent(member)}"
    if not met and end <= 8 * old.size:
        return f"{text}, in a hole"
    gone = [name for name in met if name in (*delta.removed, *delta.changed)]
    return f"{text}, where {_listed(gone)} was" if met and gone == met else text


def _bits(member: Member) -> tuple[int, int]:
    start = 8 * member.offset + max(member.bit, 0)
    width = _WIDTH.search(member.text)
    return start, start + (int(width[1]) if width else 8 * member.size)


def _extent(member: Member) -> str:
    if member.bit >= 0:
        return f"bit {member.bit} of the unit at byte {member.offset}"
    return f"{member.size} bytes at byte {member.offset}"


def _moved(pairs: Sequence[tuple[Member, Member]]) -> Iterator[str]:
    """Members that lie elsewhere, those side by side that go the same way together."""
    for shift, some in groupby(pairs, key=lambda pair: _shift(*pair)):
        names = [new.name for _, new in some]
        if shift:
            who = (
                names[0] if len(names) == 1 else f"{len(names)} members, {names[0]} to {names[-1]}"
            )
            yield f"moved {who}, by {shift}"


def _shift(old: Member, new: Member) -> str:
    count, unit = new.offset - old.offset, "byte"
    if not count:
        count, unit = max(new.bit, 0) - max(old.bit, 0), "bit"
    return f"{count:+d} {unit}{'s' if abs(count) != 1 else ''}" if count else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")


# -- notices


def notices(
    traced: Traced,
    exports: tuple[Mapping[str, Export], Mapping[str, Export]],
    layouts: Sequence[tuple[Layout, Layout]],
    uapi: Iterable[UapiChange],
) -> list[Notice]:
    """All there is to notice: types, then symbols by themselves, then what userspace sees."""
    relaid = {new.title: (old, new) for old, new in layouts}
    types = {name: cause for name, cause in traced.causes.items() if " " in name}
    found = [_type(name, types.get(name), relaid.get(name)) for name in sorted({*types, *relaid})]
    found += _symbols(traced, *exports)
    return found + [_number(change) for change in uapi if change.change != ADDED]


def _type(name: str, cause: Cause | None, pair: tuple[Layout, Layout] | None) -> Notice:
    defined = redefined(cause) if cause and cause.redefined else Delta()
    laid = compare_layouts(*pair) if pair else Delta()
    delta = Delta(
        _both(defined.added, laid.added),
        _both(defined.removed, laid.removed),
        _both(defined.changed, laid.changed),
        defined.shuffled or laid.shuffled,
    )
    told = [*_sizes(pair), *_members(delta), *_seen(cause)]
    if cause and not told:  # no struct: a typedef, a constant
        told.append(f"`{cause.new}`, was `{cause.old}`")
    if cause:
        told.append(f"{_count(len(cause.symbols), 'exported symbol')} with another CRC")
    return Notice(f"{name}: {'; '.join(told)}", TYPE, name, delta.names, delta.shuffled)


def _both(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _sizes(pair: tuple[Layout, Layout] | None) -> Iterator[str]:
    if not pair:
        return
    old, new = pair
    if old.size != new.size:
        yield f"{old.size} to {new.size} bytes"
    moved = sum(line.startswith("moved ") for line in struct_change(old, new).changes)
    if moved:
        yield "members lie elsewhere"


def _members(delta: Delta) -> Iterator[str]:
    for word in ("added", "removed", "changed"):
        if names := getattr(delta, word):
            yield f"{word} {_listed(names)}"
    if delta.shuffled:
        yield "members in another order"


def _seen(cause: Cause | None) -> Iterator[str]:
    if cause and not cause.redefined:
        now = "defined" if UNKNOWN in cause.old else "only declared"
        yield f"the same, but now {now} where {_listed(sorted(cause.seen))} is compiled"


def _symbols(
    traced: Traced, before: Mapping[str, Export], after: Mapping[str, Export]
) -> Iterator[Notice]:
    for name in traced.symbols.removed:
        yield Notice(f"{name}: exported no more", SYMBOL, name)
    for one in traced.symbols.changed:
        if cause := traced.causes.get(one.name):
            text = f"{one.name}: declared as `{cause.new}`, was `{cause.old}`"
            yield Notice(text, SYMBOL, one.name)
        elif not one.because:
            text = f"{one.name}: another CRC, and no definition behind it differs"
            yield Notice(text, SYMBOL, one.name)
    for name in sorted(before.keys() & after.keys()):
        if before[name].how != after[name].how:
            text = f"{name}: {after[name].how}, was {before[name].how}"
            yield Notice(text, SYMBOL, name)


def _number(change: UapiChange) -> Notice:
    now = "is gone, was" if change.change == REMOVED else f"is {change.value}, was"
    return Notice(f"{change.name}: {now} {change.old} in {change.path}", UAPI, change.name)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


# -- what is allowed


def judged(found: Iterable[Notice], allowances: Sequence[Allowance]) -> tuple[Notice, ...]:
    """The notices with the reason of the entry that allows each, where one does."""
    entries = {(one.kind, one.name): one for one in allowances}
    return tuple(_judged(notice, entries.get((notice.kind, notice.name))) for notice in found)


def _judged(notice: Notice, entry: Allowance | None) -> Notice:
    if entry is None:
        return notice
    others = [n for n in notice.members if n not in entry.members] if entry.members else []
    if others or (entry.members and notice.shuffled):
        what = f"not {_listed(others)}" if others else "not another order"
        return replace(notice, text=f"{notice.text} ({_at(entry)} allows some members, {what})")
    return replace(notice, allowed=True, reason=entry.reason)


def _at(entry: Allowance) -> str:
    return f"{entry.place.file.rpartition('/')[2]}:{entry.place.line}"


def unmatched(
    allowances: Iterable[Allowance], noticed: Sequence[Iterable[Notice]]
) -> tuple[str, ...]:
    """The entries, and the members in them, that none of the targets' notices is about."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in (one for some in noticed for one in some):
        found.setdefault((one.kind, one.name), set()).update(one.members)
    idle = []
    for entry in allowances:
        known = found.get((entry.kind, entry.name))
        if known is None:
            idle.append(f"{_at(entry)}: {entry.name}")
        else:
            left = [member for member in entry.members if member not in known]
            idle += [f"{_at(entry)}: {entry.name}, member {member}" for member in left]
    return tuple(idle)
