"""One commit onto one tree, in core: how it can land, and what every byte of it becomes."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import pytest
from kernelish import (
    AUTHOR,
    BASE_C,
    MAINTAINER,
    OTHER_SHA,
    SHA,
    Bench,
    change,
    files_of,
    make_tree,
    rule,
)

from backport.doors.git import Git
from backport.picking.pick import Outcome, Target, applicable, pick
from backport.values.conflict import Kind
from backport.values.errors import Place, RuleError, UsageError
from backport.values.rule import (
    Additive,
    At,
    Edit,
    Insert,
    Pin,
    Present,
    Question,
    Remove,
    Rewrite,
    Shim,
    Side,
    Substitution,
    Take,
)
from backport.values.version import Range, Version

# Upstream opens the other door; the target has neither newer.h nor dock_newer().
THEIRS_C = BASE_C.replace("\tdock_count++;\n", "\tdock_count++;\n\tdock_door(dock);\n")
OLD_C = BASE_C.replace("#include <linux/newer.h>\n", "").replace(
    "\treturn dock_newer(dock);\n", "\treturn 0;\n"
)
FIX = Edit(Substitution(r"return 0;", "return -EINVAL;"))


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One store for all: objects never change, and no pick moves a ref."""
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def asked(bench):
    """Which rules hold for a commit on a target that has BASE_C."""
    tree = make_tree(bench.git, {"a.c": BASE_C})
    incoming = change(bench.git, tree, tree)
    target = Target(bench.git, Version(6, 1))
    return lambda *rules: applicable(rules, incoming, tree, target)


def text(bench, picked, path="a.c"):
    return bench.read(picked, path).decode()


# -- outcomes


def test_clean(bench):
    old = BASE_C.replace("#include <linux/newer.h>\n", "")
    got = bench.pick({"a.c": BASE_C}, {"a.c": old, "other": "kept\n"}, {"a.c": THEIRS_C})
    assert got.outcome is Outcome.CLEAN
    assert text(bench, got) == old.replace(
        "\tdock_count++;\n", "\tdock_count++;\n\tdock_door(dock);\n"
    )
    assert bench.read(got, "other") == b"kept\n"
    assert (got.conflicts, got.adaptations, got.unaccounted, got.misshapen) == ((), (), (), ())
    commit = bench.git.commit(got.commit)
    assert commit.tree == got.tree
    assert (commit.author, commit.committer.date) == (AUTHOR, MAINTAINER.date)
    assert f"[ Upstream commit {SHA} ]" in commit.message


def test_conflict_without_a_rule(bench):
    got = bench.pick({"a.c": BASE_C}, {"a.c": OLD_C}, {"a.c": THEIRS_C})
    assert (got.outcome, got.commit) == (Outcome.CONFLICT, "")
    (conflict,) = got.conflicts
    assert (conflict.path, conflict.kind, conflict.symbol) == ("a.c", Kind.CONTENT, "dock_open")
    assert "dock_door" in "".join(conflict.region.theirs)
    assert "dock_door" not in "".join(conflict.region.ours + conflict.region.base)
    assert got.merged_conflicts == ("a.c: dock_open",)
    shown = text(bench, got)
    assert "<<<<<<< target\n\treturn 0;\n||||||| upstream before\n" in shown


def test_resolved_by_a_rule(bench):
    got = bench.pick(
        {"a.c": BASE_C},
        {"a.c": OLD_C},
        {"a.c": THEIRS_C},
        rule(Additive(at=At.START), within="dock_open"),
    )
    assert got.outcome is Outcome.RESOLVED
    assert "\tdock_count++;\n\tdock_door(dock);\n\treturn 0;\n" in text(bench, got)
    assert [a.rule.id for a in got.adaptations] == ["the-rule"]
    assert got.unaccounted == ()
    assert "Backport-rule: the-rule" in bench.git.commit(got.commit).message


def test_a_rule_that_cannot_place_the_change_leaves_the_conflict(bench):
    got = bench.pick({"a.c": "a\n"}, {"a.c": "own\n"}, {"a.c": "a\nN\n"}, rule(Additive()))
    assert got.outcome is Outcome.CONFLICT
    assert got.adaptations == ()


