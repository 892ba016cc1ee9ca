"""A fleet: guests on one Ethernet that are booted, ordered about and booted again one by one.

Each node runs qemu/node; orders go to its second serial line, answers come on its console.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from backport.doors.cache import Cache
from backport.doors.ether import Ethernet, ethernet
from backport.doors.orderline import OrderLine, order_line
from backport.guests import lab
from backport.guests.initramfs import Payload
from backport.guests.lab import Heard, LabKernel, Member
from backport.guests.parsers import console
from backport.guests.parsers.fleet import Answer, Burst, Flow, Ready, read_word
from backport.values.errors import GuestLost

ANSWER = 120.0  # seconds: an order takes one to five on an idle machine
BOOT = 240.0
MEMORY = 384  # MiB


@dataclass(frozen=True)
class FleetRequest:
    """`payloads` are by node, each with one command, qemu/node; `logs` gets a console a boot."""

    payloads: Mapping[str, Payload]
    iproute2: Path
    cache: Cache
    logs: Path


@dataclass(frozen=True)
class Heeded:
    """A burst, and when its end was heard, in seconds since the fleet was made."""

    at: float
    burst: Burst


class _Left(Exception):
    """The fleet is given up: ends a boot from within its listener."""


@dataclass
class _Ear:
    """What all nodes have said; whoever waits is woken by each word."""

    news: threading.Condition = field(default_factory=threading.Condition)
    answers: dict[int, Answer] = field(default_factory=dict)
    flows: dict[tuple[str, int], Flow] = field(default_factory=dict)
    bursts: list[Heeded] = field(default_factory=list)
    closing: bool = False

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Whether it came to be so in time."""
        with self.news:
            return self.news.wait_for(until, seconds)


@dataclass
class _Boot:
    """One node from its boot to its end."""

    kernel: LabKernel
    line: OrderLine
    ready: bool = False
    job: Future[Heard] | None = None

    @property
    def over(self) -> bool:
        return self.job is not None and self.job.done()


