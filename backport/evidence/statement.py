"""What a bundle states, as an in-toto Statement v1: a pure function of the record and the members.

The predicate is SLSA's provenance v1: the upstream commits, the base and the command that made the
image and the branch. Beside it stands a test-result v0.1 about the same image. docs/evidence.md
says what each field holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from backport.values.record import PASSED, Control, Pick, RunRecord, Suite

Json = dict[str, Any]

STATEMENT = "statement.json"
TEST_RESULT = "test-result.json"
RECORD = "run.json"
CONFIG = "kernel.config"
INPUTS = "inputs/"
SERIES = "series/"
LOGS = "logs/"

TYPE = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
TESTED = "https://in-toto.io/attestation/test-result/v0.1"
BUILD_TYPE = "urn:backport:kernel-run:v1"  # raise it when the same run gives another statement
BUILDER = "urn:backport:builder"


def encode(value: Json) -> bytes:
    """JSON as a bundle has it: the same value gives the same bytes."""
    return json.dumps(value, indent=1, ensure_ascii=True).encode() + b"\n"


def provenance(record: RunRecord, members: Mapping[str, bytes]) -> Json:
    """The statement about a run's results and about each member of its bundle."""
    files = [_file(name, data) for name, data in sorted(members.items())]
    return {
        "_type": TYPE,
        "subject": [*_results(record), *files],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "series": record.series,
                    "target": record.target,
                    "flavour": record.flavour,
                    "command": record.command,
                },
                "internalParameters": {"verdict": record.outcome, "gates": _gates(record)},
                "resolvedDependencies": list(_sources(record)),
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": _versions(record)},
                "metadata": {
                    "invocationId": record.id,
                    "startedOn": record.started,
                    "finishedOn": record.finished,
                },
            },
        },
    }


def test_result(record: RunRecord, members: Mapping[str, bytes]) -> Json:
    """The statement about the tests: what they ran on, in which configuration, which passed."""
    named = [*_cases("patched", record.tests)]
    for control in record.controls:
        named += _control_cases(control)
    config = [_file(name, data) for name, data in sorted(members.items()) if _configures(name)]
    return {
        "_type": TYPE,
        "subject": _results(record),
        "predicateType": TESTED,
        "predicate": {
            "result": "PASSED" if record.outcome == PASSED else "FAILED",
            "configuration": config,
            "passedTests": [name for name, ok in named if ok],
            "warnedTests": [],
            "failedTests": [name for name, ok in named if not ok],
        },
    }


def image_name(record: RunRecord) -> str:
    """The image's file name, whatever folder it was built in."""
    return PurePosixPath(record.build.image).name if record.build else ""


# -- parts


def _results(record: RunRecord) -> list[Json]:
    """What the run made; not in the bundle, which the annotation tells from a member."""
    found = {"image": {"sha256": record.build.sha256}} if record.build else {}
    found |= {"head": {"gitCommit": record.head}, "tree": {"gitTree": record.tree}}
    names = {
        "image": image_name(record),
        "head": record.branch,
        "tree": f"{record.branch}^{{tree}}",
    }
    return [
        {"name": names[what], "digest": of, "annotations": {"result": what}}
        for what, of in found.items()
    ]


def _file(name: str, data: bytes) -> Json:
    return {"name": name, "digest": {"sha256": digest(data)}}


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def _configures(name: str) -> bool:
    return name == CONFIG or name.startswith((f"{INPUTS}kconfig/", f"{INPUTS}qemu/"))


def _gates(record: RunRecord) -> dict[str, str]:
    return {gate.name: gate.outcome for gate in record.gates}


def _sources(record: RunRecord) -> Iterator[Json]:
    """Where everything came from: the base, upstream's trees and commits, the data files."""
    if base := record.base:
        notes = {"version": base.version, "source": base.source}
        yield {"name": "base", "digest": {"gitCommit": base.commit}, "annotations": notes}
        if base.sha256:
            yield {"name": "base archive", "digest": {"sha256": base.sha256}}
    if (up := record.upstream) and up.commit:
        notes = {"kind": up.kind, "source": up.text, "version": up.version}
        yield {"name": "upstream", "digest": {"gitCommit": up.commit}, "annotations": notes}
        if up.sha256:
            yield {"name": "upstream archive", "digest": {"sha256": up.sha256}}
    if record.inputs:
        yield {"name": "inputs", "digest": {"gitTree": record.inputs}}
    for pick in record.picks:
        yield from _commits(pick)


def _commits(pick: Pick) -> Iterator[Json]:
    """The upstream commits that one pick stands for; what was made of them."""
    notes = {"outcome": pick.outcome, "commit": pick.commit, "rules": list(pick.rules)}
    for sha in pick.stands_for or (pick.sha,):
        yield {"name": pick.subject, "digest": {"gitCommit": sha}, "annotations": notes}


def _versions(record: RunRecord) -> dict[str, str]:
    compiler = {"gcc": record.build.compiler} if record.build and record.build.compiler else {}
    return {"backport": record.version, **compiler, **record.tools}


def _cases(kernel: str, suites: tuple[Suite, ...]) -> Iterator[tuple[str, bool]]:
    for suite in suites:
        for case in suite.cases:
            yield f"{kernel}/{suite.suite}/{case.name}", case.outcome == PASSED


def _control_cases(control: Control) -> list[tuple[str, bool]]:
    """A control is one test: that it came as expected, whatever its own cases did."""
    return [(f"control-{control.name}/{control.expected}s as it must", control.ok)]
