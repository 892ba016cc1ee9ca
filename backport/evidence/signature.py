"""Signatures on a bundle's statement: ssh keys through ssh-keygen, OpenPGP through gpg and gpgv.

A detached signature lies in the bundle beside the statement, which holds the hash of every other
member. Whom to trust is the caller's word (an allowed-signers file, a keyring), never the bundle's.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backport.doors import process
from backport.evidence.archive import BadBundle
from backport.evidence.statement import STATEMENT
from backport.values.errors import UsageError

SSH = f"{STATEMENT}.sig"
GPG = f"{STATEMENT}.asc"
NAMESPACE = "backport-bundle"  # a signature made for something else is none on a bundle
Argv = list[str | Path]

_SSH_TOOL = [("ssh-keygen", "openssh-client")]
_GPG_TOOL = [("gpg", "gnupg")]
_GPGV_TOOL = [("gpgv", "gpgv")]
_GPG_WORDS = re.compile(r"^\[GNUPG:\] (\w+) ?(.*)$", re.M)


@dataclass(frozen=True)
class Trust:
    """Whose signatures count; without any file none is asked for."""

    allowed_signers: Path | None = None  # ssh-keygen(1), ALLOWED SIGNERS
    keyring: Path | None = None  # as `gpg --export` writes it

    @property
    def demanded(self) -> bool:
        """Whether the caller wants to know who signed."""
        return self.allowed_signers is not None or self.keyring is not None

    def check(self) -> None:
        """Refuse a file that cannot be read before anything else is looked at."""
        for path in filter(None, (self.allowed_signers, self.keyring)):
            try:
                head = path.read_bytes()[:64]
            except OSError as err:
                raise UsageError(f"{path}: {err.strerror}") from err
            if path == self.keyring and head.startswith(b"-----BEGIN PGP"):
                hint = f"gpg --dearmor < {path} > keyring.gpg"
                raise UsageError(f"{path}: is armored, which gpgv does not read", hint=hint)


def sign_ssh(statement: bytes, key: Path) -> bytes:
    """An ssh signature by a private key, or by the agent's for a public one."""
    process.require(_SSH_TOOL)
    argv: Argv = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", key]
    return _signed(process.run(argv, stdin=statement, check=False), f"--sign-ssh {key}")


def sign_gpg(statement: bytes, key: str) -> bytes:
    """An armored OpenPGP signature by a key of the caller's own keyring."""
    process.require(_GPG_TOOL)
    argv = ["gpg", "--batch", "--quiet", "--local-user", key, "--detach-sign"]
    done = process.run(argv, stdin=statement, check=False)
    return _armored(_signed(done, f"--sign-gpg {key}"), _PGP)


def _signed(done: process.Completed, option: str) -> bytes:
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise UsageError(f"{option}: cannot sign with this key\n{said}", hint="look at the key")
    return done.stdout


def signed_by(members: Mapping[str, bytes], trust: Trust) -> str:
    """Who signed, for a person; empty for a bundle without a signature.

    Raises `BadBundle` for a signature that does not hold, and for a missing one or a stranger's
    where a signer is demanded.
    """
    statement = members.get(STATEMENT, b"")
    found = []
    with tempfile.TemporaryDirectory(prefix="backport-verify-") as scratch:
        if SSH in members:
            found.append(_ssh_signer(statement, members[SSH], trust, Path(scratch)))
        elif trust.allowed_signers:
            raise BadBundle(f"{SSH}: is not in it, and an ssh signer is demanded", hint=_HOW)
        if GPG in members:
            found.append(_gpg_signer(statement, members[GPG], trust, Path(scratch)))
        elif trust.keyring:
            raise BadBundle(f"{GPG}: is not in it, and an OpenPGP signer is demanded", hint=_HOW)
    return "; ".join(found)


_HOW = "sign it with `backport bundle --sign-ssh KEY` or `--sign-gpg KEY`"


