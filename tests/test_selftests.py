"""The slice of the donor tree, and what the cache trusts; the build itself is an e2e test."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fake_elf import build

from backport.doors import process
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.guests import selftests
from backport.guests.selftests import (
    BPF,
    SUITES,
    SelftestsRequest,
    Suite,
    build_selftests,
    cache_key,
    list_cases,
    write_slice,
)
from backport.values.errors import BuildFailed, ToolMissing, Unavailable, UsageError
from backport.values.events import silent

TEST_SOURCE = """\
// a test
static void test_helper(void) { }
void serial_test_tc_demo_basic(void)
{
}
void test_tc_demo_after()
{
}
void test_with_argument(int a)
{
}
"""
# Stands in for upstream's Makefile: it writes down how it was called, and makes a program.
MAKEFILE = """\
$(OUTPUT)/test_progs:
\t@echo "  CC       one.o"
\t@echo "  BINARY   test_progs"
\t@echo "$(VMLINUX_BTF)|$(feature-llvm)|$(flavor SKEL_BLACKLIST)" > $(OUTPUT)/test_progs
"""
DEMO = Suite("tc_demo", ("prog_tests/tc_demo.c", "progs/demo.c"), 2)


def make_tree(root: Path, makefile: str = MAKEFILE) -> tuple[Git, str]:
    texts = {
        f"{BPF}/Makefile": makefile,
        f"{BPF}/test_progs.c": "int main;\n",
        f"{BPF}/prog_tests/tc_demo.c": TEST_SOURCE,
        f"{BPF}/prog_tests/other.c": "void test_other(void) { }\n",
        f"{BPF}/prog_tests/tc_helpers.h": "/* h */\n",
        f"{BPF}/progs/demo.c": "/* demo */\n",
        f"{BPF}/progs/other.c": "/* other */\n",
        f"{BPF}/verifier/and.c": "/* v */\n",
        "tools/lib/bpf/libbpf.c": "/* libbpf */\n",
        "tools/perf/perf.c": "/* not needed */\n",
        "kernel/bpf/disasm.c": "/* d */\n",
        "kernel/bpf/core.c": "/* not needed */\n",
        "include/uapi/linux/bpf.h": "/* uapi */\n",
    }
    work = root / "work"
    for path, text in texts.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    git = Git.init_bare(root / "store.git")
    git.run("--work-tree", work, "add", "-A")
    return git, git.run("write-tree").text.strip()


@pytest.fixture
def request_(tmp_path):
    git, tree = make_tree(tmp_path)
    vmlinux = tmp_path / "vmlinux"
    vmlinux.write_bytes(build({".BTF": b"types"}))
    return SelftestsRequest(git, tree, vmlinux, Cache(tmp_path / "cache"), (DEMO,), jobs=1)


@pytest.fixture(autouse=True)
def no_compilers(monkeypatch):
    """The stand-in Makefile compiles nothing: do not ask the machine for compilers."""
    monkeypatch.setattr(selftests, "TOOLS", (("make", "make"),))
    monkeypatch.setattr(selftests, "COMPILERS", ("make",))


def test_the_slice_is_what_the_suites_need_and_no_more(request_, tmp_path):
    write_slice(request_.git, request_.tree, (DEMO,), tmp_path / "out")
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.[ch]")}
    assert found == {
        f"{BPF}/test_progs.c",
        f"{BPF}/prog_tests/tc_demo.c",
        f"{BPF}/prog_tests/tc_helpers.h",
        f"{BPF}/progs/demo.c",
        "tools/lib/bpf/libbpf.c",
        "kernel/bpf/disasm.c",
        "include/uapi/linux/bpf.h",
    }


def test_a_donor_without_the_suite_is_refused_and_says_where_to_get_one(request_, tmp_path):
    with pytest.raises(UsageError, match=r"no .*tc_netkit\.c") as caught:
        write_slice(request_.git, request_.tree, SUITES, tmp_path / "out")
    assert "6.7" in caught.value.hint


def test_cases_are_listed_as_upstreams_makefile_does():
    assert list_cases(TEST_SOURCE) == ("tc_demo_after", "tc_demo_basic")


def test_a_suite_with_too_few_cases_is_not_the_donor_we_think(request_):
    wants = replace(request_, suites=(replace(DEMO, wants=3),))
    with pytest.raises(UsageError, match="2 tests, at least 3"):
        build_selftests(wants, silent)


def test_the_makefile_gets_our_variables_and_the_donors_btf(request_):
    events = []
    result = build_selftests(request_, events.append)
    said = result.program.read_text().strip().split("|")
    assert said == [str(request_.vmlinux), "0", "recursive"]
    assert os.access(result.program, os.X_OK)
    assert result.cases == {"tc_demo": ("tc_demo_after", "tc_demo_basic")}
    assert "BINARY" in result.log.read_text()
    assert [e.done for e in events if isinstance(e, selftests.Progress)] == [1, 2]
    assert not (result.program.parent / "src").exists(), "the sources are not kept"


def test_a_second_build_costs_nothing_and_says_so(request_):
    first = build_selftests(request_, silent)
    stamp = first.program.stat().st_mtime_ns
    events = []
    again = build_selftests(request_, events.append)
    assert again.cached
    assert again.sha256 == first.sha256
    assert again.program.stat().st_mtime_ns == stamp
    assert events[-1].cached


@pytest.mark.parametrize("harm", ["stamp gone", "stamp cut", "program cut"])
def test_a_build_that_was_killed_or_damaged_is_done_again(request_, harm):
    first = build_selftests(request_, silent)
    home = first.program.parent
    (home / "src").mkdir()
    if harm == "stamp gone":
        (home / "done.json").unlink()
    elif harm == "stamp cut":
        (home / "done.json").write_bytes((home / "done.json").read_bytes()[:20])
    else:
        first.program.write_bytes(b"")
    again = build_selftests(request_, silent)
    assert not again.cached
    assert again.sha256 == first.sha256


@pytest.mark.slow
def test_a_second_run_waits_for_the_compilers_that_a_killed_one_left(tmp_path, request_):
    """After kill -9 make may run on; clearing its folder under it would break both."""
    git, tree = make_tree(tmp_path / "slow", MAKEFILE.replace("@echo", "@sleep 0.4; echo"))
    slow = replace(request_, git=git, tree=tree)
    script = tmp_path / "killed.py"
    script.write_text(
        "import sys, os; from pathlib import Path\n"
        "from backport.guests import selftests; from backport.doors.cache import Cache\n"
        "from backport.doors.git import Git; from backport.guests.selftests import *\n"
        "selftests.TOOLS, selftests.COMPILERS = (), ('make',)\n"
        "store, tree, vmlinux, cache = sys.argv[1:]\n"
        "demo = Suite('tc_demo', ('prog_tests/tc_demo.c', 'progs/demo.c'), 2)\n"
        "order = SelftestsRequest(Git(Path(store)), tree, Path(vmlinux), Cache(Path(cache)), "
        "(demo,), jobs=1)\n"
        "build_selftests(order, lambda e: isinstance(e, Progress) and os.kill(os.getpid(), 9))\n"
    )
    argv = [sys.executable, script, git.path, tree, slow.vmlinux, slow.cache.root]
    assert subprocess.run(argv, env=python_env(), check=False).returncode == -9
    (lock,) = slow.cache.donor.glob("*.lock")
    with lock.open("a") as handle, pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    result = build_selftests(slow, silent)
    assert not result.cached
    assert result.program.is_file()


def test_the_cache_key_follows_what_the_program_depends_on(request_, tmp_path):
    key = cache_key(request_)
    assert cache_key(request_) == key
    assert cache_key(replace(request_, suites=(replace(DEMO, wants=1),))) != key
    other = tmp_path / "other"
    other.write_bytes(build({".BTF": b"other types"}))
    assert cache_key(replace(request_, vmlinux=other)) != key
    _, changed = make_tree(tmp_path, MAKEFILE + "# changed\n")
    assert cache_key(replace(request_, tree=changed)) != key


def test_the_cache_key_ignores_the_rest_of_the_tree(request_, tmp_path):
    key = cache_key(request_)
    (tmp_path / "work/kernel/bpf/core.c").write_text("/* another kernel */\n")
    request_.git.run("--work-tree", tmp_path / "work", "add", "-A")
    tree = request_.git.run("write-tree").text.strip()
    assert tree != request_.tree
    assert cache_key(replace(request_, tree=tree)) == key


def test_a_build_that_fails_shows_its_last_lines_and_its_log(tmp_path, request_):
    text = "$(OUTPUT)/test_progs:\n\t@echo tc_demo.c:3: no such type >&2; exit 1\n"
    git, tree = make_tree(tmp_path / "broken", text)
    with pytest.raises(BuildFailed, match=r"tc_demo\.c:3: no such type") as caught:
        build_selftests(replace(request_, git=git, tree=tree), silent)
    assert "no such type" in caught.value.log.read_text()
    with pytest.raises(BuildFailed):
        build_selftests(replace(request_, git=git, tree=tree), silent)


def test_a_full_disk_is_not_the_donors_fault(tmp_path, request_):
    text = "$(OUTPUT)/test_progs:\n\t@echo cannot write x.o: No space left on device; exit 1\n"
    git, tree = make_tree(tmp_path / "full", text)
    with pytest.raises(Unavailable, match="no room left"):
        build_selftests(replace(request_, git=git, tree=tree), silent)


def test_what_the_caller_exports_does_not_reach_the_build(request_, monkeypatch):
    polluted = {"MAKEFLAGS": "-n", "MAKELEVEL": "3", "CFLAGS": "-bogus", "CC": "false", "O": "/x"}
    for key, value in polluted.items():
        monkeypatch.setenv(key, value)
    assert build_selftests(request_, silent).program.is_file()


def test_a_make_that_claims_success_is_not_believed(tmp_path, request_):
    git, tree = make_tree(tmp_path / "liar", "$(OUTPUT)/test_progs:\n\t@true\n")
    with pytest.raises(BuildFailed, match="left no test_progs"):
        build_selftests(replace(request_, git=git, tree=tree), silent)


@pytest.mark.parametrize("data", [b"", b"not ELF", build({".text": b"x"})])
def test_a_donor_kernel_without_btf_is_refused(request_, data):
    request_.vmlinux.write_bytes(data)
    with pytest.raises(UsageError, match=str(request_.vmlinux)):
        build_selftests(request_, silent)


def test_all_missing_tools_are_named_at_once(request_, monkeypatch):
    monkeypatch.setattr(selftests, "TOOLS", (("no-such-a", "pkg-a"), ("no-such-b", "pkg-b")))
    with pytest.raises(ToolMissing, match="no-such-a, no-such-b") as caught:
        build_selftests(request_, silent)
    assert caught.value.hint == "apt-get install pkg-a pkg-b"


def test_children_die_with_the_process_that_started_them(tmp_path):
    """A guest must not run on after kill -9 of the tool that reads it."""
    script = tmp_path / "parent.py"
    script.write_text(
        "from backport.doors import process\n"
        "with process.spawned(['sleep', '300']) as child:\n"
        "    print(child.pid, flush=True)\n"
        "    child.wait()\n"
    )
    parent = subprocess.Popen(["python3", script], stdout=subprocess.PIPE, env=python_env())
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not alive(pid):
            return
        process.time.sleep(0.05)
    pytest.fail(f"{pid} outlived its parent")


def python_env() -> dict[str, str]:
    paths = os.pathsep.join(p for p in sys.path if p)
    return {
        **os.environ,
        "PYTHONPATH": f"{Path(selftests.__file__).parents[2]}{os.pathsep}{paths}",
    }


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_rows_name_what_the_issue_asks_for():
    assert {suite.name: suite.wants for suite in SUITES} == {
        "tc_netkit": 6,
        "tc_links": 14,
        "tc_opts": 20,
    }
