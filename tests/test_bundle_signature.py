"""Signatures by real keys: who signed is told by the caller's files, and by nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from backport.evidence.archive import BadBundle
from backport.evidence.signature import GPG, SSH, Trust, sign_gpg, sign_ssh, signed_by
from backport.evidence.statement import STATEMENT
from backport.values.errors import ToolMissing, UsageError

TEXT = b'{"_type": "https://in-toto.io/Statement/v1"}\n'


@pytest.fixture(scope="module")
def ssh(tmp_path_factory):
    """Two ssh keys, and a file that allows the first."""
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("mine", "other"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    signers = folder / "signers"
    signers.write_text(f"rm@example.org {(folder / 'mine.pub').read_text()}")
    return SimpleNamespace(mine=folder / "mine", other=folder / "other", signers=signers)


def bundle(**signatures):
    return {STATEMENT: TEXT, **signatures}


def test_an_allowed_signer_is_named_and_the_same_key_gives_the_same_bytes(ssh):
    sign = sign_ssh(TEXT, ssh.mine)
    assert sign == sign_ssh(TEXT, ssh.mine)
    told = signed_by(bundle(**{SSH: sign}), Trust(ssh.signers))
    assert told.startswith("rm@example.org, ED25519 key SHA256:")


def test_without_signers_only_the_key_is_told(ssh):
    told = signed_by(bundle(**{SSH: sign_ssh(TEXT, ssh.other)}), Trust())
    assert "by nobody known: name signers with --allowed-signers" in told
    assert signed_by(bundle(), Trust()) == ""


def test_a_stranger_a_missing_and_a_foreign_signature_are_refused(ssh):
    trust = Trust(ssh.signers)
    with pytest.raises(BadBundle, match="is no allowed signer's"):
        signed_by(bundle(**{SSH: sign_ssh(TEXT, ssh.other)}), trust)
    with pytest.raises(BadBundle, match="an ssh signer is demanded"):
        signed_by(bundle(), trust)
    argv = ["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", ssh.mine]
    foreign = subprocess.run(argv, input=TEXT, capture_output=True, check=True).stdout
    for one in (trust, Trust()):
        with pytest.raises(BadBundle, match="is no signature of the statement"):
            signed_by(bundle(**{SSH: foreign}), one)


def test_every_changed_byte_of_an_ssh_signature_is_caught(ssh):
    sign = sign_ssh(TEXT, ssh.mine)
    for place in range(0, len(sign), 9):
        changed = bytearray(sign)
        changed[place] ^= 1 << place % 8
        with pytest.raises(BadBundle, match=SSH):
            signed_by(bundle(**{SSH: bytes(changed)}), Trust())
    for other in (sign[:-1], sign + b"\n", sign.replace(b"\n", b"\r\n"), b"", b"\xff"):
        with pytest.raises(BadBundle, match=SSH):
            signed_by(bundle(**{SSH: other}), Trust())


def test_a_signature_of_another_statement_is_caught(ssh):
    for trust in (Trust(), Trust(ssh.signers)):
        with pytest.raises(BadBundle, match="is no signature of the statement"):
            signed_by({STATEMENT: TEXT + b" ", SSH: sign_ssh(TEXT, ssh.mine)}, trust)


def test_a_key_that_cannot_sign_is_the_callers_fault(tmp_path):
    with pytest.raises(UsageError, match=r"--sign-ssh .*none: cannot sign"):
        sign_ssh(TEXT, tmp_path / "none")


# -- OpenPGP


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    """A keyring with a key of our own, and one without it; short paths, for gpg's sockets."""
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    env = {**os.environ, "GNUPGHOME": str(home)}

    def run(*argv):
        return subprocess.run(["gpg", "--batch", "--quiet", *argv], env=env, check=True,
                              capture_output=True).stdout  # fmt: skip

    for name in ("rm@example.org", "other@example.org"):
        run("--passphrase", "", "--quick-generate-key", name, "ed25519", "sign")
    (home / "mine.gpg").write_bytes(run("--export", "rm@example.org"))
    (home / "other.gpg").write_bytes(run("--export", "other@example.org"))
    (home / "armored.asc").write_bytes(run("--armor", "--export", "rm@example.org"))
    yield SimpleNamespace(home=home, mine=home / "mine.gpg", other=home / "other.gpg")
    if shutil.which("gpgconf"):
        subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)


@pytest.fixture
def signed(gpg, monkeypatch):
    monkeypatch.setenv("GNUPGHOME", str(gpg.home))
    return bundle(**{GPG: sign_gpg(TEXT, "rm@example.org")})


def test_a_key_of_the_ring_is_named(gpg, signed):
    told = signed_by(signed, Trust(keyring=gpg.mine))
    assert told.startswith("rm@example.org, ") and len(told.split(", ")[1]) == 40


def test_a_key_outside_the_ring_and_a_changed_statement_are_refused(gpg, signed):
    with pytest.raises(BadBundle, match=r"is not in .*other\.gpg"):
        signed_by(signed, Trust(keyring=gpg.other))
    with pytest.raises(BadBundle, match=r"is no good signature .*BAD signature"):
        signed_by({**signed, STATEMENT: TEXT + b" "}, Trust(keyring=gpg.mine))
    with pytest.raises(BadBundle, match="an OpenPGP signer is demanded"):
        signed_by(bundle(), Trust(keyring=gpg.mine))


def test_without_a_ring_the_key_is_told_and_damage_is_caught(signed):
    assert "not checked: name its keyring with --keyring" in signed_by(signed, Trust())
    for place in range(0, len(signed[GPG]), 3):
        changed = bytearray(signed[GPG])
        changed[place] ^= 1 << place % 8
        with pytest.raises(BadBundle, match=GPG):
            signed_by({**signed, GPG: bytes(changed)}, Trust())


def test_files_and_keys_that_do_not_serve_are_the_callers_fault(gpg, signed):
    with pytest.raises(UsageError, match="is armored") as err:
        Trust(keyring=gpg.home / "armored.asc").check()
    assert err.value.hint.startswith("gpg --dearmor < ")
    with pytest.raises(UsageError, match=r"--sign-gpg nobody@example\.org: cannot sign"):
        sign_gpg(TEXT, "nobody@example.org")


def test_a_missing_tool_is_named_with_its_package(ssh, monkeypatch):
    sign = sign_ssh(TEXT, ssh.mine)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match="ssh-keygen") as err:
        signed_by(bundle(**{SSH: sign}), Trust())
    assert err.value.hint == "apt-get install openssh-client"
    with pytest.raises(ToolMissing, match="gpg"):
        sign_gpg(TEXT, "x")