def _ssh_signer(statement: bytes, signature: bytes, trust: Trust, scratch: Path) -> str:
    process.require(_SSH_TOOL)
    file = scratch / SSH
    file.write_bytes(signature)
    _demand_armor(SSH, signature, _SSHSIG)
    tool: Argv = ["ssh-keygen", "-Y"]
    about: Argv = ["-n", NAMESPACE, "-s", file]
    done = process.run([*tool, "check-novalidate", *about], stdin=statement, check=False)
    if done.returncode:
        raise BadBundle(f"{SSH}: is no signature of the statement: {_talk(done)}")
    key = done.text.strip().rpartition("with ")[2]
    if trust.allowed_signers is None:
        return f"{key}, by nobody known: name signers with --allowed-signers"
    allowed: Argv = ["-f", trust.allowed_signers]
    names = process.run([*tool, "find-principals", "-s", file, *allowed], check=False)
    for name in names.text.splitlines():
        argv = [*tool, "verify", *about, *allowed, "-I", name]
        if process.run(argv, stdin=statement, check=False).returncode == 0:
            return f"{name}, {key}"
    raise BadBundle(f"{SSH}: {key} is no allowed signer's", hint=str(trust.allowed_signers))


@dataclass(frozen=True)
class _Armor:
    """How a kind of signature is written as text, in base64."""

    name: str
    width: int
    checked: bool = False  # a blank line before it, a checksum behind it (RFC 4880, 6.2)


_SSHSIG = _Armor("SSH SIGNATURE", 70)
_PGP = _Armor("PGP SIGNATURE", 64, checked=True)


def _armored(data: bytes, armor: _Armor) -> bytes:
    lines = textwrap.wrap(base64.b64encode(data).decode(), armor.width)
    if armor.checked:
        check = base64.b64encode(_crc24(data).to_bytes(3, "big")).decode()
        lines = ["", *lines, f"={check}"]
    lines = [f"-----BEGIN {armor.name}-----", *lines, f"-----END {armor.name}-----"]
    return "".join(f"{line}\n" for line in lines).encode()


def _demand_armor(name: str, signature: bytes, armor: _Armor) -> None:
    """Refuse every text but the one of its bytes: the tools read many others, too."""
    lines = signature.decode("ascii", "replace").splitlines()[1:-1]
    try:
        data = base64.b64decode("".join(line for line in lines if line[:1] != "="), validate=True)
    except ValueError:  # of bytes that are no text, too
        data = b""
    if signature != _armored(data, armor):
        raise BadBundle(f"{name}: is damaged, or not written by `backport bundle`")


def _crc24(data: bytes) -> int:
    value = 0xB704CE
    for byte in data:
        value ^= byte << 16
        for _ in range(8):
            value <<= 1
            value ^= 0x1864CFB if value & 0x1000000 else 0
    return value


def _gpg_signer(statement: bytes, signature: bytes, trust: Trust, scratch: Path) -> str:
    process.require(_GPGV_TOOL)
    _demand_armor(GPG, signature, _PGP)
    for name, data in ((GPG, signature), (STATEMENT, statement)):
        (scratch / name).write_bytes(data)
    ring = trust.keyring.absolute() if trust.keyring else Path(os.devnull)
    argv: Argv = ["gpgv", "--status-fd", "1", "--keyring", ring, scratch / GPG, scratch / STATEMENT]
    done = process.run(argv, env={"GNUPGHOME": str(scratch)}, check=False)
    said = dict(_GPG_WORDS.findall(done.text))
    if done.returncode == 0 and "VALIDSIG" in said and "GOODSIG" in said:
        return f"{said['GOODSIG'].partition(' ')[2]}, {said['VALIDSIG'].split()[0]}"
    if "NO_PUBKEY" in said and trust.keyring is None:
        return f"key {said['NO_PUBKEY']}, not checked: name its keyring with --keyring"
    if "NO_PUBKEY" in said:
        raise BadBundle(f"{GPG}: key {said['NO_PUBKEY']} is not in {trust.keyring}")
    raise BadBundle(f"{GPG}: is no good signature of the statement: {_talk(done)}")


def _talk(done: process.Completed) -> str:
    said = (done.stderr or done.stdout).decode("utf-8", "replace")
    return " ".join(said.split())
