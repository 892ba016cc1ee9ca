"""A Debian archive of a few tiny packages, signed with a key made for the test."""

from __future__ import annotations

import contextlib
import hashlib
import io
import lzma
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from treekit import tar_bytes


@dataclass
class Key:
    """A signing key with its own GnuPG home."""

    home: Path
    ring: Path

    @classmethod
    def make(cls, home: Path) -> Key:
        home.mkdir(mode=0o700, parents=True)
        key = cls(home, home / "ring.gpg")
        key._gpg("--quick-gen-key", "test@localhost", "ed25519", "sign", "never")
        key._gpg("--output", str(key.ring), "--export")
        return key

    def sign(self, text: str) -> bytes:
        return self._gpg("--clearsign", "--output", "-", stdin=text.encode())

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=True)

    def _gpg(self, *args: str, stdin: bytes = b"") -> bytes:
        quiet = (
            "--batch",
            "--quiet",
            "--no-tty",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        )
        argv = ["gpg", "--homedir", str(self.home), *quiet, *args]
        return subprocess.run(argv, input=stdin, check=True, capture_output=True).stdout


@dataclass
class Mirror:
    """An archive below `root`; add packages, then `publish` suites."""

    root: Path
    key: Key
    suites: dict[str, list[str]] = field(default_factory=dict)

    def add(
        self,
        suite: str,
        name: str,
        version: str,
        *,
        depends: str = "",
        files: dict[str, bytes] | None = None,
    ) -> Path:
        """Build a package into the pool and publish the suite with it."""
        deb = self.root / "pool" / f"{name}_{version}_amd64.deb"
        deb.parent.mkdir(parents=True, exist_ok=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
        control += f"Depends: {depends}\n" if depends else ""
        control += "Maintainer: T <t@localhost>\nDescription: tiny\n a longer text\n"
        deb.write_bytes(deb_bytes(control, files or {f"usr/share/{name}": version.encode()}))
        data = deb.read_bytes()
        stanza = control + f"Filename: pool/{deb.name}\nSize: {len(data)}\n"
        stanza += f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        self.suites.setdefault(suite, []).append(stanza)
        self.publish(suite)
        return deb

    def publish(self, suite: str, *, key: Key | None = None, extra: str = "") -> None:
        """Write the suite's index, signed (with another key to be distrusted)."""
        home = self.root / "dists" / suite
        index = home / "main/binary-amd64/Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("\n".join(self.suites.get(suite, [])))
        data = index.read_bytes()
        sums = f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n"
        head = f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nComponents: main\n"
        head += "Architectures: amd64\nDate: Mon, 01 Jan 2024 00:00:00 UTC\n"
        (home / "InRelease").write_bytes((key or self.key).sign(f"{head}{extra}SHA256:\n{sums}"))


def deb_bytes(control: str, files: dict[str, bytes]) -> bytes:
    """A `.deb` (deb(5)): an ar archive of a version, the control tar and the data tar."""
    members = (
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", lzma.compress(_tar({"control": control.encode()}))),
        ("data.tar.xz", lzma.compress(_tar(files))),
    )
    out = b"!<arch>\n"
    for name, data in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    return out


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        seen = {"."}
        for path, data in files.items():
            parts = path.split("/")[:-1]
            for folder in ("/".join(parts[: n + 1]) for n in range(len(parts))):
                if folder not in seen:
                    seen.add(folder)
                    info = tarfile.TarInfo(f"./{folder}/")
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)
            info = tarfile.TarInfo(f"./{path}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def kernel_package(name: str = "linux-source-6.1") -> dict[str, bytes]:
    """What a kernel source package holds."""
    return {
        f"usr/share/doc/{name}/copyright": b"text\n",
        f"usr/src/{name}.tar.xz": lzma.compress(tar_bytes(top=f"{name}/")),
    }


class Served:
    """What the server was asked for, and how it misbehaves."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, str]] = []  # path, Range header
        self.cut: dict[str, int] = {}  # a path's end: send so many bytes, then hang up


@contextlib.contextmanager
def served(root: Path) -> Iterator[Served]:
    """Serve a folder over HTTP on loopback, with ranges, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            span = self.headers.get("Range", "")
            state.asked.append((self.path, span))
            path = root / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
            self.send_response(206 if span else 200)
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            limit = next((n for end, n in state.cut.items() if self.path.endswith(end)), None)
            self.wfile.write(data[start:] if limit is None else data[start : start + limit])
            self.close_connection = limit is not None

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Served(f"http://127.0.0.1:{server.server_port}/debian")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
