"""A series as git itself carries it: a branch in a repository, or a bundle to fetch from."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backport.doors.git import Git
from backport.doors.process import ProcessFailed
from backport.output.exporters.bench import demand_tree
from backport.output.exporters.cargo import Cargo, reworded
from backport.output.exporters.forms import folder_of
from backport.output.exporters.patches import borrower
from backport.picking.branch import check_name, move, open_branch
from backport.sources.localrepo import repository
from backport.values.errors import GateFailed, UsageError
from backport.values.target import LocalRepoSource, Tree


def _ref(cargo: Cargo) -> str:
    return f"refs/heads/{cargo.branch}"


# -- a branch


def write_branch(cargo: Cargo, dest: Path) -> tuple[str, ...]:
    """The series as a branch of the repository at `dest`, which is not touched otherwise.

    Raises `UsageError` if the branch is checked out there or holds work that is not ours.
    """
    base = cargo.cover.base
    tree = Tree(cargo.base, cargo.git.tree_of(cargo.base), base.version, base.label, base.source)
    spec = LocalRepoSource(_repository(dest))
    with borrower(cargo.git) as scratch:
        goal = open_branch(scratch, spec, tree, cargo.branch, force=cargo.force)
        move(scratch, goal, reworded(scratch, cargo))
    return (cargo.branch,)


def prove_branch(cargo: Cargo, dest: Path) -> str:
    """The branch is there, stands on the base, and has the tree; git checked that it is whole."""
    home = Git(_repository(dest))
    head = home.ref(_ref(cargo))
    if head is None:
        raise GateFailed(f"{dest}: has no branch {cargo.branch}")
    count = home.run("rev-list", "--count", f"{cargo.base}..{head}").text.strip()
    if count != str(len(cargo.commits)):
        text = f"{dest}: {cargo.branch} is {count} commits after the base, not {len(cargo.commits)}"
        raise GateFailed(text)
    return demand_tree(home, cargo, dest, home.tree_of(head))


def _repository(dest: Path) -> Path:
    found = repository(dest)
    if found is None:
        hint = "name one with --output; git init makes one"
        raise UsageError(f"{dest}: is in no git repository", hint=hint)
    return found


# -- a bundle


def write_bundle(cargo: Cargo, dest: Path) -> tuple[str, ...]:
    """What a repository that has the base lacks, in one file to fetch from."""
    check_name(cargo.branch)
    command = f"git fetch {cargo.name}.bundle {cargo.branch}"
    with folder_of(cargo, dest, command) as (folder, clean):
        clean.update_ref(_ref(cargo), reworded(clean, cargo), None, "export")
        # One thread packs the same bytes each time.
        argv = ("-c", "pack.threads=1", "bundle", "create", "--quiet")
        clean.run(*argv, folder / f"{cargo.name}.bundle", _ref(cargo), f"^{cargo.base}")
    return tuple(sorted(path.name for path in dest.iterdir()))


def prove_bundle(cargo: Cargo, dest: Path) -> str:
    """Fetch from it into a repository that has the base and none of the series' objects."""
    bundle = dest / f"{cargo.name}.bundle"
    with _base_alone(cargo) as there:
        try:
            there.run("bundle", "verify", "--quiet", bundle)
            there.run("fetch", "--quiet", bundle, f"{_ref(cargo)}:{_ref(cargo)}")
        except ProcessFailed as err:
            raise GateFailed(f"{bundle}: git cannot fetch from it\n{err.message}") from err
        tree = there.tree_of(_ref(cargo))
    return demand_tree(cargo.git, cargo, dest, tree)


@contextlib.contextmanager
def _base_alone(cargo: Cargo) -> Iterator[Git]:
    """A repository with the base commit and, of its files, those that the series touches.

    Git demands of a fetch all that the new commits have and the base's trees do not name, so the
    other 80,000 files need not be there.
    """
    with tempfile.TemporaryDirectory(prefix="backport-base-") as folder:
        there = Git.init_bare(Path(folder) / "base.git")
        pack = cargo.git.run("pack-objects", "--quiet", "--stdout", stdin=_objects(cargo)).stdout
        there.run("index-pack", "--stdin", stdin=pack)
        (there.path / "shallow").write_text(f"{cargo.base}\n")
        there.update_ref("refs/heads/base", cargo.base, None, "base")
        yield Git(there.path)


def _objects(cargo: Cargo) -> bytes:
    """The ids of the base commit, its trees on the way to the touched files, and these."""
    done = cargo.git.run("ls-tree", "-r", "-t", "-z", cargo.base, "--", *cargo.paths)
    listed = [line.split("\t")[0].split()[2] for line in done.text.split("\0") if line]
    ids = dict.fromkeys([cargo.base, cargo.git.tree_of(cargo.base), *listed])
    return "".join(f"{oid}\n" for oid in ids).encode()
