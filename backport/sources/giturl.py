"""A ref of a remote repository: resolved to a SHA, and that one commit fetched."""

from __future__ import annotations

import re

from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.doors.process import ProcessFailed
from backport.doors.store import Origin, Store
from backport.sources.gitfetch import FULL_SHA, fetcher, trouble, user_config
from backport.sources.records import Records
from backport.values.errors import Unavailable, UsageError
from backport.values.events import Emit, Note
from backport.values.target import GitSource, Tree

_REF = re.compile(r"[A-Za-z0-9_][\w./+@{}=-]*")
# git's own order (gitrevisions(7)): a tag wins over a branch of the same name.
_SPELLINGS = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}")


def obtain(spec: GitSource, store: Store, cache: Cache, emit: Emit, refresh: bool) -> Tree:
    """The commit that a ref is at, fetched without history; its id is the remote's own."""
    _check(spec)
    sha = resolve(spec, store.git, cache, emit, refresh)
    shown = shown_url(spec.url)
    origin = Origin(f"commit-{sha}", f"{shown} {spec.ref} ({sha})", f"{spec.ref} {sha[:12]}")

    def fetch(inbox: Git) -> str:
        try:
            return fetcher(spec.url, sha, shown, emit)(inbox)
        except UsageError:
            if FULL_SHA.fullmatch(spec.ref):
                raise
        return _by_ref(spec, sha, inbox, emit)

    return store.import_commit(origin, fetch, emit)


def _by_ref(spec: GitSource, sha: str, inbox: Git, emit: Emit) -> str:
    """For servers that give out refs only."""
    got = fetcher(spec.url, spec.ref, shown_url(spec.url), emit)(inbox)
    if got != sha:
        raise UsageError(
            f"{shown_url(spec.url)}: {spec.ref} moved from {sha} to {got}",
            hint="run the same command again with --refresh",
        )
    return got


def resolve(spec: GitSource, git: Git, cache: Cache, emit: Emit, refresh: bool) -> str:
    """The SHA of a ref; a recorded one serves for a day, and longer without network."""
    if FULL_SHA.fullmatch(spec.ref):
        return spec.ref
    records = Records(cache.root / "refs.json")
    key = f"{shown_url(spec.url)} {spec.ref}"
    known = records.get(key)
    if known and known.fresh and not refresh:
        return str(known.value["sha"])
    try:
        sha = _asked(spec, git)
    except Unavailable as err:
        if known is None:
            raise
        sha = str(known.value["sha"])
        text = f"{err.message.splitlines()[0]}; using {spec.ref} at {sha[:12]}"
        emit(Note("resolve", f"{text}, looked up {known.age} ago"))
        return sha
    records.put(key, {"sha": sha})
    return sha


def _asked(spec: GitSource, git: Git) -> str:
    argv = ("ls-remote", "--", spec.url, spec.ref, f"{spec.ref}^{{}}")
    try:
        lines = git.run(*argv, env=user_config()).text.splitlines()
    except ProcessFailed as err:
        raise trouble(err, shown_url(spec.url)) from err
    offered = {name: sha for sha, _, name in (line.partition("\t") for line in lines)}
    for form in _SPELLINGS:
        name = form.format(spec.ref)
        if name in offered:
            return offered.get(f"{name}^{{}}", offered[name])  # an annotated tag is peeled
    raise UsageError(
        f"{shown_url(spec.url)}: has no branch or tag {spec.ref}",
        hint="`git ls-remote` shows what it has",
    )


def shown_url(url: str) -> str:
    """A URL without the user's name and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def _check(spec: GitSource) -> None:
    if not spec.url or spec.url.startswith("-"):
        raise UsageError(f"{spec.url!r} is not the URL of a repository")
    if not _REF.fullmatch(spec.ref) or ".." in spec.ref:
        raise UsageError(f"{spec.ref!r} is not a branch, a tag or a full SHA")
