"""The objects gate on a fake kernel: each commit compiles by itself, and is compiled once."""

from __future__ import annotations

import os

import pytest
from fake_kernel import make_tree as write_kernel
from kernelish import make_tree

from backport.doors.git import Git
from backport.kernel.bisect import ObjectsFailed, Request, Step, Variant, compile_steps, touched
from backport.kernel.configure import ConfigLost
from backport.values.errors import Exit

pytestmark = pytest.mark.slow

CONFIG = "CONFIG_TINY=y\nCONFIG_NET=y\nCONFIG_LATER=y\n"


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


class Bench:
    """A store, the fake kernel in it, and the gate's own directories."""

    def __init__(self, folder):
        self.folder = folder
        self.git = Git.init_bare(folder / "store.git")
        kernel = write_kernel(folder / "kernel")
        self.files = {
            str(path.relative_to(kernel)): path.read_text()
            for path in kernel.rglob("*")
            if path.is_file()
        }
        self.config = folder / "final.config"
        self.config.write_text(CONFIG)

    def request(self, *states, variants=()):
        held, steps = dict(self.files), []
        for number, state in enumerate(states):
            held = {k: v for k, v in {**held, **state}.items() if v is not None}
            steps.append(Step(f"step {number}", f"{number}" * 40, make_tree(self.git, held)))
        folder = self.folder
        return Request(
            self.git, make_tree(self.git, self.files), tuple(steps), self.config,
            folder / "source", folder / "out", folder / "cache", folder / "log", jobs=1,
            variants=tuple(variants),
        )  # fmt: skip

    def calls(self):
        path = self.folder / "out" / "calls"
        return path.read_text().split() if path.is_file() else []


def test_what_each_commit_touches_and_a_headers_users_are_compiled(bench):
    request = bench.request(
        {"net/dev.c": "int dev2;\n"},
        {"net/dev.h": "int h2;\n"},
        {"init/main.c": "int m2;\n"},
        {"README": "x\n", "init/main.c": None},
    )
    assert [paths for _, paths in touched(request)] == [
        ("net/dev.c",), ("init/main.c", "net/dev.c"), ("init/main.c",), (),
    ]  # fmt: skip


def test_all_steps_pass_and_a_second_run_starts_no_make(bench):
    request = bench.request({"net/dev.c": "int dev2;\n"}, {"init/main.c": "int m2;\n"})
    first = compile_steps(request)
    assert (first.built, first.left_out, first.cached) == (2, (), False)
    assert bench.calls() == ["olddef", "olddef"]
    assert (bench.folder / "out/net/dev.o").read_text() == "int dev2;\n"
    assert "CONFIG_LATER" not in (bench.folder / "out/.config").read_text()
    second = compile_steps(request)
    assert (second.built, second.cached) == (2, True)
    assert bench.calls() == ["olddef", "olddef"]


def test_a_middle_commit_that_does_not_compile_is_named_though_the_last_one_does(bench):
    request = bench.request(
        {"init/main.c": "int m2;\n"},
        {"net/dev.c": "#error no such function\n"},
        {"net/dev.c": "int repaired;\n"},
    )
    with pytest.raises(ObjectsFailed) as caught:
        compile_steps(request)
    err = caught.value
    assert err.exit_code is Exit.GATE and err.step.subject == "step 1"
    assert [one.path for one in err.failed] == ["net/dev.c"]
    for text in ('"step 1" (111111111111)', "net/dev.c", "no such function"):
        assert text in err.message
    assert err.log == request.log and "no such function" in request.log.read_text()
    calls = len(bench.calls())
    with pytest.raises(ObjectsFailed):
        compile_steps(request)
    assert len(bench.calls()) == calls + 1, "what passed is kept, what failed is tried again"


def test_another_configuration_is_compiled_anew(bench):
    request = bench.request({"net/dev.c": "int dev2;\n"})
    compile_steps(request)
    bench.config.write_text(CONFIG + "CONFIG_BPF=y\n")
    assert not compile_steps(request).cached


# -- variants


@pytest.fixture
def without_net(tmp_path):
    fragment = tmp_path / "without-net.config"
    fragment.write_text("# CONFIG_NET is not set\n")
    return Variant("without a network", (fragment,))


def test_the_last_step_compiles_in_each_variant_and_once(bench, without_net):
    states = {"net/dev.c": "#needs CONFIG_TINY=y\n"}, {"init/main.c": "int m2;\n"}
    request = bench.request(*states, variants=[without_net])
    first = compile_steps(request)
    assert (first.built, first.varied, first.cached) == (2, 2, False)
    assert "# CONFIG_NET is not set" in (bench.folder / "out/.config").read_text()
    assert compile_steps(request).cached
    without_net.fragments[0].write_text("# CONFIG_TINY is not set\n")
    with pytest.raises(ObjectsFailed, match="#needs CONFIG_TINY=y"):
        compile_steps(request)


def test_what_only_a_variant_shows_names_it_with_its_fragment(bench, without_net):
    states = {"net/dev.c": "#needs CONFIG_NET=y\n"}, {"init/main.c": "int m2;\n"}
    assert compile_steps(bench.request(*states)).varied == 0
    with pytest.raises(ObjectsFailed) as caught:
        compile_steps(bench.request(*states, variants=[without_net]))
    first = caught.value.message.splitlines()[0]
    assert first.endswith("does not compile without a network (without-net.config):")
    assert caught.value.step.subject == "step 1"


def test_a_variant_that_the_tree_does_not_allow_is_no_pass(bench, without_net):
    without_net.fragments[0].write_text("CONFIG_NOWHERE=y\n")
    with pytest.raises(ConfigLost, match="CONFIG_NOWHERE"):
        compile_steps(bench.request({"net/dev.c": "int d2;\n"}, variants=[without_net]))


def test_compilers_stand_back_behind_guests(bench):
    """A guest that must wait for its processor fails tests that do not wait."""
    compile_steps(bench.request({"net/dev.c": "int d2;\n"}))
    told = (bench.folder / "out/niceness").read_text().split()
    assert told == [str(min(19, os.nice(0) + 19))]
