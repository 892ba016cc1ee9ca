"""The review page of a run: one HTML file that opens offline and holds all that a reviewer signs.

Its size is bounded: commits are laid out in full until `PAGE` bytes are used, then without the
lines that are as upstream has them, then with their facts alone and the command that shows them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from markupsafe import Markup

from backport.advice.ownership import Tie, effects
from backport.advice.review import CommitReview, FileReview, Review
from backport.output.commitgraph import graph, needs
from backport.output.diffrows import FOLDED, MARKS, QUIET, SHOWN, Block, blocks, table, unified
from backport.output.page import environment
from backport.output.report import case_rows
from backport.output.summary import columns, rule_totals, took, verdict
from backport.values.findings import Findings
from backport.values.record import Adaptation, Pick, RunRecord
from backport.values.sidebyside import ADDED, KEPT, REMOVED, DiffLine
from backport.values.style import State, StyleFinding

PAGE = 12_000_000  # bytes of commits, beyond which only their facts are in the page
MESSAGE = 200  # lines of a commit's message
SIDE = 300  # lines of one side of a conflict
FEW = 30  # commits of a page that opens with its differences shown
SHORT = 12
ROWS = 500  # of a table of symbols
NO_OBJECT = ("tools/", "scripts/", "samples/")  # what the kernel does not compile
PER_COMMIT = ("accounting", "form", "objects")  # the gates that look at each commit
_OPTION = re.compile(r"(?:menu)?config\s+(\w+)")
_NAME = re.compile(r"^\s*(?:#\s*define\s+)?([A-Z][A-Z0-9_]{2,})\b(?!\s*\()")


class Detail(IntEnum):
    """How much of a commit is in the page."""

    FACTS = 0
    DIFFERENCES = 1
    FULL = 2


@dataclass(frozen=True)
class Counts:
    """Lines of upstream's change, of the backport's, those that both have, and those that differ.

    `unowned` are differences that no rule explains.
    """

    upstream: int = 0
    backport: int = 0
    same: int = 0
    differ: int = 0
    unowned: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(self._all(), other._all(), strict=True)))

    def _all(self) -> tuple[int, ...]:
        return self.upstream, self.backport, self.same, self.differ, self.unowned


@dataclass(frozen=True)
class FileView:
    """One file as the page shows it."""

    review: FileReview
    blocks: tuple[Block, ...]
    counts: Counts
    plus: int
    minus: int

    @property
    def path(self) -> str:
        return self.review.path

    @property
    def speaks(self) -> bool:
        """Whether there is more to see than upstream's own lines."""
        return any(not block.folded for block in self.blocks) or bool(self.review.clashes)


@dataclass(frozen=True)
class CommitView:
    """One commit as the page shows it; `key` is what a permalink calls it."""

    key: str
    number: int
    review: CommitReview
    files: tuple[FileView, ...]
    counts: Counts
    style: tuple[StyleFinding, ...] = ()

    @property
    def pick(self) -> Pick:
        return self.review.pick

    @property
    def speaks(self) -> bool:
        """Whether the backport is anything else than upstream's change put here."""
        return any(file.speaks for file in self.files) or bool(self.review.untold)

    @property
    def own_style(self) -> int:
        """How many findings are new and have no reason."""
        return sum(one.state == State.NEW for one in self.style)

    @property
    def objects(self) -> list[str]:
        """What the kernel compiles of the files that it touches."""
        paths = (f.path for f in self.files if f.path.endswith((".c", ".S")))
        return [
            f"{p[:-2]}.o" for p in paths if not p.startswith(("tools/", "scripts/", "samples/"))
        ]

    @property
    def clashes(self) -> int:
        return sum(len(file.review.clashes) for file in self.files)

    @property
    def words(self) -> str:
        """What a search of the page finds it by, without opening it."""
        shas = (self.pick.sha, *self.pick.stands_for, self.pick.commit, self.pick.incoming)
        paths = (file.path for file in self.files)
        return " ".join([self.pick.subject, *shas, *self.pick.rules, *paths]).lower()

    @property
    def message(self) -> str:
        info = self.review.commit or self.review.incoming
        lines = info.message.strip("\n").split("\n") if info else []
        more = [f"… {len(lines) - MESSAGE} lines more"] if len(lines) > MESSAGE else []
        return "\n".join([*lines[:MESSAGE], *more])


