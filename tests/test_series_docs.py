"""docs/series.md is a checked artefact: its tables are the code's."""

from __future__ import annotations

from pathlib import Path

import pytest

from backport.output.exporters import EXPORTERS
from backport.values.dialects import DIALECTS, Holds

DOC = (Path(__file__).resolve().parents[1] / "docs/series.md").read_text("utf-8")


def table(heading):
    """The rows under a header row that starts like this, as lists of cells."""
    lines = DOC.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_forms():
    told = [(row[0].strip("`"), row[2].strip("`")) for row in table("form")]
    assert told == [(row.name, row.tool) for row in EXPORTERS.values()]


def test_dialects():
    told = {row[0].strip("`"): (row[1], row[2]) for row in table("dialect")}
    assert told == {
        row.name: (row.title, ", ".join(str(what) for what in Holds if what in row.holds))
        for row in DIALECTS.values()
    }


@pytest.mark.parametrize("name", EXPORTERS)
def test_the_usual_dialect(name):
    row = EXPORTERS[name]
    assert row.dialect == ("dep3" if name == "debian" else "stable")
    assert DIALECTS[row.dialect].medium in row.carries
