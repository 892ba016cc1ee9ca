"""Shows mixtures of devices and their behaviour: for a terminal, and as a section of a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from backport.output.ruleview import sections_of
from backport.qualify.interop import Finding, InteropResult
from backport.values.mixture import PLACES, Plan

TITLE = "# veth and netkit, mixed"
ABOUT = """\
Both kinds of device between pods of one host, and of two guests on a wire; each cell of the matrix
that `backport interop` prints has an expected outcome in `patches/netkit/interop.toml`. The tables
are for operators who put one device into the other's place: what they answer, on the target and on
the kernel that the feature comes from. Each section is written by the command at its head."""


def interop_text(result: InteropResult, plan: Plan) -> str:
    """Matrices by kernel and place, what devices live through, behaviour, the verdict last."""
    lines: list[str] = []
    for kernel in result.releases:
        for place in PLACES:
            found = result.of(kernel, place)
            if found:
                lines += [f"{kernel} ({result.releases[kernel]}), {place}", *_matrix(found), ""]
    lines += _lives(result)
    lines += _behaviour(result, plan)
    lines += _reasons(result)
    lines += [f"✗ {line}" for line in result.failures] or ["✓ as expected"]
    return "\n".join(lines)


def _matrix(found: Sequence[Finding]) -> Iterator[str]:
    loads = list(dict.fromkeys(f.what for f in found))
    yield "  " + " " * 25 + " ".join(f"{load:>9}" for load in loads)
    for pair in dict.fromkeys(f.devices for f in found):
        cells = [[f for f in found if (f.devices, f.what) == (pair, load)] for load in loads]
        yield f"  {pair[0]:>10} → {pair[1]:10}  " + " ".join(f"{_cell(c):>9}" for c in cells)


def _cell(found: Iterable[Finding]) -> str:
    """One mark for each family, in their order: as expected, not so, otherwise by exception."""
    return "".join("✗" if not f.ok else "!" if f.reason else "✓" for f in found)


def _lives(result: InteropResult) -> Iterator[str]:
    for kernel in result.releases:
        found = result.of(kernel, "lives")
        if not found:
            continue
        yield f"{kernel}, devices that come and go"
        for one in found:
            figures = ", ".join(f"{key} {value:g}" for key, value in one.figures.items())
            yield f"{'✓' if one.ok else '✗'} {one.name:26} {one.got:10} {figures}".rstrip()
        yield ""


def _behaviour(result: InteropResult, plan: Plan) -> Iterator[str]:
    kernels = [kernel for kernel in result.releases if result.of(kernel, "behaviour")]
    if not kernels:
        return
    head = " ".join(f"{device:18}" for device in plan.devices)
    yield f"{'behaviour':22} {head} {', '.join(kernels)}".rstrip()
    for one in plan.behaviours:
        rows = {kernel: _answers(result, kernel, one.name) for kernel in kernels}
        first = rows[kernels[0]]
        alike = "alike" if all(row == first for row in rows.values()) else "DIFFER"
        cells = " ".join(f"{first.get(device, '?'):18}" for device in plan.devices)
        yield f"{one.name:22} {cells} {alike}"
    yield ""


def _answers(result: InteropResult, kernel: str, question: str) -> dict[str, str]:
    return {f.devices[0]: f.got for f in result.of(kernel, "behaviour") if f.what == question}


def _reasons(result: InteropResult) -> Iterator[str]:
    told = dict.fromkeys((f.kernel, f.what, f.reason) for f in result.findings if f.reason)
    yield from (f"! {kernel}: {what}: {reason}" for kernel, what, reason in told)


# -- a document


def interop_markdown(
    before: str, result: InteropResult, plan: Plan, target: str, command: str
) -> str:
    """The document `before` ("" for a new one) with the section of a target written anew."""
    sections = {name: body for name, body in sections_of(before) if name != target}
    sections[target] = "\n".join(_section(result, plan, command))
    bodies = (f"## {name}\n\n{body}" for name, body in sorted(sections.items()))
    return "\n\n".join((f"{TITLE}\n\n{ABOUT}", *bodies)) + "\n"


def _section(result: InteropResult, plan: Plan, command: str) -> Iterator[str]:
    yield from (f"`{command}`", "")
    for kernel, release in result.releases.items():
        for group in (*PLACES, "lives"):
            found = result.of(kernel, group)
            good = sum(f.ok for f in found)
            if found:
                yield f"- {kernel} ({release}), {group}: {good} of {len(found)} as expected"
    yield from (f"- {line[2:]}" for line in _reasons(result))
    yield from (f"- FAILED: {line}" for line in result.failures)
    yield from ("", *_behaviour_table(result, plan))


def _behaviour_table(result: InteropResult, plan: Plan) -> Iterator[str]:
    asked = [kernel for kernel in result.releases if result.of(kernel, "behaviour")]
    if not asked:
        return
    yield "| | " + " | ".join(plan.devices) + f" | {' and '.join(asked)} | to an operator |"
    yield "|---" * (len(plan.devices) + 3) + "|"
    for one in plan.behaviours:
        rows = [_answers(result, kernel, one.name) for kernel in asked]
        cells = [rows[0].get(device, "?") for device in plan.devices]
        alike = "alike" if all(row == rows[0] for row in rows) else "differ"
        yield "| " + " | ".join((one.what, *cells, alike, one.means)) + " |"
