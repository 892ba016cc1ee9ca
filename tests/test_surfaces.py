"""Two surfaces compared: symbols by the types behind them, members, and what userspace sees."""

from __future__ import annotations

from backport.gates.surfaces import compare_headers, redefined, relaid, title, trace
from backport.readers.symvers import gather
from backport.values.compat import ADDED, CHANGED, REMOVED, ChangedSymbol, UapiChange
from backport.values.surface import Export, Header, Layout, Member, Surface

DEVICE = "struct device { int id ; s#ops * ops ; }"
OPS = "struct ops { int ( * open ) ( s#device * ) ; }"


def surface(crcs, objects, layouts=()):
    """Symbols with their CRC's number, and what genksyms says in each object."""
    exports = {
        name: Export(f"0x{crc:08x}", "vmlinux", "EXPORT_SYMBOL") for name, crc in crcs.items()
    }
    return Surface({}, exports, gather(objects.items()), {one.title: one for one in layouts})


def layout(name, *members, size=8):
    return Layout("struct", name, f"include/linux/{name}.h", size, members)


def test_the_name_that_c_has_for_a_key():
    keys = ("s#a", "u#a", "e#a", "t#a", "E#A", "dev_open")
    assert [*map(title, keys)] == [
        "struct a", "union a", "enum a", "typedef a", "constant A", "dev_open",
    ]  # fmt: skip


def test_symbols_that_come_and_go():
    found = trace(surface({"a": 1, "b": 2}, {}), surface({"b": 2, "c": 3}, {})).symbols
    assert (found.before, found.added, found.removed, found.changed) == (2, ("c",), ("a",), ())


def test_a_crc_is_traced_to_the_definition_that_differs_however_deep():
    open_ = {"open": "int open ( s#device * )", "s#device": DEVICE, "s#ops": OPS}
    more = {**open_, "s#ops": f"{OPS[:-1]}int more ; }}", "s#extra": "struct extra { }"}
    close = {"close": "void close ( void )"}
    base = surface({"open": 1, "close": 2}, {"net/dev": open_, "net/end": close})
    head = surface({"open": 3, "close": 2}, {"net/dev": more, "net/end": close})
    traced = trace(base, head)
    assert traced.symbols.changed == (
        ChangedSymbol("open", "0x00000001", "0x00000003", ("struct ops",)),
    )
    (cause,) = traced.causes.values()
    assert (cause.name, cause.symbols, cause.redefined) == ("struct ops", {"open"}, True)
    assert redefined(cause).added == ("more",)


def test_a_symbols_own_declaration_is_a_cause_and_comes_first():
    old = {"open": "int open ( s#device * )", "s#device": DEVICE}
    new = {"open": "int open ( s#device * , int )", "s#device": f"{DEVICE} __packed"}
    traced = trace(surface({"open": 1}, {"d": old}), surface({"open": 2}, {"d": new}))
    assert traced.symbols.changed[0].because == ("open", "struct device")


def test_a_crc_without_a_cause_has_none():
    old = {"open": "int open ( void )"}
    traced = trace(surface({"open": 1}, {"d": old}), surface({"open": 2}, {"d": old}))
    assert traced.symbols.changed[0].because == () and traced.causes == {}
    nobody = trace(surface({"open": 1}, {}), surface({"open": 2}, {}))
    assert nobody.symbols.changed[0].because == ()


def test_a_definition_that_is_seen_now_is_told_from_one_that_differs():
    hidden = {"a": "int a ( s#ops * )", "s#ops": "struct ops { UNKNOWN }"}
    seen = {"a": "int a ( s#ops * )", "s#ops": OPS}
    other = {"b": "int b ( s#ops * )", "s#ops": OPS}
    base = surface({"a": 1, "b": 2}, {"one": hidden, "two": other})
    traced = trace(base, surface({"a": 3, "b": 2}, {"one": seen, "two": other}))
    (cause,) = traced.causes.values()
    assert not cause.redefined and cause.seen == {"one"} and cause.symbols == {"a"}

    wider = {**other, "s#ops": f"{OPS[:-1]}int more ; }}"}
    traced = trace(base, surface({"a": 3, "b": 4}, {"one": seen, "two": wider}))
    (cause,) = traced.causes.values()
    assert cause.redefined and redefined(cause).added == ("more",)
    assert (cause.seen, cause.symbols) == ({"one"}, {"a", "b"})


