"""The shape of the package: imports go one way, doors are few, functions and files are small."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import backport

ROOT = Path(backport.__file__).parent
LONGEST_FUNCTION = 60  # lines
LONGEST_FILE = 450

# A room is a folder of the package. A module imports from its own and from those above it here.
ROOMS = (
    "values",
    "readers",
    "doors",
    "sources",
    "upstreams",
    "gates",
    "soundness",
    "picking",
    "ladder",
    "advice",
    "needs",
    "learning",
    "audit",
    "replay",
    "kernel",
    "guests",
    "qualify",
    "evidence",
    "output",
    "shell",
)

# What is not the standard library's, and the modules that may know it.
THIRD_PARTY = {
    "git": {"doors.git"},
    "gitdb": {"doors.git"},
    "jinja2": {"output.exporters.cover", "output.page"},
    "pygit2": {"doors.odb"},
    "markupsafe": {"output.diffrows", "output.page", "output.reviewpage"},
    "rich": {"shell.console", "output.summary"},
    "tree_sitter": {"readers.cparse"},
    "tree_sitter_c": {"readers.cparse"},
    "unidiff": {"readers.cut"},
    "typer": {
        "shell.cli",
        "shell.commands.audit",
        "shell.commands.common",
        "shell.commands.deliver",
        "shell.commands.evaluate",
        "shell.commands.evidence",
        "shell.commands.fleet",
        "shell.commands.judge",
        "shell.commands.learn",
        "shell.commands.look",
        "shell.commands.mix",
        "shell.commands.needs",
        "shell.commands.qualify",
        "shell.commands.rules",
        "shell.commands.work",
    },
}

# Names that only their door may use, and what else is allowed to say them.
DOORS = {
    "subprocess": {"doors.process"},
    "print": set(),
    "input": set(),
    "eval": set(),
    "exec": set(),
    "sys.exit": {"shell.cli"},
    "os._exit": {"shell.cli"},
    "os.system": set(),
    "os.chdir": set(),
    "os.fork": set(),
    "signal.signal": {"shell.cli"},
}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


@cache
def modules() -> dict[str, Path]:
    return {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


@cache
def imported(name: str) -> tuple[str, ...]:
    """Every import anywhere in a module, ours as `backport.x` down to the module."""
    return tuple(_imported(name))


def _imported(name: str) -> Iterator[str]:
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole.removeprefix("backport.") in modules() else str(node.module)


def ours(name: str) -> set[str]:
    found = {m.removeprefix("backport.") for m in imported(name) if m.startswith("backport.")}
    return found & modules().keys() - {name}


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_is_in_a_room_and_every_room_says_what_it_holds():
    assert {room(m) for m in modules()} - {"__init__"} == set(ROOMS)
    assert [r for r in ROOMS if not ast.get_docstring(tree_of(r))] == []
    assert sorted(p.name for p in ROOT.glob("*.py")) == ["__init__.py"]


def test_the_readme_lists_the_rooms_in_their_order():
    text = ROOT.parent.joinpath("README.md").read_text(encoding="utf-8")
    table = text.partition("| room of `backport/` |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert tuple(re.findall(r"`(\w+)`", " ".join(cells))) == ROOMS


def test_imports_go_up_the_rooms_only():
    order = {name: n for n, name in enumerate(ROOMS)}
    wrong = [
        f"{m} imports {d}"
        for m in modules()
        for d in sorted(ours(m))
        if order.get(room(d), -1) > order.get(room(m), len(order))
    ]
    assert wrong == []


def test_there_is_no_import_cycle():
    left = {m: ours(m) for m in modules()}
    while left:
        free = {m for m, needs in left.items() if not needs & left.keys()}
        assert free, f"a cycle in {sorted(left)}"
        left = {m: needs for m, needs in left.items() if m not in free}


def test_values_do_nothing_but_compute():
    forbidden = {"fcntl", "os", "shutil", "socket", "subprocess", "tempfile", "urllib"}
    for module in (m for m in modules() if room(m) == "values"):
        tops = {name.partition(".")[0] for name in imported(module)}
        assert tops <= sys.stdlib_module_names | {"backport"}, module
        assert not tops & forbidden, module


def test_what_is_not_the_standard_librarys_has_its_door():
    for module in modules():
        for top in {name.partition(".")[0] for name in imported(module)} - {"backport"}:
            if top not in sys.stdlib_module_names:
                known = THIRD_PARTY.get(top, set())
                assert any(fnmatch(module, k) for k in known), f"{module} imports {top}"


def used(name: str) -> Iterator[str]:
    """Names and attributes of modules that a module uses."""
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def test_doors_are_used_by_their_keepers_only():
    for module in modules():
        names = set(used(module))
        for door, keepers in DOORS.items():
            if door in names and module not in keepers:
                # Naming the exception of a process that took too long starts none.
                harmless = {n for n in names if n.startswith("subprocess.")}
                assert door == "subprocess" and harmless == {"subprocess.TimeoutExpired"}, (
                    f"{module} uses {door}"
                )


@pytest.mark.parametrize("word", ["shell=True", "os.popen", "pytest"])
def test_some_words_are_nowhere(word):
    assert [m for m, path in modules().items() if word in path.read_text(encoding="utf-8")] == []


def test_functions_and_files_stay_small():
    long_files, long_functions = [], []
    for module, path in modules().items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        long_files += [(lines, module)] if lines > LONGEST_FILE else []
        for node in ast.walk(tree_of(module)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                size = (node.end_lineno or 0) - node.lineno + 1
                long_functions += [(size, f"{module}.{node.name}")] * (size > LONGEST_FUNCTION)
    assert sorted(long_files) == [] and sorted(long_functions) == []
