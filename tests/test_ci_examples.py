"""The CI examples are checked artefacts: every command in them is one of ours, and it runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
import yaml
from minikernel import BACKPORT, SERIES, TARGET, buildable_world

from backport.readers.manifest import find_data_root, series_path, target_path
from backport.shell import cli
from backport.values.errors import Exit

CI = Path(__file__).resolve().parents[1] / "docs" / "ci"
GITHUB = yaml.safe_load((CI / "github.yml").read_text("utf-8"))
GITLAB = yaml.safe_load((CI / "gitlab.yml").read_text("utf-8"))
OURS = ".venv/bin/backport"

# A guest needs QEMU and packaged kernels, which tests/test_e2e.py boots: here `run` builds only.
STAND_IN = """\
#!/bin/sh
command=$1; shift
case $command in
run) set -- build "$@" --upstream "$UPSTREAM" ;;
plan) set -- plan "$@" --upstream "$UPSTREAM" ;;
rules) action=$1; shift; set -- rules "$action" "$@" --upstream "$UPSTREAM" ;;
*) set -- "$command" "$@" ;;
esac
exec {backport} "$@"
"""


def github_lines():
    steps = GITHUB["jobs"]["series"]["steps"]
    return [line for step in steps for line in step.get("run", "").splitlines()]


def gitlab_lines():
    job = GITLAB["series"]
    return [*job["before_script"], *job["script"], *job["after_script"]]


FORMS = {"github": github_lines(), "gitlab": gitlab_lines()}


@pytest.fixture(params=FORMS)
def lines(request):
    return FORMS[request.param]


def ours(lines):
    """Our own commands among them, as words."""
    found = [shlex.split(line)[1:] for line in lines if line.startswith(OURS)]
    assert len(found) > 5
    return found


def test_every_command_and_option_is_one_of_the_command_line(lines):
    commands = typer.main.get_command(cli.app).commands
    for words in ours(lines):
        command = commands[words[0]]
        if words[0] in cli.GROUPS:
            command = command.commands[words[1]]
        known = {option for param in command.params for option in param.opts}
        assert {word for word in words if word.startswith("-")} <= known, words


def test_nothing_that_others_write_is_pasted_into_a_shell(lines):
    """A branch name or a title in ${{ }} would be run; variables of the environment are not."""
    assert not [line for line in lines if "${{" in line]


def test_both_do_the_same():
    def plain(lines):
        return {" ".join(words) for words in ours(lines) if "md" not in words}

    assert plain(FORMS["github"]) == plain(FORMS["gitlab"])


def test_the_series_and_the_targets_are_there():
    job = GITHUB["jobs"]["series"]
    (matrix,) = GITLAB["series"]["parallel"]["matrix"]
    assert job["strategy"]["matrix"]["target"] == matrix["TARGET"]
    for name in matrix["TARGET"]:
        assert target_path(find_data_root(), name).is_file()
    for env in (job["env"], GITLAB["series"]["variables"]):
        assert series_path(find_data_root(), env["SERIES"]).is_file()


def test_what_is_written_is_what_is_kept():
    def written(lines):
        return {
            w[w.index("--output") + 1] for w in ours(lines) if "--output" in w and "md" not in w
        }

    upload = GITHUB["jobs"]["series"]["steps"][-1]["with"]["path"].split()
    kept = GITLAB["series"]["artifacts"]
    assert written(FORMS["github"]) == set(upload)
    assert written(FORMS["gitlab"]) == {*kept["paths"], kept["reports"]["junit"]}


def test_the_rules_are_checked_on_a_base_that_is_there(lines):
    """`rules check` fetches nothing: on a fresh machine it would look at no target."""
    names = [words[0] for words in ours(lines)]
    assert names.index("plan") < names.index("rules") < names.index("run")


def test_results_are_kept_of_a_job_that_failed():
    steps = {step.get("name", step.get("uses")): step for step in GITHUB["jobs"]["series"]["steps"]}
    for name in ("Results", "actions/upload-artifact@v4"):
        assert steps[name]["if"] == "${{ !cancelled() }}"
    assert GITLAB["series"]["artifacts"]["when"] == "always"
    assert any("--format junit" in line for line in GITLAB["series"]["after_script"])


def test_only_what_is_the_machines_fault_is_tried_again():
    assert GITLAB["series"]["retry"]["exit_codes"] == [int(Exit.UNAVAILABLE)]


def test_the_text_names_the_suites_and_files_that_there_are():
    text = (CI / "README.md").read_text("utf-8")
    for name in ("junit.xml", "kcidb.json", "report.html", "evidence.tar"):
        assert f"| `{name}` |" in text
    for name in ("run", "picks", "gates", "patched", "control-base", "control-donor"):
        assert re.search(rf"^\|.*`{name}`", text, re.M)


# -- run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A world, and beside it a folder with a checkout's .venv in which a job may run."""
    world = buildable_world(tmp_path_factory.mktemp("ci") / "world")
    bin_ = world.root / "job" / ".venv" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "backport").write_text(STAND_IN.format(backport=shlex.quote(str(BACKPORT))))
    (bin_ / "backport").chmod(0o755)
    return world


def shell(world, line, check=True):
    if not line.startswith(OURS):  # of the machine: apt-get, make
        return None
    env = {**os.environ, **world.environment(), "UPSTREAM": f"git:{world.upstream}"}
    env |= {"SERIES": SERIES, "TARGET": TARGET}
    env.pop("GITHUB_STEP_SUMMARY", None)  # of the CI that this may run in itself
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=world.root / "job", env=env, check=False,
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert not check or done.returncode == 0, (line, done.stdout, done.stderr)
    return done


@pytest.mark.slow
def test_every_line_runs_and_leaves_its_file(place, lines):
    job = place.root / "job"
    for line in lines:
        shell(place, line)
    root = ET.parse(job / "junit.xml").getroot()
    assert root.get("failures") == root.get("errors") == "0" and int(root.get("tests")) > 8
    for name in ("kcidb.json", "report.html", "evidence.tar"):
        assert (job / name).stat().st_size > 1000
        (job / name).unlink()


@pytest.mark.slow
def test_a_job_that_fails_still_leaves_results_that_say_so(place):
    job = place.root / "job"
    shutil.copytree(place.data, place.root / "kept")
    (place.data / "kconfig" / "net.config").write_text("CONFIG_ABSENT=y\n")
    try:
        ends = (shell(place, line, check=False).returncode for line in GITLAB["series"]["script"])
        assert next(filter(None, ends)) == Exit.GATE  # the job's script ends there
        for line in GITLAB["series"]["after_script"]:
            shell(place, line)
    finally:
        shutil.rmtree(place.data)
        shutil.move(place.root / "kept", place.data)
    root = ET.parse(job / "junit.xml").getroot()
    bad = {case.get("name") for case in root.iter("testcase") if case.find("failure") is not None}
    assert bad == {"verdict", "config"}
