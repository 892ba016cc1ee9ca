"""Finds the kernel's complaints in its log: warnings, bugs, oopses, lockdep, stalls, leaks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from backport.guests.parsers.tree import Line, Splat

MAX_LINES = 120  # of one splat: what follows belongs to something else
FRAMES = 5


@dataclass(frozen=True)
class Pattern:
    """A headline; the first that matches a line names the kind."""

    kind: str
    regex: re.Pattern[str]


def _row(kind: str, regex: str) -> Pattern:
    return Pattern(kind, re.compile(regex))


PATTERNS = (
    _row("panic", r"^Kernel panic - not syncing"),
    _row("kasan", r"^BUG: (?:KASAN|KFENCE|KMSAN|KCSAN): "),
    _row("ubsan", r"^UBSAN: "),
    _row("lockup", r"^(?:NMI )?watchdog: .*(?:soft lockup|hard LOCKUP)"),
    _row("lockup", r"^BUG: (?:workqueue|soft) lockup"),
    _row("lockdep", r"^(?:WARNING|INFO): (?:possible |inconsistent |suspicious RCU|bad unlock)"),
    _row("lockdep", r"^(?:BUG: )?(?:INFO: trying to register non-static key|MAX_LOCK)"),
    _row("sleeping", r"^BUG: (?:sleeping function called|scheduling while atomic)"),
    _row("oops", r"^BUG: (?:unable to handle|kernel NULL pointer)"),
    _row("oops", r"^(?:Oops: |Internal error: |Unable to handle kernel )"),
    _row("oops", r"^(?:general protection fault|divide error|invalid opcode|double fault|stack "
                 r"segment|int3|page fault)\b.*(?::|#)"),
    _row("bug", r"^kernel BUG at "),
    _row("bug", r"^BUG: "),
    _row("stall", r"^rcu: (?:INFO: )?rcu_\w+ .*(?:detected|stall)"),
    _row("stall", r"^INFO: rcu_\w+ .*(?:detected|stall)"),
    _row("hung", r"^INFO: task .* blocked (?:on .* )?for more than"),
    _row("warning", r"^WARNING: "),
    _row("leak", r"^unregister_netdevice: waiting for "),
    _row("leak", r"^ref_tracker: .*(?:leaked|has been)"),
    _row("corruption", r"^(?:list_(?:add|del) corruption|slab .*corrupt|refcount_t: )"),
    _row("memory", r"page allocation failure: |^Out of memory: "),
    _row("module", r"^\S+: (?:BTF|module) .*(?:mismatch|Unknown symbol)|: Unknown symbol "),
)  # fmt: skip

# Lines that look like one and say nothing about the kernel under test.
HARMLESS = tuple(
    re.compile(regex)
    for regex in (
        r"^WARNING: Spectre ",  # a note on the host's processor
        r"^WARNING: Unprivileged eBPF is enabled",  # a note on a setting
        r"^traps: \S+\[\d+\] ",  # a program's own fault, not the kernel's
        r"^rcu: .*(?:RCU_NOCB|stall_|stall detection|RCU CPU stall detection)",  # boot options
    )
)

_TRACE = re.compile(r"^\s*(?:Call Trace:|stack backtrace:)")
_FRAME = re.compile(r"^\s+(?!\?)(?:<\w+>\s*)?([A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+")
_RIP = re.compile(r"^RIP: [0-9a-f]+:([A-Za-z_][\w.]*)\+0x")
_END = re.compile(r"^---\[ end (?:trace|Kernel panic)")
_HEX = re.compile(r"\b(?:0x)?[0-9a-f]{8,}\b")
_IDS = re.compile(r"\b(CPU|PID|CPU#|task|pid|Comm|comm)([:#] ?|[ =])\S+")


@dataclass
class _Open:
    """A splat that is still being read."""

    kind: str
    suite: str
    lines: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    traced: bool = False

    def add(self, text: str) -> None:
        self.lines.append(text)
        found = _RIP.match(text) or (_FRAME.match(text) if self.traced else None)
        if found and len(self.frames) < FRAMES and found[1] not in self.frames:
            self.frames.append(found[1])
        self.traced = self.traced or bool(_TRACE.match(text))

    def close(self) -> Splat:
        headline = self.lines[0].strip()
        frames = tuple(self.frames)
        print_ = " < ".join([f"{self.kind}: {normal(headline)}", *frames])
        return Splat(self.kind, headline, frames, self.suite, tuple(self.lines), print_)


def normal(text: str) -> str:
    """A headline without what changes from boot to boot."""
    return _HEX.sub("<hex>", _IDS.sub(r"\1\2<id>", text))


def kind_of(text: str) -> str:
    """The kind of complaint that a line opens, or empty."""
    if any(regex.search(text) for regex in HARMLESS):
        return ""
    return next((row.kind for row in PATTERNS if row.regex.search(text)), "")


def find(lines: Iterable[tuple[str, Line]]) -> tuple[Splat, ...]:
    """All splats of a kernel log; each line comes with the suite that ran at the time.

    Headlines before a splat's call trace belong to it ("BUG: …" and "Oops: …" are one event); a
    panic always stands for itself; a call trace that nothing announced is a splat as well.
    """
    done: list[Splat] = []
    current: _Open | None = None
    for suite, line in lines:
        kind = kind_of(line.text)
        if not kind and current is None and _TRACE.match(line.text):
            kind = "trace"
        if kind and (current is None or current.traced or kind == "panic"):
            done += _closed(current)
            current = _Open(kind, suite)
        if current is not None:
            current.add(line.text)
            if _END.match(line.text) or len(current.lines) >= MAX_LINES:
                done += _closed(current)
                current = None
    return (*done, *_closed(current))


def _closed(current: _Open | None) -> Sequence[Splat]:
    return [current.close()] if current is not None else []
