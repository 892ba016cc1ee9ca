"""One worker runs everything that builds or boots: those tests share the user's cache."""

from __future__ import annotations

import pytest


def pytest_itemcollected(item):
    """Before xdist reads the groups, which it does as soon as all is collected."""
    if item.get_closest_marker("e2e"):
        item.add_marker(pytest.mark.xdist_group("e2e"))
