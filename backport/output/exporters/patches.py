"""A series as `git format-patch` files with a cover letter, and the proof that it applies."""

from __future__ import annotations

import contextlib
import email.utils
import re
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from backport.doors.git import CommitInfo, Git
from backport.output.exporters.cover import Facts, address
from backport.values.errors import GateFailed, UsageError

LETTER = "0000-cover-letter.patch"
MARK = b"X-Backport-Series: "  # a header of the letter: the folder is ours to replace
PATCH = re.compile(r"\d{3,}-.*\.patch")

# Nothing of the machine, the user's configuration or git's version may show in a patch.
FORMAT = (
    "--no-signature",
    "--zero-commit",
    "--full-index",
    "--binary",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-thread",
    "--no-attach",
    "--no-cover-letter",
    "--numbered",
    "--unified=3",
    "--stat=72",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--filename-max-length=64",
    "--suffix=.patch",
)

# Whoever commits the patches that `verify_patches` throws away.
_NOBODY = {
    "GIT_COMMITTER_NAME": "verify",
    "GIT_COMMITTER_EMAIL": "verify@localhost",
    "GIT_COMMITTER_DATE": "@0 +0000",
}


def am_options(patches: list[Path]) -> tuple[str, ...]:
    """`git am` takes carriage returns for the mail's own unless it is told to keep them."""
    return ("--keep-cr",) if any(b"\r\n" in path.read_bytes() for path in patches) else ()


def commit_of(git: Git, rev: str) -> str:
    found = git.resolve(f"{rev}^{{commit}}")
    if found is None:
        raise UsageError(f"{rev}: names no commit in {git.path}")
    return found


def line_of(git: Git, base: str, head: str) -> list[CommitInfo]:
    """The commits from base (without it) to head, oldest first."""
    listed = git.run("rev-list", "--reverse", "--topo-order", f"{base}..{head}").text.split()
    commits = [git.commit(oid) for oid in listed]
    if not commits:
        raise UsageError(f"{base}..{head}: no commits to export")
    parent = git.commit(base)
    for commit in commits:
        _check_link(parent, commit)
        parent = commit
    return commits


def _check_link(parent: CommitInfo, commit: CommitInfo) -> None:
    name = f'{commit.oid} ("{commit.subject}")'
    if commit.parents != (parent.oid,):
        raise UsageError(
            f"{name}: is not one commit after {parent.oid}; its parents are"
            f" {', '.join(commit.parents) or 'none'}",
            hint="a series is a line of commits: name the commit that it starts from",
        )
    if commit.tree == parent.tree:
        raise UsageError(
            f"{name}: changes nothing, and `git am` cannot carry that",
            hint="drop the empty commit from the branch",
        )


def facts_of(git: Git, base: str, commits: Sequence[CommitInfo], command: str) -> Facts:
    """What git knows about a line of commits; `command` applies the form that the letter is of."""
    last = commits[-1]
    seconds, _, zone = last.committer.date.partition(" ")
    stat = git.run("diff", "--stat=72", "--summary", "--no-renames", "--no-color", base, last.oid)
    return Facts(
        sender=address(last.committer),
        date=rfc2822(int(seconds), zone),
        patches=len(commits),
        diffstat=stat.text.rstrip("\n"),
        shortlog=shortlog(commits),
        command=command,
    )


def rfc2822(seconds: int, zone: str) -> str:
    """Git's raw date as a mail's date, in the zone that it was made in."""
    sign = -1 if zone.startswith("-") else 1
    offset = sign * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60)
    text = email.utils.formatdate(seconds + offset, usegmt=False)
    return f"{text.removesuffix(' -0000')} {zone}"


def shortlog(commits: Sequence[CommitInfo]) -> str:
    """The subjects by author, authors in order of their first commit, as git-shortlog(1) prints."""
    authors: dict[str, list[str]] = {}
    for commit in commits:
        authors.setdefault(commit.author.name, []).append(commit.subject)
    blocks = []
    for name, subjects in authors.items():
        lines = [textwrap.shorten(subject, 70, placeholder=" ...") for subject in subjects]
        blocks.append("\n".join([f"{name} ({len(lines)}):", *(f"  {line}" for line in lines), ""]))
    return "\n".join(blocks)


def is_series(folder: Path) -> bool:
    """Whether a folder holds nothing but a series that we wrote."""
    letter = folder / LETTER
    if not all(PATCH.fullmatch(path.name) for path in folder.iterdir()):
        return False
    return letter.is_file() and MARK in letter.read_bytes().partition(b"\n\n")[0]


# -- the proof


def verify_patches(git: Git, base: str, dest: Path, want_tree: str) -> str:
    """Apply the series below `dest` on `base` by `git am` and give the tree that comes of it.

    Works in a throw-away repository that borrows the objects; only the files that the patches touch
    are written out. Raises `GateFailed` if a patch does not apply, or the tree is another one than
    `want_tree`.
    """
    patches = sorted(p for p in dest.iterdir() if PATCH.fullmatch(p.name) and p.name != LETTER)
    if not patches:
        raise UsageError(f"{dest}: holds no patches")
    base = commit_of(git, base)
    with borrower(git) as scratch:
        tree = apply_mails(scratch, base, patches)
        paths = [change.path for change in scratch.changes(want_tree, tree)]
    if tree != want_tree:
        raise GateFailed(
            f"{dest}: the patches give tree {tree}, not {want_tree}"
            f"; they differ in {', '.join(paths[:10])}"
        )
    return tree


def apply_mails(scratch: Git, base: str, patches: list[Path]) -> str:
    """The tree that `git am` of these files makes of a base, in a throw-away repository."""
    work = scratch.path.parent / "work"
    work.mkdir()
    env: Mapping[str, str] = {"GIT_WORK_TREE": str(work), **_NOBODY}
    scratch.run("update-ref", "--no-deref", "HEAD", base)
    # Every file is in the index and none on the disk: `git am` writes out those that it needs.
    scratch.run("read-tree", base, env=env)
    done = scratch.run(
        "am",
        "--quiet",
        "--no-3way",
        "--whitespace=nowarn",
        *am_options(patches),
        *(path.absolute() for path in patches),
        env=env,
        check=False,
    )
    if done.returncode:
        talk = (done.stderr + done.stdout).decode("utf-8", "replace").strip()
        raise GateFailed(f"{patches[0].parent}: git am does not apply the series on {base}\n{talk}")
    return scratch.tree_of("HEAD")


@contextlib.contextmanager
def borrower(git: Git) -> Iterator[Git]:
    """A throw-away repository that reads the objects of another one, but not its configuration."""
    objects = git.run("rev-parse", "--path-format=absolute", "--git-path", "objects").text.strip()
    with tempfile.TemporaryDirectory(prefix="backport-series-") as folder:
        clean = Git.init_bare(Path(folder) / "repo.git")
        (clean.path / "objects/info/alternates").write_text(f"{objects}\n")
        yield Git(clean.path)
