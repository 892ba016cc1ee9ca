"""Shows a rehearsed rollout: a table, a timeline that opens offline, and the plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backport.output.page import environment
from backport.qualify.rehearsal import RehearsalResult, Taken
from backport.qualify.rollout import Setup
from backport.values.fleet import Kernel
from backport.values.options import Options

_WIDE = 980.0  # pixels of the whole time


@dataclass(frozen=True)
class Span:
    """A piece of a row of the timeline, in pixels; `look` is its CSS class."""

    x: float
    width: float
    look: str
    title: str


@dataclass(frozen=True)
class Line:
    """One row: a node's setups, or what a pod's peers lost of it."""

    name: str
    spans: tuple[Span, ...]


def rollout_text(result: RehearsalResult) -> str:
    """All moves, by campaign, the verdict last."""
    return "\n".join(_lines(result))


def _lines(result: RehearsalResult) -> Iterator[str]:
    releases = ", ".join(f"{word} {release}" for word, release in result.releases.items())
    yield f"{len(nodes(result))} nodes, {len(result.pods)} pods; kernels: {releases}"
    head = f"{'pods get':8} {'seconds':>8} {'outage':>7}  {'others lost':>14}"
    for ran in result.campaigns:
        yield ""
        yield f"{ran.name:44} {head}"
        yield from (_row(one) for one in result.taken if one.campaign == ran.name)
        yield f"  ends {ran.status}" + ("" if ran.status is ran.expects else f", not {ran.expects}")
    yield ""
    yield from [f"✗ {line}" for line in result.failures] or ["✓ as expected"]


def _row(one: Taken) -> str:
    mark = "✓" if one.healthy else "✗"
    what = f"{one.move.node}: {'back to ' if one.move.undo else ''}{one.move.what}"
    got = ",".join(sorted({device or "none" for device in one.devices.values()}))
    lost = f"{one.bystanders.lost} of {one.bystanders.sent}"
    return f"{mark} {what:42} {got:8} {one.ended - one.began:8.1f} {one.outage:6.1f}s  {lost:>14}"


def nodes(result: RehearsalResult) -> list[str]:
    """The fleet's nodes in order."""
    return list(dict.fromkeys(pod.node for pod in result.pods))


# -- the timeline


def rollout_page(result: RehearsalResult) -> str:
    """A self-contained HTML page with the timeline as SVG."""
    template = environment(autoescape=True).get_template("rollout.html.j2")
    scale = _WIDE / max(result.seconds, 1.0)
    return template.render(
        result=result,
        wide=_WIDE,
        rows=[*_node_lines(result, scale), *_pod_lines(result, scale)],
        campaigns=list(_campaign_spans(result, scale)),
        ticks=[(round(t * scale, 1), t) for t in range(0, int(result.seconds) + 1, _tick(result))],
        text=rollout_text(result),
    )


def _tick(result: RehearsalResult) -> int:
    """Seconds between two marks of the time, of which there is room for fifteen."""
    return 30 * (int(result.seconds) // 450 + 1)


def _span(began: float, ended: float, scale: float, look: str, title: str) -> Span:
    return Span(round(began * scale, 1), max(round((ended - began) * scale, 1), 1.0), look, title)


def _campaign_spans(result: RehearsalResult, scale: float) -> Iterator[Span]:
    for ran in result.campaigns:
        taken = [one for one in result.taken if one.campaign == ran.name]
        if taken:
            look = "as-it-must" if ran.status is ran.expects else "not-so"
            title = f"{ran.name}: {ran.status}"
            yield _span(taken[0].began, taken[-1].ended, scale, look, title)


def _node_lines(result: RehearsalResult, scale: float) -> Iterator[Line]:
    for node in nodes(result):
        spans: list[Span] = []
        at, since = Setup(), 0.0
        for one in (one for one in result.taken if one.move.node == node):
            spans.append(_span(since, one.began, scale, _look(at), str(at)))
            look = "moved" if one.healthy else "refused"
            spans.append(_span(one.began, one.ended, scale, look, f"to {one.move.what}"))
            at, since = one.move.to, one.ended
        spans.append(_span(since, result.seconds, scale, _look(at), str(at)))
        yield Line(node, tuple(spans))


def _look(setup: Setup) -> str:
    return f"{setup.kernel}-kernel {setup.device}"


def _pod_lines(result: RehearsalResult, scale: float) -> Iterator[Line]:
    for pod in result.pods:
        gaps = (gap for gap in result.gaps if gap.peer == pod.name)
        spans = (
            _span(g.began, g.ended, scale, "gap", f"{g.source}: {g.ended - g.began:.1f} s")
            for g in gaps
        )
        yield Line(pod.name, tuple(spans))


# -- the plan


def plan_markdown(result: RehearsalResult, options: Options) -> str:
    """What operations do on the real fleet: order, checks, stop conditions, ways back."""
    template = environment(autoescape=False).get_template("rollout.md.j2")
    healthy = [one for one in result.taken if one.healthy]
    return template.render(
        result=result,
        options=options,
        old=result.releases.get(Kernel.OLD, "?"),
        new=f"{result.releases.get(Kernel.NEW, '?')} with {options.series}",
        agent=f"{options.series}_agent.py",
        reboot=max((one.outage for one in healthy if one.move.reboots), default=0.0),
        remake=max((one.outage for one in healthy if not one.move.reboots), default=0.0),
        bystanders=sum(one.bystanders.sent for one in result.taken),
        lost=sum(one.bystanders.lost for one in result.taken),
        text=rollout_text(result),
    )
