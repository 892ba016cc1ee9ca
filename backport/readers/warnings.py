"""Reads what make prints while a kernel builds: objects, warnings and errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class BuildWarning:
    """One warning; `line` 0 means the file as a whole, `kind` is `-W…`, objtool, modpost, ld…"""

    file: str
    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Delta:
    """Warnings that a build has and its baseline has not, and the other way round."""

    new: tuple[BuildWarning, ...]
    fixed: tuple[BuildWarning, ...]


# Each row: a pattern with the groups file, line, kind and text as far as it has them, and the kind
# of a warning that names none. The first row that matches a line reads it.
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?P<file>\S+\.o): warning: objtool: (?P<text>.+)$"), "objtool"),
    (re.compile(r"WARNING: modpost: (?P<text>(?P<file>[\w./-]+).*)$"), "modpost"),
    (re.compile(r"WARN: (?P<text>.+)$"), "resolve_btfids"),
    (
        re.compile(
            r"(?P<file>[^\s:]+):(?P<line>\d+):(?:\d+:)?\s*[Ww]arning: "
            r"(?P<text>.+?)(?: \[(?P<kind>-W[^\]]+)\])?$"
        ),
        "warning",
    ),
    (re.compile(r"(?:\S*/)?(?:\S+-)?ld(?:\.\w+)?: (?:warning: )(?P<text>.+)$"), "ld"),
    (re.compile(r"(?:\S*/)?(?:\S+-)?ld(?:\.\w+)?: (?P<file>\S+): warning: (?P<text>.+)$"), "ld"),
    (re.compile(r"(?:\S*/)?(?P<file>gcc|clang|cc1): warning: (?P<text>.+)$"), "driver"),
)


def parse_warning(line: str, roots: Sequence[str] = ()) -> BuildWarning | None:
    """Read one line; a path below one of `roots` loses that part. None if it warns of nothing."""
    for form, kind in _FORMS:
        found = form.match(line)
        if found:
            groups = found.groupdict()
            return BuildWarning(
                _relative(groups.get("file") or "", roots),
                int(groups.get("line") or 0),
                groups.get("kind") or kind,
                _without(groups["text"], roots),
            )
    return None


def _relative(path: str, roots: Sequence[str]) -> str:
    for root in roots:
        if path.startswith(f"{root}/"):
            return path.removeprefix(f"{root}/")
    return path.removeprefix("./")


def _without(text: str, roots: Sequence[str]) -> str:
    for root in roots:
        text = text.replace(f"{root}/", "")
    return text


_STEP = re.compile(r"  ([A-Z][A-Z0-9_+]*)(?: \[\w\])?\s+(\S+)$")
_COMPILES = ("CC", "AS")


def step(line: str) -> tuple[str, str] | None:
    """kbuild's short form of a command, `  CC [M]  net/core/dev.o`, as (`CC`, `net/core/dev.o`)."""
    found = _STEP.match(line)
    return (found[1], found[2]) if found else None


def compiled(line: str) -> str:
    """The kernel object that this line says is compiled, empty if it says something else.

    Tools of the build are named by their whole path, and are not part of the kernel.
    """
    found = step(line)
    if not found or found[0] not in _COMPILES or found[1].startswith("/"):
        return ""
    return found[1] if found[1].endswith(".o") else ""


@dataclass
class Ledger:
    """Warnings by the target whose build gave them, so that a rebuilt target replaces its own.

    Fed line by line with make's output under `-Otarget`: what a target says follows its name.
    """

    roots: Sequence[str] = ()
    steps: dict[str, list[BuildWarning]] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)
    now: str = ""  # the target that is speaking

    def feed(self, line: str) -> bool:
        """Take one line in; says whether it is worth keeping for a later run."""
        found = step(line)
        if found:
            self.now = found[1]
            self.steps[self.now] = []
            if compiled(line):
                self.objects.add(self.now)
            return True
        warning = parse_warning(line, self.roots)
        if warning is None:
            return False
        self.steps.setdefault(self.now, []).append(warning)
        return True

    def warnings(self) -> tuple[BuildWarning, ...]:
        """All, sorted, each once: a header warns in every object that includes it."""
        return tuple(sorted({one for found in self.steps.values() for one in found}))


def per_file(warnings: Iterable[BuildWarning]) -> Mapping[str, int]:
    """How many warnings each file has."""
    return dict(sorted(Counter(one.file for one in warnings).items()))


def compare(now: Sequence[BuildWarning], before: Sequence[BuildWarning]) -> Delta:
    """What differs; line numbers do not count, a patch moves them."""
    return Delta(_beyond(now, before), _beyond(before, now))


def _beyond(
    these: Sequence[BuildWarning], those: Sequence[BuildWarning]
) -> tuple[BuildWarning, ...]:
    left = Counter(_key(one) for one in those)
    found = []
    for one in these:
        if left[_key(one)]:
            left[_key(one)] -= 1
        else:
            found.append(one)
    return tuple(found)


def _key(one: BuildWarning) -> tuple[str, str, str]:
    return one.file, one.kind, one.text


# What went wrong itself; make's own `*** Error 1` only says that something did.
_ERROR = re.compile(
    r": (?:fatal )?[Ee]rror: |undefined reference to|multiple definition of|^ERROR: modpost:"
    r"|^FAILED: |No rule to make target|error: objtool:|: command not found|: not found$"
)


def is_error(line: str) -> bool:
    """Whether a line names a cause of failure."""
    return bool(_ERROR.search(line))
