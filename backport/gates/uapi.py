"""UAPI: values and offsets that userspace sees equal upstream's, as the compiler has them.

One small program is compiled twice, against upstream's headers and against the result's, and the
numbers are compared. Headers that are not of the feature come from the machine's C library.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport import process
from backport.errors import GateFailed
from backport.git import Git
from backport.tomlfile import load

PREFIX = "include/uapi/"


@dataclass(frozen=True)
class Uapi:
    """What to compare: header paths, constant expressions, and `type: member` offsets."""

    headers: tuple[str, ...]
    values: tuple[str, ...]
    offsets: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What each number of the program is, in order."""
        return (*self.values, *(f"{kind}: {member}" for kind, member in self.offsets))


def read_uapi(path: Path) -> Uapi:
    """Read a series' uapi.toml; a mistake is a `ManifestError` at its place."""
    table = load(path)
    headers = table.strings("headers")
    for index, header in enumerate(headers):
        if not header.startswith(PREFIX):
            raise table.error("headers", f"{header!r} is not below {PREFIX}", index=index)
    offsets = []
    for index, text in enumerate(table.strings("offsets", ())):
        found = re.fullmatch(r"((?:struct|union) \w+): ([\w.]+)", text)
        if not found:
            hint = 'write "union bpf_attr: query.count"'
            raise table.error("offsets", f"{text!r} names no member", hint=hint, index=index)
        offsets.append((found[1], found[2]))
    uapi = Uapi(headers, table.strings("values", ()), tuple(offsets))
    table.done()
    return uapi


def compare(git: Git, uapi: Uapi, upstream: Sequence[str], result: str) -> list[str]:
    """Where the result's numbers differ from upstream's, one line each; empty is a pass.

    `upstream` are tree-ishes, newest first: each header is taken from the first that has it, and
    one that none has (upstream does not touch it) from the result. Raises `GateFailed` when the
    program does not compile: a name is missing, or the headers are broken.
    """
    ours = {path: git.read(result, path) for path in uapi.headers}
    theirs = {path: _newest(git, upstream, path) or ours[path] for path in uapi.headers}
    expected, found = _numbers(uapi, theirs, "upstream"), _numbers(uapi, ours, "the result")
    return [
        f"{name} is {have}, upstream has {want}"
        for name, want, have in zip(uapi.names, expected, found, strict=True)
        if want != have
    ]


def _newest(git: Git, trees: Sequence[str], path: str) -> bytes | None:
    return next((data for tree in trees if (data := git.read(tree, path)) is not None), None)


def _numbers(uapi: Uapi, headers: Mapping[str, bytes | None], whose: str) -> list[int]:
    with tempfile.TemporaryDirectory(prefix="backport-uapi-") as name:
        folder = Path(name)
        for path, data in headers.items():
            file = folder / path.removeprefix(PREFIX)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data or b"")
        source, program = folder / "numbers.c", folder / "numbers"
        source.write_text(_program(uapi))
        done = process.run(
            ["gcc", "-w", "-I", folder, "-o", program, source], check=False, timeout=60
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").replace(f"{folder}/", "")
            raise GateFailed(f"uapi: the headers of {whose} do not give every name:\n{said}")
        return [int(word) for word in process.run([program], timeout=60).text.split()]


def _program(uapi: Uapi) -> str:
    includes = [f"#include <{path.removeprefix(PREFIX)}>" for path in uapi.headers]
    terms = [*uapi.values, *(f"__builtin_offsetof({kind}, {m})" for kind, m in uapi.offsets)]
    prints = [f'printf("%lld\\n", (long long)({term}));' for term in terms]
    return "\n".join(["#include <stdio.h>", *includes, "int main(void)", "{", *prints, "}", ""])
