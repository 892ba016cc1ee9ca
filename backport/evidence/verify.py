"""What can be said of a bundle without anything but the bundle: each check is a gate of its own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backport.evidence import signature, statement
from backport.evidence.archive import BadBundle, unpack
from backport.evidence.consistency import objections
from backport.evidence.inputs import tree_id
from backport.evidence.signature import Trust
from backport.evidence.statement import CONFIG, INPUTS, LOGS, RECORD, STATEMENT, TEST_RESULT
from backport.guests.checks import PARSER
from backport.guests.parsers.tree import Ended, Expected
from backport.guests.parsers.verdict import judge
from backport.readers import kconfig
from backport.values.record import Gate, RecordError, RunRecord, Suite

PASSED, FAILED, NOT_RUN = "passed", "failed", "not-run"
UNSIGNED = "not signed: it says nothing about who made it"
LISTED = 5  # members that one message names


@dataclass(frozen=True)
class Opened:
    """A bundle that was read whole; its record is the run's."""

    where: str
    members: Mapping[str, bytes]
    record: RunRecord


@dataclass(frozen=True)
class Findings:
    """What was looked at; `opened` is None for a bundle whose record cannot be trusted."""

    gates: tuple[Gate, ...]
    opened: Opened | None = None

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The checks that object."""
        return tuple(gate for gate in self.gates if gate.outcome == FAILED)


class _Broken(Exception):
    """A check that objects; its text is the gate's detail."""


class _Absent(Exception):
    """There is nothing to check, and why."""


def verify(data: bytes, where: str, trust: Trust) -> Findings:
    """Check a bundle in memory, in this order; the first that objects ends it.

    Raises `UsageError` for what is no archive, or a trust file that cannot be read.
    """
    trust.check()
    done: list[Gate] = []
    members: dict[str, bytes] = {}
    record: list[RunRecord] = []

    def archive() -> str:
        members.update(unpack(data, where))
        return f"{len(members)} members, {len(data):,} bytes, nothing else in it"

    def recorded() -> str:
        record.append(_record(members))
        return f"{record[0].outcome}, which is what its gates and tests say"

    steps: list[tuple[str, Callable[[], str]]] = [
        ("archive", archive),
        ("signature", lambda: _signature(members, trust)),
        ("members", lambda: _members(members)),
        ("record", recorded),
        ("statement", lambda: _statement(record[0], members)),
        ("inputs", lambda: _inputs(record[0], members)),
        ("config", lambda: _config(record[0], members)),
        ("logs", lambda: _logs(record[0], members)),
    ]
    for number, (name, step) in enumerate(steps):
        gate = _gate(name, step)
        done.append(gate)
        if gate.outcome == FAILED:
            late = [Gate(other, NOT_RUN, f"{name} objects") for other, _ in steps[number + 1 :]]
            return Findings((*done, *late))
    return Findings(tuple(done), Opened(where, members, record[0]))


def _gate(name: str, step: Callable[[], str]) -> Gate:
    try:
        return Gate(name, PASSED, step())
    except (_Broken, BadBundle) as err:
        return Gate(name, FAILED, str(err))
    except _Absent as why:
        return Gate(name, NOT_RUN, str(why))


def _signature(members: Mapping[str, bytes], trust: Trust) -> str:
    """Who signed; that it is a good signature is no pass if nobody said whose it must be."""
    told = signature.signed_by(members, trust) or UNSIGNED
    if not trust.demanded:
        raise _Absent(told)
    return told


def _members(members: Mapping[str, bytes]) -> str:
    """Whether the statement lists exactly these members with these hashes."""
    told = _subjects(members)
    unlisted = {STATEMENT, signature.SSH, signature.GPG}
    real = {n: statement.digest(d) for n, d in members.items() if n not in unlisted}
    extra, missing = sorted(real.keys() - told.keys()), sorted(told.keys() - real.keys())
    other = sorted(n for n in real.keys() & told.keys() if real[n] != told[n])
    lines = [f"{name}: its bytes are not those that the statement has a hash of" for name in other]
    lines += [f"{name}: is not in the statement" for name in extra]
    lines += [f"{name}: is in the statement and not in the bundle" for name in missing]
    if lines:
        more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
        raise _Broken("\n".join([*lines[:LISTED], *more]))
    return f"{len(real)} have the hashes of the statement"


