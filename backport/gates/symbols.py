"""Symbols: every name that the incoming code uses exists in the target or comes with the series.

Looked at before any compile: calls, constants in capitals, types and headers in the lines that each
pick adds. A name counts as known where a line looks like its definition, after this commit or an
earlier one, and also where other code of the target mentions it: macros make names that no search
finds, and a gate that cries wolf is switched off. What is left is in no line of the target's code.

The other half of the answer is what was missing and is no more: names in upstream's own lines that
the target's headers and neighbouring files lack, each with the commit, shim or rule that brings it.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from backport.doors.git import Git
from backport.gates.credit import Brought, By, Credit, credited
from backport.gates.form import SUFFIXES
from backport.readers.identifiers import Kind, Use, defined_in, fields_in, uses, words_of
from backport.values.csource import split_lines
from backport.values.errors import GateFailed

# Code that is no part of the kernel, and text that is no code.
_ELSEWHERE = ("Documentation", "samples", "scripts", "tools", "usr")
_HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")
SHOWN = 20  # names that an error shows
_INSIDE = (Kind.MEMBER, Kind.OBJECT)  # what a line inside of braces can declare
_FIELDS = "struct"
RECIPE = 1  # of a pass that is kept: raise it when the same request gives another result
_AT_ONCE = 400  # names in one pattern

BRIDGES: Mapping[Kind, str] = {
    Kind.CALL: "a shim that defines it, a rewrite to what the target has, or the commit of it",
    Kind.CONSTANT: "a shim that defines it, a pin for a member of an enum, or a rewrite",
    Kind.TAG: "a shim that defines it, or a rewrite that drops it",
    Kind.INCLUDE: "a rewrite that drops the line or names the target's header",
    Kind.MEMBER: "a rewrite to what the target has, or an edit that adds the member",
    Kind.OBJECT: "a rewrite to what the target has, or the commit that brings it",
}


@dataclass(frozen=True)
class Missing:
    """A name that nothing brings; `upstream` is where upstream has it (`path:line`), '' unknown."""

    name: str
    kind: Kind
    path: str
    number: int
    line: str
    subject: str
    upstream: str = ""

    def __str__(self) -> str:
        where = f"upstream has it in {self.upstream}; " if self.upstream else ""
        return (
            f"{self.path}:{self.number}: {self.kind} {self.name}: {self.line.strip()!r}\n"
            f"    {where}what bridges it: {BRIDGES[self.kind]}"
        )


@dataclass(frozen=True)
class Step:
    """One pick: the tree after it, and upstream's tree for the nearest definition ('': not asked).

    Without `parent`, upstream's tree before it, nobody asks what upstream's own lines use.
    """

    subject: str
    tree: str
    upstream: str
    parent: str = ""
    credits: tuple[Credit, ...] = ()  # of the rules that fired


@dataclass(frozen=True)
class Request:
    """`base` is the target's tree; `arch` the directory below arch/."""

    git: Git
    base: str
    steps: tuple[Step, ...]
    arch: str = "x86"


@dataclass(frozen=True)
class Result:
    """`total` names were looked up; `mentioned` are known only because other code says them."""

    total: int
    mentioned: tuple[str, ...]
    missing: tuple[Missing, ...]
    brought: tuple[Brought, ...] = ()

    @property
    def summary(self) -> str:
        """One line: how many names, and what brings those that the target lacks."""
        counts = [(by, sum(one.by is by for one in self.brought)) for by in By]
        told = ", ".join(f"{n} by a {by}" for by, n in counts if n)
        return f"{self.total} identifiers, all known" + (f"; brought: {told}" if told else "")


