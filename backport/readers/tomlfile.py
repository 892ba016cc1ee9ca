"""Strict reading of TOML data files: every error carries file, line, key and what to do.

`load` gives a `Table`; readers take typed values out of it and call `done()`, which refuses every
key that nobody asked for. tomllib gives the values, a light scanner gives the lines they stand on.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from backport.values.errors import ManifestError, Place
from backport.values.version import Version

KeyPath = tuple[str | int, ...]
E = TypeVar("E", bound=StrEnum)

_TYPE_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    float: "a float",
    list: "an array",
    dict: "a table",
}
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def load(path: Path) -> Table:
    """Read a TOML file; an unreadable file or a syntax error is a `ManifestError`."""
    try:
        raw = path.read_bytes()
    except OSError as err:
        raise ManifestError(Place(str(path)), f"cannot be read ({err.strerror})") from err
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        line = raw.count(b"\n", 0, err.start) + 1
        hint = "save the file as UTF-8"
        raise ManifestError(Place(str(path), line), "is not UTF-8", hint=hint) from err
    return loads(text, str(path))


def loads(text: str, name: str) -> Table:
    """Read TOML text; `name` is what errors call the file."""
    text = text.replace("\r\n", "\n")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        found = _AT_LINE.search(str(err))
        line = int(found[1]) if found else text.count("\n") + 1
        reason = _AT_LINE.sub("", str(err)).strip()
        hint = "mend the TOML syntax on or just above that line"
        raise ManifestError(Place(name, line), reason, hint=hint) from err
    return Table(name, data, _Scanner(text).scan(), ())


class Table:
    """One TOML table: typed access by key, each value with the line it stands on.

    Accessors without a `default` demand the key. Child tables are checked by the root's `done()`.
    """

    def __init__(
        self, file: str, data: Mapping[str, Any], lines: Mapping[KeyPath, int], path: KeyPath
    ) -> None:
        self._file = file
        self._data = data
        self._lines = lines
        self._path = path
        self._known: set[str] = set()
        self._children: dict[KeyPath, Table] = {}

    # -- where things are

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are there, in file order."""
        return tuple(self._data)

    def has(self, key: str) -> bool:
        """Whether the key is there; asking makes it a known key."""
        self._known.add(key)
        return key in self._data

    def place(self, key: str = "", index: int | None = None) -> Place:
        """File, line and full name of this table, of one of its keys, or of an array's element."""
        path = (*self._path, key) if key else self._path
        if index is not None:
            path = (*path, index)
        return Place(self._file, self._line(path), _dotted(path))

    def error(
        self, key: str, message: str, *, hint: str = "", index: int | None = None
    ) -> ManifestError:
        """An error at a key (at the table itself with ""), for the caller to raise."""
        return ManifestError(self.place(key, index), message, hint=hint)

    # -- values

    def string(self, key: str, default: str | None = None) -> str:
        """A string; one without a default must not be empty."""
        value = self._typed(key, str, default)
        if default is None and not value.strip():
            raise self.error(key, "is empty", hint=f"give `{key}` a value")
        return str(value)

    def integer(self, key: str, default: int | None = None) -> int:
        """An integer."""
        return int(self._typed(key, int, default))

    def boolean(self, key: str, default: bool | None = None) -> bool:
        """`true` or `false`."""
        return bool(self._typed(key, bool, default))

    def day(self, key: str) -> date | None:
        """A date, written as one or as a string; None if the key is not there."""
        if not self.has(key):
            return None
        value = self._data[key]
        if type(value) is date:
            return value
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError) as err:
            hint = "write a date, e.g. 2027-03-31"
            raise self.error(key, f"{value!r} is not a date", hint=hint) from err

    def strings(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """An array of strings."""
        return tuple(self._array(key, str, default))

    def integers(self, key: str) -> tuple[int, ...]:
        """An array of integers."""
        return tuple(self._array(key, int, None))

    def string_map(self, key: str) -> dict[str, str]:
        """A table whose values are all strings; empty if the key is not there."""
        if not self.has(key):
            return {}
        child = self.table(key)
        return {name: child.string(name, "") for name in child.keys}

    def version(self, key: str, default: Version | None = None) -> Version:
        """A kernel version written as a string."""
        if default is not None and not self.has(key):
            return default
        try:
            return Version.parse(self.string(key))
        except ValueError as err:
            hint = 'write it as a string, e.g. "6.1", "5.15.16" or "6.7-rc3"'
            raise self.error(key, str(err), hint=hint) from err

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        """A string that is one of an enum's values."""
        if default is not None and not self.has(key):
            return default
        text = self.string(key)
        try:
            return kind(text)
        except ValueError as err:
            raise self.error(key, f"{text!r} is not known", hint=_suggest(text, kind)) from err

    def choices(self, key: str, kind: type[E], default: Sequence[E] | None = None) -> tuple[E, ...]:
        """An array of strings that are all values of an enum."""
        if default is not None and not self.has(key):
            return tuple(default)
        found: list[E] = []
        for i, text in enumerate(self.strings(key)):
            try:
                found.append(kind(text))
            except ValueError as err:
                hint = _suggest(text, kind)
                raise self.error(key, f"{text!r} is not known", hint=hint, index=i) from err
        return tuple(found)

    def table(self, key: str) -> Table:
        """A sub-table; it must be there (ask `has` first where it need not)."""
        return self._child((key,), self._typed(key, dict, None))

    def tables(self, key: str, *, required: bool = False) -> tuple[Table, ...]:
        """An array of tables (`[[key]]`); without it empty, or an error when `required`."""
        rows = self._array(key, dict, None if required else ())
        return tuple(self._child((key, i), row) for i, row in enumerate(rows))

    def done(self) -> None:
        """Refuse keys that were never asked for, here and in every child table."""
        for key in self._data:
            if key not in self._known:
                raise self.error(key, "unknown key", hint=_suggest(key, sorted(self._known)))
        for child in self._children.values():
            child.done()

    # -- inside

    def _line(self, path: KeyPath) -> int:
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 0

    def _child(self, path: KeyPath, data: Mapping[str, Any]) -> Table:
        if path not in self._children:
            full = (*self._path, *path)
            self._children[path] = Table(self._file, data, self._lines, full)
        return self._children[path]

    def _typed(self, key: str, kind: type, default: Any) -> Any:  # noqa: ANN401 (TOML's values)
        if self.has(key):
            value = self._data[key]
            self._check(value, kind, key)
            return value
        if default is not None:
            return default
        hint = f"add `{key} = ...` ({_TYPE_NAMES[kind]})"
        near = difflib.get_close_matches(key, [k for k in self._data if k not in self._known], n=1)
        if near:
            hint += f", or did you mean it by `{near[0]}`?"
        place = self.place(near[0] if near else "")
        raise ManifestError(place, f"the key `{key}` is missing", hint=hint)

    def _array(self, key: str, kind: type, default: Sequence[Any] | None) -> Sequence[Any]:
        values: Sequence[Any] = self._typed(key, list, None if default is None else list(default))
        for i, value in enumerate(values):
            self._check(value, kind, key, i)
        return values

    def _check(self, value: object, kind: type, key: str, index: int | None = None) -> None:
        if type(value) is not kind:  # a bool is no int here
            got = _TYPE_NAMES.get(type(value), "a date or time")
            message = f"must be {_TYPE_NAMES[kind]}, is {got}"
            raise self.error(key, message, hint=f"write {_TYPE_NAMES[kind]}", index=index)


def _dotted(path: KeyPath) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _suggest(word: str, known: Sequence[str] | type[StrEnum]) -> str:
    words = [str(w) for w in known]
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return "known here: " + ", ".join(words) if words else "no keys are known here"


class _Scanner:
    """Finds the line of every key and array element of text that tomllib has accepted."""

    _BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
    _KEY = re.compile(r'[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'')
    _STRING = re.compile(
        r'"""(?:\\.|[^\\])*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
        re.S,
    )
    _SCALAR = re.compile(r"[^,\]}\n#]+")

    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0
        self._newlines = [i for i, c in enumerate(text) if c == "\n"]
        self._lines: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}  # index of the newest element of each [[array]]

    def scan(self) -> dict[KeyPath, int]:
        """Every known position, by path; paths through `[[arrays]]` hold the element's index."""
        prefix: KeyPath = ()
        while self._skip_blank():
            if self._peek() == "[":
                prefix = self._header()
            else:
                self._pair(prefix)
        return self._lines

    def _header(self) -> KeyPath:
        double = self._text.startswith("[[", self._pos)
        self._pos += 2 if double else 1
        line = self._here()
        *above, last = self._dotted_key()
        self._pos = self._text.index("]", self._pos) + (2 if double else 1)
        path: KeyPath = ()
        for key in above:
            path = self._enter((*path, key))
        path = (*path, last)
        if not double:
            self._lines[path] = line
            return path
        self._lines.setdefault(path, line)
        self._arrays[path] = self._arrays.get(path, -1) + 1
        path = self._enter(path)
        self._lines[path] = line
        return path

    def _enter(self, path: KeyPath) -> KeyPath:
        return (*path, self._arrays[path]) if path in self._arrays else path

    def _pair(self, prefix: KeyPath) -> None:
        line = self._here()
        path = prefix
        for key in self._dotted_key():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._pos = self._text.index("=", self._pos) + 1
        self._value(path)

    def _dotted_key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip_blank()
            found = self._KEY.match(self._text, self._pos)
            assert found is not None
            self._pos = found.end()
            keys.append(_unquote(found[0]))
            self._skip_blank()
            if self._peek() != ".":
                return keys
            self._pos += 1

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        opener = self._peek()
        if opener == "[":
            self._items("]", path)
        elif opener == "{":
            self._items("}", path)
        else:
            form = self._STRING if opener in "\"'" else self._SCALAR
            found = form.match(self._text, self._pos)
            assert found is not None
            self._pos = found.end()

    def _items(self, closer: str, path: KeyPath) -> None:
        self._pos += 1
        index = 0
        while self._skip_blank() and self._peek() != closer:
            if closer == "}":
                self._pair(path)
            else:
                self._lines[(*path, index)] = self._here()
                self._value((*path, index))
                index += 1
            self._skip_blank()
            self._pos += self._peek() == ","
        self._pos += 1

    def _skip_blank(self) -> bool:
        found = self._BLANK.match(self._text, self._pos)
        assert found is not None
        self._pos = found.end()
        return self._pos < len(self._text)

    def _peek(self) -> str:
        return self._text[self._pos : self._pos + 1]

    def _here(self) -> int:
        return bisect_right(self._newlines, self._pos - 1) + 1


def _unquote(key: str) -> str:
    if key[0] in "\"'":
        return next(iter(tomllib.loads(f"{key} = 0")))
    return key
