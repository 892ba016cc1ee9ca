"""The run record: one model behind run.json, `run --json`, the report and `status`.

A reader of an older or a newer tool's run.json gets what both know: unknown keys are ignored, keys
that this version added later have defaults, and a missing old one is an error that names it. Words
in fields called `outcome` are open (a reader shows one that it does not know as it is).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from backport.values.errors import Exit, UsageError

SCHEMA = 1

RUNNING = "running"
KILLED = "killed"
PASSED = "passed"

# The verdict of a run that ended by itself, by its exit status.
OUTCOMES: Mapping[int, str] = {
    Exit.OK: PASSED,
    Exit.TESTS_FAILED: "tests-failed",
    Exit.USAGE: "refused",
    Exit.CONFLICTS: "conflicts",
    Exit.GATE: "gate-failed",
    Exit.GUEST: "guest-lost",
    Exit.UNAVAILABLE: "unavailable",
    Exit.INTERNAL: "error",
    Exit.INTERRUPTED: "interrupted",
}


def outcome_of(exit_code: int) -> str:
    """The word for a finished run's exit status."""
    return OUTCOMES.get(exit_code, "error")


class RecordError(UsageError):
    """A run record cannot be read; the message names the key."""


@dataclass(frozen=True)
class Base:
    """The tree that was ported to."""

    version: str  # its own Makefile version, e.g. "6.1.192"
    source: str  # package, URL or path, for a person
    sha256: str  # of the archive, empty when there was none
    commit: str
    label: str = ""
    tree: str = ""


@dataclass(frozen=True)
class Upstream:
    """Where the commits came from: `kind` is git, snapshot or mbox."""

    kind: str
    text: str  # one line for a person
    version: str = ""
    sha256: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Doubt:
    """One finding on a pick that landed: why to look at line `line` (from 1) of the result."""

    path: str
    line: int
    sort: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sort}: {self.evidence}"


@dataclass(frozen=True)
class Pick:
    """One commit put onto the target.

    `outcome`: clean, resolved, conflict, empty, already-applied or dropped. `verdict`, of one that
    has a commit: sound, look here or unsound, for the weightiest of `doubts`; '' if nobody asked.
    """

    sha: str  # the first upstream SHA it stands for
    subject: str
    outcome: str
    commit: str = ""  # what it became, empty when nothing was committed
    stands_for: tuple[str, ...] = ()  # every upstream SHA, the first included
    conflicts: tuple[str, ...] = ()  # paths that a plain merge left in conflict
    rules: tuple[str, ...] = ()  # ids of the rules that fired
    incoming: str = ""  # the commit that was picked, in the store
    first_in: str = ""  # the first mainline release that has `sha`, e.g. "6.6"
    verdict: str = ""
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True)
class Adaptation:
    """A rule that fired in one path: `added` and `removed` count its lines against upstream."""

    rule: str
    why: str
    path: str
    cause: str = ""  # the difference between upstream and the target that it bridges
    commit: str = ""  # the commit on the branch that carries it
    added: int = 0
    removed: int = 0


@dataclass(frozen=True)
class Brought:
    """A name that the target lacks and the series uses: `by` a commit, a shim or a rule."""

    name: str
    kind: str  # call, constant, type or header
    path: str  # where it is used first
    by: str
    source: str  # the subject of the commit, the id of the rule


@dataclass(frozen=True)
class Gate:
    """One gate: `outcome` is passed, failed or not-run."""

    name: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Config:
    """The kernel configuration: of `requested` symbols `held` really have their value."""

    path: str
    sha256: str
    requested: int
    held: int
    values: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()  # one line each, with the reason
    fragments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Build:
    """The built kernel; `warnings` counts the compiler's."""

    image: str
    sha256: str
    seconds: float
    warnings: int
    compiler: str = ""
    cached: bool = False
    warning_files: Mapping[str, int] = field(default_factory=dict)
    arch: str = ""


@dataclass(frozen=True)
class Case:
    """One test case: `outcome` is passed, failed, skipped or missing."""

    name: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Suite:
    """One suite in one guest; a suite that never reported has a `detail` and no passed case."""

    suite: str
    passed: int
    failed: int
    skipped: int
    cases: tuple[Case, ...] = ()
    outcome: str = ""  # the harness's word: passed, failed, no-tests, panic, hang, lost
    detail: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether something ran, all of it passed, and the harness says nothing worse."""
        return self.passed > 0 and self.failed == 0 and self.outcome in ("", PASSED)


@dataclass(frozen=True)
class Guest:
    """The boot of the patched kernel: `accel` is kvm or tcg."""

    outcome: str
    accel: str
    seconds: float
    log: str
    detail: str = ""


@dataclass(frozen=True)
class Control:
    """A packaged kernel under the same harness: `expected` is fail or pass, `ok` that it did."""

    name: str  # base or donor
    kernel: str
    expected: str
    ok: bool
    suites: tuple[Suite, ...] = ()
    seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline as it went."""

    name: str
    outcome: str
    seconds: float
    cached: bool = False
    detail: str = ""


