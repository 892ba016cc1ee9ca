"""Writes newc archives, the form of an initramfs; the same entries give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

_FILE = 0o100000
_DIR = 0o040000
_LINK = 0o120000
_CHAR = 0o020000


@dataclass(frozen=True)
class Node:
    """One entry: path without leading slash, whole mode (type and permissions), contents."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)  # major, minor of a device node


def regular(path: str, data: bytes, *, executable: bool = False) -> Node:
    """A plain file."""
    return Node(path, _FILE | (0o755 if executable else 0o644), data)


def directory(path: str) -> Node:
    """A directory that anyone may enter."""
    return Node(path, _DIR | 0o755)


def symlink(path: str, to: str) -> Node:
    """A symbolic link."""
    return Node(path, _LINK | 0o777, to.encode())


def device(path: str, major: int, minor: int) -> Node:
    """A character device."""
    return Node(path, _CHAR | 0o600, device=(major, minor))


def pack(nodes: Iterable[Node]) -> bytes:
    """A newc archive of `nodes`, parents added, sorted by path, without times or owners.

    Two nodes with one path are a ValueError: silently keeping one hides a mistake.
    """
    by_path: dict[str, Node] = {}
    for node in nodes:
        if node.path in by_path and by_path[node.path] != node:
            raise ValueError(f"{node.path}: two different entries")
        by_path[node.path] = node
    for parent in [parent for path in by_path for parent in _parents(path)]:
        by_path.setdefault(parent, directory(parent))
    out = io.BytesIO()
    for number, path in enumerate(sorted(by_path), start=1):
        _write(out, number, by_path[path])
    _write(out, 0, Node("TRAILER!!!", 0))
    return out.getvalue()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def _write(out: io.BytesIO, number: int, node: Node) -> None:
    name = node.path.encode() + b"\0"
    links = 2 if node.mode & 0o170000 == _DIR else 1
    major, minor = node.device
    fields = (
        number, node.mode, 0, 0, links, 0, len(node.data), 0, 0, major, minor, len(name), 0
    )  # fmt: skip
    out.write(b"070701" + "".join(f"{field:08X}" for field in fields).encode() + name)
    _align(out)
    out.write(node.data)
    _align(out)


def _align(out: io.BytesIO) -> None:
    out.write(b"\0" * (-out.tell() % 4))
