"""Additive replay: upstream's additions in our text; certain of the place, or nothing."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from backport.picking.resolvers.additive import replay
from backport.values.conflict import Region
from backport.values.csource import split_text
from backport.values.rule import Additive, At, Grain

LINE = Additive()
WORD = Additive(Grain.WORD)


def region(base, ours, theirs):
    return Region(*(tuple(split_text(side)) for side in (base, ours, theirs)))


def replayed(base, ours, theirs, action=LINE):
    done = replay(region(base, ours, theirs), action)
    return None if done is None else "".join(done)


# -- by line


def test_an_addition_beside_an_absent_neighbour():
    assert replayed("A\nabsent\n", "A\n", "A\nN\nabsent\n") == "A\nN\n"
    assert replayed("absent\nB\n", "B\n", "absent\nN\nB\n") == "N\nB\n"


def test_ours_keeps_its_own_lines():
    base, theirs = "A\nfar\nB\n", "A\nfar\nN\nB\n"
    assert replayed(base, "A\nown\nB\n", theirs) == "A\nown\nN\nB\n"
    assert replayed(base, "A\nfar\nown\n", theirs) == "A\nfar\nN\nown\n"
    assert replayed(base, "A\nB\n", theirs) == "A\nN\nB\n"


@pytest.mark.parametrize(
    "at,want",
    [(At.UNSAID, None), (At.START, "A\nN\nown\nB\n"), (At.END, "A\nown\nN\nB\n")],
)
@pytest.mark.parametrize("far", ["", "far\n"])
def test_between_two_neighbours_the_rule_says_on_which_side_of_our_lines(at, want, far):
    base, theirs = f"A\n{far}{far}B\n", f"A\n{far}N\n{far}B\n"
    assert replayed(base, "A\nown\nB\n", theirs, Additive(at=at)) == want


def test_several_additions_keep_their_order():
    assert replayed("a\nb\nc\n", "", "N1\na\nN2\nb\nN3\nc\nN4\n") == "N1\nN2\nN3\nN4\n"
    assert replayed("a\nX\n", "X\n", "N1\na\nN2\nX\nN3\n") == "N1\nN2\nX\nN3\n"


@pytest.mark.parametrize(
    "at,want",
    [(At.UNSAID, None), (At.START, "N\nown\n"), (At.END, "own\nN\n")],
)
def test_without_neighbours_the_rule_says_where(at, want):
    assert replayed("absent\n", "own\n", "absent\nN\n", Additive(at=at)) == want


@pytest.mark.parametrize("at", list(At))
def test_a_known_neighbour_beats_at(at):
    assert replayed("A\nabsent\n", "own\nA\nown\n", "A\nN\nabsent\n", Additive(at=at)) == (
        "own\nA\nN\nown\n"
    )


def test_into_an_empty_side():
    assert replayed("absent\n", "", "absent\nN\n") == "N\n"


def test_removals_and_changes_replay_where_ours_has_the_lines():
    assert replayed("a\nb\nc\n", "own\na\nb\nc\n", "a\nc\n") == "own\na\nc\n"
    assert replayed("a\nb\nc\n", "own\na\nb\nc\n", "a\nB\nc\n") == "own\na\nB\nc\n"


def test_a_removal_of_what_ours_has_not_is_refused():
    assert replayed("a\nb\n", "a\n", "a\n") is None
    assert replayed("a\nb\n", "a\n", "a\nB\n") is None


def test_a_removal_that_ours_has_apart_is_refused():
    """Else our own line between the two would go and theirs would stay."""
    assert replayed("x\na\nb\ny\n", "x\na\nown\nb\ny\n", "x\ny\n") is None


def test_what_ours_has_already_is_not_doubled():
    assert replayed("a\n", "a\nN1\nN2\n", "a\nN1\nN2\n") is None
    assert replayed("a\nfar\n", "a\nown\nN1\nN2\nmore\n", "a\nN1\nN2\nfar\n") is None


def test_our_own_line_that_begins_as_the_addition_does_is_unclear():
    assert replayed("a\n", "a\nN1\nown\n", "a\nN1\nN2\n") is None


def test_common_lines_alone_do_not_count_as_there_already():
    base = "\tcase A:\n\t\tf();\n\t\tbreak;\n"
    ours = base + "\tcase OWN:\n\t\to();\n\t\tbreak;\n"
    more = "\tcase N:\n\t\tn();\n\t\tbreak;\n"
    assert replayed(base, ours, base + more) == base + more + ours.removeprefix(base)


def test_a_last_line_without_newline_is_never_glued():
    assert replayed("a", "a", "a\nN\n") == "a\nN\n"
    assert replayed("absent\nb", "b", "absent\nN\nb") == "N\nb"
    assert replayed("absent\n", "own", "absent\nN\n", Additive(at=At.END)) is None


def test_bytes_that_are_no_utf8_and_odd_line_ends_stay():
    assert (
        replayed("a\r\nfar\n", "a\r\n\udce9\x0c\n", "a\r\nN\r\nfar\n") == "a\r\nN\r\n\udce9\x0c\n"
    )


# -- by word


def test_a_word_in_a_line_that_ours_has_otherwise():
    assert replayed("obj-y := a.o far.o\n", "obj-y := a.o\n", "obj-y := a.o n.o far.o\n") is None
    done = replayed("obj-y := a.o far.o\n", "obj-y := a.o\n", "obj-y := a.o n.o far.o\n", WORD)
    assert done == "obj-y := a.o n.o\n"


def test_a_select_list_by_word():
    base = "\tselect A\n\tselect FAR if NET\n"
    ours = "\tselect A\n"
    theirs = "\tselect A\n\tselect NEW if NET\n\tselect FAR if NET\n"
    assert replayed(base, ours, theirs) == "\tselect A\n\tselect NEW if NET\n"
    assert replayed(base, ours, theirs, WORD) == "\tselect A\n\tselect NEW if NET\n"


def test_by_word_never_glues_words():
    assert replayed("far a\n", "a\n", "N far a\n", WORD) in {None, "N a\n"}
    assert replayed("far", "own", "far N", Additive(Grain.WORD, At.END)) == "own N"
    assert replayed("far", "own", "N far", Additive(Grain.WORD, At.START)) is None  # Nown


def test_by_word_gives_lines():
    got = replay(region("a b\n", "a b\nc\n", "a n b\n"), WORD)
    assert got == ("a n b\n", "c\n")


# -- property: result - ours == theirs - base, or nothing

POOL = [f"\tline {i};\n" for i in range(9)] + ["\tbreak;\n", "\t}\n", "\n"]


def mutated(rng, lines, pool):
    out = list(lines)
    for _ in range(rng.randrange(0, 4)):
        at = rng.randrange(0, len(out) + 1)
        out[at : at + rng.randrange(0, 2)] = rng.choices(pool, k=rng.randrange(0, 3))
    return out


def subtracted(a, b):
    diff = Counter(a)
    diff.subtract(b)
    return {key: n for key, n in diff.items() if n}


def words(lines):
    return "".join(lines).replace("\n", " \n ").split(" ")


@pytest.mark.parametrize("seed", range(40))
def test_no_line_is_lost_or_doubled(seed):
    rng = random.Random(seed)
    placed = 0
    for _ in range(60):
        base = rng.choices(POOL, k=rng.randrange(0, 7))
        sides = Region(tuple(base), *(tuple(mutated(rng, base, POOL)) for _ in range(2)))
        action = Additive(Grain.LINE, rng.choice(list(At)))
        done = replay(sides, action)
        if done is None:
            continue
        placed += 1
        assert subtracted(done, sides.ours) == subtracted(sides.theirs, sides.base)
        order = [line for line in sides.ours if line in done]
        assert len(order) >= len(sides.ours) - len(sides.base)
    assert placed > 5


@pytest.mark.parametrize("seed", range(40))
def test_no_character_is_lost_or_doubled_by_word(seed):
    rng = random.Random(seed)
    placed = 0
    for _ in range(30):
        base = rng.choices(POOL, k=rng.randrange(0, 5))
        sides = Region(tuple(base), *(tuple(mutated(rng, base, POOL)) for _ in range(2)))
        done = replay(sides, WORD)
        if done is None:
            continue
        placed += 1
        assert all(line.endswith("\n") and "\n" not in line[:-1] for line in done)
        mine = subtracted("".join(done), "".join(sides.ours))
        assert mine == subtracted("".join(sides.theirs), "".join(sides.base))
    assert placed
