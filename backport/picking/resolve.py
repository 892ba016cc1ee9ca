"""Resolve one commit's change against a target by rules: the texts of one path at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from backport.picking.resolvers import additive, edits, incoming
from backport.readers.cparse import enclosing
from backport.values.conflict import Conflict, Kind, Region, Segment
from backport.values.csource import Lines, split_text
from backport.values.errors import RuleError
from backport.values.rule import (
    Absent,
    Adaptation,
    Additive,
    Edit,
    Insert,
    LineDelta,
    Pin,
    Present,
    Remove,
    Rewrite,
    Rule,
    Shim,
    Side,
    Take,
    Verbatim,
    add_deltas,
    line_delta,
)

INCOMING = (Rewrite, Pin)
REGIONAL = (Additive, Take, Verbatim)
WHOLE = (Absent,)
MERGED = (Edit, Insert, Remove, Shim)


@dataclass
class PathWork:
    """The rules of one pick that are about one path, and what they did there."""

    path: str
    rules: Sequence[Rule]
    fired: list[Adaptation] = field(default_factory=list)
    places: list[str] = field(default_factory=list)  # where the plain merge conflicts
    placed: set[str] = field(default_factory=set)  # lines that a rule put where they are

    def of(self, kinds: tuple[type, ...]) -> list[Rule]:
        """The rules whose action is one of `kinds`."""
        return [rule for rule in self.rules if isinstance(rule.action, kinds)]

    def of_incoming(self) -> list[Rule]:
        """The rules that change upstream's side before the merge."""
        return self.of(INCOMING)

    def of_merged(self) -> list[Rule]:
        """The rules that change the merged text."""
        return self.of(MERGED)

    def record(self, rule: Rule, before: Lines, after: Lines) -> None:
        """Note that a rule changed `before` into `after`."""
        delta = line_delta(list(before), list(after))
        self.fired.append(Adaptation(rule, self.path, delta))
        if isinstance(rule.action, MERGED):
            self.placed |= delta.keys()


def rules_of(path: str, rules: Sequence[Rule], touched: Collection[str]) -> list[Rule]:
    """The rules about one path.

    A rule that needs upstream's change, or a conflict with it, has no work in a path that the
    commit leaves alone, if there is another of its paths that it does not.
    """
    return [
        rule
        for rule in rules
        if path in rule.paths
        and not isinstance(rule.action, Present)
        and (
            path in touched
            or not isinstance(rule.action, INCOMING + REGIONAL)
            or not any(other in touched for other in rule.paths)
        )
    ]


def leave_absent(work: PathWork, base: Lines, theirs: Lines, present: set[str]) -> bool:
    """Whether a rule says that the target rightly lacks the file; upstream's change is left out.

    `present` are the paths of the target that rules of the pick name; `RuleError` if the one that
    holds the change instead is not among them.
    """
    rules = work.of(WHOLE)
    for rule in rules:
        assert isinstance(rule.action, Absent)
        if rule.action.instead not in present:
            raise RuleError(
                rule.place,
                f"rule {rule.id}: no other rule of this commit changes {rule.action.instead}",
                hint="`absent` names where the change goes: add the rule that puts it there",
            )
        work.record(rule, theirs, base)
    return bool(rules)


def demand_fired(work: PathWork) -> None:
    """Raise `RuleError` for a rule without work: no conflict, or no change in the path."""
    fired = {item.rule.id for item in work.fired}
    for rule in work.rules:
        if rule.id not in fired:
            _demand(rule, work.path, 0, rule.count)


def adapt_incoming(work: PathWork, base: Lines, theirs: Lines) -> list[str]:
    """Upstream's side with the rules on incoming lines applied, in file order of the rules."""
    now = list(theirs)
    for rule in work.of(INCOMING):
        if isinstance(rule.action, Pin):
            after, places = incoming.pin(base, now, rule.action, rule.within)
            _demand(rule, work.path, places, len(rule.action.members))
        else:
            assert isinstance(rule.action, Rewrite)
            after, places = incoming.rewrite(base, now, rule.action, rule.within)
            _demand(rule, work.path, places, rule.count)
        work.record(rule, now, after)
        now = after
    return now


def settle_regions(
    work: PathWork, merged: Sequence[Segment]
) -> tuple[list[Segment], list[Conflict]]:
    """Settle conflicting regions by rules; what is left comes back as conflicts."""
    segments = list(merged)
    owners = _owners(work, segments)
    left: list[Conflict] = []
    for index, segment in enumerate(segments):
        if not isinstance(segment, Region):
            continue
        symbol = next((s for s in symbols_of(segments, index) if s), "")
        work.places.append(f"{work.path}: {symbol}" if symbol else work.path)
        rule = owners.get(index)
        lines = None if rule is None else _settle(rule, segment)
        if rule is None or lines is None:
            left.append(Conflict(work.path, Kind.CONTENT, symbol, segment))
            continue
        _record_region(work, rule, segment, lines)
        segments[index] = lines
    return segments, left


def edit_merged(work: PathWork, lines: Lines) -> list[str]:
    """The merged text with the rules on it applied, in file order of the rules."""
    now = list(lines)
    for rule in work.of(MERGED):
        after, places = _EDITS[type(rule.action)](now, rule)
        _demand(rule, work.path, places, rule.count)
        work.record(rule, now, after)
        now = after
    return now


