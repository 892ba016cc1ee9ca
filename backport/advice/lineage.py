"""Lineage: which upstream commits made lines what they are, read in a clone of upstream.

The clone is only read, and nothing is fetched into it: what it lacks is said. Git's own searches
do the work; each has what is left of a budget of seconds, and a place has at most `MOST` commits.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backport.doors.git import Git
from backport.doors.process import Completed, ProcessFailed
from backport.upstreams.objects import NO_LAZY_FETCH
from backport.values.csource import split_lines
from backport.values.errors import UsageError
from backport.values.gitformat import Patch, parse_blame, parse_patches

SECONDS = 120.0
MOST = 8  # commits that one place tells of
_PICKAXED = 24  # lines that one search is for
_PLAIN = frozenset(
    {"#else", "#endif", "break;", "continue;", "default:", "return 0;", "return;", "struct {",
     "union {"}
)  # fmt: skip


class NotTold(Exception):
    """History cannot say it: the time is over, or the clone lacks what it takes."""


@dataclass(frozen=True)
class Place:
    """Lines to ask about: upstream's before its change, and how the target differs from them."""

    path: str
    sha: str  # the upstream commit that meets the difference, '' unknown
    subject: str
    base: tuple[str, ...]
    lacks: tuple[str, ...]  # upstream has them, the target does not
    extra: tuple[str, ...]  # the other way round


@dataclass
class Past:
    """An upstream commit: the lines of a place that it brought (`came`) or took away (`went`)."""

    sha: str
    came: list[str] = field(default_factory=list)
    went: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """What history says of a place, the oldest commit first; `untold` is what it cannot say."""

    pasts: tuple[Past, ...] = ()
    untold: str = ""


@dataclass(frozen=True)
class Facts:
    """A commit for a person; `release` is the first tag that has it, '' if none has."""

    subject: str
    date: str  # of the author, as 2025-02-24
    release: str


