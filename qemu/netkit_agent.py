#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A node agent as a CNI 1.0 plugin: each pod gets netkit where the node can do it, else veth.

It asks the kernel by doing (make a pair, attach a program), never by its version. Whatever of
netkit fails, the pod gets veth in the same call. What a pod may have is written down before it is
made, so that the next call takes away what a killed one left. It needs only the standard library.

    CNI_COMMAND=ADD|CHECK|DEL|VERSION netkit_agent.py <configuration
    netkit_agent.py reconcile <configuration        what a timer of the node calls

`reconcile` undoes each ADD that was killed, and mends each pod that is no longer as it was made.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

VERSIONS = ("0.4.0", "1.0.0")
KINDS = ("netkit", "veth")  # in the order in which they are tried

# The specification's codes; from 100 on they are a plugin's own.
BAD_VERSION, BAD_ENVIRONMENT, BAD_CONTENT, BAD_CONFIG, NO_DEVICE, NOT_AS_MADE = 1, 4, 6, 7, 100, 101


class CniError(Exception):
    """What the runtime is told instead of a result."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details


class Failed(Exception):
    """A command of the node failed; the next kind of device may still work."""


@dataclass(frozen=True)
class Pod:
    """One interface of one pod, as the disk remembers it.

    `stage` is begun, up, or mending: a pod that is mended keeps its address whatever is killed.
    """

    container: str
    interface: str
    netns: str
    kind: str
    stage: str = "begun"
    why: str = ""  # why it is not the kind that was tried first
    address: str = ""
    gateway: str = ""

    @property
    def key(self) -> str:
        return sha256(f"{self.container}/{self.interface}".encode()).hexdigest()[:10]

    @property
    def host(self) -> str:
        """The host's end; its name is known before it is made, so that it can be found again."""
        return f"pod{self.key}"

    @property
    def peer(self) -> str:
        """The pod's end before it is moved and renamed."""
        return f"in{self.key}"


def pod_of(env: Mapping[str, str], kind: str) -> Pod:
    """The pod that a call is about. Raises `CniError` for what the runtime did not say."""
    missing = [name for name in ("CNI_CONTAINERID", "CNI_IFNAME") if not env.get(name)]
    if missing:
        raise CniError(BAD_ENVIRONMENT, f"{missing[0]} is not set")
    return Pod(env["CNI_CONTAINERID"], env["CNI_IFNAME"], env.get("CNI_NETNS", ""), kind)


def kinds_to_try(config: Mapping[str, Any]) -> tuple[str, ...]:
    """`device` is auto, netkit or veth; `fallback` false leaves the first alone (for a drill)."""
    wanted = config.get("device", "auto")
    if wanted not in ("auto", *KINDS):
        raise CniError(BAD_CONFIG, f"device: {wanted!r} is not auto, netkit or veth")
    order = ("veth",) if wanted == "veth" else KINDS
    return order if config.get("fallback", True) else order[:1]


# -- the node: all that touches it, so that tests can put another in its place


@dataclass(frozen=True)
class Node:
    """Commands, other plugins and files of the node."""

    state: Path
    pins: Path
    plugins: str
    loader: str = "netkit_link"

    def run(self, *command: str, stdin: str = "", env: Mapping[str, str] | None = None) -> str:
        whole = {**os.environ, **(env or {})}
        try:
            done = subprocess.run(
                command, input=stdin, env=whole, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-300:]
            raise Failed(f"{' '.join(command[:5])}: {said or done.returncode}")
        return done.stdout

    def exists(self, device: str) -> bool:
        return Path(f"/sys/class/net/{device}").exists()

    def attached(self, pod: Pod) -> None:
        """Raise `Failed` unless both ends of a netkit pair have the programs they were given."""
        self.run(self.loader, "check", pod.host, str(self.links(pod)[0]))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One agent at a time: a timer's must not undo what another one is about to make."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / ".lock").open("w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # the kernel lets go of it, however we end
            yield

    def unpin(self, pod: Pod) -> None:
        try:
            for path in self.links(pod):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise Failed(f"{error.filename}: {error.strerror}") from error

    def links(self, pod: Pod) -> tuple[Path, Path]:
        """Where the loader pins the links of a pair's two ends."""
        return self.pins / pod.host, self.pins / f"{pod.host}_peer"

    def write(self, pod: Pod) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        fresh = self.state / f".{pod.key}"
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(pod), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.state / f"{pod.key}.json")

    def read(self) -> tuple[Pod, ...]:
        texts = (p.read_text(encoding="utf-8") for p in sorted(self.state.glob("*.json")))
        return tuple(Pod(**json.loads(text)) for text in texts)

    def forget(self, pod: Pod) -> None:
        (self.state / f"{pod.key}.json").unlink(missing_ok=True)


