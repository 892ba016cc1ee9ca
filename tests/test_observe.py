"""What an operator sees: the views of a series, the verdict on outputs, and how they are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fake_qemu
import pytest

from backport.doors.cache import Cache
from backport.guests.lab import Heard, LabKernel
from backport.guests.parsers.steps import read_steps, talk_of
from backport.guests.parsers.tree import Ended, Splat
from backport.output.observeview import observe_page, observe_text
from backport.qualify import observe
from backport.qualify.observe import Defect, ObserveRequest
from backport.readers.views import read_views
from backport.values.errors import ManifestError
from backport.values.events import silent

ROOT = Path(__file__).resolve().parents[1]
SMALL = r"""
[[view]]
name = "link"
what = "the device"
command = "ip link"
expect = ['^\d+: dock0:']
counts = { 'UP' = 1 }

[[view]]
name = "reason"
what = "why"
command = '''
one
two
'''
expect = ['reason: \w+$']
since = "5.17"
why = "there are none before 5.17"
"""
SHOWN = {"link": ["4: dock0: <UP>"], "reason": ["x reason: NONE"]}


@pytest.fixture
def views(tmp_path):
    file = tmp_path / "observe.toml"
    file.write_text(SMALL)
    return read_views(file)


def heard(shown, *, release="6.12.1", status=0, splats=()):
    lines = [
        line for name, output in shown.items() for line in (f"step {name}", *output, f"pass {name}")
    ]
    steps, said = {observe.SUITE: read_steps(lines)}, {observe.SUITE: tuple(lines)}
    done = {observe.SUITE: status}
    return Heard("g", release, steps, done, splats, Ended.DONE, 9.0, Path("log"), "", (), said)


def test_what_is_said_in_a_step_is_its_own():
    lines = ["before", "step a", " one", "figure a n=1", "stepping", "pass a", "between",
             "step b", "fail other", "fail b it broke", "after"]  # fmt: skip
    assert talk_of(lines) == {"a": (" one", "stepping"), "b": ("fail other",)}


def test_all_as_expected_passes(views):
    result = observe.judge({"ours": heard(SHOWN)}, views)
    assert result.failures == () and result.absent == ()
    assert [one.output for one in result.seen] == [("4: dock0: <UP>",), ("x reason: NONE",)]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ({**SHOWN, "link": ["5: berth0: <UP>"]}, r"link: no match of '^\\d+: dock0:'"),
        ({**SHOWN, "link": ["4: dock0: <UP,LOWER_UP>"]}, "link: 2 instead of 1 matches of 'UP'"),
        ({"link": SHOWN["link"]}, "reason: it was never shown"),
    ],
)
def test_what_is_not_to_be_seen_fails(views, shown, why):
    assert observe.judge({"ours": heard(shown)}, views).failures == (f"ours: {why}",)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"status": 1}, "the script ended with 1"),
        ({"splats": (Splat("warn", "WARNING: in dock", (), "", (), "x"),)}, "kernel: WARNING"),
    ],
)
def test_what_the_guest_complained_of_fails(views, more, why):
    assert any(why in line for line in observe.judge({"o": heard(SHOWN, **more)}, views).failures)


def test_a_command_that_fails_fails_whatever_it_printed(views):
    bad = heard(SHOWN)
    lines = [line.replace("pass link", "fail link exit status 2") for line in bad.said["observe"]]
    bad = replace(bad, steps={observe.SUITE: read_steps(lines)})
    assert observe.judge({"ours": bad}, views).failures == ("ours: link: exit status 2",)


def test_nothing_at_all_fails():
    assert observe.judge({}, ()).failures == ("nothing was seen",)


def test_a_kernel_that_lacks_a_view_says_why_and_is_not_asked(views):
    result = observe.judge({"old": heard({"link": SHOWN["link"]}, release="5.15.16")}, views)
    assert result.failures == ()
    assert result.absent == ("old (5.15.16): no reason: there are none before 5.17",)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('name = "link"', 'name = "li nk"', "is no word"),
        ('name = "reason"', 'name = "link"', "link is there twice"),
        ("'^\\d+: dock0:'", "'(dock'", "'(dock'"),
        ("'UP' = 1", "'UP' = 'x'", "counts"),
        ('since = "5.17"\n', "", "one of why and since or until"),
        ("expect = ['reason: \\w+$']\n", "", "expects nothing"),
        ("what = ", "wat = ", "wat"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path, old, new, why):
    file = tmp_path / "observe.toml"
    assert old in SMALL
    file.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(ManifestError, match=r"observe\.toml:\d+") as caught:
        read_views(file)
    assert why in str(caught.value)


def test_our_own_views_are_well_formed_and_the_script_makes_their_scene():
    views = read_views(ROOT / "patches/netkit/observe.toml")
    script = (ROOT / "qemu/observe").read_text()
    assert {view.name for view in views} >= {"link", "counters", "bpftool_link", "drops"}
    for word in ("name nk0", "name nk1", "netns add pod", "10.0.0.2", "/sys/fs/bpf/pod"):
        assert word in script
    assert f'"${{1:-}}" != {Defect.DROP}' in script


def test_each_kernel_gets_the_scripts_in_their_order_and_the_defect(tmp_path, views, monkeypatch):
    booted = []

    def alone(member, *_, counted):
        assert counted, "what an operator sees must not depend on the host's load"
        booted.append(member)
        return heard(SHOWN, release=member.kernel.label)

    monkeypatch.setattr(observe.lab, "run_alone", alone)
    image = fake_qemu.kernel(tmp_path / "bzImage")
    request = ObserveRequest(
        (LabKernel("5.17", image), LabKernel("6.12.1", image)), views, b"#!/bin/sh\n", {},
        tmp_path, Cache(tmp_path / "cache"), tmp_path / "logs", Defect.DROP,
    )  # fmt: skip
    assert observe.run_observe(request, silent).failures == ()
    assert sorted(member.kernel.label for member in booted) == ["5.17", "6.12.1"]
    payload = booted[0].payload
    assert payload.commands == {"observe": "/bin/sh /bin/observe drop"}
    assert sorted(payload.files) == ["bin/observe", "lab/views/00-link", "lab/views/01-reason"]
    assert payload.files["lab/views/01-reason"] == b"one\ntwo\n"


def test_outputs_are_shown_with_their_commands(views):
    shown = {**SHOWN, "link": [*SHOWN["link"], *(f"<line {i}>" for i in range(20))]}
    donor = {**SHOWN, "reason": ["none"]}
    result = observe.judge({"ours": heard(shown), "donor": heard(donor)}, views)
    text = observe_text(result, "ours")
    assert "ours (6.12.1): 2 of 2 views as expected" in text
    assert "✓ link: the device\n  # ip link\n  4: dock0: <UP>" in text
    assert "… 9 lines more in observe.html" in text
    assert "donor (6.12.1): 1 of 2 views as expected\n\n✗ reason: why\n  # one\n  # two" in text
    assert text.endswith("✗ donor: reason: no match of 'reason: \\\\w+$'")
    page = observe_page(result)
    assert "&lt;line 19&gt;" in page and "<h2>donor (6.12.1)</h2>" in page
