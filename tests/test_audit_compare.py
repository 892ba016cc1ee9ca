"""Audits of past releases against what their maintainers picked for the next ones."""

from __future__ import annotations

import pytest
from auditkit import fixes, lines
from branchkit import ANCHOR, GONE, NEW, World

from backport.audit.audit import Asking, Branch
from backport.audit.compare import compare
from backport.output.auditview import compared_json, compared_text
from backport.values.errors import UsageError
from backport.values.events import silent

pytestmark = pytest.mark.slow  # a history of git for each


@pytest.fixture
def world(tmp_path):
    return World(tmp_path).begin()


def test_recall_and_precision_of_past_audits(world):
    good = world.add("dock: Fix the list", fixes(world.list), ANCHOR)
    left = world.add("dock: Fix more", fixes(world.list), {NEW: "int new;\n"})
    world.pick("dock: Fix the list", f"[ Upstream commit {good} ]", ANCHOR)
    lost = world.add("dock: No tag")
    world.pick("dock: No tag", f"[ Upstream commit {lost} ]")
    v2 = world.pick("Release 2")
    late = world.add("dock: Fix the fix", fixes(good), {GONE: lines("old", "oldest")})
    gone = world.add("dock: Fix a file", fixes(world.list), {"dock/list.c": lines("list_2", "l")})
    world.pick("dock: Fix the fix", f"[ Upstream commit {late} ]")
    v3 = world.pick("Release 3", f"[ Upstream commit {gone} ]")
    branch = Branch(world.story.path, "v1")
    asking = Asking(str(world.story.path))
    one, two = compare(asking, branch, [v2, v3], world.root / "cache", silent)
    assert (one.picked, one.tagged, one.known, one.found) == (2, 1, 1, 1)
    assert (one.reported, one.older, one.fresh, one.right) == (2, 0, 2, 1)
    assert (one.recall, one.precision) == (1.0, 0.5)
    assert (two.known, two.found, two.reported, two.older) == (2, 2, 3, 1)
    assert (two.fresh, two.right, two.missed) == (2, 2, ())
    assert left and two.precision == 1.0
    head, *rows, total = compared_text([one, two]).splitlines()[:4]
    assert [row.split()[:2] for row in rows] == [["v1", v2], [v2, v3]]
    assert (head.split()[0], total.split()[-1]) == ("audited", "75.0%")
    assert [row["recall"] for row in compared_json([one, two])] == [1.0, 1.0]


def test_a_release_that_brought_nothing_is_no_truth(world):
    empty = world.pick("Release 2")
    branch = Branch(world.story.path, "v1")
    with pytest.raises(UsageError, match="brought nothing"):
        compare(Asking(str(world.story.path)), branch, [empty], world.root / "cache", silent)