def test_what_rules_settled_shows_settled_beside_a_conflict_left(bench):
    base, ours = "a\nb\n\n1\n2\n3\n\nc\n", "a\nB\n\n1\n2\n3\n\nC\n"
    theirs = "a\nb2\n\n1\n2\n3\n\nc2\n"
    got = bench.pick(
        {"a.c": base}, {"a.c": ours}, {"a.c": theirs}, rule(Take(Side.THEIRS), has="b2")
    )
    assert got.outcome is Outcome.CONFLICT
    shown = text(bench, got)
    assert shown.startswith("a\nb2\n\n1\n") and shown.count("<<<<<<< ") == 1
    assert len(got.merged_conflicts) == 2


def test_empty(bench):
    tree = make_tree(bench.git, {"a.c": BASE_C})
    target = make_tree(bench.git, {"a.c": OLD_C})
    got = bench.pick_trees(change(bench.git, tree, tree), target, rule(FIX, count=2))
    assert (got.outcome, got.commit, got.tree) == (Outcome.EMPTY, "", target)


def test_already_applied(bench):
    got = bench.pick({"a.c": BASE_C}, {"a.c": THEIRS_C}, {"a.c": THEIRS_C})
    assert (got.outcome, got.commit) == (Outcome.ALREADY, "")
    assert text(bench, got) == THEIRS_C


def test_already_applied_asks_no_rule(bench):
    """Else an insertion would come twice, and a conflict's rule would miss its conflict."""
    rules = (
        rule(Insert("dock_door", ("\tmore();\n",)), id="one"),
        rule(Additive(), id="two"),
    )
    got = bench.pick({"a.c": BASE_C}, {"a.c": THEIRS_C}, {"a.c": THEIRS_C}, *rules)
    assert (got.outcome, got.adaptations) == (Outcome.ALREADY, ())
    assert text(bench, got) == THEIRS_C


def test_dropped_by_rules(bench):
    got = bench.pick(
        {"a.c": BASE_C}, {"a.c": OLD_C}, {"a.c": THEIRS_C}, rule(Take(Side.OURS), has="dock_door")
    )
    assert (got.outcome, got.commit) == (Outcome.DROPPED, "")
    assert text(bench, got) == OLD_C
    assert got.unaccounted == ()


THERE = Present("dock_open")


def test_a_rule_says_that_the_target_has_it_in_other_words(bench):
    ours = OLD_C.replace("dock_count++;", "dock_count += 1;")
    got = bench.pick({"a.c": BASE_C}, {"a.c": ours}, {"a.c": THEIRS_C}, rule(THERE))
    assert (got.outcome, got.commit, got.unaccounted) == (Outcome.ALREADY, "", ())
    assert text(bench, got) == ours
    assert [(a.rule.id, a.path, +a.delta) for a in got.adaptations] == [("the-rule", "a.c", {})]


@pytest.mark.parametrize(
    "word,path,shas",
    [
        ("dock_shut", "a.c", (SHA,)),  # not a word of it
        ("dock_op", "a.c", (SHA,)),  # only a part of one
        ("dock_open", "none.c", (SHA,)),
        ("dock_open", "a.c", (SHA, OTHER_SHA)),  # what the commit has of another may be missing
    ],
)
def test_what_is_not_wholly_there_is_picked(bench, word, path, shas):
    trees = [make_tree(bench.git, {"a.c": side}) for side in (BASE_C, THEIRS_C)]
    incoming = change(bench.git, *trees, shas=shas)
    got = bench.pick_trees(incoming, trees[0], rule(Present(word), path))
    assert (got.outcome, got.adaptations) == (Outcome.CLEAN, ())
    assert got.tree == trees[1]


def test_what_is_there_asks_no_other_rule(bench):
    other = rule(Edit(Substitution("nowhere", "")), id="other")
    got = bench.pick({"a.c": BASE_C}, {"a.c": OLD_C}, {"a.c": THEIRS_C}, other, rule(THERE))
    assert got.outcome is Outcome.ALREADY


