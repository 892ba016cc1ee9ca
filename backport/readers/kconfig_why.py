"""Says why a symbol did not get the value that a fragment asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from backport.readers.kconfig import NOT_SET, Lost
from backport.readers.kconfig_tree import Definition

_LEVEL = {"n": 0, "m": 1, "y": 2}
_TOKEN = re.compile(
    r'\s*(\$\([^()]*(?:\([^()]*\)[^()]*)*\)|"[^"]*"|&&|\|\||!=|<=|>=|[!()=<>]|[\w.-]+)'
)
_MET = 2


class _Expression:
    """Evaluates one Kconfig condition against a configuration: 0 is n, 1 is m, 2 is y."""

    def __init__(self, text: str, config: Mapping[str, str]) -> None:
        self.tokens = [*_TOKEN.findall(text), ""]
        self.config = config
        self.at = 0

    def value(self) -> int:
        return self._or()

    def _take(self) -> str:
        token: str = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def _or(self) -> int:
        value = self._and()
        while self.tokens[self.at] == "||":
            self._take()
            value = max(value, self._and())
        return value

    def _and(self) -> int:
        value = self._not()
        while self.tokens[self.at] == "&&":
            self._take()
            value = min(value, self._not())
        return value

    def _not(self) -> int:
        token = self._take()
        if token == "!":
            return _MET - self._not()
        if token == "(":
            value = self._or()
            self._take()
            return value
        if self.tokens[self.at] in ("=", "!="):
            equal = self._take() == "="
            return _MET * ((self._text(token) == self._text(self._take())) is equal)
        if self.tokens[self.at] in ("<", ">", "<=", ">="):
            self._take()
            self._take()
            return _MET  # a comparison of numbers, e.g. of compiler versions: not evaluated
        return _MET if token.startswith("$(") else _LEVEL.get(self._text(token), 0)

    def _text(self, token: str) -> str:
        if token in _LEVEL or token.startswith('"') or token.isdigit():
            return token.strip('"')
        return self.config.get(token, NOT_SET).strip('"')


def evaluate(condition: str, config: Mapping[str, str]) -> int:
    """What a condition comes to: 0, 1 or 2 for n, m, y; macros count as y."""
    return _Expression(condition, config).value()


def unmet(conditions: Sequence[str], config: Mapping[str, str]) -> tuple[str, ...]:
    """The parts, cut at each outer `&&`, of conditions that come to n."""
    parts = (part for condition in conditions for part in conjuncts(condition))
    return tuple(dict.fromkeys(part for part in parts if not evaluate(part, config)))


def conjuncts(condition: str) -> list[str]:
    """`A && (B || C)` as [`A`, `(B || C)`]; a condition with an outer `||` stays whole."""
    parts, depth = [""], 0
    for token in _TOKEN.findall(condition):
        depth += (token == "(") - (token == ")")
        if depth == 0 and token == "||":
            return [condition.strip()]
        if depth == 0 and token == "&&":
            parts.append("")
        else:
            glue = "" if parts[-1] in ("", "!", "(") or parts[-1].endswith(("!", "(")) else " "
            parts[-1] += f"{'' if token == ')' else glue}{token}"
    return parts


def reason(loss: Lost, tree: Mapping[str, Sequence[Definition]], config: Mapping[str, str]) -> str:
    """One clause for a person: why `loss` happened, as far as the Kconfig files tell."""
    found = tree.get(loss.symbol, ())
    if not found:
        return "not defined in this tree"
    if loss.wanted.value == NOT_SET:
        return _forced(loss.symbol, tree, config)
    missing = [unmet(one.depends, config) for one in found]
    if all(missing):
        first = min(missing, key=len)
        return "depends on " + ", ".join(_with_values(part, config) for part in first)
    return _not_free(loss.symbol, found, tree, config)


def _forced(
    symbol: str, tree: Mapping[str, Sequence[Definition]], config: Mapping[str, str]
) -> str:
    by = [
        name
        for name, found in tree.items()
        if config.get(name, NOT_SET) != NOT_SET
        and any(_selects(one, symbol, config) for one in found)
    ]
    if by:
        return f"selected by {', '.join(sorted(by))}"
    return _not_free(symbol, tree[symbol], tree, config)


def _selects(one: Definition, symbol: str, config: Mapping[str, str]) -> bool:
    return any(
        target == symbol and (not condition or evaluate(condition, config) > 0)
        for target, condition in one.selects
    )


def _not_free(
    symbol: str,
    found: Sequence[Definition],
    tree: Mapping[str, Sequence[Definition]],
    config: Mapping[str, str],
) -> str:
    prompts = [condition for one in found for condition in one.prompts]
    if not prompts:
        return "has no prompt: only a default or a select sets it"
    if all(condition and not evaluate(condition, config) for condition in prompts):
        return f"can be chosen only if {_with_values(prompts[0], config)}"
    choices = {one.choice for one in found if one.choice}
    for name, others in tree.items():
        same = any(other.choice in choices for other in others)
        if same and name != symbol and config.get(name) == "y":
            return f"the choice went to {name}"
    place = f"{found[0].file}:{found[0].line}"
    return f"its conditions look met: see {place} and the defaults there"


def _with_values(part: str, config: Mapping[str, str]) -> str:
    names = [t for t in _TOKEN.findall(part) if re.fullmatch(r"[A-Z]\w*", t)]
    values = ", ".join(f"{name} is {config.get(name, 'absent')}" for name in dict.fromkeys(names))
    return f"{part} ({values})" if values else part
