"""The data files that a run read, kept in the store: a checkout's rules change, a run's do not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from backport.doors.git import FILE_MODE, Entry, Git

KEEP = "refs/backport/inputs"
TARGETS = "patches/targets"


def gather_inputs(data: Path, series: str, target: str) -> dict[str, bytes]:
    """What a run of `series` on `target` reads below `data`, by path."""
    return {path: (data / path).read_bytes() for path in _paths(data, series, target)}


def keep_inputs(git: Git, files: Mapping[str, bytes]) -> str:
    """The tree of these files, written if it is new."""
    tree = tree_id(files)
    ref = f"{KEEP}/{tree}"
    if git.resolve(f"{ref}^{{tree}}") is None:
        entries = {path: Entry(FILE_MODE, git.write_blob(data)) for path, data in files.items()}
        git.run("update-ref", ref, git.edit_tree("", entries))
    return tree


def read_inputs(git: Git, tree: str) -> dict[str, bytes]:
    """The files of a kept tree, by their paths below the data folder."""
    return {path: git.blob(entry.oid) for path, entry in git.entries(tree).items()}


def tree_id(files: Mapping[str, bytes]) -> str:
    """The id that git gives a tree of these files, without git."""
    rows: dict[str, tuple[str, str]] = {}  # by name; git sorts a folder as if a slash ended it
    below: dict[str, dict[str, bytes]] = {}
    for path, data in files.items():
        head, _, rest = path.partition("/")
        if rest:
            below.setdefault(head, {})[rest] = data
        else:
            rows[head] = ("100644", _object_id("blob", data))
    rows |= {f"{name}/": ("40000", tree_id(inner)) for name, inner in below.items()}
    parts = [f"{mode} {name.rstrip('/')}\0".encode() + bytes.fromhex(oid)
             for name, (mode, oid) in sorted(rows.items())]  # fmt: skip
    return _object_id("tree", b"".join(parts))


def _object_id(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def _paths(data: Path, series: str, target: str) -> list[str]:
    files = [*_files(data / "patches" / series, "**/*.toml"), *_files(data / "qemu", "*")]
    files += [*_files(data / "kconfig", "*.config"), *_files(data / "kconfig", "*.toml")]
    files.append(data / TARGETS / f"{target}.toml")
    return sorted(path.relative_to(data).as_posix() for path in files)


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """Regular files; what an editor hides beside them is none of ours."""
    return (p for p in folder.glob(pattern) if p.is_file() and not p.name.startswith("."))
