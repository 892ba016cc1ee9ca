"""The doctor: what is missing is found before it is needed, with the command that installs it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from backport.readers import elf
from backport.shell import doctor
from backport.shell.doctor import NEEDS, STAGES, Finding, Machine, check, examine, render
from backport.values.errors import Exit, ToolMissing, UsageError


class Fake:
    """A machine of our own: programs are scripts that tell a version, headers empty files."""

    def __init__(self, root: Path):
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir(parents=True)

    @property
    def machine(self):
        return Machine(str(self.bin), self.root, is_root=True)

    def install(self, need, version=""):
        if need.kind == "header":
            path = self.root / "usr/include" / need.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            self.script(need.name, f"echo {need.name} {version or '99.0.1'}")
        return self

    def script(self, name, body):
        (self.bin / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.bin / name).chmod(0o755)

    def remove(self, name):
        (self.bin / name).unlink()


@pytest.fixture
def bare(tmp_path):
    return Fake(tmp_path)


@pytest.fixture
def full(bare, monkeypatch):
    """A machine with everything; its busybox passes for a static program."""
    for need in NEEDS:
        bare.install(need)
    monkeypatch.setattr(elf, "parse", lambda _data: elf.Elf(62, {}, (), ()))
    return bare


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_an_empty_machine_misses_everything_and_one_command_installs_it(bare):
    bare.script("apt-get", "echo apt 2.6.1")
    with pytest.raises(ToolMissing) as err:
        check(*STAGES, machine=bare.machine)
    wanted = sorted({need.package for need in NEEDS if need.required and need.name != "apt-get"})
    assert err.value.hint == f"apt-get install -y {' '.join(wanted)}"
    assert err.value.exit_code == Exit.UNAVAILABLE == 69
    for need in NEEDS:
        listed = f"  {need.name}: missing ({need.why})" in err.value.message
        assert listed is (need.required and need.name != "apt-get"), need.name


def test_an_empty_path_finds_nothing(tmp_path):
    machine = Machine("", tmp_path)
    missing = [found for found in examine(machine=machine) if found.state == "missing"]
    assert {found.name for found in missing} == {need.name for need in NEEDS}


def test_a_full_machine_passes_every_stage(full):
    check(*STAGES, machine=full.machine)
    states = {found.state for found in examine(machine=full.machine)}
    assert states == {"ok", "note"}


@pytest.mark.parametrize("need", [need for need in NEEDS if need.required], ids=lambda n: n.name)
def test_each_tool_is_missed_by_each_of_its_stages_and_by_no_other(need, full, monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda _program: (99, 0))  # 400 processes less
    path = full.machine.header(need.name) if need.kind == "header" else full.bin / need.name
    path.unlink()
    for stage in STAGES:
        if stage not in need.stages:
            check(stage, machine=full.machine)
            continue
        with pytest.raises(ToolMissing, match=f"  {need.name}: missing") as err:
            check(stage, machine=full.machine)
        assert shlex.split(err.value.hint)[-1] == need.package


def test_an_optional_tool_stops_nobody_but_is_shown(full):
    full.remove("ccache")
    check(*STAGES, machine=full.machine)
    text = render(examine(machine=full.machine), full.machine)
    assert "– ccache" in text
    assert "missing, optional: makes second builds faster" in text
    assert "next:" not in text


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("2.37.9", "too old"),
        ("2.38.0", "ok"),
        ("2.39.5", "ok"),
        ("10.1", "ok"),
        ("version 1.9", "too old"),
    ],
)
def test_versions_are_compared_as_numbers(full, version, state):
    full.script("git", f"echo git version {version}")
    found = by_name(examine("git", machine=full.machine))["git"]
    assert found.state == state
    assert found.bad is (state != "ok")


def test_what_is_too_old_says_what_it_is_and_what_is_wanted(full):
    full.script("git", "echo git version 2.30.2")
    with pytest.raises(ToolMissing, match=r"git: too old .*git is 2\.30\.2, .* needs 2\.38"):
        check("git", machine=full.machine)


@pytest.mark.parametrize("body", ["exit 1", "echo nothing to see", "echo 2.39.5; exit 127"])
def test_a_tool_that_does_not_work_is_broken(full, body):
    full.script("git", body)
    assert by_name(examine("git", machine=full.machine))["git"].state == "broken"


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", (12, 2, 0)),
        ("GNU ld (GNU Binutils for Debian) 2.40", (2, 40)),
        ("GNU Make 4.3", (4, 3)),
        ("bc 1.07.1", (1, 7, 1)),
        ("flex 2.6.4", (2, 6, 4)),
        ("bison (GNU Bison) 3.8.2", (3, 8, 2)),
    ],
)
def test_versions_are_read_from_real_first_lines(bare, line, version):
    bare.script("tool", f"echo {shlex.quote(line)}")
    assert doctor.version_of(bare.bin / "tool") == version


def test_a_tool_that_hangs_is_given_up(bare, monkeypatch):
    monkeypatch.setattr(doctor, "_ASK_SECONDS", 0.2)
    bare.script("tool", "exec sleep 30")
    assert doctor.version_of(bare.bin / "tool") is None


def test_a_busybox_that_needs_libraries_is_refused(full, monkeypatch):
    sections = {".interp": b"/lib64/ld-linux-x86-64.so.2\0"}
    monkeypatch.setattr(elf, "parse", lambda _data: elf.Elf(62, sections, ("libc.so.6",), ()))
    with pytest.raises(ToolMissing, match="busybox is not static") as err:
        check("guest", machine=full.machine)
    assert err.value.hint.endswith("busybox-static")


def test_a_busybox_that_is_no_program_is_broken(full, monkeypatch):
    monkeypatch.undo()
    found = by_name(examine("guest", machine=full.machine))["busybox"]
    assert found.state == "broken"


def test_headers_are_found_where_the_compiler_looks(bare):
    place = bare.root / "usr/include/x86_64-linux-gnu/openssl"
    place.mkdir(parents=True)
    assert bare.machine.header("openssl/ssl.h") is None
    (place / "ssl.h").touch()
    assert bare.machine.header("openssl/ssl.h") == place / "ssl.h"


def test_a_user_is_told_to_use_sudo_and_another_distribution_gets_names(full):
    full.remove("bc")
    findings = examine("build", machine=full.machine)
    user = Machine(str(full.bin), full.root, is_root=False)
    assert doctor.install_command(findings, user) == "sudo apt-get install -y bc"
    full.remove("apt-get")
    assert doctor.install_command(findings, user) == "install what Debian calls bc"


def test_the_table_ends_with_the_command(full):
    full.remove("bc")
    full.remove("flex")
    lines = render(examine(machine=full.machine), full.machine).splitlines()
    assert lines[-1] == "next: apt-get install -y bc flex"
    assert any(line.startswith("✗ bc ") and "missing: computes" in line for line in lines)
    assert any(line.startswith("✓ git ") for line in lines)


def test_an_old_python_is_found(full):
    old = Machine(str(full.bin), full.root, python=(3, 9, 2))
    found = by_name(examine(machine=old))["python"]
    assert (found.state, found.bad) == ("too old", True)


def test_little_room_is_said_but_stops_nobody(tmp_path, monkeypatch):
    class Usage:
        free = 3e9

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: Usage)
    found = doctor.disk(tmp_path / "not" / "yet")
    assert found.state == "low"
    assert not found.bad
    assert "3 GB free" in found.detail
    assert "BACKPORT_CACHE" in found.detail
    Usage.free = 40e9
    assert doctor.disk(tmp_path).state == "ok"


def test_the_disk_is_looked_at_where_the_cache_will_be(tmp_path, full):
    findings = examine(machine=full.machine, cache=tmp_path / "a" / "b")
    assert str(tmp_path / "a" / "b") in by_name(findings)["disk"].detail


def test_kvm_is_never_promised(bare):
    assert "TCG" in doctor.kvm(bare.machine).detail
    (bare.root / "dev").mkdir()
    (bare.root / "dev/kvm").touch()
    found = doctor.kvm(bare.machine)
    assert found.state == "note"
    assert "proves it before it is used" in found.detail


def test_an_unknown_stage_lists_the_stages():
    with pytest.raises(UsageError, match="cook: no such stage") as err:
        check("cook")
    assert "selftests" in err.value.hint


def test_the_table_is_sound():
    assert len({need.name for need in NEEDS}) == len(NEEDS)
    for need in NEEDS:
        assert need.stages
        assert set(need.stages) <= set(STAGES)
        assert need.why
        assert need.package
    assert {stage for need in NEEDS for stage in need.stages} == set(STAGES)


def test_nothing_to_install_is_no_command(full):
    assert doctor.install_command([Finding("disk", "low", "")], full.machine) == ""
    doctor.require([Finding("x", "missing", "why", "x", required=False)], full.machine)