def _subjects(members: Mapping[str, bytes]) -> dict[str, str]:
    """The hash of each member by the statement; results, which are no members, are left out."""
    value = _json(members, STATEMENT)
    try:
        if value["_type"] != statement.TYPE or value["predicateType"] != statement.PROVENANCE:
            raise _Broken(f"{STATEMENT}: is no in-toto statement v1 of SLSA's provenance v1")
        kind = value["predicate"]["buildDefinition"]["buildType"]
        rows = {str(row["name"]): row for row in value["subject"] if not _is_result(row)}
        told = {name: row["digest"]["sha256"] for name, row in rows.items()}
    except (KeyError, TypeError, AttributeError) as err:
        raise _Broken(f"{STATEMENT}: is no statement of a bundle: {err!r}") from err
    if kind != statement.BUILD_TYPE:
        raise _Broken(f"{STATEMENT}: build type {kind}, this tool reads {statement.BUILD_TYPE}")
    return told


def _is_result(row: Mapping[str, object]) -> bool:
    notes = row.get("annotations")
    return isinstance(notes, dict) and bool(notes.get("result"))


def _json(members: Mapping[str, bytes], name: str) -> statement.Json:
    if name not in members:
        raise _Broken(f"{name}: is not in the bundle")
    try:
        value = json.loads(members[name])
    except (ValueError, RecursionError) as err:
        raise _Broken(f"{name}: is no JSON: {err}") from err
    if not isinstance(value, dict):
        raise _Broken(f"{name}: is no JSON object")
    return value


def _record(members: Mapping[str, bytes]) -> RunRecord:
    try:
        record = RunRecord.from_json(_json(members, RECORD), RECORD)
    except RecordError as err:
        raise _Broken(str(err)) from err
    wrong = objections(record)
    if wrong:
        raise _Broken("\n".join(f"{RECORD}: {line}" for line in wrong))
    return record


def _statement(record: RunRecord, members: Mapping[str, bytes]) -> str:
    """Whether both statements are, to the byte, what follows from the record and the members."""
    signed = {STATEMENT, signature.SSH, signature.GPG}
    rest = {name: data for name, data in members.items() if name not in signed}
    files = {name: data for name, data in rest.items() if name != TEST_RESULT}
    wanted = {
        TEST_RESULT: statement.test_result(record, files),
        STATEMENT: statement.provenance(record, rest),
    }
    for name, want in wanted.items():
        if members.get(name) != statement.encode(want):
            place = _difference(want, _json(members, name))
            raise _Broken(f"{name}: does not follow from {RECORD}: {place}")
    return f"provenance of {len(record.picks)} commits, and the test result, follow from the record"


def _difference(want: object, have: object, at: str = "") -> str:
    """The first place where two JSON values differ."""
    if isinstance(want, dict) and isinstance(have, dict):
        for key in [*want, *(have.keys() - want.keys())]:
            if key not in want or key not in have:
                return f"{at}.{key} is {'missing' if key in want else 'too much'}".lstrip(".")
            if want[key] != have[key]:
                return _difference(want[key], have[key], f"{at}.{key}")
    if isinstance(want, list) and isinstance(have, list):
        for number, (one, other) in enumerate(zip(want, have, strict=False)):
            if one != other:
                return _difference(one, other, f"{at}[{number}]")
        return f"{at} has {len(have)} rows, not {len(want)}".lstrip(".")
    if want == have:
        return "it is written in another way"
    return f"{at} is {have!r}, not {want!r}".lstrip(".")


