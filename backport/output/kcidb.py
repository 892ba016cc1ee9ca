"""A run as KCIDB's report data: what KernelCI's common database takes from any CI system.

The patched kernel is one checkout with one build; each control kernel is a build of its own, and
what is told of it is whether it came as expected. https://docs.kernelci.org/kcidb/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from backport.values.errors import UsageError
from backport.values.record import PASSED, Case, Control, RunRecord, Suite

Json = dict[str, Any]

VERSION = {"major": 5, "minor": 0}  # later minor versions only add
ORIGIN = "backport"  # the CI system's name; who submits has one of their own
EXCERPT = 16_384  # characters that the schema allows
_ORIGIN = re.compile("[a-z0-9_]+")
_STATUS = {PASSED: "PASS", "failed": "FAIL", "skipped": "SKIP", "missing": "MISS"}
# The guest's outcomes in which it came up and went down in order.
_UP = {PASSED, "failed", "no-tests"}


def render_kcidb(record: RunRecord, origin: str = ORIGIN) -> str:
    """The run as a JSON object of schema v5; `origin` names the CI system that ran it."""
    if not _ORIGIN.fullmatch(origin):
        raise UsageError(f"{origin!r}: no name of a CI system", hint="use a-z, 0-9 and _")
    report = {
        "version": VERSION,
        "checkouts": [_checkout(record, origin), *_control_checkouts(record, origin)],
        "builds": [*_builds(record, origin), *_control_builds(record, origin)],
        "tests": [*_tests(record, origin), *_control_tests(record, origin)],
    }
    return json.dumps(report, indent=1, ensure_ascii=True) + "\n"


def _thing(origin: str, *parts: str) -> Json:
    """The id that an object has, and whose it is."""
    return {"id": f"{origin}:{'/'.join(parts)}", "origin": origin}


def _checkout(record: RunRecord, origin: str) -> Json:
    base = record.base
    told = {
        **_thing(origin, record.id),
        "tree_name": record.target,
        "comment": f"{record.series} on {record.where}",
        "start_time": record.started,
        "valid": bool(record.head),
        "misc": _origin_of(record),
    }
    if record.head:  # a commit of its own, with nothing on top
        told |= {"git_commit_hash": record.head, "patchset_hash": ""}
        told |= {"git_repository_branch": record.branch}
    elif base:
        told |= {"git_commit_hash": base.commit}
    if not record.head and record.failure:
        told["log_excerpt"] = _excerpt(record.failure.message)
    return told


def _origin_of(record: RunRecord) -> Json:
    misc: Json = {
        "series": record.series,
        "command": record.command,
        "verdict": record.outcome,
        "gates": {gate.name: gate.outcome for gate in record.gates},
        "commits": [
            {"upstream": p.sha, "subject": p.subject, "outcome": p.outcome, "commit": p.commit}
            for p in record.picks
        ],
    }
    if record.base:
        misc["base"] = {"version": record.base.version, "commit": record.base.commit}
    return misc


def _builds(record: RunRecord, origin: str) -> Iterator[Json]:
    """The build, also one that failed; none where the run never came so far."""
    objected = [
        g for g in record.gates if g.name in {"config", "objects"} and g.outcome == "failed"
    ]
    build = record.build
    if not build and not objected:
        return
    told: Json = {**_thing(origin, record.id), "checkout_id": f"{origin}:{record.id}"}
    told |= {"start_time": record.started, "status": "FAIL" if objected else "PASS"}
    if record.config:
        told["config_name"] = "+".join(record.config.fragments)
    if build:
        told |= {"duration": build.seconds, "compiler": build.compiler}
        told["misc"] = {"image_sha256": build.sha256, "warnings": build.warnings}
    if build and build.arch:
        told["architecture"] = build.arch
    if objected:
        told["log_excerpt"] = _excerpt("\n".join(gate.detail for gate in objected))
    yield told


def _tests(record: RunRecord, origin: str) -> Iterator[Json]:
    if record.guest:
        status = "PASS" if record.guest.outcome in _UP else "FAIL"
        boot = _test(record, origin, record.id, "boot", status)
        boot |= {"duration": record.guest.seconds, "log_excerpt": _excerpt(record.guest.detail)}
        yield boot
    for suite in record.tests:
        whole = _test(record, origin, record.id, _node(suite.suite), _worst(suite))
        yield whole | {"duration": suite.seconds, "log_excerpt": _excerpt(suite.detail)}
        for case in suite.cases:
            yield _case(record, origin, suite, case)


def _case(record: RunRecord, origin: str, suite: Suite, case: Case) -> Json:
    path = f"{_node(suite.suite)}.{_node(case.name)}"
    told = _test(record, origin, record.id, path, _STATUS.get(case.outcome, "ERROR"))
    return told | ({"log_excerpt": _excerpt(case.detail)} if case.detail else {})


def _test(record: RunRecord, origin: str, build: str, path: str, status: str) -> Json:
    accel = record.guest.accel if record.guest else ""
    return {
        **_thing(origin, build, path),
        "build_id": f"{origin}:{build}",
        "path": path,
        "status": status,
        "start_time": record.started,
        "environment": {"comment": f"QEMU {accel}".strip()},
    }


def _worst(suite: Suite) -> str:
    """The status of a suite by its cases; one that is not well without a bad case is an error."""
    if suite.ok:
        return "PASS"
    found = {_STATUS.get(case.outcome, "ERROR") for case in suite.cases}
    return next((status for status in ("FAIL", "ERROR", "MISS") if status in found), "ERROR")


# -- controls: packaged kernels under the same harness


def _control_id(record: RunRecord, control: Control) -> str:
    return f"{record.id}/control-{control.name}"


def _control_checkouts(record: RunRecord, origin: str) -> Iterator[Json]:
    for control in record.controls:
        yield {
            **_thing(origin, _control_id(record, control)),
            "comment": f"control, a packaged kernel: {control.kernel}",
            "start_time": record.started,
        }


def _control_builds(record: RunRecord, origin: str) -> Iterator[Json]:
    for control in record.controls:
        name = _control_id(record, control)
        told = {
            **_thing(origin, name),
            "checkout_id": f"{origin}:{name}",
            "comment": control.kernel,
        }
        yield told | {"misc": {"expected": control.expected}}


def _control_tests(record: RunRecord, origin: str) -> Iterator[Json]:
    """One test a control: whether it came as expected; what its cases did is beside it."""
    for control in record.controls:
        name = _control_id(record, control)
        status = "PASS" if control.ok else "FAIL"
        told = _test(record, origin, name, f"control.{_node(control.name)}", status)
        cases = {s.suite: {c.name: c.outcome for c in s.cases} for s in control.suites}
        told |= {"comment": f"must {control.expected}", "duration": control.seconds}
        yield told | {"log_excerpt": _excerpt(control.detail), "misc": {"cases": cases}}


def _node(name: str) -> str:
    """A name as a node of KCIDB's tree of tests."""
    return re.sub("[^A-Za-z0-9_-]", "_", name)


def _excerpt(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[-EXCERPT:]
