"""Patch files and mboxes as text: what stands above the diff, the diff, and where each begins.

For any patch that people keep in files: mails, SUSE's and Debian's with fields of their own, bare
diffs. Lines are counted in the file, so that an error can name one; of a body that was encoded for
the mail they are those of the decoded text.
"""

from __future__ import annotations

import base64
import binascii
import email
import email.header
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from backport.readers.intake import clean_path, path_trouble
from backport.values.errors import ManifestError, Place
from backport.values.provenance import Field, Letter

_FROM_LINE = re.compile(r"From (\S+) (?:.*\d\d:\d\d(?::\d\d)? )?(?:[+-]\d{4} )?\d{4}(?: .*)?$")
_FIELD = re.compile(r"([A-Za-z][\w-]*):(?:[ \t]+(.*))?$")
# One of these makes lines of the form `word: text` a header; else they are a text's first line.
_HEADS = {"from", "subject", "description", "author", "origin", "patch-mainline", "git-commit"}
_TAG = re.compile(r"(?:Upstream-Status|CVE|Signed-off-by|Fixes|Bug\w*|Cc|Link): ")
_IN_BODY = re.compile(r"(From|Date|Subject): (.*)\n")
_DIFF = re.compile(r"diff --git |Index: |(?:--- \S.*\n\+\+\+ \S)")
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_NAMES = re.compile(r"(?:--- |\+\+\+ |(?:rename|copy) (?:from|to) |diff --git )(.*)")
_BOTH = re.compile(r'("?a/.*"?) ("?b/.*"?)$')


@dataclass(frozen=True)
class PatchFile:
    """One patch: `file` and the lines are for errors, `diff` is empty where there is none."""

    file: str
    line: int
    letter: Letter
    diff: str = ""
    diff_line: int = 0

    def place(self, line: int = 0) -> Place:
        """A line of it, its first one without any."""
        return Place(self.file, line or self.line)


def split_mbox(data: bytes) -> list[tuple[int, bytes]]:
    """The messages of an mbox with their first lines; one patch without its line is one message."""
    lines = data.splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if _is_start(line)]
    if not starts or starts[0] != 0:
        starts = [0, *starts]
    ends = [*starts[1:], len(lines)]
    return [(a + 1, b"".join(lines[a:b])) for a, b in zip(starts, ends, strict=True) if b > a]


def _is_start(line: bytes) -> bool:
    return line.startswith(b"From ") and bool(_FROM_LINE.match(line.decode("utf-8", "replace")))


def read_patch(data: bytes, file: str, name: str = "", first: int = 1) -> PatchFile:
    """Read one patch; `first` is its first line in the file, `name` the file's own name."""
    text = data.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    commit, at = _commit_of(lines[0]), 0
    if commit is not None:
        at = 1
    fields, body_at = _fields(lines, at, first)
    body = "\n".join(lines[body_at:])
    headers = {f.name.lower(): f.value for f in fields}
    letter = Letter(fields, "", commit or "", name, first + body_at)
    return _split_body(replace(letter, text=_decoded(body, headers, data)), file, first)


def _commit_of(line: str) -> str | None:
    """The id in the line that begins a mail of `git format-patch`; None if it is no such line."""
    found = _FROM_LINE.match(line)
    if found is None:
        return None
    is_id = re.fullmatch(r"[0-9a-f]{40}", found[1]) and found[1].strip("0")
    return found[1] if is_id else ""


def _fields(lines: list[str], at: int, first: int) -> tuple[tuple[Field, ...], int]:
    """The header's fields, and the line where the body begins, from 0."""
    begin = at
    while begin < len(lines) and not lines[begin].strip():
        begin += 1
    found: list[Field] = []
    index = begin
    for index in range(begin, len(lines)):
        line = lines[index]
        hit = _FIELD.match(line)
        if hit:
            found.append(Field(hit[1], hit[2] or "", first + index))
        elif found and line[:1] in {" ", "\t"}:
            found[-1] = replace(found[-1], value=f"{found[-1].value}\n{line}")
        else:
            break
    if not {f.name.lower() for f in found} & _HEADS:
        return (), at
    body_at = index + 1 if index < len(lines) and not lines[index].strip() else index
    return tuple(_clean(f) for f in found), body_at


def _clean(field: Field) -> Field:
    """A mail's field on one line, its encodings undone; a description keeps its lines."""
    if field.name.lower() == "description":
        return field
    value = " ".join(field.value.split())
    if "=?" in value:
        try:
            value = str(email.header.make_header(email.header.decode_header(value)))
        except (LookupError, ValueError):
            return replace(field, value=value)
    return replace(field, value=" ".join(value.split()))