class NamesMissing(GateFailed):
    """Names that nothing brings, each with where it is used."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        lines = [f"  {one}" for one in missing[:SHOWN]]
        lines += [f"  and {len(missing) - SHOWN} more"] if len(missing) > SHOWN else []
        super().__init__(
            "\n".join(["symbols: neither the target nor the series defines:", *lines]),
            hint="write the rule that bridges each, or add the commit that brings it to the series",
        )
        self.missing = tuple(missing)


@dataclass
class _Look:
    """What one step adds, and the lines that hold it."""

    step: Step
    lines: dict[str, list[str]]  # changed C files, whole, as they are after the step
    found: list[tuple[str, Use]] = field(default_factory=list)
    theirs: list[tuple[str, Use]] = field(default_factory=list)  # in upstream's own lines


def check(request: Request) -> Result:
    """Look up what each step's added lines use."""
    looks = list(_looks(request))
    every = [use for look in looks for _, use in (*look.found, *look.theirs)]
    names = {use.name for use in every if use.kind is not Kind.INCLUDE}
    target = _Target(request, names, {path for look in looks for path in look.lines})
    lacking = target.lacking(names)
    opens = [_open(target, look) for look in looks]
    target.mentions({use.name for open_ in opens for _, use in open_})  # all in one search
    missing = [
        one
        for look, open_ in zip(looks, opens, strict=True)
        for one in _missing(request, target, look, open_)
    ]
    total = {use.name for look in looks for _, use in look.found}
    lost = {one.name for one in missing}
    brought = _bridged(request, looks, lacking, lost)
    mentioned = tuple(sorted(target.only_mentioned - lost))
    return Result(len(total), mentioned, tuple(missing), tuple(brought))


def _looks(request: Request) -> Iterator[_Look]:
    before = request.base
    for step in request.steps:
        changed = [
            change.path
            for change in request.git.changes(request.base, step.tree)
            if change.new and _is_code(change.path)
        ]
        entries = request.git.entries(step.tree, changed) if changed else {}
        blobs = {path: request.git.blob(entry.oid) for path, entry in entries.items()}
        look = _Look(step, {path: split_lines(data) for path, data in blobs.items()})
        for path, numbers in _added(request.git, before, step.tree).items():
            if path in look.lines:
                text = "".join(look.lines[path])
                look.found += [(path, use) for use in uses(text, numbers)]
        look.theirs += _upstream_uses(request.git, step) if step.parent else ()
        before = step.tree
        yield look


def _upstream_uses(git: Git, step: Step) -> Iterator[tuple[str, Use]]:
    """What the lines use that upstream's commit adds, whatever became of them."""
    added = {p: n for p, n in _added(git, step.parent, step.upstream).items() if _is_code(p)}
    entries = git.entries(step.upstream, sorted(added)) if added else {}
    for path, entry in entries.items():
        text = "".join(split_lines(git.blob(entry.oid)))
        yield from ((path, use) for use in uses(text, added[path]))


def _is_code(path: str) -> bool:
    return path.endswith(SUFFIXES) and PurePosixPath(path).parts[0] not in _ELSEWHERE


def _added(git: Git, before: str, after: str) -> dict[str, set[int]]:
    """The numbers of the lines that a tree has over another, by path."""
    found: dict[str, set[int]] = defaultdict(set)
    path = ""
    for line in git.diff(before, after, "-U0").decode("utf-8", "surrogateescape").split("\n"):
        if line.startswith("diff --git "):
            path = ""
        elif line.startswith("+++ b/") and not path:
            path = line[6:].rstrip("\t")
        elif path and (hunk := _HUNK.match(line)):
            first = int(hunk[1])
            found[path] |= set(range(first, first + int(hunk[2] or 1)))
    return found


class _Target:
    """What the target's own code says of the wanted names."""

    def __init__(self, request: Request, names: Set[str], changed: Collection[str]) -> None:
        self._git, self._base = request.git, request.base
        self._changed = frozenset(changed)
        self.defined: set[str] = set()  # by a file that the series leaves as it is
        self._mentioned: set[str] = set()
        self.only_mentioned: set[str] = set()
        self._read(names, _scope(request.arch, changed))
        self._far: set[str] = set()

    def _read(self, names: Set[str], paths: Sequence[str]) -> None:
        for path, _, line in grep_names(self._git, self._base, names, paths):
            words = words_of(line, names)
            if path not in self._changed:
                self.defined.update(defined_in(line, words))
            private = path.endswith(".c") and line.startswith("static ")
            if not private:
                self._mentioned.update(words)

    def mentions(self, names: Set[str]) -> set[str]:
        """Which of the names any code of the target holds; the whole tree is searched once each."""
        strange = set(names) - self._mentioned - self._far
        if strange:
            self._far |= strange
            self._read(strange, ["*.c", "*.h", *(f":(exclude){name}" for name in _ELSEWHERE)])
        return set(names) & self._mentioned

    def lacking(self, names: Set[str]) -> set[str]:
        """The names that no header of the target and no neighbour of what changes holds."""
        return set(names) - self._mentioned


