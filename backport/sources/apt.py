"""Debian's archive through apt with a state of our own: signatures checked, the host untouched.

One state for each suite, so that what a suite offers is known without guessing from addresses.
No mirror is named here: `$BACKPORT_DEBIAN_MIRROR` and `$BACKPORT_DEBIAN_SECURITY_MIRROR`, else the
ones that the host's own apt uses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backport.doors import files, process
from backport.values.errors import BackportError, ToolMissing, Unavailable, UsageError

MIRROR, SECURITY_MIRROR = "BACKPORT_DEBIAN_MIRROR", "BACKPORT_DEBIAN_SECURITY_MIRROR"
KEYRING = "BACKPORT_DEBIAN_KEYRING"
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
HELPER = "/usr/lib/apt/apt-helper"
TOOLS = (("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("dpkg", "dpkg"))

_SUITE = re.compile(r"[a-z][a-z0-9.-]*")
# How this host reaches any archive (a proxy, a mirror frozen in time) is its owner's to say.
_TRANSPORT = re.compile(
    r"^Acquire::(?:https?::|ftp::|Retries|ForceIPv|Check-Valid-Until|Check-Date|Max-).*;$", re.M
)
_CONFIG = """\
Dir::State "{home}";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
Dir::Log "{home}/log";
Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
pkgCacheFile::Generate "false";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::GzipIndexes "true";
{transport}
"""


class Untrusted(Unavailable):
    """The archive is not signed by a key that we trust, or not what it says it is."""


class Gone(Unavailable):
    """The archive does not have this suite or file (any more)."""


@dataclass(frozen=True)
class Mirrors:
    """Addresses of Debian's archive and of its security archive, without a slash at the end."""

    main: str
    security: str

    def of(self, suite: str) -> str:
        """The one that holds a suite."""
        return self.security if suite.endswith("-security") else self.main


def mirrors() -> Mirrors:
    """The mirrors to use; `Unavailable` with what to set when nothing names one."""
    main, security = os.environ.get(MIRROR, ""), os.environ.get(SECURITY_MIRROR, "")
    if not main:
        host = _host_mirrors()
        main, security = host.main, security or host.security
    return Mirrors(main.rstrip("/"), (security or _sibling(main)).rstrip("/"))


def _sibling(main: str) -> str:
    return re.sub(r"/debian/?$", "/debian-security", main)


def _host_mirrors() -> Mirrors:
    process.require(TOOLS)
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    argv = ["apt-get", "indextargets", "--no-release-info", "--format", form, "Component: main"]
    return choose_mirrors(process.run(argv, check=False).text)


def choose_mirrors(targets: str) -> Mirrors:
    """Debian's two archives among lines of `<address> <suite> <component>`."""
    found: dict[str, str] = {}
    for line in targets.splitlines():
        uri, suite, *_component = [*line.split(), "", ""]
        path = uri.rstrip("/").rpartition("/")[2]
        kind = {"debian": "main", "debian-security": "security"}.get(path, "")
        if kind and suite.endswith("-security") == (kind == "security"):
            found.setdefault(kind, uri)
    if "main" not in found:
        raise Unavailable(
            "this machine's apt names no mirror of Debian's archive",
            hint=f"set {MIRROR} (and {SECURITY_MIRROR}) to the address of one",
        )
    return Mirrors(found["main"], found.get("security", _sibling(found["main"])))


class Suite:
    """What one suite offers; `home` is its apt state."""

    def __init__(self, home: Path, name: str) -> None:
        if not _SUITE.fullmatch(name):
            raise UsageError(f"{name!r} is not the name of a suite", hint="for example: bookworm")
        self.name = name
        self.home = home / name
        self._stamp = self.home / "updated"

    def update(self, stale: Callable[[float], bool]) -> None:
        """Fetch the signed index, unless the one from here is not `stale(<seconds since 1970>)`."""
        with files.locked(self.home / "lock"):
            mirror = mirrors().of(self.name)
            if self._recorded() == mirror and not stale(self._stamp.stat().st_mtime):
                return
            write_config(self.home)
            files.write(self.home / "sources.list", self._source(mirror).encode())
            try:
                process.run(["apt-get", "-q", "update"], env=_env(self.home))
            except process.ProcessFailed as err:
                raise trouble(err, f"suite {self.name}") from err
            files.write(self._stamp, mirror.encode())

    def packages(self, name: str) -> list[Mapping[str, str]]:
        """The index's stanzas of a package, by field."""
        needle = f"\nPackage: {name}\n".encode()
        found: list[Mapping[str, str]] = []
        for index in sorted((self.home / "lists").glob("*_Packages*")):
            argv = (HELPER, "cat-file", index)
            data = b"\n" + process.run(argv, env=_env(self.home)).stdout
            at = data.find(needle)
            while at >= 0:
                found.append(stanza(data[at + 1 : data.find(b"\n\n", at)].decode()))
                at = data.find(needle, at + 1)
        return found

    def _recorded(self) -> str:
        return self._stamp.read_text() if self._stamp.is_file() else ""

    def _source(self, mirror: str) -> str:
        return f"deb [arch=amd64 signed-by={_keyring()}] {mirror} {self.name} main\n"


