"""Pick one upstream commit onto a tree, in core: merge the touched paths, settle, edit, account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from backport.doors.git import Change, Entry, Git, Unmerged
from backport.gates import form
from backport.gates.accounting import Sides, Unaccounted, account, misplaced
from backport.picking.climbing import GitTrees, Texts, climb, left_of, record
from backport.picking.provenance import COMMITTER, picked_message
from backport.picking.resolve import (
    REGIONAL,
    PathWork,
    adapt_incoming,
    demand_fired,
    edit_merged,
    leave_absent,
    rules_of,
    settle_regions,
)
from backport.values.commit import Incoming, Person
from backport.values.conflict import Conflict, Kind, Region, Segment, parse_markers, render, unended
from backport.values.csource import join_lines, split_lines
from backport.values.errors import RuleError
from backport.values.filecase import FileCase, Step
from backport.values.rule import Adaptation, Climbed, LineDelta, Present, Question, Rule, has_word
from backport.values.version import Version

_APPLIED = Climbed("applied")  # the step that finds upstream's change in the target


class Outcome(StrEnum):
    """How a pick can land."""

    CLEAN = "clean"
    RESOLVED = "resolved"
    CONFLICT = "conflict"
    EMPTY = "empty"  # upstream's commit changes nothing
    ALREADY = "already-applied"  # the target has its change, so no rule is asked
    DROPPED = "dropped"  # rules left nothing of it


@dataclass(frozen=True)
class Pick:
    """One commit put onto one tree.

    `commit` is '' when the pick made none. On a conflict `tree` holds markers in the paths of
    `conflicts`, and every path without one is settled.
    """

    incoming: Incoming
    outcome: Outcome
    tree: str
    commit: str
    merged_conflicts: tuple[str, ...]  # where the plain merge conflicts, before any rule
    conflicts: tuple[Conflict, ...]
    adaptations: tuple[Adaptation, ...]
    unaccounted: tuple[Unaccounted, ...]
    misshapen: tuple[str, ...] = ()  # what the form gate objects to


@dataclass(frozen=True)
class Target:
    """What a pick needs to know of where it goes."""

    git: Git
    version: Version


def applicable(rules: Sequence[Rule], incoming: Incoming, tree: str, target: Target) -> list[Rule]:
    """The rules that hold for this commit on this tree."""
    answers: dict[Question, bool] = {}

    def holds(question: Question) -> bool:
        if question not in answers:
            asked = _asked(question, incoming, tree, target.git)
            answers[question] = question.holds_in(asked)
        return answers[question]

    return [
        rule
        for rule in rules
        if rule.belongs_to(incoming.stands_for)
        and target.version in rule.targets
        and all(holds(q) for q in rule.when)
    ]


def _asked(question: Question, incoming: Incoming, tree: str, git: Git) -> bytes:
    """The text that a question is about; upstream's commit says nothing of other files."""
    if not question.upstream:
        return git.read(tree, question.path) or b""
    before, after = (git.entry(rev, question.path) for rev in (incoming.parent, incoming.commit))
    return b"" if after is None or after == before else git.blob(after.oid)


def pick(
    incoming: Incoming,
    onto: str,
    tree: str,
    rules: Sequence[Rule],
    target: Target,
    *,
    judged: bool = True,
    resolver: Step | None = None,
) -> Pick:
    """Pick `incoming` onto commit `onto`, whose tree is `tree`.

    What the rules leave in conflict is put before the `resolver`, file by file. Without `judged`
    the gates are not asked, which takes half of the time: for a pick that was judged before, or
    that is not meant to pass.

    Raises `RuleError` when a rule does not match as often as it says.
    """
    chosen = applicable(rules, incoming, tree, target)
    return _Pick(incoming, tree, chosen, target.git, judged, resolver).run(onto)


def commit_pick(  # noqa: PLR0917 (the parts of a commit)
    git: Git, incoming: Incoming, tree: str, onto: str,
    fired: Sequence[Adaptation], by_hand: Sequence[str] = (),
) -> str:  # fmt: skip
    """Store the commit of a settled pick; its id depends on nothing but the arguments."""
    committer = Person(COMMITTER.name, COMMITTER.email, incoming.committer.date)
    message = picked_message(incoming, fired, by_hand)
    return git.commit_tree(tree, [onto], message, incoming.author, committer)


