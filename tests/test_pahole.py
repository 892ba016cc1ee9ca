"""pahole's output, in the forms that pahole 1.24 prints of what gcc 12 compiled."""

from __future__ import annotations

from backport.readers.pahole import parse_layouts, parse_sizes
from backport.values.surface import Layout, Member

TEXT = """\
/* Used at: a.c */
/* <43> /src/include/linux/inner.h:2 */
struct inner {
	u32                        a;                    /*     0     4 */
	char                       b;                    /*     4     1 */

	/* size: 8, cachelines: 1, members: 2 */
	/* padding: 3 */
	/* last cacheline: 8 bytes */
};
/* Used at: a.c */
/* <141> /src/include/linux/outer.h:6 */
struct outer {
	u32                        x;                    /*     0     4 */
	struct inner               in;                   /*     4     8 */

	/* XXX last struct has 3 bytes of padding */
	/* XXX 4 bytes hole, try to pack */

	union {
		u64                q;                    /*    16     8 */
		struct {
			u32        lo;                   /*    16     4 */
			u32        hi:4;                 /*    20: 0  4 */
			u32        hj:28;                /*    20: 4  4 */
		};                                       /*    16     8 */
	};                                               /*    16     8 */
	u32                        bit1:1;               /*    24: 0  4 */

	/* XXX 7 bits hole, try to pack */
	/* Bitfield combined with next fields */

	char                       tail[3];              /*    25     3 */

	/* XXX 4 bytes hole, try to pack */

	int                        (*fn)(struct outer *, int); /*    32     8 */
	struct {
		int                deep;                 /*    40     4 */
	} named_one;                                     /*    40     4 */
	enum {
		STATE_NEW  = 0,
		STATE_OLD = 1,
	} state:16;                                         /*    44:16  4 */
	const struct {
		int                fixed;                /*    44     4 */
	};                                               /*    44     4 */
	const struct inner  *      ptr __attribute__((__aligned__(8))); /*    48     8 */
	/* --- cacheline 1 boundary (64 bytes) --- */
	struct row {
		int                n;                    /*    64     4 */
	} rows[2];                                       /*    64     8 */
	char                       flex[];               /*    72     0 */

	/* size: 128, cachelines: 2, members: 11 */
	/* forced alignments: 1 */
} __attribute__((__aligned__(64)));
/* <243> /src/a.c:18 */
union uu {
	int                        a;                  /*     0     4 */
	struct {
		u64                z[2];               /*     0    16 */
	} b;                                           /*     0    16 */
};
struct bits {
	u32                        a:1;                  /*     0: 0  4 */

	/* Force alignment to the next boundary: */
	u32                        :0;

	u32                        b:2;                  /*     4: 0  4 */

	/* size: 8, cachelines: 1, members: 2 */
};
"""


def layouts():
    unions = parse_sizes("inner\t8\t0\nuu\t24\t0\n".splitlines())
    found = parse_layouts(TEXT.splitlines(), unions, lambda path: path.removeprefix("/src/"))
    return {one.title: one for one in found}


def test_each_struct_has_its_header_and_its_size():
    assert [(title, one.header, one.size) for title, one in layouts().items()] == [
        ("struct inner", "include/linux/inner.h", 8),
        ("struct outer", "include/linux/outer.h", 128),
        ("union uu", "a.c", 24),
        ("struct bits", "a.c", 8),
    ]


def test_members_lie_where_they_lie():
    assert layouts()["struct inner"] == Layout(
        "struct",
        "inner",
        "include/linux/inner.h",
        8,
        (Member("a", "u32 a", 0, 4), Member("b", "char b", 4, 1)),
    )
    assert [one.name for one in layouts()["struct bits"].members] == ["a", "b"]


def test_what_is_nested_goes_by_its_path():
    found = {one.name: one for one in layouts()["struct outer"].members}
    assert [*found] == [
        "x", "in", "q", "lo", "hi", "hj", "bit1", "tail", "fn", "named_one", "named_one.deep",
        "state", "fixed", "ptr", "rows", "rows.n", "flex",
    ]  # fmt: skip
    assert found["hj"] == Member("hj", "u32 hj:28", 20, 4, 4)
    assert found["fn"].text == "int (*fn)(struct outer *, int)"
    assert found["named_one"] == Member("named_one", "struct {...} named_one", 40, 4)
    assert found["rows"] == Member("rows", "struct row {...} rows[2]", 64, 8)
    assert found["state"] == Member("state", "enum {...} state:16", 44, 4, 16)
    assert found["ptr"].text == "const struct inner *ptr"


def test_what_is_no_struct_is_passed_over():
    assert parse_layouts(["int main(void);", "};", "/* <1> x.h:1 */", ""], {}) == []