def _edit(lines: Lines, rule: Rule) -> tuple[list[str], int]:
    assert isinstance(rule.action, Edit)
    return edits.edit(lines, rule.action, rule.within)


def _insert(lines: Lines, rule: Rule) -> tuple[list[str], int]:
    assert isinstance(rule.action, Insert)
    return edits.insert(lines, rule.action, rule.within)


def _remove(lines: Lines, rule: Rule) -> tuple[list[str], int]:
    assert isinstance(rule.action, Remove)
    return edits.remove(lines, rule.action)


def _shim(lines: Lines, rule: Rule) -> tuple[list[str], int]:
    assert isinstance(rule.action, Shim)
    return edits.shim(lines, rule.action)


_EDITS: dict[type, Callable[[Lines, Rule], tuple[list[str], int]]] = {
    Edit: _edit,
    Insert: _insert,
    Remove: _remove,
    Shim: _shim,
}


def _owners(work: PathWork, segments: Sequence[Segment]) -> dict[int, Rule]:
    """Which rule settles which region; a rule must match as often as it says, none may share."""
    regions = [i for i, s in enumerate(segments) if isinstance(s, Region)]
    owners: dict[int, Rule] = {}
    for rule in work.of(REGIONAL):
        hits = [i for i in regions if _matches(rule, segments, i)]
        if isinstance(rule.action, Verbatim) and not hits:
            raise RuleError(
                rule.place,
                f"rule {rule.id} was recorded for another conflict than those in {work.path}",
                hint="resolve it again and `backport learn` it; better still, learn a rule",
            )
        _demand(rule, work.path, len(hits), rule.count)
        for index in hits:
            if index in owners:
                raise RuleError(
                    rule.place,
                    f"rules {owners[index].id} and {rule.id} both claim a conflict in {work.path}",
                    hint="narrow `within` or `has` of one of them",
                )
            owners[index] = rule
    return owners


def _matches(rule: Rule, segments: Sequence[Segment], index: int) -> bool:
    region = segments[index]
    assert isinstance(region, Region)
    if isinstance(rule.action, Verbatim):
        return region.digest == rule.action.sides
    if rule.within and rule.within not in symbols_of(segments, index):
        return False
    return not rule.has or re.search(rule.has, region.text, re.M) is not None


def symbols_of(segments: Sequence[Segment], index: int) -> tuple[str, str]:
    """The definitions that hold a region, as our side and as their side have it."""
    return _symbol(segments, index, "ours"), _symbol(segments, index, "theirs")


def _symbol(segments: Sequence[Segment], index: int, side: str) -> str:
    text: list[str] = []
    at = 0
    for number, segment in enumerate(segments):
        if number == index:
            at = len(text)
        text += getattr(segment, side) if isinstance(segment, Region) else segment
    return enclosing(text, min(at, len(text) - 1)) if text else ""


def _settle(rule: Rule, region: Region) -> tuple[str, ...] | None:
    if isinstance(rule.action, Additive):
        return additive.replay(region, rule.action)
    if isinstance(rule.action, Verbatim):
        return rule.action.lines
    assert isinstance(rule.action, Take)
    text = "".join(region.ours if rule.action.side is Side.OURS else region.theirs)
    for change in rule.action.then:
        text, count = re.subn(change.find, change.replace, text, flags=re.M)
        if not count:
            raise RuleError(
                rule.place,
                f"rule {rule.id}: substitution {change.find!r} matches nowhere in the region",
                hint="compare it with the conflict's text",
            )
    return tuple(split_text(text))


def _record_region(work: PathWork, rule: Rule, region: Region, lines: tuple[str, ...]) -> None:
    work.placed |= {*region.base, *region.theirs, *lines}
    upstream = line_delta(list(region.base), list(region.theirs))
    result = line_delta(list(region.ours), list(lines))
    for line in upstream:
        upstream[line] = -upstream[line]
    owned = add_deltas(result, upstream)
    if isinstance(rule.action, Take) and rule.action.side is Side.THEIRS:
        owned.subtract(_undeclared(rule, rule.action, imported(region, lines)))
    work.fired.append(Adaptation(rule, work.path, add_deltas(owned)))


def imported(region: Region, lines: Sequence[str]) -> LineDelta:
    """Lines around upstream's change that come along with it and that the target does not have.

    Upstream had them before its commit and has them after it: another commit brought them there.
    Lines without a word in them say nothing of where they are from.
    """
    brought = Counter(region.theirs) - Counter(region.base)
    extra = Counter(lines) - Counter(region.ours) - brought
    around = {ln for ln in set(region.base) & set(region.theirs) if re.search(r"\w", ln)}
    return Counter({line: n for line, n in extra.items() if line in around})


def _undeclared(rule: Rule, action: Take, found: LineDelta) -> LineDelta:
    """What the rule does not own, for the accounting to name: all of it unless it says how much."""
    if not action.imports:
        return found
    if found.total() != action.imports:
        raise RuleError(
            rule.place,
            f"rule {rule.id} says that it imports {action.imports} lines, it is {found.total()}",
            hint="look at what upstream has around its change there: it has become another text",
        )
    return Counter()


def _demand(rule: Rule, path: str, places: int, wanted: int) -> None:
    if places and wanted in {0, places}:
        return
    words = str(wanted) if wanted else "at least one"
    raise RuleError(
        rule.place,
        f"rule {rule.id} matches {places} places in {path}, want {words}",
        hint="narrow its place, state its `count`, or bound it by `since`, `until` or `when`",
    )
