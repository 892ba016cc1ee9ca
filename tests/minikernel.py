"""A world for the command line: a tiny kernel tree, an upstream with commits, and the data files.

Everything is written by code below a folder of the test's own, and used as a person uses the tool:
through BACKPORT_DATA, BACKPORT_CACHE and arguments. Nothing here is taken from a kernel.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any

import fake_kernel
import pytest

from backport.shell import cli

SERIES, TARGET = "dock", "mini-6.1"
BRANCH = f"refs/heads/backport/{SERIES}/{TARGET}"
BACKPORT = Path(sys.executable).with_name("backport")

Files = Mapping[str, str | bytes]

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\nEXTRAVERSION =\nNAME = Small\n"

OPEN_OLD = "\tdock_count++;\n"
OPEN_NEW = "\tatomic_inc(&dock_count);\n\tdock_trace(dock);\n"

CORE = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>

static int dock_count;

int dock_open(struct dock *dock)
{{
	if (!dock)
		return -EINVAL;
{open}	return 0;
}}

int dock_tell(void)
{{
	return dock_count;
}}
"""

# What the drivers call is declared, so that the symbols gate has nothing to say.
DECLARED = "".join(
    f"void {name}(struct dock *dock);\n"
    for name in ("dock_limit", "dock_Limit", "dock_trace", "step_c")
)

# The target: what upstream's commits never saw is `dock_count++` in dock_open().
BASE: Files = {
    "Makefile": MAKEFILE,
    "Kconfig": 'source "drivers/Kconfig"\n',
    ".gitignore": "*.o\n*.orig\n",
    "drivers/Kconfig": "config DOCK\n\tbool\n",
    "drivers/Makefile": "obj-y += core.o\n\nobj-y += last.o\n",
    "drivers/core.c": CORE.format(open=OPEN_OLD),
    "drivers/firmware.bin": b"\0\1target\0",
    "drivers/kept.c": "int kept = 1;\n",
    "include/dock.h": "struct dock {\n\tint number;\n};\n",
    "include/calls.h": DECLARED,
    "lib/far.c": "int far_away;\n",
}

UPSTREAM: Files = {
    **BASE,
    "Makefile": MAKEFILE.replace("PATCHLEVEL = 1", "PATCHLEVEL = 6"),
    "drivers/core.c": CORE.format(open=OPEN_NEW),
    "drivers/firmware.bin": b"\0\1upstream\0",
    "drivers/newer.c": "int newer;\n",
}

LIST_C = "int dock_list(void)\n{\n\treturn 0;\n}\n"


@dataclass(frozen=True)
class Step:
    """One upstream commit: files set, or removed with None."""

    subject: str
    files: Mapping[str, str | bytes | None]
    role: str = "core"
    picked: bool = True  # a row of the series


ADD_LIST = Step(
    "dock: Add a list",
    {
        "drivers/list.c": LIST_C,
        "drivers/Makefile": "obj-y += core.o\nobj-y += list.o\n\nobj-y += last.o\n",
    },
)
LIMIT = Step(
    "dock: Limit how many can dock",
    {"drivers/core.c": CORE.format(open=OPEN_NEW + "\tdock_limit(dock);\n")},
)
TELL = Step(
    "dock: Tell nothing of yourself",
    {"include/dock.h": "struct dock {\n\tint number;\n\tbool hidden;\n};\n"},
)
STEPS = (ADD_LIST, LIMIT, TELL)

# What carries LIMIT to the target.
RULE = """\
cause = "context drift"

[[rule]]
id = "open-limit"
commits = ["{sha}"]
path = "drivers/core.c"
within = "dock_open"
take = "ours"
then = [{{ find = '(\\tdock_count\\+\\+;\\n)', replace = '\\1\\tdock_limit(dock);\\n' }}]
why = "the target counts without atomics and does not trace"
"""