class Fleet:
    """Boots, orders and listens. What goes wrong in a guest is an answer, a lost guest an error."""

    def __init__(self, request: FleetRequest, net: Ethernet, pool: ThreadPoolExecutor) -> None:
        self._request, self._net, self._pool = request, net, pool
        self._ear = _Ear()
        self._up: dict[str, tuple[_Boot, contextlib.ExitStack]] = {}
        self._orders = 0
        self._boots = 0
        self._start = time.monotonic()
        self.heard: list[tuple[LabKernel, Heard]] = []  # of each boot, in the order of their ends

    @property
    def clock(self) -> float:
        """Seconds since the fleet was made."""
        return time.monotonic() - self._start

    @property
    def up(self) -> tuple[str, ...]:
        """The nodes that run."""
        return tuple(self._up)

    @property
    def bursts(self) -> tuple[Heeded, ...]:
        """All that ended so far."""
        with self._ear.news:
            return tuple(self._ear.bursts)

    # -- boots

    def boot(self, kernels: Mapping[str, LabKernel]) -> None:
        """Boot nodes side by side, until all take orders. Raises `GuestLost`."""
        for name, kernel in kernels.items():
            self._begin(name, kernel)
        for name in kernels:
            boot, _ = self._up[name]
            self._await(name, lambda boot=boot: boot.ready, BOOT, "came up")  # type: ignore[misc]

    def _begin(self, name: str, kernel: LabKernel) -> None:
        stack = contextlib.ExitStack()
        boot = _Boot(kernel, stack.enter_context(order_line()))
        self._up[name] = boot, stack
        self._boots += 1
        log = self._request.logs / f"fleet-{self._boots:02}-{name}.log"
        payload = self._request.payloads[name]
        # A node with no order has nothing to say: what is waited for is bounded instead.
        member = Member(name, kernel, payload, log, deadline=900.0, silence=900.0, memory=MEMORY)
        boot.job = self._pool.submit(self._run, member, boot)
        boot.job.add_done_callback(lambda _: self._wake())

    def _run(self, member: Member, boot: _Boot) -> Heard:
        request = self._request
        return lab.run_alone(
            member,
            request.iproute2,
            request.cache,
            devices=(*self._net.words[member.name], *boot.line.words),
            on_line=lambda raw: self._hear(boot, raw),
        )

    def _hear(self, boot: _Boot, raw: str) -> None:
        ear = self._ear
        word = read_word(console.spoken(raw) or "")
        with ear.news:
            if ear.closing:
                raise _Left
            if isinstance(word, Ready):
                boot.ready = True
            elif isinstance(word, Answer):
                ear.answers[word.order] = word
            elif isinstance(word, Flow):
                ear.flows[word.source, word.epoch] = word
            elif isinstance(word, Burst):
                ear.bursts.append(Heeded(self.clock, word))
            ear.news.notify_all()

    def _wake(self) -> None:
        with self._ear.news:
            self._ear.news.notify_all()

    def leave(self, name: str) -> Answer:
        """Let a node end, and wait until it is gone. Raises `GuestLost` if it ended badly."""
        answer = self.order(name, "leave")
        boot, stack = self._up[name]
        assert boot.job is not None
        with stack:
            heard = boot.job.result()
        del self._up[name]
        self.heard.append((boot.kernel, heard))
        lab.demand_whole(heard)
        return answer

    # -- orders

    def order(self, name: str, text: str) -> Answer:
        """Have one node do something, and wait for what came of it."""
        return self.orders({name: text})[name]

    def orders(self, texts: Mapping[str, str]) -> dict[str, Answer]:
        """Have each node do something, all at once."""
        given: dict[str, int] = {}
        for name, text in texts.items():
            self._orders += 1
            given[name] = self._orders
            self._up[name][0].line.send(f"{self._orders} {text}")
        answers = self._ear.answers
        for name, order in given.items():
            self._await(
                name,
                lambda order=order: order in answers,  # type: ignore[misc]
                ANSWER,
                f"answered to {texts[name]!r}",
            )
        return {name: answers.pop(order) for name, order in given.items()}

    def _await(self, name: str, until: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for a node. Raises `GuestLost` when it ends before, or the time is over."""
        boot, _ = self._up[name]
        if self._ear.wait(lambda: until() or boot.over, seconds) and until():
            return
        if boot.over:
            assert boot.job is not None
            heard = boot.job.result()
            lab.demand_whole(heard)
            raise GuestLost(f"{name} ended before it {what}", log=heard.log)
        raise GuestLost(
            f"{name} never {what}, within {seconds:.0f} s",
            hint=f"its console is in {self._request.logs}",
        )

    # -- traffic

    def flows(self, pods: Iterable[str], epoch: int, seconds: float) -> tuple[Flow, ...]:
        """What these pods sent in an epoch; of one that does not tell in time there is none."""
        keys, known = [(pod, epoch) for pod in pods], self._ear.flows
        self._ear.wait(lambda: all(key in known for key in keys), seconds)
        with self._ear.news:
            return tuple(known[key] for key in keys if key in known)

    def close(self) -> None:
        """End all that runs still, whatever it does."""
        with self._ear.news:
            self._ear.closing = True
        for boot, stack in self._up.values():
            with stack, contextlib.suppress(GuestLost):
                boot.line.send("0 leave")  # the answer's line is where its listener ends it


@contextlib.contextmanager
def fleet(request: FleetRequest) -> Iterator[Fleet]:
    """A fleet with no node up; none is left when the block ends."""
    names: Sequence[str] = tuple(request.payloads)
    with ethernet(names) as net, ThreadPoolExecutor(len(names)) as pool:
        nodes = Fleet(request, net, pool)
        try:
            yield nodes
        finally:
            nodes.close()
