"""The data files that a run read, kept in the store: a checkout's rules change, a run's do not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
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


def _paths(data: Path, series: str, target: str) -> list[str]:
    files = [*_files(data / "patches" / series, "**/*.toml"), *_files(data / "qemu", "*")]
    files += [*_files(data / "kconfig", "*.config"), *_files(data / "kconfig", "*.toml")]
    files.append(data / TARGETS / f"{target}.toml")
    return sorted(path.relative_to(data).as_posix() for path in files)


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """Regular files; what an editor hides beside them is none of ours."""
    return (p for p in folder.glob(pattern) if p.is_file() and not p.name.startswith("."))
