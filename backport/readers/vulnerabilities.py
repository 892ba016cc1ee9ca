"""Readers of vulnerability lists: the kernel CNA's repository, and files in the OSV format.

Of each vulnerability the commits are taken that brought it and that mend it, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backport.values.errors import ManifestError, Place, UsageError

_SHA = re.compile(r"[0-9a-f]{40}")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


@dataclass(frozen=True)
class Vulnerability:
    """An id, and pairs of the commit that brought it ('' unknown) and one that mends it."""

    id: str
    pairs: tuple[tuple[str, str], ...]


# -- the kernel CNA


def read_cna(folder: Path) -> tuple[Vulnerability, ...]:
    """The published ids of a clone of the CNA's list (`cve/published/YYYY/CVE-*`).

    A `.dyad` file pairs commits; where there is none, `.json` does, or `.sha1` names the fix alone.
    """
    published = folder / "cve" / "published"
    if not published.is_dir():
        hint = "name a clone with its worktree, as `git clone` makes it"
        raise UsageError(f"{folder}: no list of the kernel's CNA (no cve/published/)", hint=hint)
    files: dict[str, dict[str, Path]] = {}
    for path in published.glob("*/CVE-*"):
        if _CVE.fullmatch(path.stem):
            files.setdefault(path.stem, {})[path.suffix] = path
    return tuple(Vulnerability(name, tuple(_pairs(forms))) for name, forms in sorted(files.items()))


def _pairs(forms: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    if ".dyad" in forms:
        for line in forms[".dyad"].read_text("utf-8", "replace").splitlines():
            fields = line.split("#")[0].strip().split(":")
            if len(fields) == 4 and _SHA.fullmatch(fields[3]):
                yield _known(fields[1]), fields[3]
    elif ".json" in forms:
        yield from _json_pairs(forms[".json"])
    elif ".sha1" in forms:
        for word in forms[".sha1"].read_text("utf-8", "replace").split():
            if _SHA.fullmatch(word):
                yield "", word


def _json_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """The git ranges of a CVE record."""
    data = _loaded(path)
    try:
        affected = data["containers"]["cna"].get("affected", [])
        versions = [v for item in affected for v in item.get("versions", [])]
        for one in versions:
            if one.get("versionType") == "git" and _SHA.fullmatch(str(one.get("lessThan", ""))):
                yield _known(str(one.get("version", ""))), one["lessThan"]
    except (AttributeError, KeyError, TypeError) as err:
        raise ManifestError(Place(str(path)), f"is no CVE record (at {err})") from err


# -- OSV


def read_osv(path: Path) -> tuple[Vulnerability, ...]:
    """The entries of a file in the OSV format: one, a list, or `{"vulns": [...]}`."""
    data = _loaded(path)
    rows = data.get("vulns", [data]) if isinstance(data, dict) else data
    if not isinstance(rows, list):
        raise _not_osv(path, "vulns", "must be a list")
    return tuple(_osv_entry(path, row, f"[{number}]") for number, row in enumerate(rows))


def _osv_entry(path: Path, row: object, at: str) -> Vulnerability:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise _not_osv(path, f"{at}.id", "is missing")
    affected = row.get("affected", [])
    if not isinstance(affected, list):
        raise _not_osv(path, f"{at}.affected", "must be a list")
    try:
        ranges = [r for item in affected for r in item.get("ranges", []) if r.get("type") == "GIT"]
        pairs = tuple(pair for one in ranges for pair in _events(one["events"]))
    except (AttributeError, KeyError, TypeError) as err:
        raise _not_osv(path, f"{at}.affected", f"has ranges that cannot be read ({err})") from err
    aliases = row.get("aliases") or []
    cve = next((name for name in aliases if _CVE.fullmatch(str(name))), row["id"])
    return Vulnerability(str(cve), pairs)


def _events(events: list[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """Every fix of a range with every commit that brought what it mends."""
    brought = [_known(e["introduced"]) for e in events if "introduced" in e] or [""]
    for event in events:
        if _SHA.fullmatch(event.get("fixed", "")):
            yield from ((sha, event["fixed"]) for sha in brought)


def _not_osv(path: Path, key: str, message: str) -> ManifestError:
    hint = "give a file in the OSV format: https://ossf.github.io/osv-schema/"
    return ManifestError(Place(str(path), 0, key), message, hint=hint)


def _known(sha: str) -> str:
    """An id, '' for the `0` that both formats write where nobody knows."""
    return sha if _SHA.fullmatch(sha) else ""


def _loaded(path: Path) -> Any:  # noqa: ANN401 (JSON's values)
    try:
        return json.loads(path.read_bytes())
    except OSError as err:
        raise ManifestError(Place(str(path)), f"cannot be read ({err.strerror})") from err
    except (json.JSONDecodeError, UnicodeDecodeError) as err:
        line = getattr(err, "lineno", 0)
        raise ManifestError(Place(str(path), line), f"is not JSON: {err}") from err
