"""Judges one pick that merged cleanly. A merge sees lines; this asks what they mean in the target.

Everything is pure but for what `Around` reads, which is asked once for each tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backport.gates.form import SUFFIXES
from backport.soundness import names, places, variables
from backport.soundness.files import File
from backport.soundness.findings import Files, Finding, Judged
from backport.soundness.scene import Scene
from backport.values.filecase import Around

Look = Callable[[Scene], Iterator[Finding]]

LOOKS: tuple[Look, ...] = (
    names.lacking,
    names.out_of_reach,
    names.without_bool,
    variables.undeclared,
    variables.misused,
    variables.idle,
    names.signed_otherwise,
    names.stale,
    names.users,
    places.astray,
    places.twice,
)


def judge(files: Files, around: Around) -> Judged:
    """Every finding on a pick; files that are no C are left to whoever builds them."""
    code = [File(one) for one in files if one.case.path.endswith(SUFFIXES)]
    scene = Scene(code, around)
    return Judged(tuple(finding for look in LOOKS for finding in look(scene)))