def render_review(review: Review, findings: Findings, page: int = PAGE) -> str:
    """The whole page; `page` bounds the bytes of its commits."""
    env = environment(True)
    views = list(_views(review, findings))
    style = Markup(env.get_template("review.css.j2").render())
    script = Markup(env.get_template("review.js.j2").render())
    leaning = needs(review)
    return env.get_template("review.html.j2").render(
        record=review.record,
        verdict=verdict(review.record),
        took=took(review.record),
        columns=(shown := columns(review.record)),
        rows=list(case_rows(review.record, shown)),
        rules=_rules(review),
        commits=views,
        many=len(views) > FEW,
        articles=list(_articles(review.record, views, page)),
        untold=sum(1 for one in review.commits if one.untold),
        outcomes=list(dict.fromkeys(pick.outcome for pick in review.record.picks)),
        ROWS=ROWS,
        total=total_of(review),
        findings=findings,
        graph=graph(review.commits, leaning),
        needs=leaning,
        uapi=[(path, unified(lines, FOLDED), _names(lines)) for path, lines in review.uapi],
        kconfig=list(_kconfig(views)),
        longest=max((stage.seconds for stage in review.record.stages), default=0.0),
        marks=[(MARKS[tie], tie) for tie in Tie if tie in MARKS],
        style=style,
        script=script,
        hashes={"style": _hash(style), "script": _hash(script)},
    )


def total_of(review: Review) -> Counts:
    """The lines of a whole run, as its page opens with them."""
    return sum((_counts(file) for one in review.commits for file in one.files), Counts())


def _hash(text: str) -> str:
    """What a content security policy calls an inline text: then no other one runs."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# -- commits


def _articles(record: RunRecord, views: Sequence[CommitView], page: int) -> Iterator[Markup]:
    """Each commit in as much detail as there is room for."""
    left = page
    reasons = {a.rule: (a.why, a.cause) for a in record.adaptations}
    gates = [gate for gate in record.gates if gate.name in PER_COMMIT]

    def fired(commit: str, path: str) -> list[str]:
        return [a.rule for a in record.adaptations if (a.commit, a.path) == (commit, path)]

    template = environment(True).get_template("reviewcommit.html.j2")
    for view in views:
        for detail in sorted(Detail, reverse=True):
            text = template.render(
                view=view, detail=detail, Detail=Detail, open=view.speaks and len(views) <= FEW,
                table=table, marks=MARKS, FOLDED=FOLDED, SHOWN=SHOWN, SIDE=SIDE,
                reasons=reasons, gates=gates, fired=fired,
            )  # fmt: skip
            if len(text) <= left or detail is Detail.FACTS:
                break
        left -= len(text)
        yield Markup(text)


def _views(review: Review, findings: Findings) -> Iterator[CommitView]:
    keys = Counter[str]()
    for number, one in enumerate(review.commits, 1):
        key = (one.pick.commit or one.pick.incoming or one.pick.sha)[:SHORT]
        keys[key] += 1
        key = key if keys[key] == 1 else f"{key}-{keys[key]}"
        checked = findings.style.commits if findings.style else ()
        mine = [f for c in checked if c.commit[:SHORT] in _shas(one.pick) for f in c.findings]
        files = tuple(_file(file) for file in one.files)
        counts = sum((file.counts for file in files), Counts())
        yield CommitView(key, number, one, files, counts, tuple(mine))


def _shas(pick: Pick) -> set[str]:
    return {sha[:SHORT] for sha in (pick.sha, pick.commit, pick.incoming, *pick.stands_for)}


def _file(file: FileReview) -> FileView:
    rights = [row.right or row.left for row in file.rows]
    plus = sum(1 for line in rights if line and line.sign == ADDED)
    minus = sum(1 for line in rights if line and line.sign == REMOVED)
    return FileView(file, tuple(blocks(file)), _counts(file), plus, minus)


def _counts(file: FileReview) -> Counts:
    upstream = backport = same = differ = unowned = 0
    for row, owner in zip(file.rows, file.owners, strict=True):
        upstream += row.left is not None and row.left.sign != KEPT
        backport += row.right is not None and row.right.sign != KEPT
        same += row.same and row.changes
        if owner.tie not in QUIET and not row.same:
            differ += len(effects(row))
            unowned += len(effects(row)) if owner.tie is Tie.NOBODY else 0
    return Counts(upstream, backport, same, differ, unowned)


# -- the series


def _rules(review: Review) -> list[tuple[Adaptation, list[tuple[str, str]]]]:
    """Each rule with the places where it fired: the key of the commit, and the path."""
    record = review.record
    return [
        (rule, [(a.commit[:SHORT], a.path) for a in record.adaptations if a.rule == rule.rule])
        for rule in rule_totals(record)
    ]


def _names(lines: Sequence[DiffLine]) -> list[str]:
    """The constants that a header's difference adds."""
    found = [_NAME.match(line.text) for line in lines if line.sign == ADDED]
    return list(dict.fromkeys(one[1] for one in found if one))


def _kconfig(views: Sequence[CommitView]) -> Iterator[tuple[str, str, str]]:
    """The options that the series brings: the name, where, and the key of its commit."""
    for view in views:
        for file in view.files:
            if "Kconfig" not in file.path.rpartition("/")[2]:
                continue
            for row in file.review.rows:
                found = row.right and row.right.sign == ADDED and _OPTION.match(row.right.text)
                if found:
                    yield found[1], file.path, view.key