def _scope(arch: str, changed: Collection[str]) -> list[str]:
    """Headers, and the neighbours of what the series changes."""
    folders = sorted({str(PurePosixPath(path).parent) for path in changed})
    near = [f":(glob){folder}/*.[ch]" for folder in folders if not folder.startswith("include")]
    return ["include", f"arch/{arch}/include", *near]


def grep_names(
    git: Git, tree: str, names: Set[str], paths: Sequence[str]
) -> Iterator[tuple[str, int, str]]:
    """The lines of a tree that hold one of the names as a word: path, number, text."""
    # One alternation is quick; as many patterns git would try one after the other on each line.
    ordered = sorted(names)
    for start in range(0, len(ordered), _AT_ONCE):
        some = "|".join(ordered[start : start + _AT_ONCE])
        yield from git.grep(tree, rf"\b({some})\b", paths)


def _open(target: _Target, look: _Look) -> list[tuple[str, Use]]:
    """The uses of names that no line is known to define."""
    brought = _brought(look)
    return [
        (path, use)
        for path, use in look.found
        if use.kind is not Kind.INCLUDE
        and use.name not in target.defined
        and use.name not in brought[""]
        and use.name not in brought[path]
        and not (use.kind in _INSIDE and use.name in brought[_FIELDS])
    ]


def _missing(
    request: Request, target: _Target, look: _Look, open_: Sequence[tuple[str, Use]]
) -> Iterator[Missing]:
    mentioned = target.mentions({use.name for _, use in open_})
    target.only_mentioned |= mentioned
    lost = [(path, use) for path, use in open_ if use.name not in mentioned]
    lost += _headers(request, look)
    origins = _origins(request, look.step, [use for _, use in lost])
    for path, use in lost:
        line = look.lines[path][use.number - 1]
        origin = origins.get(use.name, "")
        yield Missing(use.name, use.kind, path, use.number, line, look.step.subject, origin)


def _brought(look: _Look) -> Mapping[str, set[str]]:
    """What the changed files define after the step: under '' for all, under a path for itself.

    Members of structs, which no line at file level names, are under `_FIELDS`.
    """
    names = {use.name for _, use in look.found}
    found: dict[str, set[str]] = defaultdict(set)
    for path, lines in look.lines.items():
        for line in lines:
            found[_FIELDS].update(fields_in(line))
            words = words_of(line, names)
            if words:
                found[path].update(defined_in(line, words, private=True))
                found[""].update(defined_in(line, words))
    return found


def _bridged(
    request: Request, looks: Sequence[_Look], lacking: Set[str], lost: Set[str]
) -> Iterator[Brought]:
    """What brings each name that the target lacks, in the order of their first use."""
    credits: list[Credit] = []
    home: dict[str, str] = {}
    seen = set(lost)
    every = (use for look in looks for _, use in (*look.theirs, *look.found))
    inside = {use.name for use in every if use.kind in _INSIDE}
    for look in looks:
        credits += look.step.credits
        defined, own = _homes(look, lacking, inside), look.step.subject
        for name in defined:
            home.setdefault(name, own)
        for path, use in (*_strange(request, look, lacking), *_others(look, lacking)):
            found = None if use.name in seen else credited(use.name, path, credits, home)
            # A file that itself defines what it uses, by its commit or by a rule, lacks nothing.
            foreign = found != (By.COMMIT, own) and (path, use) in look.theirs
            foreign = foreign and use.kind is not Kind.OBJECT  # a variable of the function
            if found and (foreign or path not in defined.get(use.name, ()) or found[0] is By.SHIM):
                seen.add(use.name)
                yield Brought(use.name, use.kind, path, use.number, own, *found)


