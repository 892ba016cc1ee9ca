"""The kernel before the series, built beside the result in its configuration."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from minikernel import SERIES, TARGET, buildable_world

from backport.doors.cache import Cache
from backport.guests.lab import LabKernel
from backport.shell.baseline import LABEL, base_kernel
from backport.values.errors import UsageError
from backport.values.events import silent
from backport.values.record import RunRecord

pytestmark = pytest.mark.slow  # a whole run of the command line


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = buildable_world(tmp_path_factory.mktemp("built") / "world")
    ran = world.run(*world.argv("build"))
    assert ran.code == 0, ran.err
    return world


def ground_of(world):
    image = world.cache / "build" / f"{SERIES}-{TARGET}" / "arch/x86/boot/bzImage"
    record = RunRecord.from_json(world.record())
    return SimpleNamespace(
        run=SimpleNamespace(record=record),
        cache=Cache(world.cache),
        data=world.data,
        folder=world.root,
        kernel=LabKernel(TARGET, image),
    )


def test_it_is_the_base_in_the_results_configuration_and_built_once(world):
    ground = ground_of(world)
    kernel = base_kernel(ground, silent)
    assert kernel.label == LABEL
    own, out = ground.kernel.image.read_bytes(), kernel.image.parents[3]
    assert kernel.image.read_bytes() != own, "the series is not in it"
    assert "CONFIG_NET=y" in (out / ".config").read_text(encoding="utf-8")
    stamp = kernel.image.stat().st_mtime_ns
    assert base_kernel(ground, silent).image.stat().st_mtime_ns == stamp
    assert ground.kernel.image.read_bytes() == own, "and the result is as it was"


def test_a_result_whose_configuration_is_gone_says_how_to_get_it_again(world):
    ground = ground_of(world)
    ground.kernel = LabKernel(TARGET, world.root / "a/b/c/bzImage")
    with pytest.raises(UsageError, match="is gone") as caught:
        base_kernel(ground, silent)
    assert caught.value.hint.startswith("backport build")