def test_a_type_that_holds_itself_ends():
    ring = {"a": "int a ( s#x * )", "s#x": "struct x { s#y * y ; }", "s#y": "struct y { s#x x ; }"}
    new = {**ring, "s#y": "struct y { s#x x ; int n ; }"}
    traced = trace(surface({"a": 1}, {"o": ring}), surface({"a": 2}, {"o": new}))
    assert traced.symbols.changed[0].because == ("struct y",)


def test_members_in_another_order_are_seen():
    old = {"a": "int a ( s#x * )", "s#x": "struct x { int one ; int two ; int gone ; }"}
    new = {"a": "int a ( s#x * )", "s#x": "struct x { int two ; long one ; int came ; }"}
    (cause,) = trace(surface({"a": 1}, {"o": old}), surface({"a": 2}, {"o": new})).causes.values()
    delta = redefined(cause)
    assert (delta.added, delta.removed, delta.changed) == (("came",), ("gone",), ("one",))
    assert not delta.shuffled  # the one that changed counts for no order
    new["s#x"] = "struct x { int two ; int one ; int gone ; }"
    (cause,) = trace(surface({"a": 1}, {"o": old}), surface({"a": 2}, {"o": new})).causes.values()
    assert redefined(cause).names == () and redefined(cause).shuffled


def test_only_structs_that_both_have_and_that_differ_are_relaid():
    same, old = layout("same"), layout("x", Member("a", "int a", 0, 4))
    new = layout("x", Member("a", "int a", 4, 4))
    base = {one.title: one for one in (same, old, layout("gone"))}
    head = {one.title: one for one in (same, new, layout("came"))}
    assert [*relaid(base, head)] == [(old, new)]


def test_what_userspace_gains_loses_and_sees_with_another_value():
    path = "include/uapi/linux/dock.h"
    old = Header(
        {"DOCK_F": "(1U << 0)", "DOCK_OLD": "1"},
        {"DOCK_A": 0, "__DOCK_MAX": 1},
        {"struct dock": Layout("struct", "dock", path, 8, (Member("a", "__u32 a", 0, 4),))},
    )
    wide = (Member("a", "__u32 a", 4, 4), Member("b", "__u32 b:3", 8, 4, 0))
    new = Header(
        {"DOCK_F": "(1U << 1)"},
        {"DOCK_A": 0, "DOCK_B": 1, "__DOCK_MAX": 2},
        {
            "struct dock": Layout("struct", "dock", path, 12, wide),
            "union bay": Layout("union", "bay", path, 4, ()),
        },
    )
    assert compare_headers({path: old}, {path: new}) == (
        UapiChange(path, "enumerator", "DOCK_B", "1", ADDED),
        UapiChange(path, "enumerator", "__DOCK_MAX", "2", CHANGED, "1"),
        UapiChange(path, "macro", "DOCK_F", "(1U << 1)", CHANGED, "(1U << 0)"),
        UapiChange(path, "macro", "DOCK_OLD", "1", REMOVED, "1"),
        UapiChange(path, "union", "bay", "4 bytes", ADDED),
        UapiChange(
            path, "member", "dock.a", "__u32 a, at byte 4", CHANGED, "__u32 a, at byte 0"
        ),
        UapiChange(path, "member", "dock.b", "__u32 b:3, at byte 8, bit 0", ADDED),
    )  # fmt: skip
    gone = compare_headers({path: new}, {path: Header()})
    assert {(one.kind, one.name, one.change) for one in gone} == {
        ("enumerator", "DOCK_A", REMOVED), ("enumerator", "DOCK_B", REMOVED),
        ("enumerator", "__DOCK_MAX", REMOVED), ("macro", "DOCK_F", REMOVED),
        ("struct", "dock", REMOVED), ("union", "bay", REMOVED),
    }  # fmt: skip
