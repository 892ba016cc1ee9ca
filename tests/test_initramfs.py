"""The guest's root file system and what it is built from: cpio, ELF, kernel images, modules."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from fake_elf import build, dynamic, module

from backport.doors import files
from backport.doors.cache import Cache
from backport.guests import initramfs
from backport.guests.checks import Checks
from backport.guests.initramfs import InitramfsRequest, build_initramfs, load_order
from backport.kernel import kernelimage
from backport.readers import cpio, elf
from backport.values.errors import ToolMissing, Unavailable, UsageError

LINKER = "/lib64/ld-linux-x86-64.so.2"


def read_cpio(data: bytes) -> dict[str, tuple[int, bytes]]:
    """An independent reader: path to (mode, contents), in the archive's order."""
    found, stream = {}, io.BytesIO(data)
    while True:
        head = stream.read(110)
        assert head[:6] == b"070701"
        fields = [int(head[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
        name = stream.read(fields[11])[:-1].decode()
        stream.seek(-stream.tell() % 4, 1)
        body = stream.read(fields[6])
        stream.seek(-stream.tell() % 4, 1)
        if name == "TRAILER!!!":
            return found
        assert fields[5] == 0, "no time stamps"
        found[name] = (fields[1], body)


# -- cpio


def test_cpio_is_sorted_and_has_parents_before_children():
    data = cpio.pack([cpio.regular("b/c/d", b"x", executable=True), cpio.symlink("a", "b")])
    found = read_cpio(data)
    assert list(found) == ["a", "b", "b/c", "b/c/d"]
    assert found["b/c/d"] == (0o100755, b"x")
    assert found["a"] == (0o120777, b"b")


def test_cpio_gives_the_same_bytes_in_any_order():
    nodes = [cpio.regular("x", b"1"), cpio.directory("d"), cpio.device("dev/console", 5, 1)]
    assert cpio.pack(nodes) == cpio.pack(reversed(nodes))


def test_cpio_refuses_two_different_entries_with_one_path():
    with pytest.raises(ValueError, match="x: two different"):
        cpio.pack([cpio.regular("x", b"1"), cpio.regular("x", b"2")])


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio program to compare with")
def test_cpio_program_reads_it(tmp_path):
    data = cpio.pack([cpio.regular("etc/x", b"hello"), cpio.symlink("l", "etc/x")])
    subprocess.run(["cpio", "-id", "--quiet"], input=data, cwd=tmp_path, check=True)
    assert (tmp_path / "l").read_bytes() == b"hello"


# -- ELF


def test_elf_names_what_it_needs():
    read = elf.parse(dynamic("libc.so.6", "libz.so.1", interpreter=LINKER))
    assert read.needed == ("libc.so.6", "libz.so.1")
    assert read.interpreter == LINKER


def test_elf_reads_this_machines_own_programs():
    read = elf.parse(Path("/bin/sh").read_bytes())
    assert "libc.so.6" in read.needed


@pytest.mark.parametrize("size", [0, 3, 20, 63, 70, 200])
def test_a_cut_off_elf_is_refused(size):
    whole = dynamic("libc.so.6", interpreter=LINKER)
    with pytest.raises(elf.BadElf):
        elf.parse(whole[:size])


# -- kernel images


def bzimage(payload: bytes, protocol: int = 0x20F) -> bytes:
    """A boot header and a payload, placed as the boot protocol says."""
    image = bytearray(1024)
    image[0x1F1] = 1
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, protocol)
    struct.pack_into("<II", image, 0x248, 64, len(payload))
    return bytes(image) + b"stub".ljust(64, b"\0") + payload + b"tail of the image"


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


PACKERS = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress, "zstd": zstd}


@pytest.mark.parametrize("name", PACKERS)
def test_vmlinux_comes_out_of_every_compression(name):
    if name == "zstd" and shutil.which("zstd") is None:
        pytest.skip("no zstd program")
    inner = build({".BTF": b"types"})
    trailer = b"" if name == "gzip" else struct.pack("<I", len(inner))
    assert kernelimage.extract_vmlinux(bzimage(PACKERS[name](inner) + trailer)) == inner


def test_an_elf_kernel_needs_no_extraction():
    inner = build({".BTF": b"types"})
    assert kernelimage.extract_vmlinux(inner) == inner


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (b"", "no boot header"),
        (b"MZ" * 600, "no boot header"),
        (bzimage(gzip.compress(b"x"))[:1030], "cut off"),
        (bzimage(gzip.compress(b"x"), protocol=0x204), "protocol 0x204"),
        (bzimage(b"\x1f\x8b damaged payload"), "damaged gzip"),
        (bzimage(b"what is this"), "any known compression"),
    ],
)
def test_a_bad_image_is_refused(image, says):
    with pytest.raises(UsageError, match=says):
        kernelimage.extract_vmlinux(image)


