"""What kind of source a path on the command line is."""

from __future__ import annotations

from pathlib import Path

from backport.sources import localrepo, tarball
from backport.values.errors import UsageError
from backport.values.target import DirectorySource, LocalRepoSource, SourceSpec, TarballSource


def spec_from_path(path: Path, *, rev: str = "") -> SourceSpec:
    """A repository (or a folder inside one), a plain kernel tree, or a tarball.

    `rev` is for a repository, HEAD without one. Raises `UsageError` if nothing is there, or if a
    revision is given for something that has none.
    """
    here = path.expanduser().absolute()
    if not here.exists():
        raise UsageError(
            f"{path}: no such file or directory",
            hint="name a kernel tree, a git repository of one, or a tarball",
        )
    spec = _of_directory(here, rev) if here.is_dir() else _of_file(here)
    if rev and not isinstance(spec, LocalRepoSource):
        raise UsageError(f"{path}: is not a git repository, so it has no revision {rev!r}")
    return spec


def _of_directory(here: Path, rev: str) -> SourceSpec:
    top = localrepo.repository(here)
    # A kernel unpacked somewhere below an unrelated repository is a plain tree, unless asked.
    unpacked = top != here and (here / "Kconfig").is_file() and (here / "Makefile").is_file()
    if top is None or (unpacked and not rev):
        return DirectorySource(here)
    return LocalRepoSource(here, rev or "HEAD")


def _of_file(here: Path) -> SourceSpec:
    tarball.unpacker(here)
    return TarballSource(here)
