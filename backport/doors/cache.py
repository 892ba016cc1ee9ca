"""Where things are kept between runs: `$BACKPORT_CACHE`, or the user's cache folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cache:
    """The cache folder; every path below it is made on first use by whoever writes there.

    `store.git`  bare object store of imported trees and picks
    `archive/`   apt state and downloaded packages      `kernels/` extracted kernel images
    `trees/`     checked-out results to build           `build/`   O= directories
    `donor/`     sliced selftests and their build       `guest/`   initramfs images, probe verdicts
    `runs/`      one folder a run, with its run.json
    """

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """`$BACKPORT_CACHE`, else `$XDG_CACHE_HOME/backport`, else `~/.cache/backport`."""
        named = os.environ.get("BACKPORT_CACHE")
        if named:
            return cls(Path(named).absolute())
        home = os.environ.get("XDG_CACHE_HOME")
        return cls((Path(home) if home else Path.home() / ".cache") / "backport")

    @property
    def store(self) -> Path:
        return self.root / "store.git"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def kernels(self) -> Path:
        return self.root / "kernels"

    @property
    def trees(self) -> Path:
        return self.root / "trees"

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def donor(self) -> Path:
        return self.root / "donor"

    @property
    def guest(self) -> Path:
        return self.root / "guest"

    @property
    def runs(self) -> Path:
        return self.root / "runs"
