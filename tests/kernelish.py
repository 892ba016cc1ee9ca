"""Tiny repositories of kernel-like text, built by code; nothing here is taken from a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backport.doors.git import Entry, Git
from backport.picking.pick import Pick, Target, pick
from backport.values.commit import Incoming, Person
from backport.values.errors import Place
from backport.values.rule import Action, Rule
from backport.values.target import Tree
from backport.values.version import Version

AUTHOR = Person("Ada Author", "ada@example.org", "1700000000 +0100")
MAINTAINER = Person("Mia Maintainer", "mia@example.org", "1700001000 -0800")
SHA = "1" * 40
OTHER_SHA = "2" * 40

Files = Mapping[str, bytes | str]

BASE_C = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/newer.h>
#include <net/dock.h>

static int dock_count;

static int dock_open(struct dock *dock)
{
	dock_count++;
	return dock_newer(dock);
}

int dock_run(struct dock *dock)
{
	int ret;

	ret = dock_open(dock);
	if (ret)
		return ret;
	return 0;
}
"""


def encoded(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def make_tree(git: Git, files: Files, modes: Mapping[str, str] | None = None) -> str:
    """A tree id of {path: contents}; `modes` names files that are not 100644."""
    modes = modes or {}
    return git.edit_tree(
        "",
        {
            path: Entry(modes.get(path, "100644"), git.write_blob(encoded(data)))
            for path, data in files.items()
        },
    )


def files_of(git: Git, tree: str) -> dict[str, bytes]:
    """What a tree holds, by path."""
    return {path: git.blob(entry.oid) for path, entry in git.entries(tree).items()}


def drop(git: Git, files: Files, version: str, label: str = "") -> Tree:
    """An imported source tree, as a store would have it."""
    tree = make_tree(git, files)
    commit = git.commit_tree(tree, [], f"import {version}\n", AUTHOR, AUTHOR)
    return Tree(commit, tree, version, label or f"linux-{version}", "written by a test")


def change(
    git: Git,
    before: str,
    after: str,
    shas: tuple[str, ...] = (SHA,),
    message: str = "dock: Open the other door\n\nBecause.\n\nSigned-off-by: Ada <a@example.org>\n",
) -> Incoming:
    """An upstream commit between two trees."""
    parent = git.commit_tree(before, [], "parent\n", AUTHOR, MAINTAINER)
    commit = git.commit_tree(after, [parent], message, AUTHOR, MAINTAINER)
    subject = message.split("\n", 1)[0]
    return Incoming(commit, parent, subject, message, AUTHOR, MAINTAINER, shas, "a test")


def rule(action: Action, *paths: str, **more: object) -> Rule:
    """A rule for `SHA`, standing at line 7 of rules.toml."""
    fields: dict[str, object] = {
        "id": "the-rule",
        "place": Place("rules.toml", 7, "rule[0]"),
        "cause": "context drift",
        "why": "the neighbours are absent here",
        "commits": (SHA[:12],),
        "paths": paths or ("a.c",),
        "action": action,
    }
    return Rule(**{**fields, **more})  # type: ignore[arg-type]


class Bench:
    """One store with a target tree, onto which commits are picked."""

    def __init__(self, folder: Path, version: str = "6.1") -> None:
        self.git = Git.init_bare(folder / "store.git")
        self.version = Version.parse(version)

    def pick(self, base: Files, ours: Files, theirs: Files, *rules: Rule) -> Pick:
        """Pick the change base -> theirs onto ours."""
        incoming = change(self.git, make_tree(self.git, base), make_tree(self.git, theirs))
        return self.pick_trees(incoming, make_tree(self.git, ours), *rules)

    def pick_trees(self, incoming: Incoming, tree: str, *rules: Rule) -> Pick:
        """Pick a ready commit onto a tree."""
        onto = self.git.commit_tree(tree, [], "target\n", AUTHOR, AUTHOR)
        return pick(incoming, onto, tree, rules, Target(self.git, self.version))

    def read(self, picked: Pick, path: str = "a.c") -> bytes | None:
        """A file of a pick's result."""
        return self.git.read(picked.tree, path)