def test_vmlinux_is_extracted_once(tmp_path):
    image = tmp_path / "vmlinuz"
    image.write_bytes(bzimage(gzip.compress(build({".BTF": b"types"}))))
    first = kernelimage.vmlinux_of(image, Cache(tmp_path))
    stamp = first.stat().st_mtime_ns
    assert kernelimage.vmlinux_of(image, Cache(tmp_path)).stat().st_mtime_ns == stamp


def test_the_error_of_a_bad_image_names_the_file(tmp_path):
    (tmp_path / "vmlinuz").write_bytes(b"x" * 2000)
    with pytest.raises(UsageError, match=r"vmlinuz: not a bzImage"):
        kernelimage.vmlinux_of(tmp_path / "vmlinuz", Cache(tmp_path))


# -- modules


@pytest.fixture
def modules(tmp_path):
    root = tmp_path / "lib/modules/6.1.0-test"
    net = root / "kernel/net"
    net.mkdir(parents=True)
    (net / "veth.ko.xz").write_bytes(lzma.compress(module("net-core")))
    (net / "net-core.ko").write_bytes(module("llc", "stp"))
    (net / "llc.ko.gz").write_bytes(gzip.compress(module()))
    (root / "modules.builtin").write_text("kernel/net/stp.ko\nkernel/net/sch_ingress.ko\n")
    return root


def test_modules_load_after_what_they_depend_on(modules):
    order = load_order(["veth", "llc"], modules)
    assert list(order) == ["llc", "net_core", "veth"]
    assert all(data.startswith(elf.MAGIC) for data in order.values())


def test_what_is_built_in_is_not_loaded(modules):
    assert load_order(["sch_ingress"], modules) == {}


def test_a_missing_module_is_an_error_that_names_it(modules):
    with pytest.raises(UsageError, match="no module cls_bpf, which the suite needs"):
        load_order(["cls_bpf"], modules)
    (modules / "kernel/net/llc.ko.gz").unlink()
    with pytest.raises(UsageError, match="no module llc, which net_core needs"):
        load_order(["veth"], modules)


# -- the whole image


@pytest.fixture
def host(tmp_path):
    """A host with the few programs and libraries that the guest takes from it."""
    root = tmp_path / "host"
    pieces = {
        "usr/bin/dash": dynamic("libc.so.6", interpreter=LINKER),
        "usr/bin/chrt": dynamic("libc.so.6", interpreter=LINKER),
        "usr/bin/busybox": build({".text": b"busy"}),
        "usr/libexec/coreutils/libstdbuf.so": dynamic("libc.so.6"),
        "lib64/ld-linux-x86-64.so.2": build({}),
        "lib/x86_64-linux-gnu/libc.so.6": dynamic("ld-linux-x86-64.so.2"),
        "usr/lib/x86_64-linux-gnu/libmnl.so.0": dynamic("libdeep.so.1"),
        "usr/lib/libdeep.so.1": dynamic("libmnl.so.0", "libc.so.6"),
    }
    for path, data in pieces.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


@pytest.fixture
def request_of(tmp_path, host):
    sbin = tmp_path / "iproute2/sbin"
    sbin.mkdir(parents=True)
    for name in ("ip", "tc"):
        (sbin / name).write_bytes(dynamic("libmnl.so.0", interpreter=LINKER))
    program = tmp_path / "test_progs"
    program.write_bytes(dynamic("libc.so.6", interpreter=LINKER))

    def make(**changes) -> InitramfsRequest:
        wanted = {
            "program": program,
            "suites": {"tc_netkit": ("tc_netkit_basic", "tc_netkit_device")},
            "iproute2": tmp_path / "iproute2",
            "cache": Cache(tmp_path / "cache"),
            "host": host,
            **changes,
        }
        return InitramfsRequest(**wanted)

    return make


def contents(result) -> dict[str, tuple[int, bytes]]:
    return read_cpio(result.path.read_bytes())


def test_the_image_holds_all_that_the_guest_needs(request_of):
    found = contents(build_initramfs(request_of(links=("netkit",))))
    assert found["init"][0] == 0o100755
    assert found["etc/backport/suites"][1] == (
        b"tc_netkit test_progs -a tc_netkit_basic,tc_netkit_device\n"
    )
    assert found["etc/backport/links"][1] == b"netkit\n"
    assert found["etc/backport/modules"][1] == b""
    libraries = {path for path in found if path.startswith("lib/lib")}
    assert libraries == {
        "lib/libc.so.6", "lib/libdeep.so.1", "lib/libmnl.so.0", "lib/libstdbuf.so"
    }  # fmt: skip
    assert "lib64/ld-linux-x86-64.so.2" in found
    assert {"dev/console", "proc", "sys", "run", "tmp"} <= set(found)


