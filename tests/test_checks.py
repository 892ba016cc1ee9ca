"""Checks of our own: compiled with the result's headers, once, and heard like upstream's suites."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from kernelish import make_tree

from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.guests.checks import ChecksRequest, build_checks
from backport.readers import elf
from backport.values.errors import BuildFailed, Exit, UsageError
from backport.values.events import StageFinished, silent

pytestmark = pytest.mark.slow  # a compiler for each

ROOT = Path(__file__).resolve().parents[1]
HEADER = "include/uapi/linux/toy_abi.h"
SOURCE = """\
#include <stdio.h>
#include <linux/toy_abi.h>
_Static_assert(TOY_NUMBER == 7, "how many toys");
int main(int argc, char **argv)
{
	puts("dock_open\\ndock_shut");
	return argc < 2 || argv[1][0] != '-';
}
"""


@pytest.fixture
def request_of(tmp_path):
    git = Git.init_bare(tmp_path / "store.git")
    source = tmp_path / "qemu/port_toy.c"
    source.parent.mkdir()
    source.write_text(SOURCE)

    def make(header="#define TOY_NUMBER 7\n", **more):
        tree = make_tree(git, {HEADER: header, "README": "x\n"})
        headers = (HEADER, "include/uapi/linux/absent.h")
        return ChecksRequest(git, tree, headers, source, Cache(tmp_path / "cache"), **more)

    return make


def test_the_program_itself_says_which_cases_it_has(request_of):
    checks = build_checks(request_of(), silent)
    assert checks.name == "port_toy" and checks.cases == ("dock_open", "dock_shut")
    assert os.access(checks.program, os.X_OK)
    assert not elf.parse(checks.program.read_bytes()).interpreter


def test_the_same_headers_are_compiled_once(request_of):
    told = []
    first = build_checks(request_of(), told.append)
    again = build_checks(request_of(), told.append)
    other = build_checks(request_of("#define TOY_NUMBER (6 + 1)\n"), told.append)
    ended = [event.cached for event in told if isinstance(event, StageFinished)]
    assert first == again and ended == [False, True, False]
    assert other.program != first.program and other.sha256 == first.sha256


def test_a_damaged_program_is_compiled_again(request_of):
    whole = build_checks(request_of(), silent).program.read_bytes()
    build_checks(request_of(), silent).program.write_bytes(b"")
    assert build_checks(request_of(), silent).program.read_bytes() == whole


def test_a_number_of_the_result_that_is_another_one_is_a_failed_build(request_of):
    with pytest.raises(BuildFailed) as caught:
        build_checks(request_of("#define TOY_NUMBER 8\n"), silent)
    assert caught.value.exit_code is Exit.GATE
    assert re.search(r"port_toy\.c:3:.*how many toys", caught.value.message)


def test_a_suite_without_its_source_says_where_it_was_named(request_of):
    request = request_of()
    request.source.unlink()
    with pytest.raises(UsageError, match=r"port_toy\.c: no such file") as caught:
        build_checks(request, silent)
    assert "series.toml" in caught.value.hint


# -- the shipped suite, on a kernel that need not have netkit


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """qemu/port_netkit.c with the few names that older headers of the C library lack."""
    folder = tmp_path_factory.mktemp("shipped")
    git = Git.init_bare(folder / "store.git")
    header = """\
#include_next <linux/bpf.h>
#ifndef BPF_F_BEFORE
enum { BPF_TCX_INGRESS = 46, BPF_TCX_EGRESS, BPF_NETKIT_PRIMARY = 54, BPF_NETKIT_PEER };
enum { BPF_LINK_TYPE_TCX = 11, BPF_LINK_TYPE_NETKIT = 13 };
union toy_attr {
	struct { __u32 prog_type, insn_cnt; __u64 insns, license; };
	struct { __u64 pathname; __u32 bpf_fd; };
	struct { __u32 bpf_fd, info_len; __u64 info; } info;
	struct {
		__u32 prog_fd, retval, data_size_in, data_size_out;
		__u64 data_in, data_out;
		__u32 repeat;
	} test;
	struct {
		__u32 target_ifindex, attach_type;
		__u8 before[32];
		__u64 link_ids, link_attach_flags, revision;
	} query;
	union {
		struct { __u32 prog_fd, target_ifindex, attach_type, flags; };
		struct { __u32 before[4]; __u32 relative_fd; __u64 expected_revision; } tcx, netkit;
	} link_create;
};
struct toy_link_info { struct { __u32 ifindex, attach_type; } netkit; };
#define bpf_attr toy_attr
#define bpf_link_info toy_link_info
#endif
"""
    tree = make_tree(git, {"include/uapi/linux/bpf.h": header})
    source = ROOT / "qemu/port_netkit.c"
    request = ChecksRequest(
        git, tree, ("include/uapi/linux/bpf.h",), source, Cache(folder / "cache")
    )
    return build_checks(request, silent)


def test_the_shipped_suite_runs_what_is_asked_for_and_fails_without_a_guest(shipped):
    assert len(shipped.cases) >= 7
    one = shipped.cases[-1]
    ran = subprocess.run(
        [shipped.program, f"{one},nothing"], capture_output=True, text=True, check=False,
        env={"PATH": "/nowhere"},
    )  # fmt: skip
    assert ran.returncode == 1
    lines = [line for line in ran.stdout.splitlines() if not line.startswith("#")]
    assert lines == ["KTAP version 1", "1..1", f"not ok 1 {one}"]


def test_what_programs_share_lies_beside_them_and_counts(request_of):
    request = request_of()
    request.source.write_text('#include "share.h"\n' + SOURCE)
    with pytest.raises(UsageError, match=r"share\.h, which is not beside it"):
        build_checks(request, silent)
    shared = request.source.with_name("share.h")
    shared.write_text("#define SHARED 1\n")
    first = build_checks(request, silent)
    shared.write_text("#error changed\n")
    assert first.cases == ("dock_open", "dock_shut")
    with pytest.raises(BuildFailed, match="changed"):
        build_checks(request, silent)
