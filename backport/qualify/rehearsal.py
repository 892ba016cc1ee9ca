"""Rehearses a rollout on a fleet of guests, with traffic between all pods throughout.

What is to be done is `rollout`'s, whether it did harm is `watch`'s; here it is done. Of the traffic
two epochs belong to a move: the time in which it is made, and the health check.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.doors.cache import Cache
from backport.guests.fleet import Fleet, FleetRequest, fleet
from backport.guests.initramfs import Payload
from backport.guests.lab import LabKernel
from backport.guests.parsers.fleet import Answer, Count, Flow
from backport.qualify import rollout, watch
from backport.qualify.rollout import Agent, Campaign, Move, Nodes, Setup, Status
from backport.qualify.watch import Seen
from backport.values.events import Emit, Progress, StageFinished, StageStarted
from backport.values.fleet import FleetFile, Kernel

STAGE = "rollout"
_TELL = 30.0  # seconds over patience until a pod must have told of an epoch
_SETTLE = 0.5  # seconds that a move that was made has, before its health is asked for


@dataclass(frozen=True)
class Pod:
    """A pod keeps its address on whatever network it is given."""

    name: str
    node: str
    address: str


@dataclass(frozen=True)
class RehearsalRequest:
    """`payloads` are by node; `agent` is what is rolled out."""

    kernels: Mapping[Kernel, LabKernel]
    payloads: Mapping[str, Payload]
    pods: tuple[Pod, ...]
    file: FleetFile
    iproute2: Path
    cache: Cache
    logs: Path
    agent: Agent = Agent.NEW
    quick: bool = False


@dataclass(frozen=True)
class Taken:
    """A move, and what came of it; times are seconds since the fleet was made.

    `bystanders` is what pods of nodes that were left alone sent each other meanwhile. `outage` is
    the longest time for which one of the moved pods was not answering, in seconds. `reasons` speak
    against the move, `harm` was done to others.
    """

    campaign: str
    move: Move
    began: float
    ended: float
    devices: Mapping[str, str]
    outage: float
    bystanders: Count
    reasons: tuple[str, ...] = ()
    harm: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons and not self.harm


@dataclass(frozen=True)
class Ran:
    """A campaign, how it ended, and the setups of the nodes before and then."""

    name: str
    expects: Status
    status: Status
    before: Nodes
    after: Nodes


@dataclass(frozen=True)
class Gap:
    """Datagrams lost in a row between two pods; times as in `Taken`, as the host heard of them."""

    source: str
    peer: str
    began: float
    ended: float


@dataclass(frozen=True)
class RehearsalResult:
    """`failures` is what is not as it must be."""

    releases: Mapping[Kernel, str]
    pods: tuple[Pod, ...]
    file: FleetFile
    taken: tuple[Taken, ...]
    campaigns: tuple[Ran, ...]
    gaps: tuple[Gap, ...]
    boots: int
    seconds: float
    failures: tuple[str, ...]


def rehearse(request: RehearsalRequest, emit: Emit) -> RehearsalResult:
    """Boot the fleet on the old kernel, and take it through all campaigns.

    A campaign that does not end as it must is the last. Raises `GuestLost`.
    """
    plan = rollout.campaigns(tuple(request.payloads), request.agent, quick=request.quick)
    moves = sum(len(campaign.moves) for campaign in plan)
    emit(StageStarted(STAGE, f"{len(request.payloads)} nodes, {moves} moves"))
    parts = FleetRequest(request.payloads, request.iproute2, request.cache, request.logs)
    with fleet(parts) as nodes:
        run = _Run(request, nodes, emit, moves)
        run.whole(plan)
        result = run.result(plan)
    bad = len(result.failures)
    done = f"{len(result.taken)} moves, {bad or 'nothing'} not as expected"
    emit(StageFinished(STAGE, done, result.seconds))
    return result


class _Run:
    """Takes a fleet from move to move."""

    def __init__(self, request: RehearsalRequest, nodes: Fleet, emit: Emit, moves: int) -> None:
        self.request, self.fleet, self.emit, self.moves = request, nodes, emit, moves
        self.at: Nodes = dict.fromkeys(request.payloads, Setup())
        self.epoch = 0
        self.taken: list[Taken] = []
        self.ran: list[Ran] = []
        self.unfit: list[str] = []  # what was wrong with the fleet before the first move, or behind

    def whole(self, plan: Sequence[Campaign]) -> None:
        """All campaigns, as long as they end as they must; then all nodes are drained."""
        old = self.request.kernels[Kernel.OLD]
        self.fleet.boot(dict.fromkeys(self.request.payloads, old))
        for node in self.request.payloads:
            self.unfit += self._populate(node, Setup(), {})
        if not self.unfit:
            for campaign in plan:
                if not self._campaign(campaign):
                    break
        for node in tuple(self.fleet.up):
            self.unfit += self._drain(node)

    def result(self, plan: Sequence[Campaign]) -> RehearsalResult:
        """What came of it."""
        request, boots = self.request, self.fleet.heard
        words = {kernel.label: word for word, kernel in request.kernels.items()}
        splats = (
            f"{heard.name}, kernel {heard.release}: {splat.headline}"
            for _, heard in boots
            for splat in heard.splats
        )
        return RehearsalResult(
            {words[kernel.label]: heard.release for kernel, heard in boots},
            request.pods,
            request.file,
            tuple(self.taken),
            tuple(self.ran),
            tuple(self._gaps()),
            len(boots),
            round(self.fleet.clock, 1),
            (*self.unfit, *verdict(self.taken, self.ran, plan), *splats),
        )

    def _gaps(self) -> Iterator[Gap]:
        traffic = self.request.file.traffic
        for heeded in self.fleet.bursts:
            burst = heeded.burst
            # The last of them was given up when its time was over, and not before.
            ended = max(heeded.at - traffic.patience_ms / 1000, 0.0)
            began = max(ended - burst.count * traffic.period_ms / 1000, 0.0)
            yield Gap(burst.source, burst.peer, round(began, 2), round(ended, 2))

    # -- one move

    def _campaign(self, campaign: Campaign) -> bool:
        before, state = self.at, rollout.begin(campaign, self.at)
        while (move := rollout.next_move(state)) is not None:
            taken = self._take(campaign.name, move)
            self.taken.append(taken)
            self.emit(Progress(STAGE, len(self.taken), max(self.moves, len(self.taken)), "moves"))
            state = rollout.after(state, move, healthy=taken.healthy)
            self.at = state.nodes
        self.ran.append(Ran(campaign.name, campaign.expects, state.status, before, self.at))
        return state.status is campaign.expects

    def _take(self, campaign: str, move: Move) -> Taken:
        devices: dict[str, str] = {}
        began, during = self.fleet.clock, self._mark()
        troubles = self._change(move, devices)
        time.sleep(_SETTLE)
        health = self._mark()
        time.sleep(self.request.file.traffic.health_ms / 1000)
        self._mark()
        pods = tuple(pod.name for pod in self.request.pods)
        others = [name for name in pods if name not in devices]
        seen = Seen(pods, devices, self._flows(others, during), self._flows(pods, health))
        file = self.request.file
        return Taken(
            campaign,
            move,
            round(began, 2),
            round(self.fleet.clock, 2),
            devices,
            watch.outage(seen, file.traffic.period_ms),
            watch.bystanders(seen),
            (*troubles, *watch.unhealthy(move, seen, file)),
            tuple(watch.harm(seen, file)),
        )

    def _mark(self) -> int:
        """Begin an epoch of the traffic on all nodes."""
        self.epoch += 1
        self.fleet.orders(dict.fromkeys(self.fleet.up, f"epoch {self.epoch}"))
        return self.epoch

    def _flows(self, pods: Sequence[str], epoch: int) -> tuple[Flow, ...]:
        return self.fleet.flows(pods, epoch, self.request.file.traffic.patience_ms / 1000 + _TELL)

    def _change(self, move: Move, devices: dict[str, str]) -> tuple[str, ...]:
        """Make a move; `devices` gets what its pods have then. What went wrong is given."""
        if move.reboots:
            troubles = self._drain(move.node)
            self.fleet.boot({move.node: self.request.kernels[move.to.kernel]})
            self.fleet.order(move.node, f"epoch {self.epoch}")
            return (*troubles, *self._populate(move.node, move.to, devices))
        troubles = self._told(move.node, f"agent {move.to.agent}")
        for pod in self._pods(move.node):
            troubles += self._told(move.node, f"del {pod.name}")
            troubles += self._add(pod, devices)
        return troubles

    def _populate(self, node: str, setup: Setup, devices: dict[str, str]) -> tuple[str, ...]:
        troubles = self._told(node, f"agent {setup.agent}")
        for pod in self._pods(node):
            troubles += self._add(pod, devices)
        return troubles

    def _add(self, pod: Pod, devices: dict[str, str]) -> tuple[str, ...]:
        answer = self.fleet.order(pod.node, f"add {pod.name} {pod.address}")
        devices[pod.name] = answer.detail if answer.ok else ""
        if not answer.ok:
            return (_trouble(pod.node, f"add {pod.name}", answer),)
        return self._told(pod.node, f"check {pod.name}")

    def _drain(self, node: str) -> tuple[str, ...]:
        """Remove a node's pods and let it end; what they leave behind is told."""
        troubles: tuple[str, ...] = ()
        for pod in self._pods(node):
            troubles += self._told(node, f"del {pod.name}")
        answer = self.fleet.leave(node)
        if not answer.ok:
            troubles += (f"{node}: {answer.detail} devices, pins, files or leases were left",)
        return troubles

    def _told(self, node: str, order: str) -> tuple[str, ...]:
        answer = self.fleet.order(node, order)
        return () if answer.ok else (_trouble(node, order, answer),)

    def _pods(self, node: str) -> list[Pod]:
        return [pod for pod in self.request.pods if pod.node == node]


def _trouble(node: str, order: str, answer: Answer) -> str:
    return f"{node}: {order}: {answer.detail or 'failed, and said nothing'}"


# -- the verdict


def verdict(taken: Sequence[Taken], ran: Sequence[Ran], plan: Sequence[Campaign]) -> Iterator[str]:
    """What is not as it must be: harm to others, and campaigns that ended otherwise."""
    for one in taken:
        yield from (f"{one.campaign}: {line}" for line in one.harm)
    for campaign in ran:
        if campaign.status is not campaign.expects:
            yield f"{campaign.name}: {campaign.status}, and must be {campaign.expects}"
            bad = [t for t in taken if t.campaign == campaign.name and t.reasons]
            for one in bad:
                where = f"{campaign.name}, {one.move.node} to {one.move.what}"
                yield from (f"{where}: {line}" for line in one.reasons)
        elif campaign.expects is Status.STOPPED and campaign.before != campaign.after:
            yield f"{campaign.name}: the canary was not taken back"
    begun = {campaign.name for campaign in ran}
    yield from (f"{one.name}: never begun" for one in plan if one.name not in begun)
