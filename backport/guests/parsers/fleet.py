"""Reads what a node of a fleet says: answers to orders, and what became of its pods' traffic.

qemu/node and qemu/fleet_flow.c tell the forms. A line that is none of them is talk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ANSWER = re.compile(r"^answer (\d+) (ok|failed) ?(.*)$")
_FLOW = re.compile(r"^flow (\S+) (\d+)((?: \S+=\d+/\d+/\d+)+)$")
_BURST = re.compile(r"^burst (\S+) (\S+) (\d+)$")
_PEER = re.compile(r"(\S+)=(\d+)/(\d+)/(\d+)")


@dataclass(frozen=True)
class Ready:
    """The node takes orders."""


@dataclass(frozen=True)
class Answer:
    """What came of one order."""

    order: int
    ok: bool
    detail: str


@dataclass(frozen=True)
class Count:
    """Datagrams of one epoch to one peer; `longest` is the most that were lost in a row."""

    sent: int
    lost: int
    longest: int


@dataclass(frozen=True)
class Flow:
    """What one pod sent in one epoch, by peer."""

    source: str
    epoch: int
    to: Mapping[str, Count]


@dataclass(frozen=True)
class Burst:
    """So many datagrams were lost in a row, and the next one was answered."""

    source: str
    peer: str
    count: int


Word = Ready | Answer | Flow | Burst


def read_word(line: str) -> Word | None:
    """What a line says; None for talk."""
    if line == "ready":
        return Ready()
    if answer := _ANSWER.match(line):
        return Answer(int(answer[1]), answer[2] == "ok", answer[3].strip())
    if burst := _BURST.match(line):
        return Burst(burst[1], burst[2], int(burst[3]))
    flow = _FLOW.match(line)
    if flow is None:
        return None
    to = {name: Count(int(a), int(b), int(c)) for name, a, b, c in _PEER.findall(flow[3])}
    return Flow(flow[1], int(flow[2]), to)