# -- one pod


@dataclass(frozen=True)
class Agent:
    """Adds, checks and removes pods of one network."""

    node: Node
    config: Mapping[str, Any]

    def known(self, pod: Pod) -> Pod | None:
        return next((one for one in self.node.read() if one.key == pod.key), None)

    def ipam(self, command: str, pod: Pod) -> str:
        """Let the IPAM plugin lease or free the pod's address."""
        env = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": pod.container,
            "CNI_IFNAME": pod.interface,
            "CNI_NETNS": pod.netns,
            "CNI_PATH": self.node.plugins,
        }
        program = f"{self.node.plugins}/{self.config['ipam']['type']}"
        return self.node.run(program, stdin=json.dumps(dict(self.config)), env=env)

    def add(self, pod: Pod) -> Pod:
        """Make the pod's interface. What an earlier call left of it goes first."""
        left = self.known(pod)
        if left is not None:
            self.remove(left)
        return self.first_that_works(pod, self.make, self.remove)

    def first_that_works(
        self, pod: Pod, make: Callable[[Pod], Pod], undo: Callable[[Pod], None]
    ) -> Pod:
        """Try each kind of device in turn; what failed is undone before the next one."""
        why: list[str] = []
        for kind in kinds_to_try(self.config):
            attempt = replace(pod, kind=kind, why="; ".join(why))
            self.node.write(attempt)
            try:
                return make(attempt)
            except Failed as error:
                why.append(f"{kind}: {error}")
                undo(attempt)
        raise CniError(NO_DEVICE, f"no device for {pod.container}", "; ".join(why))

    def make(self, pod: Pod) -> Pod:
        """Lease an address, and plug the pod in."""
        lease = json.loads(self.ipam("ADD", pod))
        address, gateway = lease["ips"][0]["address"], lease["ips"][0].get("gateway")
        if not gateway:
            raise Failed(f"{self.config['ipam']['type']} gave {address} no gateway")
        return self.plug(replace(pod, address=address, gateway=gateway))

    def plug(self, pod: Pod) -> Pod:
        """Make the device of a pod that has an address."""
        if pod.kind == "netkit":
            self.make_netkit(pod)
        else:
            self.node.run("ip", "link", "add", pod.host, "type", "veth", "peer", "name", pod.peer)
        self.wire(pod, pod.address.partition("/")[0], pod.gateway)
        done = replace(pod, stage="up")
        self.node.write(done)
        return done

    def make_netkit(self, pod: Pod) -> None:
        """The pair drops all until its program is attached: no pod is open without its policy."""
        policy = "blackhole"
        pair = ("type", "netkit", "mode", "l3", policy, "peer", policy, "name", pod.peer)
        self.node.run("ip", "link", "add", pod.host, *pair)
        self.node.run(self.node.loader, "attach", pod.host, str(self.node.pins / pod.host))

    def wire(self, pod: Pod, address: str, gateway: str) -> None:
        """Point to point, as `ptp` does it: a pod's only neighbour is the host's end."""
        inside = ("nsenter", f"--net={pod.netns}", "ip")
        run = self.node.run
        run("ip", "link", "set", pod.peer, "netns", pod.netns, "name", pod.interface)
        run("ip", "addr", "add", f"{gateway}/32", "dev", pod.host)
        run("ip", "link", "set", pod.host, "up")
        run(*inside, "addr", "add", f"{address}/32", "dev", pod.interface)
        run(*inside, "link", "set", pod.interface, "up")
        run(*inside, "route", "add", gateway, "dev", pod.interface)
        run(*inside, "route", "add", "default", "via", gateway, "dev", pod.interface)
        run("ip", "route", "replace", f"{address}/32", "dev", pod.host)

    def check(self, pod: Pod) -> None:
        """Raise `CniError` unless the pod is as it was made."""
        found = self.known(pod)
        if found is None or found.stage != "up":
            raise CniError(NOT_AS_MADE, f"{pod.container} was not added whole")
        if not self.node.exists(found.host):
            raise CniError(NOT_AS_MADE, f"{found.host} is gone")
        if found.kind == "netkit":
            try:
                self.node.attached(found)
            except Failed as error:
                raise CniError(NOT_AS_MADE, f"{found.host} has not its program: {error}") from error

    def unplug(self, pod: Pod) -> None:
        """Take away the device with its links, in any state."""
        self.node.unpin(pod)
        if self.node.exists(pod.host):
            self.node.run("ip", "link", "del", pod.host)

    def remove(self, pod: Pod) -> None:
        """Take away all that a pod may have, in any state, as often as it is called."""
        self.unplug(pod)
        self.ipam("DEL", pod)
        self.node.forget(pod)

    def reconcile(self) -> dict[str, list[str]]:
        """Undo each ADD that was killed, and mend what is not as it was made.

        The runtime asks again for a pod that it still wants. One that cannot be mended now, since
        its namespace has gone, say, is left for the next time, and does not keep off the others.
        """
        done: dict[str, list[str]] = {"repaired": [], "mended": [], "broken": []}
        for pod in self.node.read():
            try:
                if pod.stage == "begun":
                    self.remove(pod)
                    done["repaired"].append(pod.container)
                elif self.mend(pod):
                    done["mended"].append(pod.container)
            except (CniError, Failed) as error:
                done["broken"].append(f"{pod.container}: {error}")
        return done

    def mend(self, pod: Pod) -> bool:
        """Give a pod a new device if its own is not whole; its address stays."""
        try:
            self.check(pod)
        except CniError:
            broken = replace(pod, stage="mending")
            self.node.write(broken)
            self.unplug(broken)
            self.first_that_works(broken, self.plug, self.unplug)
            return True
        return False


