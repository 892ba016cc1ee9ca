"""What a picked commit's message says about where it came from and how it was adapted.

The form is the Linux stable one: `[ Upstream commit <sha> ]` below the subject, a bracketed note of
the adaptations above the sign-off, and trailers that a machine reads back.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from backport.values.commit import Incoming, Person
from backport.values.rule import Adaptation

COMMITTER = Person("backport", "backport@localhost", "")
WIDTH = 75
_TRAILER = re.compile(r"[A-Z][A-Za-z-]+: \S")
_NOTE = re.compile(r"^\[(?:[^][]|\[[^][]*\])*\]$", re.M)


def picked_message(incoming: Incoming, fired: Sequence[Adaptation], by_hand: Sequence[str]) -> str:
    """The message of a pick; `by_hand` are the paths that a person resolved."""
    head, _, body = incoming.message.strip("\n").partition("\n\n")
    text, trailers = _split_trailers(body.strip("\n"))
    parts = [head, _upstream(incoming), text, _note(fired, by_hand), _trailers(trailers, fired)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _upstream(incoming: Incoming) -> str:
    shas = incoming.stands_for
    if len(shas) == 1:
        return f"[ Upstream commit {shas[0]} ]"
    return "\n".join(["[ Upstream commits", *(f"  {sha}" for sha in shas), "]"])


def _split_trailers(body: str) -> tuple[str, list[str]]:
    """The last paragraph, if it is one of trailers and of maintainers' notes in brackets."""
    text, _, last = body.rpartition("\n\n")
    rest = [line for line in _NOTE.sub("", last).split("\n") if line]
    if rest and all(_TRAILER.match(line) or line.startswith((" ", "\t")) for line in rest):
        return text, last.split("\n")
    return body, []


def _note(fired: Sequence[Adaptation], by_hand: Sequence[str]) -> str:
    reasons: dict[str, str] = {}
    for item in fired:
        reasons.setdefault(item.rule.id, item.rule.why)
    lines = [_wrapped(f"{rule}: {why}") for rule, why in reasons.items()]
    lines += [f"  resolved by hand: {path}" for path in by_hand]
    return "\n".join([f"[ {COMMITTER.name}: adapted:", *lines, "]"]) if lines else ""


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="    ",
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _trailers(upstream: Sequence[str], fired: Sequence[Adaptation]) -> str:
    rules = dict.fromkeys(item.rule.id for item in fired)
    return "\n".join([*upstream, *(f"Backport-rule: {rule}" for rule in rules)])
