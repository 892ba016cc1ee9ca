"""A history as long as Linux', made by code: for tests in small, for `make bench`-like runs whole.

    python tests/historykit.py 1400000 /tmp/long.git

makes a bare repository with that many commits, of which messages look like the kernel's: fixes with
abbreviated ids, series of mails, merges, picks, reverts. The ids are worked out while writing, so
that later commits can name earlier ones. Nothing in it is taken from anywhere.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

EPOCH = 1_100_000_000
SIDE = 8  # commits of a topic branch
EVERY = 60  # commits of the main line between two merges
AREAS = ("net", "bpf", "mm", "drm", "ext4", "sched", "usb", "scsi", "arm64", "x86")
WORDS = ("queue", "buffer", "lock", "timer", "page", "device", "link", "ring", "table", "group")


class History:
    """Writes a fast-import stream, commit by commit."""

    def __init__(self, out: BinaryIO, seed: int = 1) -> None:
        self._out = out
        self._random = random.Random(seed)
        self.shas: list[str] = []  # in the order of writing
        self.subjects: list[str] = []
        self.fixes: dict[str, str] = {}  # by the id of the fix
        self._tree = ""

    def write(self, count: int) -> None:
        """All commits: a main line, with a topic branch merged now and then."""
        self._begin()
        tip = 1
        while len(self.shas) < count:
            if len(self.shas) % EVERY == 0 and len(self.shas) > EVERY:
                side = tip
                for part in range(SIDE):
                    side = self._commit(self._ordinary(part), [side])
                tip = self._commit(f"Merge branch 'topic-{tip}'\n", [tip, side])
            else:
                tip = self._commit(self._ordinary(0), [tip])
        self._out.write(b"reset refs/heads/main\nfrom :%d\n\n" % tip)

    def _begin(self) -> None:
        data = b"MAKEFILE\n"
        self._out.write(b"blob\nmark :9000001\ndata %d\n%s\n" % (len(data), data))
        blob = hashlib.sha1(b"blob %d\0%s" % (len(data), data)).digest()
        entry = b"100644 Makefile\0" + blob
        self._tree = hashlib.sha1(b"tree %d\0%s" % (len(entry), entry)).hexdigest()
        self._commit("begin\n", [], b"M 100644 :9000001 Makefile\n")

    def _ordinary(self, part: int) -> str:
        number, rng = len(self.shas), self._random
        subject = f"{rng.choice(AREAS)}: Change the {rng.choice(WORDS)} of {number}"
        body = "Because the other way was slower than it had to be, as measurements show.\n\n"
        trailers = ""
        if rng.random() < 0.2 and number > 100:
            back = max(1, number - int(rng.expovariate(1 / 5000)) - 1)
            sha = self.shas[back]
            trailers = f'Fixes: {sha[:12]} ("{self.subjects[back]}")\n'
            subject = f"{rng.choice(AREAS)}: Fix the {rng.choice(WORDS)} of {number}"
            self._fixing = sha
        stamp = f"{20200101000000 + number - part}.{number - part}"
        trailers += f"Link: https://lore.kernel.org/r/{stamp}-{part}-dev@example.org\n"
        if rng.random() < 0.1:
            trailers += "Cc: stable@vger.kernel.org\n"
        return f"{subject}\n\n{body}{trailers}Signed-off-by: A Dev <dev@example.org>\n"

    _fixing = ""

    def _commit(self, message: str, parents: list[int], change: bytes = b"") -> int:
        number = len(self.shas)
        person = f"Dev {number % 1900} <dev{number % 1900}@example.org> {EPOCH + 60 * number} +0000"
        text = message.encode()
        lines = [f"tree {self._tree}", *(f"parent {self.shas[p - 1]}" for p in parents)]
        head = "\n".join([*lines, f"author {person}", f"committer {person}", "", ""]).encode()
        raw = head + text
        sha = hashlib.sha1(b"commit %d\0%s" % (len(raw), raw)).hexdigest()
        self.shas.append(sha)
        self.subjects.append(message.partition("\n")[0])
        if self._fixing:
            self.fixes[sha], self._fixing = self._fixing, ""
        mark = len(self.shas)
        out = [f"commit refs/heads/main\nmark :{mark}\nauthor {person}\ncommitter {person}\n",
               f"data {len(text)}\n"]  # fmt: skip
        self._out.write("".join(out).encode() + text)
        links = [f"{'merge' if n else 'from'} :{p}\n" for n, p in enumerate(parents)]
        self._out.write("".join(links).encode() + change + b"\n")
        return mark


def make(path: Path, count: int, seed: int = 1) -> History:
    """A bare repository with so many commits on `main`."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    argv = ["git", "-C", path, "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE)
    assert process.stdin is not None
    history = History(process.stdin, seed)
    history.write(count)
    process.stdin.close()
    assert process.wait() == 0
    return history


if __name__ == "__main__":
    made = make(Path(sys.argv[2]), int(sys.argv[1]))
    print(f"{len(made.shas)} commits, {len(made.fixes)} fixes, tip {made.shas[-1]}")  # noqa: T201
