"""Fragments, `.config` files, and the light reader that explains what olddefconfig did."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from backport.readers import kconfig
from backport.readers.kconfig import Lost, Wanted, merge, parse_config, parse_fragment
from backport.readers.kconfig_tree import Definition, definitions, statements
from backport.readers.kconfig_why import conjuncts, evaluate, reason, unmet
from backport.readers.manifest import read_target
from backport.values.errors import ManifestError

FRAGMENTS = sorted((Path(__file__).parents[1] / "kconfig").glob("*.config"))


def fragment(text: str, file: str = "a.config") -> kconfig.Fragment:
    return parse_fragment(textwrap.dedent(text), file)


# -- fragments


def test_a_fragment_is_read_with_its_lines():
    got = fragment(
        """\
        # why
        CONFIG_NET=y
        CONFIG_X25=m
          CONFIG_NR_CPUS=4

        # CONFIG_PCI is not set
        CONFIG_VT=n
        CONFIG_BASE=0x1F
        CONFIG_NAME="a \\"b\\" #c"
        CONFIG_OFFSET=-5
        """
    )
    assert {k: (w.value, w.line) for k, w in got.wanted.items()} == {
        "NET": ("y", 2),
        "X25": ("m", 3),
        "NR_CPUS": ("4", 4),
        "PCI": ("n", 6),
        "VT": ("n", 7),
        "BASE": ("0x1F", 8),
        "NAME": ('"a \\"b\\" #c"', 9),
        "OFFSET": ("-5", 10),
    }


@pytest.mark.parametrize(
    "line",
    [
        "CONFIG_NET=yes",
        "CONFIG_NET = y",
        "NET=y",
        "CONFIG_NET",
        "CONFIG_NAME=bare",
        'CONFIG_NAME="open',
        "#CONFIG_NET is not set",
        "# CONFIG_NET is not  set",
        "# CONFIG_NET is not set, for now",
        "# CONFIG_NET not set",
        "<<<<<<< HEAD",
    ],
)
def test_a_malformed_line_is_an_error_with_its_place(line):
    with pytest.raises(ManifestError, match=r"^bad\.config:2: ") as caught:
        parse_fragment(f"# ok\n{line}\n", "bad.config")
    assert "is not set" in caught.value.hint


def test_commented_out_settings_are_comments():
    assert not fragment("# CONFIG_NET=y\n# netkit is what is set up here\n").wanted


def test_setting_a_symbol_twice_with_two_values_is_an_error():
    with pytest.raises(ManifestError, match=r"a\.config:3: CONFIG_NET: set to n, but line 1 .* y"):
        fragment("CONFIG_NET=y\n\n# CONFIG_NET is not set\n")


def test_setting_a_symbol_twice_to_the_same_value_is_not():
    assert fragment("CONFIG_NET=y\nCONFIG_NET=y\n").wanted["NET"].line == 1


# -- merging and comparing


def test_the_later_fragment_wins_and_the_override_is_listed():
    merged = merge([fragment("CONFIG_A=y\nCONFIG_B=y\n"), fragment("CONFIG_A=n\n", "b.config")])
    assert merged.wanted["A"] == Wanted("n", "b.config", 1)
    assert [(o.symbol, o.old.value, o.new.file) for o in merged.overrides] == [
        ("A", "y", "b.config")
    ]


def test_agreement_is_no_override():
    merged = merge([fragment("CONFIG_A=0x10\n"), fragment("CONFIG_A=0X010\n", "b.config")])
    assert merged.overrides == ()


def test_lost_finds_every_wish_that_is_not_granted():
    wanted = fragment(
        """\
        CONFIG_HELD=y
        CONFIG_ABSENT=y
        CONFIG_MODULE=y
        # CONFIG_FORCED is not set
        # CONFIG_GONE is not set
        # CONFIG_OFF is not set
        CONFIG_HEX=0x10
        CONFIG_TEXT="x"
        """
    ).wanted
    config = parse_config(
        "# Linux\nCONFIG_HELD=y\nCONFIG_MODULE=m\nCONFIG_FORCED=y\n# CONFIG_OFF is not set\n"
        'CONFIG_HEX=0x010\nCONFIG_TEXT="y"\n'
    )
    assert {one.symbol: one.got for one in kconfig.lost(wanted, config)} == {
        "ABSENT": "",
        "MODULE": "m",
        "FORCED": "y",
        "TEXT": '"y"',
    }


def test_wishes_are_laid_over_a_config_last_and_once():
    base = "#\n# Linux\n#\nCONFIG_XZ=y\n# CONFIG_GZIP is not set\nCONFIG_NET=y\n"
    text = kconfig.lay_over(base, fragment("CONFIG_GZIP=y\n# CONFIG_NET is not set\n").wanted)
    assert text == "#\n# Linux\n#\nCONFIG_XZ=y\nCONFIG_GZIP=y\n# CONFIG_NET is not set\n"


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda p: p.name)
def test_our_own_fragments_are_well_formed_and_say_why(path):
    text = path.read_text()
    assert parse_fragment(text, path.name).wanted
    assert text.startswith("# ")


def test_our_own_fragments_do_not_contradict_each_other():
    targets = (FRAGMENTS[0].parents[1] / "patches/targets").glob("*.toml")
    names = {name for path in targets for name in read_target(path).fragments}
    usual = [p for p in FRAGMENTS if p.stem in names]  # flavours and variants may overrule
    merged = merge(parse_fragment(p.read_text(), p.name) for p in usual)
    assert merged.overrides == ()
    assert merged.wanted["NETKIT"].file == "netkit.config"


# -- the tree's Kconfig files

TREE = {
    "Kconfig": """\
        mainmenu "A tree"
        source "arch/$(SRCARCH)/Kconfig"
        config NET
            bool "Networking"
            select NLATTR
            help
              config NOT_A_SYMBOL
              depends on nothing

              Still help.
        if NET
        source "net/Kconfig"
        endif # NET
        osource "absent/Kconfig"
        """,
    "arch/box/Kconfig": """\
        config BOX
            def_bool y
            select PERF if \\
              !TINY
        config TINY
            bool "Tiny"
        config PERF
            bool
        config BIG
            bool "Big" if EXPERT
        config EXPERT
            bool "Expert"
        choice
            prompt "Packing"
            depends on !TINY
        config GZIP
            bool "gzip"
        config XZ
            bool "xz"
        endchoice
        """,
    "net/Kconfig": """\
        menu "Devices"
            depends on CORE || VIRTUAL
        config VETH
            tristate "veth"
        rsource "kit/Kconfig"
        endmenu
        config CORE
            bool "Core"
        config NLATTR
            bool
        """,
    "net/kit/Kconfig": """\
        config KIT
            bool "kit"
            depends on BPF && $(cc-option,-fkit) # with a remark
            depends on (A || B) && NET != n
        """,
}


def tree() -> dict[str, list[Definition]]:
    texts = {name: textwrap.dedent(text).replace("    ", "\t") for name, text in TREE.items()}
    return definitions(texts.get, {"SRCARCH": "box"})


def why(symbol: str, wanted: str, config: dict[str, str]) -> str:
    loss = Lost(symbol, Wanted(wanted, "f.config", 1), config.get(symbol, ""))
    return reason(loss, tree(), config)


def test_symbols_are_found_through_sources_and_not_in_help():
    found = tree()
    assert {"BOX", "NET", "VETH", "KIT", "NLATTR", "XZ"} <= found.keys()
    assert "NOT_A_SYMBOL" not in found
    assert (found["KIT"][0].file, found["KIT"][0].line) == ("net/kit/Kconfig", 1)


def test_conditions_come_from_blocks_around_a_symbol_and_end_with_them():
    found = tree()
    assert found["KIT"][0].depends[:2] == ["NET", "CORE || VIRTUAL"]
    assert found["CORE"][0].depends == ["NET"]
    assert found["NET"][0].depends == []


def test_a_continued_line_is_one_statement():
    assert tree()["BOX"][0].selects == [("PERF", "!TINY")]
    assert list(statements('a \\\n  b # no\n# gone\nprompt "x # y"\n')) == [
        (1, "a b"),
        (4, 'prompt "x # y"'),
    ]


def test_a_tree_that_sources_itself_is_read_to_an_end():
    assert "A" in definitions(lambda _path: 'config A\nsource "Kconfig"\n', {})


def test_why_a_symbol_is_not_defined():
    assert why("NETKIT", "y", {}) == "not defined in this tree"


def test_why_a_dependency_is_not_met():
    config = {"NET": "y", "CORE": "n", "BPF": "n", "A": "y"}
    assert why("VETH", "y", config) == ("depends on CORE || VIRTUAL (CORE is n, VIRTUAL is absent)")
    config["CORE"] = "y"
    assert why("KIT", "y", config) == "depends on BPF (BPF is n)"


def test_why_a_symbol_is_forced_on():
    assert why("NLATTR", "n", {"NET": "y", "NLATTR": "y"}) == "selected by NET"
    assert why("PERF", "n", {"BOX": "y", "PERF": "y"}) == "selected by BOX"


def test_a_select_whose_condition_is_not_met_is_not_the_reason():
    got = why("PERF", "n", {"BOX": "y", "TINY": "y", "PERF": "y"})
    assert got == "has no prompt: only a default or a select sets it"


def test_why_a_symbol_cannot_be_chosen():
    assert "no prompt" in why("NLATTR", "y", {"NET": "y"})
    assert why("BIG", "y", {}) == "can be chosen only if EXPERT (EXPERT is absent)"
    assert why("GZIP", "y", {"XZ": "y"}) == "the choice went to XZ"
    assert why("GZIP", "y", {"TINY": "y"}) == "depends on !TINY (TINY is y)"
    assert why("NET", "y", {}).startswith("its conditions look met: see Kconfig:3")


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("A", 2),
        ("M", 1),
        ("B", 0),
        ("!B", 2),
        ("!M", 1),
        ("A && M", 1),
        ("B || M && A", 1),
        ("!(A && B) && M", 1),
        ("A = y", 2),
        ("A != y", 0),
        ('S = "x"', 2),
        ("B = n", 2),
        ("$(cc-option,-f(x)) && A", 2),
        ("GCC_VERSION >= 120000", 2),
        ("GONE", 0),
    ],
)
def test_conditions_are_evaluated_as_kconfig_does(condition, value):
    assert evaluate(condition, {"A": "y", "M": "m", "B": "n", "S": '"x"'}) == value


def test_conjuncts_are_cut_only_outside_parentheses():
    assert conjuncts("A && (B || !C) && D=y") == ["A", "(B || !C)", "D = y"]
    assert conjuncts("A && B || C") == ["A && B || C"]
    assert unmet(["A && B", "B"], {"A": "y"}) == ("B",)
