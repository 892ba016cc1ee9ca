"""The rules for one path of a person's resolution: conflict by conflict, then what is left.

Each conflict gets the cheapest action that makes its text, each other change one at a named place.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from backport.doors.git import Git
from backport.learning import lessons
from backport.learning.drafts import Draft, named, parsed
from backport.learning.lessons import Leftover, Lesson
from backport.picking.pick import Pick, Target, pick
from backport.picking.resolvers.incoming import added_runs
from backport.picking.slices import pick_slice
from backport.readers.cparse import enclosing, locate, outline
from backport.readers.identifiers import defined_in, words_of
from backport.values.conflict import Conflict, Kind, Region, Segment, unrendered
from backport.values.csource import Lines, split_lines
from backport.values.errors import RuleError, UsageError
from backport.values.rule import Question, Rule

_WORD = re.compile(r"[A-Za-z_]\w{3,}")


@dataclass(frozen=True)
class Taught:
    """What there is to learn from: the pick as it stopped, and the tree that a person made of it.

    `rules` are the series' own, `target` what was picked onto.
    """

    result: Pick
    onto: str
    before: str  # the target's tree
    resolved: str
    rules: tuple[Rule, ...]
    target: Target

    @property
    def git(self) -> Git:
        """Where all of it lies."""
        return self.target.git

    @property
    def touched(self) -> frozenset[str]:
        """The paths that upstream's commit changes."""
        old, new = self.result.incoming.parent, self.result.incoming.commit
        return frozenset(c.path for c in self.git.changes(*map(self.git.tree_of, (old, new))))


LessonOf = Callable[[Segment, tuple[str, ...]], Lesson]
Scoping = Callable[[Sequence[Segment], int, Lesson], Draft]


