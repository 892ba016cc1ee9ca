"""Shows a qualification: a row for each scenario, and a page with their tables."""

from __future__ import annotations

from backport.output.page import environment
from backport.output.summary import duration
from backport.qualify.whole import Outcome, Qualification


def qualify_text(result: Qualification) -> str:
    """The verdict of each scenario; what failed below it."""
    lines = [f"{result.kernel}{', quick' if result.quick else ''}"]
    for one in result.outcomes:
        lines.append(f"{mark(one)} {one.name:10}  {one.title:54}  {duration(one.seconds):>8}")
        lines += [f"    {line}" for line in one.failures]
    held = sum(one.held for one in result.outcomes)
    lines.append(f"{held} of {len(result.outcomes)} held, {duration(result.seconds)}")
    return "\n".join(lines)


def mark(outcome: Outcome) -> str:
    """The sign of an outcome."""
    return "✓" if outcome.held else "✗"


def qualify_page(result: Qualification) -> str:
    """A self-contained HTML page with the table of every scenario, for the one who signs."""
    template = environment(autoescape=True).get_template("qualify.html.j2")
    return template.render(result=result, text=qualify_text(result), mark=mark)
