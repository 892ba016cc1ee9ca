"""Finds out whether KVM really boots a kernel: a /dev/kvm that opens proves nothing.

Nested and paravirtual hosts hand out /dev/kvm and then refuse a register, or stop at the first
instruction that they cannot emulate. So the kernel at hand is booted, with an init that says one
line, under a short deadline; the verdict holds until the machine reboots or QEMU changes.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from backport.doors import files
from backport.doors.cache import Cache
from backport.guests import initramfs
from backport.guests.parsers.tree import Ended
from backport.guests.runners import RUNNERS, BootOutput, BootRequest, Runner
from backport.guests.runners.qemu import KVM_DEVICE, version
from backport.readers import cpio
from backport.values.errors import Unavailable, UsageError
from backport.values.events import Emit, Note

STAGE = "guest"
AUTO = "auto"
DEADLINE = 20.0  # seconds; with working KVM a boot takes one or two
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_INIT = b"#!/bin/busybox sh\necho '@@backport done@@'\nexec /bin/busybox reboot -f\n"


@dataclass(frozen=True)
class KvmVerdict:
    """Whether KVM can be used, and in one line why not."""

    usable: bool
    why: str
    cached: bool = False


def choose(wanted: str, kernel: Path, cache: Cache, emit: Emit) -> Runner:
    """The runner for `wanted`: kvm, tcg, or auto (KVM if it works, else TCG with a note).

    Raises `UsageError` for an unknown name, `Unavailable` if KVM is asked for by name and does
    not work.
    """
    if wanted not in (AUTO, *RUNNERS):
        raise UsageError(f"accel {wanted!r}: must be one of {', '.join((AUTO, *RUNNERS))}")
    if wanted not in (AUTO, "kvm"):
        return RUNNERS[wanted]
    verdict = probe(kernel, cache)
    if verdict.usable:
        return RUNNERS["kvm"]
    if wanted == "kvm":
        raise Unavailable(f"KVM does not work here: {verdict.why}", hint="leave out --accel kvm")
    emit(Note(STAGE, f"no KVM ({verdict.why}): the guest runs under TCG, slower"))
    return RUNNERS["tcg"]


def probe(kernel: Path, cache: Cache, runner: Runner | None = None) -> KvmVerdict:
    """Boot `kernel` under KVM once, or read the verdict of an earlier probe."""
    refused = _device_trouble(KVM_DEVICE)
    if refused:
        return KvmVerdict(False, refused)
    place = cache.guest / "kvm" / f"{_key()}.json"
    with files.locked(place.with_suffix(".lock")):  # guests start side by side: one probe is enough
        known = _read(place)
        if known is None:
            known = _boot(kernel, cache, runner or RUNNERS["kvm"])
            files.write(place, json.dumps({"usable": known.usable, "why": known.why}).encode())
    return known


def _device_trouble(device: Path) -> str:
    if not device.exists():
        return f"there is no {device}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"{device} may not be opened by this user; is it in the group kvm?"
    return ""


def _key() -> str:
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else "unknown"
    return hashlib.sha256(f"{boot} {version()}".encode()).hexdigest()[:24]


def _read(place: Path) -> KvmVerdict | None:
    try:
        facts = json.loads(place.read_bytes())
        return KvmVerdict(bool(facts["usable"]), str(facts["why"]), cached=True)
    except (OSError, ValueError, KeyError):
        return None


def _boot(kernel: Path, cache: Cache, runner: Runner) -> KvmVerdict:
    home = cache.guest / "kvm"
    image = home / "probe.cpio"
    files.write(image, cpio.pack(_nodes()))
    request = BootRequest(
        kernel, image, home / "probe.log", memory=512, deadline=DEADLINE, silence=DEADLINE
    )
    output = runner.run(request)
    return KvmVerdict(output.ended is Ended.DONE, _why(output))


def _nodes() -> list[cpio.Node]:
    busybox = initramfs.static_busybox(Path("/")).read_bytes()
    return [
        cpio.regular("init", _INIT, executable=True),
        cpio.regular("bin/busybox", busybox, executable=True),
        cpio.device("dev/console", 5, 1),
    ]


def _why(output: BootOutput) -> str:
    if output.ended is Ended.DONE:
        return ""
    said = [line for line in output.lines if "error" in line.lower() or "failed" in line.lower()]
    if output.ended is Ended.EXITED:
        what = said[0].strip() if said else f"QEMU left with status {output.status}"
        return what.removeprefix("qemu-system-x86_64: ")
    return f"a tiny guest did not boot within {DEADLINE:.0f} s"
