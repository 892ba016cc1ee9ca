"""Reads names out of C lines: what a line uses, and which names a line defines.

It works line by line on text without comments and strings, so that macros cannot throw it off.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """As what a name is used."""

    CALL = "call"
    CONSTANT = "constant"
    TAG = "type"
    INCLUDE = "header"
    MEMBER = "member"
    OBJECT = "object"


@dataclass(frozen=True)
class Use:
    """A name in line `number` (from 1) of a file."""

    name: str
    kind: Kind
    number: int


_NOISE = re.compile(
    r"/\*.*?(?:\*/|\Z)|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL
)
_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
_CONDITION = re.compile(r"^\s*#\s*(?:if|elif|undef|error|warning|pragma|line)")
_TAG = re.compile(r"\b(?:struct|union|enum)\s+(\w+)")
# No member, and no half of a name that a macro pastes together.
_FREE = r"(?<![\w#.])(?<!->)(?<!-> )"
_CALL = re.compile(_FREE + r"([A-Za-z_]\w*)(?!\s*##)\s*\(")
_CAPS = re.compile(_FREE + r"([A-Z][A-Z0-9_]{2,})\b(?!\s*##)")
_MEMBERS = re.compile(r"(?:->|(?<=[\w\])])\.|(?<=[{,\t ])\.(?=\w+\s*=))\s*([A-Za-z_]\w*)")
_OBJECT = re.compile(r"(?<![\w&)\]]\s)(?<![\w&)\]])&([a-z_]\w*)\b(?!\s*(?:\(|->|\.|\[))")
_PARAMETERS = re.compile(r"^\s*#\s*define\s+\w+\(([^)]*)\)", re.MULTILINE)
_POINTER = re.compile(r"\(\s*\*\s*(?:const\s+)?(\w+)\s*(?:\[\w*\]\s*)?\)\s*\(")
_DECLARED = re.compile(r"\b(?!(?:return|goto|case|else|sizeof)\b)\w+\s+\**(\w+)\s*[;,=)]")
_WORD = re.compile(r"\w+")
_TAG_BODY = re.compile(
    r"\b(?:struct|union|enum)\s+(\w+)\s*(?:[{;]|$|__(?:packed|aligned|attribute))"
)
# One tab deep: what stands deeper is an argument on a line of its own.
_MEMBER = re.compile(r"^(?:\t| {2,4})(\w+)\s*(?:=[^;]*?)?,?\s*(?:/[*/].*)?$")
_FIELD = re.compile(
    r"^\s+(?!return\b|goto\b)(?:\w+[\s*]+)+(\w+)\s*(?:\[[^\]]*\]|:\s*\w+)?\s*[;,]"
    r"|^\s*\}\s*(\w+)\s*;|^\s+\w[\w\s*]*\(\s*\*\s*(\w+)\s*\)\s*\("
)
_MACRO = re.compile(r"^\s*#\s*define\s+(\w+)")

_AT_FILE_LEVEL = re.compile(r"[A-Za-z_]")
_PRIVATE = re.compile(r"static\s(?!.*\binline\b)")

_WORDS_OF_C = frozenset(
    """
    alignof asm auto break case char const continue default defined do double else enum extern
    float for goto if inline int long register restrict return short signed sizeof static struct
    switch typedef typeof union unsigned void volatile while
    _Alignof _Bool _Generic _Static_assert __VA_ARGS__ __VA_OPT__ __asm__ __attribute__
    __attribute __typeof__ __typeof __volatile__ __inline__ __extension__ __alignof__
    __FILE__ __LINE__ __func__ __COUNTER__ __has_attribute __has_builtin __has_include NULL
    """.split()  # noqa: SIM905 (a table of words)
)


def blanked(text: str) -> str:
    """The text without comments, strings and characters, each line where it was."""
    return _NOISE.sub(lambda found: " " + "\n" * found[0].count("\n"), text)


def uncommented(text: str) -> str:
    """The text without comments, each line where it was."""
    return _NOISE.sub(
        lambda found: found[0] if found[0][0] in "\"'" else " " + "\n" * found[0].count("\n"), text
    )


def uses(text: str, numbers: Collection[int]) -> Iterator[Use]:
    """What the lines of `numbers` use and did not themselves declare, in order, each once."""
    raw, plain = text.split("\n"), blanked(text)
    own = _locals(plain)
    seen: set[tuple[str, Kind]] = set()
    for number, line in enumerate(plain.split("\n"), 1):
        if number not in numbers:
            continue
        for name, kind in _in_line(raw[number - 1], line):
            strange = name not in own or kind in {Kind.TAG, Kind.INCLUDE}
            if strange and (name, kind) not in seen:
                seen.add((name, kind))
                yield Use(name, kind, number)


def included_in(line: str) -> str:
    """The header that a line includes, '' if it includes none."""
    found = _INCLUDE.match(line)
    return found[1] if found else ""


def _in_line(raw: str, line: str) -> Iterator[tuple[str, Kind]]:
    if header := included_in(raw):
        yield header, Kind.INCLUDE
        return
    if _CONDITION.match(line):
        return
    for name in _TAG.findall(line):
        yield name, Kind.TAG
    calls = [name for name in _CALL.findall(line) if _ordinary(name)]
    for name in calls:
        yield name, Kind.CALL
    for name in _CAPS.findall(line):
        if _ordinary(name) and name not in calls:
            yield name, Kind.CONSTANT
    for name in _MEMBERS.findall(line):
        yield name, Kind.MEMBER
    for name in _OBJECT.findall(line):
        yield name, Kind.OBJECT


def _ordinary(name: str) -> bool:
    return name not in _WORDS_OF_C and not name.startswith(("__builtin_", "CONFIG_"))


def _locals(plain: str) -> frozenset[str]:
    """Names that this file gives to variables, parameters and arguments of macros."""
    found = {word for text in _PARAMETERS.findall(plain) for word in _WORD.findall(text)}
    return frozenset(found | set(_POINTER.findall(plain)) | set(_DECLARED.findall(plain)))


def defined_in(line: str, names: Collection[str], *, private: bool = False) -> Iterator[str]:
    """The `names` that a line of C looks to define or declare.

    A function that is `static` in a source file counts only where it is `private` to the reader.
    """
    if found := _MACRO.match(line):
        if found[1] in names:
            yield found[1]
        return
    found_names = set(_TAG_BODY.findall(line))
    if found := _MEMBER.match(line):
        found_names.add(found[1])
    elif _AT_FILE_LEVEL.match(line) and (private or not _PRIVATE.match(line)):
        found_names |= set(_WORD.findall(line)) - set(_TAG.findall(line))
    yield from (name for name in found_names if name in names)


def fields_in(line: str) -> Iterator[str]:
    """The members (or variables) that a line inside of braces looks to declare."""
    if found := _FIELD.match(_NOISE.sub(" ", line)):
        yield from filter(None, found.groups())


def words_of(line: str, names: Set[str]) -> frozenset[str]:
    """The `names` that a line holds outside of comments and strings."""
    if line.lstrip().startswith(("*", "/*", "//")):
        return frozenset()
    return frozenset(_WORD.findall(_NOISE.sub(" ", line))) & names
