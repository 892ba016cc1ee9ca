"""What a move of a rollout did to the pods' traffic, from what each pod counted itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from backport.guests.parsers.fleet import Count, Flow
from backport.qualify.rollout import Move
from backport.values.fleet import FleetFile


@dataclass(frozen=True)
class Seen:
    """What was seen of a move: `devices` are of the moved pods, `during` and `health` its epochs.

    The moved pods' own word of the first one is not asked for: they were made anew in it.
    """

    pods: tuple[str, ...]  # all of the fleet
    devices: Mapping[str, str]
    during: tuple[Flow, ...]
    health: tuple[Flow, ...]

    def between(self, flows: Iterable[Flow], *, touched: bool) -> Iterator[tuple[str, Count]]:
        """Flows with a moved pod at an end, or those without, as "a to b"."""
        for flow in flows:
            for peer, count in flow.to.items():
                if (flow.source in self.devices or peer in self.devices) is touched:
                    yield f"{flow.source} to {peer}", count


def outage(seen: Seen, period_ms: int) -> float:
    """The longest time in seconds for which others had no answer of a moved pod."""
    toward = (count for _, count in seen.between(seen.during, touched=True))
    return max((count.longest for count in toward), default=0) * period_ms / 1000


def bystanders(seen: Seen) -> Count:
    """All that was sent between pods whose nodes were left alone, and lost."""
    flows = [*seen.during, *seen.health]
    counts = [count for _, count in seen.between(flows, touched=False)]
    return Count(
        sum(one.sent for one in counts),
        sum(one.lost for one in counts),
        max((one.longest for one in counts), default=0),
    )


def unhealthy(move: Move, seen: Seen, file: FleetFile) -> Iterator[str]:
    """Why the moved node must not stay as it is."""
    for pod, device in seen.devices.items():
        if device != move.to.device:
            yield f"{pod}: got {device or 'no network'}, wants {move.to.device}"
    for name, count in seen.between(seen.health, touched=True):
        if count.lost:
            yield f"{name}: {count.lost} of {count.sent} lost after the change"
    bound = file.bounds.node_outage_ms if move.reboots else file.bounds.pod_outage_ms
    lasted = outage(seen, file.traffic.period_ms)
    if lasted * 1000 > bound:
        yield f"pods of {move.node} had no service for {lasted} s, more than {bound / 1000} s"


def harm(seen: Seen, file: FleetFile) -> Iterator[str]:
    """What pods of other nodes noticed, which is never right; an untold epoch counts as that."""
    for word, flows in (("during", seen.during), ("after", seen.health)):
        for name, count in seen.between(flows, touched=False):
            if count.lost > file.bounds.bystander_lost:
                yield f"{name}: {count.lost} of {count.sent} lost {word} the change of another node"
    others = [pod for pod in seen.pods if pod not in seen.devices]
    yield from _untold(seen.during, others, seen.pods, "during")
    yield from _untold(seen.health, seen.pods, seen.pods, "after")


def _untold(
    flows: Iterable[Flow], wanted: Iterable[str], pods: tuple[str, ...], word: str
) -> Iterator[str]:
    told = {flow.source: set(flow.to) for flow in flows}
    for pod in wanted:
        missing = {*pods} - {pod} - told.get(pod, set())
        if missing:
            yield f"{pod}: told nothing of its traffic to {', '.join(sorted(missing))} {word} it"
