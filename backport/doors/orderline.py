"""A line on which a guest takes orders: its second serial port, a socket on this side."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backport.values.errors import GuestLost

_CONNECT = 60.0  # seconds: QEMU connects before it runs the guest's first instruction


@dataclass
class OrderLine:
    """`words` are QEMU's; what the guest says back comes on its console."""

    words: tuple[str, ...]
    _door: socket.socket
    _line: socket.socket | None = None

    def send(self, text: str) -> None:
        """Give one order. Raises `GuestLost` for a guest that has gone."""
        try:
            if self._line is None:
                self._line, _ = self._door.accept()
            self._line.sendall(f"{text}\n".encode())
        except OSError as err:
            raise GuestLost(f"a guest takes no orders any more: {err}") from err

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()


@contextlib.contextmanager
def order_line() -> Iterator[OrderLine]:
    """One line for one boot; it is gone when the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="backport-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door,
    ):
        path = Path(folder) / "orders"  # a socket's path may be 107 bytes long
        door.bind(str(path))
        door.listen(1)
        door.settimeout(_CONNECT)
        words = ("-chardev", f"socket,id=orders,path={path}", "-serial", "chardev:orders")
        line = OrderLine(words, door)
        try:
            yield line
        finally:
            line.close()
