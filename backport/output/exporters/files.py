"""The patches of a series as files, in the words of a dialect; the same series, the same bytes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from backport.doors.git import Git
from backport.output.exporters.cargo import Cargo, reworded
from backport.output.exporters.cover import render_cover
from backport.output.exporters.patches import FORMAT, facts_of
from backport.values.dialects import Medium
from backport.values.dialects.base import numbered
from backport.values.errors import UsageError
from backport.values.provenance import Letter

COVER = "cover-letter.txt"
_NO_ID = b"0" * 40
# As `git format-patch` with FORMAT, for a patch whose head is not a mail's.
_DIFF = (
    "--patch-with-stat",
    "--summary",
    "--stat=72",
    "--full-index",
    "--binary",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--unified=3",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


@dataclass(frozen=True)
class PatchText:
    """One patch and the name of its file."""

    name: str
    data: bytes


def patch_files(clean: Git, cargo: Cargo) -> list[PatchText]:
    """The patches in order; `clean` is a repository of ours that has the objects."""
    if cargo.dialect.medium in {Medium.MESSAGE, Medium.FILE}:
        return _as_mails(clean, cargo)
    trees = [clean.tree_of(cargo.base), *(commit.tree for commit in cargo.commits)]
    found = []
    for number in range(1, len(cargo.commits) + 1):
        letter = cargo.letter(number)
        diff = clean.run("diff-tree", *_DIFF, trees[number - 1], trees[number]).stdout
        found.append(PatchText(letter.name, rendered(letter) + diff))
    return found


def _as_mails(clean: Git, cargo: Cargo) -> list[PatchText]:
    head = reworded(clean, cargo)
    found = []
    with tempfile.TemporaryDirectory(prefix="backport-patches-") as folder:
        clean.run("format-patch", *FORMAT, "-q", "-o", folder, f"{cargo.base}..{head}")
        for number, path in enumerate(sorted(Path(folder).iterdir()), 1):
            letter = cargo.letter(number)
            own_name = cargo.dialect.file_name is not numbered
            data = path.read_bytes()
            if letter.commit:  # upstream's, where a dialect says it so
                data = data.replace(_NO_ID, letter.commit.encode(), 1)
            found.append(PatchText(letter.name if own_name else path.name, data))
    return found


def rendered(letter: Letter) -> bytes:
    """What stands above a diff, as text in UTF-8, down to the line that ends it."""
    head = "".join(f"{field.name}: {field.value}\n" for field in letter.fields)
    text = f"\n{letter.text}" if letter.text else ""
    return f"{head}{text}---\n".encode("utf-8", "surrogateescape")


def cover_text(clean: Git, cargo: Cargo, command: str) -> bytes:
    """The letter that goes with every form of a series, and the command that applies it."""
    return render_cover(cargo.cover, facts_of(clean, cargo.base, cargo.commits, command))


def demand_text(cargo: Cargo, form: str) -> None:
    """Refuse what `patch` cannot carry: a change of a binary file."""
    trees = [cargo.git.tree_of(cargo.base), *(commit.tree for commit in cargo.commits)]
    for commit, old, new in zip(cargo.commits, trees, trees[1:], strict=False):
        done = cargo.git.run("diff-tree", "-r", "-z", "--numstat", "--no-renames", old, new)
        for line in done.text.split("\0"):
            if line.startswith("-\t-\t"):
                raise UsageError(
                    f"--format {form}: {commit.oid[:12]} changes {line[4:]}, a binary file, which"
                    " patch(1) cannot carry",
                    hint="use one of the formats patches, mbox, git, bundle",
                )
