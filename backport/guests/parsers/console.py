"""Cuts a console log into the kernel's lines and each suite's output (frame: see qemu/init)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from backport.guests.parsers.tree import Line

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[@-Z\\-_c])")
_STAMP = re.compile(r"^(?:<\d+>)?\[\s*(\d+\.\d+)\](?:\[\s*[TC]\d+\])? ?")
_OUTPUT = re.compile(r"^@@([A-Za-z0-9_]+)\| ?(.*)$")
_MARK = re.compile(r"^@@backport (\w+)(?: (.*))?@@$")
_END = re.compile(r"^([A-Za-z0-9_]+) rc=(\d+)$")
_BANNER = re.compile(r"Linux version \d\S* \(")  # firmware may have left half a line before it


@dataclass
class SuiteLog:
    """What was heard of one suite; `status` is None until it ended."""

    lines: list[Line] = field(default_factory=list)
    began: float | None = None
    ended: float | None = None
    status: int | None = None


@dataclass
class Console:
    """A whole log, sorted; `kernel_lines` come with the suite that ran at the time, or ""."""

    kernel_lines: list[tuple[str, Line]] = field(default_factory=list)
    suites: dict[str, SuiteLog] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    links: dict[str, bool] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    kernel: str = ""
    banners: int = 0
    last: str = ""
    done: bool = False


def clean(raw: Iterable[str]) -> Iterator[Line]:
    """Console lines without terminal escapes, carriage returns and time stamps."""
    for text in raw:
        plain = _ESCAPES.sub("", text).replace("\r", "").replace("\0", "")
        found = _STAMP.match(plain)
        if found:
            yield Line(plain[found.end() :], float(found[1]))
        else:
            yield Line(plain)


def is_last(raw: str) -> bool:
    """Whether this console line is the one after which nothing is to be waited for."""
    mark = next(((_MARK.match(line.text)) for line in clean([raw])), None)
    return mark is not None and mark[1] == "done"


def spoken(raw: str) -> str | None:
    """What a suite says in this console line, None for a line of the kernel or of the frame."""
    output = next((_OUTPUT.match(line.text) for line in clean([raw])), None)
    return output[2] if output else None


def read(raw: Iterable[str]) -> Console:
    """Sort a log; what does not fit the frame becomes a problem, never an exception."""
    console, current = Console(), ""
    for line in clean(raw):
        output, mark = _OUTPUT.match(line.text), _MARK.match(line.text)
        if console.done:
            break
        console.last = line.text.strip() or console.last
        if mark:
            current = _mark(console, current, mark[1], mark[2] or "", line)
        elif output and output[1] == current:
            console.suites[current].lines.append(Line(output[2], line.time))
        elif output:
            console.problems.append(f"output of {output[1]} while it was not running")
        else:
            console.banners += bool(_BANNER.search(line.text))
            console.kernel_lines.append((current, line))
    return console


def _mark(console: Console, current: str, word: str, rest: str, line: Line) -> str:
    """Take one frame line in; gives the suite that runs from here on."""
    if word == "begin":
        return _begin(console, current, rest, line)
    if word == "end":
        _end(console, current, rest, line)
        return ""
    if word in ("has", "lacks"):
        console.links[rest] = word == "has"
    elif word == "kernel":
        console.kernel = rest
    elif word == "note":
        console.notes.append(rest)
    elif word == "done":
        console.done = not current
        if current:
            console.problems.append(f"{current} never ended")
    return current


def _begin(console: Console, current: str, name: str, line: Line) -> str:
    if current:
        console.problems.append(f"{name} began before {current} ended")
    if name in console.suites:
        console.problems.append(f"{name} began twice")
    console.suites[name] = SuiteLog(began=line.time)
    return name


def _end(console: Console, current: str, rest: str, line: Line) -> None:
    found = _END.match(rest)
    if not found or found[1] != current:
        console.problems.append(f"{rest!r} ended while {current or 'nothing'} was running")
        return
    log = console.suites[current]
    log.status, log.ended = int(found[2]), line.time
