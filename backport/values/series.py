"""A series: the ordered upstream commits that make one feature, and what was left out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from backport.values.errors import ManifestError, Place
from backport.values.version import Version


class Role(StrEnum):
    """What a commit is to the feature."""

    PREREQUISITE = "prerequisite"
    CORE = "core"
    FIX = "fix"
    UAPI = "uapi"
    LIBBPF = "libbpf"
    BPFTOOL = "bpftool"
    SELFTEST = "selftest"


@dataclass(frozen=True)
class SeriesCommit:
    """One upstream commit of a series.

    `fixes` are full SHAs of earlier commits of the same series; `fixes_outside` are commits (12 to
    40 hex digits) that were in mainline before the series and are not part of it.
    """

    sha: str  # 40 hex digits
    subject: str
    first_in: Version  # first mainline release that has it
    role: Role
    fixes: tuple[str, ...] = ()
    fixes_outside: tuple[str, ...] = ()
    place: Place = field(default=Place("series"), compare=False)  # the row, for errors


@dataclass(frozen=True)
class LeftOut:
    """An upstream commit that belongs to the feature and is not taken, and why not."""

    sha: str
    subject: str
    reason: str
    place: Place = field(default=Place("series"), compare=False)


@dataclass(frozen=True)
class Variant:
    """Another configuration in which what the series touches must compile, and why that one."""

    name: str
    fragments: tuple[str, ...]  # below kconfig/, over the target's
    why: str


@dataclass(frozen=True)
class Series:
    """A feature as upstream made it; commits stand in upstream's order.

    Commits whose role is in `pick` go into the target kernel. Those in `donor` are served by the
    newer tree that the tests are built from, for the reason in `donor_reason`.
    """

    name: str
    title: str
    commits: tuple[SeriesCommit, ...]
    left_out: tuple[LeftOut, ...] = ()
    suites: tuple[str, ...] = ()  # test_progs suites that prove the feature
    pick: tuple[Role, ...] = (Role.PREREQUISITE, Role.CORE, Role.FIX, Role.UAPI)
    donor: tuple[Role, ...] = (Role.LIBBPF, Role.BPFTOOL, Role.SELFTEST)
    donor_reason: str = ""
    variants: tuple[Variant, ...] = ()
    checks: tuple[str, ...] = ()  # C files of qemu/, without the ending: suites of our own

    @property
    def picked(self) -> tuple[SeriesCommit, ...]:
        """The commits that go into the target kernel, in order."""
        return tuple(c for c in self.commits if c.role in self.pick)

    @property
    def served(self) -> tuple[SeriesCommit, ...]:
        """The commits that the donor tree serves."""
        return tuple(c for c in self.commits if c.role in self.donor)

    def find(self, sha: str) -> SeriesCommit | None:
        """The commit with this SHA, or the only one that it is a prefix of (12 digits or more)."""
        hits = [c for c in self.commits if len(sha) >= 12 and c.sha.startswith(sha)]
        return hits[0] if len(hits) == 1 else None


def check(series: Series) -> None:
    """Raise `ManifestError` at the first row that contradicts the rest of the series.

    Refused: no commits, a SHA twice, a role that is neither picked nor served (or both), a release
    older than the one before, `fixes` of a later or left-out commit. Since every `fixes` points
    backwards, there can be no cycle.
    """
    if not series.commits:
        raise ManifestError(Place(series.name), "the series has no commits", hint="add [[commit]]")
    check_unique([*series.commits, *series.left_out])
    for before, row in zip((None, *series.commits), series.commits, strict=False):
        _check_role(series, row)
        if before is not None and row.first_in < before.first_in:
            raise ManifestError(
                row.place,
                f"first in {row.first_in}, but stands after a commit first in {before.first_in}",
                hint="rows stand in upstream's order: move the row up",
            )
    for index, row in enumerate(series.commits):
        for fixed in row.fixes:
            _check_fixes(series, index, fixed)


def resolve_fixes(
    commits: Sequence[SeriesCommit], left_out: Sequence[LeftOut], row: SeriesCommit
) -> Iterator[str]:
    """The full SHAs that a row's `fixes` mean; abbreviations of 12 digits or more are completed."""
    known = [c.sha for c in commits] + [c.sha for c in left_out]
    for text in row.fixes:
        hits = [sha for sha in known if sha.startswith(text)]
        if len(hits) != 1:
            raise ManifestError(
                row.place,
                f"fixes {text}, which {'is ambiguous' if hits else 'is not in this series'}",
                hint="correct the SHA; an older mainline commit belongs in `fixes_outside`",
            )
        yield hits[0]


def check_unique(rows: Sequence[SeriesCommit | LeftOut]) -> None:
    """Refuse a SHA that stands in two rows."""
    seen: dict[str, Place] = {}
    for row in rows:
        if row.sha in seen:
            raise ManifestError(
                row.place, f"{row.sha} is already at {seen[row.sha]}", hint="remove one of the two"
            )
        seen[row.sha] = row.place


def _check_role(series: Series, row: SeriesCommit) -> None:
    homes = (row.role in series.pick) + (row.role in series.donor)
    if homes != 1:
        message = f"role {row.role} is {'both picked and served' if homes else 'in neither list'}"
        hint = "list each role once, under [pick] or under [donor]"
        raise ManifestError(row.place, message, hint=hint)


def _check_fixes(series: Series, index: int, fixed: str) -> None:
    row = series.commits[index]
    if any(c.sha == fixed for c in series.commits[:index]):
        return
    if any(c.sha == fixed for c in series.left_out):
        message, hint = f"fixes {fixed}, which is left out", "leave the fix out too, with a reason"
    else:
        message, hint = f"fixes {fixed}, which comes later or is itself", "correct SHA or order"
    raise ManifestError(row.place, message, hint=hint)