def _decoded(body: str, headers: dict[str, str], data: bytes) -> str:
    """A body as text, what was done to it for the mail undone."""
    kind = headers.get("content-type", "")
    if kind.lower().startswith("multipart/"):
        return _parts(data)
    raw = body.encode("utf-8", "surrogateescape")
    match headers.get("content-transfer-encoding", "").lower():
        case "quoted-printable":
            raw = quopri.decodestring(raw)
        case "base64":
            try:
                raw = base64.b64decode(raw)
            except binascii.Error:
                return body
    charset = re.search(r'charset="?([\w.:-]+)', kind, re.I)
    try:
        return raw.decode(charset[1] if charset else "utf-8").replace("\r\n", "\n")
    except (LookupError, UnicodeDecodeError):
        return raw.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _parts(data: bytes) -> str:
    """The text parts of a mail that has several."""
    head, _, rest = data.partition(b"\n")
    message = email.message_from_bytes(rest if head.startswith(b"From ") else data)
    texts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    joined = b"\n".join(text for text in texts if isinstance(text, bytes))
    return joined.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _split_body(letter: Letter, file: str, first: int) -> PatchFile:
    """The text above the diff, and the diff; a header that the text begins with counts."""
    text, line = letter.text, letter.line
    at = next((m.start() for m in re.finditer(_DIFF.pattern, text) if _at_line(text, m)), None)
    diff = "" if at is None else text[at:]
    above = text if at is None else text[:at]
    diff_line = line + above.count("\n") if diff else 0
    above = re.split(r"^---[ \t]*$", above, maxsplit=1, flags=re.M)[0]
    fields = list(letter.fields)
    while hit := _IN_BODY.match(above):
        fields = [f for f in fields if f.name.lower() != hit[1].lower()]
        fields.append(Field(hit[1], hit[2].strip(), line))
        above, line = above[hit.end() :], line + 1
    lead = len(above) - len(above.lstrip("\n"))
    words = above.strip("\n")
    found = replace(letter, fields=tuple(fields), text=words + "\n" * bool(words), line=line + lead)
    return PatchFile(file, first, _titled(found), diff, diff_line)


def _at_line(text: str, hit: re.Match[str]) -> bool:
    return hit.start() == 0 or text[hit.start() - 1] == "\n"


def _titled(letter: Letter) -> Letter:
    """A text without any header begins with its subject, unless that is a tag."""
    if letter.fields or not letter.text or _TAG.match(letter.text):
        return letter
    subject, _, rest = letter.text.partition("\n")
    gap = len(rest) - len(rest.lstrip("\n"))
    field = Field("Subject", subject.strip(), letter.line)
    return replace(letter, fields=(field,), text=rest.lstrip("\n"), line=letter.line + 1 + gap)


# -- paths


def paths_in(patch: PatchFile, strip: int = 1) -> tuple[str, ...]:
    """The files that a diff names, each once, in order.

    Raises `ManifestError` at the line of one that is outside the tree or in .git.
    """
    found: dict[str, None] = {}
    for line, name in _names(patch):
        path = _stripped(name, strip, patch.place(line))
        if path:
            found[path] = None
    return tuple(found)


def _names(patch: PatchFile) -> Iterator[tuple[int, str]]:
    """The names in the headers of a diff with their lines; what is in hunks is passed over."""
    old = new = 0
    for number, line in enumerate(patch.diff.split("\n"), patch.diff_line):
        if old > 0 or new > 0:
            old -= line[:1] in {"-", " ", ""}
            new -= line[:1] in {"+", " ", ""}
        elif hunk := _HUNK.match(line):
            old, new = int(hunk[1] or 1), int(hunk[2] or 1)
        elif hit := _NAMES.match(line):
            both = _BOTH.match(hit[1]) if line.startswith("diff ") else None
            for name in both.groups() if both else (hit[1],):
                # Git names the files of a rename without the prefix.
                prefix = "a/" if line.startswith(("rename ", "copy ")) else ""
                yield number, prefix + _unquoted(name.split("\t")[0].strip())


def _unquoted(name: str) -> str:
    if not (name.startswith('"') and name.endswith('"')):
        return name
    raw = name[1:-1].encode("latin-1", "backslashreplace").decode("unicode_escape")
    return raw.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _stripped(name: str, strip: int, place: Place) -> str:
    """A path as it is in the tree, '' for /dev/null; `ManifestError` if it is in none."""
    if name == "/dev/null":
        return ""
    name = re.sub("//+", "/", name)  # as patch(1) reads it
    whole = "leads out of the tree" if ".." in name.split("/") else ""
    path = name if name.startswith("/") else _inner(name, strip)
    if why := whole or path_trouble(path):
        hint = "a patch may change files of the kernel's tree only: do not use this one"
        raise ManifestError(place, f"names {name!r}, which {why}", hint=hint)
    return clean_path(path)


def _inner(name: str, strip: int) -> str:
    parts = name.split("/")
    return "/".join(parts[strip:]) if len(parts) > strip else name