class History:
    """A clone of upstream, and the seconds that may be spent on asking it."""

    def __init__(self, where: str, seconds: float = SECONDS) -> None:
        """Raises `UsageError` for what is no clone on this machine, or has no commit."""
        self.where = where
        self.git = _opened(where)
        self.tip = self.git.ref("HEAD") or _newest(self.git, where)
        self.cut = frozenset(_cut(self.git))
        self.partial = self._config(r"^(extensions\.partialclone|remote\..*\.promisor)$")
        self._deadline = time.monotonic() + seconds
        self._demand_trees()

    def _config(self, pattern: str) -> bool:
        return self.git.run("config", "--get-regexp", pattern, check=False).returncode == 0

    def _demand_trees(self) -> None:
        """Refuse a clone without even the names of files, or one that is damaged."""
        if self.git.run("ls-tree", "-r", "--name-only", self.tip, check=False).returncode:
            hint = f"git -C {self.where} fetch --refetch --no-filter"
            raise UsageError(f"{self.where}: lacks the trees of its newest commit", hint=hint)

    @property
    def unshallow(self) -> str:
        """The command that gives a shallow clone the rest of its history."""
        return f"git -C {self.where} fetch --unshallow"

    def ask(self, *args: str) -> str:
        """What a git command says; raises `NotTold` when it may not or cannot."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NotTold("the time for history is over; --history-seconds gives it more")
        try:
            done = self.git.run(*args, check=False, timeout=left)
        except subprocess.TimeoutExpired as err:
            raise NotTold("the time for history is over; --history-seconds gives it more") from err
        if done.returncode:
            raise self._failed(done)
        return done.text

    def _failed(self, done: Completed) -> Exception:
        lost = (b"missing", b"unable to read", b"bad object", b"could not")
        if self.partial or any(word in done.stderr for word in lost):
            return NotTold(
                "the clone lacks the contents of files (a partial clone?);"
                f" git -C {self.where} fetch --refetch --no-filter"
            )
        return ProcessFailed(done)

    # -- what commits did

    def patches(self, shas: Sequence[str], path: str = "") -> dict[str, Patch]:
        """What commits do, to one path or to all."""
        if not shas:
            return {}
        form = ["log", "--no-walk=unsorted", "--format=%x00%H", *_PATCH]
        text = self.ask(*form, *shas, *(["--", path] if path else []))
        return {patch.oid: patch for patch in parse_patches(text)}

    def facts(self, shas: Sequence[str]) -> dict[str, Facts]:
        """Subject, date and release of commits."""
        if not shas:
            return {}
        form = "--format=%H%x1f%ad%x1f%s"
        rows = self.ask("log", "--no-walk=unsorted", form, "--date=short", *shas).splitlines()
        parts = [row.split("\x1f", 2) for row in rows]
        release = self._releases(shas)
        return {sha: Facts(subject, date, release.get(sha, "")) for sha, date, subject in parts}

    def _releases(self, shas: Sequence[str]) -> dict[str, str]:
        """The first release tag that has each; in a tree without commit-graph this takes long."""
        tags = ["--tags", "--refs=v*", "--exclude=*-rc*", "--name-only"]
        try:
            names = self.ask("name-rev", *tags, *shas).splitlines()
        except NotTold:
            return {}
        bare = [re.split(r"[~^]", name.removeprefix("tags/"))[0] for name in names]
        known = zip(shas, bare, strict=True)
        return {sha: name for sha, name in known if name != "undefined"}

    def has(self, rev: str, sha: str) -> bool:
        """Whether a commit is in the history of `rev`; not, when there is no time left to look."""
        left = self._deadline - time.monotonic()
        try:
            return left > 0 and is_ancestor(self.git, sha, rev, left)
        except subprocess.TimeoutExpired:
            return False

    def in_order(self, shas: Iterable[str]) -> list[str]:
        """Commits, the oldest first."""
        wanted = sorted(set(shas))
        if not wanted:
            return []
        rows = self.ask("log", "--no-walk=unsorted", "--format=%H %ct", *wanted).splitlines()
        return [sha for _, sha in sorted((int(r.split()[1]), r.split()[0]) for r in rows)]

    def start(self, sha: str, subject: str, path: str) -> str:
        """The commit before the one that is asked about, by its id or its subject; or the tip."""
        if sha and self.git.ref(sha):
            return self.git.ref(f"{sha}^") or self.tip
        form = ("--format=%H%x1f%s", "--fixed-strings", f"--grep={subject}")
        rows = self.ask("log", *form, self.tip, "--", path).splitlines() if subject else []
        for row in rows:
            found, _, its = row.partition("\x1f")
            if its == subject:
                return self.git.ref(f"{found}^") or self.tip
        return self.tip


_PATCH = ("-p", "-U0", "--no-color", "--no-renames", "--no-ext-diff")


def is_ancestor(git: Git, sha: str, rev: str, timeout: float | None = None) -> bool:
    """Whether `rev` has a commit in its history."""
    argv = ("merge-base", "--is-ancestor", sha, rev)
    return git.run(*argv, check=False, timeout=timeout).returncode == 0


def _opened(where: str) -> Git:
    hint = "git clone --bare URL makes one; a URL itself has no history to search"
    if "://" in where and not Path(where).exists():
        raise UsageError(f"{where}: history is read from a clone on this machine", hint=hint)
    try:
        return Git(Path(where).expanduser(), env=NO_LAZY_FETCH)
    except UsageError as err:
        raise UsageError(err.message, hint=hint) from err


def _newest(git: Git, where: str) -> str:
    form = ["for-each-ref", "--sort=-committerdate", "--count=1", "--format=%(objectname)"]
    found = git.run(*form, "refs/heads", "refs/remotes").text.strip()
    if not found:
        raise UsageError(f"{where}: a repository without commits", hint="fetch upstream into it")
    return found


def _cut(git: Git) -> Iterator[str]:
    """The commits whose parents a shallow clone does not have."""
    path = Path(git.run("rev-parse", "--git-path", "shallow").text.strip())
    path = path if path.is_absolute() else git.path / path.name
    yield from path.read_text().split() if path.is_file() else ()


# -- which commits made a place what it is


def changes_of(history: History, place: Place) -> Told:
    """The commits that account for how upstream's lines differ from the target's."""
    try:
        if history.git.entry(history.tip, place.path) is None:
            return Told(untold=f"{history.where} has no {place.path}")
        if history.partial:
            return _of_the_path(history, place)
        return _told(history, _found(history, place), [*place.lacks, *place.extra])
    except NotTold as err:
        return Told(untold=str(err))


def _found(history: History, place: Place) -> list[Past]:
    start = history.start(place.sha, place.subject, place.path)
    pasts: dict[str, Past] = {}
    left = Counter(line for line in place.lacks if telling(line))
    for rev in dict.fromkeys((start, history.tip)):
        for sha, line in _blamed(history, rev, place, left):
            if left[line]:
                left[line] -= 1
                pasts.setdefault(sha, Past(sha)).came.append(line)
    _pickaxe(history, place, list(+left), pasts)
    return list(pasts.values())


def _blamed(
    history: History, rev: str, place: Place, wanted: Mapping[str, int]
) -> list[tuple[str, str]]:
    """The wanted lines near the place in one version of its file, each with its commit."""
    data = history.git.read(rev, place.path) if any(wanted.values()) else None
    lines = split_lines(data or b"")
    span = window(lines, [line for line in place.base if telling(line)] or place.base)
    if span is None:
        return []
    near = f"{span[0] + 1},{span[1]}"
    text = history.ask("blame", "--porcelain", "--root", "-L", near, rev, "--", place.path)
    return [(sha, line) for sha, line in parse_blame(text) if line in wanted]


def window(lines: Sequence[str], region: Sequence[str]) -> tuple[int, int] | None:
    """The stretch of a file that holds the most of a region's lines; None if it holds none."""
    wanted = set(region)
    hits = [number for number, line in enumerate(lines) if line in wanted]
    reach = 2 * len(region) + 10
    best: tuple[int, int, int] | None = None
    for first in hits:
        inside = [n for n in hits if first <= n < first + reach]
        held = len({lines[n] for n in inside})
        if best is None or held > best[0]:
            best = held, first, inside[-1] + 1
    return best[1:] if best else None


