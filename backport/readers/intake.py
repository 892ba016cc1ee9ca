"""What a source tree may hold: safe paths, safe links, and a kernel at its root. No I/O."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from backport.values.errors import UsageError

REGULAR, PROGRAM, SYMLINK = "100644", "100755", "120000"

_NUMBERS = ("VERSION", "PATCHLEVEL", "SUBLEVEL")
_ASSIGNED = re.compile(rb"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*:?=[ \t]*(.*)$", re.M)


@dataclass(frozen=True)
class SourceFile:
    """One file of a source tree; `data` of a symlink is its target.

    `same_as` names an earlier file by its path: a hard link, kept as a file of its own.
    """

    path: str  # as written in the archive, undecodable bytes as surrogates
    mode: str  # REGULAR, PROGRAM or SYMLINK
    data: bytes = b""
    same_as: str = ""


def clean_path(path: str) -> str:
    """A path without a leading `./`; `UsageError` on one that could leave the tree or harm git."""
    if why := path_trouble(path):
        raise _refused(path, why)
    return _without_dot(path)


def path_trouble(path: str) -> str:
    """Why a path is none of a source tree, as the end of a sentence; empty if it is one."""
    name = _without_dot(path)
    parts = name.split("/")
    if path.startswith("/"):
        return "is an absolute path"
    if ".." in parts:
        return "leads out of the tree"
    if any(part.lower() == ".git" for part in parts):
        return "is inside a .git, which a source tree does not hold"
    return "is not a plain path" if "" in parts or "." in parts or "\0" in name else ""


def _without_dot(path: str) -> str:
    name = path
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


@dataclass
class Listing:
    """The files seen so far: path to (mode, mark), and where each symlink points."""

    source: str
    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def add(self, file: SourceFile, mark: int) -> None:
        """Take one file; `UsageError` if its path is unsafe or was there before."""
        path = clean_path(file.path)
        if path in self.files:
            raise _refused(path, f"is in {self.source} twice")
        self.files[path] = (file.mode, mark)
        if file.mode == SYMLINK:
            self.links[path] = file.data.decode("utf-8", "surrogateescape")

    def mark_of(self, file: SourceFile) -> int:
        """The mark of the file that a hard link names."""
        known = self.files.get(clean_path(file.same_as))
        if known is None or known[0] == SYMLINK:
            raise _refused(file.path, f"is a hard link to {file.same_as}, which is not before it")
        return known[1]

    def finished(self, *, strip: bool) -> dict[str, tuple[str, int]]:
        """All files, less the one top-level directory when `strip`; every link was checked."""
        cut = _top(self.files) if strip else 0
        files = {path[cut:]: value for path, value in self.files.items()}
        links = {path[cut:]: target for path, target in self.links.items()}
        check_parents(files)
        for path, target in links.items():
            check_link(path, target, links)
        return files


def _top(paths: Iterable[str]) -> int:
    """How many characters of every path are the one directory that all are in."""
    tops = {path.partition("/")[:2] for path in paths}
    if len(tops) != 1:
        return 0
    name, slash = tops.pop()
    return len(name) + 1 if slash else 0


def check_parents(files: Mapping[str, object]) -> None:
    """`UsageError` if a path runs through a symlink or a file."""
    directories = {posixpath.dirname(path) for path in files}
    parents = {above for directory in directories for above in _with_parents(directory)}
    for path in sorted(parents):
        if path in files:
            raise _refused(path, "is a file or a link, and other paths run through it")


def _with_parents(path: str) -> Iterator[str]:
    here = path
    while here:
        yield here
        here = posixpath.dirname(here)


def check_link(path: str, target: str, links: Mapping[str, str]) -> None:
    """`UsageError` if a symlink could point out of the tree, alone or through another link."""
    if not target or target.startswith("/") or "\0" in target:
        raise _refused(path, f"is a symlink to {target!r}, which is not inside the tree")
    here = posixpath.dirname(path)
    through = False  # once a link was followed, `..` no longer means what it says
    for part in target.split("/"):
        if part == ".." and (through or not here):
            raise _refused(path, f"is a symlink to {target}, which leads out of the tree")
        here = posixpath.normpath(posixpath.join(here, part))
        here = "" if here == "." else here
        through = through or here in links


def kernel_version(makefile: bytes | None, kconfig: bool, source: str) -> str:
    """What `make kernelversion` says, e.g. `6.1.192`; `UsageError` if this is no kernel's root."""
    found: dict[str, str] = {
        key.decode(): text.strip().decode() for key, text in _ASSIGNED.findall(makefile or b"")
    }
    if makefile is None:
        raise _no_kernel(source, "it has no Makefile at its top")
    if not kconfig:
        raise _no_kernel(source, "it has no Kconfig at its top")
    for key in _NUMBERS:
        if not found.get(key, "").isdigit():
            raise _no_kernel(source, f"its Makefile does not set {key} to a number")
    return ".".join(found[key] for key in _NUMBERS) + found.get("EXTRAVERSION", "")


def _no_kernel(source: str, why: str) -> UsageError:
    return UsageError(
        f"{source} is not a kernel tree: {why}",
        hint="name the top of a kernel source tree: it holds Makefile, Kconfig and net/",
    )


def _refused(path: str, why: str) -> UsageError:
    return UsageError(
        f"{path!r} {why}; nothing was imported",
        hint="import only trees that you trust; unpack this one by hand and look at it",
    )
