"""Reader of rule files: `patches/<series>/rules/*.toml`, in name order, rules in file order."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from backport.readers.tomlfile import Table, load, loads
from backport.values.csource import split_text
from backport.values.errors import Place, RuleError
from backport.values.rule import (
    Absent,
    Action,
    Additive,
    At,
    Edit,
    Grain,
    Insert,
    Pin,
    Present,
    Question,
    Remove,
    Rewrite,
    Rule,
    Shim,
    Side,
    Substitution,
    Take,
    Verbatim,
)
from backport.values.version import Range


def read_rules(folder: Path) -> tuple[Rule, ...]:
    """All rules of a series; a mistake or a doubled id is a `ManifestError` at its place."""
    rules: list[Rule] = []
    seen: dict[str, Place] = {}
    for path in sorted(folder.glob("*.toml")):
        for rule in _read_file(path):
            if rule.id in seen:
                raise RuleError(rule.place, f"rule {rule.id} is already at {seen[rule.id]}")
            seen[rule.id] = rule.place
            rules.append(rule)
    return tuple(rules)


def parse_rules(text: str, name: str) -> tuple[Rule, ...]:
    """The rules of a file's text, as it would be read under that name."""
    return tuple(_read(loads(text, name)))


def _read_file(path: Path) -> list[Rule]:
    return _read(load(path))


def _read(table: Table) -> list[Rule]:
    cause = table.string("cause")
    rules = [_rule(row, cause) for row in table.tables("rule", required=True)]
    table.done()
    return rules


def _rule(row: Table, cause: str) -> Rule:
    return Rule(
        id=_id(row),
        place=row.place(),
        cause=cause,
        why=" ".join(row.string("why").split()),
        commits=_commits(row),
        paths=_paths(row),
        action=_action(row),
        within=row.string("within") if row.has("within") else "",
        has=regex(row, "has"),
        count=at_least_none(row, "count", 1),
        targets=_range(row),
        when=tuple(read_question(sub) for sub in row.tables("when")),
    )


def _id(row: Table) -> str:
    text = row.string("id")
    if not re.fullmatch(r"[\w.-]+", text):  # a trailer of the picked commit holds it
        hint = "use letters, digits and dashes"
        raise row.error("id", f"{text!r} is not one word", hint=hint)
    return text


def _commits(row: Table) -> tuple[str, ...]:
    commits = some(row, "commits")
    for index, sha in enumerate(commits):
        if not re.fullmatch(r"[0-9a-f]{12,40}", sha):
            hint = "give at least 12 hex digits"
            raise row.error("commits", f"{sha!r} is no commit id", hint=hint, index=index)
    return commits


def _paths(row: Table) -> tuple[str, ...]:
    if row.has("path") == row.has("paths"):
        raise row.error("path", "wants one of `path` and `paths`")
    return (row.string("path"),) if row.has("path") else some(row, "paths")


def _action(row: Table) -> Action:
    chosen = [name for name in _ACTIONS if row.has(name)]
    if len(chosen) != 1:
        hint = "known: " + ", ".join(_ACTIONS)
        raise row.error("", f"a rule has exactly one action, this has {len(chosen)}", hint=hint)
    for key, actions in _MEANT_FOR.items():
        if row.has(key) and chosen[0] not in actions:
            hint = f"it is for {', '.join(actions)}"
            raise row.error(key, f"says nothing with `{chosen[0]}`", hint=hint)
    return _ACTIONS[chosen[0]](row)


def _additive(row: Table) -> Action:
    return Additive(row.choice("additive", Grain), row.choice("at", At, At.UNSAID))


def _take(row: Table) -> Action:
    then = tuple(_substitution(sub) for sub in row.tables("then"))
    side, imports = row.choice("take", Side), at_least_none(row, "imports", 0)
    if imports and side is Side.OURS:
        raise row.error("imports", 'says nothing with `take = "ours"`', hint="leave it out")
    return Take(side, then, imports)


def _verbatim(row: Table) -> Action:
    sub = row.table("verbatim")
    sides = sub.string("sides")
    if not re.fullmatch(r"[0-9a-f]{12}", sides):
        hint = "`backport learn` writes it: 12 hex digits that stand for the conflict"
        raise sub.error("sides", f"{sides!r} is no digest", hint=hint)
    return Verbatim(sides, tuple(split_text(sub.string("lines", ""))))


