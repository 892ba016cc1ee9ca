"""What other commands leave beside a run's record, as the review page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from backport.values.compat import Compat
from backport.values.style import StyleReport

STYLE = "style.json"  # of `backport checkpatch`
COMPAT = "compat.json"  # of `backport compat`


@dataclass(frozen=True)
class Findings:
    """What was found beside a run; None is what nobody has looked for."""

    style: StyleReport | None = None
    compat: Compat | None = None
