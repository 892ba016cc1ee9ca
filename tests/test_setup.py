"""What `make` installs is what the doctor asks for: a fresh machine needs no second step."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from backport.replay.peers import TOOLS
from backport.shell.doctor import ALL, EVAL, EXPORT, needs

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
PACKAGES = set(
    re.search(r"^PACKAGES := ((?:.*\\\n)*.*)$", MAKEFILE, re.M)[1].replace("\\\n", " ").split()
)
# On every Debian machine with apt: essential, or apt's own.
THERE = {"apt", "dpkg", "coreutils", "util-linux", "tar", "perl-base"}


def test_every_needed_package_is_installed_by_make():
    wanted = {need.package for need in needs(ALL) if need.required}
    assert wanted - THERE <= PACKAGES, wanted - THERE - PACKAGES


def test_ccache_is_installed_although_nothing_fails_without_it():
    assert "ccache" in PACKAGES


def test_what_only_an_option_needs_is_installed_for_the_tests():
    extra = set(re.search(r"^TEST_PACKAGES := (.*)$", MAKEFILE, re.M)[1].split())
    assert {need.package for stage in (EXPORT, EVAL) for need in needs(stage)} <= extra | PACKAGES


def test_the_doctor_asks_for_the_tools_of_every_peer():
    asked = {(need.name, need.package) for need in needs(ALL)}
    assert {tool for tools in TOOLS.values() for tool in tools} <= asked


def test_a_bench_without_a_repository_says_which_variable_names_one():
    argv = ["make", "-s", "bench", "-o", "setup", "BACKPORT_BENCH_REPO="]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "BACKPORT_BENCH_REPO" in done.stderr


def test_a_bench_evaluates_the_clone_that_it_is_given():
    argv = ["make", "-n", "bench", "-o", "setup", "BACKPORT_BENCH_REPO=some clone"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert '.venv/bin/backport eval "some clone" --sample 500 --seed 1' in done.stdout
