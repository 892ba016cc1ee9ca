"""The build stage, against a small tree whose Makefile answers as kbuild does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fake_kernel import make_tree

from backport.kernel import kbuild, toolchain
from backport.kernel.build import FIRST_ESTIMATE, JOURNAL, BuildRequest, BuildResult, build
from backport.kernel.objects import ObjectOutcome, object_of, objects
from backport.kernel.toolchain import Toolchain, quirks
from backport.values.errors import BuildFailed, Exit, ToolMissing, Unavailable, UsageError
from backport.values.events import Event, Note, Progress, StageFinished
from backport.values.version import Version

GCC = Toolchain("gcc", "gcc (Debian 12.2.0-14) 12.2.0")


@pytest.fixture(autouse=True)
def compiler(monkeypatch):
    monkeypatch.setattr(toolchain, "probe", lambda: GCC)


@pytest.fixture
def request_for(tmp_path):
    make_tree(tmp_path / "src")
    (tmp_path / "o").mkdir()
    (tmp_path / "o/.config").write_text("CONFIG_NET=y\n")

    def make(**more) -> BuildRequest:
        defaults = {
            "source": tmp_path / "src",
            "out": tmp_path / "o",
            "log": tmp_path / "build.log",
            "tree": "one",
        }
        return BuildRequest(**(defaults | more))

    return make


def compiles(request: BuildRequest) -> int:
    return request.log.read_text().count("  CC ")


def warn(request: BuildRequest, path: str, *lines: str) -> None:
    (request.source / path).write_text("".join(f"#warning {line}\n" for line in lines))


def texts(result: BuildResult) -> list[tuple[str, str]]:
    return [(w.file, w.text) for w in result.warnings]


# -- building


def test_a_first_build_makes_the_image_and_counts_objects(request_for):
    heard: list[Event] = []
    request = request_for(emit=heard.append)
    got = build(request)
    assert got.image == request.out / "arch/x86/boot/bzImage"
    assert got.image_sha256 == kbuild.sha256_file(got.image)
    assert got.vmlinux.is_file()
    assert got.system_map.is_file()
    assert (got.objects, got.total_objects, got.cached) == (2, 2, False)
    assert got.compiler == GCC.compiler
    assert {"bzImage", "ARCH=x86_64", "CC=gcc"} <= set(got.command)
    steps = [(e.done, e.unit) for e in heard if isinstance(e, Progress)]
    assert steps == [(1, "objects"), (2, "objects")]
    assert isinstance(heard[-1], StageFinished)
    assert not (request.out / JOURNAL).exists()


def test_the_same_tree_again_starts_no_make(request_for):
    first = build(request_for())
    size = first.log.stat().st_size
    again = build(request_for())
    assert again.cached
    assert again.objects == 0
    assert (again.image_sha256, again.total_objects) == (first.image_sha256, 2)
    assert first.log.stat().st_size == size


def test_one_changed_file_compiles_one_object(request_for):
    first = build(request_for())
    time.sleep(0.01)
    (request_for().source / "net/dev.c").write_text("int changed;\n")
    got = build(request_for(tree="two"))
    assert (got.objects, got.total_objects, got.cached) == (1, 2, False)
    assert got.image_sha256 != first.image_sha256


def test_without_a_tree_id_make_always_looks(request_for):
    build(request_for(tree=""))
    again = build(request_for(tree=""))
    assert not again.cached
    assert again.objects == 0


@pytest.mark.parametrize("damage", ["image", "vmlinux", "stamp", "config", "variables"])
def test_a_stamp_is_trusted_only_while_all_is_as_it_says(request_for, damage):
    request = request_for()
    first = build(request)
    if damage == "image":
        first.image.write_text("damaged")
    elif damage == "vmlinux":
        first.vmlinux.unlink()
    elif damage == "stamp":
        first.stamp.write_text('{"inputs": ')
    elif damage == "config":
        first.config.write_text("CONFIG_NET=n\n")
    else:
        request = request_for(variables={"WERROR": "0"})
    assert not build(request).cached


def test_the_callers_environment_changes_nothing(request_for, tmp_path, monkeypatch):
    plain = build(request_for())
    make_tree(tmp_path / "elsewhere")
    (tmp_path / "p").mkdir()
    (tmp_path / "p/.config").write_text("CONFIG_NET=y\n")
    for name, value in {
        "MAKEFLAGS": "n -j8 --jobserver-auth=7,8",
        "KBUILD_BUILD_USER": "someone",
        "KBUILD_BUILD_TIMESTAMP": "today",
        "ARCH": "vax",
        "O": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    other = build(request_for(source=tmp_path / "elsewhere", out=tmp_path / "p"))
    assert other.objects == 2
    assert other.image_sha256 == plain.image_sha256
    assert "1970 backport" in plain.image.read_text()


# -- warnings


def test_warnings_outlive_the_run_that_compiled_their_object(request_for):
    request = request_for()
    warn(request, "net/dev.c", "shadowed")
    assert texts(build(request)) == [("net/dev.c", "shadowed")]
    time.sleep(0.01)
    warn(request, "init/main.c", "unused")
    got = build(request_for(tree="two"))
    assert got.objects == 1
    assert texts(got) == [("init/main.c", "unused"), ("net/dev.c", "shadowed")]
    assert texts(build(request_for(tree="two"))) == texts(got)
    time.sleep(0.01)
    (request.source / "net/dev.c").write_text("int mended;\n")
    assert texts(build(request_for(tree="three"))) == [("init/main.c", "unused")]


def test_warnings_are_compared_with_a_baseline(request_for, tmp_path):
    request = request_for()
    warn(request, "net/dev.c", "old", "kept")
    base = tmp_path / "base.json"
    base.write_text(build(request).stamp.read_text())
    time.sleep(0.01)
    warn(request, "net/dev.c", "kept", "brought")
    delta = build(request_for(tree="two", baseline=base)).delta
    assert [w.text for w in delta.new] == ["brought"]
    assert [w.text for w in delta.fixed] == ["old"]


def test_a_baseline_that_is_none_is_refused(request_for, tmp_path):
    (tmp_path / "base.json").write_text("{}")
    with pytest.raises(UsageError, match=r"base\.json: not the stamp"):
        build(request_for(baseline=tmp_path / "base.json"))


# -- failing


def test_a_failure_shows_the_first_real_errors_and_keeps_what_was_compiled(request_for):
    request = request_for(jobs=1)
    warn(request, "init/main.c", "early")
    (request.source / "net/dev.c").write_text("int a;\n#error ‘tcx’ undeclared\n")
    with pytest.raises(BuildFailed) as caught:
        build(request)
    assert caught.value.exit_code is Exit.GATE
    assert str(caught.value).splitlines()[1].endswith("net/dev.c:2:2: error: ‘tcx’ undeclared")
    assert caught.value.log == request.log
    (request.source / "net/dev.c").write_text("int a;\n")
    heard: list[Event] = []
    got = build(request_for(jobs=1, emit=heard.append))
    assert (got.objects, got.total_objects) == (1, 2)
    assert Progress("build", 2, FIRST_ESTIMATE, "objects") in heard, "goes on counting"
    assert texts(got) == [("init/main.c", "early")], "of the run that failed"


def test_a_failed_build_is_not_cached(request_for):
    build(request_for())
    time.sleep(0.01)
    (request_for().source / "net/dev.c").write_text("#error broken\n")
    for _ in range(2):
        with pytest.raises(BuildFailed):
            build(request_for(tree="two"))


def test_a_full_disk_is_the_machines_fault(request_for):
    request = request_for()
    (request.source / "net/dev.c").write_text("#nospace\n")
    with pytest.raises(Unavailable, match="no room left on the disk") as caught:
        build(request)
    assert "goes on" in caught.value.hint


def test_a_header_that_the_machine_lacks_is_named_with_its_package(request_for):
    request = request_for()
    (request.source / "net/dev.c").write_text("#error gelf.h: No such file or directory\n")
    with pytest.raises(ToolMissing, match=r"gelf\.h") as caught:
        build(request)
    assert caught.value.hint == "apt-get install libelf-dev"


def test_what_cannot_be_built_is_refused(request_for, tmp_path):
    with pytest.raises(UsageError, match="not a kernel tree"):
        build(request_for(source=tmp_path))
    with pytest.raises(UsageError, match="not configured"):
        build(request_for(out=tmp_path / "new"))
    with pytest.raises(UsageError, match="vax"):
        build(request_for(arch="vax"))


# -- one at a time

KILLED = """
import sys
from pathlib import Path
from backport.kernel import toolchain
from backport.kernel.build import BuildRequest, build
toolchain.probe = lambda: toolchain.Toolchain("gcc", "gcc (Debian 12.2.0-14) 12.2.0")
root = Path(sys.argv[1])
build(BuildRequest(root / "src", root / "o", root / "build.log", tree="one"))
"""


def start_and_kill(root: Path, by: signal.Signals) -> list[int]:
    """Start a build whose compilers hang, kill it once they run; the compilers' process ids."""
    pids = root / "pids"
    env = os.environ | {"SLOW_COMPILER": str(pids)}
    proc = subprocess.Popen([sys.executable, "-c", KILLED, root], env=env)
    deadline = time.monotonic() + 10
    while not (pids.is_file() and pids.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    proc.send_signal(by)
    proc.wait()
    return [int(pid) for pid in pids.read_text().split()]


@pytest.mark.slow
def test_compilers_that_outlive_a_killed_run_keep_its_directory(request_for, tmp_path, monkeypatch):
    pids = start_and_kill(tmp_path, signal.SIGKILL)
    alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    monkeypatch.setattr(kbuild, "LOCK_PATIENCE", 0.3)
    heard: list[Event] = []
    assert alive
    groups = {os.getpgid(pid) for pid in alive}
    try:
        with pytest.raises(UsageError, match="another build has been at work"):
            build(request_for(emit=heard.append))
        assert any(isinstance(e, Note) and "waiting" in e.text for e in heard)
    finally:
        for group in groups:
            os.killpg(group, signal.SIGKILL)
    monkeypatch.setattr(kbuild, "LOCK_PATIENCE", 10.0)
    got = build(request_for())
    assert (got.total_objects, got.cached) == (2, False)
    assert build(request_for()).cached


@pytest.mark.slow
def test_an_interrupt_takes_the_compilers_along(request_for, tmp_path):
    pids = start_and_kill(tmp_path, signal.SIGINT)
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert build(request_for()).total_objects == 2


@pytest.mark.parametrize("killed", [True, False])
def test_what_a_killed_make_was_at_is_forgotten(request_for, killed):
    """A half-written .cmd ends the next make; one whose depfile is gone is whole."""
    request = request_for()
    build(request)
    assert not (request.out / kbuild.AT_WORK).exists()
    torn, whole = request.out / "net/.dev.o.cmd", request.out / "net/.multi.o.cmd"
    for path in (torn, whole, torn.with_suffix(".d")):
        path.write_text("deps_net/dev.o := $(wildcard inc")
    if killed:
        (request.out / kbuild.AT_WORK).touch()
    warn(request, "net/dev.c", "changed")
    build(replace(request, tree="another"))
    assert whole.exists() and torn.exists() is not killed
    assert torn.with_suffix(".d").exists() is not killed


# -- single objects


def test_touched_files_are_compiled_and_judged_one_by_one(request_for, monkeypatch):
    request = request_for()
    (request.source / "net/Makefile").write_text("obj-y := dev.o multi.o\nmulti-y := part.o\n")
    (request.source / "init/Makefile").write_text("obj-y := main.o\nobj-$(CONFIG_OFF) += off.o\n")
    warn(request, "net/dev.c", "shadowed")
    (request.source / "net/part.c").write_text("#error ‘tcx’ undeclared\n")
    (request.source / "init/off.c").write_text("#error never compiled\n")
    paths = ["net/part.c", "net/dev.c", "init/main.c", "init/off.c", "net/gone.c", "net/dev.h"]
    got = {one.path: one for one in objects(request, [*paths, "tools/x.c"])}
    assert {path: one.outcome for path, one in got.items()} == {
        "net/part.c": ObjectOutcome.FAILED,
        "net/dev.c": ObjectOutcome.BUILT,
        "init/main.c": ObjectOutcome.BUILT,
        "init/off.c": ObjectOutcome.NOT_CONFIGURED,
        "net/gone.c": ObjectOutcome.NOT_CONFIGURED,
        "net/dev.h": ObjectOutcome.OUTSIDE,
        "tools/x.c": ObjectOutcome.OUTSIDE,
    }
    assert got["net/part.c"].errors[0].endswith("net/part.c:1:2: error: ‘tcx’ undeclared")
    assert got["init/main.c"].errors == ()


def test_a_tree_where_nothing_compiles_passes_no_object(request_for):
    """An object of an earlier build lies there; make fails before it looks at it."""
    request = request_for()
    build(request)
    (request.source / "Makefile").open("a").write("$(error asm-offsets does not compile)\n")
    [got] = objects(request, ["net/dev.c"])
    assert got.outcome is ObjectOutcome.FAILED
    assert "asm-offsets" in "\n".join(got.errors)


def test_warnings_belong_to_their_object(request_for):
    request = request_for()
    warn(request, "net/dev.c", "shadowed")
    main, dev = objects(request, ["init/main.c", "net/dev.c"])
    assert main.warnings == ()
    assert [w.text for w in dev.warnings] == ["shadowed"]


def test_a_member_of_a_directory_that_is_left_out_is_left_out(request_for):
    request = request_for()
    for name, text in {
        "drivers/Makefile": "obj-$(CONFIG_PCI) += pci/\nobj-y += net/\nobj-y += one/deep/x.o\n",
        "drivers/pci/Makefile": "obj-y := pci.o\n",
        "drivers/net/Makefile": "obj-y := veth.o\n",
        "drivers/pci/pci.c": "int pci;\n",
        "drivers/net/veth.c": "int veth;\n",
        "drivers/one/deep/x.c": "int x;\n",
    }.items():
        path = request.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = objects(request, ["drivers/pci/pci.c", "drivers/net/veth.c", "drivers/one/deep/x.c"])
    assert [one.outcome.value for one in found] == ["not-configured", "built", "built"]


def test_object_names():
    assert object_of("net/core/dev.c") == "net/core/dev.o"
    assert object_of("arch/x86/entry/entry_64.S") == "arch/x86/entry/entry_64.o"
    assert object_of("tools/lib/bpf/libbpf.c") == ""
    assert object_of("include/linux/bpf.h") == ""


# -- tools


def test_a_quirk_holds_for_its_versions_and_only_where_the_tree_shows_it(request_for):
    source = request_for().source
    util = source / "tools/lib/subcmd/subcmd-util.h"
    util.parent.mkdir(parents=True)
    util.write_text("ret = realloc(ptr, 1);\n")
    assert quirks(source) == (), "6.1 is past the range"
    makefile = (source / "Makefile").read_text()
    old = makefile.replace("VERSION = 6", "VERSION = 5", 1).replace(
        "PATCHLEVEL = 1", "PATCHLEVEL = 15"
    )
    (source / "Makefile").write_text(old)
    assert toolchain.kernel_version(source) == Version(5, 15, 7)
    assert [quirk.name for quirk in quirks(source)] == ["subcmd-use-after-free"]
    assert "WERROR=0" in build(request_for()).command
    assert "WERROR=1" in build(request_for(variables={"WERROR": "1"})).command
    util.write_text("return realloc(ptr, size);\n")
    assert quirks(source) == ()


def test_every_quirk_says_why():
    assert all(quirk.reason and quirk.variables for quirk in toolchain.QUIRKS)


def test_the_tools_that_are_here_are_recorded(monkeypatch):
    monkeypatch.undo()
    if not all(map(toolchain.shutil.which, ("gcc", "make", "ld", "flex", "bison", "bc"))):
        with pytest.raises(Unavailable, match="not installed"):
            toolchain.probe()
        return
    found = toolchain.probe()
    assert "gcc" in found.cc
    assert "gcc" in found.compiler
    assert "GNU Make" in next(tool.version for tool in found.tools if tool.name == "make")


def test_a_missing_compiler_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(Unavailable, match="gcc-404") as caught:
        toolchain.probe("gcc-404")
    assert "apt-get install" in caught.value.hint