def _pin(row: Table) -> Action:
    members = row.table("pin")
    if not members.keys:
        raise row.error("pin", "names no member")
    return Pin(tuple((name, members.integer(name)) for name in members.keys))


def _insert(row: Table) -> Action:
    sub = row.table("insert")
    if sub.has("after") == sub.has("before"):
        raise sub.error("", "wants one of `after` and `before`")
    key = "before" if sub.has("before") else "after"
    return Insert(regex(sub, key, required=True), _lines(sub), before=key == "before")


def _shim(row: Table) -> Action:
    sub = row.table("shim")
    return Shim(sub.string("symbol"), regex(sub, "after", required=True), _lines(sub))


def _rewrite(row: Table) -> Action:
    changes = tuple(_substitution(sub) for sub in row.tables("rewrite"))
    if not changes:
        raise row.error("rewrite", "names no substitution")
    return Rewrite(changes)


_ACTIONS: dict[str, Callable[[Table], Action]] = {
    "absent": lambda row: Absent(row.string("absent")),
    "additive": _additive,
    "take": _take,
    "verbatim": _verbatim,
    "rewrite": _rewrite,
    "pin": _pin,
    "present": lambda row: Present(_word(row, "present")),
    "edit": lambda row: Edit(_substitution(row.table("edit"))),
    "insert": _insert,
    "remove": lambda row: Remove(row.string("remove")),
    "shim": _shim,
}
_ON_CONFLICTS = ("additive", "take")
_MEANT_FOR = {
    "has": _ON_CONFLICTS,
    "within": (*_ON_CONFLICTS, "rewrite", "pin", "edit", "insert"),
    "count": tuple(
        name for name in _ACTIONS if name not in {"pin", "absent", "present", "verbatim"}
    ),
}


def _substitution(table: Table) -> Substitution:
    pattern, by = regex(table, "find", required=True), table.string("replace", "")
    try:
        re.sub(f"{pattern}\n|", by, "")  # matches the empty text, so that `by` is read
    except (re.error, IndexError) as err:
        raise table.error("replace", f"does not fit `find`: {err}") from err
    return Substitution(pattern, by)


def _lines(table: Table) -> tuple[str, ...]:
    text = table.string("lines")
    return tuple(split_text(text if text.endswith("\n") else f"{text}\n"))


def read_question(table: Table) -> Question:
    """A question to a tree, or to a commit that is picked onto it."""
    if table.has("defined") == table.has("undefined"):
        raise table.error("", "wants one of `defined` and `undefined`")
    if table.has("in") == table.has("upstream"):
        raise table.error("", "wants one of `in` and `upstream`")
    key = "defined" if table.has("defined") else "undefined"
    where = "upstream" if table.has("upstream") else "in"
    return Question(_word(table, key), table.string(where), key == "defined", where == "upstream")


def _word(table: Table, key: str) -> str:
    symbol = table.string(key)
    if not re.fullmatch(r"\w+", symbol):
        raise table.error(key, f"{symbol!r} is not one word", hint="name a symbol of that file")
    return symbol


def _range(row: Table) -> Range:
    since = row.version("since") if row.has("since") else None
    until = row.version("until") if row.has("until") else None
    if since and until and not since < until:
        raise row.error("until", f"{until} is not after {since}")
    return Range(since, until)


def some(table: Table, key: str) -> tuple[str, ...]:
    """An array of strings that holds at least one."""
    values = table.strings(key)
    if not values or not all(values):
        raise table.error(key, "is empty", hint=f"give `{key}` a value")
    return values


def at_least_none(table: Table, key: str, default: int) -> int:
    """A number of places: 0 (any number but none) or more."""
    number = table.integer(key, default)
    if number < 0:
        raise table.error(key, f"{number} is no number of places")
    return number


def regex(table: Table, key: str, *, required: bool = False) -> str:
    """A regular expression under `key`; '' if it is not there and need not be."""
    if not required and not table.has(key):
        return ""
    text = table.string(key)
    try:
        re.compile(text, re.M)
    except re.error as err:
        raise table.error(key, f"is not a regular expression: {err}") from err
    return text
