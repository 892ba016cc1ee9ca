"""What is noticed of a difference, in which words, and what an entry allows of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_surfaces import layout, surface

from backport.gates.noticing import judged, notices, struct_change, unmatched
from backport.gates.surfaces import relaid, trace
from backport.values.compat import ADDED, CHANGED, REMOVED, TYPE, Allowance, Notice, UapiChange
from backport.values.errors import Place
from backport.values.surface import Member

OLD = layout(
    "dock",
    Member("id", "int id", 0, 4),
    Member("ops", "struct ops *ops", 8, 8),
    Member("up", "u8 up:1", 16, 1, 0),
    Member("last", "struct tail last", 24, 8),
    size=32,
)  # fmt: skip


def noticed(base, head, uapi=()):
    layouts = list(relaid(base.layouts, head.layouts))
    return notices(trace(base, head), (base.exports, head.exports), layouts, uapi)


def changes(*members, size=32):
    return struct_change(OLD, layout("dock", *members, size=size)).changes


def test_a_member_in_a_hole_and_a_bit_in_one():
    hole = Member("port", "u32 port", 4, 4)
    bit = Member("down", "u8 down:1", 16, 1, 1)
    one, two, three, four = OLD.members
    assert changes(one, hole, two, three, bit, four) == (
        "added u32 port, 4 bytes at byte 4, in a hole",
        "added u8 down:1, bit 1 of the unit at byte 16, in a hole",
    )


def test_a_member_in_the_place_of_another():
    one, _, three, four = OLD.members
    entry = Member("entry", "struct entry *entry", 8, 8)
    assert changes(one, entry, three, four) == (
        "added struct entry *entry, 8 bytes at byte 8, where ops was",
        "removed ops, 8 bytes at byte 8",
    )


def test_what_lies_behind_a_member_in_the_middle_moves_together():
    one, two, three, four = OLD.members
    entry = Member("entry", "struct entry *entry", 8, 8)
    moved = (replace(two, offset=16), replace(three, offset=24), replace(four, offset=32, size=16))
    assert changes(one, entry, *moved, size=48) == (
        "added struct entry *entry, 8 bytes at byte 8",
        "resized last, 8 to 16 bytes",
        "moved 3 members, ops to last, by +8 bytes",
    )
    assert changes(one, two, replace(three, bit=1), four) == ("moved up, by +1 bit",)


def test_a_nested_struct_comes_with_its_members():
    inner = Member("in.at", "u32 at", 4, 4)
    outer = Member("in", "struct {...} in", 4, 4)
    assert changes(*OLD.members, outer, inner) == (
        "added struct {...} in, 4 bytes at byte 4, in a hole",
    )
    was = replace(OLD, members=(*OLD.members, outer))
    now = replace(OLD, members=(*OLD.members, outer, inner))
    assert struct_change(was, now).changes == ("added in.at (u32 at), 4 bytes at byte 4",)


def test_a_member_of_another_type_and_another_order():
    one, two, three, four = OLD.members
    told = changes(
        replace(one, text="long id"), replace(three, offset=8), replace(two, offset=16), four
    )
    assert told == (
        "changed long id, was int id",
        "moved up, by -8 bytes",
        "moved ops, by +8 bytes",
        "the members are in another order",
    )


def sides():
    """A struct with one member more, in two objects, and the symbols that it changes."""
    text = "struct dock { int id ; s#ops * ops ; }"
    wide = "struct dock { int id ; int port ; s#ops * ops ; }"
    one = {"a": "int a ( s#dock * )", "s#dock": text}
    two = {"b": "int b ( s#dock * )", "s#dock": text}
    base = surface({"a": 1, "b": 2}, {"one": one, "two": two}, [OLD])
    head = surface(
        {"a": 3, "b": 4},
        {"one": {**one, "s#dock": wide}, "two": {**two, "s#dock": wide}},
        [replace(OLD, members=(*OLD.members, Member("port", "u32 port", 4, 4)))],
    )
    return base, head


def test_symbols_are_one_notice_for_the_type_that_changes_them():
    (notice,) = noticed(*sides())
    assert (notice.kind, notice.name, notice.members) == (TYPE, "struct dock", ("port",))
    assert notice.text == "struct dock: added port; 2 exported symbols with another CRC"


def test_a_struct_that_no_symbol_leads_to_is_noticed_by_its_layout():
    base, head = (replace(side, exports={}) for side in sides())
    (notice,) = noticed(base, head)
    assert notice.text == "struct dock: added port"


def test_symbols_by_themselves():
    old = {"a": "int a ( void )", "b": "int b ( void )"}
    base = surface({"a": 1, "b": 2, "c": 3, "d": 4}, {"one": old})
    head = surface({"a": 5, "b": 6, "d": 4}, {"one": {**old, "a": "int a ( int )"}})
    exports = {**head.exports, "d": replace(head.exports["d"], how="EXPORT_SYMBOL_GPL")}
    assert [one.text for one in noticed(base, replace(head, exports=exports))] == [
        "c: exported no more",
        "a: declared as `int a ( int )`, was `int a ( void )`",
        "b: another CRC, and no definition behind it differs",
        "d: EXPORT_SYMBOL_GPL, was EXPORT_SYMBOL",
    ]


def test_a_type_without_members_is_shown_as_it_is():
    old = {"a": "int a ( t#id )", "t#id": "typedef int id"}
    new = {**old, "t#id": "typedef long id"}
    base, head = surface({"a": 1}, {"one": old}), surface({"a": 2}, {"one": new})
    assert [one.text for one in noticed(base, head)] == [
        "typedef id: `typedef long id`, was `typedef int id`; 1 exported symbol with another CRC"
    ]


def test_a_definition_that_is_only_seen_now():
    hidden = {"a": "int a ( s#ops * )", "s#ops": "struct ops { UNKNOWN }"}
    seen = {**hidden, "s#ops": "struct ops { int x ; }"}
    base, head = surface({"a": 1}, {"net/one": hidden}), surface({"a": 2}, {"net/one": seen})
    assert [one.text for one in noticed(base, head)] == [
        "struct ops: the same, but now defined where net/one is compiled;"
        " 1 exported symbol with another CRC"
    ]
    assert "now only declared where" in noticed(head, base)[0].text


def test_what_userspace_gains_is_no_notice_but_what_changes_is():
    uapi = (
        UapiChange("dock.h", "enumerator", "DOCK_B", "1", ADDED),
        UapiChange("dock.h", "enumerator", "__DOCK_MAX", "2", CHANGED, "1"),
        UapiChange("dock.h", "macro", "DOCK_OLD", "1", REMOVED, "1"),
    )
    empty = surface({}, {})
    assert [one.text for one in noticed(empty, empty, uapi)] == [
        "__DOCK_MAX: is 2, was 1 in dock.h",
        "DOCK_OLD: is gone, was 1 in dock.h",
    ]


# -- what is allowed

NOTICE = Notice("struct dock: added port", TYPE, "struct dock", ("port",))


def entry(name="struct dock", members=(), line=3):
    place = Place("patches/netkit/compat.toml", line)
    return Allowance(TYPE, name, "it is new", members, place)


@pytest.mark.parametrize(
    ("members", "allowed", "told"),
    [
        ((), True, ""),
        (("port",), True, ""),
        (("port", "bay"), True, ""),
        (("bay",), False, " (compat.toml:3 allows some members, not port)"),
    ],
)
def test_an_entry_allows_the_members_that_it_names(members, allowed, told):
    (found,) = judged([NOTICE], [entry(members=members)])
    assert (found.allowed, found.text) == (allowed, NOTICE.text + told)
    assert found.reason == ("it is new" if allowed else "")


def test_an_entry_with_members_allows_no_other_order():
    shuffled = replace(NOTICE, shuffled=True)
    (found,) = judged([shuffled], [entry(members=("port",))])
    assert not found.allowed and found.text.endswith("not another order)")
    assert judged([shuffled], [entry()])[0].allowed


def test_nothing_is_allowed_by_an_entry_of_another_name_or_kind():
    others = [entry("struct bay"), replace(entry(), kind="symbol")]
    assert judged([NOTICE], others) == (NOTICE,)


def test_an_entry_that_no_target_needs_is_told():
    entries = [entry(members=("port", "bay")), entry("struct bay", line=8)]
    idle = ("compat.toml:3: struct dock, member bay", "compat.toml:8: struct bay")
    assert unmatched(entries, [[NOTICE]]) == idle
    other = [replace(NOTICE, members=("bay",)), Notice("", TYPE, "struct bay")]
    assert unmatched(entries, [[NOTICE], other]) == ()
