"""What must come of mixtures of devices: the plan, and the file that it is read from."""

from __future__ import annotations

from pathlib import Path

import pytest
from mixkit import NEW, SMALL

from backport.readers.interop import read_interop
from backport.values.errors import ManifestError
from backport.values.version import Version

ROOT = Path(__file__).resolve().parents[1]
OURS = ROOT / "patches/netkit/interop.toml"


@pytest.fixture
def plan(tmp_path):
    file = tmp_path / "interop.toml"
    file.write_text(SMALL)
    return read_interop(file)


def test_each_load_is_between_each_two_devices_over_each_family(plan):
    names = [one.name for one in plan.mixtures("host", NEW)]
    assert len(names) == len(set(names)) == 2 * 4 * 2
    assert "host.old.new.v6.gso" in names
    assert {one.what for one in plan.mixtures("wire", NEW)} == {"udp"}
    assert {one.what for one in plan.mixtures("host", NEW, quick=True)} == {"udp"}


def test_an_exception_holds_for_its_kernels_and_family_alone(plan):
    def words(kernel):
        return {one.name: one.word for one in plan.mixtures("host", kernel)}

    old, new = words(Version(5, 15, 16)), words(Version(6, 1))
    odd = {name for name in old if old[name] != new[name]}
    assert odd == {f"host.{a}.{b}.v6.gso" for a in ("old", "new") for b in ("old", "new")}
    assert {old[name] for name in odd} == {"failed"}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("families = [4, 6]", "families = [4, 5]", "families: holds other than 4 and 6"),
        ('name = "udp"', 'name = "u dp"', "is no word of a guest's script"),
        ('"wire"', '"air"', "'air' is not known"),
        ('name = "gso"\nfamily', 'name = "gsx"\nfamily', "nothing is called 'gsx'"),
        ('until = "6.1"', 'since = "6.2"\nuntil = "6.1"', "6.1 is not after 6.2"),
        ("family = 6\n", "family = 7\n", "7 is none of the families"),
        ("family = 6\n", 'device = "x"\n', "'x' is none of the devices"),
        ('name = "gso"\nwhat', 'name = "udp"\nwhat', "udp is there twice"),
        ('new = "no"', 'mew = "no"', "new"),
        ('means = "look', 'meant = "look', "meant"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path, old, new, why):
    assert SMALL.count(old) == 1
    file = tmp_path / "interop.toml"
    file.write_text(SMALL.replace(old, new))
    with pytest.raises(ManifestError, match=r"interop\.toml:\d+") as caught:
        read_interop(file)
    assert why in str(caught.value)


def test_a_name_fits_what_the_program_reads():
    names = [e.name for e in read_interop(OURS).mixtures("wire", NEW)]
    assert max(map(len, names)) < 64
    assert len(names) < 2000


def test_our_file_and_our_programs_name_the_same():
    plan = read_interop(OURS)
    mixing = (ROOT / "qemu/interop_netkit.c").read_text()
    probing = (ROOT / "qemu/probe_netkit.c").read_text()
    for load in plan.loads:
        assert f'{{ "{load.name}", ' in mixing
    for one in plan.behaviours:
        assert f'{{ "{one.name}", ' in probing
    header = (ROOT / "qemu/lab.h").read_text()
    assert all(f'"{device}"' in header for device in plan.devices)
