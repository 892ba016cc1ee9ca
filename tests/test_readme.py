"""The README is a checked artefact: its tables are the code's, its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from backport.doors.cache import Cache
from backport.doors.rundir import latest
from backport.readers import rules
from backport.shell.cli import COMMANDS, GROUPS
from backport.values.errors import Exit

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = {
    kind: re.findall(rf"^```{kind}\n(.*?)^```$", README, re.M | re.S) for kind in ("sh", "toml")
}
LINES = [line for block in BLOCKS["sh"] for line in block.splitlines() if line.strip()]

# Running the tests from a test would never end: these are shown to make, not run.
DRY = {"make test": "make -n test"}


def rows(heading):
    """The first cells of the table under a header row that starts like this."""
    table = README.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def test_every_command_is_in_the_table():
    named = [re.match(r"`backport ([a-z]+)", cell)[1] for cell in rows("command")]
    assert named == [*dict.fromkeys(named)]
    assert set(named) == {*COMMANDS, *GROUPS}
    for group, commands in GROUPS.items():
        row = next(line for line in README.splitlines() if f"| `backport {group}" in line)
        assert re.findall(r"`([a-z]+)`", row) == [*commands]


def test_every_exit_status_is_in_the_table():
    assert [int(cell) for cell in rows("exit")] == [int(code) for code in Exit]


def test_every_rule_action_is_in_the_table():
    named = {re.match(r"`(\w+)", cell)[1] for cell in rows("action")}
    assert named == set(rules._ACTIONS)


def shown(kind):
    """The one row of its kind that the README shows."""
    (row,) = [row for block in BLOCKS["toml"] for row in tomllib.loads(block).get(kind, ())]
    return row


def test_the_shown_rule_is_one_of_ours():
    ours = [
        rule
        for path in (ROOT / "patches/netkit/rules").glob("*.toml")
        for rule in tomllib.loads(path.read_text("utf-8"))["rule"]
    ]
    assert shown("rule") in ours


def test_the_shown_allowance_is_one_of_ours():
    ours = tomllib.loads((ROOT / "patches/netkit/compat.toml").read_text("utf-8"))["allow"]
    assert shown("allow") in ours


def test_the_two_commands_come_first():
    assert LINES[:2] == ["make run", "make test"]
    for target in ("run", "test", "check"):
        assert f"`make {target}`" in README


@pytest.mark.e2e
@pytest.mark.parametrize("line", LINES)
def test_every_command_runs(line, tmp_path):
    """On the finished work of the end-to-end run, in the order of the README."""
    home = tmp_path
    (home / ".venv").symlink_to(ROOT / ".venv")
    done = subprocess.run(
        ["bash", "-euc", DRY.get(line, line)],
        cwd=ROOT if line.startswith("make") else home,
        env={**os.environ, **_own_tree()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _own_tree():
    """LINUX and REV of the README's example: the store is a repository with a kernel in it."""
    run = latest(Cache.default().runs, "netkit", "debian-6.1")
    base = run.record.base.commit if run and run.record.base else ""
    return {"LINUX": str(Cache.default().store), "REV": base}
