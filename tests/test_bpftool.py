"""bpftool from a slice of a tree: a stand-in Makefile shows what it is given, and when it runs."""

from __future__ import annotations

import pytest
from kernelish import make_tree

from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.guests.bpftool import BpftoolRequest, build_bpftool
from backport.values.errors import BuildFailed, UsageError
from backport.values.events import StageFinished, silent

MAKEFILE = """\
$(OUTPUT)bpftool: main.c
\t@test ! -e ../../perf
\tcp main.c $@
"""


@pytest.fixture
def request_of(tmp_path):
    git = Git.init_bare(tmp_path / "store.git")

    def make(**files):
        paths = {"tools/bpf/bpftool/Makefile": MAKEFILE, "tools/bpf/bpftool/main.c": "int main;\n"}
        paths |= {"tools/perf/perf.c": "not of the slice\n", **files}
        tree = make_tree(git, {path: text for path, text in paths.items() if text is not None})
        return BpftoolRequest(git, tree, Cache(tmp_path / "cache"))

    return make


def test_it_is_built_once(request_of):
    told = []
    program = build_bpftool(request_of(), told.append)
    assert program.read_text() == "int main;\n"
    assert program.stat().st_mode & 0o111
    assert sorted(p.name for p in program.parent.iterdir()) == ["bpftool", "build.log", "sha256"]
    assert build_bpftool(request_of(), told.append) == program
    assert [e.cached for e in told if isinstance(e, StageFinished)] == [False, True]


def test_one_that_changed_on_disk_is_built_again(request_of):
    program = build_bpftool(request_of(), silent)
    program.write_text("half")
    assert build_bpftool(request_of(), silent).read_text() == "int main;\n"


def test_what_is_not_there_or_does_not_compile_is_told(request_of):
    with pytest.raises(UsageError, match="no tools/bpf/bpftool"):
        build_bpftool(request_of(**{"tools/bpf/bpftool/Makefile": None}), silent)
    broken = {"tools/bpf/bpftool/Makefile": "$(OUTPUT)bpftool:\n\t@echo main.c: bad >&2; false\n"}
    with pytest.raises(BuildFailed, match=r"main\.c: bad") as caught:
        build_bpftool(request_of(**broken), silent)
    assert caught.value.log is not None
