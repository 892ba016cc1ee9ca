"""Git's text formats as values: trees, changes, merges and commits; no process, no repository."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backport.values.commit import Person

ZERO = "0" * 40
FILE_MODE = "100644"
TREE_MODE = "040000"
MARKER_SIZE = 137  # of conflict markers in a merge: no underline or banner is as long


@dataclass(frozen=True)
class Entry:
    """One blob of a tree; `mode` is git's six octal digits."""

    mode: str
    oid: str


@dataclass(frozen=True)
class Change:
    """One path that differs between two trees; a missing side is None."""

    path: str
    old: Entry | None
    new: Entry | None


@dataclass(frozen=True)
class CommitInfo:
    """A commit as stored; `message` is the whole text."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str

    @property
    def subject(self) -> str:
        """The first paragraph of the message on one line, as git's `%s`."""
        return " ".join(self.message.lstrip("\n").split("\n\n", 1)[0].split("\n")).rstrip()


@dataclass(frozen=True)
class Unmerged:
    """One path that a merge left in conflict: its base, our and their side (None: absent)."""

    path: str
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None


@dataclass(frozen=True)
class MergeResult:
    """A three-way merge of trees: `tree` holds markers where `unmerged` names a path."""

    tree: str
    unmerged: tuple[Unmerged, ...]


def kind_of(mode: str) -> str:
    """The type of object that a mode in a tree stands for."""
    return {TREE_MODE: "tree", "160000": "commit"}.get(mode, "blob")


def parse_tree_line(line: str) -> tuple[str, Entry]:
    """One record of `git ls-tree -z`."""
    meta, _, path = line.partition("\t")
    mode, _kind_name, oid = meta.split()[:3]
    return path, Entry(mode, oid)


def parse_change(meta: str, path: str) -> Change:
    """One pair of records of `git diff-tree -z`."""
    old_mode, new_mode, old, new, _status = meta.lstrip(":").split()
    return Change(
        path,
        Entry(old_mode, old) if old != ZERO else None,
        Entry(new_mode, new) if new != ZERO else None,
    )


def parse_grep_line(line: str, tree: str) -> tuple[str, int, str]:
    """One line of `git grep -n -z` in a tree."""
    path, number, text = line.split("\0", 2)
    return path.removeprefix(f"{tree}:"), int(number), text


def parse_unmerged(fields: Sequence[str]) -> tuple[Unmerged, ...]:
    """The records after the tree in the output of `git merge-tree -z`."""
    stages: dict[str, dict[str, Entry]] = {}
    for field in fields:
        if not field:
            break
        meta, _, path = field.partition("\t")
        mode, oid, stage = meta.split()
        stages.setdefault(path, {})[stage] = Entry(mode, oid)
    return tuple(Unmerged(path, s.get("1"), s.get("2"), s.get("3")) for path, s in stages.items())


@dataclass(frozen=True)
class Patch:
    """What one commit does to one file, or to all that were asked about: lines with their ends."""

    oid: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


def parse_blame(text: str) -> list[tuple[str, str]]:
    """The lines of `git blame --porcelain`, each with the commit that it came with."""
    found: list[tuple[str, str]] = []
    oid = ""
    for line in text.split("\n"):
        if line.startswith("\t"):
            found.append((oid, f"{line[1:]}\n"))
        elif head := re.match(r"([0-9a-f]{40}) \d+ \d+", line):
            oid = head[1]
    return found


def parse_patches(text: str) -> list[Patch]:
    """`git log -p -U0 --format=%x00%H`: the lines of each commit, those of all files together."""
    return [_parse_patch(part) for part in text.split("\0")[1:]]


def _parse_patch(part: str) -> Patch:
    oid, *lines = part.split("\n")
    removed: list[str] = []
    added: list[str] = []
    inside = False
    for line in lines:
        if line.startswith(("diff --git ", "@@ ")):
            inside = line.startswith("@@ ")
        elif inside and line[:1] in {"-", "+"}:
            (removed if line[0] == "-" else added).append(f"{line[1:]}\n")
    return Patch(oid, tuple(removed), tuple(added))


