"""A target: one tree to port to, and the kinds of place that its base can come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from backport.values.version import Version


@dataclass(frozen=True)
class DebianSource:
    """A kernel source package of a Debian suite, e.g. `linux-source-6.1` of bookworm."""

    package: str
    suites: tuple[str, ...]  # e.g. ("bookworm", "bookworm-security")


@dataclass(frozen=True)
class GitSource:
    """A ref of a remote repository; only that commit is fetched."""

    url: str
    ref: str


@dataclass(frozen=True)
class LocalRepoSource:
    """A revision of a repository on this machine."""

    path: Path
    rev: str = "HEAD"


@dataclass(frozen=True)
class DirectorySource:
    """A plain directory that holds a kernel tree."""

    path: Path


@dataclass(frozen=True)
class TarballSource:
    """A tarball on this machine; `sha256` is 64 hex digits, or empty when the user gave none."""

    path: Path
    sha256: str = ""


SourceSpec = DebianSource | GitSource | LocalRepoSource | DirectorySource | TarballSource


@dataclass(frozen=True)
class ControlKernel:
    """A packaged kernel that shows that the harness can pass, or can fail.

    `package` is a Debian binary package (a meta package is followed to the image it depends on).
    """

    name: str  # "base" (the feature must be absent) or "donor" (all must pass)
    package: str
    suites: tuple[str, ...]
    modules: tuple[str, ...] = ()  # modules the suites need loaded, in order


@dataclass(frozen=True)
class Target:
    """One row of patches/targets/*.toml."""

    name: str
    version: Version
    source: SourceSpec
    arch: str = "x86_64"
    fragments: tuple[str, ...] = ()  # names below kconfig/, later ones win
    make_variables: Mapping[str, str] = field(default_factory=dict)  # e.g. {"WERROR": "0"}
    controls: tuple[ControlKernel, ...] = ()

    def in_flavour(self, flavour: Flavour | None) -> Target:
        """The target with a flavour's fragments over its own; itself for None."""
        if flavour is None:
            return self
        return replace(self, fragments=(*self.fragments, *flavour.fragments))


@dataclass(frozen=True)
class Flavour:
    """One row of kconfig/flavours.toml: another way to build and boot the kernel of a target.

    `memory` is the guest's, in MiB; a guest may take `patience` times as long as others.
    """

    name: str
    fragments: tuple[str, ...]  # over the target's
    memory: int
    patience: int


@dataclass(frozen=True)
class Tree:
    """An imported source tree in the store."""

    commit: str
    tree: str
    version: str  # the tree's own Makefile version, e.g. "6.1.192"
    label: str  # e.g. "linux-source-6.1 6.1.192-2"
    source: str  # where it came from, for a person: package, URL or path
    sha256: str = ""  # of the archive, when there was one