def encoded(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def hermetic() -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return env | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def git(where: Path, *args: str, stdin: bytes | None = None, check: bool = True) -> str:
    """What git says in a repository or worktree, less the last line feed."""
    argv = ["git", "-C", str(where), *args]
    done = subprocess.run(argv, env=hermetic(), input=stdin, check=False, capture_output=True)
    if check and done.returncode:
        raise AssertionError(f"{argv}: {done.stderr.decode()}")
    return done.stdout.decode("utf-8", "replace").rstrip("\n")


def write_tree(top: Path, files: Files) -> Path:
    for name, data in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(data))
    return top


def make_repo(top: Path, files: Files, steps: Sequence[Step] = ()) -> list[str]:
    """A repository on `main` with a first commit of `files` and one for each step; their ids."""
    top.mkdir(parents=True)
    git(top, "init", "-q", "-b", "main", "--template=")
    out = io.BytesIO()
    first = Step("first", files)
    for number, step in enumerate((first, *steps)):
        who = f"Ada Author <ada@example.org> {1_700_000_000 + number * 100} +0100\n"
        message = f"{step.subject}\n\nBecause.\n\nSigned-off-by: Ada Author <ada@example.org>\n"
        out.write(f"commit refs/heads/main\nauthor {who}committer {who}".encode())
        out.write(b"data %d\n%s" % (len(message.encode()), message.encode()))
        for path, data in step.files.items():
            if data is None:
                out.write(f"D {path}\n".encode())
            else:
                out.write(f"M 100644 inline {path}\n".encode())
                out.write(b"data %d\n%s\n" % (len(encoded(data)), encoded(data)))
    git(top, "fast-import", "--quiet", stdin=out.getvalue())
    git(top, "reset", "-q", "--hard", "main")
    return git(top, "rev-list", "--reverse", "main").splitlines()


def make_tarball(path: Path, files: Files) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"linux-6.1.7/{name}")
            info.size = len(encoded(data))
            tar.addfile(info, io.BytesIO(encoded(data)))
    return path


@dataclass(frozen=True)
class Ran:
    """What one command left: its exit status, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON value that it must be."""
        return json.loads(self.out)