# -- the same everywhere, and nothing else touched


def test_same_inputs_same_ids_in_two_stores(tmp_path):
    ids = []
    for name in ("one", "two"):
        got = Bench(tmp_path / name).pick(
            {"a.c": BASE_C}, {"a.c": OLD_C}, {"a.c": THEIRS_C}, rule(Take(Side.THEIRS))
        )
        ids.append((got.commit, got.tree))
    assert ids[0] == ids[1]
    assert all(ids[0])


def test_the_users_attributes_and_configuration_change_nothing(bench, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/attributes").write_text("*.c merge=union\n")
    (home / ".gitconfig").write_text("[merge]\n\tconflictStyle = merge\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    got = bench.pick({"a.c": BASE_C}, {"a.c": OLD_C}, {"a.c": THEIRS_C})
    assert got.outcome is Outcome.CONFLICT
    assert got.conflicts[0].region.base


def test_no_ref_moves(bench):
    git = bench.git
    tree = make_tree(git, {"a.c": OLD_C})
    onto = git.commit_tree(tree, [], "target\n", AUTHOR, AUTHOR)
    git.update_ref("refs/heads/main", onto, None, "test")
    before = git.run("for-each-ref").text
    incoming = change(git, make_tree(git, {"a.c": BASE_C}), make_tree(git, {"a.c": THEIRS_C}))
    got = pick(incoming, onto, tree, [rule(Take(Side.THEIRS))], Target(git, Version(6, 1)))
    assert git.commit(got.commit).parents == (onto,)
    assert git.run("for-each-ref").text == before


# -- rules and their places


@pytest.mark.parametrize(
    "action,places",
    [
        (Rewrite((Substitution("dock", "bay"),)), 2),
        (Pin((("DOCK_A", 4),)), 0),
        (Edit(Substitution("nowhere", "")), 0),
        (Shim("bay", "^{", ("int bay;\n",)), 2),
    ],
)
def test_a_rule_that_matches_otherwise_than_it_says(bench, action, places):
    refused(bench, (BASE_C, BASE_C, THEIRS_C), rule(action), places)


TWICE = "a\n%s\n1\n2\n3\n4\n%s\nz\n"


@pytest.mark.parametrize(
    "sides,has,places",
    [
        (("b", "b", "t"), "", 0),  # no conflict at all
        (("b", "o", "t"), "nowhere", 0),
        (("b", "o", "t"), "", 2),
    ],
)
def test_a_rule_on_conflicts_that_matches_otherwise(bench, sides, has, places):
    refused(bench, [TWICE % (s, s) for s in sides], rule(Take(Side.OURS), has=has), places)


@pytest.mark.parametrize("action", [Take(Side.OURS), Remove("nowhere")])
def test_any_number_of_places_is_never_none(bench, action):
    ours = BASE_C.replace("return 0;", "return 1;")
    refused(bench, (BASE_C, ours, THEIRS_C), rule(action, count=0), 0, "at least one")


def test_a_rule_on_a_path_that_upstream_does_not_touch(bench):
    for action in (Take(Side.OURS), Rewrite((Substitution("a", "b"),))):
        with pytest.raises(RuleError, match=r"matches 0 places in b\.c, want 1"):
            bench.pick({"a.c": BASE_C}, {"a.c": BASE_C}, {"a.c": THEIRS_C}, rule(action, "b.c"))


def test_a_rule_on_two_paths_of_which_upstream_leaves_one_alone(bench):
    """One form of a commit updates a copy of a header, the other does not."""
    sides = [{"a.c": text, "b.c": "b\n"} for text in (BASE_C, OLD_C, THEIRS_C)]
    got = bench.pick(*sides, rule(Additive(at=At.START), "a.c", "b.c"))
    assert [a.path for a in got.adaptations] == ["a.c"]
    after = rule(Edit(Substitution("^b$", "B")), "a.c", "b.c")
    with pytest.raises(RuleError, match=r"matches 0 places in a\.c"):  # it is about both
        bench.pick(*[{"a.c": BASE_C, "b.c": "b\n"}] * 2, sides[2], after)


def refused(bench, sides, the_rule, places, wanted="1"):
    with pytest.raises(RuleError) as caught:
        bench.pick(*({"a.c": side} for side in sides), the_rule)
    assert caught.value.place == Place("rules.toml", 7, "rule[0]")
    text = f"rules.toml:7: rule[0]: rule the-rule matches {places} places in a.c, want {wanted}"
    assert str(caught.value) == text
    assert caught.value.hint


def test_two_rules_that_claim_one_region(bench):
    with pytest.raises(RuleError, match=r"rules one and two both claim a conflict in a\.c"):
        bench.pick(
            {"a.c": BASE_C},
            {"a.c": OLD_C},
            {"a.c": THEIRS_C},
            rule(Additive(), id="one"),
            rule(Take(Side.OURS), id="two"),
        )


@pytest.mark.parametrize(
    "more",
    [
        {"targets": Range(Version(6, 2), None)},
        {"targets": Range(None, Version(6, 1))},
        {"commits": ("2" * 12,)},
        {"when": (Question("dock_open", "a.c", defined=False),)},
        {"when": (Question("dock_op", "a.c", defined=True),)},
        {"when": (Question("dock_open", "none.c", defined=True),)},
        {
            "when": (
                Question("dock_open", "a.c", defined=True),
                Question("dock_run", "a.c", defined=False),
            )
        },
    ],
)
def test_a_rule_that_does_not_hold_here(asked, more):
    assert asked(rule(Remove("nowhere"), **more)) == []


@pytest.mark.parametrize(
    "word,path,defined",
    [
        ("dock_door", "a.c", True),  # what upstream adds
        ("dock_open", "a.c", True),  # what it has besides
        ("dock_gone", "a.c", False),
        ("whatever", "same.c", False),  # a file that the commit leaves alone has no words
        ("whatever", "none.c", False),
    ],
)
def test_a_question_about_the_form_that_upstream_has(bench, word, path, defined):
    base = make_tree(bench.git, {"a.c": BASE_C + "int dock_gone;\n", "same.c": "whatever"})
    theirs = make_tree(bench.git, {"a.c": THEIRS_C, "same.c": "whatever"})
    incoming, target = change(bench.git, base, theirs), Target(bench.git, Version(6, 1))
    for asks in (True, False):
        asking = rule(Remove("x"), when=(Question(word, path, asks, upstream=True),))
        holds = applicable([asking], incoming, make_tree(bench.git, {}), target)
        assert holds == ([asking] if asks == defined else [])


def test_a_question_about_a_file_that_upstream_deletes(bench):
    trees = [make_tree(bench.git, files) for files in ({"a": "x", "b": "b"}, {"b": "b"})]
    asking = rule(Remove("x"), when=(Question("x", "a", False, upstream=True),))
    target = Target(bench.git, Version(6, 1))
    assert applicable([asking], change(bench.git, *trees), trees[0], target) == [asking]


def test_a_rule_that_does_not_hold_here_does_nothing(bench):
    idle = rule(Remove("nowhere"), targets=Range(Version(6, 2), None))
    got = bench.pick({"a.c": BASE_C}, {"a.c": BASE_C}, {"a.c": THEIRS_C}, idle)
    assert (got.outcome, got.adaptations) == (Outcome.CLEAN, ())
    assert text(bench, got) == THEIRS_C


@pytest.mark.parametrize(
    "more",
    [
        {"targets": Range(Version(6, 1), Version(6, 2))},
        {"when": (Question("dock_open", "a.c", defined=True),)},
        {"when": (Question("bay", "none.c", defined=False),)},
        {"commits": ("2" * 12, SHA)},
    ],
)
def test_a_rule_that_holds_here(asked, more):
    holds = rule(Remove("dock_run"), **more)
    assert asked(holds) == [holds]


def test_a_rule_that_holds_here_fires(bench):
    holds = rule(Remove("dock_run"), when=(Question("dock_open", "a.c", defined=True),))
    got = bench.pick({"a.c": BASE_C}, {"a.c": BASE_C}, {"a.c": THEIRS_C}, holds)
    assert got.outcome is Outcome.RESOLVED
    assert "dock_run" not in text(bench, got)
    assert got.unaccounted == ()


def test_an_edit_of_a_file_that_upstream_does_not_touch(bench):
    got = bench.pick(
        {"a.c": BASE_C},
        {"a.c": BASE_C, "b.h": "#define LAST old\n"},
        {"a.c": THEIRS_C},
        rule(Edit(Substitution("old$", "new")), "b.h"),
    )
    assert got.outcome is Outcome.RESOLVED
    assert bench.read(got, "b.h") == b"#define LAST new\n"
    assert got.unaccounted == ()


def test_an_edit_of_a_file_that_is_not_there(bench):
    with pytest.raises(RuleError, match=r"rules\.toml:7.*the target has no b\.h"):
        bench.pick({"a.c": BASE_C}, {"a.c": BASE_C}, {"a.c": THEIRS_C}, rule(FIX, "b.h"))


def test_a_rewrite_reaches_new_files(bench):
    got = bench.pick(
        {"a.c": "a\n"},
        {"a.c": "a\n"},
        {"a.c": "a\n", "n.c": "int f(void)\n{\n\treturn kzalloc_new(1);\n}\n"},
        rule(Rewrite((Substitution("kzalloc_new", "kzalloc"),)), "n.c"),
    )
    assert got.outcome is Outcome.RESOLVED
    assert b"return kzalloc(1);" in bench.read(got, "n.c")
    assert got.unaccounted == ()


# -- whole files in conflict


def test_changed_upstream_absent_here(bench):
    got = bench.pick({"a.c": "a\n"}, {"b.c": "b\n"}, {"a.c": "A\n"})
    (conflict,) = got.conflicts
    assert (conflict.path, conflict.kind, conflict.region) == ("a.c", Kind.DELETED_HERE, None)
    assert files_of(bench.git, got.tree) == {"b.c": b"b\n"}


def test_deleted_upstream_changed_here(bench):
    got = bench.pick({"a.c": "a\n", "b": "b"}, {"a.c": "own\n", "b": "b"}, {"b": "b"})
    (conflict,) = got.conflicts
    assert conflict.kind is Kind.DELETED_UPSTREAM
    assert bench.read(got) == b"own\n"


def test_deleted_on_both_sides(bench):
    got = bench.pick({"a.c": "a\n", "b": "b"}, {"b": "b"}, {"b": "b2"})
    assert got.outcome is Outcome.CLEAN
    assert files_of(bench.git, got.tree) == {"b": b"b2"}


def test_added_on_both_sides(bench):
    got = bench.pick({"b": "b"}, {"b": "b", "a.c": "own\n"}, {"b": "b", "a.c": "theirs\n"})
    (conflict,) = got.conflicts
    assert conflict.kind is Kind.ADDED_TWICE
    assert bench.read(got) == b"own\n"


def test_added_alike_on_both_sides(bench):
    got = bench.pick({"b": "b"}, {"b": "b", "a.c": "x\n"}, {"b": "b", "a.c": "x\n"})
    assert got.outcome is Outcome.ALREADY


def test_a_binary_file_in_conflict_is_never_settled_silently(bench):
    sides = [{"a.bin": b"\0\1" + bytes([n]) * 40} for n in (1, 2, 3)]
    got = bench.pick(*sides)
    assert got.outcome is Outcome.CONFLICT
    (conflict,) = got.conflicts
    assert (conflict.path, conflict.kind, conflict.region) == ("a.bin", Kind.WHOLE, None)
    assert bench.read(got, "a.bin") == sides[1]["a.bin"]


def test_a_binary_file_that_only_upstream_changes(bench):
    old, new = b"\0\1\2\xff\n\r", b"\0\1\2\xfe\n\n\r"
    got = bench.pick({"a.bin": old}, {"a.bin": old, "b": "b"}, {"a.bin": new})
    assert (got.outcome, bench.read(got, "a.bin")) == (Outcome.CLEAN, new)


# -- bytes

BLOCK = "int f%d(void)\n{\n\treturn %d;\n}\n\n"
LONG = "".join(BLOCK % (n, n) for n in range(6)).encode()


CHANGES = {
    "feed": (b"}\n\nint f1", b"}\n\n\x0c\nint f1"),
    "latin1": (b"return 1;", b"return '\xe9\xff'; /* \xe2\x80\xa8 \xc2\x85 */"),
    "eol": (b"return 1;\n", b"return 1;\r\n"),
    "odd": (b"return 1;", b"return\r1;\x0b\x1c"),
}
ENDS = {"ended": b"", "bare": b"last line without a feed"}
EOLS = {"lf": b"\n", "crlf": b"\r\n"}


def test_bytes_survive(bench):
    base, ours, theirs, want = {}, {}, {}, {}
    for name, end, eol in product(CHANGES, ENDS, EOLS):
        path = f"{name}-{end}-{eol}.c"
        old, new = (x.replace(b"\n", EOLS[eol]) for x in CHANGES[name])
        base[path] = (LONG + ENDS[end]).replace(b"\n", EOLS[eol])
        ours[path] = base[path].replace(b"return 5;", b"return 55; /* \xfe */")
        theirs[path] = base[path].replace(old, new)
        want[path] = ours[path].replace(old, new)
    got = bench.pick(base, ours, theirs)
    assert (got.outcome, got.unaccounted) == (Outcome.CLEAN, ())
    assert files_of(bench.git, got.tree) == want
    assert len(want) == 16


def test_bytes_survive_a_settled_conflict_at_the_end(bench):
    base, ours, theirs = {}, {}, {}
    for end, eol in product([b"", b"}", b"\xff\x0c"], EOLS):
        sides = ((base, b"far"), (ours, b"own\x0b"), (theirs, b"N\xfe\nfar"))
        for side, mid in sides:
            data = b"a\nb\xe9\n%b\n\tx%b" % (mid, end)
            side[f"{end!r}-{eol}"] = data.replace(b"\n", EOLS[eol])
    got = bench.pick(base, ours, theirs, rule(Take(Side.THEIRS, imports=1), *base))
    assert (got.outcome, got.unaccounted) == (Outcome.RESOLVED, ())
    assert files_of(bench.git, got.tree) == theirs


def test_a_settled_last_line_keeps_its_missing_feed(bench):
    for side, want in ((Side.OURS, b"a\no\nmore"), (Side.THEIRS, b"a\nt")):
        got = bench.pick(
            {"a.c": b"a\nb"}, {"a.c": b"a\no\nmore"}, {"a.c": b"a\nt"}, rule(Take(side))
        )
        assert bench.read(got) == want
        assert got.unaccounted == ()


def test_a_file_mode_that_upstream_changes(bench):
    git = bench.git
    base = make_tree(git, {"a.sh": "a\nb\n", "b": "b"})
    theirs = make_tree(git, {"a.sh": "a\nb\n", "b": "b"}, {"a.sh": "100755"})
    got = bench.pick_trees(change(git, base, theirs), base)
    assert got.outcome is Outcome.CLEAN
    assert git.entry(got.tree, "a.sh").mode == "100755"


@pytest.mark.parametrize("where", ["ours", "theirs"])
def test_a_file_mode_is_kept_through_a_conflict_and_an_edit(bench, where):
    git = bench.git
    trees = [
        make_tree(git, {"a.sh": f"{mid}\nx\n"}, {"a.sh": "100755"} if name == where else {})
        for name, mid in (("base", "b"), ("ours", "o"), ("theirs", "t"))
    ]
    got = bench.pick_trees(
        change(git, trees[0], trees[2]),
        trees[1],
        rule(Take(Side.THEIRS), "a.sh", id="take"),
        rule(Edit(Substitution("^t$", "T")), "a.sh"),
    )
    assert got.outcome is Outcome.RESOLVED
    assert git.entry(got.tree, "a.sh").mode == "100755"
    assert bench.read(got, "a.sh") == b"T\nx\n"


def test_a_new_executable_keeps_its_mode(bench):
    git = bench.git
    base = make_tree(git, {"b": "b"})
    theirs = make_tree(git, {"b": "b", "new.sh": "#!/bin/sh\n"}, {"new.sh": "100755"})
    got = bench.pick_trees(change(git, base, theirs), base)
    assert git.entry(got.tree, "new.sh").mode == "100755"


# -- property: whatever lands clean or settled is accounted for


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_random_picks_lose_nothing(bench, seed):
    rng = random.Random(seed)
    sides = [{f"{n}.c": function(rng, changes) for n in range(40)} for changes in (0, 3, 3)]
    stuck = {c.path for c in bench.pick(*sides).conflicts}
    got = bench.pick(*sides, rule(Take(Side.THEIRS), *sorted(stuck), count=0))
    assert 0 < len(stuck) < 40
    assert got.outcome is Outcome.RESOLVED
    for odd in got.unaccounted:  # what their side brings back that the target had taken out
        base, ours, theirs = (side[odd.path].count(odd.line) for side in sides)
        assert odd.surplus > 0 and base and theirs and ours < base
    assert not any(b"<<<<<<<" in data for data in files_of(bench.git, got.tree).values())


def function(rng, changes):
    lines = [f"\tstep_{i}();\n" for i in range(30)]
    for _ in range(changes):
        at = rng.randrange(len(lines))
        lines[at : at + rng.randrange(2)] = [f"\tmore_{rng.randrange(99)}();\n"]
    return "int f(void)\n{\n" + "".join(lines) + "}\n"


def test_a_pick_of_an_unknown_commit_says_so(bench, tmp_path):
    other = Git.init_bare(tmp_path / "other")
    lost = change(other, *(make_tree(other, {"a.c": text}) for text in "ab"))
    with pytest.raises(UsageError, match="names no tree"):
        bench.pick_trees(lost, make_tree(bench.git, {"a.c": "a\n"}))


# -- the gate sees what a merge does wrong


@pytest.mark.parametrize(
    "old,new,message",
    [
        ("\tdock_door(dock);\n", "", "a.c: lost x1: 'dock_door(dock);'"),
        ("\tint ret;\n", "\tint ret;\n\tint ret2;\n", "a.c: foreign x1: 'int ret2;'"),
        (
            "\tdock_count++;\n\tdock_door(dock);\n\treturn dock_newer(dock);\n}\n",
            "\tdock_count++;\n\treturn dock_newer(dock);\n}\n\tdock_door(dock);\n",
            "a.c: not in dock_open x1: 'dock_door(dock);'",
        ),
    ],
)
def test_a_merge_gone_wrong_is_named(bench, monkeypatch, old, new, message):
    right = Git.merge_trees

    def wrong(git, *trees):
        result = right(git, *trees)
        text = git.read(result.tree, "a.c").decode()
        assert old in text
        return replace(result, tree=make_tree(git, {"a.c": text.replace(old, new)}))

    monkeypatch.setattr(Git, "merge_trees", wrong)
    ours = BASE_C.replace("return ret;", "return -1;")
    got = bench.pick({"a.c": BASE_C}, {"a.c": ours}, {"a.c": THEIRS_C})
    assert [str(item) for item in got.unaccounted] == [message]


def test_without_judging_a_wrong_result_is_the_same_and_nobody_objects(bench, monkeypatch):
    trees = [make_tree(bench.git, {"a.c": text}) for text in (BASE_C, THEIRS_C)]
    incoming = change(bench.git, *trees)
    onto = bench.git.commit_tree(trees[0], [], "target\n", AUTHOR, AUTHOR)
    right = Git.merge_trees
    lossy = make_tree(bench.git, {"a.c": THEIRS_C.replace("\tdock_door(dock);\n", "\tnone();\n")})
    monkeypatch.setattr(Git, "merge_trees", lambda *a: replace(right(*a), tree=lossy))
    target = Target(bench.git, bench.version)
    told, untold = (
        pick(incoming, onto, trees[0], (), target, judged=judged) for judged in (True, False)
    )
    assert len(told.unaccounted) == 2 and untold.unaccounted == ()
    assert replace(told, unaccounted=()) == untold
