"""A run that booted, made up from its consoles on, as the members of a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from sample_record import PASSED_RUN

from backport.evidence import statement
from backport.evidence.archive import pack
from backport.evidence.inputs import tree_id
from backport.evidence.statement import CONFIG, RECORD, STATEMENT, TEST_RESULT, digest
from backport.values.record import Case, Config, Control, Gate, RunRecord, Suite

CASES = {"tc_dock": ("dock_open", "dock_close"), "port_dock": ("leak",)}
OWN = ("port_dock",)  # suites whose output is KTAP
CONFIG_TEXT = b"# made by a test\nCONFIG_NET=y\n# CONFIG_WLAN is not set\n"
SERIES = b'title = "docking"\nsuites = ["tc_dock"]\nchecks = ["port_dock"]\n'
INPUTS = {"patches/dock/series.toml": SERIES, "kconfig/net.config": b"CONFIG_NET=y\n"}
GATES = (
    *("accounting", "form", "symbols", "uapi", "objects", "config"),
    *("control-base", "boot and tests", "control-donor"),
)


def console(*, ok: bool) -> bytes:
    """What a guest says in which every case passed, or every case failed."""
    told = [said(name, cases, ok) for name, cases in CASES.items()]
    lines = ["Linux version 6.1.7 (a test)", *(line for suite in told for line in suite)]
    lines.append("@@backport done@@")
    return "".join(f"[{n:5}.000000] {line}\n" for n, line in enumerate(lines)).encode()


def said(suite: str, cases: tuple[str, ...], ok: bool) -> list[str]:
    word, number = ("OK" if ok else "FAIL"), len(cases)
    out = [f"#{n}      {case}:{word}" for n, case in enumerate(cases, 1)]
    counts = (number, 0) if ok else (0, number)
    out.append(f"Summary: {counts[0]}/0 PASSED, 0 SKIPPED, {counts[1]} FAILED")
    if suite in OWN:
        out = ["TAP version 13", f"1..{number}"]
        out += [f"{'ok' if ok else 'not ok'} {n} {case}" for n, case in enumerate(cases, 1)]
    lines = [f"@@{suite}| {line}" for line in out]
    return [f"@@backport begin {suite}@@", *lines, f"@@backport end {suite} rc={int(not ok)}@@"]


def suites(*, ok: bool) -> tuple[Suite, ...]:
    word = "passed" if ok else "failed"
    return tuple(
        Suite(
            name,
            len(cases) if ok else 0,
            0 if ok else len(cases),
            0,
            tuple(Case(case, word) for case in cases),
            word,
        )
        for name, cases in CASES.items()
    )


def record() -> RunRecord:
    """A whole run that passed; its parts fit together."""
    picks = PASSED_RUN.picks
    made = [pick.commit for pick in picks if pick.commit]
    return replace(
        PASSED_RUN,
        series="dock",
        head=made[-1],
        inputs=tree_id(INPUTS),
        adaptations=(),
        gates=tuple(Gate(name, "passed") for name in GATES),
        config=Config("gone/.config", digest(CONFIG_TEXT), 2, 2, {"NET": "y", "WLAN": "n"}),
        tests=suites(ok=True),
        controls=(
            Control("base", "6.1.0-37", "fail", True, suites(ok=False)),
            Control("donor", "6.12.30", "pass", True, suites(ok=True)),
        ),
    )


def members(told: RunRecord | None = None) -> dict[str, bytes]:
    """What lies in the bundle of a record, without the statements."""
    told = told or record()
    return {
        RECORD: json.dumps(told.to_json(), indent=1).encode(),
        CONFIG: CONFIG_TEXT,
        **{f"inputs/{name}": data for name, data in INPUTS.items()},
        "logs/console.log": console(ok=True),
        "logs/console-base.log": console(ok=False),
        "logs/console-donor.log": console(ok=True),
        "series/0001-dock.patch": b"From 1 Mon Sep 17 00:00:00 2001\n",
    }


def stated(
    parts: Mapping[str, bytes] | None = None, told: RunRecord | None = None
) -> dict[str, bytes]:
    """The same with the statements that follow from it."""
    told = told or record()
    whole = dict(parts or members(told))
    whole[TEST_RESULT] = statement.encode(statement.test_result(told, whole))
    whole[STATEMENT] = statement.encode(statement.provenance(told, whole))
    return whole


def bundle(parts: Mapping[str, bytes] | None = None, told: RunRecord | None = None) -> bytes:
    """The archive of all that."""
    return pack(stated(parts, told))
