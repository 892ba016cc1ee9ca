"""Remedies: the ways out of one difference between upstream and a target, each with its cost.

Take the upstream commit that made the difference, adapt the incoming lines, define what is missing
(shim), or leave the change out (drop). Costs are counted, never guessed: what cannot be counted or
checked is said to be unknown. `lines` is what one has to write, take in or lose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from backport.advice.explain import Explained, Explanation, Settled, Sort
from backport.advice.lineage import telling
from backport.doors.git import Entry, Git
from backport.gates import symbols
from backport.gates.credit import By
from backport.readers.cparse import outline
from backport.readers.identifiers import Kind, blanked, defined_in
from backport.values.commit import Incoming
from backport.values.gitformat import FILE_MODE, Touched, parse_hunks
from backport.values.rule import Shim

NO_HISTORY = "no history at hand; --history names a clone of upstream"
_SHIM = "include/linux/backport-shim.h"  # where a shim is tried
_NAME = re.compile(r"[A-Za-z_]\w*")


class Means(StrEnum):
    """A way out; where costs are equal the earlier is the better one."""

    ADAPT = "adapt"
    SHIM = "shim"
    TAKE = "take"
    DROP = "drop"


@dataclass(frozen=True)
class Remedy:
    """One way out; `passes` None: what was checked, `why`, does not tell."""

    means: Means
    cost: Mapping[str, int]
    passes: bool | None
    why: str
    chosen: bool = False  # by the rule that is there


@dataclass(frozen=True)
class Advice:
    """The cheapest remedy that passes, None where nobody can tell, with the reason."""

    means: Means | None
    reason: str


@dataclass(frozen=True)
class Later:
    """What a series does with lines, to see what dropping some of them would break."""

    touched: tuple[Mapping[str, Touched], ...] = field(default=())  # one for each commit

    def touching(self, leg: int, path: str, lines: Sequence[str]) -> int:
        """How many later commits need one of the lines to be there."""
        wanted = {line for line in lines if telling(line)}
        later = (done[path] for done in self.touched[leg + 1 :] if path in done)
        return sum(not wanted.isdisjoint(one.before) for one in later)

    def using(self, names: set[str], less: Sequence[str]) -> set[str]:
        """Those of the names that lines of the series use, other than the lines in `less`."""
        found: set[str] = set()
        for done in self.touched:
            for one in done.values():
                for line in one.added:
                    if line not in less:
                        found |= names & set(_NAME.findall(blanked(line)))
        return found

    def lines_with(self, name: str) -> list[str]:
        """Upstream's new lines that hold a name."""
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        files = (one for done in self.touched for one in done.values())
        return [line for one in files for line in one.added if word.search(line)]


def later_of(git: Git, series: Sequence[Incoming]) -> Later:
    """Read the commits of a series once."""
    return Later(tuple(touched_by(git, one.parent, one.commit) for one in series))


def touched_by(git: Git, old: str, new: str) -> Mapping[str, Touched]:
    """What a commit does to each file, with one line of context."""
    return parse_hunks(git.diff(old, new, "-U1").decode("utf-8", "surrogateescape"))


# -- adapt


def adapt(result: Explained, item: Explanation, later: Later) -> Remedy:
    """Rewrite the incoming lines, by the rule that does it or one that would."""
    by = _settled_by(result, item)
    if by is not None and chosen_of(item, by) is Means.ADAPT:
        cost = {"lines": len(by.added)}
        if item.lack is not None:
            cost["names"] = _bridged_by(result, item)
        return Remedy(Means.ADAPT, cost, *_judged(result, item, by), True)
    if item.lack is not None:
        much = len(later.lines_with(item.lack.name))
        return Remedy(
            Means.ADAPT, {"at_most": much}, None, "the lines that use it; no rule rewrites them yet"
        )
    if by is not None:
        return Remedy(Means.ADAPT, {"at_most": len(by.dropped)}, None, "the rule goes another way")
    if "additive = " in item.skeleton and "at = " not in item.skeleton:
        why = "upstream's lines go in beside the target's; the rule below says so"
        return Remedy(Means.ADAPT, {"lines": 0}, True, why)
    much = len(item.added)
    return Remedy(Means.ADAPT, {"at_most": much}, None, "no rule is written yet")


def _settled_by(result: Explained, item: Explanation) -> Settled | None:
    """The rule of a place; for a name what the rule that bridges it did in that file."""
    if item.lack is None:
        return item.settled
    source = item.lack.source
    found = [o for o in result.items if o.settled and o.settled.rule.id == source]
    near = [other.settled for other in found if other.path == item.path]
    return next(iter([*near, *(other.settled for other in found)]), None)


def _bridged_by(result: Explained, item: Explanation) -> int:
    """How many names the rule that bridges this one bridges in the file."""
    assert item.lack is not None
    others = (other.lack for other in result.items if other.lack and other.path == item.path)
    return sum(other.source == item.lack.source for other in others)


def _judged(result: Explained, item: Explanation, by: Settled) -> tuple[bool, str]:
    against = [line for line in result.objections if line.startswith(f"{item.path}:")]
    if against:
        return False, f"rule {by.rule.id} does it, and a gate objects: {against[0]}"
    return True, f"rule {by.rule.id} does it, and the gates on the pick pass"