class _Pick:
    """The working state of one pick: texts by path, and what came of them."""

    def __init__(  # noqa: PLR0917 (the parts of `pick`)
        self, incoming: Incoming, tree: str, rules: Sequence[Rule], git: Git, judged: bool,
        resolver: Step | None,
    ) -> None:  # fmt: skip
        self._resolver = resolver
        self._incoming = incoming
        self._is_judged = judged
        self._git = git
        self._tree = tree
        self._changes = git.changes(git.tree_of(incoming.parent), git.tree_of(incoming.commit))
        paths = self._paths(rules)
        self._ours = dict(git.entries(tree, paths)) if paths else {}
        self._moved: dict[str, str] = {}  # upstream's path of a file, by the target's other one
        self._there = self._already(rules)
        touched = {change.path for change in self._changes}
        self._work = {p: PathWork(p, rules_of(p, rules, touched)) for p in paths}
        self._conflicts: list[Conflict] = []
        self._places: list[str] = []

    def run(self, onto: str) -> Pick:
        """Merge, settle, edit, account; then commit unless a conflict is left."""
        if self._there:
            return self._finish(onto, self._tree, (), ())
        theirs = {c.path: self._adapted(c) for c in self._changes}
        merged, unmerged = self._merge(theirs)
        if not unmerged and self._is_there(merged):
            return self._finish(onto, self._tree, *self._judged(merged, theirs, set()))
        for item in unmerged:
            self._settle(item, merged)
        left = {c.path for c in self._conflicts}
        self._edit(merged, left)
        tree = self._git.edit_tree(self._tree, merged)
        for path in sorted(self._work.keys() - left):
            demand_fired(self._work[path])
        return self._finish(onto, tree, *self._judged(merged, theirs, left))

    def _finish(
        self, onto: str, tree: str, odd: tuple[Unaccounted, ...], bad: tuple[str, ...]
    ) -> Pick:
        fired = self._there or tuple(a for work in self._work.values() for a in work.fired)
        outcome = self._outcome(tree, fired)
        commit = ""
        if outcome in {Outcome.CLEAN, Outcome.RESOLVED}:
            commit = commit_pick(self._git, self._incoming, tree, onto, fired)
        return Pick(
            self._incoming,
            outcome,
            tree,
            commit,
            tuple(self._places),
            tuple(self._conflicts),
            fired,
            odd,
            bad,
        )

    def _outcome(self, tree: str, fired: Sequence[Adaptation]) -> Outcome:
        if self._conflicts:
            return Outcome.CONFLICT
        if not self._changes:
            return Outcome.EMPTY
        if tree == self._tree:
            by_rule = any(adaptation.rule.action != _APPLIED for adaptation in fired)
            return Outcome.DROPPED if by_rule and not self._there else Outcome.ALREADY
        return Outcome.RESOLVED if fired or self._places else Outcome.CLEAN

    # -- steps

    def _already(self, rules: Sequence[Rule]) -> tuple[Adaptation, ...]:
        """The rules that say, of all that the commit stands for, that the target has it."""
        found = [
            Adaptation(rule, path, LineDelta())
            for rule in rules
            for path in rule.paths
            if isinstance(rule.action, Present)
            and all(rule.belongs_to((sha,)) for sha in self._incoming.stands_for)
            and has_word(self._git.read(self._tree, path) or b"", rule.action.symbol)
        ]
        return tuple(found)

    def _is_there(self, merged: Mapping[str, Entry | None]) -> bool:
        """Whether upstream's change, as it is, changes nothing here."""
        adapted = any(work.fired for work in self._work.values())
        return not adapted and all(e == self._ours.get(path) for path, e in merged.items())

    def _adapted(self, change: Change) -> Entry | None:
        """Upstream's side of one path after the rules on incoming lines."""
        work = self._work[change.path]
        if change.new is None or not work.of_incoming():
            return change.new
        lines = adapt_incoming(work, self._lines(change.old), self._lines(change.new))
        return Entry(change.new.mode, self._git.write_blob(join_lines(lines)))

    def _merge(
        self, theirs: Mapping[str, Entry | None]
    ) -> tuple[dict[str, Entry | None], tuple[Unmerged, ...]]:
        """Three-way merge of just the touched paths; their entries as merged, and the unmerged."""
        base = self._git.edit_tree("", {c.path: c.old for c in self._changes if c.old})
        ours = self._git.edit_tree("", {p: e for p, e in self._ours.items() if p in theirs})
        side = self._git.edit_tree("", {p: e for p, e in theirs.items() if e})
        empty = self._git.empty_tree()
        result = self._git.merge_trees(base or empty, ours or empty, side or empty)
        entries = self._git.entries(result.tree)
        return {path: entries.get(path) for path in theirs}, result.unmerged

    def _settle(self, item: Unmerged, merged: dict[str, Entry | None]) -> None:
        """Settle one unmerged path by its rules, or leave a conflict."""
        kind = _kind(item)
        entry = merged.get(item.path)
        segments = self._segments(item, entry)
        work = self._work[item.path]
        if kind is Kind.DELETED_HERE and (
            self._left_absent(work, item) or self._made_elsewhere(item, merged)
        ):
            self._places.append(item.path)
            merged[item.path] = None
            return
        if kind is not Kind.CONTENT or entry is None or not any(map(_is_region, segments)):
            self._places.append(item.path)
            kind = Kind.WHOLE if kind is Kind.CONTENT else kind
            self._conflicts.append(Conflict(item.path, kind, "", None))
            merged[item.path] = item.ours
            return
        segments, left = settle_regions(work, segments)
        self._places += work.places
        lines = self._climbed(item, segments) if left else None
        self._conflicts += left if lines is None else []
        text = join_lines(render(segments) if lines is None else lines)
        merged[item.path] = Entry(entry.mode, self._git.write_blob(text))

    def _climbed(self, item: Unmerged, segments: Sequence[Segment]) -> list[str] | None:
        """A file in which rules leave a conflict, as the resolver has it, if it does."""
        if self._resolver is None:
            return None
        work = self._work[item.path]
        if any(isinstance(a.rule.action, REGIONAL) for a in work.fired):
            texts = left_of(segments)
        else:
            texts = Texts(*(self._lines(side) for side in (item.base, item.ours, item.theirs)))
        return climb(self._resolver, self._trees(), work, texts)

    def _made_elsewhere(self, item: Unmerged, merged: dict[str, Entry | None]) -> bool:
        """Whether the resolver makes a change where the target has the file at another path."""
        if self._resolver is None:
            return False
        base, theirs = (self._lines(side) for side in (item.base, item.theirs))
        case = FileCase(item.path, join_lines(base), None, join_lines(theirs))
        done = self._resolver.resolve(case, self._trees())
        entry = done and self._git.entry(self._tree, done.path)
        if done is None or done.text is None or not entry or done.path in self._work:
            return False
        work = self._work[done.path] = PathWork(done.path, ())
        self._ours[done.path], self._moved[done.path] = entry, item.path
        record(work, done, Texts(base, self._lines(entry), theirs), split_lines(done.text))
        merged[done.path] = Entry(entry.mode, self._git.write_blob(done.text))
        return True

    def _trees(self) -> GitTrees:
        before, after = (
            self._git.tree_of(rev) for rev in (self._incoming.parent, self._incoming.commit)
        )
        return GitTrees(self._git, before, self._tree, after)

    def _left_absent(self, work: PathWork, item: Unmerged) -> bool:
        edited = {path for path, other in self._work.items() if other.of_merged()}
        present = edited & self._ours.keys()
        return leave_absent(work, self._lines(item.base), self._lines(item.theirs), present)

    def _segments(self, item: Unmerged, entry: Entry | None) -> list[Segment]:
        """The merged text in segments; a binary file or a mode in conflict has no region."""
        sides = (self._lines(side) for side in (item.base, item.ours, item.theirs))
        return unended(parse_markers(self._lines(entry)), *sides)

    def _edit(self, merged: dict[str, Entry | None], left: set[str]) -> None:
        for path, work in self._work.items():
            if not work.of_merged() or path in left:
                continue
            entry = merged.get(path, self._ours.get(path))
            if entry is None:
                rule = work.of_merged()[0]
                raise RuleError(rule.place, f"rule {rule.id}: the target has no {path}")
            lines = edit_merged(work, self._lines(entry))
            merged[path] = Entry(entry.mode, self._git.write_blob(join_lines(lines)))

    def _judged(
        self,
        merged: Mapping[str, Entry | None],
        theirs: Mapping[str, Entry | None],
        left: set[str],
    ) -> tuple[tuple[Unaccounted, ...], tuple[str, ...]]:
        """What the accounting and the form gate object to, in the paths without a conflict."""
        if not self._is_judged:
            return (), ()
        sides = self._sides(merged, left)
        odd = [item for s in sides for item in account(s, self._deltas(s.path))]
        named = {(item.path, item.line) for item in odd}
        moved = (item for s in sides for item in self._misplaced(s, theirs))
        odd += [item for item in moved if (item.path, item.line) not in named]
        return tuple(odd), tuple(line for s in sides for line in form.objections(s))

    def _sides(self, merged: Mapping[str, Entry | None], left: set[str]) -> list[Sides]:
        changes = {c.path: c for c in self._changes}
        paths = sorted({*changes, *merged} - left - set(self._moved.values()))
        by_path = {path: changes.get(self._moved.get(path, path)) for path in paths}
        return [
            Sides(
                path,
                base=self._lines(change.old if change else None),
                ours=self._lines(self._ours.get(path)),
                theirs=self._lines(change.new if change else None),
                result=self._lines(merged.get(path)),
            )
            for path, change in by_path.items()
        ]

    def _misplaced(self, sides: Sides, theirs: Mapping[str, Entry | None]) -> list[Unaccounted]:
        upstreams = self._moved.get(sides.path, sides.path)
        adapted = replace(sides, theirs=self._lines(theirs.get(upstreams)))
        return misplaced(adapted, self._work[sides.path].placed)

    def _deltas(self, path: str) -> list[LineDelta]:
        return [a.delta for a in self._work[path].fired]

    # -- helpers

    def _lines(self, entry: Entry | None) -> list[str]:
        return [] if entry is None else split_lines(self._git.blob(entry.oid))

    def _paths(self, rules: Sequence[Rule]) -> list[str]:
        if not self._changes:  # nothing to adapt
            return []
        return sorted({*(c.path for c in self._changes), *(p for r in rules for p in r.paths)})


def _kind(item: Unmerged) -> Kind:
    if item.ours is None:
        return Kind.DELETED_HERE
    if item.theirs is None:
        return Kind.DELETED_UPSTREAM
    return Kind.CONTENT if item.base else Kind.ADDED_TWICE


def _is_region(segment: Segment) -> bool:
    return isinstance(segment, Region)
