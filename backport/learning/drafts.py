"""Rules in the making: what `learn` found, as the TOML that a rule file will hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backport.learning import lessons
from backport.learning.lessons import Lesson
from backport.readers.rules import parse_rules
from backport.values.rule import Question, Rule

WHY = "FIXME"
CAUSE = "learned"


@dataclass(frozen=True)
class Draft:
    """A rule without its reason."""

    id: str
    commit: str
    paths: tuple[str, ...]
    lesson: Lesson
    within: str = ""
    has: str = ""
    count: int = 1
    when: tuple[Question, ...] = ()

    def toml(self, why: str) -> str:
        """The rule as its file has it."""
        paths = ", ".join(f'"{path}"' for path in self.paths)
        rows = [
            "[[rule]]",
            f'id = "{self.id}"',
            f'commits = ["{self.commit}"]',
            f"paths = [{paths}]" if len(self.paths) > 1 else f"path = {paths}",
            *([f'within = "{self.within}"'] if self.within else ()),
            *([f"has = {lessons.quoted(self.has)}"] if self.has else ()),
            *self.lesson.toml,
            *([f"count = {self.count}"] if self.count > 1 else ()),
            *([f"when = [{', '.join(map(_asked, self.when))}]"] if self.when else ()),
            f"why = {json.dumps(why, ensure_ascii=False)}",
        ]
        return "\n".join(rows) + "\n"


def _asked(question: Question) -> str:
    key = "defined" if question.defined else "undefined"
    return f'{{ {key} = "{question.symbol}", in = "{question.path}" }}'


def text_of(drafts: Sequence[Draft], whys: Sequence[str]) -> str:
    """The rules one below the other, as a file has them behind its head."""
    return "\n".join(draft.toml(why) for draft, why in zip(drafts, whys, strict=True))


def parsed(drafts: Sequence[Draft]) -> tuple[Rule, ...]:
    """The rules that the drafts will be, read as their file would be."""
    return parse(text_of(drafts, [WHY] * len(drafts)))


def parse(text: str) -> tuple[Rule, ...]:
    """Rules as `text_of` gives them, read as their file would be; none gives none."""
    return parse_rules(f'cause = "{CAUSE}"\n\n{text}', "what was learned") if text else ()


def mirrored(drafts: Sequence[Draft]) -> list[Draft]:
    """Drafts that differ in nothing but the path, which a question may ask as well, become one."""
    merged: dict[Draft, list[Draft]] = {}
    for draft in drafts:
        asked = (replace(q, path="" if q.path in draft.paths else q.path) for q in draft.when)
        merged.setdefault(replace(draft, id="", paths=(), when=tuple(asked)), []).append(draft)
    return [
        replace(same[0], paths=tuple(path for draft in same for path in draft.paths))
        for same in merged.values()
    ]


def named(drafts: Sequence[Draft], taken: set[str]) -> list[Draft]:
    """The drafts with ids that are not taken: file, symbol, commit."""
    named = []
    for draft in drafts:
        stem = draft.paths[0].rpartition("/")[2].partition(".")[0]
        parts = (stem, draft.within.replace("/", "-").strip("_"), draft.commit[:7])
        name = base = "-".join(filter(None, parts))
        number = 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        named.append(replace(draft, id=name))
    return named
