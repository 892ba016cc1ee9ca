"""The main job on real input: Debian's sources, a real build, real guests. Minutes when cold.

Everything goes through the installed command, in the user's cache, so that a second run is cheap.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backport.doors.cache import Cache
from backport.shell.session import GATES

pytestmark = pytest.mark.e2e

BACKPORT = Path(sys.executable).with_name("backport")
RUN = ("run", "netkit", "--target", "debian-6.1")
EXPECTED = {"tc_netkit": 6, "tc_links": 14, "tc_opts": 20, "port_netkit": 7}
COLD = 40 * 60  # seconds; a bound against a hang, not a target


def backport(*args, env=None, check=True):
    done = subprocess.run(
        [BACKPORT, *args],
        capture_output=True,
        text=True,
        timeout=COLD,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )
    if check:
        assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-4000:]
    return done


@pytest.fixture(scope="module")
def record():
    return json.loads(backport(*RUN, "--json").stdout)


@pytest.fixture(scope="module")
def cache():
    return Cache.default()


def test_every_selftest_passes_on_the_patched_kernel(record):
    assert record["outcome"] == "passed"
    assert record["exit_code"] == 0
    assert record["base"]["version"].startswith("6.1.")
    assert re.fullmatch(r"[0-9a-f]{64}", record["base"]["sha256"])
    suites = {s["suite"]: s for s in record["tests"]}
    assert suites.keys() == EXPECTED.keys()
    for name, least in EXPECTED.items():
        suite = suites[name]
        assert suite["passed"] >= least
        assert suite["failed"] == suite["skipped"] == 0
        assert all(case["outcome"] == "passed" for case in suite["cases"])


def test_the_log_of_the_guest_is_real_and_free_of_splats(record, cache):
    folder = _folder(cache, record)
    log = (folder / record["artifacts"]["console"]).read_text("utf-8", "replace")
    assert f"Linux version {record['base']['version']}" in log
    assert "netkit" in log
    for word in ("WARNING:", "BUG:", "Oops", "Kernel panic", "Call Trace"):
        assert word not in log
    assert "chrt of" not in log  # ksoftirqd was hurried up


def test_both_controls_came_as_expected(record):
    controls = {c["name"]: c for c in record["controls"]}
    assert controls.keys() == {"base", "donor"}
    base, donor = controls["base"], controls["donor"]
    assert base["expected"] == "fail"
    assert base["ok"]
    assert all(s["passed"] < len(s["cases"]) for s in base["suites"])
    passed = {s["suite"]: s["passed"] for s in base["suites"]}
    assert passed["tc_netkit"] == passed["port_netkit"] == 0
    assert donor["expected"] == "pass"
    assert donor["ok"]
    assert {s["suite"]: s["passed"] for s in donor["suites"]} == {
        s["suite"]: s["passed"] for s in record["tests"]
    }


def test_conflicts_were_real_and_all_settled_by_rules(record):
    picks = record["picks"]
    assert [p["outcome"] for p in picks].count("conflict") == 0
    assert sum(len(p["conflicts"]) for p in picks) > 20
    fired = {a["rule"] for a in record["adaptations"]}
    assert fired == {rule for p in picks for rule in p["rules"]}
    assert all(a["why"] for a in record["adaptations"])


def test_gates_say_what_they_did(record):
    gates = {g["name"]: g["outcome"] for g in record["gates"]}
    assert gates == dict.fromkeys(GATES, "passed")
    assert record["config"]["values"]["NETKIT"] == "y"


def test_a_second_run_finds_all_its_work_done(record):
    done = backport(*RUN)
    again = json.loads(backport("status", "--json").stdout)
    assert all(stage["cached"] for stage in again["stages"])
    assert again["head"] == record["head"]
    assert "cached" in done.stdout


def test_the_series_applies_with_git_am(record, tmp_path):
    done = backport("export", "--format", "patches", "--output", str(tmp_path / "series"))
    assert record["tree"] in done.stdout
    patches = sorted((tmp_path / "series").glob("*.patch"))
    assert patches[0].name == "0000-cover-letter.patch"
    assert len(patches) == 1 + sum(bool(p["commit"]) for p in record["picks"])


def test_another_cache_and_path_give_the_same_commits(record, cache, tmp_path):
    """The archive's files are shared to spare the mirror; nothing else is."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "archive").symlink_to(cache.archive)
    done = backport("pick", *RUN[1:], "--json", env={"BACKPORT_CACHE": str(other)})
    again = json.loads(done.stdout)
    assert not all(stage["cached"] for stage in again["stages"])
    assert again["head"] == record["head"]
    assert [p["commit"] for p in again["picks"]] == [p["commit"] for p in record["picks"]]


def test_a_killed_boot_leaves_no_guest_and_the_next_run_ends_the_same(record, cache):
    for kept in (cache.guest / "passed").glob("*.json"):
        kept.unlink()
    victim = subprocess.Popen(
        [BACKPORT, "test", *RUN[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    guest = _wait_for_guest(victim.pid)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert _gone(guest)
    assert json.loads(backport("status", "--json").stdout)["outcome"] == "killed"
    again = json.loads(backport("test", *RUN[1:], "--json").stdout)
    assert again["outcome"] == "passed"
    assert again["head"] == record["head"]
    assert {s["suite"]: s["passed"] for s in again["tests"]} == {
        s["suite"]: s["passed"] for s in record["tests"]
    }


def _wait_for_guest(parent):
    """The pid of the QEMU that a process started."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = path.read_text().rpartition(")")
            except OSError:
                continue
            if "qemu-system" in name and int(rest.split()[1]) == parent:
                return int(path.parent.name)
        time.sleep(0.1)
    raise AssertionError("no guest came up")


def _gone(pid):
    """Whether a process ends within seconds; one that only waits to be buried has ended."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in {"Z", "X"}:
            return True
        time.sleep(0.1)
    return False


def _folder(cache, record):
    return cache.runs / f"{record['series']}-{record['target']}" / record["id"]
