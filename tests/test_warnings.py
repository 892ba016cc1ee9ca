"""What make prints, read line by line."""

from __future__ import annotations

import pytest

from backport.readers.warnings import (
    BuildWarning,
    Ledger,
    compare,
    compiled,
    is_error,
    parse_warning,
    per_file,
    step,
)

ROOTS = ("/src/tree", "/o")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "/src/tree/net/core/dev.c:12:9: warning: unused variable ‘x’ [-Wunused-variable]",
            BuildWarning("net/core/dev.c", 12, "-Wunused-variable", "unused variable ‘x’"),
        ),
        (
            "./include/linux/bpf.h:7:1: warning: 'f' defined but not used [-Wunused-function]",
            BuildWarning("include/linux/bpf.h", 7, "-Wunused-function", "'f' defined but not used"),
        ),
        (
            '/src/tree/net/core/dev.c:4: warning: "A" redefined',
            BuildWarning("net/core/dev.c", 4, "warning", '"A" redefined'),
        ),
        (
            "net/Kconfig:33:warning: config symbol 'X' uses select",
            BuildWarning("net/Kconfig", 33, "warning", "config symbol 'X' uses select"),
        ),
        (
            "drivers/net/netkit.o: warning: objtool: netkit_xmit+0x1f: unreachable instruction",
            BuildWarning(
                "drivers/net/netkit.o", 0, "objtool", "netkit_xmit+0x1f: unreachable instruction"
            ),
        ),
        (
            "WARNING: modpost: vmlinux.o: section mismatch in reference: a (section: .text)",
            BuildWarning(
                "vmlinux.o",
                0,
                "modpost",
                "vmlinux.o: section mismatch in reference: a (section: .text)",
            ),
        ),
        (
            "WARN: resolve_btfids: unresolved symbol tcx_link",
            BuildWarning("", 0, "resolve_btfids", "resolve_btfids: unresolved symbol tcx_link"),
        ),
        (
            "ld: warning: /o/arch/x86/lib/x.o: missing .note.GNU-stack section",
            BuildWarning("", 0, "ld", "arch/x86/lib/x.o: missing .note.GNU-stack section"),
        ),
        (
            "/usr/bin/ld: vmlinux.o: warning: relocation against `f'",
            BuildWarning("vmlinux.o", 0, "ld", "relocation against `f'"),
        ),
        (
            "gcc: warning: switch ‘-mx’ is no longer supported",
            BuildWarning("gcc", 0, "driver", "switch ‘-mx’ is no longer supported"),
        ),
        ("/src/tree/net/core/dev.c:12:9: note: declared here", None),
        ("/src/tree/net/core/dev.c:12:9: error: unused [-Werror=unused]", None),
        ("  CC      net/core/warning.o", None),
        ("   12 | int warning: x;", None),
    ],
)
def test_every_form_of_warning_is_read(line, expected):
    assert parse_warning(line, ROOTS) == expected


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("  CC      net/core/dev.o", "net/core/dev.o"),
        ("  CC [M]  drivers/net/netkit.o", "drivers/net/netkit.o"),
        ("  AS      arch/x86/entry/entry_64.o", "arch/x86/entry/entry_64.o"),
        ("  HOSTCC  scripts/mod/modpost.o", ""),
        ("  CC      /o/tools/objtool/check.o", ""),
        ("  CC      kernel/bounds.s", ""),
        ("  LD      vmlinux.o", ""),
        ("make[1]: Entering directory '/o'", ""),
    ],
)
def test_only_objects_of_the_kernel_count(line, name):
    assert compiled(line) == name


def test_a_step_has_a_verb_and_a_target():
    assert step("  MODPOST vmlinux.symvers") == ("MODPOST", "vmlinux.symvers")
    assert step("Kernel: arch/x86/boot/bzImage is ready  (#1)") is None


def feed(ledger: Ledger, text: str) -> Ledger:
    for line in text.splitlines():
        ledger.feed(line)
    return ledger


def test_a_rebuilt_object_replaces_its_own_warnings_and_no_others():
    ledger = feed(
        Ledger(),
        "  CC      a.o\na.c:1:1: warning: old [-Wx]\n  CC      b.o\nb.c:2:1: warning: kept [-Wx]\n",
    )
    feed(ledger, "  CC      a.o\na.c:9:1: warning: new [-Wx]\n")
    assert [(w.file, w.text) for w in ledger.warnings()] == [("a.c", "new"), ("b.c", "kept")]
    assert ledger.objects == {"a.o", "b.o"}
    feed(ledger, "  CC      a.o\n  CC      b.o\n")
    assert ledger.warnings() == ()


def test_a_header_that_warns_in_many_objects_is_one_warning():
    line = "include/h.h:3:1: warning: shadow [-Wshadow]\n"
    ledger = feed(Ledger(), f"  CC      a.o\n{line}  CC      b.o\n{line}{line}")
    assert len(ledger.warnings()) == 1
    assert per_file(ledger.warnings()) == {"include/h.h": 1}


def test_a_ledger_says_which_lines_a_later_run_needs():
    ledger = Ledger()
    lines = ["  CC      a.o", "a.c:1:1: warning: w", "    1 | int a;", "make: Entering"]
    assert [ledger.feed(line) for line in lines] == [True, True, False, False]


def test_comparing_ignores_lines_and_counts_repeats():
    def one(line: int, text: str = "t") -> BuildWarning:
        return BuildWarning("a.c", line, "-Wx", text)

    delta = compare([one(10), one(20), one(5, "new")], [one(7), one(8, "gone")])
    assert delta.new == (one(20), one(5, "new"))
    assert delta.fixed == (one(8, "gone"),)
    assert compare([one(1)], [one(2)]).new == ()


@pytest.mark.parametrize(
    "line",
    [
        "net/core/dev.c:12:9: error: ‘tcx’ undeclared",
        "net/core/dev.c:1:10: fatal error: net/tcx.h: No such file or directory",
        "arch/x86/x.S:4: Error: no such instruction: `foo'",
        "ld: net/core/dev.o: undefined reference to `tcx_run'",
        'ERROR: modpost: "netkit" [drivers/net/x.ko] undefined!',
        "make[3]: *** No rule to make target 'net/core/tcx.o', needed by 'net/core/built-in.a'.",
        "/bin/sh: 1: bison: not found",
    ],
)
def test_causes_are_told_from_consequences(line):
    assert is_error(line)


@pytest.mark.parametrize(
    "line",
    [
        "make[3]: *** [scripts/Makefile.build:250: net/core/dev.o] Error 1",
        "  CC      lib/error.o",
        "net/core/dev.c:12:9: note: each undeclared identifier is reported only once",
        "net/core/dev.c:12:9: warning: an error: not really",
    ],
)
def test_consequences_are_not_causes(line):
    assert not is_error(line)
