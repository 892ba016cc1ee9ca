"""What modules see of two trees, measured on a fake kernel whose vmlinux is a real object."""

from __future__ import annotations

import pytest
from fake_kernel import KCONFIG, MAKEFILE, write_fragment
from fake_kernel import make_tree as write_kernel
from kernelish import make_tree

from backport.doors.git import Git
from backport.kernel import debugdata
from backport.kernel.configure import ConfigLost
from backport.kernel.surface import Request, is_module_header, measure
from backport.values.errors import Exit, GateFailed, ToolMissing
from backport.values.surface import Export

pytestmark = pytest.mark.slow

LINK = "\t@cat $(OBJS) > $@\n"
# The linker's part: debug data of the headers, versions, and what genksyms has to say where asked.
REAL_LINK = """\
	@gcc -g -gdwarf-4 -fno-eliminate-unused-debug-types -I$(CURDIR)/include -c -o $@ $(CURDIR)/all.c
	@cp $(CURDIR)/all.symvers $(O)/vmlinux.symvers
	@test -z "$(KBUILD_SYMTYPES)" || (cd $(CURDIR) && sh spread $(O)/net)
"""
DEV_H = "struct dock { int id; };\n"
DEV = "struct dock { int id ; }"
WANTED = "CONFIG_NET=y\nCONFIG_LATER=y\n"


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


class Bench:
    """A base without the option LATER, and a head that has it and one member more."""

    def __init__(self, folder):
        self.folder = folder
        self.git = Git.init_bare(folder / "store.git")
        kernel = write_kernel(folder / "kernel")
        self.base = {
            str(path.relative_to(kernel)): path.read_text()
            for path in kernel.rglob("*")
            if path.is_file()
        } | {
            "Makefile": MAKEFILE.replace(LINK, REAL_LINK),
            "include/linux/dock.h": DEV_H,
            "all.c": '#include "linux/dock.h"\nstruct inner { int own; } inner;\n',
            "spread": "for f in symtypes/*; do cp $f $1/${f#*/}.symtypes; done\n",
            "all.symvers": "0x00000001\tdock\tvmlinux\tEXPORT_SYMBOL\t\n",
            "symtypes/dev": f"s#dock {DEV} \ndock int dock ( s#dock * ) \n",
        }
        self.head = self.base | {
            "Kconfig": KCONFIG + "config LATER\n\tbool\n",
            "include/linux/dock.h": DEV_H.replace("}", "int port; }"),
            "net/new.c": "int added;\n",
            "all.symvers": "0x00000002\tdock\tvmlinux\tEXPORT_SYMBOL\t\n",
            "symtypes/dev": f"s#dock {DEV[:-1]}int port ; }} \ndock int dock ( s#dock * ) \n",
            "symtypes/new": "added int added ( void ) \n",
        }
        self.fragment = write_fragment(folder / "wanted.config", WANTED)

    def request(self, **changes):
        folder = self.folder
        given = {
            "base": make_tree(self.git, self.base), "head": make_tree(self.git, self.head),
            "fragments": (self.fragment,), "jobs": 1, **changes,
        }  # fmt: skip
        return Request(
            self.git, source=folder / "source", out=folder / "build/out", kept=folder / "kept",
            log=folder / "log", **given,
        )  # fmt: skip

    def calls(self):
        return (self.folder / "build/out/calls").read_text().split()


def test_both_are_built_alike_and_read(bench):
    pair = measure(bench.request())
    assert (pair.base.config["NET"], pair.head.config["NET"]) == ("y", "y")
    assert "LATER" not in pair.base.config and pair.head.config["LATER"] == "y"
    crcs = [side.exports["dock"] for side in (pair.base, pair.head)]
    assert crcs == [Export(f"0x0000000{n}", "vmlinux", "EXPORT_SYMBOL") for n in (1, 2)]
    laid = [side.layouts["struct dock"] for side in (pair.base, pair.head)]
    assert [(one.header, one.size) for one in laid] == [
        ("include/linux/dock.h", 4), ("include/linux/dock.h", 8),
    ]  # fmt: skip
    assert "struct inner" not in pair.head.layouts


def test_what_only_the_other_tree_has_left_nothing_behind(bench):
    pair = measure(bench.request())
    assert [*pair.head.types.objects] == ["net/dev", "net/new"]
    assert [*pair.base.types.objects] == ["net/dev"]
    assert (bench.folder / "build/out/net/new.symtypes").is_file()


def test_what_was_read_is_kept_and_a_new_head_leaves_the_base_alone(bench):
    first = measure(bench.request())
    calls = bench.calls()
    again = measure(bench.request())
    assert again.cached and not first.cached
    assert (again.base, again.head) == (first.base, first.head)
    assert bench.calls() == calls

    bench.head["include/linux/dock.h"] = DEV_H
    third = measure(bench.request())
    assert third.base == first.base and third.head.layouts["struct dock"].size == 4
    assert bench.calls()[len(calls) :] == ["tiny", "olddef"]


def test_a_kept_file_that_is_torn_is_measured_again(bench):
    first = measure(bench.request())
    for path in (bench.folder / "kept").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    again = measure(bench.request())
    assert not again.cached and again.head == first.head


def test_a_head_that_refuses_the_configuration_is_named(bench):
    bench.head["refuse"] = "LATER\n"
    with pytest.raises(ConfigLost, match=r"wanted\.config:2: CONFIG_LATER wanted y"):
        measure(bench.request())


def test_a_build_without_symbol_versions_is_no_surface(bench):
    bench.head["Makefile"] = bench.head["Makefile"].replace("$(O)/vmlinux.symvers", "/dev/null")
    with pytest.raises(GateFailed, match="left no symbol versions") as caught:
        measure(bench.request())
    assert "CONFIG_MODVERSIONS" in caught.value.hint


def test_versions_that_no_kernel_writes_are_named(bench):
    bench.head["all.symvers"] = "dock 1\n"
    with pytest.raises(GateFailed, match=r"vmlinux.symvers:1: 'dock 1' is no line"):
        measure(bench.request())


def test_without_pahole_nothing_is_built(bench, monkeypatch):
    monkeypatch.setattr(debugdata, "TOOLS", (("no-such-pahole", "dwarves"),))
    with pytest.raises(ToolMissing, match="not installed: no-such-pahole") as caught:
        measure(bench.request())
    assert (caught.value.exit_code, caught.value.hint) == (
        Exit.UNAVAILABLE, "apt-get install dwarves",
    )  # fmt: skip
    assert not (bench.folder / "source").exists()


def test_the_headers_that_modules_include():
    yes = ("include/linux/a.h", "include/net/b.h", "arch/x86/include/asm/c.h")
    assert all(map(is_module_header, yes))
    no = ("net/core/dev.h", "arch/x86/kernel/d.h", "drivers/net/include/e.h", "/usr/include/f.h")
    assert not any(map(is_module_header, no))
