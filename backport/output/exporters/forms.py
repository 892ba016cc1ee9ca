"""Forms of a series in files, each with the tool that applies it; its verdict is the proof."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from backport.doors import process
from backport.doors.git import Git
from backport.output.exporters.bench import Bench, bench, demand_tree
from backport.output.exporters.cargo import Cargo
from backport.output.exporters.files import (
    COVER,
    PatchText,
    cover_text,
    demand_text,
    patch_files,
)
from backport.output.exporters.folder import replace_folder
from backport.output.exporters.patches import (
    LETTER,
    MARK,
    am_options,
    apply_mails,
    borrower,
    is_series,
    verify_patches,
)

QUILT_DIR = "patches"
DEBIAN_DIR = "debian/patches"
RPM_PATCHES, RPM_PREP = "patches.inc", "prep.inc"
FIRST_RPM = 1001  # a kernel's spec has few patches of its own
_OURS = {COVER, "series", RPM_PATCHES, RPM_PREP}
_SUFFIXES = (".patch", ".mbox", ".bundle")


@contextlib.contextmanager
def folder_of(cargo: Cargo, dest: Path, command: str) -> Iterator[tuple[Path, Git]]:
    """A folder to fill that replaces an earlier export, with the letter in it, and a clean git."""
    with replace_folder(dest, _is_ours) as folder, borrower(cargo.git) as clean:
        (folder / COVER).write_bytes(cover_text(clean, cargo, command))
        yield folder, clean


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds nothing but what we wrote: the letter says so."""
    files = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    ours = all(p.is_file() and (p.name in _OURS or p.suffix in _SUFFIXES) for p in files)
    letter = folder / COVER
    return ours and letter.is_file() and MARK in letter.read_bytes().partition(b"\n\n")[0]


def _names(dest: Path) -> tuple[str, ...]:
    return tuple(sorted(p.relative_to(dest).as_posix() for p in dest.rglob("*") if p.is_file()))


