"""The data files that a run read, kept in the store: a checkout's rules change, a run's do not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from backport.doors.git import FILE_MODE, Entry, Git

KEEP = "refs/backport/inputs"
TARGETS = "patches/targets"


def keep_inputs(git: Git, data: Path, series: str, target: str) -> str:
    """The tree of what a run of `series` on `target` reads below `data`, written if it is new."""
    found = {path: (data / path).read_bytes() for path in _paths(data, series, target)}
    digest = hashlib.sha256()
    for path, text in found.items():
        digest.update(f"{len(path)} {path} {len(text)} ".encode() + text)
    ref = f"{KEEP}/{digest.hexdigest()[:24]}"
    known = git.resolve(f"{ref}^{{tree}}")
    if known is not None:
        return known
    entries = {path: Entry(FILE_MODE, git.write_blob(text)) for path, text in found.items()}
    tree = git.edit_tree("", entries)
    git.run("update-ref", ref, tree)  # the same content always: nobody can be overtaken
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
