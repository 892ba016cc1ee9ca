"""The verdict on picks that merged cleanly: each finding, and what must not be one."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from backport.soundness.calls import arities
from backport.soundness.findings import WEIGHTS, Finding, Judged, Landed, Sort, Verdict
from backport.soundness.judge import judge
from backport.values.filecase import FileCase, Side

PATH = "net/dev.c"
BASE = "int up(int a)\n{\n\treturn a;\n}\n\nint down(int a)\n{\n\treturn a;\n}\n"


@dataclass(frozen=True)
class Trees:
    """A look around trees that hold one text each."""

    texts: dict[Side, str]

    def read(self, side, path):
        raise AssertionError("nothing here asks for a file")

    def paths(self, side):
        raise AssertionError("nothing here asks for paths")

    def known(self, side, words):
        return frozenset(words) & set(re.findall(r"\w+", self.texts[side]))


def judged(base, ours, theirs, result, around=("", "", ""), *, path=PATH):
    """The verdict on one file; `around` is what else the three trees hold."""
    sides = dict(zip(Side, (base, ours, theirs), strict=True))
    trees = Trees({s: sides[s] + more for s, more in zip(Side, around, strict=True)})
    case = FileCase(path, base.encode(), ours.encode(), theirs.encode())
    return judge([Landed(case, result.encode())], trees)


def found(judgement):
    return [(one.sort, one.name, one.number) for one in judgement.findings]


def with_line(text, line, at=1):
    """The text with a line at the start of its first or second function."""
    parts = text.split("{\n")
    parts[at] = f"\t{line}\n{parts[at]}"
    return "{\n".join(parts)


def test_a_change_that_fits_is_sound():
    theirs = with_line(BASE, "a = twist(a, 1);")
    told = judged(BASE, BASE, theirs, theirs, ("int twist(int a, int b);\n",) * 3)
    assert told == Judged(()) and told.verdict is Verdict.SOUND


def test_a_name_that_only_upstream_has_is_unsound():
    theirs = with_line(BASE, "a = twist(a, 1);")
    told = judged(BASE, BASE, theirs, theirs, ("twist", "", "twist"))
    assert found(told) == [(Sort.NAME, "twist", 3)]
    assert told.verdict is Verdict.UNSOUND
    assert "call twist is in upstream's tree and in no file of the target" in str(told.findings[0])
    assert str(told.findings[0]).startswith("net/dev.c:3: ")


@pytest.mark.parametrize("line", ["/* twist(a) */", 'a = "twist(a)"[0];', "int twist = a;"])
def test_what_is_no_use_of_a_name_is_none(line):
    theirs = with_line(BASE, line)
    assert found(judged(BASE, BASE, theirs, theirs, ("twist", "", "twist"))) == []


def test_a_name_that_the_commit_brings_is_not_missing():
    theirs = with_line(f"int twist(int a);\n\n{BASE}", "a = twist(a);")
    assert found(judged(BASE, BASE, theirs, theirs)) == []


def test_a_member_that_the_target_has_in_no_struct():
    theirs = with_line(BASE, "a = dev->tcx_entry;")
    told = judged(BASE, BASE, theirs, theirs, ("tcx_entry", "", "tcx_entry"))
    assert found(told) == [(Sort.NAME, "tcx_entry", 3)]


def test_a_variable_that_the_targets_function_does_not_have():
    base = with_line(BASE, "int room = a;")
    result = with_line(BASE, "a -= room;")
    told = judged(base, BASE, with_line(base, "a -= room;"), result, ("", "room", ""))
    assert found(told) == [(Sort.LOCAL, "room", 3)]
    assert told.verdict is Verdict.LOOK


def test_a_variable_that_the_commit_brings_is_not_missing():
    theirs = with_line(with_line(BASE, "a -= room;"), "int room = a;")
    assert found(judged(BASE, BASE, theirs, theirs, ("", "room", ""))) == []


def test_a_call_with_other_arguments_than_the_targets_own():
    ours = f"int twist(int a);\n{BASE}".replace("return a", "return twist(a)", 1)
    base = f"int twist(int a, int b);\n{BASE}".replace("return a", "return twist(a, 0)", 1)
    result = with_line(ours, "a = twist(a, 0);", 2)
    told = judged(base, ours, with_line(base, "a = twist(a, 0);", 2), result)
    assert found(told) == [(Sort.ARGUMENTS, "twist", 9)]
    assert "twist() takes 1 arguments in the target, here 2" in str(told.findings[0])


def test_a_signature_that_the_commit_changes_everywhere_is_no_finding():
    ours = f"int twist(int a);\n{BASE}".replace("return a", "return twist(a)", 1)
    theirs = ours.replace("twist(int a)", "twist(int a, int b)").replace("twist(a)", "twist(a, 0)")
    assert found(judged(ours, ours, theirs, theirs)) == []


def test_a_user_that_only_the_target_has():
    base = f"int old_flag;\n{BASE}"
    ours = with_line(base, "a = old_flag;", 2)
    told = judged(base, ours, BASE, ours.removeprefix("int old_flag;\n"))
    assert found(told) == [(Sort.USER, "old_flag", 8)]
    assert told.verdict is Verdict.LOOK


def test_a_name_that_upstream_keeps_elsewhere_is_not_removed():
    base = f"int old_flag;\n{BASE}"
    ours = with_line(base, "a = old_flag;", 2)
    result = ours.removeprefix("int old_flag;\n")
    assert found(judged(base, ours, BASE, result, ("", "", "old_flag"))) == []


def test_a_hunk_that_landed_in_another_function():
    theirs = with_line(BASE, "a += 40;", 2)
    told = judged(BASE, BASE, theirs, with_line(BASE, "a += 40;", 1))
    assert found(told) == [(Sort.PLACE, "up", 3)]
    assert "in up; upstream has it in down, as the target does" in str(told.findings[0])


def test_a_function_that_has_another_name_in_the_target_is_no_other_place():
    theirs = with_line(BASE, "a += 40;", 2)
    ours = BASE.replace("down", "lower")
    assert found(judged(BASE, ours, theirs, with_line(ours, "a += 40;", 2))) == []


def test_a_function_that_the_target_has_already():
    extra = "\nint twist(int a)\n{\n\treturn -a;\n}\n"
    ours = f"{extra.lstrip()}\n{BASE}"
    told = judged(BASE, ours, BASE + extra, ours + extra)
    assert (Sort.TWICE, "twist", 16) in found(told)
    assert told.verdict is Verdict.UNSOUND


def test_what_is_no_c_is_left_alone():
    theirs = with_line(BASE, "a = twist(a, 1);")
    told = judged(BASE, BASE, theirs, theirs, ("twist", "", "twist"), path="doc/notes.rst")
    assert found(told) == []


def test_the_weightiest_finding_decides():
    findings = [Finding(sort, PATH, 1, "x", "") for sort in (Sort.PLACE, Sort.NAME)]
    assert Judged(tuple(findings)).verdict is Verdict.UNSOUND
    assert WEIGHTS.keys() == set(Sort)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("f(void);", 0),
        ("f();", 0),
        ("f(a, g(b, c), (d, e));", 3),
        ("f((struct x){ 1, 2 }, b);", 2),
        ("f(\"a, b\", ',');", 2),
        ("f(a,\n  b);", 2),
    ],
)
def test_arguments_are_counted(text, count):
    assert [(call.number, call.count) for call in arities(text)["f"]] == [(1, count)]


@pytest.mark.parametrize(
    "text", ["f(a; b", "if (a, b)", "int f(char *, ...);\nf(a, b);", "x->f(a)"]
)
def test_what_cannot_be_counted_is_not(text):
    assert "f" not in arities(text) and "if" not in arities(text)
