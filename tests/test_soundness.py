"""The verdict on picks that merged cleanly: each finding, and what must not be one."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from needskit import Tale

from backport.doors.odb import Odb
from backport.soundness.calls import calls, signatures
from backport.soundness.findings import WEIGHTS, Finding, Judged, Landed, Sort, Verdict
from backport.soundness.ground import Near, Step, landed
from backport.soundness.judge import judge
from backport.values.filecase import FileCase, Side

PATH = "net/dev.c"
BASE = "int up(int a)\n{\n\treturn a;\n}\n\nint down(int a)\n{\n\treturn a;\n}\n"


@dataclass(frozen=True)
class Trees:
    """A look around trees of a file or two, and of `more` text elsewhere in each."""

    files: dict[Side, dict[str, str]]
    more: dict[Side, str]

    def read(self, side, path):
        text = self.files[side].get(path)
        return None if text is None else text.encode()

    def paths(self, side):
        return list(self.files[side])

    def known(self, side, words):
        text = "".join(self.files[side].values()) + self.more[side]
        return frozenset(words) & set(re.findall(r"\w+", text))


def judged(base, ours, theirs, result, around=("", "", ""), *, path=PATH, headers=(), plain=True):
    """The verdict on one file; `around` is what else the three trees hold, `headers` the files
    that upstream's two and the target's one have as well."""
    upstream, target = headers or ({}, {})
    files = {
        Side.BASE: {**upstream, path: base},
        Side.OURS: {**target, path: ours},
        Side.THEIRS: {**upstream, path: theirs},
    }
    case = FileCase(path, base.encode(), ours.encode(), theirs.encode())
    trees = Trees(files, dict(zip(Side, around, strict=True)))
    return judge([Landed(case, result.encode(), plain)], trees)


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


INNER = "int up(int a)\n{\n\tif (a) {\n\t\tint room = a;\n\n\t\tuse(room);\n\t}\n\treturn a;\n}\n"
OUTER = INNER.replace("\t\tint room = a;\n\n", "").replace(
    "\tif (a)", "\tint room = a;\n\n\tif (a)"
)


def test_a_variable_that_is_declared_in_another_block_here():
    def used(text):
        return text.replace("\treturn a;", "\treturn a - room;")

    told = judged(OUTER, INNER, used(OUTER), used(INNER))
    assert found(told) == [(Sort.LOCAL, "room", 8)]
    assert "in another block" in told.findings[0].evidence


@pytest.mark.parametrize("line", ["use(room + 1);", "use(x->room);"])
def test_a_variable_in_its_own_block_or_a_member_of_that_name_is_fine(line):
    own = "\t\tuse(room);\n"
    place = own if "x" not in line else "\treturn a;\n"

    def used(text):
        return text.replace(place, f"{place[: -len(place.lstrip())]}{line}\n{place}")

    assert found(judged(OUTER, INNER, used(OUTER), used(INNER), ("room x",) * 3)) == []


@pytest.mark.parametrize(
    ("here", "finds"),
    [("uint64_t *got", True), ("unsigned long *got", True), ("struct other *got", False)],
)
def test_a_member_of_what_is_a_number_here(here, finds):
    base, ours = (with_line(BASE, f"{kind} = all(a);") for kind in ("struct stat *got", here))
    new = "\tint x = got[0].value;\n\treturn a;\n"
    theirs, result = (text.replace("\treturn a;\n", new, 1) for text in (base, ours))
    told = judged(base, ours, theirs, result, ("value stat got",) * 3)
    assert [(sort, name) for sort, name, _ in found(told)] == [(Sort.LOCAL, "got")] * finds


def test_a_parameter_of_which_the_pick_takes_the_last_use():
    body = "\tint room = b;\n\n\tuse(room);\n"
    ours = f"int up(int a, int b)\n{{\n{body}\treturn a;\n}}\n"
    base = ours.replace("return a", "return a + b")
    theirs, result = (text.replace(body, "") for text in (base, ours))
    told = judged(base, ours, theirs, result)
    assert found(told) == [(Sort.LOCAL, "b", 1)]
    assert told.findings[0].evidence == "up() no longer uses b; upstream's does"
    assert found(judged(ours, f"{ours}\n", result, f"{result}\n")) == []


@pytest.mark.parametrize("count", [1, 2])
def test_a_call_that_only_the_target_has_of_what_takes_more_now(count):
    user = f"int last(int a)\n{{\n\treturn up({', '.join('a' * count)});\n}}\n"
    theirs, result = (
        text.replace("int up(int a)", "int up(int a, int b)") for text in (BASE, f"{BASE}\n{user}")
    )
    told = found(judged(BASE, f"{BASE}\n{user}", theirs, result))
    assert told == [(Sort.ARGUMENTS, "up", 13)] * (count == 1)


@pytest.mark.parametrize("include", ["", "#include <stdbool.h>\n"])
def test_a_bool_in_a_file_that_does_not_know_it(include):
    head = "#include <stdbool.h>\n"
    theirs, result = (
        with_line(text, "use(true);") for text in (head + BASE, include + BASE + "\n")
    )
    told = found(judged(head + BASE, f"{include}{BASE}\n", theirs, result, ("use true",) * 3))
    assert told == [(Sort.REACH, "true", 3)] * (not include)


def test_a_call_with_other_arguments_than_the_targets_own():
    ours = f"int twist(int a);\n{BASE}".replace("return a", "return twist(a)", 1)
    base = f"int twist(int a, int b);\n{BASE}".replace("return a", "return twist(a, 0)", 1)
    result = with_line(ours, "a = twist(a, 0);", 2)
    told = judged(base, ours, with_line(base, "a = twist(a, 0);", 2), result)
    assert found(told) == [(Sort.ARGUMENTS, "twist", 9)]
    assert "twist() takes 1 arguments in the target; the call is for upstream's" in str(
        told.findings[0]
    )


def test_a_signature_that_the_commit_changes_everywhere_is_no_finding():
    ours = f"int twist(int a);\n{BASE}".replace("return a", "return twist(a)", 1)
    theirs = ours.replace("twist(int a)", "twist(int a, int b)").replace("twist(a)", "twist(a, 0)")
    assert found(judged(ours, ours, theirs, theirs)) == []


HEADERS = (
    {"net/dev.h": '#include "log.h"\n', "net/log.h": "#define NOTE(a, b) log(a)\n"},
    {"net/dev.h": '#include "log.h"\n', "net/log.h": "#define WARN(a, b) log(a)\n"},
)


def test_a_name_that_the_headers_of_the_file_do_not_have():
    base = f'#include "dev.h"\n{BASE}'
    ours, line = f"{base}int side;\n", "NOTE(a, 1);"
    others = ("", "NOTE of another file", "")
    told = judged(base, ours, with_line(base, line), with_line(ours, line), others, headers=HEADERS)
    assert found(told) == [(Sort.REACH, "NOTE", 4)]
    assert "call NOTE is from net/log.h upstream" in str(told.findings[0])
    both = (HEADERS[0], HEADERS[0])
    told = judged(base, ours, with_line(base, line), with_line(ours, line), others, headers=both)
    assert found(told) == []


@pytest.mark.parametrize(
    ("upstream", "include"),
    [
        # the system's header of that name, which upstream has a copy of for another system
        ({"net/win/sys.h": "int note(int a);\n"}, "#include <sys.h>\n"),
        # upstream's header uses it, and has it from the system
        ({"net/win/sys.h": "#define SEEN note(1)\n"}, "#include <other.h>\n"),
    ],
)
def test_a_name_of_the_system_is_in_reach(upstream, include):
    base, ours = f"#include <sys.h>\n{BASE}", f"{include}{BASE}"
    line = "note(a);"
    told = judged(
        base, ours, with_line(base, line), with_line(ours, line), ("note", "note", "note"),
        headers=(upstream, {}),
    )  # fmt: skip
    assert found(told) == []


@pytest.mark.parametrize("word", ["false", "LIMIT"])
def test_what_stands_before_a_colon_is_not_always_a_label(word):
    kept = with_line(BASE, f"a += {word};")
    base = with_line(kept, f"a = a ? {word} : 1;")
    side = "int side;\n"
    assert found(judged(base, side + base, kept, side + kept, (word,) * 3)) == []


def test_a_function_in_two_forms_is_not_told_of():
    """What one form declares is nothing to the other."""
    wide, small = with_line(BASE, "a -= room;"), with_line(BASE, "int room = 2;")
    base = f"#ifdef WIDE\n{wide}#else\n{small}#endif\n"
    result, side = with_line(base, "a = 2;"), "int side;\n"
    assert found(judged(base, side + base, result, side + result)) == []


def test_a_name_that_no_header_of_upstream_has_either_comes_from_elsewhere():
    base = f'#include "dev.h"\n{BASE}'
    line = "generated(a);"
    told = judged(
        base,
        base,
        with_line(base, line),
        with_line(base, line),
        ("generated",) * 3,
        headers=HEADERS,
    )
    assert found(told) == []


@pytest.mark.parametrize(
    ("target", "line", "said"),
    [
        ("int twist(int a);\n", "twist(a, 0);", "takes 1 arguments"),
        ("void twist(int a, int b);\n", "a = twist(a, 0);", "gives nothing"),
        ("void twist(int a, int b);\n", "twist(a, 0);", ""),
        ("int twist(int a, ...);\n", "a = twist(a, 0);", ""),
        ("extern int other;\n", "twist(a, 0);", ""),
    ],
)
def test_a_call_against_the_signature_in_the_targets_header(target, line, said):
    base = f'#include "twist.h"\n{BASE}'
    headers = (
        {"net/twist.h": "int twist(int a, int b);\n"},
        {"net/twist.h": f"{target}/* twist */"},
    )
    told = judged(
        base, base, with_line(base, line), with_line(base, line), ("twist",) * 3, headers=headers
    )
    assert [one.sort for one in told.findings] == [Sort.ARGUMENTS] * bool(said)
    assert said in str(told)


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
    ours = f"int side;\n{BASE}"
    theirs = with_line(BASE, "a += 40;", 2)
    told = judged(BASE, ours, theirs, with_line(ours, "a += 40;", 1))
    assert found(told) == [(Sort.PLACE, "up", 4)]
    assert "in up; upstream has it in down, as the target does" in str(told.findings[0])


def test_where_a_rule_or_a_person_chose_the_place_it_is_no_other_one():
    ours = f"int side;\n{BASE}"
    theirs = with_line(BASE, "a += 40;", 2)
    assert found(judged(BASE, ours, theirs, with_line(ours, "a += 40;", 1), plain=False)) == []


def test_a_comment_that_landed_above_another_declaration():
    base = "int up(int a);\n\nint down(int a);\n"
    ours, said = f"int side;\n\n{base}", "/** See side. */\n"
    theirs = base.replace("int down", f"{said}int down")
    told = judged(base, ours, theirs, ours.replace("int up", f"{said}int up"))
    assert found(told) == [(Sort.PLACE, "what is before up", 3)]
    assert found(judged(base, ours, theirs, ours.replace("int down", f"{said}int down"))) == []


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
    found = next(calls(f"\t{text}"))
    assert (found.name, found.number, found.count) == ("f", 1, count)


@pytest.mark.parametrize("text", ["\tf(a; b", "\tif (a, b)", "int f(int a);", "\tx->f(a)"])
def test_what_is_no_call_or_cannot_be_counted_is_none(text):
    assert list(calls(text)) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("int f(int a, char *b);", [(2, False)]),
        ("static void\nf(int a)\n{\n", [(1, True)]),
        ("void *f(void);", [(0, False)]),
        ("#define f(a, b) g(a)", [(2, False)]),
        ("#define f (a, b)", []),
        ("int f(const char *, ...);", [(-1, False)]),
        ("int x = f(a);", []),
        ("\treturn f(a);", []),
        ("int not_f(int a);", []),
    ],
)
def test_what_is_declared(text, told):
    assert [(one.count, one.is_void) for one in signatures(text, "f")] == told


# -- on trees


@pytest.mark.parametrize("shim", ["", "#define NOTE(a) log(a)\n"])
def test_what_a_rule_puts_beside_upstreams_change_is_in_the_target(tmp_path, shim):
    """Upstream's commit does not touch the header; a rule of the pick does."""
    tale = Tale(tmp_path / "r")
    user, changed = (
        f'#include "note.h"\n{BASE}',
        f'#include "note.h"\n{with_line(BASE, "NOTE(a);")}',
    )
    note = "#define NOTE(a) log(a)\n"
    base = tale.add("base", files={"net/note.h": note, PATH: user})
    theirs = tale.add("use it", files={PATH: changed})
    tale.branch("old", base)
    ours = tale.add("older", files={"net/note.h": "int note;\n"}, branch="old")
    result = tale.add(
        "picked", files={"net/note.h": f"int note;\n{shim}", PATH: changed}, branch="old"
    )
    odb, step = Odb(tale.path), Step(base, theirs, ours, result)
    told = judge(list(landed(odb, step)), Near(odb, step))
    assert [one.sort for one in told.findings] == ([] if shim else [Sort.REACH])
