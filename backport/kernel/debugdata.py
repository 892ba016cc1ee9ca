"""Asks pahole how structs and unions lie in memory, out of an object's debug data."""

from __future__ import annotations

from pathlib import Path

from backport.doors import process
from backport.readers.pahole import parse_layouts, parse_sizes
from backport.values.surface import Layout

TOOLS = (("pahole", "dwarves"),)
_SECONDS = 600


def read_layouts(product: Path, root: Path) -> list[Layout]:
    """All of an object that was compiled with -g; headers go by their path below `root`."""
    unions = parse_sizes(_pahole(product, "-s", "--unions"))
    return parse_layouts(_pahole(product, "-I"), unions, lambda path: path.removeprefix(f"{root}/"))


def _pahole(product: Path, *options: str) -> list[str]:
    argv = ["pahole", *options, "-F", "dwarf", str(product)]
    return process.run(argv, timeout=_SECONDS).text.splitlines()
