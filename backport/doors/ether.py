"""A virtual Ethernet for guests: each has a pair of datagram sockets, a thread copies frames.

The sockets are files in a folder of its own, so that no network of the host and no port is touched,
and no guest hears its own frames, as on multicast it would.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_FRAME = 1 << 17  # more than any frame with segmentation offload
_BUFFER = 1 << 22
_POLL = 0.2  # seconds until the thread notices that it is to end
# Linux holds ten datagrams that nobody has read on such a socket (net.unix.max_dgram_qlen),
# and a guest that waits for its turn on a busy host reads none: more than that are held here.
_HELD = 2048  # frames for each guest
_AGAIN = 0.002  # seconds until what is held is tried again


@dataclass
class Ethernet:
    """`words` are QEMU's for each port's card; `dropped` counts frames that no guest took."""

    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    carried: int = 0
    dropped: int = 0


@contextlib.contextmanager
def ethernet(ports: Sequence[str]) -> Iterator[Ethernet]:
    """One segment that joins `ports`; it is gone when the block ends."""
    net, ending = Ethernet(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="backport-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)  # a socket's path may be 107 bytes long: not below the cache
        ends: dict[socket.socket, str] = {}
        for number, port in enumerate(ports):
            ours, theirs = folder / f"hub{number}", folder / f"guest{number}"
            end = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            end.bind(str(ours))
            ends[end] = str(theirs)
            net.words[port] = _card(number, theirs, ours)
        carrier = threading.Thread(target=_carry, args=(net, ends, ending), daemon=True)
        carrier.start()
        try:
            yield net
        finally:
            ending.set()
            carrier.join()


def _card(number: int, local: Path, remote: Path) -> tuple[str, ...]:
    backend = "dgram,id=wire,local.type=unix,remote.type=unix"
    return (
        *("-netdev", f"{backend},local.path={local},remote.path={remote}"),
        *("-device", f"virtio-net-pci,netdev=wire,mac=52:54:00:00:00:{number + 1:02x},romfile="),
    )


def _carry(net: Ethernet, ends: dict[socket.socket, str], ending: threading.Event) -> None:
    held = {end: deque[bytes]() for end in ends}
    with selectors.DefaultSelector() as selector:
        for end in ends:
            selector.register(end, selectors.EVENT_READ)
        while not ending.is_set():
            for key, _ in selector.select(_AGAIN if any(held.values()) else _POLL):
                assert isinstance(key.fileobj, socket.socket)
                _take(net, held, key.fileobj)
            for end, frames in held.items():
                _deliver(net, end, ends[end], frames)


def _take(net: Ethernet, held: dict[socket.socket, deque[bytes]], source: socket.socket) -> None:
    """Read one frame, for all others."""
    try:
        frame = source.recv(_FRAME)
    except BlockingIOError:
        return
    net.carried += 1
    for end, frames in held.items():
        if end is source:
            continue
        if len(frames) < _HELD:
            frames.append(frame)
        else:
            net.dropped += 1


def _deliver(net: Ethernet, end: socket.socket, guest: str, frames: deque[bytes]) -> None:
    """Hand over as many frames as a guest takes, in their order."""
    while frames:
        try:
            end.sendto(frames[0], guest)
        except BlockingIOError:
            return
        except OSError:  # the guest is not up yet, or gone
            net.dropped += len(frames)
            frames.clear()
            return
        frames.popleft()
