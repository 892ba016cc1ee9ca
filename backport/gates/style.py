"""checkpatch.pl of the target's own tree on each pick, and on the upstream commit it is from.

Both run the same script on the same form: upstream's words, less what a pick says of where it comes
from, which has a form of its own; then the diff.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backport.doors import process
from backport.doors.git import Git
from backport.readers.checkpatch import parse_checkpatch
from backport.values.dialects.stable import STABLE
from backport.values.errors import UsageError
from backport.values.events import Emit, Progress
from backport.values.provenance import Letter, join, person_text
from backport.values.record import Pick
from backport.values.style import CommitStyle, StyleFinding, compared

STAGE = "checkpatch"
SCRIPT = "scripts/checkpatch.pl"
# Words and structs that the script looks up beside itself.
_BESIDE = ("scripts/spelling.txt", "scripts/const_structs.checkpatch")
_OPTIONS = ("--no-tree", "--show-types", "--color=never")
_DIFF = ("-p", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")


@dataclass(frozen=True)
class Script:
    """A checkpatch written out to a folder; `blob` says which."""

    folder: Path
    blob: str
    strict: bool

    def run(self, patch: bytes, what: str) -> tuple[StyleFinding, ...]:
        """The findings in one patch; it reads nothing but the patch and its own files."""
        options = [*_OPTIONS, f"--root={self.folder}", *(["--strict"] if self.strict else [])]
        script = self.folder / Path(SCRIPT).name
        argv = ("perl", str(script), *options, "-")
        # A .checkpatch.conf of the user's must not change the result.
        env = {"HOME": str(self.folder)}
        done = process.run(argv, cwd=self.folder, env=env, stdin=patch, check=False)
        if done.returncode not in {0, 1}:
            raise process.ProcessFailed(done)
        text = done.stdout.decode("utf-8", "replace")
        return parse_checkpatch(text, what)


def check_style(
    git: Git, base: str, picks: Sequence[Pick], emit: Emit, *, strict: bool = False
) -> tuple[str, tuple[CommitStyle, ...]]:
    """The blob of the base's checkpatch, and what it finds in each pick that made a commit.

    Raises `UsageError` if the tree has no checkpatch, or the store lacks a commit.
    """
    process.require([("perl", "perl")])
    made = [pick for pick in picks if pick.commit]
    with tempfile.TemporaryDirectory(prefix="backport-checkpatch-") as folder:
        script = _write_script(git, base, Path(folder), strict)
        found = []
        for number, pick in enumerate(made):
            emit(Progress(STAGE, number, len(made), "commits"))
            found.append(_judge(git, script, pick))
        emit(Progress(STAGE, len(made), len(made), "commits"))
    return script.blob, tuple(found)


def _write_script(git: Git, base: str, folder: Path, strict: bool) -> Script:
    entries = git.entries(base, (SCRIPT, *_BESIDE))
    if SCRIPT not in entries:
        hint = "name a run on a whole kernel tree"
        raise UsageError(f"{base}: has no {SCRIPT}", hint=hint)
    for path, entry in entries.items():
        (folder / Path(path).name).write_bytes(git.blob(entry.oid))
    return Script(folder, entries[SCRIPT].oid, strict)


def _judge(git: Git, script: Script, pick: Pick) -> CommitStyle:
    ours = script.run(_patch(git, pick.commit), f"{pick.commit[:12]} ({pick.subject})")
    theirs = script.run(_patch(git, pick.incoming), f"upstream {pick.sha[:12]} ({pick.subject})")
    return CommitStyle(pick.commit, pick.sha, pick.subject, compared(ours, theirs))


def _patch(git: Git, commit: str) -> bytes:
    """A commit as a mail with upstream's words; the diff is against its first parent."""
    if not commit or git.resolve(f"{commit}^{{commit}}") is None:
        hint = "pick the series again: backport pick SERIES --target TARGET"
        raise UsageError(f"{commit or 'the upstream commit'}: is not in {git.path}", hint=hint)
    info = git.commit(commit)
    subject, _, text = info.message.strip("\n").partition("\n\n")
    words = STABLE.parse(Letter((), f"{text}\n"))
    body = join(words.body, "\n".join(words.trailers))
    head = (
        f"From: {person_text(info.author)}\nSubject: {' '.join(subject.split())}\n\n{body}---\n\n"
    )
    diff = git.run("diff-tree", *_DIFF, f"{commit}^", commit).stdout
    return head.encode("utf-8", "surrogateescape") + diff
