"""What a build leaves about exported symbols: versions, and the definitions behind them."""

from __future__ import annotations

import pytest

from backport.readers.members import members_of
from backport.readers.symvers import Malformed, gather, parse_symtypes, parse_symvers, references
from backport.values.surface import Export

SYMVERS = (
    "0x4f1bb0a6\tdev_open\tvmlinux\tEXPORT_SYMBOL\t\n"
    "0x00000000\tdock_bay\tdrivers/net/dock\tEXPORT_SYMBOL_GPL\tDOCK\n"
)


def test_versions_by_symbol():
    assert parse_symvers(SYMVERS, "vmlinux.symvers") == {
        "dev_open": Export("0x4f1bb0a6", "vmlinux", "EXPORT_SYMBOL"),
        "dock_bay": Export("0x00000000", "drivers/net/dock", "EXPORT_SYMBOL_GPL"),
    }


@pytest.mark.parametrize("line", ["", "0x12\tx\tvmlinux\tEXPORT_SYMBOL\t", "0x4f1bb0a6 x y z"])
def test_a_line_of_another_form_is_named(line):
    with pytest.raises(Malformed, match=r"^sv:3: .* is no line of a symvers file$"):
        parse_symvers(f"{SYMVERS}{line}\n", "sv")


def test_definitions_by_key():
    found = parse_symtypes("s#a struct a { int x ; } \nf int f ( s#a * ) \n", "f.symtypes")
    assert found == {"s#a": "struct a { int x ; }", "f": "int f ( s#a * )"}
    with pytest.raises(Malformed, match=r"^f.symtypes:1: 's#a' is no line of a symtypes file$"):
        parse_symtypes("s#a\n", "f.symtypes")


def test_a_definition_that_objects_share_is_kept_once():
    shared = {"s#a": "struct a { int x ; }"}
    types = gather([("one", shared), ("two", {**shared, "g": "int g ( s#a * )"})])
    assert len(types.pool) == 2
    assert types.objects == {"one": (0,), "two": (0, 1)}


def test_what_a_definition_refers_to():
    text = "struct a { s#b * b ; t#u32 n ; char s [ E#SIZE ] ; u#v v ; e#w w ; int x # y ; }"
    assert [*references(text)] == ["s#b", "t#u32", "E#SIZE", "u#v", "e#w"]


@pytest.mark.parametrize(
    ("definition", "members"),
    [
        ("struct a { UNKNOWN }", []),
        ("typedef unsigned int u32", []),
        ("struct a { }", []),
        ("struct a { union { } ; int x ; }", [("x", "int x")]),
        ("enum e { A = ( 1 << 2 ) , B , }", [("A", "A = ( 1 << 2 )"), ("B", "B")]),
        ("struct a { char name [ ( 64 - 8 ) ] ; }", [("name", "char name [ ( 64 - 8 ) ]")]),
        ("struct a { t#u8 one : 1 , two : 2 ; }", [("one", "t#u8 one : 1"), ("two", "two : 2")]),
        ("struct a { int ( * f ) ( int , s#a * ) ; }", [("f", "int ( * f ) ( int , s#a * )")]),
        ("struct a { t#u32 : 32 ; unsigned int : 4 ; t#u8 x : 1 ; }", [("x", "t#u8 x : 1")]),
        (
            "struct a { long x __attribute__ ( ( __aligned__ ( ( 1 << 6 ) ) ) ) ; }",
            [("x", "long x")],
        ),
        (
            "struct a { union { int x ; const struct { int y ; } ; } ; struct { int z ; } in ; }",
            [("x", "int x"), ("y", "int y"), ("in", "{ } in"), ("in.z", "int z")],
        ),
        (
            "struct a { struct { int z ; } __attribute__ ( ( __packed__ ) ) ; } "
            "__attribute__ ( ( __aligned__ ( 64 ) ) )",
            [("z", "int z")],
        ),
    ],
)
def test_the_members_of_a_definition(definition, members):
    assert members_of(definition) == members
