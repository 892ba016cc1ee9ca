"""Readers of the data files: a series, a target, and where they all live."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from backport.readers.tomlfile import Table, load
from backport.values.errors import ManifestError, UsageError
from backport.values.series import (
    LeftOut,
    Role,
    Series,
    SeriesCommit,
    Variant,
    check,
    check_unique,
    resolve_fixes,
)
from backport.values.target import (
    ControlKernel,
    DebianSource,
    DirectorySource,
    Flavour,
    GitSource,
    LocalRepoSource,
    SourceSpec,
    TarballSource,
    Target,
)

_SHA = re.compile(r"[0-9a-f]{40}")
_ABBREVIATED = re.compile(r"[0-9a-f]{12,40}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
CONTROL_NAMES = ("base", "donor")


def find_data_root() -> Path:
    """The folder that holds patches/, kconfig/ and qemu/: `$BACKPORT_DATA`, else the checkout."""
    named = os.environ.get("BACKPORT_DATA")
    root = Path(named).absolute() if named else Path(__file__).resolve().parents[2]
    missing = [name for name in ("patches", "kconfig", "qemu") if not (root / name).is_dir()]
    if missing:
        raise UsageError(
            f"{root}: no data folder of backport (lacks {', '.join(missing)})",
            hint="set BACKPORT_DATA to a checkout, or install it with `pip install -e`",
        )
    return root


def series_path(root: Path, name: str) -> Path:
    """The manifest of a series by name; an unknown name is a `UsageError` that lists the known."""
    known = [p.parent.name for p in root.glob("patches/*/series.toml")]
    _known_name("series", name, known)
    return root / "patches" / name / "series.toml"


def target_path(root: Path, name: str) -> Path:
    """The manifest of a target by name; an unknown name is a `UsageError` that lists the known."""
    known = [p.stem for p in root.glob("patches/targets/*.toml")]
    _known_name("target", name, known)
    return root / "patches" / "targets" / f"{name}.toml"


def _known_name(kind: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    raise UsageError(f"{name}: no such {kind}", hint=hint)


# -- series


def read_series(path: Path) -> Series:
    """Read `patches/<name>/series.toml`; the series is called as its folder is."""
    root = load(path)
    pick, donor = root.table("pick"), root.table("donor")
    left_out = tuple(_left_out(row) for row in root.tables("left_out"))
    commits = tuple(_commit(row) for row in root.tables("commit", required=True))
    check_unique([*commits, *left_out])
    series = Series(
        name=path.resolve().parent.name,
        title=root.string("title"),
        suites=root.strings("suites"),
        pick=pick.choices("roles", Role),
        donor=donor.choices("roles", Role),
        donor_reason=donor.string("reason"),
        commits=tuple(
            replace(c, fixes=tuple(resolve_fixes(commits, left_out, c))) for c in commits
        ),
        left_out=left_out,
        variants=tuple(_variant(row) for row in root.tables("variant")),
        checks=root.strings("checks", ()),
    )
    root.done()
    check(series)
    return series


def _commit(row: Table) -> SeriesCommit:
    return SeriesCommit(
        sha=_sha(row),
        subject=_subject(row),
        first_in=row.version("first_in"),
        role=row.choice("role", Role),
        fixes=_abbreviations(row, "fixes"),
        fixes_outside=_abbreviations(row, "fixes_outside"),
        place=row.place("sha"),
    )


def _left_out(row: Table) -> LeftOut:
    return LeftOut(_sha(row), _subject(row), row.string("reason"), row.place("sha"))


def _variant(row: Table) -> Variant:
    fragments = _fragments(row)
    if not fragments:
        raise row.error("fragments", "is empty", hint="name what differs: a file of kconfig/")
    return Variant(row.string("name"), fragments, row.string("why"))


def _sha(row: Table) -> str:
    text = row.string("sha")
    if not _SHA.fullmatch(text):
        hint = "`git rev-parse <commit>` in an upstream clone gives it"
        raise row.error("sha", f"{text!r} is not a full SHA (40 lower-case hex digits)", hint=hint)
    return text


def _subject(row: Table) -> str:
    text = row.string("subject")
    if text != text.strip() or "\n" in text:
        hint = "copy it as `git log -1 --format=%s <commit>` prints it"
        raise row.error("subject", "has white space around it or a line break in it", hint=hint)
    return text


def _abbreviations(row: Table, key: str) -> tuple[str, ...]:
    texts = row.strings(key, ())
    for i, text in enumerate(texts):
        if not _ABBREVIATED.fullmatch(text):
            hint = "give the full SHA"
            message = f"{text!r} is not a SHA of 12 to 40 lower-case hex digits"
            raise row.error(key, message, hint=hint, index=i)
    return texts


# -- target


def read_target(path: Path) -> Target:
    """Read `patches/targets/<name>.toml`; the target is called as its file is."""
    root = load(path)
    target = Target(
        name=path.stem,
        version=root.version("version"),
        arch=root.string("arch", "x86_64"),
        source=_source(root.table("source"), path.resolve().parent),
        fragments=_fragments(root),
        make_variables=root.string_map("make"),
        controls=tuple(_control(row) for row in root.tables("control")),
    )
    root.done()
    _check_controls(root, target)
    return target


def _fragments(root: Table) -> tuple[str, ...]:
    names = root.strings("fragments")
    for i, name in enumerate(names):
        if not _NAME.fullmatch(name) or name.endswith(".config"):
            hint = "a bare name: `net` means kconfig/net.config"
            raise root.error("fragments", f"{name!r} is not a fragment", hint=hint, index=i)
    return names


def _control(row: Table) -> ControlKernel:
    return ControlKernel(
        name=row.string("name"),
        package=row.string("package"),
        suites=row.strings("suites"),
        modules=row.strings("modules", ()),
    )


def _check_controls(root: Table, target: Target) -> None:
    names = [c.name for c in target.controls]
    for row, name in zip(root.tables("control"), names, strict=True):
        if name not in CONTROL_NAMES:
            raise row.error("name", f"{name!r} is not known", hint="`base` or `donor`")
        if names.count(name) > 1:
            raise row.error("name", f"{name!r} is there twice", hint="keep one row for each")


def _source(row: Table, here: Path) -> SourceSpec:
    kind = row.string("kind")
    if kind not in _SOURCES:
        raise row.error("kind", f"{kind!r} is not known", hint=f"one of: {', '.join(_SOURCES)}")
    return _SOURCES[kind](row, here)


def _debian(row: Table, _here: Path) -> SourceSpec:
    suites = row.strings("suites")
    if not suites:
        raise row.error("suites", "is empty", hint='name a suite, e.g. ["bookworm"]')
    return DebianSource(row.string("package"), suites)


def _git(row: Table, _here: Path) -> SourceSpec:
    return GitSource(row.string("url"), row.string("ref"))


def _repo(row: Table, here: Path) -> SourceSpec:
    return LocalRepoSource(here / row.string("path"), row.string("rev", "HEAD"))


def _directory(row: Table, here: Path) -> SourceSpec:
    return DirectorySource(here / row.string("path"))


def _tarball(row: Table, here: Path) -> SourceSpec:
    digest = row.string("sha256", "")
    if digest and not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise _bad_digest(row, digest)
    return TarballSource(here / row.string("path"), digest)


def _bad_digest(row: Table, digest: str) -> ManifestError:
    message = f"{digest!r} is not a SHA-256 (64 lower-case hex digits)"
    return row.error("sha256", message, hint="`sha256sum <tarball>` prints it")


# Relative paths are taken from the folder of the target's file.
_SOURCES: Mapping[str, Callable[[Table, Path], SourceSpec]] = {
    "debian": _debian,
    "git": _git,
    "repo": _repo,
    "directory": _directory,
    "tarball": _tarball,
}


# -- flavours


def fragment_files(root: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Where the fragments of these names are."""
    return tuple(root / "kconfig" / f"{name}.config" for name in names)


def read_flavour(root: Path, name: str) -> Flavour:
    """The row of kconfig/flavours.toml; an unknown name is a `UsageError` that lists the known."""
    table = load(root / "kconfig" / "flavours.toml")
    known = {flavour.name: flavour for flavour in map(_flavour, table.tables("flavour"))}
    table.done()
    _known_name("flavour", name, [*known])
    return known[name]


def _flavour(row: Table) -> Flavour:
    values = {key: row.integer(key) for key in ("memory", "patience")}
    for key, value in values.items():
        if value < 1:
            raise row.error(key, f"{value} is not enough for a guest", hint="1 or more")
    return Flavour(row.string("name"), _fragments(row), **values)