@dataclass(frozen=True)
class Touched:
    """What a diff does to one file: the lines that it needs to be there, and those that it adds."""

    before: tuple[str, ...]  # removed, and the context around
    added: tuple[str, ...]


def parse_hunks(text: str) -> dict[str, Touched]:
    """The hunks of a `git diff`, by path; a file's lines in order."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    path = ""
    inside = False
    for line in text.split("\n"):
        if line.startswith(("diff --git ", "@@ ")):
            inside = line.startswith("@@ ")
        elif not inside and line.startswith(("--- a/", "+++ b/")):
            path = line[6:].rstrip("\t")
            found.setdefault(path, ([], []))
        elif inside and line[:1] in {" ", "-", "+"}:
            found[path][line[0] == "+"].append(f"{line[1:]}\n")
    return {path: Touched(tuple(old), tuple(new)) for path, (old, new) in found.items()}


@dataclass(frozen=True)
class FileDiff:
    """What one commit does to one file: lines with their ends, the sorts apart."""

    context: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    created: bool  # the file is new


def parse_diffs(text: str) -> dict[str, dict[str, FileDiff]]:
    """`git log -p --format=%x00%H`: what each commit does, by path."""
    found: dict[str, dict[str, FileDiff]] = {}
    for part in text.split("\0")[1:]:
        oid, _, rest = part.partition("\n")
        files = (_parse_file(one) for one in re.split(r"^(?=diff --git )", rest, flags=re.M)[1:])
        found[oid] = dict(file for file in files if file is not None)
    return found


def _parse_file(text: str) -> tuple[str, FileDiff] | None:
    head, *hunks = re.split(r"^(?=@@ )", text, flags=re.M)
    names = re.findall(r"^(?:---|\+\+\+) [ab]/(.*?)\t?$", head, re.M)
    if not names:
        return None  # a change of mode, or of a binary file
    lines: dict[str, list[str]] = {" ": [], "-": [], "+": []}
    for hunk in hunks:
        for line in hunk.split("\n")[1:]:
            lines.get(line[:1], []).append(f"{line[1:]}\n")
    context, removed, added = (tuple(lines[sign]) for sign in " -+")
    return names[-1], FileDiff(context, removed, added, "\n--- /dev/null\n" in head)


def parse_commit(oid: str, data: bytes) -> CommitInfo:
    """Read git's commit object format (gitformat-commit(5)); headers we do not use are skipped."""
    head, _, body = data.partition(b"\n\n")
    fields: dict[str, list[str]] = {}
    codec = _codec(head)
    for line in head.decode(codec, "surrogateescape").split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    return CommitInfo(
        oid,
        fields["tree"][0],
        tuple(fields.get("parent", ())),
        _person(fields["author"][0]),
        _person(fields["committer"][0]),
        body.decode(codec, "replace"),
    )


def _codec(head: bytes) -> str:
    found = re.search(rb"^encoding (\S+)$", head, re.M)
    try:
        return codecs.lookup(found[1].decode("ascii", "replace")).name if found else "utf-8"
    except LookupError:
        return "utf-8"


def _ident(person: Person) -> str:
    """A commit's author or committer line; what would break the line is taken out."""
    name, email = (re.sub(r"[<>\n\0]", "", text).strip() for text in (person.name, person.email))
    return f"{name} <{email}> {person.date}"


def _person(text: str) -> Person:
    name, _, rest = text.rpartition(" <")
    email, _, date = rest.partition("> ")
    return Person(name, email, date)


def format_commit(
    tree: str, parents: Iterable[str], message: str, author: Person, committer: Person
) -> bytes:
    """A commit object; unlike `git commit-tree` it leaves dots and quotes on the ends of names."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {_ident(author)}", f"committer {_ident(committer)}", "", message]
    text = "\n".join(lines)
    return (text if text.endswith("\n") else f"{text}\n").encode("utf-8", "surrogateescape")
