"""Patches as mail, in files, folders, maildirs and mboxes; git itself splits and reads them."""

from __future__ import annotations

import email.utils
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.doors.git import Git
from backport.doors.process import Completed
from backport.values.commit import Person
from backport.values.errors import UsageError

SUFFIXES = (".patch", ".eml", ".mail", ".mbox")

_SHA = r"([0-9a-f]{12,40})"
# How mails name the upstream commit that they carry; the first form that is there counts.
_FORMS = tuple(
    re.compile(form.replace("SHA", _SHA), re.M | re.I)
    for form in (
        r"^commit SHA upstream\.?$",  # stable, as Greg writes it
        r"^\[ ?Upstream commit SHA ?\]$",  # stable, as Sasha writes it
        r"^(?:X-)?(?:Upstream|Git)-commit: *SHA",  # SUSE, and mail headers
        r"^\(cherry[- ]picked from commit SHA\)?",
        r"^(?:Upstream )?commit:? ([0-9a-f]{40})$",  # RHEL; shorter ones stand in prose
    )
)
# The id of the commit that `git format-patch` wrote, good if nothing better is said.
_FROM_LINE = re.compile(rf"\AFrom {_SHA} Mon Sep 17 00:00:00 2001$", re.M)
# A pick writes its own line of this kind; upstream's message had none.
_MARKERS = re.compile(
    r"^(?:commit [0-9a-f]{12,40} upstream\.?|\[ ?Upstream commit [0-9a-f]{12,40} ?\])\n\n?",
    re.M | re.I,
)


@dataclass(frozen=True)
class Mail:
    """One message as it was found; `origin` names file and number for a person."""

    origin: str
    raw: bytes


@dataclass(frozen=True)
class Patch:
    """A mail read: `upstream` are the SHAs it names, `diff` is empty for a cover letter."""

    origin: str
    subject: str
    message: str  # subject included, the line that names the upstream commit not
    author: Person
    upstream: tuple[str, ...]
    diff: bytes


def find_mails(git: Git, location: str) -> list[Mail]:
    """The messages of a file, a maildir or a folder of files, in order of names.

    Raises `UsageError` if there is nothing to read.
    """
    path = Path(location).expanduser()
    if not path.exists():
        raise UsageError(f"{location}: no such file or folder")
    mails = [mail for box in _boxes(path) for mail in _split(git, box)]
    if not mails:
        wanted = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        hint = f"give an mbox, a maildir, or a folder with {wanted}"
        raise UsageError(f"{location}: has no mails in it", hint=hint)
    return mails


def _boxes(path: Path) -> list[Path]:
    if not path.is_dir() or _is_maildir(path):
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() and (path / "new").is_dir()


def _split(git: Git, box: Path) -> Iterator[Mail]:
    if box.is_file() and not box.stat().st_size:
        return
    with tempfile.TemporaryDirectory(prefix="backport-mail-") as folder:
        done = git.run("mailsplit", "-b", "-d6", f"-o{folder}", "--", box, check=False)
        if done.returncode:
            raise UsageError(f"{box}: cannot be split into mails: {_last(done)}")
        parts = sorted(Path(folder).iterdir())
        for number, part in enumerate(parts, 1):
            name = str(box) if len(parts) == 1 else f"{box}, mail {number}"
            yield Mail(name, part.read_bytes())


def read_patch(git: Git, mail: Mail) -> Patch:
    """Read one mail, its encodings undone; raises `UsageError` if it is no patch mail."""
    with tempfile.TemporaryDirectory(prefix="backport-mail-") as folder:
        text, diff = Path(folder) / "message", Path(folder) / "diff"
        # UTF-8 comes out by itself; git 2.39 converts nothing if it is asked for.
        done = git.run("mailinfo", "-b", text, diff, stdin=mail.raw, check=False)
        if done.returncode:
            raise _no_mail(mail, _last(done))
        body = text.read_bytes().decode("utf-8", "surrogateescape")
        content = diff.read_bytes()
    fields = dict(line.split(": ", 1) for line in done.text.splitlines() if ": " in line)
    subject = fields.get("Subject", "").strip()
    if not subject or "Author" not in fields:
        raise _no_mail(mail, "it has no From or no Subject")
    has_diff = b"\n--- " in b"\n" + content or b"diff --git " in content
    return Patch(
        mail.origin,
        subject,
        _message(subject, body),
        Person(fields["Author"], fields.get("Email", ""), _date(mail, fields.get("Date", ""))),
        upstream_shas(mail.raw, body),
        content if has_diff else b"",
    )


def upstream_shas(raw: bytes, body: str) -> tuple[str, ...]:
    """The SHAs (12 digits or more) of the upstream commits that a mail says it carries."""
    head = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")
    text = "\n".join(line.strip() for line in body.splitlines())
    for form in _FORMS:
        found = form.findall(text) or form.findall(head)
        if found:
            return tuple(dict.fromkeys(sha.lower() for sha in found))
    line = _FROM_LINE.search(head)
    return (line[1],) if line and line[1].strip("0") else ()


def _message(subject: str, body: str) -> str:
    text = _MARKERS.sub("", body.lstrip("\n")).strip("\n")
    return f"{subject}\n\n{text}\n" if text else f"{subject}\n"


def _date(mail: Mail, text: str) -> str:
    parsed = email.utils.parsedate_tz(text)
    if parsed is None:
        raise _no_mail(mail, f"its date cannot be read ({text or 'there is none'})")
    minutes = abs(parsed[9] or 0) // 60
    sign = "-" if (parsed[9] or 0) < 0 else "+"
    return f"{email.utils.mktime_tz(parsed)} {sign}{minutes // 60:02}{minutes % 60:02}"


def _no_mail(mail: Mail, why: str) -> UsageError:
    hint = "make it with `git format-patch`, or save the whole mail with its headers"
    return UsageError(f"{mail.origin}: is no patch mail: {why}", hint=hint)


def _last(done: Completed) -> str:
    lines: Sequence[str] = done.stderr.decode("utf-8", "replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "no reason given")
