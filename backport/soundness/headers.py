"""What a file sees through its includes: the headers that it names, those that they name, and on.

A header is looked for beside the file that includes it; then, in a kernel, in its usual roots, and
elsewhere anywhere in the tree by the end of its path. Where several fit, all are looked into, since
who builds decides which is meant.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from backport.values.filecase import Around, Side

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*([<"][^>"\n]+)[>"]', re.M)
_MOST = 2500  # headers behind one file; one that sees more is not to be told of
_FITS = 12  # files of one name
_KERNEL = "include/linux/kernel.h"
_ROOTS = ("include", "include/uapi", "arch/x86/include", "arch/x86/include/uapi")


@dataclass
class _Walk:
    """How far a walk from one file came: what it found, and of how many the includes are read."""

    found: list[str]
    known: set[str]
    opened: int = 0


@dataclass
class View:
    """One tree, in which some files are as a pick leaves them."""

    around: Around
    side: Side
    instead: Mapping[str, bytes | None] = field(default_factory=dict)
    _texts: dict[str, bytes] = field(default_factory=dict)
    _named: dict[str, Sequence[str]] = field(default_factory=dict)
    _walks: dict[str, _Walk] = field(default_factory=dict)

    def text(self, path: str) -> bytes:
        """The content of a file, empty where there is none."""
        if path not in self._texts:
            has = path in self.instead
            found = self.instead[path] if has else self.around.read(self.side, path)
            self._texts[path] = found or b""
        return self._texts[path]

    def seen(self, path: str) -> Iterator[str]:
        """A file and every header behind it, the nearest first; walked no farther than asked."""
        walk = self._walks.setdefault(path, _Walk([path], {path}))
        number = 0
        while number < len(walk.found):
            here = walk.found[number]
            yield here
            number += 1
            if number > walk.opened and len(walk.found) < _MOST:
                walk.opened = number
                new = [one for one in self._includes(here) if one not in walk.known]
                walk.found.extend(dict.fromkeys(new))
                walk.known.update(new)

    def _includes(self, path: str) -> Sequence[str]:
        if path not in self._named:
            names = (name.decode("utf-8", "replace") for name in _INCLUDE.findall(self.text(path)))
            self._named[path] = [one for name in names for one in self._places(path, name)]
        return self._named[path]

    def lacking(self, path: str, names: Collection[str]) -> frozenset[str]:
        """Those of `names` that no file that a file sees has; none if it sees too many."""
        left = set(names)
        for number, one in enumerate(self.seen(path), 1):
            if one != path:
                left -= {name for name in left if holds(self.text(one), name)}
            if not left or number >= _MOST:
                return frozenset()
        return frozenset(left)

    def homes(self, path: str, name: str) -> Iterator[str]:
        """The files that a file sees in which a name stands."""
        return (one for one in self.seen(path) if holds(self.text(one), name))

    def includes_alien(self, path: str, header: str) -> bool:
        """Whether any file that a file sees includes a header of that name, which is not in the
        tree."""
        if header in self._by_name:
            return False
        name = re.compile(rb"include[ \t]*[<\"](?:[^>\"\n]*/)?%b[>\"]" % re.escape(header.encode()))
        return any(name.search(self.text(one)) for one in self.seen(path))

    @cached_property
    def _is_kernel(self) -> bool:
        return bool(self.text(_KERNEL))

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for path in (*self.around.paths(self.side), *self.instead):
            if path.endswith(".h"):
                found.setdefault(posixpath.basename(path), []).append(path)
        return found

    def _places(self, here: str, name: str) -> Sequence[str]:
        quote, name = name[0], name[1:]
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(here), name))
        if quote == '"' and self.text(beside):
            return [beside]
        if self._is_kernel:
            tried = [f"{root}/{name}" for root in _ROOTS]
            tried += [f"include/asm-generic/{name[4:]}"] if name.startswith("asm/") else []
            return [path for path in tried if self.text(path)]
        end = f"/{name.removeprefix('./').removeprefix('../')}"
        fits = self._by_name.get(posixpath.basename(name), ())
        found = [path for path in fits if f"/{path}".endswith(end)]
        return found if len(found) <= _FITS else ()


def holds(text: bytes, name: str) -> bool:
    """Whether a name stands in a text as a word."""
    word = name.encode()
    return word in text and re.search(rb"\b%b\b" % re.escape(word), text) is not None
