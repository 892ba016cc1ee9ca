"""A series that others wrote, from an mbox, a folder of patches, a maildir or a quilt series.

Nothing is applied and no git is asked: what a patch says of itself is read, in whichever dialect,
and what must not be there is refused with file and line.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backport.readers.patchfile import PatchFile, paths_in, read_patch, split_mbox
from backport.values.dialects import Dialect, recognised
from backport.values.dialects.stable import STABLE
from backport.values.errors import ManifestError, Place, UsageError
from backport.values.provenance import Finding, Provenance

SUFFIXES = (".patch", ".diff", ".eml", ".mail", ".mbox")
SERIES = "series"
# Where a folder keeps its quilt series: itself, the source that quilt patches, a Debian package.
_HOMES = ("", "patches", "debian/patches")
_STRIP = re.compile(r"-p(\d|ab)$")


@dataclass(frozen=True)
class Incoming:
    """One patch of a series; `dialect` is empty where it says nothing of where it comes from."""

    file: str
    line: int
    dialect: str
    provenance: Provenance
    paths: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Listed:
    """A file to read; `strip` is how many folders its names have in front."""

    path: Path
    strip: int
    place: Place


def read_series_at(path: Path, words: Dialect | None = None) -> tuple[Incoming, ...]:
    """The patches of a series in order; mails without a diff (a cover letter) are passed over.

    `words` is the dialect that they are written in, else each is asked. Raises `ManifestError` at
    a path outside the tree, a patch that is there twice, or a file that is neither patch nor mbox;
    `UsageError` if there is nothing to read.
    """
    found: list[Incoming] = []
    marks: dict[str, Incoming] = {}
    for listed in _listed(path):
        for patch in _patches(listed):
            one = _read(patch, listed.strip, words)
            _demand_once(marks, one, patch.diff)
            found.append(one)
    if not found:
        raise UsageError(f"{path}: has no patches in it", hint=_hint())
    return tuple(found)


def _hint() -> str:
    return f"give an mbox, a quilt series, or a folder with {', '.join('*' + s for s in SUFFIXES)}"


# -- which files


def _listed(path: Path) -> list[_Listed]:
    if path.is_file():
        return _quilt(path) if path.name == SERIES else [_Listed(path, 1, Place(str(path)))]
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder", hint=_hint())
    for home in _HOMES:
        if (path / home / SERIES).is_file():
            return _quilt(path / home / SERIES)
    folders = [path / "cur", path / "new"] if (path / "cur").is_dir() else [path]
    files = sorted(p for folder in folders for p in folder.iterdir() if p.is_file())
    fits = files if len(folders) > 1 else [p for p in files if p.suffix in SUFFIXES]
    return [_Listed(p, 1, Place(str(p))) for p in fits]


def _quilt(series: Path) -> list[_Listed]:
    """The files that a quilt series names; each must be there, below the series' own folder."""
    found: dict[str, _Listed] = {}
    text = series.read_text("utf-8", "surrogateescape")
    for number, line in enumerate(text.split("\n"), 1):
        place = Place(str(series), number)
        words = _words(line, place)
        if not words:
            continue
        name, strip = words[0], _strip_of(words[1:], place)
        if name in found:
            first = found[name].place.line
            hint = "name each patch once"
            raise ManifestError(place, f"{name} is at line {first} already", hint=hint)
        inside = not name.startswith("/") and ".." not in name.split("/")
        if not inside or not (series.parent / name).is_file():
            why = "is not there" if inside else "is not below the folder of the series"
            raise ManifestError(place, f"{name} {why}", hint="correct the name, or take it out")
        found[name] = _Listed(series.parent / name, strip, place)
    return list(found.values())


def _words(line: str, place: Place) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as err:
        raise ManifestError(place, f"cannot be read ({err})", hint="mend its quotes") from err


def _strip_of(options: Sequence[str], place: Place) -> int:
    levels = [hit[1] for hit in map(_STRIP.match, options) if hit]
    if len(levels) != len(options):
        text = f"{' '.join(options)}: is no option of a series that is read"
        raise ManifestError(place, text, hint="-p0 and -p1 are; reverse patches are not")
    return int(levels[-1]) if levels and levels[-1] != "ab" else 1


# -- what is in them


def _patches(listed: _Listed) -> Iterator[PatchFile]:
    """The patches of a file; `ManifestError` if it is neither a patch nor an mbox."""
    name = str(listed.path)
    data = listed.path.read_bytes()
    if not data.strip():
        return
    messages = split_mbox(data)
    is_mbox = data.startswith(b"From ")
    for line, message in messages:
        if not is_mbox and (line > 1 or len(messages) > 1):
            hint = "save it with the line `From ...` that each message of an mbox begins with"
            raise ManifestError(Place(name, 1), "begins like no mbox, and holds mails", hint=hint)
        patch = read_patch(message, name, listed.path.name, line)
        if patch.diff:
            yield patch
        elif not patch.letter.get("From") or b"\0" in message:
            hint = "make it with git format-patch, or save whole mails with their headers"
            raise ManifestError(patch.place(), "is neither a patch nor a mail", hint=hint)


def _read(patch: PatchFile, strip: int, words: Dialect | None) -> Incoming:
    paths = paths_in(patch, strip)
    letter = patch.letter
    row = words or recognised(letter)
    if row is not None:
        said, found = row.parse(letter), tuple(row.lint(letter))
        return Incoming(patch.file, patch.line, row.name, said, paths, found)
    said = STABLE.parse(letter)
    text = "does not say where it comes from"
    if letter.commit:  # of `git format-patch`: upstream's, if it was run there
        said = replace(said, upstream=(letter.commit,))
        text = "names a commit in its first line only, which any repository may have written"
    fix = "name the upstream commit, in the words of the tree that it is for"
    return Incoming(patch.file, patch.line, "", said, paths, (Finding(patch.line, text, fix),))


def _demand_once(marks: dict[str, Incoming], one: Incoming, diff: str) -> None:
    """Refuse an upstream commit, or a change, that an earlier patch of the series has."""
    lines = [line for line in diff.split("\n") if line[:1] in {"+", "-"}]
    change = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    keys = {f"upstream commit {sha}": sha[:12] for sha in one.provenance.upstream}
    keys["the same change"] = change
    for what, key in keys.items():
        if key in marks:
            first = marks[key]
            raise ManifestError(
                Place(one.file, one.line),
                f"carries {what}, as does {first.file}:{first.line}",
                hint="keep one of the two",
            )
        marks[key] = one
