"""Packages of Debian's archive: resolved by name, downloaded by hash, unpacked, never installed."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backport.doors import files, process
from backport.doors.cache import Cache
from backport.sources import apt
from backport.sources.records import FRESH_SECONDS, Records
from backport.values.errors import BackportError, Unavailable, UsageError
from backport.values.events import Emit, Note, Progress, silent

STAGE = "download"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_IMAGE = re.compile(r"^(linux-image-\d\S*) \(= (\S+)\)$")
_MAX_FOLLOWED = 3  # meta package of a flavour, of a version, the image


@dataclass(frozen=True)
class Package:
    """One version of a package as indexed; `size` in bytes, `filename` below the mirror."""

    name: str
    version: str
    sha256: str
    size: int
    filename: str
    suite: str
    depends: str = ""


class Archive:
    """Debian's archive as the cache knows it; safe to use from several processes at once."""

    def __init__(self, cache: Cache) -> None:
        self._home = cache.archive
        self._records = Records(cache.archive / "resolved.json")
        self._updated: set[str] = set()  # suites that this object has refreshed

    def resolve(
        self,
        package: str,
        suites: tuple[str, ...],
        *,
        refresh: bool = False,
        emit: Emit = silent,
    ) -> Package:
        """The newest version of a package in any of the suites.

        A recorded answer serves for a day without touching the network, and longer when the
        network is gone (with a note). `refresh` asks again. Raises `UsageError` for a name that
        no suite has, `Unavailable` when nothing can be asked.
        """
        return self._recorded(package, "", suites, refresh, emit)

    def follow(self, package: Package, *, refresh: bool = False, emit: Emit = silent) -> Package:
        """The kernel image that a meta package stands for; an image stands for itself."""
        here = package
        for _ in range(_MAX_FOLLOWED):
            found = [m for part in here.depends.split(",") if (m := _IMAGE.match(part.strip()))]
            if not found:
                break
            name, version = found[0].groups()
            here = self._recorded(name, version, (here.suite,), refresh, emit)
        return here

    def resolve_image(
        self, meta: str, suites: tuple[str, ...], *, refresh: bool = False, emit: Emit = silent
    ) -> Package:
        """The kernel image behind a name, which may be a meta package's."""
        package = self.resolve(meta, suites, refresh=refresh, emit=emit)
        return self.follow(package, refresh=refresh, emit=emit)

    def download(self, package: Package, emit: Emit = silent) -> Path:
        """The package's `.deb`, verified; a second call costs nothing, a cut-off one goes on.

        Raises `apt.Untrusted` for wrong contents (they are removed), `apt.Gone` when the archive
        dropped that version, `Unavailable` for everything that keeps us from it.
        """
        home = self._home / "debs" / package.sha256
        final = home / Path(package.filename).name
        if final.is_file():
            return final
        with files.locked(home / "lock"):
            if not final.is_file():
                self._fetch(package, home / "part", emit)
                (home / "part").replace(final)
        return final

    def get(
        self,
        name: str,
        suites: tuple[str, ...],
        *,
        refresh: bool = False,
        emit: Emit = silent,
    ) -> tuple[Package, Path]:
        """Resolve and download; an image's meta package is followed.

        A recorded version that the archive has dropped since is looked up once more.
        """
        package = self.resolve_image(name, suites, refresh=refresh, emit=emit)
        try:
            return package, self.download(package, emit)
        except apt.Gone:
            if refresh:
                raise
        return self.get(name, suites, refresh=True, emit=emit)

    def extract(self, deb: Path, dest: Path) -> None:
        """Unpack a `.deb` to `dest`, which is there only when it is whole; nothing is run."""
        process.require(apt.TOOLS)
        with files.locked(dest.with_name(f"{dest.name}.lock")):
            if dest.is_dir():
                return
            dest.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=f".{dest.name}.", dir=dest.parent))
            try:
                process.run(["dpkg-deb", "-x", deb, part])
                part.chmod(0o755)
                part.replace(dest)
            except process.ProcessFailed as err:
                raise _bad_deb(deb, err) from err
            finally:
                shutil.rmtree(part, ignore_errors=True)

    def _fetch(self, package: Package, part: Path, emit: Emit) -> None:
        uri = f"{apt.mirrors().of(package.suite)}/{package.filename}"

        def tick() -> None:
            done = files.size(part)
            emit(Progress(STAGE, min(done, package.size), package.size, "bytes"))

        try:
            apt.fetch(self._home / "fetch", uri, package.sha256, part, tick)
            tick()
            _verify(package, part)
        except apt.Untrusted:
            for path in (part, part.with_name("part.FAILED")):
                path.unlink(missing_ok=True)
            raise

    def _recorded(
        self, name: str, version: str, suites: tuple[str, ...], refresh: bool, emit: Emit
    ) -> Package:
        key = f"{name}{version and f'={version}'}@{','.join(suites)}"
        known = self._records.get(key)
        package = _restored(known.value) if known else None
        if known and package and known.fresh and not refresh:
            return package
        try:
            found = self._look_up(name, version, suites, refresh)
        except (apt.Untrusted, apt.Gone):
            raise
        except Unavailable as err:
            if not known or not package:
                raise
            text = f"{err.message.splitlines()[0]}; using {name} {package.version}"
            emit(Note("resolve", f"{text}, looked up {known.age} ago"))
            return package
        self._records.put(key, dataclasses.asdict(found))
        return found

    def _look_up(self, name: str, version: str, suites: tuple[str, ...], refresh: bool) -> Package:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is not the name of a package")
        found = [p for suite in suites for p in self._offers(name, suite, refresh)]
        found = [p for p in found if version in ("", p.version)]
        if not found:
            wanted = f"{name} {version}".strip()
            raise UsageError(
                f"no package {wanted} in {', '.join(suites)} of Debian's archive",
                hint="check the package and the suites of the target's file",
            )
        return newest(found)

    def _offers(self, name: str, suite: str, refresh: bool) -> list[Package]:
        index = apt.Suite(self._home / "apt", suite)
        now = refresh and suite not in self._updated
        index.update(lambda updated: now or not _fresh(updated))
        self._updated.add(suite)
        return [_package(fields, suite) for fields in index.packages(name)]


