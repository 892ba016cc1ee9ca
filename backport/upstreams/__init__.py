"""Where a series' commits come from: one Protocol, one literal registry of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backport.doors.git import Git
from backport.upstreams.gitrepo import GitUpstream
from backport.upstreams.mbox import MboxUpstream
from backport.values.commit import Incoming
from backport.values.events import Emit
from backport.values.series import Series


class Upstream(Protocol):
    """A source of upstream commits."""

    def commits(self, series: Series, emit: Emit) -> tuple[Incoming, ...]:
        """The picked commits of a series, in its order, in the store."""

    def describe(self) -> str:
        """What and where, on one line for a person."""


@dataclass(frozen=True)
class Request:
    """What any kind may need to open: `base` is a tree-ish of the store, `cache` a folder."""

    store: Git
    cache: Path
    locations: tuple[str, ...] = ()  # paths or URLs, in the order to ask; empty: the defaults
    base: str = ""


UPSTREAMS: Mapping[str, Callable[[Request], Upstream]] = {
    "git": lambda request: GitUpstream(request.store, request.cache, request.locations),
    "mbox": lambda request: MboxUpstream(request.store, request.locations, request.base),
}
