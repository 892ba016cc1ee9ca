"""A stand-in for QEMU: a shell script on PATH that says what a test wants."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put `script` on PATH as qemu-system-x86_64; it logs its arguments to the path returned."""
    folder = tmp_path / "fake-bin"
    folder.mkdir(exist_ok=True)
    calls = tmp_path / "calls"
    program = folder / "qemu-system-x86_64"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "QEMU emulator version 0.1"; exit; fi\n'
        f'echo "$$ $*" >>{calls}\n{script}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return calls


def says(path: Path, then: str = "sleep 60") -> str:
    """A script that prints a file as its console, and then goes on with `then`."""
    return f"cat {path}\n{then}"


def kernel(path: Path) -> Path:
    """A file that looks like a kernel image from outside."""
    image = bytearray(1024)
    image[0x202:0x206] = b"HdrS"
    path.write_bytes(bytes(image))
    return path
