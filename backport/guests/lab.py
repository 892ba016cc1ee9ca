"""A laboratory: kernels booted with a payload, one alone or several on one virtual Ethernet.

A payload's commands run one after the other under qemu/init and report as `parsers.steps` reads.
Guests can count their instructions as time, alone and together.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from backport.doors.cache import Cache
from backport.doors.ether import ethernet
from backport.guests.guest import check_kernel
from backport.guests.initramfs import InitramfsRequest, Payload, build_initramfs
from backport.guests.parsers import console, splats
from backport.guests.parsers.steps import Step, Steps, read_steps
from backport.guests.parsers.tree import Ended, Splat
from backport.guests.runners import RUNNERS, BootRequest
from backport.guests.runners.base import OnLine, Runner, ignore
from backport.guests.runners.qemu import COUNTED, COUNTED_TOGETHER
from backport.values.errors import GuestLost, UsageError


@dataclass(frozen=True)
class LabKernel:
    """A kernel and the modules that are loaded before a payload runs; `label` is for people."""

    label: str
    image: Path
    modules: tuple[str, ...] = ()
    module_root: Path | None = None


@dataclass(frozen=True)
class Member:
    """One guest of a laboratory; `log` gets its console. The deadline is stretched by patience."""

    name: str
    kernel: LabKernel
    payload: Payload
    log: Path
    deadline: float = BootRequest.deadline
    silence: float = BootRequest.silence
    memory: int = BootRequest.memory
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heard:
    """What a guest told: each command's steps, lines and exit status (None: it never ended)."""

    name: str
    release: str
    steps: Mapping[str, Steps]
    status: Mapping[str, int | None]
    splats: tuple[Splat, ...]
    ended: Ended
    seconds: float
    log: Path
    command: str
    notes: tuple[str, ...] = ()
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, command: str) -> tuple[Step, ...]:
        """The steps of one command; none if it never began."""
        found = self.steps.get(command)
        return found.steps if found else ()


def run_alone(
    member: Member,
    iproute2: Path,
    cache: Cache,
    *,
    counted: bool = False,
    devices: tuple[str, ...] = (),
    runner: Runner = RUNNERS["tcg"],
    on_line: OnLine = ignore,
) -> Heard:
    """Boot one guest; with `counted` its clock is its own instructions (see `COUNTED`).

    `devices` are more words for QEMU.

    A payload that fails is a result. Raises `ToolMissing` and `UsageError`; see `demand_whole`.
    """
    runner = COUNTED if counted else runner
    return _boot(member, iproute2, cache, runner, devices, on_line)


def run_together(
    members: Sequence[Member], iproute2: Path, cache: Cache, *, counted: bool = False
) -> tuple[Heard, ...]:
    """Boot several guests with a card each on one Ethernet; all are gone when this returns.

    With `counted` a guest's clock is its own instructions while it has anything to do.
    """
    runner: Runner = COUNTED_TOGETHER if counted else RUNNERS["tcg"]
    if len({member.name for member in members}) != len(members):
        raise UsageError("two guests of a laboratory have one name")
    with ethernet([m.name for m in members]) as net, ThreadPoolExecutor(len(members)) as pool:
        jobs = [
            pool.submit(_boot, one, iproute2, cache, runner, net.words[one.name], ignore)
            for one in members
        ]
        return tuple(job.result() for job in jobs)


def _boot(  # noqa: PLR0917 (a guest, what it is made of, and how it is run)
    member: Member,
    iproute2: Path,
    cache: Cache,
    runner: Runner,
    devices: tuple[str, ...],
    on_line: OnLine,
) -> Heard:
    kernel = member.kernel
    check_kernel(kernel.image)
    image = build_initramfs(
        InitramfsRequest(
            None,
            {},
            iproute2,
            cache,
            kernel.modules,
            kernel.module_root,
            payload=member.payload,
        )
    )
    request = BootRequest(
        kernel.image,
        image.path,
        member.log,
        member.arguments,
        member.memory,
        member.deadline,
        member.silence,
        devices,
    )
    output = runner.run(request, on_line)
    command = shlex.join(output.command)
    return hear(member, output.lines, output.ended, output.seconds, command)


def hear(
    member: Member, lines: Sequence[str], ended: Ended, seconds: float, command: str = ""
) -> Heard:
    """What a console amounts to; a command that never ended has no status."""
    heard = console.read(lines)
    said = {name: tuple(line.text for line in log.lines) for name, log in heard.suites.items()}
    status = {name: log.status for name, log in heard.suites.items()}
    return Heard(
        member.name,
        heard.kernel,
        {name: read_steps(text) for name, text in said.items()},
        {name: status.get(name) for name in member.payload.commands},
        tuple(splats.find(heard.kernel_lines)),
        ended,
        round(seconds, 3),
        member.log,
        command,
        tuple((*heard.notes, *heard.problems)),
        said,
    )


def splats_of(heard: Heard) -> tuple[str, ...]:
    """What the kernel itself complained of, a line each."""
    return tuple(f"{heard.name}: {splat.headline}" for splat in heard.splats)


def demand_whole(heard: Heard) -> None:
    """Raise `GuestLost` for a guest that did not come to the end of its commands."""
    unfinished = [name for name, status in heard.status.items() if status is None]
    if heard.ended is not Ended.DONE or unfinished:
        where = f" in {unfinished[0]}" if unfinished else ""
        raise GuestLost(
            f"{heard.name} ({heard.release or 'no kernel came up'}) ended as {heard.ended}{where}",
            hint=f"boot it again by hand: {heard.command}",
            log=heard.log,
        )
