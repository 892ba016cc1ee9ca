"""A fleet: guests that take orders, answer, are heard of, and leave; QEMU is played by a script."""

from __future__ import annotations

import sys
from pathlib import Path

import fake_qemu
import pytest

from backport.doors.cache import Cache
from backport.guests import fleet as fleets
from backport.guests import lab
from backport.guests.fleet import FleetRequest, fleet
from backport.guests.initramfs import InitramfsResult, Payload
from backport.guests.lab import LabKernel
from backport.guests.parsers.fleet import Answer, Count
from backport.values.errors import GuestLost

# A node as the host hears it: orders come on the socket that QEMU was told of.
NODE = """
import socket, sys
def say(text):
    print("[    1.0] " + text, flush=True)
path = next(w for w in sys.argv if w.startswith("socket,id=orders")).split("path=")[1]
line = socket.socket(socket.AF_UNIX)
line.connect(path)
say("@@backport kernel 5.15.16@@")
say("@@backport begin node@@")
say("@@node| ready")
for order in line.makefile():
    number, word, *rest = order.split()
    if word == "die":
        say("Kernel panic - not syncing: told so")
        sys.exit(0)
    if word == "flow":
        say("@@node| burst web1 web2 3")
        say(f"@@node| flow web1 {rest[0]} web2=9/3/3")
    if word != "hush":
        say(f"@@node| answer {number} {'failed' if word == 'add' else 'ok'} {' '.join(rest)}")
    if word == "leave":
        break
say("@@backport end node rc=0@@")
say("@@backport done@@")
"""


@pytest.fixture
def request_of(tmp_path, monkeypatch):
    """A fleet of two whose guests are the script; what they are made of is nobody's business."""
    node = tmp_path / "node.py"
    node.write_text(NODE)
    fake_qemu.install(tmp_path, monkeypatch, f'exec {sys.executable} -S {node} "$@"')
    image = InitramfsResult(tmp_path / "initramfs", "", 0, 0.0)
    monkeypatch.setattr(lab, "build_initramfs", lambda _: image)
    payload = Payload({"node": "/bin/node"})
    return FleetRequest(
        {"node1": payload, "node2": payload}, tmp_path, Cache(tmp_path), tmp_path / "logs"
    )


@pytest.fixture
def kernel(tmp_path):
    return LabKernel("old", fake_qemu.kernel(tmp_path / "bzImage"))


def test_nodes_are_booted_ordered_heard_of_and_leave(request_of, kernel):
    with fleet(request_of) as nodes:
        nodes.boot({"node1": kernel, "node2": kernel})
        assert nodes.up == ("node1", "node2")
        answers = nodes.orders({"node1": "epoch 1", "node2": "add web2 10.1.2.11"})
        assert answers["node1"].ok and answers["node1"].detail == "1"
        assert (answers["node2"].ok, answers["node2"].detail) == (False, "web2 10.1.2.11")
        nodes.order("node1", "flow 4")
        (flow,) = nodes.flows(["web1", "web9"], 4, 0.05)
        assert flow.to == {"web2": Count(9, 3, 3)}
        assert [heeded.burst.count for heeded in nodes.bursts] == [3]
        assert nodes.leave("node1").ok
        assert nodes.up == ("node2",)
        nodes.boot({"node1": kernel})  # the same card and name once more
        assert isinstance(nodes.order("node1", "epoch 2"), Answer)
    told = [(one.label, heard.name, heard.release) for one, heard in nodes.heard]
    assert told == [("old", "node1", "5.15.16")]
    logs = sorted(path.name for path in Path(request_of.logs).iterdir())
    assert logs == ["fleet-01-node1.log", "fleet-02-node2.log", "fleet-03-node1.log"]


def test_a_node_that_dies_is_lost_and_the_others_are_ended(request_of, kernel):
    with pytest.raises(GuestLost, match="node2"), fleet(request_of) as nodes:
        nodes.boot({"node1": kernel, "node2": kernel})
        nodes.order("node2", "die")


def test_a_node_that_does_not_answer_is_lost(request_of, kernel, monkeypatch):
    monkeypatch.setattr(fleets, "ANSWER", 0.1)
    with pytest.raises(GuestLost, match="node1 never answered to 'hush'"), fleet(request_of) as n:
        n.boot({"node1": kernel})
        n.order("node1", "hush")
