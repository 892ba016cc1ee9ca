"""The command that compares what modules and programs outside the tree see, before and after."""

from __future__ import annotations

from dataclasses import asdict

from backport.doors.cache import Cache
from backport.output.compatview import compat_text
from backport.readers import manifest
from backport.shell import compatibility
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.commands.look import RunName
from backport.shell.compatibility import Request
from backport.shell.console import ConsoleRenderer


def compat(
    run: RunName = "",
    jobs: common.Jobs = 0,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Compare exported symbols, struct layouts and UAPI with the base; exit 4 for a surprise."""
    chosen = common.chosen_run(run)
    request = Request(chosen, manifest.find_data_root(), Cache.default(), jobs)
    with ConsoleRenderer(quiet=quiet) as emit:
        report = compatibility.compare(request, emit)
    if json:
        say_json(asdict(report))
    else:
        say(compat_text(report))
    compatibility.demand_allowed(report, compatibility.allow_file(request))
