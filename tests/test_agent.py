"""The node agent of qemu/: what it chooses, and that no kill at any step leaves anything behind."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("netkit_agent", ROOT / "qemu/netkit_agent.py")
agent = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = agent  # dataclasses look their module up
spec.loader.exec_module(agent)

CONFIG = {"cniVersion": "1.0.0", "name": "pods", "type": "netkit-agent"}
CONFIG["ipam"] = {"type": "host-local", "subnet": "10.1.0.0/24"}
ENV = {"CNI_CONTAINERID": "web", "CNI_IFNAME": "eth0", "CNI_NETNS": "/run/netns/web"}

NOTHING = {"repaired": [], "mended": [], "broken": []}


class Killed(BaseException):
    """kill -9: no handler of the agent sees it."""


class FakeNode(agent.Node):
    """A node in memory: devices, links and leases; told what to refuse and at which step to die."""

    def __init__(self, refuses=(), dies_at=None):
        super().__init__(Path("/state"), Path("/pins"), "/plugins")
        world = {"refuses": refuses, "dies_at": dies_at, "steps": 0}
        world |= {"devices": {}, "links": set(), "leases": set(), "pods": {}, "lives": True}
        self.__dict__.update(world)

    def tick(self):
        self.__dict__["steps"] += 1
        if self.steps == self.dies_at:
            self.__dict__["dies_at"] = None
            raise Killed

    def run(self, *command, stdin="", env=None):
        self.tick()
        line = " ".join(command)
        for word in self.refuses:
            if word in line:
                raise agent.Failed(f"{word} refused")
        if command[0] == "/plugins/host-local":
            return self.lease(env["CNI_COMMAND"], env["CNI_CONTAINERID"])
        if command[:3] == ("ip", "link", "add"):
            self.devices[command[3]] = command[5]
        if command[:3] == ("ip", "link", "del"):
            del self.devices[command[3]]
        if command[0] == "netkit_link":
            self.links.add(command[2])
        self.tick()  # killed when the kernel had done it
        return ""

    def lease(self, command, container):
        if command == "DEL":
            self.leases.discard(container)
            return ""
        assert container not in self.leases, "host-local refuses a second lease"
        self.leases.add(container)
        self.tick()
        return json.dumps({"ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}]})

    def exists(self, device):
        return device in self.devices

    def attached(self, pod):
        if pod.host not in self.links:
            raise agent.Failed("no link")

    def unpin(self, pod):
        self.links.discard(pod.host)

    def write(self, pod):
        self.tick()
        self.pods[pod.key] = pod

    def read(self):
        return tuple(self.pods.values())

    def forget(self, pod):
        self.tick()
        self.pods.pop(pod.key, None)

    @property
    def empty(self):
        return not (self.devices or self.links or self.leases or self.pods)


def call(node, command, **config):
    return agent.answer(command, {**CONFIG, **config}, ENV, node)


def kinds(node):
    return [(pod.kind, pod.stage) for pod in node.read()], sorted(node.devices.values())


def test_a_node_that_can_gets_netkit_and_del_leaves_nothing():
    node = FakeNode()
    said = call(node, "ADD")
    assert kinds(node) == ([("netkit", "up")], ["netkit"])
    assert said["ips"] == [{"address": "10.1.0.2/24", "interface": 1}]
    assert said["interfaces"][1] == {"name": "eth0", "sandbox": "/run/netns/web"}
    assert call(node, "CHECK") is None
    assert call(node, "DEL") is None
    assert node.empty
    assert call(node, "DEL") is None  # the specification: a second DEL succeeds


@pytest.mark.parametrize("word", ["type netkit", "netkit_link attach"])
def test_whatever_of_netkit_fails_the_pod_gets_veth_in_the_same_call(word):
    node = FakeNode(refuses=(word,))
    call(node, "ADD")
    assert kinds(node) == ([("veth", "up")], ["veth"])
    assert not node.links
    assert node.read()[0].why == f"netkit: {word} refused"


def test_an_agent_without_fallback_leaves_the_pod_without_network():
    """The seeded defect: what a drill must notice."""
    node = FakeNode(refuses=("type netkit",))
    with pytest.raises(agent.CniError) as caught:
        call(node, "ADD", fallback=False)
    assert caught.value.code == agent.NO_DEVICE
    assert node.empty


def steps_of_an_add(refuses):
    node = FakeNode(refuses)
    call(node, "ADD")
    return node.steps


@pytest.mark.parametrize("refuses", [(), ("netkit_link",)])
@pytest.mark.parametrize("after", ["ADD", "DEL", "reconcile"])
def test_a_kill_at_any_step_is_repaired_by_the_next_call(refuses, after):
    for step in range(1, steps_of_an_add(refuses) + 1):
        node = FakeNode(refuses, dies_at=step)
        with pytest.raises(Killed):
            call(node, "ADD")
        call(node, after)
        if after == "ADD":
            assert [pod.stage for pod in node.read()] == ["up"], step
            assert len(node.devices) == len(node.leases) == 1, step
            call(node, "DEL")
        assert node.empty, f"killed at step {step}, then {after}"


def test_a_killed_del_is_finished_by_the_next():
    whole = FakeNode()
    call(whole, "ADD")
    before = whole.steps
    call(whole, "DEL")
    for step in range(before + 1, whole.steps + 1):
        node = FakeNode(dies_at=step)
        call(node, "ADD")
        with pytest.raises(Killed):
            call(node, "DEL")
        call(node, "DEL")
        assert node.empty, f"killed at step {step}"


def test_reconcile_leaves_whole_pods_alone():
    node = FakeNode()
    call(node, "ADD")
    assert call(node, "reconcile") == NOTHING
    assert kinds(node) == ([("netkit", "up")], ["netkit"])


def broken(lost="devices", **world):
    """A pod that was added whole, and then lost something."""
    node = FakeNode()
    call(node, "ADD")
    getattr(node, lost).clear()
    node.__dict__.update(world)
    return node


@pytest.mark.parametrize("lost", ["devices", "links"])
def test_reconcile_mends_what_is_not_as_it_was_made_and_keeps_its_address(lost):
    node = broken(lost)
    assert call(node, "reconcile") == {**NOTHING, "mended": ["web"]}
    assert kinds(node) == ([("netkit", "up")], ["netkit"])
    assert (node.read()[0].address, node.leases) == ("10.1.0.2/24", {"web"})
    assert call(node, "CHECK") is None
    assert call(node, "reconcile") == NOTHING
    call(node, "DEL")
    assert node.empty


def test_mending_falls_back_too():
    node = broken("links", refuses=("netkit_link",))
    assert call(node, "reconcile")["mended"] == ["web"]
    assert kinds(node) == ([("veth", "up")], ["veth"])


@pytest.mark.parametrize("lost", ["devices", "links"])
def test_a_kill_at_any_step_of_mending_is_mended_by_the_next(lost):
    whole = broken(lost, steps=0)
    call(whole, "reconcile")
    for step in range(1, whole.steps + 1):
        node = broken(lost, steps=0, dies_at=step)
        with pytest.raises(Killed):
            call(node, "reconcile")
        call(node, "reconcile")
        assert kinds(node) == ([("netkit", "up")], ["netkit"]), step
        assert node.leases == {"web"}, "the pod's address is its own, whatever is killed"
        call(node, "DEL")
        assert node.empty, step


def test_a_pod_that_cannot_be_mended_waits_for_the_next_time_and_keeps_off_no_other():
    node = broken("devices", refuses=("netns /run/netns/web",))
    other = {**ENV, "CNI_CONTAINERID": "db", "CNI_NETNS": "/run/netns/db"}
    agent.answer("ADD", CONFIG, other, node)
    del node.devices[agent.pod_of(other, "netkit").host]
    said = call(node, "reconcile")
    assert (said["mended"], len(said["broken"])) == (["db"], 1)
    assert said["broken"][0].startswith("web: no device")
    node.__dict__["refuses"] = ()
    assert call(node, "reconcile")["mended"] == ["web"]


def test_one_agent_works_at_a_time(tmp_path):
    node = agent.Node(tmp_path / "state", tmp_path, "/plugins")
    with (
        node.locked(),
        (tmp_path / "state/.lock").open() as other,
        pytest.raises(BlockingIOError),
    ):
        agent.fcntl.flock(other, agent.fcntl.LOCK_EX | agent.fcntl.LOCK_NB)
    with (tmp_path / "state/.lock").open() as other:
        agent.fcntl.flock(other, agent.fcntl.LOCK_EX | agent.fcntl.LOCK_NB)


@pytest.mark.parametrize("lost", ["devices", "links", "pods"])
def test_check_notices_what_went(lost):
    node = FakeNode()
    call(node, "ADD")
    getattr(node, lost).clear()
    with pytest.raises(agent.CniError) as caught:
        call(node, "CHECK")
    assert caught.value.code == agent.NOT_AS_MADE


def test_version_and_choice():
    assert call(FakeNode(), "VERSION")["supportedVersions"] == ["0.4.0", "1.0.0"]
    node = FakeNode()
    assert call(node, "ADD", device="veth", cniVersion="0.4.0")["ips"][0]["version"] == "4"
    assert kinds(node) == ([("veth", "up")], ["veth"])


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("{", agent.BAD_CONTENT, "no JSON"),
        ("[]", agent.BAD_CONTENT, "no JSON object"),
        (json.dumps({**CONFIG, "cniVersion": "9"}), agent.BAD_VERSION, "cniVersion '9'"),
        (json.dumps({**CONFIG, "ipam": {}}), agent.BAD_CONFIG, "ipam.type"),
        (json.dumps(CONFIG), agent.BAD_ENVIRONMENT, "CNI_CONTAINERID"),
    ],
)
def test_errors_are_cni_error_objects(text, code, words, capsys, tmp_path):
    text = text.replace('"cniVersion"', f'"stateDir": "{tmp_path}", "cniVersion"')
    assert agent.main(["agent"], {"CNI_COMMAND": "ADD"}, lambda: text) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["code"] == code
    assert words in said["msg"]


def test_a_wrong_device_is_a_configuration_error():
    with pytest.raises(agent.CniError, match="not auto, netkit or veth"):
        call(FakeNode(), "ADD", device="tap")


def test_the_bpf_file_system_takes_the_names_of_pins():
    """It refuses a dot (EPERM), and the kernel a device's name of more than 15 bytes."""
    node = agent.Node(Path("/state"), Path("/pins"), "/plugins")
    pod = agent.pod_of(ENV, "netkit")
    assert all("." not in path.name for path in node.links(pod))
    assert max(len(pod.host), len(pod.peer)) <= 15


def test_a_pin_that_stays_is_told(tmp_path):
    node = agent.Node(tmp_path / "state", tmp_path, "/plugins")
    pod = agent.pod_of(ENV, "netkit")
    node.unpin(pod)
    (tmp_path / pod.host).mkdir()
    with pytest.raises(agent.Failed, match=pod.host):
        node.unpin(pod)


def test_the_disk_remembers_a_pod(tmp_path):
    node = agent.Node(tmp_path / "state", tmp_path, "/plugins")
    pod = agent.pod_of(ENV, "netkit")
    node.write(pod)
    assert node.read() == (pod,)
    node.forget(pod)
    assert node.read() == ()