def chosen_of(item: Explanation, by: Settled | None) -> Means | None:
    """Which way the rule that is there goes."""
    if item.lack is not None and item.lack.by is By.COMMIT:
        return Means.TAKE
    if by is None:
        shim = item.lack is not None and item.lack.by is By.SHIM
        return Means.SHIM if shim else None
    if isinstance(by.rule.action, Shim) or (item.lack and item.lack.name in _defined(by.added)):
        return Means.SHIM
    return Means.DROP if by.dropped and not by.added else Means.ADAPT


# -- shim


def needs_of(git: Git, base: str, items: Sequence[Explanation]) -> dict[str, tuple[str, ...]]:
    """What upstream's definitions of lacking names themselves need and the target lacks."""
    steps: list[symbols.Step] = []
    wanted: list[str] = []
    for item in items:
        near = item.lack.nearest if item.lack else None
        if item.lack and near and near.whole and item.lack.name not in wanted:
            wanted.append(item.lack.name)
            text = "".join(near.lines).encode("utf-8", "surrogateescape")
            tree = git.edit_tree(base, {_SHIM: Entry(FILE_MODE, git.write_blob(text))})
            steps.append(symbols.Step(item.lack.name, tree, ""))
    missing = symbols.check(symbols.Request(git, base, tuple(steps))).missing if steps else ()
    return {
        name: tuple(dict.fromkeys(_shown(m) for m in missing if m.subject == name))
        for name in wanted
    }


def _shown(missing: symbols.Missing) -> str:
    return f".{missing.name}" if missing.kind is Kind.MEMBER else missing.name


def shim(result: Explained, item: Explanation, needs: Mapping[str, tuple[str, ...]]) -> Remedy:
    """Define the missing name as upstream does."""
    by = _settled_by(result, item)
    chosen = chosen_of(item, by) is Means.SHIM
    if by is not None and chosen:
        return Remedy(Means.SHIM, {"lines": len(by.added)}, *_judged(result, item, by), chosen)
    if item.lack is None:
        return Remedy(Means.SHIM, {}, False, "no name is missing here")
    near = item.lack.nearest
    if near is None:
        return Remedy(Means.SHIM, {}, None, "no line of upstream's looks like the definition")
    if not near.whole:
        member = item.lack.kind in {Kind.CONSTANT, Kind.MEMBER}
        kind = "is a member" if member else "only declares it"
        return Remedy(Means.SHIM, {"at_least": 1}, None, f"{near.place} {kind}, not a definition")
    lacking = needs.get(item.lack.name, ())
    cost = {"lines": len(near.lines), "needs": len(lacking)}
    if lacking:
        return Remedy(Means.SHIM, cost, False, f"the target lacks {', '.join(lacking)} as well")
    why = "upstream's definition uses no name and no member that the target lacks"
    if near.path.endswith(".c"):
        why += f"; it stands beside what it calls in {near.path}"
    return Remedy(Means.SHIM, cost, True, why, chosen)


# -- drop


def drop(result: Explained, item: Explanation, later: Later) -> Remedy:
    """Leave upstream's change out."""
    by = _settled_by(result, item)
    lines = _lost(item, by, later)
    used = later.using(_defined(lines), lines) if item.lack is None else set()
    count = later.touching(item.leg, item.path, lines)
    cost = {"lines": len(lines) + len(item.removed), "later": count, "used": len(used)}
    if by is not None and chosen_of(item, by) is Means.DROP:
        return Remedy(Means.DROP, cost, *_judged(result, item, by), True)
    if count:
        return Remedy(Means.DROP, cost, False, "later commits of the series change these lines")
    if used:
        shown = ", ".join(sorted(used)[:4])
        return Remedy(Means.DROP, cost, False, f"the series uses what they define: {shown}")
    return Remedy(Means.DROP, cost, None, "no gate tells whether the feature needs these lines")


def _defined(lines: Sequence[str]) -> set[str]:
    """The functions, types, macros and members that lines define or declare."""
    found = {item.name for item in outline(lines)}
    for line in lines:
        if line[:1].isspace() or line.startswith("#"):
            found |= set(defined_in(line, set(_NAME.findall(blanked(line)))))
        elif called := re.search(r"(\w+)\s*\(", line):
            found.add(called[1])
    return found


def _lost(item: Explanation, by: Settled | None, later: Later) -> Sequence[str]:
    if item.lack is not None:
        return later.lines_with(item.lack.name)
    if item.sort is Sort.CONFLICT or by is None:
        return item.added
    return by.dropped


# -- which


def advise(remedies: Sequence[Remedy]) -> Advice:
    """The cheapest that passes; what is unknown is said, and taken for no cheaper."""
    order = list(Means)
    fit = [r for r in remedies if r.passes and "lines" in r.cost]
    fit.sort(key=lambda r: (r.cost["lines"], not r.chosen, order.index(r.means)))
    unknown = [r for r in remedies if r.passes is None]
    if not fit:
        open_ = ", ".join(r.means for r in unknown)
        told = f"it cannot be told of {open_}" if open_ else "none does"
        return Advice(None, f"no way out passes what is checked here: {told}")
    best = fit[0]
    lines = best.cost["lines"]
    reason = f"{lines} line{'s' if lines != 1 else ''}, {best.why}"
    cheaper = [r.means for r in unknown if r.cost.get("lines", 0) < lines]
    if cheaper:
        reason += f"; whether {' or '.join(cheaper)} is cheaper cannot be told"
    return Advice(best.means, reason)
