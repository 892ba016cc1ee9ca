"""The data of netkit itself: it reads, it hangs together, and nothing in it is idle text."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from backport.readers.manifest import read_series
from backport.readers.rules import read_rules
from backport.readers.snapshot import read_snapshot

NETKIT = Path(__file__).parents[1] / "patches" / "netkit"


@pytest.fixture(scope="module")
def series():
    return read_series(NETKIT / "series.toml")


@pytest.fixture(scope="module")
def snapshot():
    return read_snapshot(NETKIT / "snapshot.toml")


@pytest.fixture(scope="module")
def rules():
    return read_rules(NETKIT / "rules")


def test_everything_is_there(series, snapshot, rules):
    assert len(series.picked) > 20
    assert len(snapshot.commits) >= 5
    assert len(rules) > 30


def test_every_commit_that_the_series_picks_is_carried_or_explained(series, snapshot):
    carried = [sha for commit in snapshot.commits for sha in commit.stands_for]
    named = carried + [sha for row in snapshot.elsewhere for sha in row.commits]
    assert [sha for sha, n in Counter(named).items() if n > 1] == []
    assert {sha for sha in named if series.find(sha) is None} == set()
    assert {commit.sha for commit in series.picked} - set(named) == set()


def test_every_rule_is_about_a_commit_of_the_series(series, rules):
    lost = {(r.id, sha) for r in rules for sha in r.commits if series.find(sha) is None}
    assert lost == set()


def test_every_rule_can_meet_a_cut(snapshot, rules):
    """A rule whose paths no commit of its own touches would never fire.

    Rules that ask which form of the commit is at hand may be for the form that is no cut.
    """
    for rule in rules:
        commits = [c for c in snapshot.commits if rule.belongs_to(c.stands_for)]
        if (
            commits
            and not any(question.upstream for question in rule.when)
            and rule.action.__class__.__name__ in {"Additive", "Take", "Rewrite", "Pin"}
        ):
            touched = {path for commit in commits for path in commit.paths}
            assert set(rule.paths) <= touched, rule.id


def test_every_rule_says_why_in_a_sentence(rules):
    for rule in rules:
        assert len(rule.why.split()) >= 5, rule.id
        assert not re.search(r"FIXME|TODO|XXX", rule.why), rule.id


def test_uapi_rules_hold_for_the_copy_in_tools(rules):
    for rule in rules:
        for path in rule.paths:
            if path.startswith("include/uapi/linux/"):
                assert f"tools/{path}" in rule.paths, rule.id


def test_every_reason_for_leaving_out_is_given(series, snapshot):
    for row in (*series.left_out, *snapshot.left_out, *snapshot.elsewhere):
        assert len(row.reason.split()) >= 2, row


def test_no_text_of_upstream_in_the_data():
    """Selectors and rules name places; whole functions do not belong there."""
    for path in [NETKIT / "snapshot.toml", *sorted((NETKIT / "rules").glob("*.toml"))]:
        run = longest = 0
        for line in path.read_text().splitlines():
            run = run + 1 if line.startswith(("\t", "+", "-")) else 0
            longest = max(longest, run)
        assert longest < 12, path.name