def _write_all(folder: Path, patches: Sequence[PatchText]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for patch in patches:
        (folder / patch.name).write_bytes(patch.data)


def _write_series(cargo: Cargo, dest: Path, form: str, home: str, command: str) -> tuple[str, ...]:
    """Patches below `home`, and the `series` that names them; the names of all files."""
    demand_text(cargo, form)
    with folder_of(cargo, dest, command) as (folder, clean):
        patches = patch_files(clean, cargo)
        _write_all(folder / home, patches)
        (folder / home / "series").write_text("".join(f"{patch.name}\n" for patch in patches))
    return _names(dest)


# -- git am


def write_patches(cargo: Cargo, dest: Path) -> tuple[str, ...]:
    """One mail a commit and the letter before them, as `git format-patch` has it."""
    with replace_folder(dest, is_series) as folder, borrower(cargo.git) as clean:
        patches = patch_files(clean, cargo)
        _write_all(folder, patches)
        options = am_options([folder / patch.name for patch in patches])
        command = " ".join(["git am --empty=drop", *options, "*.patch"])
        (folder / LETTER).write_bytes(cover_text(clean, cargo, command))
    return (LETTER, *(patch.name for patch in patches))


def prove_patches(cargo: Cargo, dest: Path) -> str:
    """Apply the mails of a folder by `git am`."""
    return verify_patches(cargo.git, cargo.base, dest, cargo.tree)


def write_mbox(cargo: Cargo, dest: Path) -> tuple[str, ...]:
    """All mails in one file, without the letter: `git am FILE` takes it as it is."""
    start = b"From " + b"0" * 40 + b" Mon Sep 17 00:00:00 2001\n"
    name = f"{cargo.name}.mbox"
    with folder_of(cargo, dest, f"git am {name}") as (folder, clean):
        texts = [patch.data for patch in patch_files(clean, cargo)]
        mails = [text if text.startswith(b"From ") else start + text for text in texts]
        (folder / name).write_bytes(b"".join(mails))
        if options := am_options([folder / name]):
            command = " ".join(["git am", *options, name])
            (folder / COVER).write_bytes(cover_text(clean, cargo, command))
    return _names(dest)


def prove_mbox(cargo: Cargo, dest: Path) -> str:
    """Apply the mbox by `git am`."""
    with borrower(cargo.git) as scratch:
        tree = apply_mails(scratch, cargo.base, [dest / f"{cargo.name}.mbox"])
        return demand_tree(scratch, cargo, dest, tree)


# -- quilt


def write_quilt(cargo: Cargo, dest: Path) -> tuple[str, ...]:
    """`patches/series` and its patches."""
    command = f"QUILT_PATCHES={QUILT_DIR} quilt push -a, with this folder's copied to the tree"
    return _write_series(cargo, dest, "quilt", QUILT_DIR, command)


def prove_quilt(cargo: Cargo, dest: Path) -> str:
    """`quilt push -a`, without fuzz."""
    process.require([("quilt", "quilt"), ("patch", "patch")])
    env = {"QUILT_PATCHES": str((dest / QUILT_DIR).absolute())}
    with bench(cargo) as place:
        argv = ("quilt", "--quiltrc", "-", "push", "-a", "--fuzz=0")
        done = process.run(argv, cwd=place.tree, env=env, check=False)
        return place.judge(dest, done, (".pc",))


# -- Debian


def write_debian(cargo: Cargo, dest: Path) -> tuple[str, ...]:
    """`debian/patches/series` and its patches, for a source package of format 3.0 (quilt)."""
    command = f"dpkg-source --before-build ., with {DEBIAN_DIR} copied to the source package"
    return _write_series(cargo, dest, "debian", DEBIAN_DIR, command)


def prove_debian(cargo: Cargo, dest: Path) -> str:
    """`dpkg-source -x` of a source package with these patches, without fuzz.

    Before a build it would pass over a first patch that does not apply, as if it were applied.
    """
    process.require([("dpkg-source", "dpkg-dev"), ("patch", "patch")])
    with bench(cargo) as place:
        with tarfile.open(place.folder / "bench_1.orig.tar.gz", "w:gz", compresslevel=1) as tar:
            tar.add(place.tree, "tree")
        _debianize(place.tree, dest / DEBIAN_DIR)
        env = {"HOME": str(place.folder)}
        pack = ("dpkg-source", "-Zgzip", "-z1", "-b", "tree")
        done = process.run(pack, cwd=place.folder, env=env, check=False)
        if not done.returncode:
            unpack = ("dpkg-source", "-x", "bench_1-1.dsc", "out")
            done = process.run(unpack, cwd=place.folder, env=env, check=False)
        unpacked = Bench(place.folder, place.folder / "out", place.scratch, cargo)
        return unpacked.judge(dest, done, (".pc", "debian"))


def _debianize(tree: Path, patches: Path) -> None:
    """The least that makes a folder a source package."""
    debian = tree / "debian"
    (debian / "source").mkdir(parents=True)
    (debian / "source/format").write_text("3.0 (quilt)\n")
    (debian / "control").write_text(_CONTROL)
    (debian / "changelog").write_text(_CHANGELOG)
    shutil.copytree(patches, debian / "patches")


_CONTROL = """\
Source: bench
Maintainer: bench <bench@localhost>
Standards-Version: 4.6.2

Package: bench
Architecture: all
Description: proof
"""
_CHANGELOG = """\
bench (1-1) unstable; urgency=low

  * Proof.

 -- bench <bench@localhost>  Thu, 01 Jan 1970 00:00:00 +0000
"""


# -- RPM


def write_rpm(cargo: Cargo, dest: Path) -> tuple[str, ...]:
    """Patches with two parts of a spec file: their tags, and the lines that apply them."""
    demand_text(cargo, "rpm")
    command = f"rpmbuild -bp, with %include of {RPM_PATCHES} and, in %prep, {RPM_PREP}"
    with folder_of(cargo, dest, command) as (folder, clean):
        patches = patch_files(clean, cargo)
        _write_all(folder, patches)
        numbers = range(FIRST_RPM, FIRST_RPM + len(patches))
        tags = [f"Patch{n}: {patch.name}\n" for n, patch in zip(numbers, patches, strict=True)]
        hint = f"# {cargo.cover.series}: behind the spec's own patches; copy all into SOURCES.\n"
        (folder / RPM_PATCHES).write_text(hint + "".join(tags))
        # This form is understood by every rpm; `%patchN` is gone since 4.20.
        prep = [f"%patch -P {n} -p1\n" for n in numbers]
        (folder / RPM_PREP).write_text(f"# {cargo.cover.series}: in %prep\n" + "".join(prep))
    return _names(dest)


_SPEC = f"""\
Name: bench
Version: 1
Release: 1
Summary: Proof
License: GPL-2.0-only
Source0: bench.tar
%include %{{_sourcedir}}/{RPM_PATCHES}
%description
Proof.
%prep
%setup -q -n tree
%include %{{_sourcedir}}/{RPM_PREP}
"""


def prove_rpm(cargo: Cargo, dest: Path) -> str:
    """`rpmbuild -bp` of a spec file that includes both parts, without fuzz."""
    process.require([("rpmbuild", "rpm"), ("patch", "patch")])
    with bench(cargo) as place:
        sources = place.folder / "SOURCES"
        sources.mkdir()
        for path in dest.iterdir():
            (sources / path.name).write_bytes(path.read_bytes())
        with tarfile.open(sources / "bench.tar", "w") as tar:
            tar.add(place.tree, "tree")
        spec = place.folder / "bench.spec"
        spec.write_text(_SPEC)
        defines = (f"_topdir {place.folder}", "_default_patch_fuzz 0")
        options = [part for text in defines for part in ("--define", text)]
        argv = ("rpmbuild", "-bp", "--nodeps", *options, str(spec))
        done = process.run(argv, env={"HOME": str(place.folder)}, check=False)
        built = place.folder / "BUILD" / "tree"
        there = Bench(place.folder, built, place.scratch, cargo)
        return there.judge(dest, done)