def newest(packages: list[Package]) -> Package:
    """The one with the highest version by Debian's order; the first of equals."""
    best = packages[0]
    for other in packages[1:]:
        argv = ["dpkg", "--compare-versions", other.version, "gt", best.version]
        if process.run(argv, check=False).returncode == 0:
            best = other
    return best


def _verify(package: Package, part: Path) -> None:
    if part.is_symlink():  # apt links to what a file: mirror has
        real = part.resolve()
        part.unlink()
        shutil.copyfile(real, part)
    with part.open("rb") as data:
        found = hashlib.file_digest(data, "sha256").hexdigest()
    if found != package.sha256:
        raise apt.Untrusted(
            f"{package.filename}: sha256 is {found}, the archive's index says {package.sha256}",
            hint="it was removed; run the same command again",
        )


def _bad_deb(deb: Path, err: process.ProcessFailed) -> BackportError:
    talk = err.done.stderr.decode("utf-8", "replace").strip()
    if "No space left" in talk:
        return Unavailable(
            f"{deb.name}: no room left on the disk to unpack it",
            hint="free some space, or set BACKPORT_CACHE to a larger disk, then run it again",
        )
    return Unavailable(
        f"{deb.name}: cannot be unpacked: {talk}", hint=f"remove {deb}, then run it again"
    )


def _fresh(moment: float) -> bool:
    return 0 <= time.time() - moment < FRESH_SECONDS


def _package(fields: Mapping[str, str], suite: str) -> Package:
    return Package(
        name=fields["Package"],
        version=fields["Version"],
        sha256=fields["SHA256"],
        size=int(fields["Size"]),
        filename=fields["Filename"],
        suite=suite,
        depends=fields.get("Depends", ""),
    )


def _restored(value: dict[str, Any]) -> Package | None:
    try:
        return Package(**value)
    except TypeError:  # written by another version of this program
        return None
