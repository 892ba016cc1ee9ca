"""UAPI: values and offsets that userspace sees equal upstream's, as the compiler has them.

One small program is compiled twice, against upstream's headers and against the result's, and the
numbers are compared. Headers that are not of the feature come from the machine's C library.

A system call that takes a growing struct refuses one with anything behind the last field that it
knows. Which field that is stands in the kernel's source, where upstream's diff need not touch it:
the result's own definition is compiled against the fields that must be within it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.doors import process
from backport.doors.git import Git
from backport.readers.cparse import locate
from backport.readers.tomlfile import Table, load
from backport.values.csource import join_lines, split_lines
from backport.values.errors import GateFailed

PREFIX = "include/uapi/"


@dataclass(frozen=True)
class LastField:
    """A macro of `path` that names the last member of `kind` that a call looks at.

    It must not end before any member of `reaches` does.
    """

    macro: str
    path: str
    kind: str  # e.g. "union bpf_attr"
    reaches: tuple[str, ...]


@dataclass(frozen=True)
class Uapi:
    """What to compare: header paths, constant expressions, `type: member` offsets, last fields."""

    headers: tuple[str, ...]
    values: tuple[str, ...]
    offsets: tuple[tuple[str, str], ...]
    last_fields: tuple[LastField, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What each number of the program is, in order."""
        return (*self.values, *(f"{kind}: {member}" for kind, member in self.offsets))

    @property
    def paths(self) -> frozenset[str]:
        """The files that decide about it."""
        return frozenset({*self.headers, *(last.path for last in self.last_fields)})


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
    last = tuple(_last_field(row) for row in table.tables("last_field"))
    uapi = Uapi(headers, table.strings("values", ()), tuple(offsets), last)
    table.done()
    return uapi


def _last_field(row: Table) -> LastField:
    reaches = row.strings("reaches")
    if not reaches:
        raise row.error("reaches", "is empty", hint='name a member, e.g. "query.revision"')
    return LastField(row.string("macro"), row.string("in"), row.string("of"), reaches)


def compare(git: Git, uapi: Uapi, upstream: Sequence[str], result: str) -> list[str]:
    """Where the result's numbers differ from upstream's, one line each; empty is a pass.

    `upstream` are tree-ishes, newest first: each header is taken from the first that has it, and
    one that none has (upstream does not touch it) from the result. Raises `GateFailed` when the
    program does not compile: a name is missing, or the headers are broken.
    """
    ours = {path: git.read(result, path) for path in uapi.headers}
    theirs = {path: _newest(git, upstream, path) or ours[path] for path in uapi.headers}
    terms = [*uapi.values, *(f"__builtin_offsetof({kind}, {m})" for kind, m in uapi.offsets)]
    expected, found = _numbers(terms, theirs, "upstream"), _numbers(terms, ours, "the result")
    wrong = [
        f"{name} is {have}, upstream has {want}"
        for name, want, have in zip(uapi.names, expected, found, strict=True)
        if want != have
    ]
    return wrong + [line for last in uapi.last_fields for line in _short(git, last, result, ours)]


def _short(
    git: Git, last: LastField, result: str, headers: Mapping[str, bytes | None]
) -> Iterator[str]:
    """The members that lie behind the last field as the result defines it."""
    lines = split_lines(git.read(result, last.path) or b"")
    spans = locate(lines, last.macro)
    if not spans:
        yield f"{last.path} does not define {last.macro}"
        return
    defined = join_lines([line for span in spans for line in lines[slice(*span)]]).decode()
    ends = [_end_of(last.kind, member) for member in (last.macro, *last.reaches)]
    limit, *needed = _numbers(ends, headers, "the result", defined)
    for member, end in zip(last.reaches, needed, strict=True):
        if end > limit:
            yield f"{last.macro} ends at byte {limit}, before {member} does at {end}"


def _end_of(kind: str, member: str) -> str:
    return f"__builtin_offsetof({kind}, {member}) + sizeof((({kind} *)0)->{member})"


def _newest(git: Git, trees: Sequence[str], path: str) -> bytes | None:
    return next((data for tree in trees if (data := git.read(tree, path)) is not None), None)


def _numbers(
    terms: Sequence[str], headers: Mapping[str, bytes | None], whose: str, defined: str = ""
) -> list[int]:
    """What the compiler makes of constant terms, with `defined` behind the headers."""
    with tempfile.TemporaryDirectory(prefix="backport-uapi-") as name:
        folder = Path(name)
        for path, data in headers.items():
            file = folder / path.removeprefix(PREFIX)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data or b"")
        source, program = folder / "numbers.c", folder / "numbers"
        source.write_text(_program(terms, headers, defined))
        done = process.run(
            ["gcc", "-w", "-I", folder, "-o", program, source], check=False, timeout=60
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").replace(f"{folder}/", "")
            raise GateFailed(f"uapi: the headers of {whose} do not give every name:\n{said}")
        return [int(word) for word in process.run([program], timeout=60).text.split()]


def _program(terms: Sequence[str], headers: Iterable[str], defined: str) -> str:
    includes = [f"#include <{path.removeprefix(PREFIX)}>" for path in headers]
    prints = [f'printf("%lld\\n", (long long)({term}));' for term in terms]
    head = ["#include <stdio.h>", *includes, defined, "int main(void)", "{"]
    return "\n".join([*head, *prints, "}", ""])