def _homes(look: _Look, names: Set[str], inside: Set[str]) -> Mapping[str, set[str]]:
    """The names that changed files define after the step, with the files; headers by their name.

    Those in `inside` are members or objects, which a line inside of braces can declare.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path, lines in look.lines.items():
        for line in lines:
            words = words_of(line, names)
            fields = inside & set(fields_in(line)) if words & inside else ()
            for name in (*defined_in(line, words, private=True), *fields):
                found[name].add(path)
        for root in ("include/uapi/", "include/"):
            if path.startswith(root):
                found[path.removeprefix(root)].add(path)
    return found


def _strange(request: Request, look: _Look, lacking: Set[str]) -> Iterator[tuple[str, Use]]:
    """What upstream's lines use and the target lacks; a header is looked for where it would be."""
    headers = [(path, use) for path, use in look.theirs if use.kind is Kind.INCLUDE]
    places = {use.name: _places(request.arch, path, use.name) for path, use in headers}
    every = sorted({place for some in places.values() for place in some})
    there = request.git.entries(request.base, every) if every else {}
    for path, use in look.theirs:
        absent = not there.keys() & set(places.get(use.name, ()))
        if absent if use.kind is Kind.INCLUDE else use.name in lacking:
            yield path, use


def _others(look: _Look, lacking: Set[str]) -> Iterator[tuple[str, Use]]:
    """What only the rules' own lines use."""
    return ((path, use) for path, use in look.found if use.name in lacking)


def _headers(request: Request, look: _Look) -> list[tuple[str, Use]]:
    """Included headers that are in none of the usual places and that no other file includes."""
    wanted = [(path, use) for path, use in look.found if use.kind is Kind.INCLUDE]
    places = {use.name: _places(request.arch, path, use.name) for path, use in wanted}
    every = sorted({place for some in places.values() for place in some})
    there = request.git.entries(look.step.tree, every) if every else {}
    left = [(path, use) for path, use in wanted if not there.keys() & set(places[use.name])]
    known = _included(request, {use.name for _, use in left})
    return [(path, use) for path, use in left if use.name not in known]


def _places(arch: str, path: str, name: str) -> list[str]:
    roots = ["include", "include/uapi", f"arch/{arch}/include", f"arch/{arch}/include/uapi"]
    places = [f"{root}/{name}" for root in roots]
    if name.startswith("asm/"):
        places.append(f"include/asm-generic/{name[4:]}")
    places.append(f"{PurePosixPath(path).parent}/{name}")
    real = (posixpath.normpath(place) for place in places)
    return [place for place in real if not place.startswith("../")]  # git refuses such a path


def _included(request: Request, names: Set[str]) -> set[str]:
    """What the target's own code includes, such as headers that are made by the build."""
    if not names:
        return set()
    some = "|".join(re.escape(name) for name in sorted(names))
    paths = ["*.c", "*.h", *(f":(exclude){name}" for name in _ELSEWHERE)]
    found = request.git.grep(request.base, rf'^\s*#\s*include\s*[<"]({some})[>"]', paths)
    lines = [line for _, _, line in found]
    return {name for name in names if any(f"{name}>" in x or f'{name}"' in x for x in lines)}


def _origins(request: Request, step: Step, lost: Iterable[Use]) -> dict[str, str]:
    """Where upstream's tree defines the names, headers first."""
    names = {use.name for use in lost if use.kind is not Kind.INCLUDE}
    if not names or not step.upstream:
        return {}
    paths = ["include", f"arch/{request.arch}/include", "kernel", "net", "lib", "drivers/net"]
    found: dict[str, str] = {}
    hits = sorted(
        grep_names(request.git, step.upstream, names, paths),
        key=lambda hit: not hit[0].endswith(".h"),
    )
    for path, number, line in hits:
        for name in defined_in(line, words_of(line, names)):
            found.setdefault(name, f"{path}:{number}")
    return found
