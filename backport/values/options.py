"""What a person asks for: the typed request behind every command that works on a series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any


class Until(IntEnum):
    """How far a command goes; each step does all before it."""

    PLAN = 1
    PICK = 2
    BUILD = 3
    BOOT = 4
    TEST = 5
    RUN = 6


class Accel(StrEnum):
    """What runs the guest's instructions; auto takes KVM where a tiny guest boots under it."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True)
class Options:
    """One command. Empty strings mean: as the target, the series or the tool has it."""

    series: str
    target: str
    until: Until = Until.RUN
    base: str = ""  # path of a tree, repository or tarball of the caller's own
    rev: str = ""  # revision, where base is a repository
    upstream: str = ""  # snapshot, git, git:WHERE or mbox:WHERE
    branch: str = ""
    force: bool = False
    accel: Accel = Accel.AUTO
    jobs: int = 0
    refresh: bool = False
    flavour: str = ""  # of kconfig/flavours.toml
    suites: tuple[str, ...] = ()  # of the series', to test with; all of them when empty
    ladder: bool = False  # what no rule settles goes up the ladder
    sure_steps: bool = False  # ... by the steps that hardly err, and no others
    strict_picks: bool = False  # an unsound pick ends the run

    @property
    def branch_name(self) -> str:
        """The branch the result goes to."""
        return self.branch or f"backport/{self.series}/{self.target}"

    def to_json(self) -> dict[str, str | int | bool | list[str]]:
        """Plain values for a state file."""
        return {**asdict(self), "until": int(self.until), "suites": list(self.suites)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Options:
        """Read what `to_json` gave."""
        typed = {"until": Until(data["until"]), "accel": Accel(data["accel"])}
        return cls(**{**data, **typed, "suites": tuple(data.get("suites", ()))})

    def argv(self) -> list[str]:
        """The command that does the same again."""
        words = ["backport", self.until.name.lower(), self.series, "--target", self.target]
        for flag in ("base", "rev", "upstream", "branch", "flavour"):
            value = getattr(self, flag)
            words += [f"--{flag}", value] if value else []
        words += [word for name in self.suites for word in ("--suite", name)]
        words += ["--ladder"] if self.ladder else []
        words += ["--sure-steps"] if self.sure_steps else []
        words += ["--force"] if self.force else []
        words += ["--strict-picks"] if self.strict_picks else []
        words += ["--accel", self.accel] if self.accel is not Accel.AUTO else []
        words += ["--jobs", str(self.jobs)] if self.jobs else []
        return words
