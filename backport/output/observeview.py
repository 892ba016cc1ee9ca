"""Shows what is to be seen of a feature: commands with their output, here and as a page."""

from __future__ import annotations

from collections.abc import Iterator

from backport.output.page import environment
from backport.qualify.observe import ObserveResult, Seen

_LINES = 12  # of an output, on a terminal; the page has all


def observe_text(result: ObserveResult, kernel: str) -> str:
    """Each view of one kernel as an operator has it, the others' verdict in a line, ours last."""
    return "\n".join(_lines(result, kernel))


def _lines(result: ObserveResult, kernel: str) -> Iterator[str]:
    for label, release in result.releases.items():
        mine = [one for one in result.seen if one.kernel == label]
        good = sum(not one.missing for one in mine)
        yield f"{label} ({release}): {good} of {len(mine)} views as expected"
        for one in mine if label == kernel else [one for one in mine if one.missing]:
            yield from ("", *_view(one))
        yield ""
    yield from (f"– {line}" for line in result.absent)
    yield from [f"✗ {line}" for line in result.failures] or ["✓ as expected"]


def _view(seen: Seen) -> Iterator[str]:
    yield f"{'✗' if seen.missing else '✓'} {seen.name}: {seen.what}"
    yield from (f"  # {line}" for line in seen.command.splitlines())
    yield from (f"  {line}".rstrip() for line in seen.output[:_LINES])
    if len(seen.output) > _LINES:
        yield f"  … {len(seen.output) - _LINES} lines more in observe.html"
    yield from (f"  ✗ {line}" for line in seen.missing)


def observe_page(result: ObserveResult) -> str:
    """A self-contained HTML page with every output in full."""
    template = environment(autoescape=True).get_template("observe.html.j2")
    return template.render(result=result)