@dataclass
class World:
    """A folder with `data/`, `base/` (a repository), `upstream/` and `cache/`."""

    root: Path
    shas: tuple[str, ...]  # of the series' rows, in order
    upstream_base: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def upstream(self) -> Path:
        return self.root / "upstream"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def store(self) -> Path:
        return self.cache / "store.git"

    @property
    def workspace(self) -> Path:
        return self.cache / "runs" / f"{SERIES}-{TARGET}"

    @property
    def worktree(self) -> Path:
        return self.workspace / "worktree"

    def argv(self, command: str, *more: str, base: Path | str | None = None) -> list[str]:
        """A command on the world's series, target, base and upstream."""
        return [
            command, SERIES, "--target", TARGET, "--base", str(base or self.base),
            "--upstream", f"git:{self.upstream}", *more,
        ]  # fmt: skip

    def run(self, *argv: str) -> Ran:
        """A command in this process, through `main`."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment().items():
                patch.setenv(name, value)
            if isinstance(os.fsync, BuiltinFunctionType):
                patch.setattr(os, "fsync", lambda _: None)  # the disk may take its time
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli.main(list(argv))
        return Ran(code, out.getvalue(), err.getvalue())

    def pick(self, *more: str, base: Path | str | None = None) -> Ran:
        return self.run(*self.argv("pick", *more, base=base))

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        """The installed command, as a process."""
        return subprocess.Popen(
            [str(BACKPORT), *argv],
            env={**hermetic(), **self.environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def environment(self) -> dict[str, str]:
        return {"BACKPORT_DATA": str(self.data), "BACKPORT_CACHE": str(self.cache)} | self.env

    def rules(self, text: str, name: str = "10-all.toml") -> Path:
        """Write a rule file of the series."""
        path = self.data / "patches" / SERIES / "rules" / name
        path.write_text(text)
        return path

    def settle(self) -> None:
        """Write the rule that LIMIT needs."""
        self.rules(RULE.format(sha=self.shas[1][:12]))

    def head(self, repo: Path | None = None, ref: str = BRANCH) -> str:
        """Where the branch is, '' if there is none."""
        return git(repo or self.base, "rev-parse", "--verify", "-q", ref, check=False)

    def record(self) -> dict[str, Any]:
        """The newest run of the workspace."""
        data: dict[str, Any] = json.loads((self.workspace / "latest" / "run.json").read_bytes())
        return data


def series_toml(rows: Sequence[tuple[str, Step]]) -> str:
    parts = ['title = "docking"\nsuites = ["dock"]\n']
    parts.append('[pick]\nroles = ["prerequisite", "core", "fix", "uapi"]\n')
    parts.append('[donor]\nroles = ["libbpf", "bpftool", "selftest"]\nreason = "not here"\n')
    parts += [
        f'[[commit]]\nsha = "{sha}"\nsubject = "{step.subject}"\nfirst_in = "6.6"\n'
        f'role = "{step.role}"\n'
        for sha, step in rows
    ]
    return "\n".join(parts)


def write_data(root: Path, rows: Sequence[tuple[str, Step]]) -> None:
    """A data folder with one series and one target."""
    for name in ("kconfig", "qemu", f"patches/{SERIES}/rules", "patches/targets"):
        (root / name).mkdir(parents=True)
    (root / "patches" / SERIES / "series.toml").write_text(series_toml(rows))
    source = 'version = "6.1"\nfragments = []\n\n[source]\nkind = "repo"\npath = "../../../base"\n'
    (root / "patches" / "targets" / f"{TARGET}.toml").write_text(source)


def make_world(
    root: Path, steps: Sequence[Step] = STEPS, *, base: Files = BASE, upstream: Files = UPSTREAM
) -> World:
    """A world in an empty folder; `settle` it for a series that needs no person."""
    first, *shas = make_repo(root / "upstream", upstream, steps)
    make_repo(root / "base", base)
    rows = [(sha, step) for sha, step in zip(shas, steps, strict=True) if step.picked]
    write_data(root / "data", rows)
    return World(root, tuple(sha for sha, _ in rows), first)


@cache
def template() -> World:
    """A world whose base is imported and whose upstream is read; one for all tests of a process."""
    folder = Path(tempfile.mkdtemp(prefix="backport-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    world = make_world(folder)
    assert world.run(*world.argv("plan")).code == 0
    shutil.rmtree(world.cache / "runs")
    return world


def known_world(root: Path) -> World:
    """A world like any other, but for what was imported into its cache."""
    return copy_world(template(), root)


def copy_world(world: World, root: Path) -> World:
    """The same world in another place."""
    shutil.copytree(world.root, root, symlinks=True, dirs_exist_ok=True)
    return World(root, world.shas, world.upstream_base)


def snapshot(top: Path, *, less: Sequence[str] = ()) -> dict[str, bytes]:
    """Every file below a folder with its bytes, to compare with later; `less` are path prefixes."""
    return {
        name: path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and not (name := str(path.relative_to(top))).startswith(tuple(less))
    }


# -- a world whose kernel can be built

BUILDABLE: Files = {
    "Makefile": fake_kernel.MAKEFILE.replace("find init net", "find init net drivers"),
    "Kconfig": fake_kernel.KCONFIG,
    "refuse": "",
    "scripts/compile": fake_kernel.COMPILE,
    "scripts/olddefconfig": fake_kernel.OLDDEFCONFIG,
    "init/main.c": "int main;\n",
    "net/dev.c": "int dev;\n",
}


def buildable_world(root: Path) -> World:
    """A settled world whose Makefile answers as kbuild does: `build` gives an image."""
    newer = str(BUILDABLE["Makefile"]).replace("PATCHLEVEL = 1", "PATCHLEVEL = 6")
    upstream = {**UPSTREAM, **BUILDABLE, "Makefile": newer}
    world = make_world(root, base={**BASE, **BUILDABLE}, upstream=upstream)
    world.settle()
    (world.data / "kconfig" / "net.config").write_text("CONFIG_NET=y\n")
    target = world.data / "patches" / "targets" / f"{TARGET}.toml"
    target.write_text(target.read_text().replace("fragments = []", 'fragments = ["net"]'))
    return world
