"""Rules, what they do and what would miss them, for a person and for a program.

Text is at most `WIDTH` columns wide; JSON holds everything; the markdown is the same for the same
results, so that a table kept in docs/ changes only when they do.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backport.advice.mutate import Mutation, Noticed
from backport.advice.rulecheck import Trial
from backport.picking.ground import Absence, Ground
from backport.values.rule import Question, Rule

WIDTH = 100
TITLE = "# Which gate misses which rule"
ABOUT = """\
Each rule that holds on a target is removed in turn and the series is picked again; the first gate
that notices is named, the cheapest first: `config` and `objects` configure and compile the result.
`UNNOTICED` means that none does. Each section is written by its command:"""


def action(rule: Rule) -> str:
    """The name of a rule's action, as its file has it."""
    return type(rule.action).__name__.lower()


def condition(rule: Rule) -> str:
    """What a rule asks of its target, '' if it holds everywhere."""
    span = rule.targets
    words = [str(span)] if span.since or span.until else []
    words += [_asked(question) for question in rule.when]
    return ", ".join(words)


def _asked(question: Question) -> str:
    whose = "upstream's " if question.upstream else ""
    return f"{question.symbol} {'' if question.defined else 'not '}in {whose}{question.path}"


# -- list


def list_json(
    rules: Sequence[Rule], tried: Sequence[Trial], absent: Sequence[Absence]
) -> dict[str, Any]:
    """All rules with what they did on each target."""
    return {
        "targets": [
            {"name": t.target, "base": t.base, "stopped": t.stopped, "looked_at": t.whole}
            for t in tried
        ],
        "not_looked_at": [{"name": a.name, "why": a.why} for a in absent],
        "rules": [_rule_json(rule, tried) for rule in rules],
    }


def _rule_json(rule: Rule, tried: Sequence[Trial]) -> dict[str, Any]:
    return {
        "id": rule.id,
        "file": Path(rule.place.file).name,
        "line": rule.place.line,
        "cause": rule.cause,
        "why": rule.why,
        "action": action(rule),
        "commits": list(rule.commits),
        "paths": list(rule.paths),
        "within": rule.within,
        "since": str(rule.targets.since or ""),
        "until": str(rule.targets.until or ""),
        "when": [asdict(question) for question in rule.when],
        "targets": {
            t.target: {
                "holds": rule.id in t.held,
                "fired": [
                    {"commit": f.commit, "path": f.path, "added": f.added, "removed": f.removed}
                    for f in t.fired
                    if f.rule == rule.id
                ],
            }
            for t in tried
        },
    }


def list_text(rules: Sequence[Rule], tried: Sequence[Trial], absent: Sequence[Absence]) -> str:
    """One block for each rule, then which targets were looked at."""
    blocks = ["\n".join(_rule_text(rule, tried)) for rule in rules]
    causes = Counter(rule.cause for rule in rules)
    ends = [f"{len(rules)} rules: " + ", ".join(f"{n} {cause}" for cause, n in causes.items())]
    ends += [f"{t.target} ({t.base}): {len(t.held)} hold{_but(t)}" for t in tried]
    ends += [f"{a.name}: not looked at: {a.why}" for a in absent]
    return "\n\n".join([*blocks, "\n".join(line for end in ends for line in wrapped(end, ""))])


def _but(trial: Trial) -> str:
    return f"; stopped: {trial.stopped.splitlines()[0]}" if trial.stopped else ""


def _rule_text(rule: Rule, tried: Sequence[Trial]) -> Iterator[str]:
    place = f"{Path(rule.place.file).name}:{rule.place.line}"
    yield f"{rule.id}: {action(rule)}, {rule.cause}, {place}"
    asked = condition(rule)
    yield from wrapped(f"where: {asked}", "  ") if asked else ()
    yield from wrapped(f"why: {rule.why}", "  ")
    held = [t for t in tried if rule.id in t.held]
    for path in rule.paths:
        yield f"  {path}" + (f", in {rule.within}" if rule.within else "")
        for trial in held:
            for f in trial.fired:
                if f.rule == rule.id and f.path == path:
                    yield f"    {trial.target}: +{f.added} -{f.removed} in {f.commit}"
    others = [t.target for t in tried if t not in held]
    if others:
        yield f"  not on {', '.join(others)}"


# -- mutate


def mutations_json(ground: Ground, found: Sequence[Mutation]) -> dict[str, Any]:
    """Every rule with what notices."""
    return {
        "target": ground.name,
        "base": ground.base.label,
        "counts": dict(_counts(found)),
        "mutations": [
            {
                "rule": m.rule.id,
                "action": action(m.rule),
                "commit": _sha(m),
                "noticed_by": m.notice.by.value,
                "where": m.notice.where,
                "idle": m.idle,
            }
            for m in found
        ],
    }


def mutations_text(ground: Ground, found: Sequence[Mutation]) -> str:
    """One line for each rule, then how many each gate notices."""
    wide = max((len(m.rule.id) for m in found), default=0)
    rows = [f"{m.rule.id:{wide}}  {m.notice.by.value:10}  {m.notice.where}" for m in found]
    return "\n".join([*(cut(row) for row in rows), _summary(ground, found)])


def _summary(ground: Ground, found: Sequence[Mutation]) -> str:
    counts = ", ".join(f"{n} {by}" for by, n in _counts(found))
    return f"{len(found)} rules hold on {ground.base.label}: {counts or 'nothing to remove'}"


def _counts(found: Sequence[Mutation]) -> list[tuple[str, int]]:
    counts = Counter(m.notice.by for m in found)
    return [(by.value, counts[by]) for by in Noticed if counts[by]]


def _sha(mutation: Mutation) -> str:
    incoming = mutation.incoming
    return (incoming.stands_for or (incoming.commit,))[0][:12]


def mutations_markdown(before: str, ground: Ground, command: str, found: Sequence[Mutation]) -> str:
    """The document `before` ('' for a new one) with this target's section written anew."""
    sections = {name: body for name, body in sections_of(before) if name != ground.name}
    sections[ground.name] = "\n".join([
        f"`{command}`",
        "",
        _summary(ground, found) + ".",
        "",
        "| rule | action | commit | noticed by | where |",
        "|---|---|---|---|---|",
        *(
            f"| {m.rule.id} | {action(m.rule)} | {_sha(m)} | {m.notice.by.value}"
            f" | {_cell(m.notice.where)} |"
            for m in found
        ),
    ])  # fmt: skip
    ordered = sorted(sections.items())
    commands = [line.strip("`") for _, body in ordered for line in body.splitlines()[:1]]
    head = "\n".join([TITLE, "", ABOUT, "", "```", *commands, "```"])
    return "\n\n".join([head, *(f"## {name}\n\n{body}" for name, body in ordered)]) + "\n"


def sections_of(text: str) -> Iterator[tuple[str, str]]:
    """The sections of a document that commands write, by name."""
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        name, _, body = part.partition("\n")
        yield name.strip(), body.strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def wrapped(text: str, indent: str) -> list[str]:
    """Text in lines of at most `WIDTH` columns, those after the first two deeper."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
    )


def cut(line: str) -> str:
    """A line of at most `WIDTH` columns."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
