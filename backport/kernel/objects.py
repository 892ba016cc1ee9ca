"""Compiles the objects of single source files: does each commit of a series build by itself?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from backport.doors import process
from backport.kernel import kbuild
from backport.kernel.build import BuildRequest, jobs_of, make_of, roots_of
from backport.readers.warnings import BuildWarning, Ledger, is_error
from backport.values.events import Progress

STAGE = "objects"
SHOWN_ERRORS = 8

# Compiled for another purpose than the kernel, or by make files of their own.
_OUTSIDE = ("Documentation", "samples", "scripts", "tools", "usr")
# Its make files count on variables that the architecture's own top make file sets.
_UNKNOWABLE = "arch/"


class ObjectOutcome(Enum):
    """How the compilation of one file went."""

    BUILT = "built"
    FAILED = "failed"
    NOT_CONFIGURED = "not-configured"  # this configuration does not build it
    OUTSIDE = "outside"  # no object of the kernel: a header, documentation, a tool


@dataclass(frozen=True)
class ObjectResult:
    """One touched file; `errors` are the first lines that name a cause."""

    path: str
    outcome: ObjectOutcome
    warnings: tuple[BuildWarning, ...] = ()
    errors: tuple[str, ...] = ()


def object_of(path: str) -> str:
    """The object file of a source path, empty for what the kernel does not compile by itself."""
    pure = PurePosixPath(path)
    if pure.suffix not in (".c", ".S") or pure.parts[0] in _OUTSIDE:
        return ""
    return str(pure.with_suffix(".o"))


def objects(request: BuildRequest, paths: Sequence[str]) -> list[ObjectResult]:
    """Compile the objects of `paths` (below the tree's root), one result each, in that order.

    A file that does not compile is a result, not an error. A file that the tree no longer has, or
    that the configuration leaves out, is `NOT_CONFIGURED`.
    """
    make = make_of(request)
    members = Members(request.source, request.out)
    results = {path: _without_compiling(request, members, path) for path in paths}
    wanted = [path for path, result in results.items() if result is None]
    with kbuild.locked(request.out, STAGE, request.emit) as lock:
        compiler = _Compiler(request, make, lock)
        # All at once is fast, and says nothing about each; only a failure is looked at one by one.
        together = compiler.run([object_of(path) for path in wanted]) if wanted else None
        for done, path in enumerate(wanted, 1):
            good = together is not None and not together.errors
            heard = together if good and together else compiler.run([object_of(path)])
            results[path] = heard.result(path)
            request.emit(Progress(STAGE, done, len(wanted), "objects"))
    return [found for path in paths if (found := results[path]) is not None]


def _without_compiling(request: BuildRequest, members: Members, path: str) -> ObjectResult | None:
    name = object_of(path)
    if not name:
        return ObjectResult(path, ObjectOutcome.OUTSIDE)
    if not (request.source / path).is_file() or not members.has(name):
        return ObjectResult(path, ObjectOutcome.NOT_CONFIGURED)
    return None


@dataclass(frozen=True)
class _Heard:
    """What one run of make said; `errors` are empty if and only if it succeeded."""

    ledger: Ledger
    errors: tuple[str, ...]

    def result(self, path: str) -> ObjectResult:
        warnings = tuple(self.ledger.steps.get(object_of(path), ()))
        outcome = ObjectOutcome.FAILED if self.errors else ObjectOutcome.BUILT
        return ObjectResult(path, outcome, warnings, self.errors)


class _Compiler:
    """Runs make for some objects; the caller holds the O= directory's lock."""

    def __init__(self, request: BuildRequest, make: kbuild.Make, lock: int) -> None:
        self.request = request
        self.make = make
        self.lock = lock

    def run(self, names: Sequence[str]) -> _Heard:
        """Compile; -k so that one that fails does not keep the others from being compiled."""
        ledger = Ledger(roots_of(self.request))
        errors: list[str] = []

        def line(text: str) -> None:
            ledger.feed(text)
            if is_error(text):
                errors.append(text)

        done = self.make.run(
            "-k",
            *names,
            log=self.request.log,
            on_line=line,
            jobs=jobs_of(self.request),
            check=False,
            lock=self.lock,
        )
        if not done.returncode:
            return _Heard(ledger, ())
        told = errors or done.text.splitlines() or [process.describe_status(done.returncode)]
        return _Heard(ledger, tuple(told[:SHOWN_ERRORS]))


# Reads one directory's make file with the configuration in place, and prints its members. Composite
# objects are opened twice: `foo.o` made of `foo-y`, which again holds a composite.
_LIST = """\
include {out}/.config
srctree := {source}
obj := {directory}
src := {source}/{directory}
include {makefile}
parts = $(foreach o,$(1),$($(o:.o=-y)) $($(o:.o=-m)) $($(o:.o=-objs)))
one := $(obj-y) $(obj-m) $(lib-y) $(lib-m) $(extra-y) $(always-y)
two := $(call parts,$(one))
backport-list: ; @printf '%s\\n' $(one) $(two) $(call parts,$(two))
"""


class Members:
    """Asks a tree's make files which objects a configuration builds.

    kbuild compiles any object that it is told to by name, also one that the configuration leaves
    out, and fails there for want of declarations: such a failure says nothing about a patch.
    """

    def __init__(self, source: Path, out: Path) -> None:
        self.source = source
        self.out = out
        self._known: dict[str, frozenset[str] | None] = {}

    def has(self, name: str) -> bool:
        """Whether an object belongs; yes if the make files cannot tell."""
        directory, _, member = name.rpartition("/")
        while directory and not name.startswith(_UNKNOWABLE):
            listed = self._list(directory)
            if listed is not None and member not in listed:
                return False
            parent, _, last = directory.rpartition("/")
            # Without a make file of its own the directory's objects are named by the one above.
            member = f"{last}/" if listed is not None else f"{last}/{member}"
            directory = parent
        return True

    def _list(self, directory: str) -> frozenset[str] | None:
        if directory not in self._known:
            self._known[directory] = self._ask(directory)
        return self._known[directory]

    def _ask(self, directory: str) -> frozenset[str] | None:
        names = (self.source / directory / name for name in ("Kbuild", "Makefile"))
        makefile = next((path for path in names if path.is_file()), None)
        if makefile is None:
            return None
        text = _LIST.format(
            out=self.out, source=self.source, directory=directory, makefile=makefile
        )
        argv = ["make", "-s", "-f", "-", "backport-list"]
        done = process.run(
            argv, stdin=text.encode(), env=kbuild.NEUTRAL, cwd=self.source, check=False
        )
        return None if done.returncode else frozenset(done.text.split())