def fetch(home: Path, uri: str, sha256: str, dest: Path, tick: Callable[[], None]) -> None:
    """Download to `dest`, going on where an earlier try was cut off; apt checks the hash."""
    write_config(home)
    options = ("-q", "-o", "APT::Status-Fd=1")
    argv = (HELPER, *options, "download-file", uri, dest, f"SHA256:{sha256}")
    try:
        process.stream(argv, lambda _: tick(), log=home / "download.log", env=_env(home))
    except process.ProcessFailed as err:
        raise trouble(err, uri.rpartition("/")[2]) from err


def stanza(text: str) -> dict[str, str]:
    """The fields of one deb822 stanza; continuation lines keep their line breaks."""
    fields: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if line[:1] in (" ", "\t"):
            fields[key] = fields.get(key, "") + "\n" + line.strip()
        else:
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    return fields


def write_config(home: Path) -> None:
    """The configuration that keeps apt inside `home`."""
    process.require(TOOLS)
    (home / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    dump = process.run(["apt-config", "dump"]).text
    transport = "\n".join(_TRANSPORT.findall(dump))
    files.write(home / "apt.conf", _CONFIG.format(home=home, transport=transport).encode())
    files.write(home / "status", b"")


def _env(home: Path) -> dict[str, str]:
    return {"APT_CONFIG": str(home / "apt.conf")}


def _keyring() -> Path:
    keyring = Path(os.environ.get(KEYRING) or DEBIAN_KEYRING)
    if not keyring.is_file():
        raise ToolMissing(
            f"{keyring}: the keys that sign Debian's archive are not there",
            hint="apt-get install debian-archive-keyring",
        )
    return keyring.absolute()


@dataclass(frozen=True)
class _Symptom:
    """Words of apt's that tell what is wrong, the error, what to call it, what to do."""

    words: str
    error: type[BackportError]
    what: str
    hint: str


_NET = "check the network and the proxy, then run the same command again: it goes on from here"
_SYMPTOMS = (
    _Symptom(
        r"No space left on device",
        Unavailable,
        "no room left on the disk",
        "free some space, or set BACKPORT_CACHE to a larger disk, then run it again",
    ),
    _Symptom(
        r"Hash Sum mismatch|Clearsigned file|BADSIG",
        Untrusted,
        "does not have the hash or signature that the archive's index promises; it was removed",
        f"run it again; if it stays so, set {MIRROR} to another mirror",
    ),
    _Symptom(
        r"NO_PUBKEY|is not signed|EXPKEYSIG|GPG error",
        Untrusted,
        "is not signed by a key that this machine trusts",
        f"apt-get install debian-archive-keyring, or set {KEYRING}",
    ),
    _Symptom(
        r"is not valid yet|is expired|Release file .* expired",
        Untrusted,
        "its index is expired",
        "check the clock; for a mirror frozen in time set Acquire::Check-Valid-Until in apt.conf",
    ),
    _Symptom(
        r"404 |does not have a Release file|File not found|doesn't exist",
        Gone,
        "the archive does not have it (any more)",
        f"run it again with --refresh; check the suite's name and {MIRROR}",
    ),
    _Symptom(r"", Unavailable, "cannot be fetched from Debian's archive", _NET),
)


def trouble(err: process.ProcessFailed, what: str) -> BackportError:
    """What apt's failure means: whose fault, and what to do."""
    talk = (err.done.stderr + b"\n" + err.done.stdout).decode("utf-8", "replace")
    symptom = next(s for s in _SYMPTOMS if re.search(s.words, talk))
    complaints = [line for line in talk.splitlines() if line.startswith(("E: ", "W: ", "   "))]
    text = "\n".join([f"{what}: {symptom.what}", *complaints[:8]])
    return symptom.error(text, hint=symptom.hint, log=err.log)
