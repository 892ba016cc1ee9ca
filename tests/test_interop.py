"""Mixtures of devices: what must come of them, the verdict on what guests told, and the tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fake_qemu
import pytest
from mixkit import NEW, SMALL

from backport.doors.cache import Cache
from backport.guests.checks import Checks
from backport.guests.lab import Heard, LabKernel
from backport.guests.parsers.steps import read_steps
from backport.guests.parsers.tree import Ended, Splat
from backport.output.interopview import interop_markdown, interop_text
from backport.qualify import interop
from backport.qualify.interop import InteropRequest, Told
from backport.qualify.verdict import demand_none
from backport.readers.interop import read_interop
from backport.values.errors import TestsFailed, UsageError
from backport.values.events import silent
from backport.values.version import Version


@pytest.fixture
def plan(tmp_path):
    file = tmp_path / "interop.toml"
    file.write_text(SMALL)
    return read_interop(file)


def spoken(expected, **changed):
    """What a guest says when all is as expected but what is changed."""
    lines = []
    for one in expected:
        word = changed.get(one.name, one.word)
        if word is None:
            continue
        figures = " ".join(f"{key}={most}" for key, most in one.most.items()) or "sent=3 received=3"
        lines += [f"step {one.name}", f"figure {one.name} {figures}", f"pass {one.name} {word}"]
    return lines


def told(lines, expected, kernel="ours", *, status=0, splats=(), release="6.12.1"):
    steps = {interop.SUITE: read_steps(lines)}
    heard = Heard(
        "g", release, steps, {interop.SUITE: status}, splats, Ended.DONE, 9.0, Path("log"), ""
    )
    return Told(kernel, heard, tuple(expected))


def everything(plan):
    return (*plan.mixtures("host", NEW), *plan.lives_of(NEW), *plan.answers(NEW))


def test_all_as_expected_passes(plan):
    expected = everything(plan)
    result = interop.judge([told(spoken(expected), expected)])
    assert result.failures == ()
    assert len(result.findings) == len(expected)
    demand_none(interop.STAGE, result.failures)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"host.old.new.v4.udp": "lost"}, "host.old.new.v4.udp: lost, expected delivered"),
        ({"host.old.new.v4.udp": None}, "never told"),
        ({"arp:new": "yes"}, "arp:new: yes, expected no"),
        ({"many_new": "left"}, "many_new: left, expected gone"),
    ],
)
def test_a_surprise_fails(plan, changed, why):
    expected = everything(plan)
    result = interop.judge([told(spoken(expected, **changed), expected)])
    assert len(result.failures) == 1
    assert why in result.failures[0]
    with pytest.raises(TestsFailed, match="1 not as expected"):
        demand_none(interop.STAGE, result.failures)


def test_a_wrong_expectation_fails(tmp_path, plan):
    """The defect is in the data: the guest did what devices do."""
    file = tmp_path / "wrong.toml"
    file.write_text(SMALL.replace('new = "no"', 'new = "yes"'))
    wrong = read_interop(file)
    result = interop.judge([told(spoken(plan.answers(NEW)), wrong.answers(NEW))])
    assert result.failures == ("ours: arp:new: no, expected yes (sent 3, received 3)",)


def test_memory_that_does_not_come_back_fails_and_figures_must_be_there(plan):
    (old, _) = expected = tuple(plan.lives_of(NEW))
    lines = spoken(expected)
    leaky = [line.replace("slab_kb=100", "slab_kb=101") for line in lines]
    silent_one = [line for line in lines if not line.startswith("figure many_old")]
    for said in (leaky, silent_one):
        result = interop.judge([told(said, expected)])
        assert any(old.name in line and "too much of" in line for line in result.failures)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"status": 1}, "the program ended with 1"),
        (
            {"splats": (Splat("leak", "unregister_netdevice: waiting for p", (), "", (), "x"),)},
            "kernel: unregister_netdevice: waiting",
        ),
    ],
)
def test_what_the_guest_died_of_or_complained_of_fails(plan, more, why):
    expected = tuple(plan.answers(NEW))
    result = interop.judge([told(spoken(expected), expected, **more)])
    assert any(why in line for line in result.failures)


def test_what_nobody_asked_for_and_nothing_at_all_fail(plan):
    expected = tuple(plan.answers(NEW))
    lines = [*spoken(expected), "step other", "pass other yes"]
    assert "nobody asked" in interop.judge([told(lines, expected)]).failures[0]
    assert interop.judge([]).failures == ("nothing was found out",)


# -- with guests


class Guests:
    """Guests that say what the file expects of their kernel; `changed` is what one says instead."""

    def __init__(self, plan, **changed):
        self.plan, self.changed, self.booted = plan, changed, []

    def hear(self, member, expected):
        self.booted.append(member.name)
        lines = spoken(expected, **self.changed)
        return replace(told(lines, (), release=member.kernel.label).heard, name=member.name)

    def alone(self, member, *_, counted):
        assert counted, "what waits for a packet must not depend on the host's load"
        kernel, words = Version.parse(member.kernel.label), member.payload.commands["interop"]
        if "probe" in words:
            return self.hear(member, self.plan.answers(kernel))
        if "lives" in words:
            return self.hear(member, (*self.plan.lives_of(kernel), interop.REFERENCES))
        asked = {
            line.split()[0] for line in member.payload.files["lab/cases"].decode().splitlines()
        }
        return self.hear(
            member, [one for one in self.plan.mixtures("host", kernel) if one.name in asked]
        )

    def together(self, members, *_):
        drive, serve = members
        rows = self.plan.mixtures("wire", Version.parse(drive.kernel.label))
        return self.hear(drive, rows), self.hear(serve, (interop.SERVE,))


@pytest.fixture
def request_of(tmp_path, plan, monkeypatch):
    def make(guests, **more):
        monkeypatch.setattr(interop.lab, "run_alone", guests.alone)
        monkeypatch.setattr(interop.lab, "run_together", guests.together)
        image = fake_qemu.kernel(tmp_path / "bzImage")
        return InteropRequest(
            (LabKernel("5.15.16", image), LabKernel("6.12.1", image)),
            plan,
            Checks("mix", tmp_path / "mix", "", ("udp", "gso")),
            Checks("probe", tmp_path / "probe", "", ("arp",)),
            tmp_path,
            Cache(tmp_path / "cache"),
            tmp_path / "logs",
            **more,
        )

    return make


def test_target_and_control_are_asked_the_same_and_the_wire_is_mixed(request_of, plan):
    guests = Guests(plan)
    result = interop.run_interop(request_of(guests), silent)
    assert result.failures == ()
    assert len(guests.booted) == 2 * 2 + 1 + 2 * 2
    assert list(result.releases) == ["5.15.16", "6.12.1", "5.15.16 and 6.12.1"]
    # The older kernel has its exception, the newer one has not.
    odd = {(f.kernel, f.got) for f in result.of("5.15.16", "host") if f.what == "gso"}
    assert odd == {("5.15.16", "delivered"), ("5.15.16", "failed")}
    assert {f.got for f in result.of("6.12.1", "host")} == {"delivered"}


def test_a_short_run_has_fewer_boots_and_loads(request_of, plan):
    guests = Guests(plan)
    result = interop.run_interop(request_of(guests, quick=True), silent)
    assert result.failures == ()
    assert len(guests.booted) == 2 * 2 + 2
    assert {f.what for f in result.of("5.15.16", "host")} == {"udp"}


def test_a_control_that_behaves_otherwise_fails_too(request_of, plan):
    guests = Guests(plan, **{"arp:new": "yes"})
    result = interop.run_interop(request_of(guests), silent)
    assert [line.split(":")[0] for line in result.failures] == ["5.15.16", "6.12.1"]


def test_data_and_programs_must_know_the_same(request_of, plan):
    request = request_of(Guests(plan))
    for more in ({"mixing": replace(request.mixing, cases=("udp",))},
                 {"probing": replace(request.probing, cases=("arp", "mac"))}):  # fmt: skip
        with pytest.raises(UsageError, match="only one of"):
            interop.run_interop(replace(request, **more), silent)


# -- what is shown


def test_the_tables_have_every_finding_and_every_reason(request_of, plan):
    result = interop.run_interop(request_of(Guests(plan)), silent)
    text = interop_text(result, plan)
    assert "old → new" in text
    assert "! 5.15.16: gso: an older kernel refuses it" in text
    assert text.endswith("✓ as expected")
    document = interop_markdown("# old\n\n## zeta\n\nkept\n", result, plan, "linux-5.15", "command")
    assert document.index("## linux-5.15") < document.index("## zeta")
    assert "| asks for addresses | yes | no | alike | look elsewhere |" in document
    assert document == interop_markdown(document, result, plan, "linux-5.15", "command")


def test_a_surprise_is_shown_as_one(request_of, plan):
    guests = Guests(plan, **{"host.old.new.v6.udp": "lost", "arp:old": "no"})
    result = interop.run_interop(request_of(guests), silent)
    text = interop_text(result, plan)
    assert "✓✗" in text
    assert "✗ 5.15.16: host.old.new.v6.udp: lost, expected delivered" in text
    assert "FAILED" in interop_markdown("", result, plan, "t", "command")
