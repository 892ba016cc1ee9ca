"""A rule that only the configuration or the compiler misses, on a kernel that answers as one."""

from __future__ import annotations

import pytest
from fake_kernel import make_tree as write_kernel
from kernelish import SHA, change, drop, make_tree, rule

from backport.advice import mutate
from backport.advice.mutate import Noticed
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.picking.ground import Ground
from backport.shell.compiling import Compiler
from backport.values.events import silent
from backport.values.rule import Rewrite, Substitution
from backport.values.series import Series, Variant
from backport.values.target import DirectorySource, Target
from backport.values.version import Version

pytestmark = pytest.mark.slow


@pytest.fixture
def without(tmp_path):
    """What notices that a rule is gone which turns one text of upstream into another."""
    kernel = write_kernel(tmp_path / "kernel")
    held = {
        str(path.relative_to(kernel)): path.read_text()
        for path in kernel.rglob("*")
        if path.is_file()
    }
    git = Git.init_bare(tmp_path / "store.git")
    data = tmp_path / "data"
    (data / "kconfig").mkdir(parents=True)
    (data / "kconfig/usual.config").write_text("CONFIG_NET=y\n")
    (data / "kconfig/without-net.config").write_text("# CONFIG_NET is not set\n")
    variant = Variant("without a network", ("without-net",), "to see what stands alone")
    series = Series("dock", "A dock", (), variants=(variant,))
    target = Target("mini", Version(6, 1), DirectorySource(kernel), fragments=("usual",))
    compiler = Compiler(git, series, target, data, Cache(tmp_path / "cache"))

    def find(path, upstream, text):
        before = make_tree(git, held)
        after = make_tree(git, {**held, path: held[path] + upstream})
        fixes = rule(Rewrite((Substitution(upstream.strip(), text),)), path)
        ground = Ground(
            "mini", git, tmp_path, drop(git, held, "6.1.7"), (change(git, before, after, (SHA,)),),
            (fixes,),
        )  # fmt: skip
        [found] = mutate.mutate(ground, silent, compiler.gates)
        return found.notice.by, found.notice.where

    return find


def test_a_file_that_does_not_compile_is_named(without):
    assert without("net/dev.c", "#error no such member\n", "int x;") == (
        Noticed.OBJECTS,
        "net/dev.c",
    )


def test_a_file_that_does_not_compile_in_a_variant_is_named_with_it(without):
    assert without("net/dev.c", "#needs CONFIG_NET=y\n", "int x;") == (
        Noticed.OBJECTS,
        "net/dev.c, without a network",
    )


def test_a_symbol_of_the_configuration_that_is_lost_is_named(without):
    assert without("refuse", "NET\n", "") == (Noticed.CONFIG, "CONFIG_NET is lost")


def test_what_compiles_as_well_is_not_noticed(without):
    assert without("net/dev.c", "int good;\n", "int better;") == (Noticed.NONE, "net/dev.c")
