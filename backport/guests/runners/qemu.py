"""Boots in QEMU on x86-64, with KVM or under TCG."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from backport.doors import files, process
from backport.guests.parsers import console
from backport.guests.parsers.tree import Ended
from backport.guests.runners.base import BootOutput, BootRequest, OnLine, ignore

TOOLS = (("qemu-system-x86_64", "qemu-system-x86"),)
# -no-reboot makes a reset the end: panic=-1 resets at once, so a panic takes no deadline.
KERNEL_ARGUMENTS = (
    "console=ttyS0",
    "panic=-1",
    "loglevel=7",  # else the frame of qemu/init could be below what the console shows
    "printk.devkmsg=on",  # else the kernel drops what user space says too fast
    "printk.time=1",
    "no_timer_check",  # on a busy host the emulated timer may miss the ticks that are counted there
    "maxcpus=1",  # the second one waits until a check wants it
)
# QEMU stays, stopped, after this: there is nothing to wait for.
_STOPPED = ("KVM internal error", "KVM: entry failed")
KVM_DEVICE = Path("/dev/kvm")
_GRACE = 0.5  # seconds for QEMU to leave by itself once its console is closed


@dataclass(frozen=True)
class QemuRunner:
    """One way to run QEMU: a row, not a branch."""

    name: str
    accel: str
    cpu: str
    patience: float
    processors: str = "2,sockets=2"
    words: tuple[str, ...] = ()

    def command(self, request: BootRequest) -> tuple[str, ...]:
        """The QEMU line; two virtual CPUs, of which one sleeps: two are slower under TCG.

        Each has a socket: where there is no ACPI, the firmware tells only of sockets.
        """
        words = " ".join((*KERNEL_ARGUMENTS, *request.arguments))
        return (
            TOOLS[0][0],
            *("-accel", self.accel, "-cpu", self.cpu, "-M", "q35"),
            *("-smp", self.processors, "-m", str(request.memory)),
            *self.words,
            *("-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"),
            *("-kernel", str(request.kernel), "-initrd", str(request.initramfs)),
            *("-append", words),
            *request.devices,
        )

    def run(self, request: BootRequest, on_line: OnLine = ignore) -> BootOutput:
        """See `Runner.run`."""
        process.require(TOOLS)
        command = self.command(request)
        limits = (request.deadline * self.patience, request.silence * self.patience)
        start, lines = time.monotonic(), list[str]()

        def hear(line: str) -> bool:
            lines.append(line)
            on_line(line)
            return console.is_last(line)

        request.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with request.log.open("wb") as log, process.spawned(command) as proc:
                assert proc.stdout is not None
                ended = listen(proc.stdout.fileno(), log, hear, *limits)
                left = ended is Ended.EXITED
                status = process.exit_status(proc, _GRACE) if left else None
        except OSError as err:
            raise files.trouble(err, request.log) from err
        return BootOutput(tuple(lines), ended, status, time.monotonic() - start, command)


# A guest whose clock counts its own instructions, a nanosecond each: what it measures does not
# depend on the host's speed or load, and a sleep costs nothing. It cannot talk to another guest.
COUNTED = QemuRunner(
    "tcg, counted instructions",
    accel="tcg,thread=single",
    cpu="max",
    patience=6.0,
    processors="1",
    words=("-icount", "shift=0,sleep=off"),
)
# The same for guests that talk: while one idles its clock goes as the host's does, so that it can
# wait for another, and what it did is the clock without the time that it idled.
COUNTED_TOGETHER = replace(COUNTED, words=("-icount", "shift=0,sleep=on"))


def listen(
    pipe: int, log: BinaryIO, hear: Callable[[str], bool], deadline: float, silence: float
) -> Ended:
    """Read a console to its end; `hear` gets each line and says whether it was the last.

    `deadline` and `silence` are seconds from now and from the last byte.
    """
    stop, held = time.monotonic() + deadline, b""
    for chunk in _chunks(pipe, stop, silence):
        if isinstance(chunk, Ended):
            if held:
                hear(_text(held))
            return chunk
        log.write(chunk)
        log.flush()
        *whole, held = (held + chunk).split(b"\n")
        for raw in whole:
            line = _text(raw)
            if hear(line):
                return Ended.DONE
            if line.startswith(_STOPPED):
                return Ended.EXITED
    raise AssertionError("a console ends somehow")


def _chunks(pipe: int, stop: float, silence: float) -> Iterator[bytes | Ended]:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            left = stop - time.monotonic()
            if left <= 0:
                yield Ended.DEADLINE
                return
            if not selector.select(min(left, silence)):
                yield Ended.DEADLINE if left < silence else Ended.SILENT
                return
            chunk = os.read(pipe, 1 << 16)
            yield chunk or Ended.EXITED
            if not chunk:
                return


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\r").decode("utf-8", "replace")


def version() -> str:
    """QEMU's own version line; raises `ToolMissing` without it."""
    process.require(TOOLS)
    return process.run([TOOLS[0][0], "--version"]).text.splitlines()[0].strip()