@dataclass
class PathLearner:
    """One path of the resolution: its texts, and the rules that are found for it."""

    taught: Taught
    path: str
    all_paths: Sequence[str]

    def drafts(self, *, by_rule: bool) -> list[Draft]:
        """Rules for the path that give the person's text."""
        whole = [c for c in self.conflicts if c.region is None]
        if whole:
            return [self._absent(whole[0])]
        for lesson_of in (self._cheapest, self._recorded)[0 if by_rule else 1 :]:
            for scoping in (self._by_symbol, self._by_line):
                drafts = self._settled(lesson_of, scoping)
                if drafts is not None:
                    return drafts
        raise UsageError(
            f"{self.path}: no rule found that gives this text again",
            hint="write it by hand: backport explain shows the place and a skeleton",
        )

    @property
    def conflicts(self) -> list[Conflict]:
        return [c for c in self.taught.result.conflicts if c.path == self.path]

    def _lines(self, tree: str) -> list[str]:
        return split_lines(self.taught.git.read(tree, self.path) or b"")

    def _absent(self, conflict: Conflict) -> Draft:
        """A file that the target rightly lacks: the person left it out and changed another one."""
        gone = self.taught.git.read(self.taught.resolved, self.path) is None
        others = [p for p in self.all_paths if p != self.path]
        if conflict.kind is not Kind.DELETED_HERE or not gone or len(others) != 1:
            raise UsageError(
                f"{self.path}: {conflict.kind}; no rule can be learned from its resolution",
                hint="`backport continue` takes it as it is",
            )
        return self._draft(Lesson((f'absent = "{others[0]}"',)))

    def _draft(self, lesson: Lesson, **more: object) -> Draft:
        sha = (self.taught.result.incoming.stands_for or (self.taught.result.incoming.commit,))[0]
        return replace(Draft("", sha[:12], (self.path,), lesson), **more)  # type: ignore[arg-type]

    def _settled(self, lesson_of: LessonOf, scoping: Scoping) -> list[Draft] | None:
        """Drafts for the conflicts, then for what is left; None if they do not give the text."""
        wanted = self._lines(self.taught.resolved)
        known = [c.region for c in self.conflicts if c.region is not None]
        segments = unrendered(self._lines(self.taught.result.tree), known)
        regions = [i for i, s in enumerate(segments) if isinstance(s, Region)]
        texts = texts_of(segments, wanted) if regions else []
        drafts = _counted(
            [scoping(segments, i, lesson_of(segments[i], text))
             for i, text in zip(regions, texts, strict=True)]
        )  # fmt: skip
        merged = self._picked(drafts)
        if merged is None:
            return None
        asked = next((draft.when for draft in drafts if draft.when), ())
        left = self._leftovers(merged, wanted)
        drafts += [draft if draft.when else replace(draft, when=asked) for draft in left]
        return drafts if self._picked(drafts) == wanted else None

    def _picked(self, drafts: Sequence[Draft]) -> list[str] | None:
        """The path as the rules pick it, None where they do not settle it."""
        taught, incoming = self.taught, self.taught.result.incoming
        rules = [*taught.rules, *parsed(named(drafts, set()))]
        try:
            if self.path in taught.touched:
                part = pick_slice(
                    incoming, taught.onto, taught.before, rules, taught.target, {self.path}
                )
            else:
                part = pick(incoming, taught.onto, taught.before, rules, taught.target)
        except RuleError:
            return None
        if any(conflict.path == self.path for conflict in part.conflicts):
            return None
        return self._lines(part.tree)

    # -- where a rule's place is

    def _by_symbol(self, segments: Sequence[Segment], index: int, lesson: Lesson) -> Draft:
        return self._regional(segments, index, lesson, "")

    def _by_line(self, segments: Sequence[Segment], index: int, lesson: Lesson) -> Draft:
        """With a line that no other region of the path holds."""
        region = segments[index]
        assert isinstance(region, Region)
        others = [s for i, s in enumerate(segments) if isinstance(s, Region) and i != index]
        return self._regional(segments, index, lesson, _own_line(region, others))

    def _regional(self, segments: Sequence[Segment], index: int, lesson: Lesson, has: str) -> Draft:
        region = segments[index]
        assert isinstance(region, Region)
        if lesson.name == "verbatim":
            return self._draft(lesson)
        flat = [line for s in segments[:index] for line in _ours(s)]
        whole = [line for s in segments for line in _ours(s)]
        symbol = enclosing(whole, min(len(flat), len(whole) - 1)) if whole else ""
        if not symbol and not has:
            has = _own_line(region, [])
        return self._draft(lesson, within=symbol, has=has, when=self._absent_neighbour(region))

    def _absent_neighbour(self, region: Region) -> tuple[Question, ...]:
        """A word of upstream's lines before its change that the target's file has nowhere.

        One that is still there after it is better: what upstream takes out may come back.
        """
        kept = set(_WORD.findall("".join(region.theirs)))
        here = set(_WORD.findall("".join(self._lines(self.taught.before))))
        words = dict.fromkeys(_WORD.findall("".join(region.base)))
        found = [word for word in words if word not in here]
        best = max(
            found,
            key=lambda word: (word in kept, word.isupper(), "_" in word, len(word)),
            default="",
        )
        return (Question(best, self.path, False),) if best else ()

    # -- lessons

    def _cheapest(self, segment: Segment, text: tuple[str, ...]) -> Lesson:
        assert isinstance(segment, Region)
        return lessons.of_region(segment, text)[0]

    def _recorded(self, segment: Segment, text: tuple[str, ...]) -> Lesson:
        assert isinstance(segment, Region)
        return lessons.verbatim(segment, text)

    def _leftovers(self, merged: list[str], wanted: list[str]) -> list[Draft]:
        """Rules for what the person changed outside of conflicts."""
        if merged == wanted:
            return []
        rewrite = self._incoming(merged, wanted)
        if rewrite is not None:
            return [rewrite]
        drafts, now = [], merged
        for item in reversed(lessons.leftovers(merged, wanted)):  # from below: places stay
            drafts.append(self._leftover(item, now))
            now = [*now[: item.first], *item.lines, *now[item.last :]]
        return drafts[::-1]

    def _incoming(self, merged: Lines, wanted: Lines) -> Draft | None:
        """A rewrite, where all that differs are renames in lines that upstream brings."""
        incoming = self.taught.result.incoming
        base, theirs = (
            self._lines(self.taught.git.tree_of(rev)) for rev in (incoming.parent, incoming.commit)
        )
        brought = [line for run in added_runs(base, theirs) for line in theirs[slice(*run)]]
        items = lessons.leftovers(merged, wanted)
        old = [line for item in items for line in merged[item.first : item.last]]
        new = [line for item in items for line in item.lines]
        if not set(old) <= set(brought):
            return None
        made = lessons.renames(old, new)
        lesson = lessons.rewriting(brought, _applied(made, brought)) if made else None
        return self._draft(lesson, when=self._undefined(old, new)) if lesson else None

    def _undefined(self, old: Lines, new: Lines) -> tuple[Question, ...]:
        """A name that goes, and the header in which upstream defines it and the target does not."""
        kept = {word for line in new for word in _WORD.findall(line)}
        gone = [w for ln in old for w in _WORD.findall(ln) if w not in kept]
        for name in dict.fromkeys(gone):
            for path in self._headers(name):
                data = self.taught.git.read(self.taught.before, path)
                if data is not None and not re.search(rb"\b%b\b" % name.encode(), data):
                    return (Question(name, path, False),)
        return ()

    def _headers(self, name: str) -> Iterator[str]:
        tree = self.taught.git.tree_of(self.taught.result.incoming.commit)
        for path, _, line in self.taught.git.grep(tree, rf"\b{name}\b", ["include"]):
            if name in defined_in(line, words_of(line, {name})):
                yield path

    def _leftover(self, item: Leftover, text: list[str]) -> Draft:
        gone = [d.name for d in outline(text) if not item.lines and _covers(item, d.span, text)]
        if len(gone) == 1 and len(locate(text, gone[0])) == 1:
            return self._draft(Lesson((f'remove = "{gone[0]}"',), len(gone[0])))
        symbol = enclosing(text, min(item.first, len(text) - 1)) if text else ""
        spans = locate(text, symbol) if symbol else []
        scopes = [(symbol, spans[0])] if len(spans) == 1 else []
        for within, scope in (*scopes, ("", (0, len(text)))):
            lesson = lessons.of_leftover(item, text, scope)
            if lesson is not None:
                return self._draft(lesson, within=within)
        raise UsageError(
            f"{self.path}: the change at line {item.first + 1} has no place of its own to name",
            hint="make it inside of the conflict's lines, or write the rule by hand",
        )


