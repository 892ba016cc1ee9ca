"""Small kernel-like trees, tarballs and repositories for the tests of sources."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

from backport.readers.intake import PROGRAM, SYMLINK, SourceFile
from backport.values.target import Tree

MAKEFILE = b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\nEXTRAVERSION =\nNAME = Small\n"

KERNEL = (
    SourceFile("Makefile", "100644", MAKEFILE),
    SourceFile("Kconfig", "100644", b"config TINY\n\tbool\n"),
    SourceFile(".gitignore", "100644", b"*.o\n"),
    SourceFile("net/core/dev.c", "100644", b"int dev;\n"),
    SourceFile("net/core/left.o", "100644", b"\0ignored, but part of the tree"),
    SourceFile("scripts/run.sh", PROGRAM, b"#!/bin/sh\n"),
    SourceFile("include/link.h", SYMLINK, b".././net//core/dev.c"),  # kept as it is written
)


def write_tree(top: Path, files: tuple[SourceFile, ...] = KERNEL) -> Path:
    for file in files:
        path = top / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.mode == SYMLINK:
            os.symlink(file.data, path)  # noqa: PTH211 - Path would rewrite `./a`
        else:
            path.write_bytes(file.data)
            path.chmod(0o755 if file.mode == PROGRAM else 0o644)
    return top


def member(file: SourceFile, top: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(top + file.path)
    info.mode = 0o755 if file.mode == PROGRAM else 0o644
    if file.mode == SYMLINK:
        info.type, info.linkname = tarfile.SYMTYPE, os.fsdecode(file.data)
    elif file.same_as:
        info.type, info.linkname = tarfile.LNKTYPE, top + file.same_as
    else:
        info.size = len(file.data)
    return info


def tar_bytes(
    files: tuple[SourceFile, ...] = KERNEL,
    *,
    top: str = "linux-6.1.7/",
    extra: tuple[tarfile.TarInfo, ...] = (),
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        if top:
            directory = tarfile.TarInfo(top.rstrip("/"))
            directory.type, directory.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(directory)
        for file in files:
            tar.addfile(member(file, top), io.BytesIO(file.data))
        for info in extra:
            tar.addfile(info)
    return out.getvalue()


def git(cwd: Path, *args: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_NAME": "A U Thor" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "author@localhost" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_DATE": "1700000000 +0100" for who in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(
        ["git", *args], cwd=cwd, env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repo(top: Path, files: tuple[SourceFile, ...] = KERNEL) -> Path:
    """A repository with two commits on `main` and an annotated tag on the first."""
    write_tree(top, files)
    git(top, "init", "-q", "-b", "main")
    git(top, "add", "-A", "-f")
    git(top, "commit", "-q", "-m", "first")
    git(top, "tag", "-a", "-m", "tag", "v6.1.7")
    (top / "net/core/dev.c").write_text("int dev = 2;\n")
    git(top, "commit", "-q", "-a", "-m", "second")
    return top


def tree_by_git(top: Path) -> str:
    """The tree id that git itself gives a directory."""
    git(top, "init", "-q")
    git(top, "add", "-A", "-f")
    return git(top, "write-tree")


def same_tree(one: Tree, other: Tree) -> bool:
    return (one.tree, one.version) == (other.tree, other.version)
