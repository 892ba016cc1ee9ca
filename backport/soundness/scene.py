"""One pick in all its files, and the two trees that its files see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from backport.soundness.files import File
from backport.soundness.headers import View
from backport.values.filecase import Around, Side


@dataclass(frozen=True)
class Scene:
    """What every look is given: the pick's files of C, and a look around its trees."""

    files: Sequence[File]
    around: Around

    @cached_property
    def target(self) -> View:
        """The target as the pick leaves it."""
        return View(self.around, Side.OURS, {one.path: one.landed.result for one in self.files})

    @cached_property
    def upstream(self) -> View:
        """Upstream's tree after its commit."""
        return View(self.around, Side.THEIRS)
