"""What a picked commit's message says about where it came from and how it was adapted.

The form is the Linux stable one: `[ Upstream commit <sha> ]` below the subject, a bracketed note of
the adaptations above the sign-off, and trailers that a machine reads back.
"""

from __future__ import annotations

from collections.abc import Sequence

from backport.values.commit import Incoming, Person
from backport.values.dialects.stable import message
from backport.values.provenance import TOOL, Adapted, Provenance, split_message
from backport.values.rule import Adaptation

COMMITTER = Person(TOOL, "backport@localhost", "")


def picked_message(incoming: Incoming, fired: Sequence[Adaptation], by_hand: Sequence[str]) -> str:
    """The message of a pick; `by_hand` are the paths that a person resolved."""
    return message(provenance(incoming, fired, by_hand))


def provenance(
    incoming: Incoming, fired: Sequence[Adaptation], by_hand: Sequence[str]
) -> Provenance:
    """Where a pick comes from, and what was done to it; a rule is named once."""
    subject, _, rest = incoming.message.strip("\n").partition("\n\n")
    body, trailers = split_message(rest)
    # A step of the ladder says something else of each file, a rule the same of all.
    reasons = dict.fromkeys((item.rule.why, item.rule.id) for item in fired)
    adapted = [Adapted(why, rule) for why, rule in reasons]
    adapted += [Adapted(f"resolved by hand: {path}") for path in by_hand]
    return Provenance(
        subject, body, trailers, incoming.author, incoming.stands_for, adapted=tuple(adapted)
    )