def _inputs(record: RunRecord, members: Mapping[str, bytes]) -> str:
    """Whether the data files are those that the run read."""
    found = {n.removeprefix(INPUTS): d for n, d in members.items() if n.startswith(INPUTS)}
    if tree_id(found) != record.inputs:
        raise _Broken(f"{INPUTS}: is tree {tree_id(found)}, {RECORD} tells {record.inputs}")
    return f"{len(found)} data files are the tree that the run read"


def _config(record: RunRecord, members: Mapping[str, bytes]) -> str:
    """Whether the configuration is the run's, and every requested symbol has its value in it."""
    if record.config is None:
        raise _Absent("the run configured no kernel")
    data = members.get(CONFIG)
    if data is None or statement.digest(data) != record.config.sha256:
        raise _Broken(f"{CONFIG}: is not the configuration that {RECORD} has a hash of")
    values = kconfig.parse_config(data.decode("utf-8", "replace"))
    asked = record.config.values.items()
    other = [name for name, want in asked if values.get(name, kconfig.NOT_SET) != want]
    if other:
        raise _Broken(f"{CONFIG}: other values than {RECORD}: {', '.join(other[:LISTED])}")
    return f"{len(record.config.values)} symbols have the values that the record tells"


# -- what the consoles say


def _logs(record: RunRecord, members: Mapping[str, bytes]) -> str:
    """Judge each console anew, and compare with the results in the record."""
    ours = _own_suites(record, members)
    consoles = {"console": record.tests}
    consoles |= {f"console-{control.name}": control.suites for control in record.controls}
    cases = 0
    for name, suites in consoles.items():
        if suites:
            cases += _reread(name, suites, members, ours)
    if not cases:
        raise _Absent("no test ran")
    return f"{cases} results are what the consoles say"


def _own_suites(record: RunRecord, members: Mapping[str, bytes]) -> list[str]:
    """The suites of our own, whose output has another form."""
    name = f"{INPUTS}patches/{record.series}/series.toml"
    try:
        found = tomllib.loads(members[name].decode()).get("checks", [])
    except KeyError:
        raise _Broken(f"{name}: is not in the bundle") from None
    except (ValueError, RecursionError) as err:
        raise _Broken(f"{name}: is no TOML: {err}") from err
    return [suite for suite in found if isinstance(suite, str)] if isinstance(found, list) else []


def _reread(
    name: str, suites: tuple[Suite, ...], members: Mapping[str, bytes], ours: list[str]
) -> int:
    file = f"{LOGS}{name}.log"
    if file not in members:
        raise _Broken(f"{file}: is not in the bundle, and {RECORD} tells its results")
    lines = members[file].decode("utf-8", "replace").splitlines()
    told = {suite.suite: _told(suite) for suite in suites}
    wanted = [
        Expected(suite.suite, tuple(case.name for case in suite.cases), _parser(suite.suite, ours))
        for suite in suites
    ]
    verdict = judge(lines, Ended.DONE, wanted)
    for heard in verdict.suites:
        found = [(case.name, str(case.outcome)) for case in heard.cases]
        found.append((_WHOLE, str(heard.outcome)))
        for case, outcome in told[heard.name]:
            if (case, outcome) not in found:
                raise _Broken(f"{file}: {heard.name} {case} is not {outcome} there")
        if len(found) != len(told[heard.name]):
            raise _Broken(f"{file}: {heard.name} has {len(found) - 1} cases there")
    if all(suite.ok for suite in suites) and verdict.outcome != PASSED:
        raise _Broken(f"{file}: {verdict.outcome}: {verdict.detail}")
    return sum(len(suite.cases) for suite in suites)


_WHOLE = "as a whole"


def _told(suite: Suite) -> list[tuple[str, str]]:
    return [*((case.name, case.outcome) for case in suite.cases), (_WHOLE, suite.outcome)]


def _parser(suite: str, ours: list[str]) -> str:
    return PARSER if suite in ours else Expected.parser