def telling(line: str) -> bool:
    """Whether a line says enough to be known by its text."""
    text = line.strip()
    return len(re.findall(r"\w", text)) >= 4 and text not in _PLAIN


def _pickaxe(history: History, place: Place, came: Sequence[str], pasts: dict[str, Past]) -> None:
    """Find by their text, newest first, who brought lines and who took the target's away."""
    coming = [line for line in came if telling(line)][:_PICKAXED]
    going = [line for line in place.extra if telling(line)][:_PICKAXED]
    for patch in _patches_with(history, [*coming, *going], place.path):
        for side, left, name in ((patch.added, coming, "came"), (patch.removed, going, "went")):
            for line in [line for line in left if line in side]:
                left.remove(line)
                getattr(pasts.setdefault(patch.oid, Past(patch.oid)), name).append(line)


def _patches_with(history: History, lines: Sequence[str], path: str) -> list[Patch]:
    """The commits that change how often one of the lines is in a file, newest first."""
    if not lines:
        return []
    some = "|".join(dict.fromkeys(_literal(line.strip()) for line in lines))
    search = ("--pickaxe-regex", f"-S{some}")
    text = history.ask("log", "--format=%x00%H", *_PATCH, *search, history.tip, "--", path)
    return parse_patches(text)


def _literal(text: str) -> str:
    """Text as a POSIX extended regular expression that matches it alone."""
    return re.sub(r"([][.*+?(){}|^$\\])", r"\\\1", text)


def _told(history: History, pasts: Sequence[Past], lines: Sequence[str]) -> Told:
    """The commits in order, without those that a shallow clone only seems to tell of."""
    by_sha = {past.sha: past for past in pasts if past.sha not in history.cut}
    cut = len(pasts) - len(by_sha)
    order = history.in_order(by_sha)
    notes = [f"older than this shallow clone; {history.unshallow}"] if cut else []
    if len(order) > MOST:
        notes.append(f"{len(order) - MOST} older commits more")
    if not pasts and any(telling(line) for line in lines):
        notes.append("no commit of this history brought or took these lines")
    return Told(tuple(by_sha[sha] for sha in order[-MOST:]), "; ".join(notes))


def _of_the_path(history: History, place: Place) -> Told:
    """All that a clone without files' contents can say: the newest commits of the path."""
    start = history.start(place.sha, place.subject, place.path)
    text = history.ask("log", f"-n{MOST}", "--format=%H", start, "--", place.path)
    pasts = [Past(sha) for sha in reversed(text.split())]
    note = (
        "a partial clone: the newest commits of the file, whichever lines they changed;"
        f" git -C {history.where} fetch --refetch --no-filter"
    )
    return Told(tuple(pasts), note)


# -- which commit made a name, or a file


def introduced(history: History, name: str, path: str) -> Told:
    """The commit that brought a name to a file: the first that changes how often it is there."""
    if history.partial:
        return Told(untold=f"a partial clone; git -C {history.where} fetch --refetch --no-filter")
    search = ("--pickaxe-regex", rf"-S\b{_literal(name)}\b")
    return _first(history, "log", "--format=%H", *search, history.tip, "--", path)


def created(history: History, path: str) -> Told:
    """The commit that added a file."""
    form = ("--diff-filter=A", "--no-renames", "--format=%H")
    return _first(history, "log", *form, history.tip, "--", path)


def _first(history: History, *args: str) -> Told:
    try:
        shas = history.ask(*args).split()
        past = [Past(sha) for sha in shas[-1:]]
        return _told(history, past, ()) if past else Told(untold=f"{history.where} has it nowhere")
    except NotTold as err:
        return Told(untold=str(err))


def known(history: History, told: Iterable[Told]) -> Mapping[str, Facts]:
    """The facts of all commits that were told of, in one go."""
    shas = list(dict.fromkeys(past.sha for one in told for past in one.pasts))
    try:
        return history.facts(shas)
    except NotTold:
        return {}