def _ours(segment: Segment) -> tuple[str, ...]:
    return segment.ours if isinstance(segment, Region) else segment


def _covers(item: Leftover, span: tuple[int, int], text: Lines) -> bool:
    """Whether a leftover takes a whole definition out, and nothing else but blank lines."""
    rest = [*text[item.first : span[0]], *text[span[1] : item.last]]
    inside = item.first <= span[0] and span[1] <= item.last
    return inside and not any(line.strip() for line in rest)


def _applied(changes: Sequence[lessons.Change], lines: Lines) -> list[str]:
    text = "".join(lines)
    for change in changes:
        text, _ = change.apply(text)
    return [f"{line}\n" for line in text.split("\n")[:-1]]


def _own_line(region: Region, others: Sequence[Region]) -> str:
    """An expression for a line of the region, upstream's first, that no other region holds."""
    texts = [other.text for other in others]
    for side in (region.theirs, region.ours, region.base):
        for line in sorted(side, key=lambda text: not re.search(r"\w{4}", text)):
            pattern = lessons.escaped(line.strip())
            if pattern and not any(re.search(pattern, text) for text in texts):
                return pattern
    return ""


def _counted(drafts: Sequence[Draft]) -> list[Draft]:
    """Equal drafts of one path become one that counts its places."""
    times: dict[Draft, int] = {}
    for draft in drafts:
        times[draft] = times.get(draft, 0) + 1
    return [replace(draft, count=n) for draft, n in times.items()]


def texts_of(segments: Sequence[Segment], wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """What a person made of each region: the lines between those that are settled around it.

    Where settled lines next to a region were changed as well, its text is that stretch whole; the
    settled lines then come twice, which the proof notices.
    """
    flat: list[object] = []
    for segment in segments:
        flat += [segment] if isinstance(segment, Region) else segment
    found: list[tuple[str, ...]] = []
    matcher = difflib.SequenceMatcher(None, flat, list(wanted), autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        inside = [item for item in flat[a1:a2] if isinstance(item, Region)]
        if tag != "equal" and inside:
            found += _shared_out(flat[a1:a2], tuple(wanted[b1:b2]))
    return found


def _shared_out(stretch: Sequence[object], text: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A text for each region of a stretch; with several, or more than regions, the likeliest."""
    regions = [item for item in stretch if isinstance(item, Region)]
    if len(regions) == 1 and len(stretch) == 1:
        yield text
        return
    for region in regions:
        sides = (region.ours, region.theirs, ())
        yield max(sides, key=lambda side: _alike(side, text))


def _alike(side: Sequence[str], text: Sequence[str]) -> float:
    return difflib.SequenceMatcher(None, side, text, autojunk=False).ratio()
