"""A world with upstream and a stable branch, for audits of branches."""

from __future__ import annotations

import shutil

from auditkit import Story, lines

from backport.audit.audit import Asking, Branch, audit_branch
from backport.values.events import silent

CORE, NEW, GONE = "dock/core.c", "dock/new.c", "dock/gone.c"
OLD = lines("ropes", "anchor", "engine", "lights", "crew", "radio", "flags", "cargo")


def core(old: str, new: str) -> dict[str, str | None]:
    """The first file with some of its lines replaced."""
    assert old in OLD
    return {CORE: OLD.replace(old, new)}


ANCHOR = core(lines("anchor"), lines("anchor_twice"))


class World:
    """Upstream and a stable branch in one repository; `add` is upstream's, `pick` the branch's."""

    def __init__(self, root):
        self.root = root
        self.story = Story(root / "both.git")
        self.first = self.list = ""

    def begin(self):
        self.first = self.add("dock: Begin", files={CORE: OLD, GONE: lines("old", "older")})
        self.list = self.add("dock: Make a list", files={"dock/list.c": lines("list", "lists")})
        self.story.branch("stable", self.list)
        self.story.tag("v1", self.list)
        return self

    def copy(self, root):
        """The same world in another place."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        other = World(root)
        other.story.days = self.story.days
        other.first, other.list = self.first, self.list
        return other

    def add(self, subject, body="", files=None, **more):
        return self.story.add(subject, body, files, **more)

    def pick(self, subject, body="", files=None, **more):
        return self.story.add(subject, body, files, branch="stable", **more)

    def audit(self, **more):
        asking = Asking(str(self.story.path), **{"seconds": 30.0, **more})
        branch = Branch(self.story.path, "stable")
        return audit_branch(asking, branch, self.root / "cache", silent)

    def found(self, **more):
        return {item.finding.sha: item for item in self.audit(**more).items}

    def state(self, sha, **more):
        item = self.found(**more)[sha]
        return item.standing.state, item.standing.why
