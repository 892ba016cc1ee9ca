"""Soak of a target: its kernel in the debug flavour, and the program that presses it."""

from __future__ import annotations

from dataclasses import asdict

from backport.qualify import soak
from backport.qualify.soak import SoakRequest, SoakResult
from backport.readers.manifest import read_flavour
from backport.shell import qualifying
from backport.shell.qualifying import Ground
from backport.values.events import Emit

# A ground is prepared in this flavour: without it nobody sees what is wrong.
FLAVOUR = "debug"
SECONDS, QUICK_SECONDS = 90, 15
SEED = 1


def soak_on(ground: Ground, emit: Emit, seconds: int = SECONDS, seed: int = SEED) -> SoakResult:
    """Press and judge; leaves `soak.json` in the run's folder."""
    if ground.options.flavour != FLAVOUR:
        raise AssertionError(f"the kernel is of flavour {ground.options.flavour or 'none'}")
    request = SoakRequest(
        ground.kernel,
        qualifying.program(ground, f"soak_{ground.options.series}", emit),
        read_flavour(ground.data, FLAVOUR),
        ground.iproute2,
        ground.cache,
        ground.folder / "logs" / "soak.log",
        seed,
        seconds,
    )
    result = soak.run_soak(request, emit)
    ground.keep(soak.STAGE, asdict(result))
    return result
