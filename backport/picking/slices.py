"""Picks of a few paths: what one rule changes is seen without merging the rest of the commit.

A pick treats each path by itself, but for three things: whether upstream's whole change is there
already, where a rule says that a missing file's change goes instead, and what rules ask about.
A slice keeps the paths of the first two, and asks the whole commit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from backport.doors.git import Change, Git
from backport.picking.pick import Pick, Target, applicable, pick
from backport.values.commit import Incoming
from backport.values.rule import Absent, Present, Rule


def slice_of(paths: Collection[str], rules: Sequence[Rule], changes: Sequence[Change]) -> set[str]:
    """The paths that must be picked along: stand-ins, what says that it is there, and a witness.

    The witness is a path that no rule is about, so that a change which is there already in these
    paths is not taken for one that is there in all of them.
    """
    found = set(paths)
    for rule in rules:
        if isinstance(rule.action, Present):
            found.update(rule.paths)
        if isinstance(rule.action, Absent) and found & {*rule.paths, rule.action.instead}:
            found |= {*rule.paths, rule.action.instead}
    ruled = {path for rule in rules for path in rule.paths}
    free = [c.path for c in changes if c.path not in ruled]
    return found | set(free[:1])


def pick_slice(  # noqa: PLR0917 (a pick, and the paths of it)
    incoming: Incoming, onto: str, tree: str, rules: Sequence[Rule], target: Target,
    paths: Collection[str],
) -> Pick:  # fmt: skip
    """Pick `incoming`'s change of these paths onto `tree`, with what the rules say of them."""
    git = target.git
    parts = [git.tree_of(rev) for rev in (incoming.parent, incoming.commit)]
    cut = [git.edit_tree("", git.entries(tree, sorted(paths))) for tree in parts]
    # Questions are about the whole commit: a slice may lack the very file that one names.
    held = applicable(rules, incoming, tree, target)
    narrowed = [replace(r, paths=tuple(p for p in r.paths if p in paths), when=()) for r in held]
    asked = [rule for rule in narrowed if rule.paths]
    part = replace(incoming, parent=cut[0], commit=cut[1])
    return pick(part, onto, tree, asked, target)


def spread(git: Git, whole: str, part: str, paths: Collection[str]) -> str:
    """The tree `whole` with these paths as `part` has them."""
    entries = git.entries(part, sorted(paths))
    return git.edit_tree(whole, {path: entries.get(path) for path in paths})
