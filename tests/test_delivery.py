"""What a run leaves for people, and when the last one is good enough."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from minikernel import SERIES, TARGET, git, known_world

from backport.doors.cache import Cache
from backport.doors.rundir import RunDir
from backport.shell import delivery
from backport.shell.session import Session
from backport.values.errors import UsageError
from backport.values.events import StageFinished
from backport.values.options import Options
from backport.values.record import RunRecord

pytestmark = pytest.mark.slow


class Delivered:
    """A picked series and the doors to deliver it through, once for each run."""

    def __init__(self, folder):
        self.world = known_world(folder / "world")
        self.world.settle()
        self.record = RunRecord.from_json(self.world.pick("--json").json)
        self.folder = self.world.workspace / "series"

    def deliver(self):
        """Deliver in a run of its own: whether the series was reused, and the run's record."""
        events = []
        cache = Cache(self.world.cache)
        with RunDir.open(cache.runs, SERIES, TARGET) as run:
            session = Session(Options(SERIES, TARGET), cache, run, self.world.data, events.append)
            same = ("base", "head", "tree", "picks", "adaptations", "upstream", "branch")
            session.note(**{name: getattr(self.record, name) for name in same})
            delivery.deliver_series(session)
            (ended,) = [e for e in events if isinstance(e, StageFinished)]
            return ended.cached, session.record


@pytest.fixture
def delivered(tmp_path):
    return Delivered(tmp_path)


def test_the_series_lies_beside_the_runs_and_gives_the_tree(delivered, tmp_path):
    cached, record = delivered.deliver()
    assert not cached
    patches = sorted(delivered.folder.glob("*.patch"))
    assert [p.name[:4] for p in patches] == ["0000", "0001", "0002", "0003"]
    assert {g.name: g.outcome for g in record.gates} == {"series": "passed"}
    where = delivered.world.workspace / record.id / record.artifacts["series"]
    assert where.resolve() == delivered.folder
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "-b", "main", str(delivered.world.base), str(clone))
    who = ("-c", "user.name=R", "-c", "user.email=r@example.org")
    git(clone, *who, "am", "-q", *(str(p) for p in patches[1:]))
    assert git(clone, "rev-parse", "HEAD^{tree}") == delivered.record.tree


def test_it_is_reused_while_it_is_what_was_proven(delivered):
    assert [delivered.deliver()[0] for _ in range(2)] == [False, True]
    path = delivered.folder / "0002-dock-Limit-how-many-can-dock.patch"
    proven = path.read_bytes()
    path.write_bytes(proven.replace(b"dock_limit", b"dock_other"))
    assert not delivered.deliver()[0] and path.read_bytes() == proven
    path.unlink()
    assert not delivered.deliver()[0] and path.read_bytes() == proven
    (delivered.world.workspace / "series.proven").write_text("")
    assert [delivered.deliver()[0] for _ in range(2)] == [False, True]


def test_another_head_is_another_series(delivered):
    delivered.deliver()
    commits = [p.commit for p in delivered.record.picks]
    tree = git(delivered.world.base, "rev-parse", f"{commits[1]}^{{tree}}")
    picks = delivered.record.picks[:2]
    delivered.record = replace(delivered.record, head=commits[1], tree=tree, picks=picks)
    assert not delivered.deliver()[0]
    assert len(list(delivered.folder.glob("*.patch"))) == 3


def test_an_unknown_form_is_refused(delivered, tmp_path):
    ran = delivered.world.run("export", "--format", "quilts", "-o", str(tmp_path / "out"))
    assert ran.code == 2 and "quilts" in ran.err and "patches" in ran.err
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError):
        delivery.exporter("quilts")


def test_a_report_is_written_for_any_run_that_has_a_base(delivered):
    delivered.world.rules("")  # no rules at all: not even a cause
    ran = delivered.world.pick("--json")
    assert ran.code == 2 and "report" not in json.dumps(ran.json["artifacts"])
    delivered.world.rules('cause = "x"\n', "10-all.toml").unlink()
    ran = delivered.world.pick("--json")
    assert ran.code == 3
    html = delivered.world.workspace / ran.json["id"] / ran.json["artifacts"]["html"]
    assert "dock: Limit how many can dock" in html.read_text()


def test_an_export_in_a_dialect_is_proven_and_says_what_is_amiss(delivered, tmp_path):
    world = delivered.world
    out = str(tmp_path / "out")
    ran = world.run("export", "--format", "bundle", "--dialect", "ubuntu", "-o", out)
    assert ran.code == 0 and f"git fetch gives tree {delivered.record.tree}" in ran.out
    assert "ubuntu: 3 of the patches: names no bug; begin the text with BugLink: " in ran.out
    told = ("--signoff", "Mia <m@suse.com>", "--bug", "bsc#1", "--cve", "CVE-2024-26581")
    ran = world.run("export", "--dialect", "suse", "-o", f"{out}2", *told, "--json")
    assert ran.code == 0 and ran.json["objections"] == [] and ran.json["tool"] == "git am"
    assert (ran.json["tree"], ran.json["dropped"]) == (delivered.record.tree, [])
    text = (tmp_path / "out2" / ran.json["files"][1]).read_text()
    assert "\nPatch-mainline: v6.6\nReferences: bsc#1 CVE-2024-26581\n" in text
    read = world.run("import", str(tmp_path / "out2"), "--json")
    assert [p["dialect"] for p in read.json] == ["suse"] * 3
    assert [p["provenance"]["upstream"] for p in read.json] == [
        list(p.stands_for) for p in delivered.record.picks
    ]
    (tmp_path / "out2/0009-evil.patch").write_text("--- a/../x\n+++ b/../x\n")
    bad = world.run("import", str(tmp_path / "out2"))
    assert (bad.code, bad.out) == (2, "") and "0009-evil.patch:1: names 'a/../x', which" in bad.err


BAD_OPTIONS = [
    (("--format", "git", "--dialect", "suse"), "no form that --format git can carry"),
    (("--format", "mbox", "--dialect", "openwrt"), "no form that --format mbox can carry"),
    (("--dialect", "gentoo"), "no such dialect"),
    (("--signoff", "Mia"), "is nobody"),
    (("--bug", "two words"), "is no bug"),
    (("--cve", "2024-1"), "is no CVE id"),
    (("--format", "git", "-o", "/"), "in no git repository"),
    (("--format", "git"), "into which repository"),
]


@pytest.mark.slow
def test_bad_options_of_an_export_change_nothing(delivered, tmp_path):
    for options, says in BAD_OPTIONS:
        where = () if options[-1] == "git" else ("-o", str(tmp_path / "out"))
        ran = delivered.world.run("export", *where, *options)
        assert ran.code == 2 and says in ran.err and "next: " in ran.err
    assert not (tmp_path / "out").exists()