@dataclass(frozen=True)
class LeftOut:
    """An upstream commit (or part of one) that the series leaves out on purpose."""

    sha: str
    subject: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """What stopped a run; `log` is relative to the run's folder where it lies in it."""

    message: str
    hint: str = ""
    log: str = ""


@dataclass(frozen=True)
class RunRecord:
    """One run. Paths in `artifacts` are relative to the run's folder; times are UTC, ISO 8601."""

    series: str
    target: str
    outcome: str  # running, or a word of OUTCOMES
    started: str
    command: str  # what reproduces the run, quoted for a shell
    exit_code: int | None = None  # None while it runs
    id: str = ""
    pid: int = 0
    version: str = ""  # of this tool
    finished: str = ""
    seconds: float = 0.0
    base: Base | None = None
    upstream: Upstream | None = None
    branch: str = ""
    head: str = ""
    tree: str = ""
    picks: tuple[Pick, ...] = ()
    adaptations: tuple[Adaptation, ...] = ()
    brought: tuple[Brought, ...] = ()
    gates: tuple[Gate, ...] = ()
    config: Config | None = None
    build: Build | None = None
    tests: tuple[Suite, ...] = ()
    guest: Guest | None = None
    controls: tuple[Control, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    flavour: str = ""
    inputs: str = ""  # the tree in the store of the data files that it read
    schema: int = SCHEMA

    @property
    def where(self) -> str:
        """The target, with its kernel's flavour where that is not the usual one."""
        return f"{self.target} ({self.flavour})" if self.flavour else self.target

    @property
    def all_cached(self) -> bool:
        """Whether every stage that ran found its work already done."""
        return bool(self.stages) and all(stage.cached for stage in self.stages)

    def to_json(self) -> dict[str, object]:
        """Plain dicts, lists and scalars, in the order of the fields."""
        return {f.name: _encode(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_json(cls, data: object, where: str = "run.json") -> RunRecord:
        """Read what `to_json` gave; `RecordError` names the key that is missing or wrong."""
        _check_schema(data, where)
        return _decode_dataclass(cls, data, where)


def _check_schema(data: object, where: str) -> None:
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise RecordError(
            f"{where}: schema {schema} is newer than this tool reads ({SCHEMA})",
            hint="update backport",
        )


# -- dataclasses to JSON values and back

D = TypeVar("D")


def _encode(value: object) -> object:
    if is_dataclass(value):
        return {f.name: _encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    return str(value) if isinstance(value, str) else value


def decode(cls: type[D], data: object, where: str = "record") -> D:
    """One part of a record from what `to_json` gave; `RecordError` names the key that is wrong."""
    return _decode_dataclass(cls, data, where)


def _decode_dataclass(cls: type[D], data: object, where: str) -> D:
    if not isinstance(data, dict):
        raise RecordError(f"{where}: expected an object, got {_name(data)}")
    make: Any = cls
    missing = [f.name for f in fields(make) if _required(f) and f.name not in data]
    if missing:
        raise RecordError(f"{where}: missing {', '.join(missing)}")
    hints = get_type_hints(cls)
    names = [f.name for f in fields(make) if f.name in data]
    made: D = make(**{n: _decode(hints[n], data[n], f"{where}: {n}") for n in names})
    return made


def _required(item: Field[object]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _decode(hint: object, value: object, where: str) -> object:
    args, origin = get_args(hint), get_origin(hint)
    if origin is UnionType:  # X | None, the only union that a record has
        return None if value is None else _decode(args[0], value, where)
    if origin is tuple:
        return tuple(_decode(args[0], item, f"{where}[{n}]") for n, item in _items(value, where))
    if origin is not None:
        return {key: _decode(args[1], item, f"{where}.{key}") for key, item in _pairs(value, where)}
    assert isinstance(hint, type)
    if is_dataclass(hint):
        return _decode_dataclass(hint, value, where)
    return _scalar(hint, value, where)


def _items(value: object, where: str) -> Iterable[tuple[int, object]]:
    if not isinstance(value, list):
        raise RecordError(f"{where}: expected a list, got {_name(value)}")
    return enumerate(value)


def _pairs(value: object, where: str) -> Iterable[tuple[str, object]]:
    if not isinstance(value, dict):
        raise RecordError(f"{where}: expected an object, got {_name(value)}")
    return value.items()


def _scalar(hint: type, value: object, where: str) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise RecordError(f"{where}: expected {hint.__name__}, got {_name(value)}")
    return value


def _name(value: object) -> str:
    return "null" if value is None else type(value).__name__
