"""interop, observe and soak as commands: what is asked for, shown, kept, and the exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from backport.doors import rundir
from backport.doors.cache import Cache
from backport.guests.checks import Checks
from backport.guests.lab import LabKernel
from backport.qualify import interop, observe, soak
from backport.qualify.interop import InteropResult
from backport.qualify.observe import ObserveResult, Seen
from backport.qualify.soak import Labour, SoakResult
from backport.shell import cli, mixing, observing, qualifying, soaking
from backport.shell.pipeline import Ended
from backport.shell.qualifying import Ground
from backport.values.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]
SEEN = Seen("debian-6.1", "link", "the device", "ip link", ("4: nk0:",), ())
WORKER = Labour("storm", ok=True, done=5, other=1, detail="")
PRESSED = SoakResult("debian-6.1", "6.1.1", 1, 90, (WORKER,), {}, (), (), 9.0)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A ground that stands; `asked` has the options it was prepared with."""
    asked = []

    def prepare(options, _cache, _emit):
        asked.append(options)
        with rundir.RunDir.open(tmp_path / "runs", options.series, options.target) as run:
            run.finish(run.record, 0)
        kernel = LabKernel(options.target, tmp_path / "bzImage")
        return Ground(
            options, Ended(run.record, run.path), run.path, kernel,
            replace(kernel, label="donor"), tmp_path, Cache(tmp_path / "cache"), ROOT,
        )  # fmt: skip

    monkeypatch.setattr(qualifying, "prepare", prepare)
    monkeypatch.setattr(observing, "_bpftool", lambda *_: tmp_path / "bpftool")
    monkeypatch.setattr(
        qualifying, "program", lambda _, name, __: Checks(name, tmp_path / name, "", ())
    )
    return asked, tmp_path


def kept(folder, name):
    (file,) = (folder / "runs").rglob(f"{name}.json")
    record = rundir.load(file.parent).record
    assert record.artifacts[name] == file.name
    return json.loads(file.read_bytes())


@pytest.mark.parametrize(("missing", "code"), [((), 0), (("no match of 'nk0'",), 1)])
def test_observe_shows_keeps_and_judges(world, monkeypatch, capsys, missing, code):
    asked, folder = world
    failures = tuple(f"debian-6.1: link: {line}" for line in missing)
    result = ObserveResult((replace(SEEN, missing=missing),), (), failures, {"debian-6.1": "6.1.1"})
    requests = []
    monkeypatch.setattr(observe, "run_observe", lambda r, _: requests.append(r) or result)
    assert cli.main(["observe", "netkit", "--target", "debian-6.1"]) == code
    told = capsys.readouterr()
    assert "# ip link\n  4: nk0:" in told.out
    assert ("link: no match" in told.err) is bool(code)
    assert [(one.target, one.flavour) for one in asked] == [("debian-6.1", "observe")]
    assert [kernel.label for kernel in requests[0].kernels] == ["debian-6.1", "donor"]
    assert set(requests[0].programs) == {"bin/bpftool", "bin/netkit_link"}
    assert kept(folder, "observe")["failures"] == list(failures)
    assert "4: nk0:" in next((folder / "runs").rglob("observe.html")).read_text("utf-8")


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ((), (1, soaking.SECONDS)),
        (("--quick", "--seed", "9"), (9, soaking.QUICK_SECONDS)),
        (("--quick", "--seconds", "3"), (1, 3)),
        (("--seconds", "300"), (1, 300)),
    ],
)
def test_soak_asks_for_its_time_and_seed_on_the_debug_flavour(world, monkeypatch, more, wanted):
    asked, folder = world
    requests = []
    monkeypatch.setattr(soak, "run_soak", lambda r, _: requests.append(r) or PRESSED)
    assert cli.main(["soak", "netkit", "--target", "debian-6.1", *more]) == 0
    assert [(one.seed, one.seconds) for one in requests] == [wanted]
    assert [one.flavour for one in asked] == ["debug"]
    assert kept(folder, "soak")["workers"][0]["done"] == 5


def test_what_a_soak_left_is_told_as_json_too(world, monkeypatch, capsys):
    bad = replace(PRESSED, failures=("memory: 3 objects",))
    monkeypatch.setattr(soak, "run_soak", lambda *_: bad)
    assert cli.main(["soak", "netkit", "--target", "debian-6.1", "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["failures"] == ["memory: 3 objects"]
    assert "soak: 1 not as expected" in told.err


def test_interop_writes_the_section_of_its_target(world, monkeypatch, tmp_path):
    result = InteropResult((), (), {"debian-6.1": "6.1.1"})
    monkeypatch.setattr(interop, "run_interop", lambda *_: result)
    document = tmp_path / "interop.md"
    line = ["interop", "netkit", "--target", "debian-6.1", "--markdown", str(document)]
    assert cli.main(line) == 0
    assert "`backport interop netkit --target debian-6.1 --markdown docs/interop.md`" in (
        document.read_text("utf-8")
    )


@pytest.mark.parametrize(
    ("of", "name"), [(mixing.plan_of, "interop.toml"), (observing.views_of, "observe.toml")]
)
def test_a_series_that_says_nothing_of_it_is_refused(monkeypatch, tmp_path, of, name):
    (tmp_path / "patches/dock").mkdir(parents=True)
    (tmp_path / "patches/dock/series.toml").write_text("")
    for module in (mixing, observing):
        monkeypatch.setattr(module, "find_data_root", lambda: tmp_path)
    with pytest.raises(UsageError, match=f"dock: has no {name}"):
        of("dock")
