"""The rollout of a new kernel and a new node agent over a fleet, as a state machine.

Nothing here boots anything: `next_move` says what is to be done, `after` takes what came of it. A
move that fails stops the campaign and is taken back; nothing else of it is begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from backport.values.fleet import Kernel

NEW_DEVICE, OLD_DEVICE = "netkit", "veth"


class Agent(StrEnum):
    """Which node agent gives pods their network; the last two are broken on purpose."""

    OLD = "old"
    NEW = "new"
    NOFALLBACK = "nofallback"
    POLICY = "policy"


class Status(StrEnum):
    """Where a campaign is; `lost` needs a person: what failed could not be taken back."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    LOST = "lost"


@dataclass(frozen=True)
class Setup:
    """What a node has."""

    kernel: Kernel = Kernel.OLD
    agent: Agent = Agent.OLD

    @property
    def device(self) -> str:
        """What a pod that is added must get."""
        both = self.kernel is Kernel.NEW and self.agent is not Agent.OLD
        return NEW_DEVICE if both else OLD_DEVICE

    def __str__(self) -> str:
        return f"{self.kernel} kernel, {self.agent} agent"


@dataclass(frozen=True)
class Move:
    """One node from one setup to another; all its pods are made anew."""

    node: str
    was: Setup
    to: Setup
    undo: bool = False

    @property
    def reboots(self) -> bool:
        """Whether the node is down meanwhile."""
        return self.was.kernel is not self.to.kernel

    @property
    def back(self) -> Move:
        """What takes it back."""
        return Move(self.node, self.to, self.was, undo=True)

    @property
    def what(self) -> str:
        """What is changed, for people."""
        parts = [f"{self.to.kernel} kernel"] if self.reboots else []
        parts += [f"{self.to.agent} agent"] if self.was.agent is not self.to.agent else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Campaign:
    """Moves with one purpose; the last one of a campaign that must stop is the bad one."""

    name: str
    moves: tuple[Move, ...]
    expects: Status = Status.DONE


Nodes = Mapping[str, Setup]


# -- what a fleet goes through


def campaigns(names: Sequence[str], agent: Agent = Agent.NEW, *, quick: bool) -> list[Campaign]:
    """The whole rehearsal, each campaign from where the one before leaves the fleet.

    `agent` is what is rolled out: a broken one must be found.
    """
    course = _Course(dict.fromkeys(names, Setup()), agent)
    if quick:
        first, second = names[0], names[1:]
        course.take("kernel first", course.kernels([first]), course.agents([first]))
        course.take_back("rollback half-way", 1)
        course.take("on again", course.agents([first]))
        course.take("agent first", course.agents(second), course.kernels(second))
    else:
        half = names[: len(names) // 2 + 1]
        course.take("new kernel, veth", course.kernels(names))
        course.take("netkit, half of the nodes", course.agents(half))
        course.take_back("rollback half-way", len(half))
        course.take("netkit, all nodes", course.agents(names))
        course.take("all the way back", course.old(names[::-1]))
        course.take("new agent, old kernel", course.agents(names))
        course.take("new kernel, half of the nodes", course.kernels(half))
        course.take_back("kernel rollback half-way", len(half))
        course.take("new kernel, all nodes", course.kernels(names))
    bad = replace(course.nodes[names[0]], agent=Agent.POLICY)
    move = Move(names[0], course.nodes[names[0]], bad)
    course.done.append(Campaign("canary with a policy that drops", (move,), Status.STOPPED))
    return course.done


class _Course:
    """Follows the fleet through campaigns that all come to their end."""

    def __init__(self, nodes: dict[str, Setup], agent: Agent) -> None:
        self.nodes, self.agent = nodes, agent
        self.done: list[Campaign] = []

    def take(self, name: str, *parts: Iterator[Move]) -> None:
        moves = tuple(move for part in parts for move in part)
        self.done.append(Campaign(name, moves))

    def take_back(self, name: str, count: int) -> None:
        """The last moves of the campaign before, newest first."""
        moves = tuple(move.back for move in self.done[-1].moves[::-1][:count])
        self.nodes |= {move.node: move.to for move in moves}
        self.done.append(Campaign(name, moves))

    def kernels(self, names: Sequence[str]) -> Iterator[Move]:
        for name in names:
            yield self._move(name, replace(self.nodes[name], kernel=Kernel.NEW))

    def agents(self, names: Sequence[str]) -> Iterator[Move]:
        for name in names:
            yield self._move(name, replace(self.nodes[name], agent=self.agent))

    def old(self, names: Sequence[str]) -> Iterator[Move]:
        for name in names:
            yield replace(self._move(name, Setup()), undo=True)

    def _move(self, name: str, to: Setup) -> Move:
        move = Move(name, self.nodes[name], to)
        self.nodes[name] = to
        return move


# -- the machine


@dataclass(frozen=True)
class State:
    """A campaign under way: the fleet as it is, and the moves that are left."""

    nodes: Nodes
    left: tuple[Move, ...]
    status: Status = Status.RUNNING


def begin(campaign: Campaign, nodes: Nodes) -> State:
    """Before the first move. Raises `ValueError` for moves that do not start from these nodes."""
    at = dict(nodes)
    for move in campaign.moves:
        if at[move.node] != move.was:
            raise ValueError(f"{campaign.name}: {move.node} has {at[move.node]}, not {move.was}")
        at[move.node] = move.to
    status = Status.RUNNING if campaign.moves else Status.DONE
    return State(nodes, campaign.moves, status)


def next_move(state: State) -> Move | None:
    """What is to be done now; None at the end."""
    return state.left[0] if state.left else None


def after(state: State, move: Move, *, healthy: bool) -> State:
    """Take in what came of the move that `next_move` gave.

    The first failure ends the campaign: what failed is taken back, the rest is never begun. When
    that fails too, or when it was a rollback that failed, a person is needed.
    """
    if next_move(state) != move:
        raise ValueError(f"{move.node}: not the move that was due")
    nodes = {**state.nodes, move.node: move.to}
    if healthy:
        left = state.left[1:]
        running = state.status is Status.RUNNING
        return State(nodes, left, Status.DONE if running and not left else state.status)
    if move.undo:
        return State(nodes, (), Status.LOST)
    return State(nodes, (move.back,), Status.STOPPED)
