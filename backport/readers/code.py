"""A file as code, to compare one with another: depth, labels, functions."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from backport.readers.cparse import outline
from backport.readers.identifiers import blanked
from backport.values.csource import Lines, Span

_CLOSES = re.compile(r"[\s}]*")
_LABEL = re.compile(r"^([A-Za-z_]\w*):(?!:)", re.M)
_GOTO = re.compile(r"\bgoto\s+(\w+)")
ACCESS = re.compile(r"\b([A-Za-z_]\w*)(->|\.)(?=[A-Za-z_])")
_LOCAL = re.compile(
    r"^[ \t]+(?P<type>(?:(?:const|static|struct|union|enum|unsigned|volatile)\s+)*[A-Za-z_]\w*)"
    r"(?:\s+|\s*\*+)[\s*]*(?P<name>\w+)\s*(?:\[[^]\n]*\]\s*)*[=;,]"
)
_TAGS = frozenset(("struct", "union", "enum"))
_NO_TYPE = re.compile(r"\s*(?:return|goto|else|case|break|continue)\b")
# At the end of what stands before a function's name.
VOID = re.compile(r"\bvoid\s+(?:__\w+\s+)*$")


def accesses(text: str) -> Iterator[tuple[str, str]]:
    """Each name with `.` or `->` behind it, and that sign."""
    return ((named(found), found[2]) for found in ACCESS.finditer(text))


def named(found: re.Match[str]) -> str:
    """The name in front of a sign; that of a member with a dot, since it is no variable."""
    before = found.string[max(0, found.start() - 2) : found.start()]
    return f".{found[1]}" if before.endswith(".") or before == "->" else found[1]


def code_of(lines: Lines) -> Code:
    """A file as code; the sides of a merge are looked into once for all of its results."""
    return _read(tuple(lines))


@lru_cache(maxsize=8)
def _read(lines: tuple[str, ...]) -> Code:
    return Code(lines)


@dataclass(frozen=True)
class Local:
    """A variable that line `number` (from 0) of a file declares, the first one of that line; its
    type is with qualifiers and without stars."""

    name: str
    type: str
    number: int


@dataclass(frozen=True)
class Code:
    """A file without its comments and strings."""

    lines: Lines

    @cached_property
    def plain(self) -> list[str]:
        """Line by line."""
        return blanked("".join(self.lines)).split("\n")[: len(self.lines)]

    @cached_property
    def text(self) -> str:
        """In one piece."""
        return "\n".join(self.plain)

    @cached_property
    def depths(self) -> list[int]:
        """In how many blocks of its function each line stands; one that closes some is outside."""
        depth, found = 0, []
        for line in self.plain:
            if line.startswith("{"):
                depth = 0
            lead = _CLOSES.match(line)
            found.append(max(0, depth - (lead[0].count("}") if lead else 0)))
            depth = max(0, depth + line.count("{") - line.count("}"))
            if line.startswith("}"):
                depth = 0
        return found

    @cached_property
    def hollow(self) -> Counter[str]:
        """The lines that open a block with nothing in it."""
        full = [line.strip() for line in self.lines if line.strip()]
        pairs = itertools.pairwise(full)
        return Counter(one for one, next_ in pairs if one.endswith("{") and next_.startswith("}"))

    @cached_property
    def adrift(self) -> set[str]:
        """Labels that nothing leads to, and jumps that lead nowhere."""
        labels, jumps = set(_LABEL.findall(self.text)) - {"default"}, set(_GOTO.findall(self.text))
        return {f"label {name}" for name in labels - jumps} | {
            f"goto {name}" for name in jumps - labels
        }

    @cached_property
    def all_functions(self) -> Sequence[tuple[str, Span]]:
        """Each function with its lines, in order."""
        return [(one.name, one.span) for one in outline(self.lines) if one.kind == "function"]

    @cached_property
    def functions(self) -> Mapping[str, Span]:
        """The lines of each function, but of those that are there in several forms, by #if."""
        names = Counter(name for name, _ in self.all_functions)
        return {name: span for name, span in self.all_functions if names[name] == 1}

    def locals(self, span: Span) -> Iterator[Local]:
        """The variables that a function declares, in any block; parameters are none."""
        for number in range(*span):
            line = self.plain[number]
            found = None if _NO_TYPE.match(line) else _LOCAL.match(line)
            if found and found["type"] not in _TAGS:  # `struct room,` is an argument of a macro
                yield Local(found["name"], " ".join(found["type"].split()), number)

    @cached_property
    def void(self) -> frozenset[str]:
        """The functions that give nothing."""
        return frozenset(name for name, span in self.functions.items() if self._is_void(name, span))

    @cached_property
    def signs(self) -> Counter[tuple[str, str]]:
        """The names with `.` or `->` behind them, and how often."""
        return Counter(accesses(self.text))

    def _is_void(self, name: str, span: Span) -> bool:
        head = " ".join("\n".join(self.plain[slice(*span)]).partition("(")[0].split())
        return head.endswith(name) and VOID.search(head[: -len(name)]) is not None
