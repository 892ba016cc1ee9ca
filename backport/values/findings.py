"""What other commands leave beside a run's record, as far as the review page shows it.

`style.json` is `backport checkpatch`'s, `compat.json` the compatibility report's. Each is read by
its keys: what a newer writer adds is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

STYLE = "style.json"
COMPAT = "compat.json"


@dataclass(frozen=True)
class Style:
    """One finding of checkpatch.pl: `kind` is its level, `type` checkpatch's name for it.

    `origin` is upstream where upstream's commit has it too, gone where only that one has it, and
    allowed where there is a `reason`. One without a path is about the message.
    """

    commit: str
    path: str
    line: int
    kind: str
    text: str
    origin: str
    type: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """One finding as `backport checkpatch` keeps it, below its commit."""

    level: str
    kind: str
    text: str
    path: str = ""
    line: int = 0
    state: str = "new"
    why: str = ""


@dataclass(frozen=True)
class Checked:
    """A commit that was checked."""

    commit: str
    findings: tuple[Found, ...] = ()


@dataclass(frozen=True)
class StyleReport:
    """What `backport checkpatch` keeps."""

    commits: tuple[Checked, ...]

    @property
    def flat(self) -> tuple[Style, ...]:
        """Its findings one by one."""
        return tuple(
            Style(one.commit, f.path, f.line, f.level, f.text, f.state, f.kind, f.why)
            for one in self.commits
            for f in one.findings
        )


@dataclass(frozen=True)
class Changed:
    """An exported symbol whose CRC is another one, and the types that make it so."""

    name: str
    old: str = ""
    new: str = ""
    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class Symbols:
    """How the exported symbols differ."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()


@dataclass(frozen=True)
class Struct:
    """A struct that lies in memory as it did not before."""

    name: str
    header: str = ""
    old_size: int = 0
    new_size: int = 0
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class UapiName:
    """A name that userspace sees and did not see before, or sees otherwise."""

    path: str
    kind: str
    name: str
    value: str = ""


@dataclass(frozen=True)
class Notice:
    """One thing that a module built before would notice, and why it is allowed."""

    text: str
    allowed: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Compat:
    """The difference that modules and programs built outside the tree would notice."""

    symbols: Symbols = Symbols()
    structs: tuple[Struct, ...] = ()
    uapi: tuple[UapiName, ...] = ()
    notices: tuple[Notice, ...] = ()
    config: tuple[str, ...] = ()  # "NETKIT: n -> y"


@dataclass(frozen=True)
class Findings:
    """What was found beside a run; None is what nobody has looked for."""

    style: tuple[Style, ...] | None = None
    compat: Compat | None = None