# -- the protocol


def result_of(pod: Pod, version: str) -> dict[str, Any]:
    """What ADD answers; the host's end comes first, the pod's is interface 1."""
    ends = [{"name": pod.host}, {"name": pod.interface, "sandbox": pod.netns}]
    ip: dict[str, Any] = {"address": pod.address, "interface": 1}
    if version == "0.4.0":
        ip["version"] = "4"
    return {"cniVersion": version, "interfaces": ends, "ips": [ip]}


def answer(
    command: str, config: Mapping[str, Any], env: Mapping[str, str], node: Node
) -> dict[str, Any] | None:
    """What one call says on stdout; None is nothing. Raises `CniError`."""
    if command == "VERSION":
        return {"cniVersion": VERSIONS[-1], "supportedVersions": list(VERSIONS)}
    version = config.get("cniVersion", "")
    if version not in VERSIONS:
        raise CniError(BAD_VERSION, f"cniVersion {version!r} is not one of {', '.join(VERSIONS)}")
    if not isinstance(config.get("ipam"), dict) or not config["ipam"].get("type"):
        raise CniError(BAD_CONFIG, "ipam.type is not set")
    agent = Agent(node, config)
    if command == "reconcile":
        return agent.reconcile()
    pod = pod_of(env, "veth")
    if command == "DEL":
        agent.remove(agent.known(pod) or pod)
        return None
    if not pod.netns:
        raise CniError(BAD_ENVIRONMENT, "CNI_NETNS is not set")
    if command == "ADD":
        return result_of(agent.add(pod), version)
    if command == "CHECK":
        agent.check(pod)
        return None
    raise CniError(BAD_ENVIRONMENT, f"CNI_COMMAND {command!r} is not ADD, CHECK, DEL or VERSION")


def main(argv: list[str], env: Mapping[str, str], read: Callable[[], str]) -> int:
    command = argv[1] if len(argv) > 1 else env.get("CNI_COMMAND", "")
    try:
        try:
            config = json.loads(read())
        except ValueError as error:
            raise CniError(BAD_CONTENT, f"the configuration is no JSON: {error}") from error
        if not isinstance(config, dict):
            raise CniError(BAD_CONTENT, "the configuration is no JSON object")
        node = Node(
            Path(config.get("stateDir", "/run/netkit-agent")),
            Path(config.get("pinDir", "/sys/fs/bpf")),
            env.get("CNI_PATH", "/usr/lib/cni").partition(":")[0],
        )
        with node.locked():
            said = answer(command, config, env, node)
    except (CniError, Failed) as error:
        told = error if isinstance(error, CniError) else CniError(NO_DEVICE, str(error))
        said = {"cniVersion": VERSIONS[-1], "code": told.code, "msg": told.message}
        sys.stdout.write(json.dumps({**said, "details": told.details}) + "\n")
        return 1
    if said is not None:
        sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv, os.environ, sys.stdin.read))
