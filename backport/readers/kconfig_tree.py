"""Reads a tree's Kconfig files, as far as it takes to say why a symbol did not get its value.

This is no Kconfig implementation: `make olddefconfig` decides, this only explains. Macros such as
`$(cc-option,…)` are not evaluated; a condition that holds one counts as met.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Read = Callable[[str], str | None]  # a path below the tree's root → its text, None if absent

_ENTRY = re.compile(r"(?:menu)?config\s+(\w+)$")
_SOURCE = re.compile(r'(r|o|or)?source\s+"?([^"]+?)"?$')
_DEPENDS = re.compile(r"depends\s+on\s+(.+)$")
_SELECT = re.compile(r"select\s+(\w+)(?:\s+if\s+(.+))?$")
_PROMPT = re.compile(r"(?:bool|tristate|int|hex|string|prompt)\s+([\"']).*?\1(?:\s+if\s+(.+))?$")
_HELP = re.compile(r"(?:-+\s*)?help(?:\s*-+)?$")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_MAX_DEPTH = 32  # files that source each other; real trees nest below ten


@dataclass
class Definition:
    """One `config` block: where it is, what it needs, what it forces on, its choice if any."""

    symbol: str
    file: str
    line: int
    depends: list[str] = field(default_factory=list)
    selects: list[tuple[str, str]] = field(default_factory=list)  # (symbol, condition or "")
    prompts: list[str] = field(default_factory=list)  # the condition of each, "" for none
    choice: int = 0  # members of one choice share a number; 0 is none


@dataclass
class _Scope:
    """An open `if`, `menu` or `choice`, with the conditions that it puts on what is inside."""

    kind: str
    conditions: list[str]
    choice: int = 0


class _Walk:
    """Follows `source` from the root file and collects definitions."""

    def __init__(self, read: Read, variables: Mapping[str, str]) -> None:
        self.read = read
        self.variables = variables
        self.scopes: list[_Scope] = []
        self.found: dict[str, list[Definition]] = {}
        self.entry: Definition | None = None
        self.choices = 0

    def file(self, path: str, depth: int = 0) -> None:
        text = self.read(path)
        if text is None or depth > _MAX_DEPTH:
            return
        for number, line in statements(text):
            if not (self._block(line) or self._start(line, path, number)):
                source = _SOURCE.match(line)
                if source:
                    self.entry = None
                    self.file(self._sourced(path, source), depth + 1)
                else:
                    self._attribute(line)

    def _sourced(self, path: str, source: re.Match[str]) -> str:
        name = source[2]
        for key, value in self.variables.items():
            name = name.replace(f"$({key})", value)
        relative = (source[1] or "").endswith("r") and "/" in path
        return f"{path.rpartition('/')[0]}/{name}" if relative else name

    def _block(self, line: str) -> bool:
        """Open or close a scope."""
        word, _, rest = line.partition(" ")
        if word in ("endif", "endmenu", "endchoice"):
            if self.scopes:
                self.scopes.pop()
        elif word == "if":
            self.scopes.append(_Scope("if", [rest.strip()]))
        elif word == "menu":
            self.scopes.append(_Scope("menu", []))
        elif word == "choice":
            self.choices += 1
            self.scopes.append(_Scope("choice", [], self.choices))
        else:
            return False
        self.entry = None
        return True

    def _start(self, line: str, path: str, number: int) -> bool:
        """Start a `config` block; a `comment` is one that defines nothing."""
        found = _ENTRY.match(line)
        if not found:
            if line.startswith(("comment ", "mainmenu ")):
                self.entry = Definition("", path, number)
                return True
            return False
        outer = [c for scope in self.scopes for c in scope.conditions]
        choice = next((s.choice for s in reversed(self.scopes) if s.choice), 0)
        self.entry = Definition(found[1], path, number, outer, choice=choice)
        self.found.setdefault(found[1], []).append(self.entry)
        return True

    def _attribute(self, line: str) -> None:
        depends = _DEPENDS.match(line)
        if depends and self.entry is not None:
            self.entry.depends.append(depends[1])
        elif depends and self.scopes:
            self.scopes[-1].conditions.append(depends[1])
        elif self.entry is not None:
            select = _SELECT.match(line)
            if select:
                self.entry.selects.append((select[1], select[2] or ""))
            elif prompt := _PROMPT.match(line):
                self.entry.prompts.append(prompt[2] or "")


def definitions(
    read: Read, variables: Mapping[str, str], root: str = "Kconfig"
) -> dict[str, list[Definition]]:
    """Every symbol that the tree defines for these `variables` (e.g. {"SRCARCH": "x86"})."""
    walk = _Walk(read, variables)
    walk.file(root)
    return walk.found


def statements(text: str) -> Iterator[tuple[int, str]]:
    """The lines that mean something: (number from 1, text), joined, without comments and help."""
    held, start, help_indent = "", 0, -1
    for number, raw in enumerate(text.expandtabs().splitlines(), 1):
        indent = len(raw) - len(raw.lstrip())
        if help_indent >= 0 and not held:
            if not raw.strip() or indent >= help_indent > 0:
                continue
            if help_indent == 0 and indent > 0:
                help_indent = indent
                continue
            help_indent = -1
        start = start if held else number
        held += raw.strip() if _quoted_hash(raw) else _COMMENT.sub("", raw).strip()
        if held.endswith("\\"):
            held = held[:-1] + " "
            continue
        if _HELP.match(held):
            help_indent = 0
        elif held:
            yield start, " ".join(held.split())
        held = ""


def _quoted_hash(raw: str) -> bool:
    before, mark, _ = raw.partition("#")
    return bool(mark) and before.count('"') % 2 == 1
