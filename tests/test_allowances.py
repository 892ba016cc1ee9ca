"""compat.toml: what may be noticed, and that a mistake in it is told at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from backport.readers.allowances import read_allowances
from backport.readers.manifest import find_data_root
from backport.values.compat import SYMBOL, TYPE, UAPI, Allowance
from backport.values.errors import ManifestError

GOOD = """\
[[allow]]
type = "struct net_device"
members = ["tcx_ingress"]
reason = "two members for two"

[[allow]]
symbol = "dev_open"
reason = "it takes one argument more"

[[allow]]
uapi = "__MAX_DOCK"
reason = "counts what was added"
"""


def read(tmp_path, text):
    file = tmp_path / "compat.toml"
    file.write_text(text)
    return read_allowances(file)


def test_each_entry_is_of_one_kind(tmp_path):
    found = read(tmp_path, GOOD)
    assert [(one.kind, one.name, one.members, one.place.line) for one in found] == [
        (TYPE, "struct net_device", ("tcx_ingress",), 2),
        (SYMBOL, "dev_open", (), 7),
        (UAPI, "__MAX_DOCK", (), 11),
    ]
    assert isinstance(found[0], Allowance) and found[0].reason == "two members for two"


def test_a_series_without_the_file_allows_nothing(tmp_path):
    assert read_allowances(tmp_path / "compat.toml") == ()


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ('reason = "two members for two"', "", r":1: allow\[0\]: the key `reason` is missing"),
        ('"two members for two"', '" "', r":4: allow\[0\].reason: is empty"),
        ("struct net_device", "net_device", r":2: allow\[0\].type: 'net_device' names no type"),
        ('symbol = "dev_open"', "", r":6: allow\[1\]: names none of type, symbol, uapi"),
        ("symbol =", 'type = "enum x"\nsymbol =', r":6: allow\[1\]: names 2 of type, symbol"),
        ("symbol =", "members = []\nsymbl =", r":6: allow\[1\]: names none of"),
        ("uapi =", 'members = ["x"]\nuapi =', r":11: allow\[2\].members: a uapi has none"),
        ('uapi = "__MAX_DOCK"', 'symbol = "dev_open"', r":11: .*symbol: 'dev_open' is allowed tw"),
        ("reason", "raison", r":4: allow\[0\].raison: the key `reason` is missing"),
        ("members", "fields", r":3: allow\[0\].fields: unknown key"),
        ("[[allow]]", "[[alow]]", r":1: alow: the key `allow` is missing"),
        ("[[allow]]\ntype", "[[allow]\ntype", r"compat.toml:1: "),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path, old, new, wrong):
    with pytest.raises(ManifestError, match=wrong):
        read(tmp_path, GOOD.replace(old, new))


def test_every_shipped_entry_has_a_reason_of_its_own():
    files = sorted((Path(find_data_root()) / "patches").glob("*/compat.toml"))
    assert files
    for file in files:
        reasons = [one.reason for one in read_allowances(file)]
        assert len({*reasons}) == len(reasons) and min(map(len, reasons)) > 20
