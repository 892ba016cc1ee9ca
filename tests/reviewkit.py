"""Reviews built by code, for the tests of the page that shows them: no store, no git."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kernelish import rule
from sample_record import PASSED_RUN

from backport.advice.ownership import Known, Settled, Tie, owners
from backport.advice.review import Clash, CommitReview, FileReview, Review
from backport.values.commit import Person
from backport.values.conflict import Conflict, Kind, Region
from backport.values.csource import split_text
from backport.values.gitformat import CommitInfo
from backport.values.record import Adaptation, Pick, RunRecord
from backport.values.rule import Adaptation as Fired
from backport.values.rule import Edit, Substitution, line_delta
from backport.values.sidebyside import diff_lines, side_by_side

ADA = Person("Ada Author", "ada@example.org", "1700000000 +0100")
BODY = "".join(f"\tcall_{n}(dock);\n" for n in range(40))
BASE = f"int dock_open(struct dock *dock)\n{{\n{BODY}\treturn 0;\n}}\n"
EVIL = "</script></pre></td></table><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"


def info(oid: str, message: str) -> CommitInfo:
    return CommitInfo(oid, "7" * 40, ("8" * 40,), ADA, ADA, message)


def fired(name: str, path: str, went: str, came: str) -> Fired:
    action = Edit(Substitution("a", "b"))
    return Fired(rule(action, path, id=name), path, line_delta(split_text(went), split_text(came)))


def file_review(
    path: str,
    texts: tuple[str, str, str, str],
    known: Known | None = None,
    clashes: tuple[Clash, ...] = (),
) -> FileReview:
    """A path of which (base, theirs, ours, result) are known."""
    base, theirs, ours, result = map(split_text, texts)
    rows = tuple(side_by_side(diff_lines(base, theirs), diff_lines(ours, result)))
    return FileReview(path, rows, tuple(owners(rows, known or Known())), clashes)


def adapted(path: str = "net/core/dock.c", added: str = "\tadded(dock, 1);\n") -> FileReview:
    """Upstream adds four calls; rule `args` changes one, a conflict was settled by `place`."""
    new = f"\tfirst(dock);\n{added}\tthird(dock);\n\tfourth(dock);\n"
    ours = new.replace(added, "\tadded(dock);\n")
    theirs = BASE.replace("\tcall_20(dock);\n", f"\tcall_20(dock);\n{new}")
    target = BASE.replace("call_21(", "called_21(").replace("call_3(dock)", "call_3(port)")
    result = target.replace("\tcall_20(dock);\n", f"\tcall_20(dock);\n{ours}")
    region = Region(("\tcall_21(dock);\n",), ("\tcalled_21(dock);\n",), tuple(split_text(new)))
    clash = Clash(Conflict(path, Kind.CONTENT, "dock_open", region), "place")
    known = Known((fired("args", path, added, "\tadded(dock);\n"),), (Settled("place", (), ()),))
    return file_review(path, (BASE, theirs, target, result), known, (clash,))


def as_upstream(path: str, lines: int = 12) -> FileReview:
    new = "".join(f"int {path.replace('/', '_')[:-2]}_{n}(int a, int b);\n" for n in range(lines))
    return file_review(path, ("", new, "", new))


def commit(number: int, subject: str, *files: FileReview, **more: object) -> CommitReview:
    """One pick of a made-up series."""
    sha = f"{number:04x}" * 10
    one = Pick(
        sha, subject, "resolved" if number % 2 else "clean", f"{number:04x}" + "b" * 36, (sha,),
        ("net/core/dock.c: dock_open",) if number % 2 else (),
        ("args", "place") if number % 2 else (), f"{number:04x}" + "a" * 36,
    )  # fmt: skip
    message = f"{subject}\n\nBecause.\n\nSigned-off-by: Ada Author <ada@example.org>\n"
    told = CommitReview(one, info(one.incoming, message), info(one.commit, message), files)
    return replace(told, **more)  # type: ignore[arg-type]


def record_of(commits: tuple[CommitReview, ...]) -> RunRecord:
    first, path = commits[0].pick.commit, "net/core/dock.c"
    return replace(
        PASSED_RUN,
        picks=tuple(one.pick for one in commits),
        adaptations=(
            Adaptation("args", "the call has one argument here", path, "signature", first, 1, 1),
            Adaptation("place", "its neighbours are others here", path, "context", first),
        ),
    )


def small() -> Review:
    """Three commits: adapted, as upstream's, and one whose difference nobody owns."""
    lost = file_review("lib/lost.c", ("a\n", "a\nwanted\n", "a\n", "a\nforeign words\n"))
    commits = (
        commit(1, "dock: Open the other door", adapted(), as_upstream("include/net/dock.h")),
        commit(2, "dock: Tell more", as_upstream("net/core/tell.c")),
        commit(3, "dock: Lose a line", lost),
    )
    return Review(record_of(commits), commits)


def empty() -> Review:
    """A run that picked nothing."""
    record = replace(PASSED_RUN, picks=(), adaptations=(), stages=(), gates=(), tests=())
    return Review(record, ())


def hostile() -> Review:
    """Markup and text that deceives in everything that comes from a repository or a rule."""
    texts = ("a\n", f"a\n{EVIL}\n", "a\n", f"a\n{EVIL} \N{RIGHT-TO-LEFT OVERRIDE}x\n")
    region = Region((EVIL,), (EVIL,), (EVIL,))
    clash = Clash(Conflict(EVIL, Kind.CONTENT, EVIL, region), EVIL)
    file = file_review(EVIL, texts, Known(instead=Tie.HAND), (clash,))
    one = commit(1, EVIL, file, untold=EVIL, by_hand=(EVIL,))
    pick = replace(one.pick, rules=(EVIL,), outcome=EVIL, stands_for=(EVIL,), commit="b" * 40)
    bad = replace(one, pick=pick, commit=info("b" * 40, EVIL), incoming=info("a" * 40, EVIL))
    record = replace(
        record_of((bad,)), series=EVIL, adaptations=(Adaptation(EVIL, EVIL, EVIL, EVIL, EVIL),)
    )
    return Review(record, (bad,), ((EVIL, tuple(diff_lines([], [f"#define X {EVIL}\n"]))),))


def large(number: int = 500) -> Review:
    """Many commits, every second one with something to look at."""
    return Review(record_of(commits := tuple(_many(number))), commits)


def _many(number: int) -> Iterator[CommitReview]:
    """The same few files again and again: laying them out once is enough."""
    odd = (adapted(), *(as_upstream(f"net/dock/part{n}.c", 30) for n in range(2)))
    even = tuple(as_upstream(f"drivers/dock/file{n}.c", 30) for n in range(3))
    for n in range(1, number + 1):
        yield commit(n, f"dock: Step {n} on the way to the other side", *(odd if n % 2 else even))