def test_checks_of_our_own_run_behind_the_others(request_of, tmp_path):
    program = tmp_path / "port_toy"
    program.write_bytes(b"a program")
    checks = Checks("port_toy", program, "", ("open", "shut"))
    found = contents(build_initramfs(request_of(checks=(checks,))))
    last = found["etc/backport/suites"][1].splitlines()[-1]
    assert last == b"port_toy port_toy open,shut"
    assert found["bin/port_toy"] == (0o100755, b"a program")


def test_the_shell_is_dash_and_busybox_shadows_neither_ip_nor_tc(request_of, host):
    found = contents(build_initramfs(request_of()))
    assert found["bin/sh"][1] == (host / "usr/bin/dash").read_bytes()
    links = {path for path, (_, body) in found.items() if body == b"busybox"}
    assert not {path.rpartition("/")[2] for path in links} & {"sh", "ip", "tc", "ash"}
    assert found["sbin/ip"][1].startswith(elf.MAGIC)


def test_every_command_that_init_calls_is_in_the_image(request_of):
    found = contents(build_initramfs(request_of()))
    script = found["init"][1].decode()
    programs = {path.rpartition("/")[2] for path in found if path.startswith(("bin/", "sbin/"))}
    for command in ("mount", "insmod", "ip", "cat", "rm", "uname", "reboot", "chrt"):
        assert f"{command} " in script
        assert command in programs


def test_init_is_a_script_that_dash_accepts():
    subprocess.run(["sh", "-n", initramfs.init_script()], check=True)


def test_modules_are_listed_in_the_order_in_which_they_load(request_of, modules):
    found = contents(build_initramfs(request_of(modules=("veth",), module_root=modules)))
    assert found["etc/backport/modules"][1] == b"llc.ko\nnet_core.ko\nveth.ko\n"
    assert found["lib/modules/veth.ko"][1] == module("net-core")


def test_the_same_pieces_give_the_same_image(request_of, tmp_path):
    first = build_initramfs(request_of())
    again = build_initramfs(request_of(cache=Cache(tmp_path / "elsewhere")))
    other = build_initramfs(request_of(suites={"tc_opts": ("tc_opts_basic",)}))
    assert first.sha256 == again.sha256 != other.sha256
    assert first.path.read_bytes() == again.path.read_bytes()


def test_a_half_written_image_is_written_again(request_of):
    first = build_initramfs(request_of())
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:100])
    assert build_initramfs(request_of()).path.read_bytes() == whole


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("usr/bin/dash", "apt-get install dash"),
        ("usr/bin/chrt", "apt-get install util-linux"),
        ("usr/bin/busybox", "apt-get install busybox-static"),
        ("usr/libexec/coreutils/libstdbuf.so", "apt-get install coreutils"),
        ("usr/lib/libdeep.so.1", "apt-get install iproute2"),
    ],
)
def test_a_missing_piece_of_the_host_is_named_with_its_package(request_of, host, path, hint):
    (host / path).unlink()
    with pytest.raises(ToolMissing) as caught:
        build_initramfs(request_of())
    assert Path(path).name in caught.value.message
    assert hint in caught.value.hint


def test_a_busybox_that_is_not_static_is_refused(request_of, host):
    (host / "usr/bin/busybox").write_bytes(dynamic("libc.so.6", interpreter=LINKER))
    with pytest.raises(ToolMissing, match="not static"):
        build_initramfs(request_of())


def test_a_library_of_another_machine_is_not_taken(request_of, host):
    (host / "usr/lib/libdeep.so.1").write_bytes(dynamic(machine=183))
    with pytest.raises(ToolMissing, match=r"libdeep\.so\.1"):
        build_initramfs(request_of())


@pytest.mark.parametrize("suites", [{"a b": ("x",)}, {"a": ("x y",)}, {"a": ()}, {"a": ("x\ny",)}])
def test_names_that_would_break_the_guests_list_are_refused(request_of, suites):
    with pytest.raises(UsageError, match="suite "):
        build_initramfs(request_of(suites=suites))


# -- writing


def test_a_full_disk_is_unavailable_and_leaves_nothing_behind():
    target = Path("/dev/full")
    if not target.exists():
        pytest.fail("this machine has no /dev/full to try it with")
    error = files.trouble(OSError(28, "No space left on device"), target)
    assert isinstance(error, Unavailable)
    assert "BACKPORT_CACHE" in error.hint


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    files.write(tmp_path / "x", b"old")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unavailable):
        files.write(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
